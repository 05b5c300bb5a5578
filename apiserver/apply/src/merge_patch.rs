//! JSON merge patch (RFC 7386), with the details of evanphx/json-patch that upstream's server uses.

use serde_json::Value;

use crate::PatchError;

/// Merges `patch` into `doc`.
///
/// A patch that is not JSON, is `null` or is a scalar is a bad request; one that is an array replaces the
/// document (decoding the result then fails, as upstream). `doc` is unchanged on error.
pub fn apply(doc: &mut Value, patch: &[u8]) -> Result<(), PatchError> {
    let patch: Value = serde_json::from_slice(patch).map_err(|_| bad_patch())?;
    apply_value(doc, patch)
}

/// [`apply`] for a patch that is parsed already.
pub fn apply_value(doc: &mut Value, mut patch: Value) -> Result<(), PatchError> {
    match patch {
        Value::Object(_) if doc.is_object() => merge(doc, patch),
        Value::Object(_) | Value::Array(_) => {
            prune_nulls(&mut patch);
            *doc = patch;
        }
        _ => return Err(bad_patch()),
    }
    Ok(())
}

fn bad_patch() -> PatchError {
    PatchError::BadRequest("Invalid JSON Patch".to_owned())
}

fn merge(current: &mut Value, mut patch: Value) {
    match (&mut *current, &mut patch) {
        (Value::Object(current), Value::Object(patch)) => {
            for (key, value) in std::mem::take(patch) {
                if value.is_null() {
                    current.remove(&key);
                    continue;
                }
                match current.get_mut(&key) {
                    Some(present) if !present.is_null() => merge(present, value),
                    _ => {
                        let mut value = value;
                        prune_nulls(&mut value);
                        current.insert(key, value);
                    }
                }
            }
        }
        // Nulls inside a non-object that replaces an object are kept, as upstream.
        (Value::Object(_), _) => *current = patch,
        _ => {
            prune_nulls(&mut patch);
            *current = patch;
        }
    }
}

/// Drops null members of objects, also of those inside arrays; null elements of arrays stay.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(mut doc: Value, patch: &str) -> Result<Value, String> {
        apply(&mut doc, patch.as_bytes()).map(|()| doc).map_err(|error| error.to_string())
    }

    #[test]
    fn follows_rfc_7386() {
        for (doc, patch, want) in [
            (json!({"a":"b"}), r#"{"a":"c"}"#, json!({"a":"c"})),
            (json!({"a":"b"}), r#"{"b":"c"}"#, json!({"a":"b","b":"c"})),
            (json!({"a":"b","b":"c"}), r#"{"a":null}"#, json!({"b":"c"})),
            (json!({"a":["b"]}), r#"{"a":"c"}"#, json!({"a":"c"})),
            (json!({"a":{"b":"c"}}), r#"{"a":{"b":"d","c":null}}"#, json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), r#"{"a":[1]}"#, json!({"a":[1]})),
            (json!({}), r#"{"a":{"bb":{"ccc":null}}}"#, json!({"a":{"bb":{}}})),
            (json!({"a":null}), r#"{"a":{"b":null,"c":1}}"#, json!({"a":{"c":1}})),
            (json!({"a":1}), r#"{"a":[{"x":null},null]}"#, json!({"a":[{},null]})),
            (json!({"a":{"x":1}}), r#"{"a":[{"x":null}]}"#, json!({"a":[{"x":null}]})),
        ] {
            assert_eq!(patched(doc, patch), Ok(want), "{patch}");
        }
    }

    #[test]
    fn only_objects_and_arrays_are_patches() {
        for patch in ["null", "1", "\"x\"", "{", ""] {
            assert_eq!(patched(json!({"a":1}), patch), Err("Invalid JSON Patch".to_owned()), "{patch}");
        }
        assert_eq!(patched(json!({"a":1}), "[1]"), Ok(json!([1])));
    }
}
