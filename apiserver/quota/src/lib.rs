//! What objects count for in resource quotas.
//!
//! [`evaluator`] is the list of resources that are measured in ways of their own; every other resource is counted.
//! Source: `pkg/quota/v1/evaluator/core`, `staging/src/k8s.io/apiserver/pkg/quota/v1`.

use apiserver_schema::quantity::Quantity;
use jiff::Timestamp;
use serde_json::Value;

mod persistent_volume_claims;
pub mod pod_resources;
mod pods;
mod resource_claims;
mod resources;
mod scopes;
mod services;

pub use resource_claims::DeviceClasses;
pub use resources::Resources;
pub use scopes::{Facts, Requirement, requirements};

/// How the objects of one resource are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluator {
    Pods,
    Services,
    PersistentVolumeClaims,
    ResourceClaims,
    /// Only their number, under each of these names.
    Count(Vec<String>),
}

/// What an evaluator may know besides the object.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub now: Timestamp,
    /// The extended resources that device classes stand for.
    pub device_classes: &'a DeviceClasses,
    /// For a resource claim made for a pod's extended resources: that pod, which has been charged for them already.
    pub owner: Option<&'a Value>,
}

/// A change that may be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
}

/// Resources that no quota counts.
const IGNORED: &[(&str, &str)] = &[
    ("", "bindings"),
    ("", "componentstatuses"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("", "events"),
    ("events.k8s.io", "events"),
];

/// The evaluator of a resource; none where no quota counts it.
pub fn evaluator(group: &str, resource: &str) -> Option<Evaluator> {
    if IGNORED.contains(&(group, resource)) {
        return None;
    }
    Some(match (group, resource) {
        ("", "pods") => Evaluator::Pods,
        ("", "services") => Evaluator::Services,
        ("", "persistentvolumeclaims") => Evaluator::PersistentVolumeClaims,
        ("resource.k8s.io", "resourceclaims") => Evaluator::ResourceClaims,
        ("", "configmaps" | "resourcequotas" | "replicationcontrollers" | "secrets") => {
            Evaluator::Count(vec![count_name(group, resource), resource.to_owned()])
        }
        _ => Evaluator::Count(vec![count_name(group, resource)]),
    })
}

/// No amount.
pub fn nothing() -> Quantity {
    resources::count(0)
}

/// One object.
pub fn one() -> Quantity {
    resources::count(1)
}

/// The name under which a quota limits the number of objects of a resource: `count/deployments.apps`.
pub fn count_name(group: &str, resource: &str) -> String {
    if group.is_empty() { format!("count/{resource}") } else { format!("count/{resource}.{group}") }
}

/// The group and resource that `count/...` names.
pub fn counted(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix("count/")?;
    let (resource, group) = name.split_once('.').unwrap_or((name, ""));
    Some((group, resource))
}

impl Evaluator {
    /// Whether such a change can change what the object counts for.
    pub fn handles(&self, operation: Operation, subresource: &str, object: &Value, old: Option<&Value>) -> bool {
        match (self, subresource) {
            (Evaluator::Pods, "") => match (operation, old) {
                (Operation::Create, _) => true,
                (Operation::Update, Some(old)) => scopes::is_terminating(old) != scopes::is_terminating(object),
                (Operation::Update, None) => false,
            },
            (Evaluator::Pods, "resize") => operation == Operation::Update,
            (Evaluator::PersistentVolumeClaims, "status") => {
                old.is_some_and(|old| persistent_volume_claims::status_counts(object, old))
            }
            (Evaluator::Services | Evaluator::PersistentVolumeClaims | Evaluator::ResourceClaims, "") => true,
            (Evaluator::Count(_), "") => operation == Operation::Create,
            _ => false,
        }
    }

    /// Of these names of a quota's limits, those that objects of the resource count for.
    pub fn matching_resources<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        device_classes: &DeviceClasses,
    ) -> Vec<&'a str> {
        let matches = |name: &str| match self {
            Evaluator::Pods => pods::matches(name),
            Evaluator::Services => services::matches(name),
            Evaluator::PersistentVolumeClaims => persistent_volume_claims::matches(name),
            Evaluator::ResourceClaims => resource_claims::matches(name, device_classes),
            Evaluator::Count(own) => own.iter().any(|own| own == name),
        };
        let mut matching: Vec<&str> = names.into_iter().filter(|name| matches(name)).collect();
        matching.sort_unstable();
        matching
    }

    /// The facts that a quota's scopes ask about.
    pub fn facts(&self, object: &Value) -> Facts {
        match self {
            Evaluator::Pods => Facts::of_pod(object),
            Evaluator::PersistentVolumeClaims => Facts::of_claim(object),
            _ => Facts::default(),
        }
    }

    /// Why an object may not be in the namespace of a quota that limits these resources.
    pub fn constraints(&self, required: &[&str], object: &Value) -> Result<(), String> {
        match self {
            Evaluator::Pods => pods::constraints(required, object),
            _ => Ok(()),
        }
    }

    /// What an object counts for.
    pub fn usage(&self, object: &Value, surroundings: Surroundings<'_>) -> Resources {
        match self {
            Evaluator::Pods => pods::usage(object, surroundings.now),
            Evaluator::Services => services::usage(object),
            Evaluator::PersistentVolumeClaims => persistent_volume_claims::usage(object),
            Evaluator::ResourceClaims => resource_claims::usage(object, surroundings),
            Evaluator::Count(names) => names.iter().map(|name| (name.clone(), resources::count(1))).collect(),
        }
    }

    /// Whether a quota (by the limits in its status and its scopes) is about an object.
    pub fn matches(&self, quota: &Value, object: &Value, device_classes: &DeviceClasses) -> bool {
        let hard = quota["status"]["hard"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        if self.matching_resources(hard, device_classes).is_empty() {
            return false;
        }
        let facts = self.facts(object);
        requirements(&quota["spec"]).iter().all(|requirement| facts.meets(requirement))
    }
}

/// When what a pod counts for changes though the pod does not: its grace period is long over.
pub fn changes_at(pod: &Value) -> Option<Timestamp> {
    pods::abandoned_at(pod)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn used(group: &str, resource: &str, object: &Value) -> Value {
        let device_classes = DeviceClasses::default();
        let surroundings = Surroundings { now: Timestamp::UNIX_EPOCH, device_classes: &device_classes, owner: None };
        evaluator(group, resource).unwrap().usage(object, surroundings).to_json()
    }

    #[test]
    fn pods_count_for_what_they_ask() {
        let pod = json!({"spec": {
            "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}],
            "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "500m", "memory": "1Gi", "example.com/gpu": "1"}, "limits": {"cpu": "1", "example.com/gpu": "1"}}},
                {"name": "b", "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}},
            ],
        }});
        assert_eq!(
            used("", "pods", &pod),
            json!({
                "count/pods": "1", "pods": "1", "cpu": "2", "requests.cpu": "2", "limits.cpu": "1", "memory": "2Gi",
                "requests.memory": "2Gi", "requests.example.com/gpu": "1",
            })
        );
        let finished = json!({"status": {"phase": "Succeeded"}, "spec": pod["spec"]});
        assert_eq!(used("", "pods", &finished), json!({"count/pods": "1"}));
    }

    #[test]
    fn pods_must_say_what_a_quota_limits() {
        let pod =
            json!({"spec": {"containers": [{"name": "b"}, {"name": "a", "resources": {"requests": {"cpu": "1"}}}]}});
        assert_eq!(
            Evaluator::Pods.constraints(&["cpu", "limits.memory", "pods"], &pod),
            Err("must specify cpu for: b; limits.memory for: a,b".to_owned())
        );
    }

    #[test]
    fn other_kinds() {
        let service = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2}]}});
        assert_eq!(
            used("", "services", &service),
            json!({"count/services": "1", "services": "1", "services.loadbalancers": "1", "services.nodeports": "2"})
        );
        let claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1500m"}}}});
        assert_eq!(
            used("", "persistentvolumeclaims", &claim),
            json!({
                "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "2",
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
                "gold.storageclass.storage.k8s.io/requests.storage": "2",
            })
        );
        let claim = json!({"spec": {"devices": {"requests": [
            {"exactly": {"deviceClassName": "c", "allocationMode": "ExactCount", "count": 2}},
            {"firstAvailable": [
                {"deviceClassName": "c", "allocationMode": "ExactCount", "count": 3},
                {"deviceClassName": "d", "allocationMode": "All"},
            ]},
        ]}}});
        assert_eq!(
            used("resource.k8s.io", "resourceclaims", &claim),
            json!({
                "count/resourceclaims.resource.k8s.io": "1",
                "c.deviceclass.resource.k8s.io/devices": "5", "d.deviceclass.resource.k8s.io/devices": "32",
                "requests.deviceclass.resource.kubernetes.io/c": "5", "requests.deviceclass.resource.kubernetes.io/d": "32",
            })
        );
        assert_eq!(used("apps", "deployments", &json!({})), json!({"count/deployments.apps": "1"}));
        assert_eq!(counted("count/deployments.apps"), Some(("apps", "deployments")));
        assert_eq!(evaluator("", "events"), None);
    }

    #[test]
    fn scopes_select() {
        let quota = |spec: Value| json!({"spec": spec, "status": {"hard": {"pods": "1"}}});
        let none = DeviceClasses::default();
        let pod =
            json!({"spec": {"priorityClassName": "high", "activeDeadlineSeconds": 5, "containers": [{"name": "a"}]}});
        let matches = |spec: Value| Evaluator::Pods.matches(&quota(spec), &pod, &none);
        assert!(matches(json!({"scopes": ["Terminating", "BestEffort"]})));
        assert!(!matches(json!({"scopes": ["NotTerminating"]})));
        let class = |operator: &str, values: &[&str]| {
            matches(json!({"scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": operator, "values": values},
            ]}}))
        };
        assert!(class("In", &["high"]) && class("Exists", &[]) && class("NotIn", &["low"]));
        assert!(!class("In", &["low"]) && !class("DoesNotExist", &[]));
    }
}
