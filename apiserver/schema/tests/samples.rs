//! Every kind, every field, both encodings, pinned.
//!
//! `samples.txt` holds the digests of one filled object per kind. For the kinds of which upstream keeps a fixture
//! they are the digests of upstream's bytes (`upstream_samples.rs` compares them). To write the file anew after a change of
//! Kubernetes' version, run with `UPDATE_SAMPLES=1`.
#![allow(clippy::unwrap_used)] // A test.

mod filled;

use std::fmt::Write;

use apiserver_schema::json::{self, DecodeOptions};
use apiserver_schema::{builtins, protobuf};
use sha2::{Digest, Sha256};

#[test]
fn digests() {
    let mut actual = String::new();
    for builtin in builtins() {
        let api_version = match builtin.group {
            "" => builtin.version.to_owned(),
            group => format!("{group}/{}", builtin.version),
        };
        let value = filled::object(builtin.ty, &api_version, builtin.kind);
        let text = json::to_vec(builtin.ty, &value);
        let message = protobuf::message(builtin.ty, &value);
        let _ = writeln!(actual, "{api_version} {} {} {}", builtin.kind, digest(&text), digest(&message));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples.txt");
    if std::env::var_os("UPDATE_SAMPLES").is_some() {
        std::fs::write(path, &actual).unwrap();
    }
    let expected = include_str!("samples.txt");
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

#[test]
fn round_trips() {
    for builtin in builtins() {
        let value = filled::object(builtin.ty, "", "");
        let text = json::to_vec(builtin.ty, &value);
        let decoded = json::decode(builtin.ty, &text, DecodeOptions::default()).unwrap();
        assert_eq!(decoded.problems, [], "{}", builtin.kind);
        let normalised = decoded.value;
        assert_eq!(json::to_vec(builtin.ty, &normalised), text, "{}", builtin.kind);
        // Tables have no protobuf form.
        if builtin.ty.fields.iter().all(|field| field.number == 0) || builtin.kind == "Table" {
            continue;
        }
        let message = protobuf::message(builtin.ty, &normalised);
        assert_eq!(protobuf::message_of_json(builtin.ty, &text).unwrap(), message, "{}", builtin.kind);
        let mut transcoded = Vec::new();
        protobuf::to_json(builtin.ty, "", "", &message, &mut transcoded).unwrap();
        assert_eq!(String::from_utf8_lossy(&transcoded), String::from_utf8_lossy(&text), "{}", builtin.kind);
        assert_eq!(protobuf::decode(builtin.ty, &message).unwrap(), normalised, "{}", builtin.kind);
    }
}

/// What the decoder keeps in bit sets.
#[test]
fn types_are_small_enough() {
    for ty in apiserver_schema::types() {
        assert!(ty.fields.len() <= 64, "{}", ty.name);
        assert!(ty.fields.iter().filter(|field| field.name.is_empty()).count() <= 1, "{}", ty.name);
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What a message says in an uncommon spelling reads as what it means.
#[test]
fn messages_are_normalised() {
    let builtin = builtins().iter().find(|builtin| builtin.kind == "Pod").unwrap();
    let pod = serde_json::json!({
        "metadata": {"name": "p", "labels": {}},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1000m", "memory": "1024Ki"}}}]},
    });
    let message = protobuf::message(builtin.ty, &pod);
    let decoded = protobuf::decode(builtin.ty, &message).unwrap();
    assert_eq!(decoded["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
    assert_eq!(decoded["spec"]["containers"][0]["resources"]["requests"]["memory"], "1Mi");
    assert!(decoded["metadata"].get("labels").is_none());
    let text = json::decode(builtin.ty, decoded.to_string().as_bytes(), DecodeOptions::default()).unwrap();
    assert_eq!(text.value, decoded);
}
