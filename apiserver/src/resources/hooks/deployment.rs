//! Deployment.

use serde_json::Value;

use super::{Hooks, Request, label_selector, pod_template, warnings};
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, int, text};
use crate::resources::names;

pub struct Deployment;

impl Hooks for Deployment {
    fn annotations_of_fields(&self) -> &'static [&'static str] {
        &["deprecated.deployment.rollback.revision"]
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        object::set_meta(object, "labels", old["metadata"].get("labels").cloned());
    }

    fn asks_for_something_else(&self, object: &Value, old: &Value) -> bool {
        object::differs_but(object, old, &["metadata", "status"])
            || !object::same(&object["metadata"]["annotations"], &old["metadata"]["annotations"])
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, Some(old), errors);
        errors.immutable(&Path::new("spec").child("selector"), &object["spec"]["selector"], &old["spec"]["selector"]);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        let (at, status) = (Path::new("status"), &object["status"]);
        for field in ["observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            errors.non_negative(&at.child(field), &status[field]);
        }
        for field in ["terminatingReplicas", "collisionCount"] {
            errors.non_negative(&at.child(field), &status[field]);
        }
        not_more(
            status,
            &at,
            &[
                ("updatedReplicas", "replicas"),
                ("readyReplicas", "replicas"),
                ("availableReplicas", "replicas"),
                ("availableReplicas", "readyReplicas"),
            ],
            errors,
        );
        if int(&status["collisionCount"]) < int(&old["status"]["collisionCount"]) {
            errors.invalid(&at.child("collisionCount"), &status["collisionCount"], "cannot be decremented");
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if old.is_none() {
            out.extend(warnings::pod_owner_name(object));
        }
        pod_template::warn(object, old, request, out);
    }
}

/// The counts of a status of which one may not be more than another one.
pub fn not_more(status: &Value, at: &Path<'_>, pairs: &[(&str, &str)], errors: &mut ErrorList) {
    for (less, more) in pairs {
        if int(&status[*less]) > int(&status[*more]) {
            let detail = match *more {
                "replicas" => "cannot be greater than status.replicas",
                _ => "cannot be greater than readyReplicas",
            };
            errors.invalid(&at.child(less), &status[*less], detail);
        }
    }
}

fn spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    errors.non_negative(&at.child("replicas"), &spec["replicas"]);
    label_selector::required(&spec["selector"], &at.child("selector"), "deployment", errors);
    pod_template::of_replicas(spec, &at, old.map(|old| &old["spec"]["template"]), errors);
    strategy(&spec["strategy"], &at.child("strategy"), errors);
    errors.non_negative(&at.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.non_negative(&at.child("revisionHistoryLimit"), &spec["revisionHistoryLimit"]);
    let deadline = &spec["progressDeadlineSeconds"];
    if !deadline.is_null() {
        errors.non_negative(&at.child("progressDeadlineSeconds"), deadline);
        if int(deadline) <= int(&spec["minReadySeconds"]) {
            errors.invalid(&at.child("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds");
        }
    }
}

fn strategy(strategy: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "Recreate" => {
            if !rolling.is_null() {
                errors.forbidden(&at.child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" => {
            if rolling.is_null() {
                errors.required(&at.child("rollingUpdate"), "this should be defaulted and never be nil");
            } else {
                rolling_update(rolling, &at.child("rollingUpdate"), errors);
            }
        }
        _ => {
            let shown = shown_strategy(strategy, &[("MaxUnavailable", "maxUnavailable"), ("MaxSurge", "maxSurge")]);
            errors.not_supported_structure(at, shown, &["Recreate", "RollingUpdate"]);
        }
    }
}

fn rolling_update(rolling: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
    non_negative_int_or_percent(unavailable, &at.child("maxUnavailable"), errors);
    non_negative_int_or_percent(surge, &at.child("maxSurge"), errors);
    if int_or_percent(unavailable) == 0 && int_or_percent(surge) == 0 {
        errors.invalid(&at.child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
    }
    at_most_hundred_percent(unavailable, &at.child("maxUnavailable"), errors);
}

/// The number of an `IntOrString`, whether of pods or of percent.
/// A strategy of updates by its internal names, as messages show it; `parts` are those of its rolling update.
pub fn shown_strategy(strategy: &Value, parts: &[(&str, &str)]) -> String {
    let rolling = &strategy["rollingUpdate"];
    let parts: Vec<(&str, &Value)> = parts.iter().map(|(shown, field)| (*shown, &rolling[*field])).collect();
    let rolling = if rolling.is_null() { "null".to_owned() } else { structure(&parts) };
    format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", Value::from(text(&strategy["type"])))
}

pub fn int_or_percent(value: &Value) -> i64 {
    match value.as_str() {
        Some(percent) if !names::is_percent(percent) => 0,
        Some(percent) => percent.strip_suffix('%').and_then(|digits| digits.parse().ok()).unwrap_or_default(),
        None => int(value),
    }
}

pub fn non_negative_int_or_percent(value: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    match value.as_str() {
        Some(percent) if !names::is_percent(percent) => errors.invalid(
            at,
            value,
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
        Some(_) => {}
        None => errors.non_negative(at, value),
    }
}

pub fn at_most_hundred_percent(value: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if value.is_string() && int_or_percent(value) > 100 {
        errors.invalid(at, value, "must not be greater than 100%");
    }
}
