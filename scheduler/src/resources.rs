//! Amounts of compute resources, and what a pod asks for.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::quantity;

/// What a container without a CPU request is counted with where nodes are scored, in thousandths of a core.
const DEFAULT_MILLI_CPU: i64 = 100;
/// What a container without a memory request is counted with where nodes are scored, in bytes.
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts of resources: thousandths of cores, bytes, and whole numbers of every other resource, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub milli_cpu: i64,
    pub memory: i64,
    pub ephemeral_storage: i64,
    pub scalar: Vec<(Arc<str>, i64)>,
}

impl Resources {
    /// Reads a `ResourceList`. `pods` is a count of pods, not a resource of theirs: it is left out.
    pub fn from_list(list: &BTreeMap<String, Quantity>) -> Self {
        let mut resources = Resources::default();
        for (name, Quantity(amount)) in list {
            match name.as_str() {
                "cpu" => resources.milli_cpu = quantity::milli(amount),
                "memory" => resources.memory = quantity::value(amount),
                "ephemeral-storage" => resources.ephemeral_storage = quantity::value(amount),
                "pods" => {}
                _ => resources.scalar.push((name.as_str().into(), quantity::value(amount))),
            }
        }
        resources
    }

    /// The amount of a resource that has no field of its own.
    pub fn scalar(&self, name: &str) -> i64 {
        self.scalar.iter().find(|(known, _)| &**known == name).map_or(0, |(_, amount)| *amount)
    }

    /// Adds `other` times `sign` (1 or -1).
    pub fn add(&mut self, other: &Resources, sign: i64) {
        let sum = |a: i64, b: i64| a.saturating_add(b.saturating_mul(sign));
        self.milli_cpu = sum(self.milli_cpu, other.milli_cpu);
        self.memory = sum(self.memory, other.memory);
        self.ephemeral_storage = sum(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            match self.scalar.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => self.scalar[at].1 = sum(self.scalar[at].1, *amount),
                Err(at) => self.scalar.insert(at, (name.clone(), sum(0, *amount))),
            }
        }
    }

    /// The larger of both, for each resource.
    fn max(&mut self, other: &Resources) {
        self.milli_cpu = self.milli_cpu.max(other.milli_cpu);
        self.memory = self.memory.max(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.max(other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            match self.scalar.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => self.scalar[at].1 = self.scalar[at].1.max(*amount),
                Err(at) => self.scalar.insert(at, (name.clone(), *amount)),
            }
        }
    }
}

/// What a pod asks for: exactly, and with the defaults for containers that ask for nothing (used in scoring only).
///
/// In the middle of a resize a container counts for the most of what it asks for, was granted and has.
pub fn pod_requests(pod: &Pod) -> (Resources, Resources) {
    let no_spec = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&no_spec);
    let statuses = || {
        let status = pod.status.as_ref();
        let main = status.and_then(|status| status.container_statuses.as_ref());
        let init = status.and_then(|status| status.init_container_statuses.as_ref());
        main.into_iter().chain(init).flatten()
    };
    let container_requests = |container: &Container| {
        let mut requests = container_requests(container);
        for status in statuses().filter(|status| status.name == container.name) {
            let actual = status.resources.as_ref().and_then(|resources| resources.requests.as_ref());
            for list in [actual, status.allocated_resources.as_ref()].into_iter().flatten() {
                requests.max(&Resources::from_list(list));
            }
        }
        requests
    };
    (
        effective(spec, container_requests),
        effective(spec, |container| {
            let mut requests = container_requests(container);
            let list = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
            let names = |name: &str| list.is_some_and(|list| list.contains_key(name));
            if !names("cpu") {
                requests.milli_cpu = DEFAULT_MILLI_CPU;
            }
            if !names("memory") {
                requests.memory = DEFAULT_MEMORY;
            }
            requests
        }),
    )
}

fn container_requests(container: &Container) -> Resources {
    let list = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    list.map(Resources::from_list).unwrap_or_default()
}

/// The sum of the containers and sidecars, or the largest moment of initialization if that is more; requests of the
/// pod itself stand in place of their containers' (KEP-2837); overhead on top.
fn effective(spec: &PodSpec, requests_of: impl Fn(&Container) -> Resources) -> Resources {
    let mut running = Resources::default();
    for container in &spec.containers {
        running.add(&requests_of(container), 1);
    }
    let mut sidecars = Resources::default();
    let mut initializing = Resources::default();
    for container in spec.init_containers.iter().flatten() {
        let mut requests = requests_of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            running.add(&requests, 1);
            sidecars.add(&requests, 1);
            requests = sidecars.clone();
        } else {
            requests.add(&sidecars, 1);
        }
        initializing.max(&requests);
    }
    running.max(&initializing);
    if let Some(list) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
        let pod = Resources::from_list(list);
        if list.contains_key("cpu") {
            running.milli_cpu = pod.milli_cpu;
        }
        if list.contains_key("memory") {
            running.memory = pod.memory;
        }
        for (name, amount) in pod.scalar.iter().filter(|(name, _)| name.starts_with("hugepages-")) {
            running.scalar.retain(|(known, _)| known != name);
            running.add(&Resources { scalar: vec![(name.clone(), *amount)], ..Resources::default() }, 1);
        }
    }
    if let Some(overhead) = &spec.overhead {
        running.add(&Resources::from_list(overhead), 1);
    }
    running
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn requests(spec: serde_json::Value) -> (Resources, Resources) {
        pod_requests(&Pod { spec: serde_json::from_value(spec).unwrap(), ..Pod::default() })
    }

    #[test]
    fn resizes_count_for_the_most() {
        let mut pod: Pod = serde_json::from_value(json!({
            "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "200m", "memory": "7"}}}]},
            "status": {"containerStatuses": [{
                "name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "resources": {"requests": {"cpu": "300m", "memory": "5"}}, "allocatedResources": {"cpu": "100m"},
            }]},
        }))
        .unwrap();
        let (exact, _) = pod_requests(&pod);
        assert_eq!((exact.milli_cpu, exact.memory), (300, 7));
        pod.status = None;
        assert_eq!(pod_requests(&pod).0.milli_cpu, 200);
    }

    #[test]
    fn sidecars_init_containers_and_overhead() {
        let (exact, scored) = requests(json!({
            "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "200m", "example.com/gpu": "1"}}},
                {"name": "b"},
            ],
            "initContainers": [
                {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m", "memory": "10"}}},
                {"name": "init", "resources": {"requests": {"cpu": "1", "memory": "5"}}},
            ],
            "overhead": {"cpu": "10m"},
        }));
        assert_eq!((exact.milli_cpu, exact.memory, exact.scalar("example.com/gpu")), (1060, 15, 1));
        // a 200 + b 100 + side 50 = 350 < init 1000 + side 50; memory: a 200Mi + b 200Mi + side 10.
        assert_eq!((scored.milli_cpu, scored.memory), (1060, 2 * DEFAULT_MEMORY + 10));
    }

    #[test]
    fn pod_level_requests_replace_the_containers() {
        let (exact, _) = requests(json!({
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "200m", "memory": "7"}}}],
            "resources": {"requests": {"cpu": "3"}},
        }));
        assert_eq!((exact.milli_cpu, exact.memory), (3000, 7));
    }

    #[test]
    fn adding_and_taking_away_leaves_nothing() {
        let one = Resources { milli_cpu: 1, memory: 2, ephemeral_storage: 3, scalar: vec![("x/y".into(), 4)] };
        let mut sum = Resources::default();
        sum.add(&one, 1);
        sum.add(&one, 1);
        assert_eq!((sum.milli_cpu, sum.scalar("x/y")), (2, 8));
        sum.add(&one, -1);
        assert_eq!(sum, one);
    }
}
