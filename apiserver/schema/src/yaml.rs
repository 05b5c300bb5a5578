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
#[error("yaml: {0}")]
pub struct Error(String);

/// The value of a YAML document. Of duplicate keys the last counts.
pub fn to_value(body: &[u8]) -> Result<Value, Error> {
    parse(body).map(|(value, _)| value)
}

/// [`to_value`], and the first key that a mapping has twice, in the words of upstream's library.
pub fn parse(body: &[u8]) -> Result<(Value, Option<String>), Error> {
    let text = std::str::from_utf8(body).map_err(|error| Error(error.to_string()))?;
    if begins_with_tab(text) {
        return Err(Error("found character that cannot start any token".to_owned()));
    }
    let read = |policy| serde_saphyr::from_str_with_options(text, options(policy));
    match read(DuplicateKeyPolicy::Error) {
        Ok(value) => Ok((value, None)),
        Err(serde_saphyr::Error::DuplicateMappingKey { key, location }) => {
            let problem = format!("line {}: key {:?} already set in map", location.line(), key.unwrap_or_default());
            let value = read(DuplicateKeyPolicy::LastWins).map_err(|error| Error(described(text, &error)))?;
            Ok((value, Some(problem)))
        }
        Err(error) => Err(Error(described(text, &error))),
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    let mut options = Options::default();
    options.duplicate_keys = duplicate_keys;
    options.alias_limits.max_total_replayed_events = MAX_REPLAYED_EVENTS;
    options.alias_limits.max_replay_stack_depth = MAX_ALIAS_DEPTH;
    options.with_snippet = false;
    options
}

/// Whether the first line with anything in it is indented by a tab, which no YAML is.
fn begins_with_tab(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'))
}

/// An error in the words of upstream's library, where there are such words. A collection that is not closed is found
/// at the end of the document.
fn described(text: &str, error: &serde_saphyr::Error) -> String {
    let shown = error.to_string();
    let close = match shown.strip_prefix("unclosed bracket '").and_then(|rest| rest.chars().next()) {
        Some('[') => ']',
        Some('{') => '}',
        _ => return shown,
    };
    let expected = match text.trim_end().chars().last() {
        Some('[' | '{' | ',' | ':') => "node content".to_owned(),
        _ => format!("',' or '{close}'"),
    };
    format!("line {}: did not find expected {expected}", text.lines().count())
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
    fn errors_are_worded_as_upstream_words_them() {
        for (text, problem) in [
            ("a: [1", "yaml: line 1: did not find expected ',' or ']'"),
            ("{", "yaml: line 1: did not find expected node content"),
            ("a:\n  b: {c: 1\n", "yaml: line 2: did not find expected ',' or '}'"),
            ("\tx: 1", "yaml: found character that cannot start any token"),
        ] {
            assert_eq!(to_value(text.as_bytes()).unwrap_err().to_string(), problem);
        }
        let repeated = parse(b"a: {b: 1}\nc: {b: c, b: d}\n").unwrap();
        assert_eq!(repeated.0, serde_json::json!({"a": {"b": 1}, "c": {"b": "d"}}));
        assert_eq!(repeated.1.unwrap(), "line 2: key \"b\" already set in map");
        assert_eq!(parse(b"a: {b: 1}\nc: {b: c}\n").unwrap().1, None);
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
