//! PodDisruptionBudget.

use serde_json::Value;

use super::deployment::{at_most_hundred_percent, non_negative_int_or_percent};
use super::{Hooks, Request, label_selector};
use crate::field::{ErrorList, Path, structure};
use crate::object::text;
use crate::resources::names;

pub struct PodDisruptionBudget;

impl Hooks for PodDisruptionBudget {
    fn invalid_name(&self, name: &str, _prefix: bool) -> Option<String> {
        names::path_segment(name)
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        let (available, unavailable) = (&spec["minAvailable"], &spec["maxUnavailable"]);
        if !available.is_null() && !unavailable.is_null() {
            let shown = structure(&[
                ("MinAvailable", available),
                ("Selector", &spec["selector"]),
                ("MaxUnavailable", unavailable),
                ("UnhealthyPodEvictionPolicy", &spec["unhealthyPodEvictionPolicy"]),
            ]);
            errors.invalid_structure(&at, shown, "minAvailable and maxUnavailable cannot be both set");
        }
        for field in ["minAvailable", "maxUnavailable"] {
            if !spec[field].is_null() {
                non_negative_int_or_percent(&spec[field], &at.child(field), errors);
                at_most_hundred_percent(&spec[field], &at.child(field), errors);
            }
        }
        label_selector::validate(&spec["selector"], &at.child("selector"), errors);
        let policy = text(&spec["unhealthyPodEvictionPolicy"]);
        if !matches!(policy, "" | "IfHealthyBudget" | "AlwaysAllow") {
            errors.not_supported(
                &at.child("unhealthyPodEvictionPolicy"),
                &policy.into(),
                &["AlwaysAllow", "IfHealthyBudget"],
            );
        }
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let (at, status) = (Path::new("status"), &object["status"]);
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            errors.non_negative(&at.child(field), &status[field]);
        }
    }
}
