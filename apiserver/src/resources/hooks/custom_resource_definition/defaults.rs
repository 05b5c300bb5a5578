//! Defaults in schemas: they must fulfil the schema at their place.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/schema/defaulting/validation.go`.

use apiserver_schema::structural::{Pool, compile, prune, validate as check};
use serde_json::Value;

use crate::apiextensions::error;
use crate::field::{ErrorList, Path};
use crate::object::entries;

/// Adds what is wrong with the defaults in a schema.
pub fn validate(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    walk(&Pool::default(), schema, false, path, errors);
}

fn walk(pool: &Pool, schema: &Value, inside_meta: bool, path: &Path<'_>, errors: &mut ErrorList) {
    let embedded = schema["x-kubernetes-embedded-resource"] == true;
    let inside_meta = inside_meta && !embedded;
    if !schema["default"].is_null() {
        one(pool, schema, inside_meta, embedded, &path.child("default"), errors);
    }
    if schema["items"].is_object() {
        walk(pool, &schema["items"], inside_meta, &path.child("items"), errors);
    }
    let properties = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        let meta = inside_meta || embedded && matches!(name, "metadata" | "apiVersion" | "kind");
        walk(pool, property, meta, &properties.key(name), errors);
    }
    let other = &schema["additionalProperties"];
    if other.is_object() {
        walk(pool, other, inside_meta, &path.child("additionalProperties"), errors);
    }
}

fn one(pool: &Pool, schema: &Value, inside_meta: bool, embedded: bool, path: &Path<'_>, errors: &mut ErrorList) {
    let node = compile(pool, schema);
    let default = &schema["default"];
    if !inside_meta && default.is_object() {
        let mut pruned = default.clone();
        // At the root of a resource its kind and metadata stay; here only an embedded resource has them.
        let unknown = prune(&node, &mut pruned);
        let has_meta = !embedded
            && ["apiVersion", "kind", "metadata"]
                .iter()
                .any(|name| !default[*name].is_null() && node.member(name).is_none() && !node.preserve_unknown);
        if !unknown.is_empty() || has_meta {
            errors.invalid(path, default, "must not have unknown fields");
        }
    }
    for violation in check(&node, default) {
        let mut found = error(violation);
        found.field = match found.field.as_str() {
            "" => path.to_string(),
            "<nil>" => "<nil>".to_owned(),
            inner if inner.starts_with('[') => format!("{path}{inner}"),
            inner => format!("{path}.{inner}"),
        };
        errors.0.push(found);
    }
}
