//! JSON patch (RFC 6902), with the semantics, limits and messages of evanphx/json-patch v4 that upstream's server uses.
//!
//! Written here rather than taken from a crate because the differences are visible to clients: negative
//! array indices, `add` at the end by number, what `replace` and `test` do on missing members, the messages.

use serde_json::{Map, Value};

use crate::PatchError;

/// The most operations one patch may have.
pub const MAX_OPERATIONS: usize = 10_000;

/// The most bytes of JSON that the `copy` operations of one patch may add together.
const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// Applies `patch` to `doc`. `doc` is left as it was when the patch fails.
///
/// A patch that is not a JSON array of objects is a [`PatchError::BadRequest`], one with more than
/// [`MAX_OPERATIONS`] is [`PatchError::TooLarge`], one that does not fit is [`PatchError::Unprocessable`].
pub fn apply(doc: &mut Value, patch: &[u8]) -> Result<(), PatchError> {
    let operations: Vec<Option<Map<String, Value>>> = serde_json::from_slice::<Option<_>>(patch)
        .map_err(|error| PatchError::BadRequest(error.to_string()))?
        .unwrap_or_default();
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut patched = doc.clone();
    let mut copied = 0;
    for operation in operations {
        run(&mut patched, &operation.unwrap_or_default(), &mut copied).map_err(PatchError::Unprocessable)?;
    }
    *doc = patched;
    Ok(())
}

fn run(doc: &mut Value, operation: &Map<String, Value>, copied_bytes: &mut usize) -> Result<(), String> {
    match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
        "add" => {
            let path = path(operation).map_err(|_| format!("add operation failed to decode path: {MISSING}"))?;
            let (container, key) = find(doc, path)
                .ok_or_else(|| format!("add operation does not apply: doc is missing path: \"{path}\": {MISSING}"))?;
            add(container, &key, value(operation)).map_err(|cause| format!("error in add for path: '{path}': {cause}"))
        }
        "remove" => {
            let path = path(operation).map_err(|_| format!("remove operation failed to decode path: {MISSING}"))?;
            let (container, key) = find(doc, path).ok_or_else(|| {
                format!("remove operation does not apply: doc is missing path: \"{path}\": {MISSING}")
            })?;
            remove(container, &key).map(|_| ()).map_err(|cause| format!("error in remove for path: '{path}': {cause}"))
        }
        "replace" => replace(doc, operation),
        "move" => {
            let from = from(operation).map_err(|cause| format!("move operation failed to decode from: {cause}"))?;
            let (container, key) = find(doc, from)
                .ok_or_else(|| format!("move operation does not apply: doc is missing from path: {from}: {MISSING}"))?;
            let moved = remove(container, &key).map_err(|cause| format!("error in move for path: '{key}': {cause}"))?;
            let path = path(operation).map_err(|cause| format!("move operation failed to decode path: {cause}"))?;
            let (container, key) = find(doc, path).ok_or_else(|| {
                format!("move operation does not apply: doc is missing destination path: {path}: {MISSING}")
            })?;
            add(container, &key, moved).map_err(|cause| format!("error in move for path: '{path}': {cause}"))
        }
        "test" => test(doc, operation),
        "copy" => {
            let from = from(operation).map_err(|cause| format!("copy operation failed to decode from: {cause}"))?;
            let (container, key) = find(doc, from)
                .ok_or_else(|| format!("copy operation does not apply: doc is missing from path: {from}: {MISSING}"))?;
            let copied = get(container, &key)
                .map_err(|cause| format!("error in copy for from: '{from}': {cause}"))?
                .cloned()
                .unwrap_or_default();
            let path = path(operation).map_err(|_| format!("copy operation failed to decode path: {MISSING}"))?;
            let (container, key) = find(doc, path).ok_or_else(|| {
                format!("copy operation does not apply: doc is missing destination path: {path}: {MISSING}")
            })?;
            *copied_bytes += copied.to_string().len();
            if *copied_bytes > MAX_COPIED_BYTES {
                return Err(format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied_bytes}, exceeding the limit {MAX_COPIED_BYTES}"
                ));
            }
            add(container, &key, copied).map_err(|cause| format!("error while adding value during copy: {cause}"))
        }
        other => Err(format!("Unexpected kind: {other}")),
    }
}

const MISSING: &str = "missing value";
const TEST_FAILED: &str = "test failed";
const INVALID_INDEX: &str = "invalid index referenced";

fn path(operation: &Map<String, Value>) -> Result<&str, String> {
    match operation.get("path") {
        None | Some(Value::Null) => Err(format!("operation missing path field: {MISSING}")),
        Some(path) => path.as_str().ok_or_else(|| not_a_string(path)),
    }
}

fn from(operation: &Map<String, Value>) -> Result<&str, String> {
    match operation.get("from") {
        None | Some(Value::Null) => Err(format!("operation, missing from field: {MISSING}")),
        Some(from) => from.as_str().ok_or_else(|| not_a_string(from)),
    }
}

fn not_a_string(value: &Value) -> String {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        _ => "object",
    };
    format!("json: cannot unmarshal {kind} into Go value of type string")
}

fn value(operation: &Map<String, Value>) -> Value {
    operation.get("value").cloned().unwrap_or_default()
}

fn replace(doc: &mut Value, operation: &Map<String, Value>) -> Result<(), String> {
    let path = path(operation).map_err(|cause| format!("replace operation failed to decode path: {cause}"))?;
    let value = value(operation);
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array: %!w(<nil>)".to_owned());
        }
        *doc = value;
        return Ok(());
    }
    let (container, key) = find(doc, path)
        .ok_or_else(|| format!("replace operation does not apply: doc is missing path: {path}: {MISSING}"))?;
    match container {
        // A missing member of an object is added, as upstream.
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) => {
            let index = index(&key, items.len())
                .ok()
                .filter(|index| *index < items.len())
                .ok_or_else(|| format!("replace operation does not apply: doc is missing key: {path}: {MISSING}"))?;
            items[index] = value;
        }
        _ => {}
    }
    Ok(())
}

fn test(doc: &mut Value, operation: &Map<String, Value>) -> Result<(), String> {
    let path = path(operation).map_err(|cause| format!("test operation failed to decode path: {cause}"))?;
    let wanted = operation.get("value").unwrap_or(&Value::Null);
    let failed = || format!("testing value {path} failed: {TEST_FAILED}");
    if path.is_empty() {
        return if doc == wanted { Ok(()) } else { Err(failed()) };
    }
    let (container, key) =
        find(doc, path).ok_or_else(|| format!("test operation does not apply: is missing path: {path}: {MISSING}"))?;
    let present = get(container, &key).map_err(|cause| format!("error in test for path: '{path}': {cause}"))?;
    if present.unwrap_or(&Value::Null) == wanted { Ok(()) } else { Err(failed()) }
}

/// The container that `path` ends in and the last token, unescaped.
fn find<'d>(doc: &'d mut Value, path: &str) -> Option<(&'d mut Value, String)> {
    let mut tokens = path.split('/').skip(1).map(unescape);
    let mut key = tokens.next()?;
    let mut container = doc;
    for next in tokens {
        let length = container.as_array().map_or(0, Vec::len);
        container = match container {
            Value::Object(map) => map.get_mut(&key)?,
            Value::Array(items) => items.get_mut(index(&key, length).ok()?)?,
            _ => return None,
        };
        key = next;
    }
    (container.is_object() || container.is_array()).then_some((container, key))
}

fn unescape(token: &str) -> String {
    // Both escapes in one pass, so that `~01` becomes `~1`.
    let mut out = String::with_capacity(token.len());
    let mut rest = token;
    while let Some(at) = rest.find('~') {
        out.push_str(&rest[..at]);
        let (text, used) = match rest.as_bytes().get(at + 1) {
            Some(b'0') => ("~", 2),
            Some(b'1') => ("/", 2),
            _ => ("~", 1),
        };
        out.push_str(text);
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    out
}

/// The index a token names in an array of `length`; negative ones count from the end. It may lie past the end.
fn index(token: &str, length: usize) -> Result<usize, String> {
    let number: i64 = token.parse().map_err(|_| format!("strconv.Atoi: parsing {token:?}: invalid syntax"))?;
    let from_end = if number < 0 { number + length as i64 } else { number };
    usize::try_from(from_end).map_err(|_| invalid_index(number))
}

fn invalid_index(number: i64) -> String {
    format!("Unable to access invalid index: {number}: {INVALID_INDEX}")
}

fn get<'d>(container: &'d Value, key: &str) -> Result<Option<&'d Value>, String> {
    match container {
        Value::Array(items) => {
            let index = index(key, items.len())?;
            items.get(index).map(Some).ok_or_else(|| invalid_index(index as i64))
        }
        other => Ok(other.get(key)),
    }
}

fn add(container: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match container {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            if key.parse::<i64>().is_err() {
                return Err(format!(
                    "value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax"
                ));
            }
            // The end counts as a place to add at, also from behind: -1 appends.
            let index = index(key, items.len() + 1)?;
            if index > items.len() {
                return Err(invalid_index(index as i64));
            }
            items.insert(index, value);
        }
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Array(items) => {
            let index = index(key, items.len())?;
            if index >= items.len() {
                return Err(invalid_index(index as i64));
            }
            Ok(items.remove(index))
        }
        Value::Object(map) => {
            map.remove(key).ok_or_else(|| format!("Unable to remove nonexistent key: {key}: {MISSING}"))
        }
        _ => Err(MISSING.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(mut doc: Value, patch: Value) -> Result<Value, PatchError> {
        apply(&mut doc, patch.to_string().as_bytes()).map(|()| doc)
    }

    #[test]
    fn applies() {
        for (doc, patch, want) in [
            (json!({"a":1}), json!([{"op":"add","path":"/b","value":2}]), json!({"a":1,"b":2})),
            (json!({"a":[1,3]}), json!([{"op":"add","path":"/a/1","value":2}]), json!({"a":[1,2,3]})),
            (json!({"a":[1]}), json!([{"op":"add","path":"/a/-","value":2}]), json!({"a":[1,2]})),
            (json!({"a":[1]}), json!([{"op":"add","path":"/a/-1","value":2}]), json!({"a":[1,2]})),
            (json!({"a":[1,2]}), json!([{"op":"remove","path":"/a/-1"}]), json!({"a":[1]})),
            (json!({"a":1}), json!([{"op":"replace","path":"/b","value":2}]), json!({"a":1,"b":2})),
            (json!({"a/b":1}), json!([{"op":"move","from":"/a~1b","path":"/c~0d"}]), json!({"c~d":1})),
            (json!({"a":{"x":1}}), json!([{"op":"copy","from":"/a","path":"/b"}]), json!({"a":{"x":1},"b":{"x":1}})),
            (json!({"a":1}), json!([{"op":"test","path":"/b","value":null}]), json!({"a":1})),
            (json!({"a":1}), json!([{"op":"replace","path":"","value":{"z":1}}]), json!({"z":1})),
            (json!({"a":1}), json!([]), json!({"a":1})),
        ] {
            assert_eq!(patched(doc, patch.clone()), Ok(want), "{patch}");
        }
    }

    #[test]
    fn refuses_in_upstreams_words() {
        for (patch, want) in [
            (json!([{"op":"test","path":"/a","value":2}]), "testing value /a failed: test failed"),
            (
                json!([{"op":"remove","path":"/x"}]),
                "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
            ),
            (
                json!([{"op":"add","path":"/x/y","value":1}]),
                "add operation does not apply: doc is missing path: \"/x/y\": missing value",
            ),
            (json!([{"op":"add","value":1}]), "add operation failed to decode path: missing value"),
            (json!([{"op":"nop"}]), "Unexpected kind: nop"),
            (json!([{}]), "Unexpected kind: unknown"),
            (
                json!([{"op":"replace","path":"/l/9","value":1}]),
                "replace operation does not apply: doc is missing key: /l/9: missing value",
            ),
            (
                json!([{"op":"add","path":"/l/9","value":1}]),
                "error in add for path: '/l/9': Unable to access invalid index: 9: invalid index referenced",
            ),
        ] {
            let refused = patched(json!({"a":1,"l":[]}), patch.clone());
            assert_eq!(refused, Err(PatchError::Unprocessable(want.to_owned())), "{patch}");
        }
    }

    #[test]
    fn a_failing_patch_changes_nothing() {
        let mut doc = json!({"a":1});
        let patch = br#"[{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}]"#;
        assert!(apply(&mut doc, patch).is_err());
        assert_eq!(doc, json!({"a":1}));
    }

    #[test]
    fn limits() {
        assert_eq!(apply(&mut json!({}), b"{}").map_err(|error| error.code()), Err(400));
        let bomb: Vec<Value> = (0..40).map(|_| json!({"op":"copy","from":"/a","path":"/a/-"})).collect();
        assert_eq!(patched(json!({"a":["x"]}), Value::Array(bomb)).map_err(|error| error.code()), Err(422));
        let many = vec![json!({"op":"test","path":"/b"}); MAX_OPERATIONS + 1];
        let refused = patched(json!({}), Value::Array(many)).expect_err("too many");
        assert_eq!(refused.code(), 413);
        assert_eq!(
            refused.status_message(),
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
        );
    }
}
