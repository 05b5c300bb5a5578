//! DaemonSet: counts the generations of its template in an annotation.

use serde_json::{Value, json};

use super::deployment::{at_most_hundred_percent, int_or_percent, non_negative_int_or_percent, shown_strategy};
use super::{Hooks, Request, label_selector, pod_template};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, text};

pub struct DaemonSet;

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Hooks for DaemonSet {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object::clear(object, "status");
        set_template_generation(object, template_generation(object).max(1));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        let changed = !object::same(&object["spec"]["template"], &old["spec"]["template"]);
        set_template_generation(object, template_generation(old) + i64::from(changed));
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        set_template_generation(object, template_generation(old));
    }

    fn annotations_of_fields(&self) -> &'static [&'static str] {
        &[TEMPLATE_GENERATION]
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        errors.immutable(&Path::new("spec").child("selector"), &object["spec"]["selector"], &old["spec"]["selector"]);
        spec(object, Some(old), errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        let (at, status) = (Path::new("status"), &object["status"]);
        let counts = [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ];
        pod_template::counts(status, &at, &counts, errors);
        if int(&status["collisionCount"]) < int(&old["status"]["collisionCount"]) {
            errors.invalid(&at.child("collisionCount"), &status["collisionCount"], "cannot be decremented");
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        let counted = old.is_none_or(|old| template_generation(object) != template_generation(old));
        if request.subresource != "status" && counted {
            pod_template::warn_of(&object["spec"]["template"], &Path::new("spec"), out);
        }
    }
}

fn template_generation(object: &Value) -> i64 {
    text(&object["metadata"]["annotations"][TEMPLATE_GENERATION]).parse().unwrap_or_default()
}

fn set_template_generation(object: &mut Value, generation: i64) {
    if !object["metadata"]["annotations"].is_object() {
        object::set_meta(object, "annotations", Some(json!({})));
    }
    object["metadata"]["annotations"][TEMPLATE_GENERATION] = generation.to_string().into();
}

fn spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    let (selector, path) = (&spec["selector"], at.child("template"));
    label_selector::validate(selector, &at.child("selector"), errors);
    pod_template::selected(selector, &spec["template"], &path, errors);
    if selector.is_object() && label_selector::is_empty(selector) {
        errors.invalid(&at.child("selector"), selector, "empty selector is invalid for daemonset");
    }
    pod_template::validate(&spec["template"], &path, old.map(|old| &old["spec"]["template"]), errors);
    let (path, pod) = (path.child("spec"), &spec["template"]["spec"]);
    if text(&pod["restartPolicy"]) != "Always" {
        errors.not_supported(&path.child("restartPolicy"), &text(&pod["restartPolicy"]).into(), &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        errors.forbidden(&path.child("activeDeadlineSeconds"), "activeDeadlineSeconds in DaemonSet is not Supported");
    }
    errors.non_negative(&at.child("minReadySeconds"), &spec["minReadySeconds"]);
    update_strategy(&spec["updateStrategy"], &at.child("updateStrategy"), errors);
    errors.non_negative(&at.child("revisionHistoryLimit"), &spec["revisionHistoryLimit"]);
}

fn update_strategy(strategy: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" => {
            let at = at.child("rollingUpdate");
            if rolling.is_null() {
                errors.required(&at, "");
                return;
            }
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            non_negative_int_or_percent(unavailable, &at.child("maxUnavailable"), errors);
            non_negative_int_or_percent(surge, &at.child("maxSurge"), errors);
            at_most_hundred_percent(unavailable, &at.child("maxUnavailable"), errors);
            at_most_hundred_percent(surge, &at.child("maxSurge"), errors);
            match (int_or_percent(unavailable) != 0, int_or_percent(surge) != 0) {
                (true, true) => {
                    errors.invalid(&at.child("maxSurge"), surge, "may not be set when maxUnavailable is non-zero");
                }
                (false, false) => errors.required(&at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => {
            let shown = shown_strategy(strategy, &[("MaxUnavailable", "maxUnavailable"), ("MaxSurge", "maxSurge")]);
            errors.not_supported_structure(at, shown, &["RollingUpdate", "OnDelete"]);
        }
    }
}
