//! What a pod's containers were given on this node: a resize of the spec is granted when there is room for it, and is
//! then brought to the running containers. Both are kept in the pod's directory, as a restart must not forget them.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{pod, quantity};

const FILE: &str = "resources.json";

/// The resources of a pod's containers by name; of CPU and memory, which alone can change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// Granted by the node.
    allocated: BTreeMap<String, ResourceRequirements>,
    /// What the container was started with or changed to last.
    actuated: BTreeMap<String, ResourceRequirements>,
}

/// What a resize means for a running container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    InPlace,
    /// A resource changed whose resize policy asks for it.
    Restart,
}

impl Allocation {
    /// As the spec says, for a pod that is new here.
    pub fn of(target: &Pod) -> Self {
        let allocated = resizable(target)
            .map(|container| (container.name.clone(), container.resources.clone().unwrap_or_default()))
            .collect();
        Self { allocated, actuated: BTreeMap::new() }
    }

    /// What was stored in the pod's directory; nothing for a pod that is new here.
    pub fn load(pod_dir: &Path) -> Option<Self> {
        let path = pod_dir.join(FILE);
        let text = fs::read_to_string(&path).ok()?;
        serde_json::from_str(&text).inspect_err(|error| warn!("cannot read {}: {error}", path.display())).ok()
    }

    /// Writes to the pod's directory, whole or not at all.
    pub fn store(&self, pod_dir: &Path) {
        let path = pod_dir.join(FILE);
        let write = || {
            fs::create_dir_all(pod_dir)?;
            let partial = path.with_extension("partial");
            fs::write(&partial, serde_json::to_vec(self)?)?;
            fs::rename(&partial, &path)
        };
        // The pod runs without it; only a restart of the agent would take the spec for what was granted.
        if let Err(error) = write() {
            warn!("cannot write {}: {error}", path.display());
        }
    }

    /// Whether the node granted what the spec asks for.
    pub fn grants(&self, target: &Pod) -> bool {
        resizable(target).all(|container| figures(self.allocated.get(&container.name)) == figures_of(container))
    }

    /// Grants what the spec asks for.
    pub fn grant(&mut self, target: &Pod) {
        self.allocated = Self::of(target).allocated;
    }

    /// The pod with what was granted.
    pub fn granted(&self, target: &Arc<Pod>) -> Arc<Pod> {
        if self.grants(target) { target.clone() } else { Arc::new(with(target, &self.allocated)) }
    }

    /// Whether a container was not brought to what was granted.
    pub fn lags(&self, granted: &Pod) -> bool {
        resizable(granted).any(|container| self.change(container) != Change::None)
    }

    /// The pod with what its containers run with.
    pub fn actual(&self, granted: &Pod) -> Pod {
        with(granted, &self.actuated)
    }

    /// What a container runs with.
    pub fn actuated(&self, name: &str) -> Option<&ResourceRequirements> {
        self.actuated.get(name)
    }

    /// The container was started with or changed to what was granted; whether that is news.
    pub fn actuate(&mut self, granted: &Container) -> bool {
        let resources = granted.resources.clone().unwrap_or_default();
        self.actuated.insert(granted.name.clone(), resources.clone()).as_ref() != Some(&resources)
    }

    /// What brings a running container to what was granted.
    pub fn change(&self, granted: &Container) -> Change {
        // Nothing is known of a container that another kubelet started: it is taken for what it should be.
        let Some(actuated) = self.actuated.get(&granted.name) else { return Change::None };
        let (before, after) = (figures(Some(actuated)), figures_of(granted));
        if before == after {
            return Change::None;
        }
        let changed = |resource: &str| match resource {
            "cpu" => before[..2] != after[..2],
            "memory" => before[2..] != after[2..],
            _ => false,
        };
        let restart = granted
            .resize_policy
            .iter()
            .flatten()
            .any(|policy| policy.restart_policy == "RestartContainer" && changed(&policy.resource_name));
        if restart { Change::Restart } else { Change::InPlace }
    }
}

/// The containers whose resources can change: main ones and sidecars.
fn resizable(target: &Pod) -> impl Iterator<Item = &Container> {
    let sidecars = pod::init_containers(target).iter().filter(|container| pod::is_sidecar(container));
    pod::spec(target).containers.iter().chain(sidecars)
}

/// Request and limit of CPU, then of memory.
fn figures(resources: Option<&ResourceRequirements>) -> [Option<i128>; 4] {
    let pair = |name| [quantity::request_milli(resources, name), quantity::limit_milli(resources, name)];
    let ([cpu_request, cpu_limit], [memory_request, memory_limit]) = (pair("cpu"), pair("memory"));
    [cpu_request, cpu_limit, memory_request, memory_limit]
}

fn figures_of(container: &Container) -> [Option<i128>; 4] {
    figures(container.resources.as_ref())
}

fn with(target: &Pod, resources: &BTreeMap<String, ResourceRequirements>) -> Pod {
    let mut target = target.clone();
    if let Some(spec) = &mut target.spec {
        let sidecars = spec.init_containers.iter_mut().flatten().filter(|container| pod::is_sidecar(container));
        for container in spec.containers.iter_mut().chain(sidecars) {
            if let Some(resources) = resources.get(&container.name) {
                container.resources = Some(resources.clone());
            }
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    fn pod_with(cpu: &str, memory: &str) -> Arc<Pod> {
        Arc::new(pod_of(&format!(
            "containers: [{{name: a, resizePolicy: [{{resourceName: memory, restartPolicy: RestartContainer}}], resources: {{requests: {{cpu: {cpu}, memory: {memory}}}}}}}]"
        )))
    }

    fn container(pod: &Pod) -> &Container {
        &pod::spec(pod).containers[0]
    }

    #[test]
    fn granted_then_actuated() {
        let (before, after) = (pod_with("100m", "1Gi"), pod_with("200m", "1Gi"));
        let mut allocation = Allocation::of(&before);
        assert!(allocation.actuate(container(&before)), "started");
        assert!(allocation.grants(&pod_with("0.1", "1024Mi")), "the same amounts in other words");
        assert!(!allocation.grants(&after));
        assert_eq!(allocation.granted(&after), before, "not granted yet");
        allocation.grant(&after);
        assert!(allocation.grants(&after) && allocation.lags(&after));
        assert_eq!(allocation.change(container(&after)), Change::InPlace);
        assert_eq!(allocation.actual(&after), *before);
        assert!(allocation.actuate(container(&after)));
        assert!(!allocation.actuate(container(&after)));
        assert!(!allocation.lags(&after));
        assert_eq!(allocation.change(container(&pod_with("300m", "2Gi"))), Change::Restart);
    }

    #[test]
    fn survives_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let pod_dir = dir.path().join("uid");
        assert_eq!(Allocation::load(&pod_dir), None);
        let mut allocation = Allocation::of(&pod_with("100m", "1Gi"));
        allocation.grant(&pod_with("1", "1Gi"));
        allocation.store(&pod_dir);
        assert_eq!(Allocation::load(&pod_dir), Some(allocation));
    }
}
