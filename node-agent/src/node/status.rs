//! The node's status: computed every ten seconds, sent when it changed or every five minutes.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use controllers_component_base::events::EventType;
use jiff::Timestamp;
use k8s_cri::v1::RuntimeCondition;
use k8s_openapi::{
    api::core::v1::{
        ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus as Status,
        ObjectReference,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{cni, machine};
use crate::{config::Config, cri::Runtime, host::Host, quantity};

/// Images listed in the status at most.
const MAX_IMAGES: usize = 50;
/// Names of an image at most.
const MAX_NAMES: usize = 5;

/// A runtime that gives no answer is down after this long, as it may be starting again.
const RUNTIME_GRACE: Duration = Duration::from_secs(30);

/// What is known of the runtime, in upstream's words.
#[derive(Default)]
struct RuntimeState {
    /// When it last answered.
    seen: Option<Instant>,
    /// What it then said is wrong.
    runtime: Option<String>,
    network: Option<String>,
}

impl RuntimeState {
    fn take(&mut self, conditions: &[RuntimeCondition], now: Instant) {
        let wrong = |kind: &str, what: &str| {
            let found = conditions.iter().find(|condition| condition.r#type == kind && !condition.status)?;
            Some(format!("{what} not ready: {kind}=false reason:{} message:{}", found.reason, found.message))
        };
        *self = RuntimeState {
            seen: Some(now),
            runtime: wrong("RuntimeReady", "container runtime"),
            network: wrong("NetworkReady", "container runtime network"),
        };
    }

    /// Why the node is not ready.
    fn error(&self, now: Instant) -> Option<String> {
        let silent = match self.seen {
            None => Some("container runtime status check may not have completed yet"),
            Some(seen) => (now >= seen + RUNTIME_GRACE).then_some("container runtime is down"),
        };
        let errors: Vec<&str> =
            [silent, self.runtime.as_deref(), self.network.as_deref()].into_iter().flatten().collect();
        match errors.as_slice() {
            [] => None,
            [error] => Some((*error).to_owned()),
            errors => Some(format!("[{}]", errors.join(", "))),
        }
    }
}

/// Computes statuses.
pub struct NodeStatus {
    config: Config,
    runtime: Arc<dyn Runtime>,
    /// `containerd://1.6.20`
    runtime_version: String,
    capacity: machine::Capacity,
    state: Mutex<RuntimeState>,
}

impl NodeStatus {
    pub fn new(config: Config, runtime: Arc<dyn Runtime>, runtime_version: String) -> Self {
        let capacity = machine::capacity(&config.root_dir);
        Self { config, runtime, runtime_version, capacity, state: Mutex::default() }
    }

    /// Bytes.
    pub fn memory(&self) -> i64 {
        self.capacity.memory
    }

    /// Why the network is not ready, as of the last status.
    pub fn network_error(&self) -> Option<String> {
        self.state.lock().network.clone()
    }

    /// What pods may use: capacity without what is reserved and the memory kept free by eviction.
    pub fn allocatable(&self) -> BTreeMap<String, String> {
        let config = &self.config;
        let reserved = |name: &str| -> i128 {
            [&config.system_reserved, &config.kube_reserved]
                .iter()
                .filter_map(|map| quantity::milli(map.get(name)?))
                .sum()
        };
        let evicted = |signal: &str, total: i64| -> i128 {
            config.eviction_hard.get(signal).map_or(0, |threshold| machine::amount(threshold, total).into())
        };
        let cpu = (i128::from(self.capacity.cpus) * 1000 - reserved("cpu")).max(0);
        let memory = i128::from(self.capacity.memory)
            - reserved("memory") / 1000
            - evicted("memory.available", self.capacity.memory);
        let disk = i128::from(self.capacity.disk)
            - reserved("ephemeral-storage") / 1000
            - evicted("nodefs.available", self.capacity.disk);
        let cpu = if cpu % 1000 == 0 { (cpu / 1000).to_string() } else { format!("{cpu}m") };
        BTreeMap::from([
            ("cpu".to_string(), cpu),
            ("memory".to_string(), format!("{}Ki", memory.max(0) / 1024)),
            ("ephemeral-storage".to_string(), disk.max(0).to_string()),
            ("hugepages-1Gi".to_string(), "0".to_string()),
            ("hugepages-2Mi".to_string(), "0".to_string()),
            ("pods".to_string(), config.max_pods.to_string()),
        ])
    }

    /// The status of this moment; `current` gives the transition times.
    pub async fn compute(&self, current: &Node) -> Status {
        let config = &self.config;
        let old = current.status.clone().unwrap_or_default();
        let quantities =
            |map: BTreeMap<String, String>| map.into_iter().map(|(name, value)| (name, Quantity(value))).collect();
        let mut capacity = self.allocatable();
        capacity.insert("cpu".into(), self.capacity.cpus.to_string());
        capacity.insert("memory".into(), quantity::kibibytes(self.capacity.memory).0);
        capacity.insert("ephemeral-storage".into(), quantity::kibibytes(self.capacity.disk).0);
        let mut addresses: Vec<NodeAddress> = config
            .node_ips
            .iter()
            .map(|ip| NodeAddress { type_: "InternalIP".into(), address: ip.to_string() })
            .collect();
        addresses.push(NodeAddress { type_: "Hostname".into(), address: config.node_name.clone() });
        Status {
            capacity: Some(quantities(capacity)),
            allocatable: Some(quantities(self.allocatable())),
            addresses: Some(addresses),
            conditions: Some(self.conditions(old.conditions.as_deref().unwrap_or_default()).await),
            daemon_endpoints: Some(NodeDaemonEndpoints {
                kubelet_endpoint: Some(DaemonEndpoint { port: i32::from(config.serving.port) }),
            }),
            images: Some(self.images().await),
            node_info: Some(machine::system_info(&self.runtime_version)),
            ..old
        }
    }

    async fn conditions(&self, old: &[NodeCondition]) -> Vec<NodeCondition> {
        let now = Timestamp::now();
        let pressure = machine::pressure(&self.config.root_dir, &self.config.eviction_hard);
        let pick = |under: bool, bad: (&'static str, &'static str), good: (&'static str, &'static str)| {
            let (reason, message) = if under { bad } else { good };
            (under, reason, message.to_string())
        };
        let (ready, message) = match self.not_ready().await {
            None => (true, "kubelet is posting ready status".to_string()),
            Some(message) => (false, message),
        };
        let parts = [
            (
                "MemoryPressure",
                pick(
                    pressure.memory,
                    ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
                    ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                ),
            ),
            (
                "DiskPressure",
                pick(
                    pressure.disk,
                    ("KubeletHasDiskPressure", "kubelet has disk pressure"),
                    ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                ),
            ),
            (
                "PIDPressure",
                pick(
                    pressure.pid,
                    ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
                    ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                ),
            ),
            // Ready is the last one: old clients rely on it.
            ("Ready", (ready, if ready { "KubeletReady" } else { "KubeletNotReady" }, message)),
        ];
        let mut conditions: Vec<NodeCondition> =
            old.iter().filter(|condition| !parts.iter().any(|(kind, _)| *kind == condition.type_)).cloned().collect();
        conditions.extend(parts.into_iter().map(|(kind, (truth, reason, message))| {
            let status = if truth { "True" } else { "False" };
            let before = old.iter().find(|condition| condition.type_ == kind && condition.status == status);
            NodeCondition {
                type_: kind.into(),
                status: status.into(),
                reason: Some(reason.into()),
                message: Some(message),
                last_heartbeat_time: Some(Time(now)),
                last_transition_time: before
                    .and_then(|condition| condition.last_transition_time.clone())
                    .or(Some(Time(now))),
            }
        }));
        conditions
    }

    /// Why the node is not ready.
    async fn not_ready(&self) -> Option<String> {
        let answer = self.runtime.conditions().await;
        let mut state = self.state.lock();
        match answer {
            Ok(conditions) => state.take(&conditions, Instant::now()),
            Err(error) => warn!("the container runtime gives no status: {error}"),
        }
        state.error(Instant::now())
    }

    async fn images(&self) -> Vec<ContainerImage> {
        let mut images = self.runtime.list_images().await.unwrap_or_default();
        images.sort_by_key(|image| std::cmp::Reverse(image.size));
        images
            .into_iter()
            .take(MAX_IMAGES)
            .map(|image| ContainerImage {
                names: Some(image.repo_digests.into_iter().chain(image.repo_tags).take(MAX_NAMES).collect()),
                size_bytes: i64::try_from(image.size).ok(),
            })
            .collect()
    }
}

/// Reports until shutdown; also writes the CNI configuration when the node has a podCIDR.
pub async fn run(
    client: Client,
    host: Arc<Host>,
    status: Arc<NodeStatus>,
    mut node: Node,
    shutdown: CancellationToken,
) {
    let api: Api<Node> = Api::all(client.clone());
    let config = &host.config;
    let name = config.node_name.clone();
    let mut last_sent = None::<Instant>;
    // What was wrong is likely to be right soon after the start: look more often until the node is ready.
    let mut period = Duration::from_millis(250);
    loop {
        write_network(config, &node);
        let new = status.compute(&node).await;
        *host.network_error.lock() = status.network_error();
        let old = node.status.clone().unwrap_or_default();
        let due = last_sent.is_none_or(|sent| sent.elapsed() >= config.node_status_report_frequency);
        if changed(&old, &new) || due {
            match send(&api, &name, &new).await {
                Ok(updated) => {
                    say_transitions(&host, &old, &new, node.metadata.uid.as_deref());
                    node = updated;
                    last_sent = Some(Instant::now());
                }
                Err(kube::Error::Api(refused)) if refused.code == 404 => {
                    match super::register(&client, config, &status, &shutdown).await {
                        Some(made) => node = made,
                        None => return,
                    }
                }
                Err(error) => warn!("error updating node status, will retry: {error}"),
            }
        }
        let ready =
            new.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        period = if ready {
            config.node_status_update_frequency
        } else {
            (period * 2).min(config.node_status_update_frequency)
        };
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = shutdown.cancelled() => return,
        }
        // Others write to the node too: its podCIDR, its taints.
        if let Ok(current) = api.get(&name).await {
            node = current;
        }
    }
}

async fn send(api: &Api<Node>, name: &str, status: &Status) -> kube::Result<Node> {
    let conditions = status.conditions.clone();
    let mut fields = serde_json::json!({
        "capacity": status.capacity,
        "allocatable": status.allocatable,
        "conditions": conditions,
        "daemonEndpoints": status.daemon_endpoints,
        "images": status.images,
        "nodeInfo": status.node_info,
    });
    // Merged by type otherwise, which would keep an old address beside the new one.
    let mut addresses = vec![serde_json::json!({ "$patch": "replace" })];
    for address in status.addresses.iter().flatten() {
        addresses.push(serde_json::json!(address));
    }
    fields["addresses"] = addresses.into();
    api.patch_status(name, &PatchParams::default(), &Patch::Strategic(serde_json::json!({ "status": fields }))).await
}

fn write_network(config: &Config, node: &Node) {
    let Some(network) = &config.network else { return };
    let from_api = node.spec.as_ref().and_then(|spec| spec.pod_cidr.clone()).filter(|cidr| !cidr.is_empty());
    if let Some(cidr) = from_api.or_else(|| config.pod_cidr.clone())
        && let Err(error) = cni::write(network, &cidr)
    {
        warn!("{error}");
    }
}

/// Whether anything but heartbeat times differs.
fn changed(old: &Status, new: &Status) -> bool {
    let stripped = |status: &Status| {
        let mut status = status.clone();
        for condition in status.conditions.iter_mut().flatten() {
            condition.last_heartbeat_time = None;
            condition.last_transition_time = None;
        }
        serde_json::to_value(status).unwrap_or_default()
    };
    stripped(old) != stripped(new)
}

fn say_transitions(host: &Host, old: &Status, new: &Status, uid: Option<&str>) {
    let name = &host.config.node_name;
    let node = ObjectReference {
        kind: Some("Node".into()),
        name: Some(name.clone()),
        uid: Some(uid.unwrap_or(name).to_string()),
        ..Default::default()
    };
    for condition in new.conditions.iter().flatten() {
        let before = old.conditions.iter().flatten().find(|old| old.type_ == condition.type_);
        if before.is_some_and(|before| before.status == condition.status) {
            continue;
        }
        let reason = match (condition.type_.as_str(), condition.status == "True") {
            ("Ready", true) => "NodeReady",
            ("Ready", false) => "NodeNotReady",
            ("MemoryPressure", true) => "NodeHasInsufficientMemory",
            ("MemoryPressure", false) => "NodeHasSufficientMemory",
            ("DiskPressure", true) => "NodeHasDiskPressure",
            ("DiskPressure", false) => "NodeHasNoDiskPressure",
            ("PIDPressure", true) => "NodeHasInsufficientPID",
            ("PIDPressure", false) => "NodeHasSufficientPID",
            _ => continue,
        };
        host.recorder.event(&node, EventType::Normal, reason, &format!("Node {name} status is now: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_starts_again_in_time_was_never_down() {
        let condition = |kind: &str, status: bool| RuntimeCondition {
            r#type: kind.into(),
            status,
            reason: "R".into(),
            message: "M".into(),
        };
        let (mut state, start) = (RuntimeState::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(state.error(at(0)).unwrap(), "container runtime status check may not have completed yet");
        state.take(&[condition("RuntimeReady", true), condition("NetworkReady", false)], at(1));
        let network = "container runtime network not ready: NetworkReady=false reason:R message:M";
        assert_eq!(state.error(at(30)).unwrap(), network);
        assert_eq!(state.error(at(31)).unwrap(), format!("[container runtime is down, {network}]"));
        state.take(&[condition("RuntimeReady", true), condition("NetworkReady", true)], at(40));
        assert_eq!(state.error(at(69)), None);
        assert_eq!(state.error(at(70)).unwrap(), "container runtime is down");
    }
}
