//! What decides on requests: FlowSchema, PriorityLevelConfiguration, and the configurations of webhooks.

use serde_json::Value;

use super::{Hooks, Request};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};

pub struct FlowControl;

impl Hooks for FlowControl {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        let managed = object["metadata"].get("managedFields").cloned();
        let version = object["metadata"].get("resourceVersion").cloned();
        object::keep_all_but(object, old, &["status"]);
        object::set_meta(object, "managedFields", managed);
        object::set_meta(object, "resourceVersion", version);
    }
}

pub struct WebhookConfiguration;

impl Hooks for WebhookConfiguration {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (hooks, list) = (items(&object["webhooks"]), Path::new("webhooks"));
        for (index, hook) in hooks.iter().enumerate() {
            let at = list.index(index);
            webhook(hook, &at, errors);
            if hooks[..index].iter().any(|other| other["name"] == hook["name"]) {
                errors.duplicate(&at.child("name"), &hook["name"]);
            }
        }
    }
}

fn webhook(hook: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let name = text(&hook["name"]);
    if name.is_empty() {
        errors.required(&at.child("name"), "");
    } else if let Some(problem) = crate::resources::names::dns1123_subdomain(name) {
        errors.invalid_str(&at.child("name"), name, problem);
    } else if name.split('.').count() < 3 {
        errors.invalid_str(
            &at.child("name"),
            name,
            "should be a domain with at least three segments separated by dots",
        );
    }
    let supported = ["v1", "v1beta1"];
    let (versions, list) = (items(&hook["admissionReviewVersions"]), at.child("admissionReviewVersions"));
    if versions.is_empty() {
        errors.required(&list, "must specify one of v1, v1beta1");
    } else if !versions.iter().any(|version| supported.contains(&text(version))) {
        errors.invalid(&list, &hook["admissionReviewVersions"], "must include at least one of v1, v1beta1");
    }
    match text(&hook["sideEffects"]) {
        "None" | "NoneOnDryRun" => {}
        "" => errors.required(&at.child("sideEffects"), "must specify one of None, NoneOnDryRun"),
        _ => errors.not_supported(&at.child("sideEffects"), &hook["sideEffects"], &["None", "NoneOnDryRun"]),
    }
    let failure = text(&hook["failurePolicy"]);
    if !matches!(failure, "" | "Ignore" | "Fail") {
        errors.not_supported(&at.child("failurePolicy"), &failure.into(), &["Fail", "Ignore"]);
    }
    let seconds = &hook["timeoutSeconds"];
    if !seconds.is_null() && !(1..=30).contains(&int(seconds)) {
        errors.invalid(&at.child("timeoutSeconds"), seconds, "the timeout value must be between 1 and 30 seconds");
    }
    let config = &hook["clientConfig"];
    match (config["url"].is_null(), config["service"].is_null()) {
        (false, false) | (true, true) => {
            errors.required(&at.child("clientConfig"), "exactly one of url or service is required");
        }
        _ => {}
    }
}
