//! An object of a type with every field filled, in the manner of upstream's round-trip fixtures: a string is its
//! field's name and `Value`, an integer its protobuf number, a list or map has one element.

use apiserver_schema::{SchemaOr, Shape, Type};
use serde_json::{Map, Value, json};

/// The object, with its kind if the type has one.
pub fn object(ty: &Type, api_version: &str, kind: &str) -> Value {
    let mut map = fields(ty, &mut Vec::new());
    if ty.field("kind").is_some_and(|field| field.number == 0) {
        map.insert("kind".into(), kind.into());
        map.insert("apiVersion".into(), api_version.into());
    }
    Value::Object(map)
}

fn fields<'t>(ty: &'t Type, above: &mut Vec<&'t str>) -> Map<String, Value> {
    let mut map = Map::new();
    above.push(&ty.name);
    for field in ty.fields.iter() {
        match &field.shape {
            Shape::Object(inner) if field.name.is_empty() => map.extend(fields(inner, above)),
            // The kind of a nested object does not survive protobuf.
            _ if field.number == 0 && matches!(&*field.name, "kind" | "apiVersion") => {}
            shape => {
                let number = if field.number == 0 { -(field.name.len() as i64) } else { i64::from(field.number) };
                if let Some(value) = value(shape, &field.name, number, above) {
                    map.insert(field.name.to_string(), value);
                }
            }
        }
    }
    above.pop();
    map
}

/// `None` inside itself: types may nest without end.
fn value<'t>(shape: &'t Shape, name: &str, number: i64, above: &mut Vec<&'t str>) -> Option<Value> {
    Some(match shape {
        Shape::String | Shape::IntOrString => format!("{name}Value").into(),
        Shape::Bool => true.into(),
        Shape::Int32 | Shape::Int64 => number.into(),
        Shape::Float64 => (number as f64 + 0.5).into(),
        Shape::Bytes => bytes(number).into(),
        Shape::Quantity => "0".into(),
        Shape::Time => format!("{}-01-01T01:01:01Z", 2000 + number).into(),
        Shape::MicroTime => format!("{}-01-01T01:01:01.{number:06}Z", 2000 + number).into(),
        Shape::Duration => format!("{number}ns").into(),
        Shape::Raw => json!({
            "apiVersion": "example.com/v1", "kind": "CustomType", "spec": {"replicas": 1}, "status": {"available": 1},
        }),
        Shape::FieldsV1 => json!({}),
        Shape::SchemaOr(SchemaOr::Array) => json!([{"type": "typeValue"}]),
        Shape::SchemaOr(SchemaOr::Bool) => json!({"type": "typeValue"}),
        Shape::SchemaOr(SchemaOr::StringArray) => json!([format!("{name}Value")]),
        Shape::Object(ty) if above.contains(&&*ty.name) => return None,
        Shape::Object(ty) => Value::Object(fields(ty, above)),
        Shape::List(element) => json!([value(element, name, number, above)?]),
        Shape::Map(element) => {
            // The fixtures leave times in maps zero.
            let value = match &**element {
                Shape::Time => Value::Null,
                element => value(element, name, number, above)?,
            };
            Value::Object(Map::from_iter([(format!("{name}Key"), value)]))
        }
    })
}

/// One byte, in base64.
fn bytes(number: i64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let byte = number as u8;
    let (high, low) = (DIGITS[usize::from(byte >> 2)], DIGITS[usize::from((byte & 3) << 4)]);
    format!("{}{}==", char::from(high), char::from(low))
}
