//! `/openapi/v2` in protobuf: gnostic's `openapi.v2.Document`, which client-go reads.
//!
//! Source: gnostic-models `openapiv2/OpenAPIv2.proto`; free-form values are YAML text, as its compiler writes them.

use serde_json::{Map, Value};

/// Field numbers of a document's members.
pub mod document {
    pub const SWAGGER: u32 = 1;
    pub const INFO: u32 = 2;
    pub const PATHS: u32 = 8;
    pub const DEFINITIONS: u32 = 9;
    pub const SECURITY: u32 = 12;
    pub const SECURITY_DEFINITIONS: u32 = 13;
}

/// `Paths.path` and `Definitions.additional_properties`, each a name and a value.
pub const PATHS_PATH: u32 = 2;
pub const DEFINITIONS_SCHEMA: u32 = 1;

/// What stands in a field of a message.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    Bool,
    Any,
    Anys,
    Message(&'static Form),
    /// A map as a message with one repeated field of names and values.
    Named(u32, &'static Form),
    /// A message around one field.
    Wrapped(u32, &'static Form),
    /// `TypeItem`: a message around repeated texts.
    TypeItem,
    /// `ParametersItem`, which wraps a body or a query or path parameter.
    Parameters,
    /// `Responses`.
    Responses,
}

/// A message: its members in JSON and where they stand; vendor extensions (`x-...`).
struct Form {
    members: &'static [(&'static str, u32, Kind)],
    extensions: u32,
}

static SCHEMA: Form = Form {
    members: &[
        ("$ref", 1, Kind::Text),
        ("format", 2, Kind::Text),
        ("description", 4, Kind::Text),
        ("default", 5, Kind::Any),
        ("required", 19, Kind::Texts),
        ("enum", 20, Kind::Anys),
        ("additionalProperties", 21, Kind::Wrapped(1, &SCHEMA)),
        ("type", 22, Kind::TypeItem),
        ("items", 23, Kind::Wrapped(1, &SCHEMA)),
        ("properties", 25, Kind::Named(1, &SCHEMA)),
    ],
    extensions: 31,
};

static OPERATION: Form = Form {
    members: &[
        ("tags", 1, Kind::Texts),
        ("description", 3, Kind::Text),
        ("operationId", 5, Kind::Text),
        ("produces", 6, Kind::Texts),
        ("consumes", 7, Kind::Texts),
        ("parameters", 8, Kind::Parameters),
        ("responses", 9, Kind::Responses),
        ("schemes", 10, Kind::Texts),
    ],
    extensions: 13,
};

static PATH_ITEM: Form = Form {
    members: &[
        ("get", 2, Kind::Message(&OPERATION)),
        ("put", 3, Kind::Message(&OPERATION)),
        ("post", 4, Kind::Message(&OPERATION)),
        ("delete", 5, Kind::Message(&OPERATION)),
        ("options", 6, Kind::Message(&OPERATION)),
        ("head", 7, Kind::Message(&OPERATION)),
        ("patch", 8, Kind::Message(&OPERATION)),
        ("parameters", 9, Kind::Parameters),
    ],
    extensions: 10,
};

static BODY_PARAMETER: Form = Form {
    members: &[
        ("description", 1, Kind::Text),
        ("name", 2, Kind::Text),
        ("in", 3, Kind::Text),
        ("required", 4, Kind::Bool),
        ("schema", 5, Kind::Message(&SCHEMA)),
    ],
    extensions: 6,
};

static QUERY_PARAMETER: Form = Form {
    members: &[
        ("required", 1, Kind::Bool),
        ("in", 2, Kind::Text),
        ("description", 3, Kind::Text),
        ("name", 4, Kind::Text),
        ("type", 6, Kind::Text),
        ("uniqueItems", 20, Kind::Bool),
    ],
    extensions: 23,
};

static PATH_PARAMETER: Form = Form {
    members: &[
        ("required", 1, Kind::Bool),
        ("in", 2, Kind::Text),
        ("description", 3, Kind::Text),
        ("name", 4, Kind::Text),
        ("type", 5, Kind::Text),
        ("uniqueItems", 19, Kind::Bool),
    ],
    extensions: 22,
};

static RESPONSE: Form =
    Form { members: &[("description", 1, Kind::Text), ("schema", 2, Kind::Wrapped(1, &SCHEMA))], extensions: 5 };

static INFO: Form = Form { members: &[("title", 1, Kind::Text), ("version", 2, Kind::Text)], extensions: 7 };

static API_KEY: Form = Form {
    members: &[("type", 1, Kind::Text), ("name", 2, Kind::Text), ("in", 3, Kind::Text), ("description", 4, Kind::Text)],
    extensions: 5,
};

static SECURITY_ITEM: Form = Form { members: &[("apiKey", 2, Kind::Message(&API_KEY))], extensions: 0 };
static STRINGS: Form = Form { members: &[("value", 1, Kind::Texts)], extensions: 0 };
static REQUIREMENT: Form = Form { members: &[], extensions: 0 };

/// Everything of a document but its paths and definitions. Paths come as [`path`] in one field
/// `document::PATHS`, definitions as [`definition`] in one field `document::DEFINITIONS`.
pub fn head(info: &Value, token: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    text(document::SWAGGER, "2.0", &mut out);
    message(document::INFO, &form(&INFO, info), &mut out);
    let requirement = named("BearerToken", &form(&STRINGS, &Value::Null));
    let mut required = form(&REQUIREMENT, &Value::Null);
    message(1, &requirement, &mut required);
    message(document::SECURITY, &required, &mut out);
    let mut definitions = Vec::new();
    for (name, scheme) in token.as_object().into_iter().flatten() {
        let item = form(&SECURITY_ITEM, &serde_json::json!({"apiKey": scheme}));
        message(1, &named(name, &item), &mut definitions);
    }
    message(document::SECURITY_DEFINITIONS, &definitions, &mut out);
    out
}

/// One path as a field of `Paths`.
pub fn path(name: &str, item: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    message(PATHS_PATH, &named(name, &form(&PATH_ITEM, item)), &mut out);
    out
}

/// One definition as a field of `Definitions`.
pub fn definition(name: &str, schema: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    message(DEFINITIONS_SCHEMA, &named(name, &form(&SCHEMA, schema)), &mut out);
    out
}

fn form(form: &Form, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(object) = value.as_object() else { return out };
    for (key, number, kind) in form.members {
        if let Some(value) = object.get(*key) {
            field(*number, *kind, value, &mut out);
        }
    }
    for (key, value) in object.iter().filter(|(key, _)| key.starts_with("x-")) {
        message(form.extensions, &named(key, &any(value)), &mut out);
    }
    out
}

fn field(number: u32, kind: Kind, value: &Value, out: &mut Vec<u8>) {
    match kind {
        Kind::Text => text(number, value.as_str().unwrap_or_default(), out),
        Kind::Texts => texts(number, value, out),
        Kind::Bool => {
            if value.as_bool() == Some(true) {
                tag(number, 0, out);
                out.push(1);
            }
        }
        Kind::Any => message(number, &any(value), out),
        Kind::Anys => value.as_array().into_iter().flatten().for_each(|value| message(number, &any(value), out)),
        Kind::Message(inner) => message(number, &form(inner, value), out),
        Kind::Named(inner_number, inner) => {
            let mut map = Vec::new();
            for (name, value) in value.as_object().into_iter().flatten() {
                message(inner_number, &named(name, &form(inner, value)), &mut map);
            }
            message(number, &map, out);
        }
        Kind::Wrapped(inner_number, inner) => {
            let mut wrapper = Vec::new();
            message(inner_number, &form(inner, value), &mut wrapper);
            message(number, &wrapper, out);
        }
        Kind::TypeItem => {
            let mut item = Vec::new();
            text(1, value.as_str().unwrap_or_default(), &mut item);
            message(number, &item, out);
        }
        Kind::Parameters => {
            value.as_array().into_iter().flatten().for_each(|value| message(number, &parameter(value), out));
        }
        Kind::Responses => {
            let mut responses = Vec::new();
            for (code, response) in value.as_object().into_iter().flatten() {
                let mut value = Vec::new();
                message(1, &form(&RESPONSE, response), &mut value);
                message(1, &named(code, &value), &mut responses);
            }
            message(number, &responses, out);
        }
    }
}

/// A `ParametersItem`.
fn parameter(value: &Value) -> Vec<u8> {
    let (mut parameter, mut item) = (Vec::new(), Vec::new());
    match value["in"].as_str() {
        Some("body") => message(1, &form(&BODY_PARAMETER, value), &mut parameter),
        place => {
            let (number, fields) = if place == Some("path") { (4, &PATH_PARAMETER) } else { (3, &QUERY_PARAMETER) };
            let mut non_body = Vec::new();
            message(number, &form(fields, value), &mut non_body);
            message(2, &non_body, &mut parameter);
        }
    }
    message(1, &parameter, &mut item);
    item
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
