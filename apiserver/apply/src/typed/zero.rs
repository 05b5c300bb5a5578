//! The JSON form of an object that has nothing set.

use apiserver_schema::json::zero as zero_of;
use apiserver_schema::{Field, Omit, Shape, Type};
use serde_json::{Map, Value};

/// The empty object of a built-in type: what Go cannot leave out is there, structs among it. It is what a
/// create is compared with, so that the structs themselves are owned by no one.
pub(crate) fn zero(ty: &Type) -> Value {
    let mut out = Map::new();
    fill(ty, &mut out);
    Value::Object(out)
}

fn fill(ty: &Type, out: &mut Map<String, Value>) {
    for field in ty.fields.iter().filter(|field| field.omit == Omit::Never) {
        match &field.shape {
            Shape::Object(inlined) if field.name.is_empty() => fill(inlined, out),
            _ if field.pointer => {
                out.insert(field.name.to_string(), Value::Null);
            }
            shape => {
                out.insert(field.name.to_string(), zero_of(shape));
            }
        }
    }
}

/// The default that upstream's generated OpenAPI gives a field without a declared one: the zero value of a
/// scalar that Go always writes.
pub(crate) fn openapi_default(field: &Field) -> Option<Value> {
    let scalar = matches!(field.shape, Shape::String | Shape::Bool | Shape::Int32 | Shape::Int64 | Shape::Float64);
    (scalar && !field.pointer && field.omit == Omit::Never).then(|| zero_of(&field.shape))
}
