//! The rules of a custom resource, which its definition tells.
//!
//! Source: apiextensions-apiserver `pkg/registry/customresource/strategy.go`, `validator.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use apiserver_apply::go_value;
use apiserver_schema::structural::{self, Node, Violation, ViolationKind, duplicates};
use serde_json::Value;

use super::{DefinedVersion, Definition};
use crate::facts::SelectableField;
use crate::field::{Error, ErrorList, ErrorType, Path};
use crate::object;
use crate::resources::Hooks;
use crate::resources::hooks::Request;

/// One version of a custom resource.
pub struct CustomResource {
    pub definition: Arc<Definition>,
    /// Its place among the definition's versions.
    pub version: usize,
}

impl CustomResource {
    pub fn version(&self) -> &DefinedVersion {
        &self.definition.versions[self.version]
    }

    fn check(&self, object: &Value, old: Option<&Value>, status: bool, errors: &mut ErrorList) {
        let version = self.version();
        let mut kind = ErrorList::default();
        for (field, wanted) in [("kind", &self.definition.kind), ("apiVersion", &version.api_version)] {
            if object[field] != wanted.as_str() {
                kind.invalid(&Path::new(field), &object[field], format!("must be {wanted}"));
            }
        }
        if !kind.is_empty() {
            *errors = kind;
            return;
        }
        let violations = match old {
            Some(old) => structural::validate_update(&version.node, object, old),
            None => structural::validate(&version.node, object),
        };
        errors.0.extend(violations.into_iter().map(error));
        if let Some(scale) = &version.scale {
            if !status {
                check_replicas(object, &scale.spec_replicas, errors);
            }
            check_replicas(object, &scale.status_replicas, errors);
        }
        embedded(&version.node, object, "", errors);
        duplicates(&version.node, object, "", &mut |path, value, why| {
            errors.0.push(Error {
                kind: if why.is_some() { ErrorType::Invalid } else { ErrorType::Duplicate },
                field: path,
                bad_value: Some(shown(&value)),
                detail: why.unwrap_or_default().to_owned(),
            });
        });
        let Some(rules) = &version.rules else { return };
        if errors.0.iter().any(|error| blocks_rules(error.kind)) {
            let why = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
            errors.0.push(Error {
                kind: ErrorType::Invalid,
                field: "<nil>".to_owned(),
                bad_value: Some("null".to_owned()),
                detail: why.to_owned(),
            });
        } else {
            rules.check(&version.node, object, old, errors);
        }
    }
}

/// A number of replicas, where a Scale shows it.
fn check_replicas(object: &Value, path: &[String], errors: &mut ErrorList) {
    let mut invalid = |number: i64, detail: String| {
        errors.0.push(Error {
            kind: ErrorType::Invalid,
            field: format!(".{}", path.join(".")),
            bad_value: Some(number.to_string()),
            detail,
        });
    };
    match number_at(object, path) {
        Ok(Some(number)) if number < 0 => invalid(number, "should be a non-negative integer".to_owned()),
        Ok(Some(number)) if number > i64::from(i32::MAX) => {
            invalid(number, format!("should be less than or equal to {}", i32::MAX));
        }
        Ok(_) => {}
        Err(why) => invalid(0, why),
    }
}

/// The integer at a path, in the words of upstream's accessors where there is something else.
fn number_at(object: &Value, path: &[String]) -> Result<Option<i64>, String> {
    let wrong = |depth: usize, value: &Value, expected: &str| {
        let (at, found) = (path[..depth].join("."), apiserver_schema::json::go_type(value));
        Err(format!(".{at} accessor error: {} is of the type {found}, expected {expected}", go_value(value)))
    };
    let mut value = object;
    for (index, name) in path.iter().enumerate() {
        match value {
            Value::Null => return Ok(None),
            Value::Object(members) => match members.get(name) {
                Some(member) => value = member,
                None => return Ok(None),
            },
            other => return wrong(index + 1, other, "map[string]interface{}"),
        }
    }
    match value.as_i64() {
        Some(number) => Ok(Some(number)),
        None => wrong(path.len(), value, "int64"),
    }
}

/// What stands inside a custom resource as an object of its own names its kind.
///
/// Source: apiextensions-apiserver `pkg/apiserver/schema/objectmeta`.
fn embedded(node: &Node, value: &Value, path: &str, errors: &mut ErrorList) {
    match value {
        Value::Object(members) => {
            if node.embedded {
                for field in ["apiVersion", "kind"] {
                    if !members.contains_key(field) {
                        let field = format!("{path}.{field}");
                        let field = field.trim_start_matches('.').to_owned();
                        let kind = ErrorType::Required;
                        errors.0.push(Error { kind, field, bad_value: None, detail: String::new() });
                    }
                }
            }
            for (name, member) in members {
                let below =
                    if node.property(name).is_some() { format!("{path}.{name}") } else { format!("{path}[{name}]") };
                if let Some(node) = node.member(name) {
                    embedded(node, member, below.trim_start_matches('.'), errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(element) = &node.element else { return };
            for (index, item) in items.iter().enumerate() {
                embedded(element, item, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

/// What there is to say of a finalizer that names no domain.
fn finalizer_warning(finalizer: &str) -> Option<String> {
    if finalizer.contains('/') || matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes") {
        return None;
    }
    let path = if finalizer.contains('.') { " including a path (/)" } else { "" };
    Some(format!(
        "metadata.finalizers: {finalizer:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
    ))
}

/// Whether an object with such an error is not fit for rules to look at.
fn blocks_rules(kind: ErrorType) -> bool {
    use ErrorType::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    matches!(kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
}

/// The value at a path of names.
pub fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// A broken rule of a schema as messages have it.
pub fn error(violation: Violation) -> Error {
    let field = violation.path.unwrap_or_else(|| "<nil>".to_owned());
    let value = Some(shown(&violation.value));
    let (kind, bad_value, detail) = match violation.kind {
        ViolationKind::Required => (ErrorType::Required, None, String::new()),
        ViolationKind::NotSupported => {
            let quoted: Vec<String> = violation.supported.iter().map(|value| format!("{value:?}")).collect();
            (ErrorType::NotSupported, value, format!("supported values: {}", quoted.join(", ")))
        }
        ViolationKind::TooLong(most) => (ErrorType::TooLong, None, format!("may not be more than {most} bytes")),
        ViolationKind::TooMany(most) => (ErrorType::TooMany, value, format!("must have at most {most} items")),
        ViolationKind::TypeInvalid => (ErrorType::TypeInvalid, value, violation.detail),
        ViolationKind::Invalid => (ErrorType::Invalid, value, violation.detail),
    };
    Error { kind, field, bad_value, detail }
}

impl Hooks for CustomResource {
    fn custom(&self) -> Option<&CustomResource> {
        Some(self)
    }

    fn selectable_fields(&self) -> &[SelectableField] {
        &self.version().selectable
    }

    fn unknown_field(&self, field: &str) -> String {
        format!("field label not supported: {field}")
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        if self.version().status {
            object::clear(object, "status");
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        if self.version().status {
            object::keep(object, old, "status");
        }
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        let owners = object["metadata"].get("managedFields").cloned();
        object::keep(object, old, "metadata");
        object::set_meta(object, "managedFields", owners);
    }

    fn asks_for_something_else(&self, object: &Value, old: &Value) -> bool {
        !object::equal_but(object, old, &["metadata"])
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        self.check(object, None, false, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        self.check(object, Some(old), false, errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        self.check(object, Some(old), true, errors);
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if request.subresource == "status" {
            return;
        }
        let before = old.map(object::finalizers).unwrap_or_default();
        let added: BTreeSet<_> = object::finalizers(object).into_iter().filter(|name| !before.contains(name)).collect();
        out.extend(added.into_iter().filter_map(finalizer_warning));
    }
}
