//! A document of `/openapi/v3` in protobuf: gnostic's `openapi.v3.Document`.
//!
//! Source: gnostic-models `openapiv3/OpenAPIv3.proto`.

use serde_json::Value;

use super::{Form, Kind, double, form, message, tag, text};

/// A whole document, from its JSON form.
pub fn document(json: &Value) -> Vec<u8> {
    form(&DOCUMENT, json)
}

static DOCUMENT: Form = Form {
    members: &[
        ("openapi", 1, Kind::Text),
        ("info", 2, Kind::Message(&INFO)),
        ("paths", 4, Kind::Named(1, &Kind::Message(&PATH_ITEM))),
        ("components", 5, Kind::Message(&COMPONENTS)),
    ],
    extensions: 9,
};

static INFO: Form = Form {
    members: &[("title", 1, Kind::Text), ("description", 2, Kind::Text), ("version", 6, Kind::Text)],
    extensions: 7,
};

static COMPONENTS: Form = Form {
    members: &[
        ("schemas", 1, Kind::Named(1, &A_SCHEMA)),
        ("securitySchemes", 7, Kind::Named(1, &Kind::Wrapped(1, &Kind::Message(&SECURITY_SCHEME)))),
    ],
    extensions: 10,
};

static SECURITY_SCHEME: Form = Form {
    members: &[("type", 1, Kind::Text), ("description", 2, Kind::Text), ("name", 3, Kind::Text), ("in", 4, Kind::Text)],
    extensions: 9,
};

static PATH_ITEM: Form = Form {
    members: &[
        ("get", 4, Kind::Message(&OPERATION)),
        ("put", 5, Kind::Message(&OPERATION)),
        ("post", 6, Kind::Message(&OPERATION)),
        ("delete", 7, Kind::Message(&OPERATION)),
        ("options", 8, Kind::Message(&OPERATION)),
        ("head", 9, Kind::Message(&OPERATION)),
        ("patch", 10, Kind::Message(&OPERATION)),
        ("parameters", 13, Kind::Each(&A_PARAMETER)),
    ],
    extensions: 14,
};

static OPERATION: Form = Form {
    members: &[
        ("tags", 1, Kind::Texts),
        ("summary", 2, Kind::Text),
        ("description", 3, Kind::Text),
        ("operationId", 5, Kind::Text),
        ("parameters", 6, Kind::Each(&A_PARAMETER)),
        ("requestBody", 7, Kind::Wrapped(1, &Kind::Message(&REQUEST_BODY))),
        ("responses", 8, Kind::Made(responses)),
        ("deprecated", 10, Kind::Bool),
    ],
    extensions: 13,
};

static A_PARAMETER: Kind = Kind::Wrapped(1, &Kind::Message(&PARAMETER));

static PARAMETER: Form = Form {
    members: &[
        ("name", 1, Kind::Text),
        ("in", 2, Kind::Text),
        ("description", 3, Kind::Text),
        ("required", 4, Kind::Bool),
        ("schema", 10, Kind::Made(schema_or_reference)),
    ],
    extensions: 14,
};

static REQUEST_BODY: Form = Form {
    members: &[
        ("description", 1, Kind::Text),
        ("content", 2, Kind::Named(1, &Kind::Message(&MEDIA_TYPE))),
        ("required", 3, Kind::Bool),
    ],
    extensions: 4,
};

static RESPONSE: Form = Form {
    members: &[("description", 1, Kind::Text), ("content", 3, Kind::Named(1, &Kind::Message(&MEDIA_TYPE)))],
    extensions: 5,
};

static MEDIA_TYPE: Form = Form { members: &[("schema", 1, Kind::Made(schema_or_reference))], extensions: 5 };

static A_SCHEMA: Kind = Kind::Made(schema_or_reference);

static SCHEMA: Form = Form {
    members: &[
        ("nullable", 1, Kind::Bool),
        ("title", 9, Kind::Text),
        ("multipleOf", 10, Kind::Number),
        ("maximum", 11, Kind::Number),
        ("exclusiveMaximum", 12, Kind::Bool),
        ("minimum", 13, Kind::Number),
        ("exclusiveMinimum", 14, Kind::Bool),
        ("maxLength", 15, Kind::Integer),
        ("minLength", 16, Kind::Integer),
        ("pattern", 17, Kind::Text),
        ("maxItems", 18, Kind::Integer),
        ("minItems", 19, Kind::Integer),
        ("uniqueItems", 20, Kind::Bool),
        ("maxProperties", 21, Kind::Integer),
        ("minProperties", 22, Kind::Integer),
        ("required", 23, Kind::Texts),
        ("enum", 24, Kind::Anys),
        ("type", 25, Kind::Text),
        ("allOf", 26, Kind::Each(&A_SCHEMA)),
        ("oneOf", 27, Kind::Each(&A_SCHEMA)),
        ("anyOf", 28, Kind::Each(&A_SCHEMA)),
        ("not", 29, Kind::Message(&SCHEMA)),
        ("items", 30, Kind::Wrapped(1, &A_SCHEMA)),
        ("properties", 31, Kind::Named(1, &A_SCHEMA)),
        ("additionalProperties", 32, Kind::Made(additional_properties)),
        ("default", 33, Kind::Made(default)),
        ("description", 34, Kind::Text),
        ("format", 35, Kind::Text),
    ],
    extensions: 36,
};

/// `SchemaOrReference`.
fn schema_or_reference(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value["$ref"].as_str() {
        Some(reference) => {
            let mut inner = Vec::new();
            text(1, reference, &mut inner);
            message(2, &inner, &mut out);
        }
        None => message(1, &form(&SCHEMA, value), &mut out),
    }
    out
}

/// `AdditionalPropertiesItem`.
fn additional_properties(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value.as_bool() {
        Some(flag) => {
            tag(2, 0, &mut out);
            out.push(flag.into());
        }
        None => message(1, &schema_or_reference(value), &mut out),
    }
    out
}

/// `DefaultType`, which has no place for lists and maps.
fn default(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Number(number) => double(1, number.as_f64().unwrap_or_default(), &mut out),
        Value::Bool(flag) => {
            tag(2, 0, &mut out);
            out.push((*flag).into());
        }
        Value::String(text) => message(3, text.as_bytes(), &mut out),
        _ => {}
    }
    out
}

/// `Responses`: the one without a code has a field of its own.
fn responses(value: &Value) -> Vec<u8> {
    let response = |response: &Value| {
        let mut wrapped = Vec::new();
        message(1, &form(&RESPONSE, response), &mut wrapped);
        wrapped
    };
    let mut out = Vec::new();
    if let Some(default) = value.get("default") {
        message(1, &response(default), &mut out);
    }
    for (code, one) in value.as_object().into_iter().flatten().filter(|(code, _)| *code != "default") {
        message(2, &super::named(code, &response(one)), &mut out);
    }
    out
}
