//! The template of pods in workloads, and the kinds PodTemplate and ControllerRevision.

use serde_json::Value;

use super::pod_spec::Places;
use super::{Hooks, Request, label_selector, pod_spec};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};
use crate::object_meta;

pub struct PodTemplate;

impl Hooks for PodTemplate {
    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _request: &Request<'_>) {}

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        validate(&object["template"], &Path::new("template"), None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        validate(&object["template"], &Path::new("template"), Some(&old["template"]), errors);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        if old.is_none_or(|old| !same_generation(object, old)) {
            let at = Path::new("template");
            let places = Places { metadata: at.child("metadata"), spec: at.child("spec"), in_template: true };
            out.extend(pod_spec::warnings(&object["template"]["spec"], &object["template"]["metadata"], &places));
        }
    }
}

pub struct ControllerRevision;

impl Hooks for ControllerRevision {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        if object["data"].is_null() {
            errors.required(&Path::new("data"), "data is mandatory");
        }
        errors.non_negative(&Path::new("revision"), &object["revision"]);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        errors.immutable(&Path::new("data"), &object["data"], &old["data"]);
    }
}

/// The rules of a template. `old` is the template before an update: what was taken once may stay.
pub fn validate(template: &Value, at: &Path<'_>, old: Option<&Value>, errors: &mut ErrorList) {
    if old.is_some_and(|old| object::same(template, old)) {
        return;
    }
    object_meta::labels(&template["metadata"]["labels"], &at.child("labels"), errors);
    object_meta::annotations(&template["metadata"]["annotations"], &at.child("annotations"), errors);
    let rules = pod_spec::Rules { in_template: true };
    pod_spec::annotations(&template["metadata"]["annotations"], &template["spec"], &at.child("annotations"), errors);
    pod_spec::validate(&template["spec"], &template["metadata"], &at.child("spec"), rules, errors);
    pod_spec::profiles::agree(&template["metadata"], &template["spec"], &at.child("spec"), errors);
    if !items(&template["spec"]["ephemeralContainers"]).is_empty() {
        let spec = at.child("spec");
        errors.forbidden(&spec.child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

/// The template of a workload that keeps pods running, and that its selector selects it. `at` is its spec's path.
pub fn of_replicas(spec: &Value, at: &Path<'_>, old: Option<&Value>, errors: &mut ErrorList) {
    let (template, path) = (&spec["template"], at.child("template"));
    if template.is_null() {
        errors.required(&path, "");
        return;
    }
    if label_selector::selects(&spec["selector"], &template["metadata"]["labels"]).is_none() {
        let shown = label_selector::shown(&spec["selector"]);
        errors.invalid_structure(&at.child("selector"), shown, "invalid label selector");
        return;
    }
    selected(&spec["selector"], template, &path, errors);
    validate(template, &path, old, errors);
    let (path, pod) = (path.child("spec"), &template["spec"]);
    if text(&pod["restartPolicy"]) != "Always" {
        errors.not_supported(&path.child("restartPolicy"), &text(&pod["restartPolicy"]).into(), &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        errors.forbidden(&path.child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicaSet is not Supported");
    }
}

/// That a workload's selector selects the labels of its template. `at` is the template's path.
pub fn selected(selector: &Value, template: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let labels = &template["metadata"]["labels"];
    if label_selector::selects(selector, labels) == Some(false) {
        let metadata = at.child("metadata");
        errors.invalid(&metadata.child("labels"), labels, "`selector` does not match template `labels`");
    }
}

/// Counts of a status that are never negative.
pub fn counts(status: &Value, at: &Path<'_>, fields: &[&str], errors: &mut ErrorList) {
    for field in fields {
        if int(&status[*field]) < 0 {
            errors.invalid(&at.child(field), &status[*field], "must be greater than or equal to 0");
        }
    }
}

/// What there is to say of a workload's template, when it is new or something else is asked for.
pub fn warn(object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
    if request.subresource != "status" && old.is_none_or(|old| !same_generation(object, old)) {
        warn_of(&object["spec"]["template"], &Path::new("spec"), out);
    }
}

/// What there is to say of a template, which is the field `template` at `at`.
pub fn warn_of(template: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    let at = at.child("template");
    let places = Places { metadata: at.child("metadata"), spec: at.child("spec"), in_template: true };
    out.extend(pod_spec::warnings(&template["spec"], &template["metadata"], &places));
}

/// Whether an update asks for nothing else than before.
pub fn same_generation(object: &Value, old: &Value) -> bool {
    object["metadata"]["generation"] == old["metadata"]["generation"]
}
