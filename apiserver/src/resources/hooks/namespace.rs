//! Namespace: its phase, and the finalizer that keeps it until it is empty.

use serde_json::{Value, json};

use super::{Hooks, Request};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::object::{self, items, text};
use crate::resources::names;

pub struct Namespace;

impl Hooks for Namespace {
    fn begin_deletion(&self, object: &mut Value, finalizers: &[String]) -> bool {
        // No grace period is counted: the namespace goes when it is empty.
        object::set_meta(object, "deletionTimestamp", Some(object::now()));
        object["status"]["phase"] = "Terminating".into();
        object::set_meta(object, "finalizers", (!finalizers.is_empty()).then(|| finalizers.into()));
        true
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::new("status.phase", "")];
        FIELDS
    }

    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        names::dns1123_label(&names::masked(name, prefix))
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({"phase": "Active"});
        let mut finalizers = items(&object["spec"]["finalizers"]).to_vec();
        if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
            finalizers.push(json!("kubernetes"));
        }
        object["spec"]["finalizers"] = Value::Array(finalizers);
        label_with_name(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, request: &Request<'_>) {
        object::keep(object, old, "status");
        if request.subresource != "finalize" {
            object::keep(object, old, "spec");
        }
        label_with_name(object);
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        label_with_name(object);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        finalizers(object, errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        let status = Path::new("status");
        let (at, phase) = (status.child("phase"), text(&object["status"]["phase"]));
        if !object::is_terminating(object) && !object::is_terminating(old) {
            if phase != "Active" {
                errors.invalid_str(&at, phase, "may only be 'Active' if `deletionTimestamp` is empty");
            }
        } else if phase != "Terminating" {
            errors.invalid_str(&at, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// Every namespace is selectable by its name.
fn label_with_name(object: &mut Value) {
    let name = object::meta(object, "name").to_owned();
    if !object["metadata"]["labels"].is_object() {
        object::set_meta(object, "labels", Some(json!({})));
    }
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
}

fn finalizers(object: &Value, errors: &mut ErrorList) {
    let spec = Path::new("spec");
    let at = spec.child("finalizers");
    for finalizer in items(&object["spec"]["finalizers"]) {
        let name = text(finalizer);
        errors.invalid_strs(&at, name, names::qualified_name_problems(name));
        if !name.contains('/') && !matches!(name, "orphan" | "foregroundDeletion" | "kubernetes") {
            errors.invalid_str(&at, name, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}
