//! YAML request bodies.
//!
//! Only what has a JSON form is accepted, as by `sigs.k8s.io/yaml`. Anchors and aliases work, but what they may
//! expand to is limited, so that a small body cannot become a large object.

mod writer;

use serde_json::Value;
use serde_saphyr::Options;
use serde_saphyr::options::DuplicateKeyPolicy;
use thiserror::Error;

/// How many parser events all aliases of a document may replay.
const MAX_REPLAYED_EVENTS: usize = 100_000;
/// How deep aliases may refer to aliases.
const MAX_ALIAS_DEPTH: usize = 64;

/// The body is not YAML, or has no JSON form.
#[derive(Debug, Error)]
#[error("error converting YAML to JSON: yaml: {0}")]
pub struct Error(String);

/// The value of a YAML document. Of duplicate keys the last counts.
pub fn to_value(body: &[u8]) -> Result<Value, Error> {
    let text = std::str::from_utf8(body).map_err(|error| Error(error.to_string()))?;
    let mut options = Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options.alias_limits.max_total_replayed_events = MAX_REPLAYED_EVENTS;
    options.alias_limits.max_replay_stack_depth = MAX_ALIAS_DEPTH;
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Error(error.to_string()))
}

/// The JSON text of a YAML document, for the strict decoder.
pub fn to_json(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(body.len() * 2);
    crate::json::encode_untyped(&to_value(body)?, &mut out);
    Ok(out)
}

/// A value as YAML, in upstream's layout.
pub fn from_json(value: &Value) -> String {
    writer::write(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written() {
        let value = serde_json::json!({"b": ["x", {"y": 1}], "a": {"t": "true", "n": "1", "l": "a\nb\n", "z": null}, "e": {}, "f": []});
        let text = from_json(&value);
        assert_eq!(to_value(text.as_bytes()).unwrap(), value, "{text}");
        assert!(text.starts_with("a:\n  l: |\n    a\n    b\n  \"n\": \"1\"\n"), "{text}");
    }

    #[test]
    fn documents() {
        let text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: &x |\n    line\n  b: *x\n  c: \"1\"\nn: 5\nf: 1.5\nt: true\ne:\n";
        assert_eq!(
            to_json(text.as_bytes()).unwrap(),
            br#"{"apiVersion":"v1","data":{"a":"line\n","b":"line\n","c":"1"},"e":null,"f":1.5,"kind":"ConfigMap","n":5,"t":true}"#
        );
        assert!(to_json(b"a: [").is_err());
        assert!(to_json(b"\xff").is_err());
    }

    #[test]
    fn bombs() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [&*below; 10].join(",")));
        }
        assert!(to_value(text.as_bytes()).is_err());
    }
}
