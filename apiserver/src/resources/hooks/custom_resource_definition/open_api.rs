//! The rules of `JSONSchemaProps` in a definition.
//!
//! Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`.

use apiserver_schema::structural::{NodeType, is_supported_format};
use serde_json::{Value, json};

use crate::field::{ErrorList, Path};
use crate::object::{entries, items, text};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// The fields that a root schema may have where there is a status subresource, by upstream's names.
const AT_ROOT: [(&str, &str); 22] = [
    ("Description", "description"),
    ("Type", "type"),
    ("Format", "format"),
    ("Title", "title"),
    ("Maximum", "maximum"),
    ("ExclusiveMaximum", "exclusiveMaximum"),
    ("Minimum", "minimum"),
    ("ExclusiveMinimum", "exclusiveMinimum"),
    ("MaxLength", "maxLength"),
    ("MinLength", "minLength"),
    ("Pattern", "pattern"),
    ("MaxItems", "maxItems"),
    ("MinItems", "minItems"),
    ("UniqueItems", "uniqueItems"),
    ("MultipleOf", "multipleOf"),
    ("Required", "required"),
    ("Items", "items"),
    ("Properties", "properties"),
    ("ExternalDocs", "externalDocs"),
    ("Example", "example"),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields"),
    ("XValidations", "x-kubernetes-validations"),
];

/// The rules of the root where there is a status subresource.
pub fn root(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let at = path.child("openAPIV3Schema");
    let ty = text(&schema["type"]);
    if !ty.is_empty() && ty != "object" {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.invalid_str(&path.child("openAPIV3Schema.type"), ty, why);
        return;
    }
    let is_known = |name: &str| AT_ROOT.iter().any(|(_, known)| *known == name);
    if entries(schema).any(|(name, value)| !is_known(name) && !crate::object::is_unset(value)) {
        let names: Vec<&str> = AT_ROOT.iter().map(|(name, _)| *name).collect();
        let why = format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            names.join(" ")
        );
        errors.invalid(&at, schema, why);
    }
}

/// What is inherited from the places above.
#[derive(Clone, Copy, Default)]
struct Around<'a> {
    /// Why there may be no default.
    no_default: Option<&'a str>,
    in_metadata: bool,
}

/// Adds what is wrong with a schema.
pub fn validate(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    walk(schema, path, Around::default(), true, errors);
}

fn walk(schema: &Value, path: &Path<'_>, around: Around<'_>, is_root: bool, errors: &mut ErrorList) {
    if !schema.is_object() {
        return;
    }
    standard(schema, path, around, errors);
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.forbidden(&path.child("uniqueItems"), why);
    }
    let other = &schema["additionalProperties"];
    let has_properties = entries(&schema["properties"]).next().is_some();
    if !other.is_null() {
        let at = path.child("additionalProperties");
        if has_properties && *other != true {
            errors.forbidden(&at, "additionalProperties and properties are mutual exclusive");
        }
        let mut below = around;
        if around.in_metadata {
            below.no_default = Some("inside additionalProperties applying to object metadata");
        }
        walk(other, &at, below, false, errors);
    }
    let properties = path.child("properties");
    let is_resource = is_root || schema["x-kubernetes-embedded-resource"] == true;
    for (name, property) in entries(&schema["properties"]) {
        let mut below = around;
        let reason;
        if is_resource && matches!(name, "metadata" | "kind" | "apiVersion") {
            below.in_metadata = true;
            if is_root {
                reason = format!("in top-level {name}");
                below.no_default = Some(&reason);
                walk(property, &properties.key(name), below, false, errors);
                continue;
            }
        }
        walk(property, &properties.key(name), below, false, errors);
    }
    walk(&schema["not"], &path.child("not"), around, false, errors);
    for keyword in ["allOf", "oneOf", "anyOf"] {
        let at = path.child(keyword);
        for (index, nested) in items(&schema[keyword]).iter().enumerate() {
            walk(nested, &at.index(index), around, false, errors);
        }
    }
    let definitions = path.child("definitions");
    for (name, nested) in entries(&schema["definitions"]) {
        walk(nested, &definitions.key(name), around, false, errors);
    }
    let items_path = path.child("items");
    walk(&schema["items"], &items_path, around, false, errors);
    for (index, nested) in items(&schema["items"]).iter().enumerate() {
        walk(nested, &items_path.index(index), around, false, errors);
    }
    extensions(schema, path, errors);
    list_keys(schema, path, errors);
    rules(schema, path, errors);
}

/// Keywords that definitions may not use.
fn standard(schema: &Value, path: &Path<'_>, around: Around<'_>, errors: &mut ErrorList) {
    let ty = text(&schema["type"]);
    if !ty.is_empty() && !TYPES.contains(&ty) {
        errors.not_supported(&path.child("type"), &schema["type"], &TYPES);
    }
    if !schema["default"].is_null()
        && let Some(reason) = around.no_default
    {
        errors.forbidden(&path.child("default"), format!("must not be set {reason}"));
    }
    let mut unsupported = |name: &str, is_set: bool| {
        if is_set {
            errors.forbidden(&path.child(name), format!("{name} is not supported"));
        }
    };
    let has_members = |name: &str| entries(&schema[name]).next().is_some();
    unsupported("id", !text(&schema["id"]).is_empty());
    unsupported("additionalItems", !schema["additionalItems"].is_null());
    unsupported("patternProperties", has_members("patternProperties"));
    unsupported("definitions", has_members("definitions"));
    unsupported("dependencies", !schema["dependencies"].is_null());
    unsupported("$ref", !schema["$ref"].is_null());
    if ty == "null" {
        errors.forbidden(&path.child("type"), "type cannot be set to null, use nullable as an alternative");
    }
    if !items(&schema["items"]).is_empty() {
        errors.forbidden(&path.child("items"), "items must be a schema object and not an array");
    }
    if around.in_metadata && schema["x-kubernetes-embedded-resource"] == true {
        let why = "must not be used inside of resource meta";
        errors.forbidden(&path.child("x-kubernetes-embedded-resource"), why);
    }
}

fn extensions(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let ty = text(&schema["type"]);
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&at, &false.into(), "must be true or undefined");
    }
    let mut wrong_type = |wanted: &str, keyword: &str| {
        let why = format!("must be {wanted} if {keyword} is specified");
        if ty.is_empty() {
            errors.required(&path.child("type"), why);
        } else {
            errors.invalid_str(&path.child("type"), ty, why);
        }
    };
    let map_type = text(&schema["x-kubernetes-map-type"]);
    if !map_type.is_empty() && ty != "object" {
        wrong_type("object", "x-kubernetes-map-type");
    }
    let list_type = text(&schema["x-kubernetes-list-type"]);
    if !list_type.is_empty() && ty != "array" {
        wrong_type("array", "x-kubernetes-list-type");
    } else if list_type == "set" && schema["items"].is_object() {
        let element = &schema["items"];
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let at = path.child("items");
        let inner = text(&element["x-kubernetes-list-type"]);
        match text(&element["type"]) {
            "array" if !inner.is_empty() && inner != "atomic" => {
                errors.invalid_str(&at.child("x-kubernetes-list-type"), inner, why);
            }
            "object" if element["x-kubernetes-map-type"] != "atomic" => {
                errors.invalid(&at.child("x-kubernetes-map-type"), &element["x-kubernetes-list-type"], why);
            }
            _ => {}
        }
    }
    if !matches!(map_type, "" | "atomic" | "granular") {
        let at = path.child("x-kubernetes-map-type");
        errors.not_supported(&at, &map_type.into(), &["atomic", "granular"]);
    }
    if !matches!(list_type, "" | "atomic" | "set" | "map") {
        let at = path.child("x-kubernetes-list-type");
        errors.not_supported(&at, &list_type.into(), &["atomic", "set", "map"]);
    }
}

/// The rules of lists that are sets or maps.
fn list_keys(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let list_type = text(&schema["x-kubernetes-list-type"]);
    let keys = items(&schema["x-kubernetes-list-map-keys"]);
    let type_path = path.child("x-kubernetes-list-type");
    if !keys.is_empty() {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            "" => errors.required(&type_path, why),
            "map" => {}
            other => errors.invalid_str(&type_path, other, why),
        }
    }
    let element = &schema["items"];
    let items_path = path.child("items");
    let properties = items_path.child("properties");
    if list_type == "map" {
        let keys_path = path.child("x-kubernetes-list-map-keys");
        if keys.is_empty() {
            errors.required(&keys_path, "must not be empty if x-kubernetes-list-type is map");
        }
        match element {
            Value::Null => errors.required(&items_path, "must have a schema if x-kubernetes-list-type is map"),
            Value::Object(_) if element["type"] != "object" => {
                let why = "must be object if parent array's x-kubernetes-list-type is map";
                errors.invalid_str(&items_path.child("type"), text(&element["type"]), why);
            }
            Value::Object(_) => {
                for (index, key) in keys.iter().enumerate() {
                    match element["properties"].get(text(key)) {
                        Some(property) if matches!(text(&property["type"]), "array" | "object") => {
                            let at = properties.key(text(key));
                            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                            errors.invalid_str(&at.child("type"), text(&element["type"]), why);
                        }
                        Some(_) => {}
                        None => {
                            errors.invalid(&keys_path, &json!(keys), "entries must all be names of item properties");
                        }
                    }
                    if keys[..index].contains(key) {
                        errors.invalid(&keys_path, &json!(keys), "must not contain duplicate entries");
                    }
                }
            }
            _ => {}
        }
    }
    if !matches!(list_type, "set" | "map") || !element.is_object() {
        return;
    }
    if element["nullable"] == true {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.forbidden(&items_path.child("nullable"), why);
    }
    for key in keys.iter().filter(|_| list_type == "map") {
        let Some(property) = element["properties"].get(text(key)) else { continue };
        let at = properties.key(text(key));
        if !items(&element["required"]).contains(key) && property["default"].is_null() {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(&at.child("default"), why);
        }
        if property["nullable"] == true {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&at.child("nullable"), why);
        }
    }
}

/// The form of `x-kubernetes-validations`; what they say is checked where they are compiled.
fn rules(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    const REASONS: [&str; 4] =
        ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    let has_newline = |text: &str| text.contains(['\n', '\r']);
    let list = path.child("x-kubernetes-validations");
    for (index, rule) in items(&schema["x-kubernetes-validations"]).iter().enumerate() {
        let at = list.index(index);
        let (expression, message) = (text(&rule["rule"]).trim(), text(&rule["message"]));
        if expression.is_empty() {
            errors.required(&at.child("rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid_str(&at.child("message"), message, "must be non-empty if specified");
        } else if has_newline(message.trim()) {
            errors.invalid_str(&at.child("message"), message, "must not contain line breaks");
        } else if has_newline(expression) && message.trim().is_empty() {
            errors.required(&at.child("message"), "message must be specified if rule contains line breaks");
        }
        let message_expression = text(&rule["messageExpression"]);
        if !message_expression.is_empty() && message_expression.trim().is_empty() {
            errors.required(&at.child("messageExpression"), "messageExpression must be non-empty if specified");
        }
        if !rule["reason"].is_null() && !REASONS.contains(&text(&rule["reason"])) {
            errors.not_supported(&at.child("reason"), &rule["reason"], &REASONS);
        }
        let field_path = text(&rule["fieldPath"]);
        if !field_path.is_empty() {
            let at = at.child("fieldPath");
            if field_path.trim().is_empty() {
                errors.invalid_str(&at, field_path, "must be non-empty if specified");
            }
            if has_newline(field_path) {
                errors.invalid_str(&at, field_path, "must not contain line breaks");
            }
            if !is_field_path(schema, field_path) {
                errors.invalid_str(&at, field_path, "must be a valid path");
            }
        }
    }
}

/// Whether a path of names and quoted keys leads to a place of a schema.
fn is_field_path(schema: &Value, path: &str) -> bool {
    let mut place = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix("['") {
            let Some((quoted, after)) = after.split_once("']") else { return false };
            (name, rest) = (quoted, after);
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (name, rest) = (&after[..end], &after[end..]);
        } else {
            return false;
        }
        let other = place.get("additionalProperties").filter(|other| other.is_object());
        match place["properties"].get(name).or(other) {
            Some(next) => place = next,
            None => return false,
        }
    }
    true
}

/// The formats in a definition's schemas that mean nothing where they stand.
pub fn unknown_formats(crd: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for version in items(&crd["spec"]["versions"]) {
        collect_formats(&version["schema"]["openAPIV3Schema"], &mut found);
    }
    found
}

fn collect_formats(schema: &Value, out: &mut Vec<String>) {
    let format = text(&schema["format"]);
    let ty = match text(&schema["type"]) {
        "" => NodeType::Any,
        "string" => NodeType::String,
        "integer" => NodeType::Integer,
        "number" => NodeType::Number,
        _ => NodeType::Object,
    };
    if !format.is_empty() && !is_supported_format(ty, format) {
        out.push(format.to_owned());
    }
    for name in ["items", "additionalProperties", "not"] {
        if schema[name].is_object() {
            collect_formats(&schema[name], out);
        }
    }
    entries(&schema["properties"]).for_each(|(_, property)| collect_formats(property, out));
    for name in ["allOf", "anyOf", "oneOf"] {
        items(&schema[name]).iter().for_each(|nested| collect_formats(nested, out));
    }
}
