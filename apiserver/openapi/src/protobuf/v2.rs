//! `/openapi/v2` in protobuf: gnostic's `openapi.v2.Document`, which client-go reads.
//!
//! Source: gnostic-models `openapiv2/OpenAPIv2.proto`.

use serde_json::Value;

use super::{Form, Kind, form, message, named, text};

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

static A_SCHEMA: Kind = Kind::Message(&SCHEMA);

static SCHEMA: Form = Form {
    members: &[
        ("$ref", 1, Kind::Text),
        ("format", 2, Kind::Text),
        ("title", 3, Kind::Text),
        ("description", 4, Kind::Text),
        ("default", 5, Kind::Any),
        ("multipleOf", 6, Kind::Number),
        ("maximum", 7, Kind::Number),
        ("exclusiveMaximum", 8, Kind::Bool),
        ("minimum", 9, Kind::Number),
        ("exclusiveMinimum", 10, Kind::Bool),
        ("maxLength", 11, Kind::Integer),
        ("minLength", 12, Kind::Integer),
        ("pattern", 13, Kind::Text),
        ("maxItems", 14, Kind::Integer),
        ("minItems", 15, Kind::Integer),
        ("uniqueItems", 16, Kind::Bool),
        ("maxProperties", 17, Kind::Integer),
        ("minProperties", 18, Kind::Integer),
        ("required", 19, Kind::Texts),
        ("enum", 20, Kind::Anys),
        ("additionalProperties", 21, Kind::Wrapped(1, &A_SCHEMA)),
        ("type", 22, Kind::Wrapped(1, &Kind::Text)),
        ("items", 23, Kind::Wrapped(1, &A_SCHEMA)),
        ("allOf", 24, Kind::Each(&A_SCHEMA)),
        ("properties", 25, Kind::Named(1, &A_SCHEMA)),
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
        ("parameters", 8, Kind::Each(&Kind::Made(parameter))),
        ("responses", 9, Kind::Named(1, &Kind::Wrapped(1, &Kind::Message(&RESPONSE)))),
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
        ("parameters", 9, Kind::Each(&Kind::Made(parameter))),
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
    Form { members: &[("description", 1, Kind::Text), ("schema", 2, Kind::Wrapped(1, &A_SCHEMA))], extensions: 5 };

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
