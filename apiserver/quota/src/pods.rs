//! Pods: counted as long as they run, and charged for what they ask for.

use std::collections::{BTreeMap, BTreeSet};

use apiserver_schema::quantity::Quantity;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::pod_resources::{self, Amounts, By};
use crate::resources::{Resources, count};

const OBJECT_COUNT: &str = "count/pods";

const RESOURCES: &[&str] = &[
    OBJECT_COUNT,
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];

/// What each container has to give where a quota limits it.
const REQUIRED: &[&str] = &["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

pub fn matches(name: &str) -> bool {
    RESOURCES.contains(&name)
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
        || is_extended_request(name)
}

/// Whether a quota's limit is one of requests of an extended resource.
pub fn is_extended_request(name: &str) -> bool {
    name.starts_with("requests.")
        && (!is_native(name) || name.starts_with("requests.deviceclass.resource.kubernetes.io/"))
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

pub fn constraints(required: &[&str], pod: &Value) -> Result<(), String> {
    if pod_resources::has_own(pod) {
        return Ok(());
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            let resources = &container["resources"];
            let given = named(&Resources::read(&resources["requests"]), &Resources::read(&resources["limits"]));
            for name in required.iter().filter(|name| REQUIRED.contains(name) && !given.contains_key(**name)) {
                missing.entry(name).or_default().insert(container["name"].as_str().unwrap_or_default());
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = missing
        .iter()
        .map(|(name, containers)| format!("{name} for: {}", containers.iter().copied().collect::<Vec<_>>().join(",")))
        .collect();
    Err(format!("must specify {}", shown.join("; ")))
}

pub fn usage(pod: &Value, now: Timestamp) -> Resources {
    let mut used = Resources::from_iter([(OBJECT_COUNT.to_owned(), count(1))]);
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if ended || abandoned_at(pod).is_some_and(|at| now > at) {
        return used;
    }
    let requests = pod_resources::of_pod(pod, Amounts::Requests, By::SpecAndStatus);
    let limits = pod_resources::of_pod(pod, Amounts::Limits, By::SpecAndStatus);
    used.add(&named(&requests, &limits));
    used
}

/// From when on a pod being deleted is not charged any more, though its node has not let it go.
pub fn abandoned_at(pod: &Value) -> Option<Timestamp> {
    let deleted: Timestamp = pod["metadata"]["deletionTimestamp"].as_str()?.parse().ok()?;
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_i64()?;
    deleted.checked_add(SignedDuration::from_secs(grace)).ok()
}

/// The amounts under a quota's names.
fn named(requests: &Resources, limits: &Resources) -> Resources {
    let mut used = Resources::from_iter([("pods".to_owned(), count(1))]);
    let mut put = |name: String, amount: &Quantity| {
        used.insert(name, amount.clone());
    };
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = requests.get(name) {
            put(name.to_owned(), amount);
            put(format!("requests.{name}"), amount);
        }
        if let Some(amount) = limits.get(name) {
            put(format!("limits.{name}"), amount);
        }
    }
    for (name, amount) in &requests.0 {
        if name.starts_with("hugepages-") {
            put(name.clone(), amount);
            put(format!("requests.{name}"), amount);
        }
        let extended = !is_native(name) && !name.starts_with("requests.");
        if extended || name.starts_with("deviceclass.resource.kubernetes.io/") {
            put(format!("requests.{name}"), amount);
        }
    }
    used
}
