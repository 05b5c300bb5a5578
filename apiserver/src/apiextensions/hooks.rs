//! The rules of a custom resource, which its definition tells.
//!
//! Source: apiextensions-apiserver `pkg/registry/customresource/strategy.go`, `validator.go`.

use std::sync::Arc;

use apiserver_schema::structural::{self, Violation, ViolationKind, duplicates};
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

    fn check(&self, object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
        let version = self.version();
        for (field, wanted) in [("kind", &self.definition.kind), ("apiVersion", &version.api_version)] {
            if object[field] != wanted.as_str() {
                errors.0.clear();
                errors.invalid(&Path::new(field), &object[field], format!("must be {wanted}"));
                return;
            }
        }
        let violations = match old {
            Some(old) => structural::validate_update(&version.node, object, old),
            None => structural::validate(&version.node, object),
        };
        errors.0.extend(violations.into_iter().map(error));
        self.check_scale(object, errors);
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

    /// The numbers of replicas, where a Scale shows them.
    fn check_scale(&self, object: &Value, errors: &mut ErrorList) {
        let Some(scale) = &self.version().scale else { return };
        for path in [&scale.spec_replicas, &scale.status_replicas] {
            let Some(found) = at(object, path) else { continue };
            let field = path.join(".");
            let mut invalid = |detail: &str| {
                errors.0.push(Error {
                    kind: ErrorType::Invalid,
                    field: field.clone(),
                    bad_value: Some(shown(found)),
                    detail: detail.to_owned(),
                });
            };
            match found.as_i64() {
                Some(number) if number < 0 => invalid("should be a non-negative integer"),
                Some(number) if number > i64::from(i32::MAX) => {
                    invalid(&format!("should be less than or equal to {}", i32::MAX));
                }
                _ => {}
            }
        }
    }
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
        let rest = |value: &Value| {
            let mut value = value.clone();
            object::clear(&mut value, "metadata");
            value
        };
        rest(object) != rest(old)
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        self.check(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        self.check(object, Some(old), errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        self.check(object, Some(old), errors);
    }
}
