//! From a value to protobuf.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::MAGIC;
use super::wire::{FIXED64, VARINT, put_bytes, put_message, put_tag, put_varint};
use crate::json::{encode_fields_v1, encode_untyped, slots};
use crate::time::{Instant, ZERO_SECONDS, parse_duration};
use crate::types::{Field, SchemaOr, Shape, Type};

/// An enveloped body or etcd value.
pub fn encode(ty: &Type, api_version: &str, kind: &str, value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(MAGIC);
    put_message(1, &mut out, |out| {
        put_bytes(1, api_version.as_bytes(), out);
        put_bytes(2, kind.as_bytes(), out);
    });
    put_message(2, &mut out, |out| append(ty, value, out));
    put_bytes(3, b"", &mut out);
    put_bytes(4, b"", &mut out);
    out
}

/// A message without envelope.
pub fn message(ty: &Type, value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    append(ty, value, &mut out);
    out
}

fn append(ty: &Type, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => object(ty, map, out),
        _ => object(ty, &Map::new(), out),
    }
}

fn object(ty: &Type, map: &Map<String, Value>, out: &mut Vec<u8>) {
    let slots = slots(ty, map);
    let value = |at: usize| match &slots {
        Some(slots) => slots[at],
        None => map.get(&*ty.fields[at].name),
    };
    if ty.fields.is_sorted_by_key(|field| field.number) {
        for (at, field) in ty.fields.iter().enumerate() {
            put_field(field, value(at), map, out);
        }
        return;
    }
    let mut order: Vec<usize> = (0..ty.fields.len()).collect();
    order.sort_by_key(|at| ty.fields[*at].number);
    for at in order {
        put_field(&ty.fields[at], value(at), map, out);
    }
}

fn put_field(field: &Field, value: Option<&Value>, map: &Map<String, Value>, out: &mut Vec<u8>) {
    if !field.name.is_empty() {
        return put_member(field, value.unwrap_or(&Value::Null), out);
    }
    if let Shape::Object(inner) = &field.shape
        && field.number > 0
    {
        put_message(field.number, out, |out| object(inner, map, out));
    }
}

/// A field that is a member of its own in JSON; null where it is absent.
pub(super) fn put_member(field: &Field, value: &Value, out: &mut Vec<u8>) {
    let number = field.number;
    if number == 0 {
        return;
    }
    match (&field.shape, value) {
        (_, Value::Null) if field.pointer => {}
        (Shape::List(element), Value::Array(list)) if field.wrapped => {
            put_message(number, out, |out| list.iter().for_each(|value| put(1, element, value, out)));
        }
        (Shape::List(element), Value::Array(list)) => {
            list.iter().for_each(|value| put(number, element, value, out));
        }
        (Shape::Map(shape), Value::Object(entries)) => put_map(number, shape, entries, out),
        (Shape::List(_) | Shape::Map(_), _) => {}
        (Shape::Bytes, Value::Null) => {}
        (shape, value) => put(number, shape, value, out),
    }
}

fn put_map(number: u32, shape: &Shape, entries: &Map<String, Value>, out: &mut Vec<u8>) {
    // `serde_json::Map` iterates in the order of its keys.
    for (key, value) in entries {
        put_message(number, out, |out| {
            put_bytes(1, key.as_bytes(), out);
            match (shape, value) {
                (Shape::Bytes, Value::Null) => {}
                // A list in a map is always a message of its own (authentication's `ExtraValue`).
                (Shape::List(element), Value::Array(list)) => {
                    put_message(2, out, |out| list.iter().for_each(|value| put(1, element, value, out)));
                }
                (Shape::List(_), _) => put_bytes(2, b"", out),
                _ => put(2, shape, value, out),
            }
        });
    }
}

/// One value; what does not fit its shape is written as the zero value.
pub(super) fn put(number: u32, shape: &Shape, value: &Value, out: &mut Vec<u8>) {
    match shape {
        Shape::String => put_bytes(number, value.as_str().unwrap_or_default().as_bytes(), out),
        Shape::Bool => put_int(number, i64::from(value.as_bool().unwrap_or_default()), out),
        Shape::Int32 | Shape::Int64 => put_int(number, value.as_i64().unwrap_or_default(), out),
        Shape::Float64 => {
            put_tag(number, FIXED64, out);
            out.extend_from_slice(&value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Shape::Bytes => {
            let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
            put_bytes(number, &bytes, out);
        }
        Shape::Quantity => {
            let text = value.as_str().unwrap_or("0").as_bytes();
            put_message(number, out, |out| put_bytes(1, text, out));
        }
        Shape::IntOrString => put_message(number, out, |out| {
            let text = value.as_str();
            put_int(1, i64::from(text.is_some()), out);
            put_int(2, value.as_i64().unwrap_or_default(), out);
            put_bytes(3, text.unwrap_or_default().as_bytes(), out);
        }),
        Shape::Time | Shape::MicroTime => put_message(number, out, |out| {
            if let Some(text) = value.as_str() {
                put_time(shape, text, out);
            }
        }),
        Shape::Duration => {
            let nanos = value.as_str().and_then(|text| parse_duration(text).ok()).unwrap_or_default();
            put_message(number, out, |out| put_int(1, nanos, out));
        }
        Shape::Raw | Shape::FieldsV1 => put_message(number, out, |out| {
            if !value.is_null() {
                let write = if matches!(shape, Shape::FieldsV1) { encode_fields_v1 } else { encode_untyped };
                put_message(1, out, |out| write(value, out));
            }
        }),
        Shape::Object(ty) => put_message(number, out, |out| append(ty, value, out)),
        Shape::SchemaOr(or) => put_message(number, out, |out| put_schema_or(*or, value, out)),
        // Nested containers have no protobuf form.
        Shape::List(_) | Shape::Map(_) => put_bytes(number, b"", out),
    }
}

pub(super) fn put_int(number: u32, value: i64, out: &mut Vec<u8>) {
    put_tag(number, VARINT, out);
    put_varint(value as u64, out);
}

/// The fields of a `Time` or `MicroTime`.
pub(super) fn put_time(shape: &Shape, text: &str, out: &mut Vec<u8>) {
    let (parsed, micro) = match shape {
        Shape::MicroTime => (Instant::parse_micro(text), true),
        _ => (Instant::parse(text), false),
    };
    match parsed {
        Ok(instant) if instant.seconds != ZERO_SECONDS || instant.nanos != 0 => {
            put_int(1, instant.seconds, out);
            put_int(2, if micro { i64::from(instant.nanos / 1000 * 1000) } else { 0 }, out);
        }
        _ => {}
    }
}

fn put_schema_or(or: SchemaOr, value: &Value, out: &mut Vec<u8>) {
    let schema = crate::tables::SCHEMA_SHAPE;
    match (or, value) {
        (SchemaOr::Bool, Value::Object(_)) => {
            put_int(1, 1, out);
            put(2, schema, value, out);
        }
        (SchemaOr::Bool, _) => put_int(1, i64::from(value.as_bool().unwrap_or_default()), out),
        (_, Value::Object(_)) => put(1, schema, value, out),
        (SchemaOr::Array, Value::Array(list)) => list.iter().for_each(|value| put(2, schema, value, out)),
        (SchemaOr::StringArray, Value::Array(list)) => list.iter().for_each(|value| put(2, &Shape::String, value, out)),
        _ => {}
    }
}
