//! Compares with upstream's own samples of every kind, where they are at hand: set `KUBERNETES_TESTDATA` to
//! `staging/src/k8s.io/api/testdata/HEAD` of a Kubernetes source tree. Without it the test passes over them;
//! `samples.rs` pins what this comparison has established.
#![allow(clippy::unwrap_used)] // A test.

mod filled;

use std::fs;
use std::path::Path;

use apiserver_schema::json::{self, DecodeOptions};
use apiserver_schema::{builtin, protobuf};
use serde_json::Value;

#[test]
fn samples_of_upstream() {
    let Ok(directory) = std::env::var("KUBERNETES_TESTDATA") else { return };
    let mut compared = 0;
    let mut failures = Vec::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            compared += 1;
            failures.extend(compare(&path));
        }
    }
    assert!(failures.is_empty(), "{} of {compared} fail:\n{}", failures.len(), failures.join("\n"));
    println!("{compared} samples");
}

fn compare(path: &Path) -> Option<String> {
    let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut parts = stem.rsplitn(3, '.');
    let (kind, version, group) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let group = if group == "core" { "" } else { group };
    let Some(ty) = builtin(group, version, kind) else { return Some(format!("{stem}: no such type")) };
    // A watch event has no kind of its own.
    let (version, kind) = if kind == "WatchEvent" { ("", "") } else { (version, kind) };
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };

    let text = compact(&fs::read_to_string(path).unwrap());
    let binary = fs::read(path.with_extension("pb")).unwrap();
    let decoded = match json::decode(ty, text.as_bytes(), DecodeOptions::default()) {
        Ok(decoded) => decoded,
        Err(error) => return Some(format!("{stem}: {error}")),
    };
    if !decoded.problems.is_empty() {
        return Some(format!("{stem}: {:?}", decoded.problems));
    }
    let encoded = String::from_utf8(json::to_vec(ty, &decoded.value)).unwrap();
    if encoded != text {
        return Some(format!("{stem}: JSON differs {}", difference(encoded.as_bytes(), text.as_bytes())));
    }
    // So the digests in samples.txt are those of upstream's bytes.
    if json::to_vec(ty, &filled::object(ty, &api_version, kind)) != text.as_bytes() {
        return Some(format!("{stem}: the filled object is another"));
    }
    let message = protobuf::encode(ty, &api_version, kind, &decoded.value);
    if message != binary {
        return Some(format!("{stem}: protobuf differs {}", difference(&message, &binary)));
    }
    let envelope = protobuf::decode_envelope(&binary).unwrap();
    if (envelope.api_version, envelope.kind) != (&api_version, kind) {
        return Some(format!("{stem}: {envelope:?}"));
    }
    let mut transcoded = Vec::new();
    if let Err(error) = protobuf::to_json(ty, envelope.api_version, envelope.kind, envelope.raw, &mut transcoded) {
        return Some(format!("{stem}: to JSON: {error}"));
    }
    // The fixtures pass no conversion, which gives claim templates their kind.
    let claim = r#"{"kind":"PersistentVolumeClaim","apiVersion":"v1","#;
    if kind == "StatefulSet" {
        transcoded = String::from_utf8(transcoded).unwrap().replace(claim, "{").into_bytes();
    }
    if transcoded != text.as_bytes() {
        return Some(format!("{stem}: to JSON differs {}", difference(&transcoded, text.as_bytes())));
    }
    let mut value = protobuf::decode(ty, envelope.raw).unwrap();
    if !kind.is_empty() {
        value["kind"] = kind.into();
        value["apiVersion"] = api_version.into();
    }
    (value != decoded.value).then(|| format!("{stem}: decoded values differ"))
}

/// The samples are indented.
fn compact(text: &str) -> String {
    text.lines().map(str::trim_start).collect::<Vec<_>>().join("").replace("\": ", "\":")
}

fn difference(left: &[u8], right: &[u8]) -> String {
    let at = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let around = |bytes: &[u8]| {
        let part = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    format!("at {at}:\n  {:?}\n  {:?}", around(left), around(right))
}

#[test]
fn envelope_of_nothing() {
    assert_eq!(protobuf::decode_envelope(b"{}"), Err(protobuf::Error::NoMagic));
    let ty = builtin("", "v1", "Pod").unwrap();
    assert!(protobuf::decode(ty, b"").unwrap() == Value::clone(&protobuf::decode(ty, b"\x0a\x00").unwrap()));
}
