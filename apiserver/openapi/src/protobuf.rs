//! OpenAPI documents in protobuf: gnostic's messages, as tables of where each member of the JSON form stands.
//!
//! Free-form values are YAML text, as gnostic's compiler writes them.

pub mod v2;
pub mod v3;

use serde_json::{Map, Value};

/// What stands in a field of a message.
enum Kind {
    Text,
    Texts,
    Bool,
    Integer,
    Number,
    Any,
    Anys,
    Message(&'static Form),
    /// A map as a message with one repeated field of names and values.
    Named(u32, &'static Kind),
    /// A message around one field.
    Wrapped(u32, &'static Kind),
    /// A repeated field.
    Each(&'static Kind),
    /// A message made by a function.
    Made(fn(&Value) -> Vec<u8>),
}

/// A message: its members in JSON and where they stand; vendor extensions (`x-...`).
struct Form {
    members: &'static [(&'static str, u32, Kind)],
    extensions: u32,
}

fn form(form: &Form, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(object) = value.as_object() else { return out };
    for (key, number, kind) in form.members {
        if let Some(value) = object.get(*key) {
            field(*number, kind, value, &mut out);
        }
    }
    for (key, value) in object.iter().filter(|(key, _)| key.starts_with("x-")) {
        message(form.extensions, &named(key, &any(value)), &mut out);
    }
    out
}

fn field(number: u32, kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    match kind {
        Kind::Text => text(number, value.as_str().unwrap_or_default(), out),
        Kind::Texts => texts(number, value, out),
        Kind::Bool => {
            if value.as_bool() == Some(true) {
                tag(number, 0, out);
                out.push(1);
            }
        }
        Kind::Integer => {
            let value = value.as_i64().or_else(|| value.as_f64().map(|value| value as i64)).unwrap_or_default();
            if value != 0 {
                tag(number, 0, out);
                varint(value as u64, out);
            }
        }
        Kind::Number => {
            let value = value.as_f64().unwrap_or_default();
            if value != 0.0 {
                double(number, value, out);
            }
        }
        Kind::Any => message(number, &any(value), out),
        Kind::Anys => value.as_array().into_iter().flatten().for_each(|value| message(number, &any(value), out)),
        Kind::Message(inner) => message(number, &form(inner, value), out),
        Kind::Named(inner_number, inner) => {
            let mut map = Vec::new();
            for (name, value) in value.as_object().into_iter().flatten() {
                let mut entry = Vec::new();
                text(1, name, &mut entry);
                field(2, inner, value, &mut entry);
                message(*inner_number, &entry, &mut map);
            }
            message(number, &map, out);
        }
        Kind::Wrapped(inner_number, inner) => {
            let mut wrapper = Vec::new();
            field(*inner_number, inner, value, &mut wrapper);
            message(number, &wrapper, out);
        }
        Kind::Each(inner) => value.as_array().into_iter().flatten().for_each(|value| field(number, inner, value, out)),
        Kind::Made(make) => message(number, &make(value), out),
    }
}

/// A free-form value as YAML text.
fn any(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut yaml = String::new();
    write_yaml(value, 0, &mut yaml);
    text(2, &yaml, &mut out);
    out
}

/// Block YAML for maps and lists of what extensions hold: maps, lists and scalars.
fn write_yaml(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => yaml_map(map, indent, out),
        Value::Array(list) if !list.is_empty() => {
            for (at, element) in list.iter().enumerate() {
                if at > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                write_yaml(element, indent + 2, out);
            }
        }
        // JSON's scalars and its empty map and list are YAML's, too.
        _ => {
            out.push_str(&value.to_string());
            out.push('\n');
        }
    }
}

fn yaml_map(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(key);
        out.push(':');
        let nested = value.as_object().is_some_and(|map| !map.is_empty())
            || value.as_array().is_some_and(|list| !list.is_empty());
        if nested {
            out.push('\n');
            out.push_str(&" ".repeat(indent + 2));
            write_yaml(value, indent + 2, out);
        } else {
            out.push(' ');
            write_yaml(value, indent, out);
        }
    }
}

/// A `Named...` message.
fn named(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    text(1, name, &mut out);
    message(2, value, &mut out);
    out
}

fn texts(number: u32, value: &Value, out: &mut Vec<u8>) {
    for value in value.as_array().into_iter().flatten() {
        message(number, value.as_str().unwrap_or_default().as_bytes(), out);
    }
}

/// A text, unless it is empty.
fn text(number: u32, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        message(number, value.as_bytes(), out);
    }
}

/// A field that begins with its length.
pub fn message(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    tag(number, 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn double(number: u32, value: f64, out: &mut Vec<u8>) {
    tag(number, 1, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn tag(number: u32, wire_type: u32, out: &mut Vec<u8>) {
    varint(u64::from(number << 3 | wire_type), out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
