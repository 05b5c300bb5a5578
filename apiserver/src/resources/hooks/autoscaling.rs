//! HorizontalPodAutoscaler: `v1` knows one metric, and keeps what else `v2` says in annotations.
//!
//! Source: `pkg/apis/autoscaling/v1/conversion.go`.

use std::sync::LazyLock;

use apiserver_schema::quantity::Quantity;
use serde_json::{Map, Value, json};

use super::{Hooks, Request, pod_spec};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct HorizontalPodAutoscaler;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const TOLERANCES: [&str; 2] =
    ["autoscaling.alpha.kubernetes.io/scale-down-tolerance", "autoscaling.alpha.kubernetes.io/scale-up-tolerance"];
const DEFAULT_UTILIZATION: i64 = 80;

/// The types of metrics, with the field that each fills in.
const TYPES: &[(&str, &str)] = &[
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

impl Hooks for HorizontalPodAutoscaler {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(&object["spec"], errors);
        target_group(object, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(&object["spec"], errors);
        // What was without a group may stay so.
        if text(&old["spec"]["scaleTargetRef"]["apiVersion"]).contains('/') {
            target_group(object, errors);
        }
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let at = Path::new("status");
        for field in ["currentReplicas", "desiredReplicas"] {
            errors.non_negative(&at.child(field), &object["status"][field]);
        }
    }

    fn annotations_of_fields(&self) -> &'static [&'static str] {
        &[METRICS, CURRENT_METRICS, BEHAVIOR, CONDITIONS, TOLERANCES[0], TOLERANCES[1]]
    }

    fn settle(&self, object: &mut Value, api_version: &str) {
        // What the annotations say is said in the server's words.
        let annotations = object["metadata"]["annotations"].as_object();
        let says =
            annotations.is_some_and(|map| map.keys().any(|name| self.annotations_of_fields().contains(&name.as_str())));
        let current = &object["status"]["currentCPUUtilizationPercentage"];
        if api_version != "autoscaling/v1" || (!says && current.is_null()) {
            return;
        }
        let bare = object["spec"]["targetCPUUtilizationPercentage"].is_null();
        to_v2(object);
        to_v1(object);
        // The default is for the other version to fill in.
        let metrics = &object["metadata"]["annotations"][METRICS];
        if bare && metrics.is_null() {
            object::remove(&mut object["spec"], "targetCPUUtilizationPercentage");
        }
    }

    fn convert(&self, object: &mut Value, from: &str, to: &str) {
        match (from, to) {
            ("autoscaling/v1", "autoscaling/v2") => to_v2(object),
            ("autoscaling/v2", "autoscaling/v1") => to_v1(object),
            _ => {}
        }
    }
}

/// The group of what is scaled, which a reference names with its version.
fn target_group(object: &Value, errors: &mut ErrorList) {
    let version = text(&object["spec"]["scaleTargetRef"]["apiVersion"]);
    let (root, problem) = (
        Path::new("spec"),
        match version.split('/').count() {
            2 => None,
            1 => Some("apiVersion must specify API group".to_owned()),
            _ => Some(format!("unexpected GroupVersion string: {version}")),
        },
    );
    errors.invalid_strs(&root.child("scaleTargetRef").child("apiVersion"), version, problem);
}

fn spec(spec: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    let (least, most) = (&spec["minReplicas"], int(&spec["maxReplicas"]));
    if !least.is_null() && int(least) < 1 {
        errors.invalid(&at.child("minReplicas"), least, "must be greater than or equal to 1");
    }
    if most == 0 {
        errors.required(&at.child("maxReplicas"), "must be set and greater than 0");
    } else if most < 0 {
        errors.invalid_number(&at.child("maxReplicas"), most, "must be greater than or equal to 1");
    }
    if !least.is_null() && most < int(least) {
        errors.invalid_number(&at.child("maxReplicas"), most, "must be greater than or equal to `minReplicas`");
    }
    target_reference(&spec["scaleTargetRef"], &at.child("scaleTargetRef"), errors);
    let list = at.child("metrics");
    for (index, metric) in items(&spec["metrics"]).iter().enumerate() {
        metric_spec(metric, &list.index(index), errors);
    }
    let counts_outside = |metric: &Value| matches!(text(&metric["type"]), "Object" | "External");
    if !least.is_null() && int(least) == 0 && !items(&spec["metrics"]).iter().any(counts_outside) {
        errors.forbidden(
            &list,
            "must specify at least one Object or External metric to support scaling to zero replicas",
        );
    }
    let behavior = at.child("behavior");
    for field in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][field];
        if !rules.is_null() {
            scaling_rules(rules, &behavior.child(field), errors);
        }
    }
}

fn target_reference(target: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for field in ["kind", "name"] {
        let value = text(&target[field]);
        if value.is_empty() {
            errors.required(&at.child(field), "");
        } else {
            errors.invalid_strs(&at.child(field), value, names::path_segment(value));
        }
    }
}

fn metric_spec(metric: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let kind = text(&metric["type"]);
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    if kind.is_empty() {
        errors.required(&at.child("type"), "must specify a metric source type");
    }
    let Some((_, expected)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        // Upstream says it twice.
        for _ in 0..2 {
            errors.not_supported(&at.child("type"), &kind.into(), &names);
        }
        return;
    };
    if metric[*expected].is_null() {
        errors.required(&at.child(expected), "must populate information for the given metric source");
    }
    let others = TYPES.iter().filter(|(_, field)| field != expected && !metric[*field].is_null());
    for (_, field) in others {
        errors.forbidden(&at.child(field), "must populate the given metric source only");
    }
    let (source, at) = (&metric[*expected], at.child(expected));
    if source.is_null() {
        return;
    }
    match *expected {
        "resource" | "containerResource" => {
            if text(&source["name"]).is_empty() {
                errors.required(&at.child("name"), "must specify a resource name");
            }
            if *expected == "containerResource" {
                let (name, container) = (text(&source["name"]), text(&source["container"]));
                if !name.is_empty() {
                    pod_spec::container_resource_name(name, &at.child("name"), errors);
                }
                if container.is_empty() {
                    errors.required(&at.child("container"), "must specify a container");
                } else {
                    errors.invalid_strs(&at.child("container"), container, names::dns1123_label(container));
                }
            }
        }
        _ => {
            let path = at.child("metric");
            let name = text(&source["metric"]["name"]);
            if name.is_empty() {
                errors.required(&path.child("name"), "must specify a metric name");
            } else {
                errors.invalid_strs(&path.child("name"), name, names::path_segment(name));
            }
        }
    }
    if *expected == "object" {
        target_reference(&source["describedObject"], &at.child("describedObject"), errors);
    }
    target(source, expected, &at.child("target"), errors);
}

fn target(source: &Value, kind: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let target = &source["target"];
    match text(&target["type"]) {
        "Utilization" | "Value" | "AverageValue" => {}
        kind => {
            if kind.is_empty() {
                errors.required(&at.child("type"), "must specify a metric target type");
            }
            errors.invalid_str(&at.child("type"), kind, "must be either Utilization, Value, or AverageValue");
        }
    }
    for field in ["value", "averageValue"] {
        if Quantity::parse(text(&target[field])).is_ok_and(|value| value.sign() <= 0) {
            errors.invalid(&at.child(field), &target[field], "must be positive");
        }
    }
    let utilization = &target["averageUtilization"];
    if !utilization.is_null() && int(utilization) < 1 {
        errors.invalid(&at.child("averageUtilization"), utilization, "must be greater than 0");
    }
    let has = |field: &str| !target[field].is_null();
    match kind {
        "resource" | "containerResource" => {
            if !has("averageUtilization") && !has("averageValue") {
                errors.required(
                    &at.child("averageUtilization"),
                    "must set either a target raw value or a target utilization",
                );
            }
            if has("averageUtilization") && has("averageValue") {
                errors.forbidden(
                    &at.child("averageValue"),
                    "may not set both a target raw value and a target utilization",
                );
            }
        }
        "object" => {
            if !has("value") && !has("averageValue") {
                errors.required(&at.child("averageValue"), "must set either a target value or averageValue");
            }
        }
        "external" => {
            if !has("value") && !has("averageValue") {
                errors.required(
                    &at.child("averageValue"),
                    "must set either a target value for metric or a per-pod target",
                );
            }
            if has("value") && has("averageValue") {
                errors.forbidden(&at.child("value"), "may not set both a target value for metric and a per-pod target");
            }
        }
        _ => {
            if !has("averageValue") {
                errors.required(&at.child("averageValue"), "must specify a positive target averageValue");
            }
        }
    }
}

fn scaling_rules(rules: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let window = &rules["stabilizationWindowSeconds"];
    let path = at.child("stabilizationWindowSeconds");
    if int(window) < 0 {
        errors.invalid(&path, window, "must be greater than or equal to zero");
    }
    if int(window) > 3600 {
        errors.invalid(&path, window, "must be less than or equal to 3600");
    }
    let select = &rules["selectPolicy"];
    if !select.is_null() && !matches!(text(select), "Max" | "Min" | "Disabled") {
        errors.not_supported(&at.child("selectPolicy"), select, &["Disabled", "Max", "Min"]);
    }
    let (policies, list) = (items(&rules["policies"]), at.child("policies"));
    if policies.is_empty() {
        errors.required(&list, "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let at = list.index(index);
        if !matches!(text(&policy["type"]), "Pods" | "Percent") {
            errors.not_supported(&at.child("type"), &text(&policy["type"]).into(), &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            if int(&policy[field]) <= 0 {
                errors.invalid_number(&at.child(field), int(&policy[field]), "must be greater than zero");
            }
        }
        if int(&policy["periodSeconds"]) > 1800 {
            errors.invalid_number(
                &at.child("periodSeconds"),
                int(&policy["periodSeconds"]),
                "must be less than or equal to 1800",
            );
        }
    }
}

/// Whether a metric is the one that `v1` has a field for.
fn is_cpu(metric: &Value) -> bool {
    metric["type"] == "Resource"
        && metric["resource"]["name"] == "cpu"
        && !metric["resource"]["target"]["averageUtilization"].is_null()
}

fn to_v1(object: &mut Value) {
    drop_annotations(object);
    let (spec, status) = (object["spec"].clone(), object["status"].clone());
    let mut kept: Vec<(&str, Value)> = Vec::new();
    let metrics = items(&spec["metrics"]);
    let others: Vec<_> = metrics.iter().filter(|metric| !is_cpu(metric)).map(metric_to_v1).collect();
    if !others.is_empty() {
        kept.push((METRICS, others.into()));
    }
    let current = items(&status["currentMetrics"]);
    if !current.is_empty() {
        kept.push((CURRENT_METRICS, current.iter().map(current_to_v1).collect()));
    }
    if !spec["behavior"].is_null() {
        kept.push((BEHAVIOR, behavior_to_v1(&spec["behavior"])));
    }
    if !items(&status["conditions"]).is_empty() {
        kept.push((CONDITIONS, status["conditions"].clone()));
    }
    for (annotation, value) in kept {
        if !object["metadata"]["annotations"].is_object() {
            object::set_meta(object, "annotations", Some(json!({})));
        }
        object["metadata"]["annotations"][annotation] = in_order(&value).into();
    }
    if let Some(metric) = metrics.iter().find(|metric| is_cpu(metric)) {
        object["spec"]["targetCPUUtilizationPercentage"] = metric["resource"]["target"]["averageUtilization"].clone();
    }
    let mut utilization =
        current.iter().filter(|metric| metric["type"] == "Resource" && metric["resource"]["name"] == "cpu");
    if let Some(metric) = utilization.rfind(|metric| !metric["resource"]["current"]["averageUtilization"].is_null()) {
        object["status"]["currentCPUUtilizationPercentage"] =
            metric["resource"]["current"]["averageUtilization"].clone();
    }
    for (part, fields) in [("spec", ["metrics", "behavior"]), ("status", ["currentMetrics", "conditions"])] {
        for field in fields {
            if object[part].is_object() {
                object::remove(&mut object[part], field);
            }
        }
    }
}

fn to_v2(object: &mut Value) {
    let annotations = object["metadata"]["annotations"].clone();
    let read = |name: &str| serde_json::from_str::<Value>(text(&annotations[name])).ok();
    let percentage = object["spec"]["targetCPUUtilizationPercentage"].take();
    let current = object["status"]["currentCPUUtilizationPercentage"].take();
    let cpu = |utilization: Value| json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": utilization}}});
    let mut metrics: Vec<Value> =
        read(METRICS).map(|list| items(&list).iter().map(metric_to_v2).collect()).unwrap_or_default();
    if !percentage.is_null() {
        metrics.push(cpu(percentage));
    }
    if metrics.is_empty() {
        metrics.push(cpu(DEFAULT_UTILIZATION.into()));
    }
    object["spec"]["metrics"] = metrics.into();
    if let Some(behavior) = read(BEHAVIOR).filter(|behavior| behavior.is_object()) {
        object["spec"]["behavior"] = behavior_to_v2(&behavior);
    }
    let list = read(CURRENT_METRICS).map(|list| items(&list).iter().map(current_to_v2).collect::<Vec<_>>());
    if let Some(list) = list {
        object["status"]["currentMetrics"] = list.into();
    } else if !current.is_null() {
        object["status"]["currentMetrics"] =
            json!([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current}}}]);
    }
    if let Some(conditions) = read(CONDITIONS).filter(Value::is_array) {
        object["status"]["conditions"] = conditions;
    }
    object::remove(&mut object["spec"], "targetCPUUtilizationPercentage");
    if object["status"].is_object() {
        object::remove(&mut object["status"], "currentCPUUtilizationPercentage");
    }
    drop_annotations(object);
}

fn drop_annotations(object: &mut Value) {
    let annotations = &mut object["metadata"]["annotations"];
    if annotations.is_null() {
        object::remove(&mut object["metadata"], "annotations");
        return;
    }
    for name in [METRICS, CURRENT_METRICS, BEHAVIOR, CONDITIONS].iter().chain(&TOLERANCES) {
        object::remove(annotations, name);
    }
}

/// Copies fields that are set, in order, by other names.
fn renamed(pairs: &[(&str, &Value)]) -> Value {
    let set = pairs.iter().filter(|(_, value)| !value.is_null());
    Value::Object(set.map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect::<Map<_, _>>())
}

/// A quantity that version one always has.
fn or_zero(quantity: &Value) -> &Value {
    static ZERO: LazyLock<Value> = LazyLock::new(|| "0".into());
    if quantity.is_null() { &ZERO } else { quantity }
}

fn metric_to_v1(metric: &Value) -> Value {
    let kind = text(&metric["type"]);
    let field = TYPES.iter().find(|(name, _)| *name == kind).map_or("", |(_, field)| *field);
    let (source, target) = (&metric[field], &metric[field]["target"]);
    let converted = match field {
        "object" => renamed(&[
            ("target", &source["describedObject"]),
            ("metricName", &source["metric"]["name"]),
            ("targetValue", or_zero(&target["value"])),
            ("selector", &source["metric"]["selector"]),
            ("averageValue", &target["averageValue"]),
        ]),
        "pods" => renamed(&[
            ("metricName", &source["metric"]["name"]),
            ("targetAverageValue", or_zero(&target["averageValue"])),
            ("selector", &source["metric"]["selector"]),
        ]),
        "external" => renamed(&[
            ("metricName", &source["metric"]["name"]),
            ("metricSelector", &source["metric"]["selector"]),
            ("targetValue", &target["value"]),
            ("targetAverageValue", &target["averageValue"]),
        ]),
        _ => renamed(&[
            ("name", &source["name"]),
            ("targetAverageUtilization", &target["averageUtilization"]),
            ("targetAverageValue", &target["averageValue"]),
            ("container", &source["container"]),
        ]),
    };
    json!({"type": kind, field: converted})
}

fn metric_to_v2(metric: &Value) -> Value {
    let kind = text(&metric["type"]);
    let field = TYPES.iter().find(|(name, _)| *name == kind).map_or("", |(_, field)| *field);
    let source = &metric[field];
    let name = renamed(&[
        ("name", &source["metricName"]),
        ("selector", if source["selector"].is_null() { &source["metricSelector"] } else { &source["selector"] }),
    ]);
    let average =
        if source["averageValue"].is_null() { &source["targetAverageValue"] } else { &source["averageValue"] };
    let (value, utilization) = (&source["targetValue"], &source["targetAverageUtilization"]);
    let kind_of_target = if !utilization.is_null() {
        "Utilization"
    } else if average.is_null() {
        "Value"
    } else {
        "AverageValue"
    };
    let value = if field == "object" && kind_of_target == "AverageValue" { &Value::Null } else { value };
    let target = renamed(&[
        ("type", &kind_of_target.into()),
        ("value", value),
        ("averageValue", average),
        ("averageUtilization", utilization),
    ]);
    let converted = match field {
        "object" => renamed(&[("describedObject", &source["target"]), ("target", &target), ("metric", &name)]),
        "pods" | "external" => renamed(&[("metric", &name), ("target", &target)]),
        _ => renamed(&[("name", &source["name"]), ("container", &source["container"]), ("target", &target)]),
    };
    json!({"type": kind, field: converted})
}

fn current_to_v1(metric: &Value) -> Value {
    let kind = text(&metric["type"]);
    let field = TYPES.iter().find(|(name, _)| *name == kind).map_or("", |(_, field)| *field);
    let (source, current) = (&metric[field], &metric[field]["current"]);
    let converted = match field {
        "object" => renamed(&[
            ("target", &source["describedObject"]),
            ("metricName", &source["metric"]["name"]),
            ("currentValue", or_zero(&current["value"])),
            ("selector", &source["metric"]["selector"]),
            ("averageValue", &current["averageValue"]),
        ]),
        "pods" => renamed(&[
            ("metricName", &source["metric"]["name"]),
            ("currentAverageValue", or_zero(&current["averageValue"])),
            ("selector", &source["metric"]["selector"]),
        ]),
        "external" => renamed(&[
            ("metricName", &source["metric"]["name"]),
            ("metricSelector", &source["metric"]["selector"]),
            ("currentValue", or_zero(&current["value"])),
            ("currentAverageValue", &current["averageValue"]),
        ]),
        _ => renamed(&[
            ("name", &source["name"]),
            ("currentAverageUtilization", &current["averageUtilization"]),
            ("currentAverageValue", or_zero(&current["averageValue"])),
            ("container", &source["container"]),
        ]),
    };
    json!({"type": kind, field: converted})
}

fn current_to_v2(metric: &Value) -> Value {
    let kind = text(&metric["type"]);
    let field = TYPES.iter().find(|(name, _)| *name == kind).map_or("", |(_, field)| *field);
    let source = &metric[field];
    let name = renamed(&[
        ("name", &source["metricName"]),
        ("selector", if source["selector"].is_null() { &source["metricSelector"] } else { &source["selector"] }),
    ]);
    let average =
        if source["averageValue"].is_null() { &source["currentAverageValue"] } else { &source["averageValue"] };
    let current = renamed(&[
        ("value", &source["currentValue"]),
        ("averageValue", average),
        ("averageUtilization", &source["currentAverageUtilization"]),
    ]);
    let converted = match field {
        "object" => renamed(&[("metric", &name), ("current", &current), ("describedObject", &source["target"])]),
        "pods" | "external" => renamed(&[("metric", &name), ("current", &current)]),
        _ => renamed(&[("name", &source["name"]), ("container", &source["container"]), ("current", &current)]),
    };
    json!({"type": kind, field: converted})
}

/// The names of what upstream writes into annotations, in the order of its types.
const ORDER: &[&str] = &[
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    "object",
    "pods",
    "resource",
    "containerResource",
    "external",
    "target",
    "kind",
    "name",
    "apiVersion",
    "metricName",
    "metricSelector",
    "targetValue",
    "currentValue",
    "targetAverageUtilization",
    "currentAverageUtilization",
    "targetAverageValue",
    "currentAverageValue",
    "container",
    "selector",
    "averageValue",
    "matchLabels",
    "matchExpressions",
    "ScaleUp",
    "ScaleDown",
    "StabilizationWindowSeconds",
    "SelectPolicy",
    "Policies",
    "Tolerance",
    "Type",
    "Value",
    "PeriodSeconds",
];

/// JSON as Go writes it: the members of objects in the order of their types, those of maps by name.
fn in_order(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(in_order).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
            members.sort_by_key(|(name, _)| (place(name), *name));
            let written = members.into_iter().map(|(name, value)| {
                let value = if name == "matchLabels" { html_escaped(value) } else { in_order(value) };
                format!("{}:{value}", html_escaped(&name.as_str().into()))
            });
            format!("{{{}}}", written.collect::<Vec<_>>().join(","))
        }
        scalar => html_escaped(scalar),
    }
}

fn html_escaped(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The names in which upstream writes a behavior into its annotation.
const BEHAVIOR_FIELDS: &[(&str, &str)] = &[
    ("scaleUp", "ScaleUp"),
    ("scaleDown", "ScaleDown"),
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("policies", "Policies"),
    ("tolerance", "Tolerance"),
    ("type", "Type"),
    ("value", "Value"),
    ("periodSeconds", "PeriodSeconds"),
];

/// Upstream's annotation has the internal names, and nulls for what is not set.
fn behavior_to_v1(behavior: &Value) -> Value {
    let rules = |rules: &Value| {
        if rules.is_null() {
            return Value::Null;
        }
        let policies: Vec<_> = items(&rules["policies"])
            .iter()
            .map(|policy| json!({"Type": policy["type"], "Value": policy["value"], "PeriodSeconds": policy["periodSeconds"]}))
            .collect();
        json!({
            "StabilizationWindowSeconds": rules["stabilizationWindowSeconds"],
            "SelectPolicy": rules["selectPolicy"],
            "Policies": policies,
            "Tolerance": rules["tolerance"],
        })
    };
    json!({"ScaleUp": rules(&behavior["scaleUp"]), "ScaleDown": rules(&behavior["scaleDown"])})
}

fn behavior_to_v2(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| {
                    let known = BEHAVIOR_FIELDS
                        .iter()
                        .find(|(field, internal)| internal.eq_ignore_ascii_case(name) || field == name);
                    (known.map_or(name.as_str(), |(field, _)| field).to_owned(), behavior_to_v2(value))
                })
                .collect(),
        ),
        Value::Array(items) => items.iter().map(behavior_to_v2).collect(),
        other => other.clone(),
    }
}
