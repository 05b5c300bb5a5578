//! Horizontal pod autoscalers, in `autoscaling/v1` and `/v2`.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Printer;
use super::cells::{age, amount, cells, integer, list, name, text};
use super::column::{AGE, Column, NAME};

pub static HORIZONTAL_POD_AUTOSCALER: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Reference",
            "scaleTargetRef points to the target resource to scale, and is used to the pods for which metrics should be collected, as well as to actually change the replica count.",
        ),
        Column::string(
            "Targets",
            "metrics contains the specifications for which to use to calculate the desired replica count (the maximum replica count across all metrics will be used).  The desired replica count is calculated multiplying the ratio between the target value and the current value by the current number of pods.  Ergo, metrics used must decrease as the pod count is increased, and vice-versa.  See the individual metric source types for more information about how each type of metric must respond. If not set, the default metric will be set to 80% average CPU utilization.",
        ),
        Column::string(
            "MinPods",
            "minReplicas is the lower limit for the number of replicas to which the autoscaler can scale down.  It defaults to 1 pod.  minReplicas is allowed to be 0 if the alpha feature gate HPAScaleToZero is enabled and at least one Object or External metric is configured.  Scaling is active as long as at least one metric value is available.",
        ),
        Column::string(
            "MaxPods",
            "maxReplicas is the upper limit for the number of replicas to which the autoscaler can scale up. It cannot be less that minReplicas.",
        ),
        Column::string(
            "Replicas",
            "currentReplicas is current number of replicas of pods managed by this autoscaler, as last seen by the autoscaler.",
        ),
        AGE,
    ],
    autoscaler,
);

fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    cells![
        name(object),
        format!("{}/{}", text(&target["kind"]), text(&target["name"])),
        if object["apiVersion"] == "autoscaling/v1" { metrics_of_v1(object) } else { metrics_of_v2(object) },
        spec["minReplicas"].as_i64().map_or_else(|| "<unset>".to_owned(), |least| least.to_string()),
        integer(&spec["maxReplicas"]),
        integer(&status["currentReplicas"]),
        age(object, now),
    ]
}

fn metrics_of_v2(object: &Value) -> String {
    let (specs, statuses) = (&object["spec"]["metrics"], &object["status"]["currentMetrics"]);
    let read = |source: &Value, side: &str| {
        let amounts = &source[side];
        Amounts::read(amounts, "averageValue", "value", "averageUtilization")
    };
    metrics(list(specs), list(statuses), read)
}

/// In v1 only CPU has fields; other metrics stand in annotations. What is measured tells at which place CPU was, and
/// else it was the first.
fn metrics_of_v1(object: &Value) -> String {
    let annotated = |name: &str| -> Option<Vec<Value>> {
        serde_json::from_str(object["metadata"]["annotations"][name].as_str()?).ok()
    };
    let cpu =
        |field: &str, utilization: i64| json!({"type": "Resource", "resource": {"name": "cpu", field: utilization}});
    let statuses = annotated("autoscaling.alpha.kubernetes.io/current-metrics").unwrap_or_else(|| {
        let utilization = object["status"]["currentCPUUtilizationPercentage"].as_i64();
        utilization.map(|utilization| cpu("currentAverageUtilization", utilization)).into_iter().collect()
    });
    let mut specs = annotated("autoscaling.alpha.kubernetes.io/metrics").unwrap_or_default();
    let target = object["spec"]["targetCPUUtilizationPercentage"].as_i64();
    if let Some(target) = target.or(specs.is_empty().then_some(80)) {
        let place = statuses.iter().position(|status| status["resource"]["name"] == "cpu").unwrap_or_default();
        specs.insert(place.min(specs.len()), cpu("targetAverageUtilization", target));
    }
    let read = |source: &Value, side: &str| {
        let [average, value, utilization] =
            ["AverageValue", "Value", "AverageUtilization"].map(|field| format!("{side}{field}"));
        // The average of an object metric is called the same on both sides.
        let average = if source["averageValue"].is_null() { average.as_str() } else { "averageValue" };
        Amounts::read(source, average, &value, &utilization)
    };
    metrics(&specs, &statuses, read)
}

/// A target, or what was measured.
struct Amounts {
    average: Option<String>,
    value: Option<String>,
    utilization: Option<i64>,
}

impl Amounts {
    fn read(fields: &Value, average: &str, value: &str, utilization: &str) -> Self {
        let quantity = |field: &str| Some(&fields[field]).filter(|value| !value.is_null()).map(amount);
        Amounts { average: quantity(average), value: quantity(value), utilization: fields[utilization].as_i64() }
    }
}

/// Two metrics, and how many more there are.
fn metrics(specs: &[Value], statuses: &[Value], read: impl Fn(&Value, &str) -> Amounts) -> String {
    const SHOWN: usize = 2;
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let shown: Vec<_> = specs
        .iter()
        .take(SHOWN)
        .enumerate()
        .map(|(index, spec)| metric(spec, statuses.get(index).unwrap_or(&Value::Null), &read))
        .collect();
    match specs.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} + {more} more...", shown.join(", ")),
    }
}

fn metric(spec: &Value, status: &Value, read: impl Fn(&Value, &str) -> Amounts) -> String {
    let kind = text(&spec["type"]);
    let field = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let target = read(&spec[field], "target");
    let current = status[field].is_object().then(|| read(&status[field], "current"));
    // A quantity that is measured but missing shows as Go's nil.
    let nil = || Some("<nil>".to_owned());
    let known = |amount: Option<String>| amount.map_or(Cow::Borrowed("<unknown>"), Cow::Owned);
    let resource = text(&spec[field]["name"]);
    match (kind, target.average) {
        ("External" | "Object", Some(average)) => {
            format!("{}/{average} (avg)", known(current.and_then(|current| current.average)))
        }
        ("External" | "Object", None) => {
            let current = known(current.and_then(|current| current.value.or_else(nil)));
            format!("{current}/{}", target.value.unwrap_or_else(|| "<nil>".to_owned()))
        }
        ("Pods", average) => {
            let current = known(current.and_then(|current| current.average.or_else(nil)));
            format!("{current}/{}", average.unwrap_or_else(|| "<nil>".to_owned()))
        }
        (_, Some(average)) => {
            format!("{resource}: {}/{average}", known(current.and_then(|current| current.average.or_else(nil))))
        }
        (_, None) => {
            let percent = |utilization: i64| format!("{utilization}%");
            let current = known(current.and_then(|current| current.utilization).map(percent));
            format!("{resource}: {current}/{}", target.utilization.map_or_else(|| "<auto>".to_owned(), percent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printers::cells::testing::shows;

    fn v2(metrics: Value, current: Value) -> String {
        metrics_of_v2(&json!({"spec": {"metrics": metrics}, "status": {"currentMetrics": current}}))
    }

    #[test]
    fn rows_of_both_versions() {
        let reference = json!({"kind": "Deployment", "name": "web"});
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}});
        let object = json!({
            "apiVersion": "autoscaling/v2", "status": {"currentReplicas": 2},
            "spec": {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 5, "metrics": [cpu]},
        });
        shows(
            &HORIZONTAL_POD_AUTOSCALER,
            object,
            json!(["x", "Deployment/web", "cpu: <unknown>/50%", "1", 5, 2, "60s"]),
        );
        let object = json!({
            "apiVersion": "autoscaling/v1",
            "spec": {"scaleTargetRef": reference, "maxReplicas": 5, "targetCPUUtilizationPercentage": 60},
            "status": {"currentCPUUtilizationPercentage": 7},
        });
        shows(
            &HORIZONTAL_POD_AUTOSCALER,
            object,
            json!(["x", "Deployment/web", "cpu: 7%/60%", "<unset>", 5, 0, "60s"]),
        );
    }

    #[test]
    fn metrics_in_annotations() {
        let of = |metrics: &str, current: &str, cpu: Option<i64>| {
            metrics_of_v1(&json!({
                "metadata": {"annotations": {
                    "autoscaling.alpha.kubernetes.io/metrics": metrics,
                    "autoscaling.alpha.kubernetes.io/current-metrics": current,
                }},
                "spec": {"targetCPUUtilizationPercentage": cpu},
            }))
        };
        let metrics = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}}]"#;
        let current = r#"[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":7}},
            {"type":"Resource","resource":{"name":"memory","currentAverageValue":"512Mi"}}]"#;
        assert_eq!(of(metrics, current, Some(50)), "cpu: 7%/50%, memory: 512Mi/1Gi");
        assert_eq!(of(metrics, "", Some(50)), "cpu: <unknown>/50%, memory: <unknown>/1Gi");

        let metrics = r#"[
            {"type":"Object","object":{"target":{"kind":"Service"},"metricName":"m","targetValue":"100"}},
            {"type":"External","external":{"metricName":"m","targetAverageValue":"7"}}]"#;
        let current = r#"[
            {"type":"Object","object":{"target":{"kind":"Service"},"metricName":"m","currentValue":"1500m"}},
            {"type":"External","external":{"metricName":"m","currentValue":"0","currentAverageValue":"3"}}]"#;
        assert_eq!(of(metrics, current, None), "1500m/100, 3/7 (avg)");

        let metrics = r#"[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"1500m"}},
            {"type":"Object","object":{"target":{"kind":"K"},"metricName":"m","targetValue":"0","averageValue":"7"}}]"#;
        let current = r#"[{"type":"Pods","pods":{"metricName":"m","currentAverageValue":"2"}}]"#;
        assert_eq!(of(metrics, current, None), "2/1500m, <unknown>/7 (avg)");
        assert_eq!(metrics_of_v1(&json!({})), "cpu: <unknown>/80%");
    }

    #[test]
    fn targets() {
        assert_eq!(v2(json!([]), json!([])), "<none>");
        let one = |metric: Value, current: Value| v2(json!([metric]), json!([current]));
        assert_eq!(
            one(
                json!({"type": "External", "external": {"target": {"averageValue": "50"}}}),
                json!({"external": {"current": {"averageValue": "25"}}})
            ),
            "25/50 (avg)"
        );
        assert_eq!(
            one(
                json!({"type": "External", "external": {"target": {"value": "100"}}}),
                json!({"external": {"current": {"value": "40"}}})
            ),
            "40/100"
        );
        assert_eq!(
            one(json!({"type": "Object", "object": {"target": {"value": "100"}}}), json!({"object": {"current": {}}})),
            "<nil>/100"
        );
        assert_eq!(
            one(
                json!({"type": "ContainerResource", "containerResource": {"name": "memory", "target": {"averageValue": "1024Mi"}}}),
                json!({"containerResource": {"current": {"averageValue": "512Mi", "averageUtilization": 5}}})
            ),
            "memory: 512Mi/1Gi"
        );
        assert_eq!(one(json!({"type": "Resource", "resource": {"name": "cpu"}}), json!({})), "cpu: <unknown>/<auto>");
        let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "1"}}});
        assert_eq!(v2(json!([pods, pods, pods]), json!([])), "<unknown>/1, <unknown>/1 + 1 more...");
    }
}
