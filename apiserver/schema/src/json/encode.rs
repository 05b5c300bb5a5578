//! From a value to the bytes that Go's encoder writes.

use serde_json::{Map, Value};

use super::write;
use crate::types::{Field, Omit, SchemaOr, Shape, Type};

/// Writes an object of this type. Fields that Go always writes are added if absent; members that are no fields
/// of the type are written only where it preserves them. A value that does not fit its shape is written as it is.
pub fn encode(ty: &Type, value: &Value, out: &mut Vec<u8>) {
    if ty.structural.is_some() {
        return encode_untyped(value, out);
    }
    match value {
        Value::Object(map) => object(ty, map, out),
        _ => object(ty, &Map::new(), out),
    }
}

/// [`encode`] into a new buffer.
pub fn to_vec(ty: &Type, value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    encode(ty, value, &mut out);
    out
}

/// Writes a value of this shape, as [`encode`] does.
pub fn encode_shape(shape: &Shape, of_shape: &Value, out: &mut Vec<u8>) {
    value(shape, of_shape, out);
}

/// Writes any JSON with sorted keys and Go's escapes: custom resources and raw extensions.
pub fn encode_untyped(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => write::integer(int, out),
            (None, Some(int)) => out.extend_from_slice(int.to_string().as_bytes()),
            _ => write::float(number.as_f64().unwrap_or_default(), out),
        },
        Value::String(text) => write::string(text, out),
        Value::Array(list) => {
            out.push(b'[');
            for (at, element) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                encode_untyped(element, out);
            }
            out.push(b']');
        }
        Value::Object(map) => members(map.iter(), out, |_, value, out| encode_untyped(value, out)),
    }
}

/// [`encode_untyped`] of a custom resource as it is stored: what the store itself knows of it is left out.
pub fn encode_stored(object: &Value, out: &mut Vec<u8>) {
    let Value::Object(map) = object else { return encode_untyped(object, out) };
    members(map.iter(), out, |key, value, out| match value {
        Value::Object(metadata) if key == "metadata" => {
            let kept = metadata.iter().filter(|(name, _)| !matches!(name.as_str(), "resourceVersion" | "selfLink"));
            members(kept, out, |_, value, out| encode_untyped(value, out));
        }
        _ => encode_untyped(value, out),
    });
}

fn members<'a>(
    members: impl Iterator<Item = (&'a String, &'a Value)>,
    out: &mut Vec<u8>,
    encode: impl Fn(&str, &Value, &mut Vec<u8>),
) {
    out.push(b'{');
    for (at, (key, value)) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write::string(key, out);
        out.push(b':');
        encode(key, value, out);
    }
    out.push(b'}');
}

fn object(ty: &Type, map: &Map<String, Value>, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    fields(ty, map, start, out);
    if ty.preserve_unknown {
        for (key, value) in map.iter().filter(|(key, _)| ty.field(key).is_none()) {
            separate(start, out);
            write::string(key, out);
            out.push(b':');
            encode_untyped(value, out);
        }
    }
    out.push(b'}');
}

fn fields(ty: &Type, map: &Map<String, Value>, start: usize, out: &mut Vec<u8>) {
    let slots = slots(ty, map);
    for (at, field) in ty.fields.iter().enumerate() {
        let value = match &slots {
            Some(slots) => slots[at],
            None => map.get(&*field.name),
        };
        member(field, value, map, start, out);
    }
}

/// One field of an object, from the map that it, or an inlined struct's members, may be in.
fn member(field: &Field, value: Option<&Value>, map: &Map<String, Value>, start: usize, out: &mut Vec<u8>) {
    match value {
        Some(value) if !value.is_null() => {
            if omitted(field, value) {
                return;
            }
            name(field, start, out);
            self::value(&field.shape, value, out);
        }
        _ if field.name.is_empty() => {
            if let Shape::Object(inner) = &field.shape {
                fields(inner, map, start, out);
            }
        }
        _ if field.omit == Omit::Never => {
            name(field, start, out);
            if field.pointer {
                out.extend_from_slice(b"null");
            } else {
                write_zero(&field.shape, out);
            }
        }
        _ => {}
    }
}

/// Whether two values of this type are written as the same bytes.
pub fn same(ty: &Type, left: &Value, right: &Value) -> bool {
    let (Some(left_map), Some(right_map)) = (left.as_object(), right.as_object()) else {
        return to_vec(ty, left) == to_vec(ty, right);
    };
    if ty.preserve_unknown {
        return to_vec(ty, left) == to_vec(ty, right);
    }
    // What changes mostly stands behind the metadata, and the first difference settles it.
    ty.fields.iter().rev().all(|field| {
        let (left, right) = (left_map.get(&*field.name), right_map.get(&*field.name));
        if !field.name.is_empty() && left == right {
            return true;
        }
        let (mut one, mut other) = (Vec::new(), Vec::new());
        member(field, left, left_map, 0, &mut one);
        member(field, right, right_map, 0, &mut other);
        one == other
    })
}

/// How many fields a type may have for its members to be sorted into slots.
pub const SLOTS: usize = 64;

/// The members of a map by the place of their field. A map has few members and a type many fields, so it is cheaper
/// to look for the field of each member than the other way round.
pub fn slots<'v>(ty: &Type, map: &'v Map<String, Value>) -> Option<[Option<&'v Value>; SLOTS]> {
    if ty.fields.len() > SLOTS {
        return None;
    }
    let mut slots = [None; SLOTS];
    for (key, value) in map {
        if let Some(at) = ty.fields.iter().position(|field| *field.name == **key && !field.name.is_empty()) {
            slots[at] = Some(value);
        }
    }
    Some(slots)
}

fn omitted(field: &Field, value: &Value) -> bool {
    match field.omit {
        Omit::Never => false,
        _ if field.pointer => false,
        Omit::Empty => is_empty(value),
        Omit::Zero => is_zero(&field.shape, value),
    }
}

fn name(field: &Field, start: usize, out: &mut Vec<u8>) {
    separate(start, out);
    out.push(b'"');
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn separate(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

fn value(shape: &Shape, value: &Value, out: &mut Vec<u8>) {
    match (shape, value) {
        (Shape::Object(ty), Value::Object(map)) => object(ty, map, out),
        (Shape::List(element), Value::Array(list)) => array(element, list, out),
        (Shape::Map(element), Value::Object(map)) => {
            out.push(b'{');
            for (at, (key, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write::string(key, out);
                out.push(b':');
                or_zero(element, value, out);
            }
            out.push(b'}');
        }
        (Shape::SchemaOr(_), Value::Object(map)) => object(crate::tables::SCHEMA, map, out),
        (Shape::SchemaOr(SchemaOr::Array), Value::Array(list)) if list.is_empty() => out.extend_from_slice(b"null"),
        (Shape::SchemaOr(SchemaOr::Array), Value::Array(list)) => array(crate::tables::SCHEMA_SHAPE, list, out),
        (Shape::SchemaOr(SchemaOr::StringArray), Value::Array(list)) if list.is_empty() => {
            out.extend_from_slice(b"null");
        }
        (Shape::FieldsV1, value) => super::fields_v1::encode(value, out),
        (_, value) => encode_untyped(value, out),
    }
}

fn array(element: &Shape, list: &[Value], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, value) in list.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        or_zero(element, value, out);
    }
    out.push(b']');
}

fn or_zero(shape: &Shape, value: &Value, out: &mut Vec<u8>) {
    if value.is_null() { write_zero(shape, out) } else { self::value(shape, value, out) }
}

/// Writes Go's zero value of this shape.
pub fn write_zero(shape: &Shape, out: &mut Vec<u8>) {
    match shape {
        Shape::String => out.extend_from_slice(b"\"\""),
        Shape::Bool | Shape::SchemaOr(SchemaOr::Bool) => out.extend_from_slice(b"false"),
        Shape::Int32 | Shape::Int64 | Shape::Float64 | Shape::IntOrString => out.push(b'0'),
        Shape::Quantity => out.extend_from_slice(b"\"0\""),
        Shape::Duration => out.extend_from_slice(b"\"0s\""),
        Shape::Object(ty) => object(ty, &Map::new(), out),
        _ => out.extend_from_slice(b"null"),
    }
}

/// The value of Go's zero value of this shape.
pub fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::String => Value::String(String::new()),
        Shape::Bool | Shape::SchemaOr(SchemaOr::Bool) => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Float64 | Shape::IntOrString => Value::from(0),
        Shape::Quantity => Value::from("0"),
        Shape::Duration => Value::from("0s"),
        Shape::Object(ty) => zero_object(ty),
        _ => Value::Null,
    }
}

/// The zero value of a struct: the fields that Go always writes.
pub fn zero_object(ty: &Type) -> Value {
    let mut map = Map::new();
    zero_fields(ty, &mut map);
    Value::Object(map)
}

fn zero_fields(ty: &Type, map: &mut Map<String, Value>) {
    for field in ty.fields.iter().filter(|field| field.omit == Omit::Never) {
        match &field.shape {
            Shape::Object(inner) if field.name.is_empty() => zero_fields(inner, map),
            shape => {
                let value = if field.pointer { Value::Null } else { zero(shape) };
                map.insert(field.name.to_string(), value);
            }
        }
    }
}

/// Go's `omitempty` for what is no struct.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Whether a value is Go's zero value of its shape.
pub fn is_zero(shape: &Shape, value: &Value) -> bool {
    match (shape, value) {
        (_, Value::Null) => true,
        (Shape::Object(ty), Value::Object(map)) => map.iter().all(|(key, value)| match ty.field(key) {
            Some(field) => value.is_null() || (!field.pointer && is_zero(&field.shape, value)),
            None => false,
        }),
        (Shape::Quantity, Value::String(text)) => text == "0",
        (Shape::Duration, Value::String(text)) => text == "0s",
        (Shape::IntOrString, Value::String(_)) => false,
        // An empty list or map is not nil.
        (_, Value::Array(_) | Value::Object(_)) => false,
        _ => is_empty(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn same_is_what_is_written_alike() {
        let ty = crate::builtin("", "v1", "Pod").expect("a built-in type");
        let pod = |spec: Value, status: Value| json!({"metadata": {"name": "a"}, "spec": spec, "status": status});
        let pods = [
            pod(json!({"containers": []}), json!({})),
            pod(json!({}), Value::Null),
            pod(json!({"containers": [], "nodeName": ""}), json!({"phase": ""})),
            pod(json!({"containers": [{"name": "x"}]}), json!({})),
            pod(json!({"containers": [{"name": "x", "args": []}]}), json!({})),
            pod(json!({"containers": [{"name": "x", "args": ["1"]}]}), json!({"phase": "Running"})),
            json!({"metadata": {"name": "b"}}),
            Value::Null,
        ];
        for left in &pods {
            for right in &pods {
                assert_eq!(same(ty, left, right), to_vec(ty, left) == to_vec(ty, right), "{left} {right}");
            }
        }
    }
}
