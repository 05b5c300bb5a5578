//! Reading and changing an object's tree: metadata and top-level parts.

use serde_json::{Map, Value};

/// The object's fields. A tree that is no object has none.
fn fields(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()
}

/// Removes a top-level field.
pub fn clear(object: &mut Value, field: &str) {
    if let Some(fields) = fields(object) {
        fields.remove(field);
    }
}

/// Makes a top-level field what it was in `old`, absent included.
pub fn keep(object: &mut Value, old: &Value, field: &str) {
    let Some(fields) = fields(object) else { return };
    match old.get(field) {
        Some(value) => {
            fields.insert(field.to_owned(), value.clone());
        }
        None => {
            fields.remove(field);
        }
    }
}

/// Makes every top-level field but those named what it was in `old`.
pub fn keep_all_but(object: &mut Value, old: &Value, but: &[&str]) {
    let (Some(fields), Some(old)) = (fields(object), old.as_object()) else { return };
    fields.retain(|name, _| but.contains(&name.as_str()));
    for (name, value) in old {
        if !but.contains(&name.as_str()) {
            fields.insert(name.clone(), value.clone());
        }
    }
}

/// Makes the metadata what it was in `old`, as far as a user writes it; `managedFields` are not touched.
pub fn keep_meta(object: &mut Value, old: &Value) {
    for field in
        ["deletionTimestamp", "generation", "labels", "annotations", "finalizers", "ownerReferences", "selfLink"]
    {
        set_meta(object, field, old["metadata"].get(field).cloned());
    }
}

/// Whether top-level fields other than those named differ.
pub fn differs_but(object: &Value, old: &Value, but: &[&str]) -> bool {
    let differs = |one: &Value, other: &Value| {
        entries(one).any(|(name, value)| !but.contains(&name) && !same(value, &other[name]))
    };
    differs(object, old) || differs(old, object)
}

/// Whether two objects have the same members, but for those named.
pub fn equal_but(a: &Value, b: &Value, but: &[&str]) -> bool {
    entries(a).filter(|(name, _)| !but.contains(name)).eq(entries(b).filter(|(name, _)| !but.contains(name)))
}

/// Whether two trees mean the same: a field that is absent, null, empty, zero or false is one thing.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a_fields), Value::Object(b_fields)) => {
            a_fields.iter().all(|(name, value)| same(value, &b[name.as_str()]))
                && b_fields.iter().all(|(name, value)| !a[name.as_str()].is_null() || is_unset(value))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b || (is_unset(a) && is_unset(b)),
    }
}

/// Whether a value is what an absent field means.
pub fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_unset),
    }
}

/// A string, empty where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An integer, zero where there is none.
pub fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A list, empty where there is none.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a map, none where there is none.
pub fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// Removes a field of an object, if that it is.
pub fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// Renames a top-level field.
pub fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(fields) = fields(object)
        && let Some(value) = fields.remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
}

/// Sets the field at a path, making an object of whatever stands on the way and is none. Assigning through an
/// index would panic there.
pub fn set(object: &mut Value, path: &[&str], value: impl Into<Value>) {
    *entry(object, path) = value.into();
}

/// The value at a path, null where there was none; whatever stands on the way becomes an object.
pub fn entry<'a>(object: &'a mut Value, path: &[&str]) -> &'a mut Value {
    let mut at = object;
    for name in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        // Indexing an object with a name inserts null where there is nothing.
        at = &mut at[*name];
    }
    at
}

/// A string of the metadata; empty when absent.
pub fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Sets a field of the metadata, or removes it with `None`.
pub fn set_meta(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(fields) = fields(object) else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    let Some(metadata) = metadata.as_object_mut() else { return };
    match value {
        Some(value) => {
            metadata.insert(field.to_owned(), value);
        }
        None => {
            metadata.remove(field);
        }
    }
}

/// Removes annotations from an object's metadata, and the map where nothing is left in it.
pub fn drop_annotations(metadata: &mut Value, names: &[&str]) {
    let Some(annotations) = metadata["annotations"].as_object_mut() else { return };
    annotations.retain(|name, _| !names.contains(&name.as_str()));
    if annotations.is_empty() {
        remove(metadata, "annotations");
    }
}

/// The finalizers of an object.
pub fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Whether the object is being deleted.
pub fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The number in `metadata.resourceVersion`: absent or empty is none.
pub fn resource_version(object: &Value) -> Result<Option<i64>, String> {
    match meta(object, "resourceVersion") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| text.to_owned()),
    }
}

/// Now with microseconds, as `metav1.MicroTime` has it.
pub fn now_micros() -> Value {
    Value::String(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

/// Now, as `metav1.Time` has it.
pub fn now() -> Value {
    Value::String(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
