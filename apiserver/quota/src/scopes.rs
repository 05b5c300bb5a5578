//! The scopes of a quota, and the facts of an object that they ask about.

use serde_json::Value;

use crate::Resources;

/// What a quota's scopes may ask about an object. The default is a kind that no scope selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pod: Option<PodFacts>,
    /// The volume attributes classes of a claim.
    attribute_classes: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PodFacts {
    terminating: bool,
    best_effort: bool,
    cross_namespace_affinity: bool,
    priority_class: String,
}

/// One term of a quota's scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub scope: String,
    pub operator: String,
    pub values: Vec<String>,
}

impl std::fmt::Display for Requirement {
    /// As Go prints the structure.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{} {} [{}]}}", self.scope, self.operator, self.values.join(" "))
    }
}

/// The terms of a quota's `spec`: its scopes and its scope selector.
pub fn requirements(spec: &Value) -> Vec<Requirement> {
    let scopes = spec["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut all: Vec<Requirement> = scopes
        .map(|scope| Requirement { scope: scope.to_owned(), operator: "Exists".to_owned(), values: Vec::new() })
        .collect();
    all.extend(expressions(&spec["scopeSelector"]["matchExpressions"]));
    all
}

/// A list of `ScopedResourceSelectorRequirement`.
pub fn expressions(list: &Value) -> impl Iterator<Item = Requirement> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(move |term| Requirement {
        scope: text(&term["scopeName"]),
        operator: text(&term["operator"]),
        values: term["values"].as_array().into_iter().flatten().map(text).collect(),
    })
}

impl Facts {
    pub fn of_pod(pod: &Value) -> Facts {
        let affinity = &pod["spec"]["affinity"];
        Facts {
            pod: Some(PodFacts {
                terminating: is_terminating(pod),
                best_effort: is_best_effort(pod),
                cross_namespace_affinity: crosses_namespaces(&affinity["podAffinity"])
                    || crosses_namespaces(&affinity["podAntiAffinity"]),
                priority_class: pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned(),
            }),
            attribute_classes: None,
        }
    }

    pub fn of_claim(claim: &Value) -> Facts {
        Facts { pod: None, attribute_classes: Some(attribute_classes(claim)) }
    }

    /// Whether the object is in a scope.
    pub fn meets(&self, requirement: &Requirement) -> bool {
        match (&self.pod, &self.attribute_classes, requirement.scope.as_str()) {
            (Some(pod), _, "Terminating") => pod.terminating,
            (Some(pod), _, "NotTerminating") => !pod.terminating,
            (Some(pod), _, "BestEffort") => pod.best_effort,
            (Some(pod), _, "NotBestEffort") => !pod.best_effort,
            (Some(pod), _, "CrossNamespacePodAffinity") => pod.cross_namespace_affinity,
            (Some(pod), _, "PriorityClass") => {
                let class = Some(pod.priority_class.as_str()).filter(|class| !class.is_empty());
                selects(requirement, class)
            }
            (_, Some(classes), "VolumeAttributesClass") => {
                if classes.is_empty() {
                    selects(requirement, None)
                } else {
                    classes.iter().any(|class| selects(requirement, Some(class)))
                }
            }
            _ => false,
        }
    }
}

fn selects(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = |value: &str| requirement.values.iter().any(|wanted| wanted == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => value.is_none_or(|value| !listed(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Whether a pod ends by itself after a time.
pub fn is_terminating(pod: &Value) -> bool {
    pod["spec"]["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0)
}

fn is_best_effort(pod: &Value) -> bool {
    if let Some(class) = pod["status"]["qosClass"].as_str().filter(|class| !class.is_empty()) {
        return class == "BestEffort";
    }
    let asks = |resources: &Value| {
        ["requests", "limits"].iter().any(|list| {
            let list = Resources::read(&resources[*list]);
            ["cpu", "memory"].iter().any(|name| list.get(*name).is_some_and(|amount| amount.sign() > 0))
        })
    };
    if !pod["spec"]["resources"].is_null() {
        return !asks(&pod["spec"]["resources"]);
    }
    let lists = ["containers", "initContainers"];
    let mut containers = lists.iter().flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten());
    !containers.any(|container| asks(&container["resources"]))
}

fn crosses_namespaces(affinity: &Value) -> bool {
    let crosses = |term: &Value| {
        term["namespaces"].as_array().is_some_and(|list| !list.is_empty()) || !term["namespaceSelector"].is_null()
    };
    let list = |field: &str| affinity[field].as_array().map(Vec::as_slice).unwrap_or_default();
    list("requiredDuringSchedulingIgnoredDuringExecution").iter().any(crosses)
        || list("preferredDuringSchedulingIgnoredDuringExecution").iter().any(|term| crosses(&term["podAffinityTerm"]))
}

/// The volume attributes classes that a claim has, wants or is being changed to.
pub fn attribute_classes(claim: &Value) -> Vec<String> {
    let mut classes: Vec<String> = [
        &claim["spec"]["volumeAttributesClassName"],
        &claim["status"]["currentVolumeAttributesClassName"],
        &claim["status"]["modifyVolumeStatus"]["targetVolumeAttributesClassName"],
    ]
    .into_iter()
    .filter_map(Value::as_str)
    .filter(|class| !class.is_empty())
    .map(str::to_owned)
    .collect();
    classes.sort();
    classes.dedup();
    classes
}
