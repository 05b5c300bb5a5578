//! Whether a schema is structural: every place has a type, and value validations say nothing else.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/schema/validation.go`.

use apiserver_schema::structural::pattern;
use serde_json::{Value, json};

use crate::field::{ErrorList, Path};
use crate::object::{entries, items, text};

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Adds what keeps a schema from being structural, sorted as upstream sorts it.
pub fn validate(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let mut found = ErrorList::default();
    invariants(schema, Level::Root, path, &mut found);
    completeness(schema, schema, path, &mut found);
    found.0.sort_by_key(ToString::to_string);
    errors.0.append(&mut found.0);
}

fn flag(schema: &Value, name: &str) -> bool {
    schema[name] == true
}

fn invariants(schema: &Value, level: Level, path: &Path<'_>, errors: &mut ErrorList) {
    let ty = text(&schema["type"]);
    let items_path = path.child("items");
    if ty == "array" && !schema["items"].is_object() {
        errors.required(&items_path, "must be specified");
    }
    if schema["items"].is_object() {
        invariants(&schema["items"], Level::Item, &items_path, errors);
    }
    let properties = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        invariants(property, Level::Field, &properties.key(name), errors);
    }
    let other = path.child("additionalProperties");
    let has_other = schema["additionalProperties"].is_object() || flag(schema, "additionalProperties");
    if has_other {
        if level == Level::Root {
            errors.forbidden(&other, "must not be used at the root");
        }
        if schema["additionalProperties"].is_object() {
            invariants(&schema["additionalProperties"], Level::Field, &other, errors);
        }
    }
    let int_or_string = flag(schema, "x-kubernetes-int-or-string");
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    if int_or_string && preserves {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&at, &true.into(), "must be false if x-kubernetes-int-or-string is true");
    }
    if int_or_string && embedded {
        let at = path.child("x-kubernetes-embedded-resource");
        errors.invalid(&at, &true.into(), "must be false if x-kubernetes-int-or-string is true");
    }
    let skip_any_of = schema["anyOf"] == int_or_string_any_of();
    let skip_all_of = schema["allOf"][0]["anyOf"] == int_or_string_any_of();
    value_validation(schema, skip_any_of, skip_all_of, path, errors);
    let type_path = path.child("type");
    if embedded && ty != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        if ty.is_empty() {
            errors.required(&type_path, why);
        } else {
            errors.invalid_str(&type_path, ty, why);
        }
    } else if ty.is_empty() && !int_or_string && !preserves {
        errors.required(
            &type_path,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    }
    if embedded && has_other {
        errors.forbidden(&other, "must not be used if x-kubernetes-embedded-resource is set");
    }
    if level == Level::Root && !ty.is_empty() && ty != "object" {
        errors.invalid_str(&type_path, ty, "must be object at the root");
    }
    let is_resource = level == Level::Root || embedded;
    for name in ["kind", "apiVersion"] {
        if let Some(found) = schema["properties"].get(name).filter(|found| is_resource && found["type"] != "string") {
            let at = properties.key(name);
            errors.invalid_str(&at.child("type"), text(&found["type"]), "must be string");
        }
    }
    if let Some(metadata) = schema["properties"].get("metadata") {
        let at = properties.key("metadata");
        if is_resource && metadata["type"] != "object" {
            errors.invalid_str(&at.child("type"), text(&metadata["type"]), "must be object");
        }
        if level == Level::Root {
            let known = |name: &str| matches!(name, "name" | "generateName");
            let only_names = entries(&metadata["properties"]).all(|(name, _)| known(name));
            let says_more = entries(metadata).any(|(name, _)| !matches!(name, "type" | "default" | "properties"));
            if !only_names || says_more {
                let why =
                    "must not specify anything other than name and generateName, but metadata is implicitly specified";
                errors.forbidden(&at, why);
            }
        }
    }
    if embedded && !preserves && entries(&schema["properties"]).next().is_none() {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(&properties, why);
    }
}

fn int_or_string_any_of() -> Value {
    json!([{"type": "integer"}, {"type": "string"}])
}

fn value_validation(
    schema: &Value,
    skip_any_of: bool,
    skip_first_all_of: bool,
    path: &Path<'_>,
    errors: &mut ErrorList,
) {
    let any_of = path.child("anyOf");
    for (index, nested) in items(&schema["anyOf"]).iter().enumerate().filter(|_| !skip_any_of) {
        self::nested(nested, false, &any_of.index(index), errors);
    }
    let all_of = path.child("allOf");
    for (index, nested) in items(&schema["allOf"]).iter().enumerate() {
        self::nested(nested, skip_first_all_of && index == 0, &all_of.index(index), errors);
    }
    let one_of = path.child("oneOf");
    for (index, nested) in items(&schema["oneOf"]).iter().enumerate() {
        self::nested(nested, false, &one_of.index(index), errors);
    }
    if schema["not"].is_object() {
        nested(&schema["not"], false, &path.child("not"), errors);
    }
    let expression = text(&schema["pattern"]);
    if let Err(why) = pattern(expression) {
        // What upstream's library says of the commonest mistake.
        let why = why.replace("unclosed group", "missing closing )");
        let why = format!("must be a valid regular expression, but isn't: {why}");
        errors.invalid_str(&path.child("pattern"), expression, why);
    }
}

/// A schema below `allOf` and the like, which may only validate.
fn nested(schema: &Value, skip_any_of: bool, path: &Path<'_>, errors: &mut ErrorList) {
    value_validation(schema, skip_any_of, false, path, errors);
    if schema["items"].is_object() {
        nested(&schema["items"], false, &path.child("items"), errors);
    }
    let properties = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        nested(property, false, &properties.key(name), errors);
    }
    let mut forbid = |name: &str, set: bool, why: &str| {
        if set {
            errors.forbidden(&path.child(name), why);
        }
    };
    let has_text = |name: &str| !text(&schema[name]).is_empty();
    forbid("type", has_text("type"), "must be empty to be structural");
    let has_other = schema["additionalProperties"].is_object() || flag(schema, "additionalProperties");
    forbid("additionalProperties", has_other, "must be undefined to be structural");
    forbid("default", !schema["default"].is_null(), "must be undefined to be structural");
    forbid("title", has_text("title"), "must be empty to be structural");
    forbid("description", has_text("description"), "must be empty to be structural");
    forbid("nullable", flag(schema, "nullable"), "must be false to be structural");
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"]
    {
        forbid(name, flag(schema, name), "must be false to be structural");
    }
    let has_keys = !items(&schema["x-kubernetes-list-map-keys"]).is_empty();
    forbid("x-kubernetes-list-map-keys", has_keys, "must be empty to be structural");
    forbid("x-kubernetes-list-type", has_text("x-kubernetes-list-type"), "must be undefined to be structural");
    forbid("x-kubernetes-map-type", has_text("x-kubernetes-map-type"), "must be undefined to be structural");
    let has_rules = !items(&schema["x-kubernetes-validations"]).is_empty();
    forbid("x-kubernetes-validations", has_rules, "must be empty to be structural");
    if !schema["properties"]["metadata"].is_null() {
        errors.forbidden(&properties.key("metadata"), "must not be specified in a nested context");
    }
}

/// Every place that a value validation names must be in the structural part.
fn completeness(schema: &Value, place: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    nested_completeness(schema, place, path, path, errors);
    if schema["items"].is_object() {
        completeness(&schema["items"], &schema["items"], &path.child("items"), errors);
    }
    let properties = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        completeness(property, property, &properties.key(name), errors);
    }
    let other = &schema["additionalProperties"];
    if other.is_object() {
        completeness(other, other, &path.child("additionalProperties"), errors);
    }
}

/// The parts of a value validation at one place; `structural` is where that place is in the structural schema.
fn nested_completeness(schema: &Value, place: &Value, path: &Path<'_>, structural: &Path<'_>, errors: &mut ErrorList) {
    for keyword in ["anyOf", "allOf", "oneOf"] {
        let at = path.child(keyword);
        for (index, nested) in items(&schema[keyword]).iter().enumerate() {
            part_completeness(nested, place, &at.index(index), structural, errors);
        }
    }
    if schema["not"].is_object() {
        part_completeness(&schema["not"], place, &path.child("not"), structural, errors);
    }
}

fn part_completeness(schema: &Value, place: &Value, path: &Path<'_>, structural: &Path<'_>, errors: &mut ErrorList) {
    nested_completeness(schema, place, path, structural, errors);
    if schema["items"].is_object() {
        let at = structural.child("items");
        match &place["items"] {
            items @ Value::Object(_) => {
                part_completeness(&schema["items"], items, &path.child("items"), &at, errors);
            }
            _ => errors.required(&at, format!("because it is defined in {}", path.child("items"))),
        }
    }
    let (properties, structural_properties) = (path.child("properties"), structural.child("properties"));
    for (name, property) in entries(&schema["properties"]) {
        let at = properties.key(name);
        let known = structural_properties.key(name);
        match place["properties"].get(name) {
            Some(found) => part_completeness(property, found, &at, &known, errors),
            None => errors.required(&known, format!("because it is defined in {at}")),
        }
    }
}
