//! Pod: phase and quality of service, and a deletion that waits for its node.

use serde_json::Value;

use super::Hooks;
use crate::facts::SelectableField;

pub struct Pod;

impl Hooks for Pod {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[
            field("spec.nodeName"),
            field("spec.restartPolicy"),
            field("spec.schedulerName"),
            field("spec.serviceAccountName"),
            SelectableField { name: "spec.hostNetwork", default: "false" },
            field("status.phase"),
            field("status.podIP"),
            field("status.nominatedNodeName"),
        ];
        FIELDS
    }

    fn indexed_fields(&self) -> &'static [&'static str] {
        &["spec.nodeName"]
    }

    fn prepare_for_create(&self, object: &mut Value) {
        let class = qos_class(object);
        object["status"] = serde_json::json!({"phase": "Pending", "qosClass": class});
    }

    fn grace_period(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        let period = asked
            .or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64())
            .unwrap_or(30);
        let bound = object["spec"]["nodeName"].as_str().is_some_and(|name| !name.is_empty());
        let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        // A negative period asks for the shortest one that still lets the node act.
        let period = if period < 0 { 1 } else { period };
        Some(if bound && !finished { period } else { 0 })
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

const fn field(name: &'static str) -> SelectableField {
    SelectableField { name, default: "" }
}

/// The quality of service class that a pod's requests and limits give it.
///
/// Source: `pkg/apis/core/v1/helper/qos`.
pub fn qos_class(pod: &Value) -> &'static str {
    const COMPUTE: [&str; 2] = ["cpu", "memory"];
    let set = |value: &Value| value.as_str().is_some_and(|text| !is_zero(text));
    let containers = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten();
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        let resources = &container["resources"];
        for name in COMPUTE {
            let (request, limit) = (&resources["requests"][name], &resources["limits"][name]);
            any |= set(request) || set(limit);
            guaranteed &= set(limit) && (request.is_null() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn is_zero(quantity: &str) -> bool {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    digits.parse::<f64>().is_ok_and(|number| number == 0.0)
}
