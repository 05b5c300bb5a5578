//! PriorityClass, Lease, RuntimeClass and ResourceSlice.

use serde_json::Value;

use super::{Hooks, Request};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::object::{self, int, text};
use crate::resources::names;

pub struct PriorityClass;

/// The highest value that a user may give.
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;
const SYSTEM_CLASSES: &[(&str, i64)] =
    &[("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

impl Hooks for PriorityClass {
    fn asks_for_something_else(&self, _object: &Value, _old: &Value) -> bool {
        false
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (name, value) = (object::meta(object, "name"), int(&object["value"]));
        let metadata = Path::new("metadata");
        if name.starts_with("system-") {
            match SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known == value => {}
                found => {
                    let why = match found {
                        Some((known, value)) => format!("value of {known} PriorityClass must be {value}"),
                        None => format!("{name} is not a known system priority class"),
                    };
                    errors.forbidden(
                        &metadata.child("name"),
                        format!(
                            "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
                        ),
                    );
                }
            }
        } else if value > HIGHEST_USER_PRIORITY {
            errors.forbidden(
                &Path::new("value"),
                format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"),
            );
        }
        let policy = text(&object["preemptionPolicy"]);
        if !matches!(policy, "" | "PreemptLowerPriority" | "Never") {
            errors.not_supported(&Path::new("preemptionPolicy"), &policy.into(), &["PreemptLowerPriority", "Never"]);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        if int(&object["value"]) != int(&old["value"]) {
            errors.forbidden(&Path::new("value"), "may not be changed in an update.");
        }
        errors.immutable(&Path::new("preemptionPolicy"), &object["preemptionPolicy"], &old["preemptionPolicy"]);
    }
}

pub struct Lease;

impl Hooks for Lease {
    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _request: &Request<'_>) {}

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        if !spec["leaseDurationSeconds"].is_null() && int(&spec["leaseDurationSeconds"]) <= 0 {
            errors.invalid(&at.child("leaseDurationSeconds"), &spec["leaseDurationSeconds"], "must be greater than 0");
        }
        errors.non_negative(&at.child("leaseTransitions"), &spec["leaseTransitions"]);
    }
}

pub struct RuntimeClass;

impl Hooks for RuntimeClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let handler = text(&object["handler"]);
        errors.invalid_strs(&Path::new("handler"), handler, names::dns1123_label(handler));
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        errors.immutable(&Path::new("handler"), &object["handler"], &old["handler"]);
    }
}

pub struct ResourceSlice;

impl Hooks for ResourceSlice {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] =
            &[SelectableField::new("spec.nodeName", ""), SelectableField::new("spec.driver", "")];
        FIELDS
    }

    fn unknown_field(&self, field: &str) -> String {
        format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}")
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
