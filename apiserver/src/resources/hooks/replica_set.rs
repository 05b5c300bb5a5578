//! ReplicaSet and ReplicationController.

use serde_json::Value;

use super::deployment::not_more;
use super::{Hooks, Request, label_selector, pod_template, warnings};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::object::{self, text};

pub struct ReplicaSet;
pub struct ReplicationController;

impl Hooks for ReplicaSet {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, Some(old), errors);
        errors.immutable(&Path::new("spec").child("selector"), &object["spec"]["selector"], &old["spec"]["selector"]);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        status(&object["status"], errors);
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if old.is_none() {
            out.extend(warnings::pod_owner_name(object));
        }
        pod_template::warn(object, old, request, out);
    }
}

fn spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    errors.non_negative(&at.child("replicas"), &spec["replicas"]);
    errors.non_negative(&at.child("minReadySeconds"), &spec["minReadySeconds"]);
    // Upstream calls it by the other kind's name, too.
    label_selector::required(&spec["selector"], &at.child("selector"), "deployment", errors);
    pod_template::of_replicas(spec, &at, old.map(|old| &old["spec"]["template"]), errors);
}

fn status(status: &Value, errors: &mut ErrorList) {
    let at = Path::new("status");
    let counts = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    pod_template::counts(status, &at, &counts, errors);
    let pairs = [
        ("fullyLabeledReplicas", "replicas"),
        ("readyReplicas", "replicas"),
        ("availableReplicas", "replicas"),
        ("availableReplicas", "readyReplicas"),
    ];
    not_more(status, &at, &pairs, errors);
}

impl Hooks for ReplicationController {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::new("status.replicas", "0")];
        FIELDS
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        controller_spec(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        controller_spec(object, Some(old), errors);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        status(&object["status"], errors);
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if old.is_none() {
            out.extend(warnings::pod_owner_name(object));
        }
        if request.subresource != "status" && old.is_none_or(|old| !pod_template::same_generation(object, old)) {
            // Upstream looks at the template that was, not at the one that will be.
            pod_template::warn_of(&old.unwrap_or(object)["spec"]["template"], &Path::new("spec"), out);
        }
    }

    fn orphans_dependents(&self) -> bool {
        true
    }
}

fn controller_spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    errors.non_negative(&at.child("minReadySeconds"), &spec["minReadySeconds"]);
    if object::entries(&spec["selector"]).next().is_none() {
        errors.required(&at.child("selector"), "");
    }
    errors.non_negative(&at.child("replicas"), &spec["replicas"]);
    let (template, path) = (&spec["template"], at.child("template"));
    if template.is_null() {
        errors.required(&path, "");
        return;
    }
    // Upstream looks for equal labels here, whatever they are.
    let labels = &template["metadata"]["labels"];
    if object::entries(&spec["selector"]).any(|(key, value)| labels[key] != *value) {
        let metadata = path.child("metadata");
        errors.invalid(&metadata.child("labels"), labels, "`selector` does not match template `labels`");
    }
    pod_template::validate(template, &path, old.map(|old| &old["spec"]["template"]), errors);
    let (path, pod) = (path.child("spec"), &template["spec"]);
    if text(&pod["restartPolicy"]) != "Always" {
        errors.not_supported(&path.child("restartPolicy"), &text(&pod["restartPolicy"]).into(), &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        errors.forbidden(
            &path.child("activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicationController is not Supported",
        );
    }
}
