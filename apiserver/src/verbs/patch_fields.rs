//! What is wrong with the fields of a patch and of what a strategic merge patch makes, in upstream's words.
//!
//! Source: apimachinery `pkg/runtime/converter.go` (a strategic merge patch is not decoded from JSON but converted from
//! maps, with errors of its own) and apiserver `pkg/endpoints/handlers/patch.go`.

use std::sync::LazyLock;

use apiserver_schema::json::{self, Problem};
use apiserver_schema::{Shape, Type};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An object about which nothing is known.
static ANYTHING: LazyLock<Type> = LazyLock::new(|| Type {
    name: "unstructured.Unstructured".into(),
    fields: Vec::new().into(),
    atomic: false,
    preserve_unknown: true,
    structural: None,
});

/// The members that an operation of a JSON patch has.
const OPERATION: &[&str] = &["op", "path", "from", "value"];

/// The duplicate fields of a patch that is an object. One that is none has no fields.
pub fn duplicates(patch: &[u8]) -> Vec<String> {
    problems(patch)
        .iter()
        .filter(|problem| matches!(problem, Problem::DuplicateField(_)))
        .map(|p| p.to_string())
        .collect()
}

/// The unknown and duplicate fields of the operations of a JSON patch.
pub fn of_operations(patch: &[u8]) -> Vec<String> {
    let operations: Vec<&RawValue> = serde_json::from_slice(patch).unwrap_or_default();
    let mut all = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let members: Map<String, Value> = serde_json::from_str(operation.get()).unwrap_or_default();
        let unknown = members.keys().filter(|name| !OPERATION.contains(&name.as_str()));
        let unknown = unknown.map(|name| Problem::UnknownField(format!("[{index}].{name}")));
        let duplicates = problems(operation.get().as_bytes()).into_iter().filter_map(|problem| match problem {
            Problem::DuplicateField(path) => Some(Problem::DuplicateField(format!("[{index}].{path}"))),
            Problem::UnknownField(_) => None,
        });
        all.extend(duplicates.chain(unknown).map(|problem| format!("json patch {problem}")));
    }
    all
}

fn problems(object: &[u8]) -> Vec<Problem> {
    let options = json::DecodeOptions { untyped: true, keep_unknown: true };
    json::decode(&ANYTHING, object, options).map(|decoded| decoded.problems).unwrap_or_default()
}

/// A strategic merge patch as messages show it: what merging it into `original` leaves of it. The orders of lists, and
/// the lists that have one, are used up.
pub fn left_over(patch: &Value, original: &Value) -> Value {
    let (Value::Object(members), Value::Object(before)) = (patch, original) else { return patch.clone() };
    let ordered: Vec<&str> = members.keys().filter_map(|name| name.strip_prefix("$setElementOrder/")).collect();
    let gone = |name: &str| {
        name.starts_with("$setElementOrder/") || matches!(name, "$retainKeys" | "$patch") || ordered.contains(&name)
    };
    let left = members.iter().filter(|(name, _)| !gone(name));
    Value::Object(
        left.map(|(name, value)| (name.clone(), left_over(value, before.get(name).unwrap_or(&Value::Null)))).collect(),
    )
}

/// Whether maps can be converted to the object; where they cannot, the first reason. Values of types that read
/// themselves (times, quantities, ...) are left to decoding.
pub fn convertible(ty: &Type, object: &Value) -> Result<(), String> {
    let Value::Object(members) = object else { return Err(format!("cannot restore struct from: {}", kind_of(object))) };
    for field in ty.fields.iter() {
        match &field.shape {
            Shape::Object(inlined) if field.name.is_empty() => convertible(inlined, object)?,
            shape => {
                if let Some(value) = members.get(field.name.as_ref()) {
                    fits(shape, &field.go_type, value)?;
                }
            }
        }
    }
    Ok(())
}

/// `named` is the field's own Go type, where it has one.
fn fits(shape: &Shape, named: &str, value: &Value) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let cannot = || {
        let go_type = if named.is_empty() { shape.go_type() } else { named.to_owned() };
        Err(format!("cannot convert {} to {go_type}", kind_of(value)))
    };
    let unrecognized = |kind: &str| Err(format!("unrecognized type: {kind}"));
    match (shape, value) {
        (Shape::String, Value::String(_)) | (Shape::Bool, Value::Bool(_)) | (Shape::Float64, Value::Number(_)) => {
            Ok(())
        }
        (Shape::Int32 | Shape::Int64, Value::Number(number)) => match number.as_f64() {
            Some(float) if number.is_f64() && float.trunc().to_bits() != float.to_bits() => cannot(),
            _ => Ok(()),
        },
        // Go's conversion of a number to a string makes a character of it.
        (Shape::String, Value::Number(number)) if !number.is_f64() => cannot(),
        (Shape::String, _) => unrecognized("string"),
        (Shape::Bool, _) => unrecognized("bool"),
        (Shape::Int32, _) => unrecognized("int32"),
        (Shape::Int64, _) => unrecognized("int64"),
        (Shape::Float64, _) => unrecognized("float64"),
        (Shape::Bytes, Value::String(_)) => Ok(()),
        (Shape::Object(ty), _) => convertible(ty, value),
        (Shape::List(item), Value::Array(items)) => items.iter().try_for_each(|value| fits(item, "", value)),
        (Shape::Bytes | Shape::List(_), _) => Err(format!("cannot restore slice from {}", kind_of(value))),
        (Shape::Map(item), Value::Object(members)) => members.values().try_for_each(|value| fits(item, "", value)),
        (Shape::Map(_), _) => Err(format!("cannot restore map from {}", kind_of(value))),
        _ => Ok(()),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_convert_is_named_as_by_upstream() {
        let deployment = apiserver_schema::builtin("apps", "v1", "Deployment").expect("it is built in");
        let why = |spec: Value| convertible(deployment, &json!({"spec": spec})).err().unwrap_or_default();
        assert_eq!(why(json!({"replicas": 3, "paused": null})), "");
        assert_eq!(why(json!({"replicas": "x"})), "unrecognized type: int32");
        assert_eq!(why(json!({"replicas": 1.5})), "cannot convert float64 to int32");
        assert_eq!(why(json!({"replicas": 1.0})), "");
        assert_eq!(why(json!({"paused": "x"})), "unrecognized type: bool");
        assert_eq!(why(json!({"template": []})), "cannot restore struct from: slice");
        assert_eq!(why(json!({"template": {"spec": {"containers": {}}}})), "cannot restore slice from map");
        assert_eq!(why(json!({"selector": {"matchLabels": "x"}})), "cannot restore map from string");
        assert_eq!(why(json!({"selector": {"matchLabels": {"a": 1}}})), "cannot convert int64 to string");
    }

    #[test]
    fn merging_uses_orders_up() {
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a"}], "$retainKeys": ["x"],
            "replicas": null, "new": {"$setElementOrder/l": []},
        }});
        let left = left_over(&patch, &json!({"spec": {"containers": []}}));
        assert_eq!(left, json!({"spec": {"replicas": null, "new": {"$setElementOrder/l": []}}}));
    }

    #[test]
    fn fields_of_patches_are_named() {
        assert_eq!(duplicates(br#"{"a":{"b":1,"b":2}}"#), ["duplicate field \"a.b\""]);
        assert!(duplicates(br#"{"a":1,"c":[{"d":2}]}"#).is_empty());
        let found = of_operations(br#"[{"op":"add","path":"/a","value":{"x":1}},{"op":"add","op":"add","paht":"/a"}]"#);
        assert_eq!(found, ["json patch duplicate field \"[1].op\"", "json patch unknown field \"[1].paht\""]);
    }
}
