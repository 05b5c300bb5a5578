//! The JSON form of an object that has nothing set.

use apiserver_schema::{Field, Omit, Shape, Type};
use serde_json::{Map, Value};

/// The empty object of a built-in type: a struct is there, empty, where Go cannot leave it out. It is what a
/// create is compared with, so that the structs themselves are owned by no one.
pub(crate) fn zero(ty: &Type) -> Value {
    let mut out = Map::new();
    fill(ty, &mut out);
    Value::Object(out)
}

fn fill(ty: &Type, out: &mut Map<String, Value>) {
    for field in ty.fields.iter() {
        match &field.shape {
            Shape::Object(inlined) if field.name.is_empty() => fill(inlined, out),
            // Go's omitempty does not apply to structs.
            Shape::Object(ty) if !field.pointer && field.omit != Omit::Zero => {
                out.insert(field.name.to_string(), zero(ty));
            }
            _ if field.omit == Omit::Never => {
                out.insert(field.name.to_string(), zero_of(field));
            }
            _ => {}
        }
    }
}

fn zero_of(field: &Field) -> Value {
    if field.pointer {
        return Value::Null;
    }
    match &field.shape {
        Shape::String | Shape::Duration => Value::from(if matches!(field.shape, Shape::Duration) { "0s" } else { "" }),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::IntOrString => Value::from(0),
        Shape::Float64 => Value::from(0),
        Shape::Quantity => Value::from("0"),
        Shape::Object(ty) => zero(ty),
        Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Raw
        | Shape::FieldsV1
        | Shape::List(_)
        | Shape::Map(_) => Value::Null,
    }
}

/// The default that upstream's generated OpenAPI gives a field without a declared one: the zero value of a
/// scalar that Go always writes.
pub(crate) fn openapi_default(field: &Field) -> Option<Value> {
    let scalar = matches!(field.shape, Shape::String | Shape::Bool | Shape::Int32 | Shape::Int64 | Shape::Float64);
    (scalar && !field.pointer && field.omit == Omit::Never).then(|| zero_of(field))
}
