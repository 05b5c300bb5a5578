//! Defaults of autoscaling.

use serde_json::{Value, json};

use super::{Default, Object, child, child_or_new, set_absent, set_empty};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", autoscaler_v1),
    ("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", autoscaler),
];

/// The annotation in which version 1 keeps what it has no fields for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

fn autoscaler_v1(autoscaler: &mut Object) {
    let annotations = child(autoscaler, "metadata").and_then(|metadata| child(metadata, "annotations"));
    let has_metrics = annotations.is_some_and(|annotations| annotations.contains_key(METRICS));
    let spec = child_or_new(autoscaler, "spec");
    set_absent(spec, "minReplicas", 1);
    if !has_metrics {
        set_absent(spec, "targetCPUUtilizationPercentage", 80);
    }
}

fn autoscaler(autoscaler: &mut Object) {
    let spec = child_or_new(autoscaler, "spec");
    set_absent(spec, "minReplicas", 1);
    set_empty(
        spec,
        "metrics",
        json!([{
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        }]),
    );
    let Some(behavior) = child(spec, "behavior") else { return };
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    rules(child_or_new(behavior, "scaleUp"), json!([pods, percent.clone()]));
    set_absent(child_or_new(behavior, "scaleUp"), "stabilizationWindowSeconds", 0);
    rules(child_or_new(behavior, "scaleDown"), json!([percent]));
}

fn rules(rules: &mut Object, policies: Value) {
    set_absent(rules, "selectPolicy", "Max");
    set_absent(rules, "policies", policies);
}
