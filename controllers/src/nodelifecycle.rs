//! Watches whether nodes live, and says so in conditions and taints.
//!
//! A node lives as long as its status or its lease changes, by this process's clock. One that is silent too long
//! gets its conditions set to Unknown. Conditions become NoSchedule taints at once, and NoExecute taints, which evict,
//! at a rate per zone: where a whole zone or cluster looks dead, rather the network is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::{
    events::{EventType, Recorder},
    run::one_line,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, NodeCondition, Taint},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    options::Options,
    pod::Pod,
    queue::{self, Queue},
};

mod health;
mod taints;
mod zones;

use health::Health;
use zones::Zones;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "node-lifecycle-controller",
    alias: "nodelifecycle",
    service_account: "node-controller",
    event_source: "node-controller",
    run: |context| Box::pin(run(context)),
};

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
/// Old names of labels, kept the same as the new ones.
const LABELS: [(&str, &str); 2] =
    [("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch")];

struct Worker {
    client: Client,
    recorder: Recorder,
    nodes: Informer<Node>,
    leases: Informer<Lease>,
    pods: Informer<Pod>,
    options: Arc<Options>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nodes: HashMap<String, Known>,
    zones: Zones,
}

/// What is remembered of a node.
struct Known {
    uid: Option<String>,
    health: Health,
    /// Its pods are still to be marked not ready.
    owes_marks: bool,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        nodes: context.informers.nodes(),
        leases: context.informers.node_leases(),
        pods: context.informers.pods(),
        options: context.options.clone(),
        state: Mutex::default(),
    });
    let queue: Queue<Key> = Queue::default();
    worker.nodes.synced().await;
    worker.leases.synced().await;
    worker.pods.synced().await;
    let own = queue.clone();
    worker.nodes.subscribe(move |change| own.add(Key::of(change.object().as_ref())));
    let assigned: Queue<Key> = Queue::default();
    let own = assigned.clone();
    worker.pods.subscribe(move |change| {
        let is_new = match change {
            Change::Added(_) => true,
            Change::Updated(old, new) => old.node_name() != new.node_name(),
            Change::Deleted(_) => false,
        };
        let pod = change.object();
        if is_new && !pod.node_name().is_empty() && pod.ready() {
            own.add(Key::of(pod.as_ref()));
        }
    });
    let monitor = worker.clone();
    let shutdown = context.shutdown.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(monitor.options.node_monitor_period.max(Duration::from_millis(100)));
        loop {
            tokio::select! {
                _ = ticks.tick() => monitor.monitor().await,
                () = shutdown.cancelled() => return,
            }
        }
    });
    let pods = worker.clone();
    let of_pods = queue::work(CONTROLLER.name, assigned, 1, context.shutdown.clone(), move |key| {
        let worker = pods.clone();
        async move { worker.sync_pod(&key).await }
    });
    let of_nodes = queue::work(CONTROLLER.name, queue, 4, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    });
    tokio::join!(of_pods, of_nodes);
    Ok(())
}

impl Worker {
    /// After any change of a node: NoSchedule taints from its conditions, and its old labels.
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(node) = self.nodes.get(key) else { return Ok(()) };
        if let Some(wanted) = taints::no_schedule(&node, Timestamp::now()) {
            self.write_taints(&node, wanted).await?;
        }
        let labels = node.labels();
        let wrong: HashMap<&str, &String> = LABELS
            .iter()
            .filter_map(|(new, old)| Some((*old, labels.get(*new)?)))
            .filter(|(old, value)| labels.get(*old) != Some(*value))
            .collect();
        if !wrong.is_empty() {
            let patch = Patch::Strategic(json!({"metadata": {"labels": wrong}}));
            tolerate_gone(self.api().patch(&key.name, &PatchParams::default(), &patch).await)?;
        }
        Ok(())
    }

    /// Every few seconds: is each node alive, and what follows.
    async fn monitor(&self) {
        let nodes = self.nodes.all();
        self.greet(&nodes);
        let mut ready = Vec::new();
        for node in &nodes {
            match self.check(node).await {
                Ok(status) => ready.push((node.clone(), status)),
                Err(error) => warn!("node {}: {}", node.name_any(), one_line(&error)),
            }
        }
        let limits = {
            let mut state = self.state.lock();
            let states = ready.iter().map(|(node, status)| (zone(node), status == "True"));
            let change = state.zones.update(states, &self.options, Instant::now());
            if change == zones::Change::SomeReadyAgain {
                // Nodes get a fresh grace period: the control plane was cut off, not they.
                state.nodes.values_mut().for_each(|known| known.health.restart(Instant::now()));
            }
            change
        };
        match limits {
            zones::Change::AllUnreachable => info!("all nodes are not ready, entering master disruption mode"),
            zones::Change::SomeReadyAgain => info!("some nodes are ready, leaving master disruption mode"),
            zones::Change::None => {}
        }
        for (node, status) in ready {
            let result = self.evict_taints(&node, &status).await;
            if let Err(error) = result {
                warn!("cannot taint node {}: {}", node.name_any(), one_line(&error));
            }
        }
    }

    /// Events for nodes that came and went.
    fn greet(&self, nodes: &[Arc<Node>]) {
        let mut state = self.state.lock();
        for node in nodes {
            let name = node.name_any();
            let same = state.nodes.get(&name).is_some_and(|known| known.uid == node.uid());
            if !same {
                let health = Health::new(node, Instant::now());
                state.nodes.insert(name.clone(), Known { uid: node.uid(), health, owes_marks: false });
                let text = format!("Node {name} event: Registered Node {name} in Controller");
                self.recorder.event(&node.object_ref(&()), EventType::Normal, "RegisteredNode", &text);
            }
        }
        let names: Vec<String> = nodes.iter().map(|node| node.name_any()).collect();
        state.nodes.retain(|name, known| {
            let lives = names.contains(name);
            if !lives {
                let mut reference = Node::default().object_ref(&());
                reference.name = Some(name.clone());
                reference.uid = known.uid.clone();
                let text = format!("Node {name} event: Removing Node {name} from Controller");
                self.recorder.event(&reference, EventType::Normal, "RemovingNode", &text);
            }
            lives
        });
    }

    /// Looks at one node; gives the status of its Ready condition after that.
    async fn check(&self, node: &Node) -> Result<String> {
        let name = node.name_any();
        let lease = self.leases.get(&Key::new("kube-node-lease", &name));
        let silent = {
            let mut state = self.state.lock();
            let Some(known) = state.nodes.get_mut(&name) else { return Ok("Unknown".to_string()) };
            known.health.observe(node, lease.as_deref(), &self.options, Instant::now())
        };
        let before = ready(node).map(|condition| condition.status.clone());
        let unknown = if silent { health::unknown(node, Timestamp::now()) } else { Vec::new() };
        let mut now = before.clone().unwrap_or_else(|| "Unknown".to_string());
        if !unknown.is_empty() {
            let patch = Patch::Strategic(json!({"status": {"conditions": unknown}}));
            tolerate_gone(self.api().patch_status(&name, &PatchParams::default(), &patch).await)?;
            now = "Unknown".to_string();
            if before.as_deref() == Some("True") {
                let text = format!("Node {name} status is now: NodeNotReady");
                self.recorder.event(&node.object_ref(&()), EventType::Normal, "NodeNotReady", &text);
            }
        }
        // Once, when it falls silent: what a living node says of itself, its pods say too.
        let fell = before.as_deref() == Some("True") && now != "True";
        let set_owes = |owes: bool| {
            let mut state = self.state.lock();
            state.nodes.get_mut(&name).is_some_and(|known| std::mem::replace(&mut known.owes_marks, owes))
        };
        if set_owes(false) && now != "True" || fell {
            let marked = self.mark_pods_not_ready(&name).await;
            set_owes(marked.is_err());
            marked?;
        }
        Ok(now)
    }

    /// No kubelet says it any more: pods of a node that is silent are not ready, so Services leave them.
    async fn mark_pods_not_ready(&self, node: &str) -> Result<()> {
        for pod in self.pods.all().iter().filter(|pod| pod.node_name() == node) {
            self.mark_not_ready(pod).await?;
        }
        Ok(())
    }

    async fn mark_not_ready(&self, pod: &Pod) -> Result<()> {
        if !pod.ready() || pod.finished() {
            return Ok(());
        }
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now());
        let condition = json!({"type": "Ready", "status": "False", "lastTransitionTime": now});
        let patch = json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]}});
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), pod.namespace());
        tolerate_gone(api.patch_status(pod.name(), &PatchParams::default(), &Patch::Strategic(patch)).await)?;
        self.recorder.event(&pod.object_ref(&()), EventType::Warning, "NodeNotReady", "Node is not ready");
        Ok(())
    }

    /// A ready pod that is new here, as all are at the start: its node may have fallen silent before.
    async fn sync_pod(&self, key: &Key) -> Result<()> {
        let Some(pod) = self.pods.get(key) else { return Ok(()) };
        let node = self.nodes.get(&Key::new("", pod.node_name()));
        let is_silent = node.and_then(|node| Some(ready(&node)?.status != "True")).unwrap_or_default();
        if is_silent { self.mark_not_ready(&pod).await } else { Ok(()) }
    }

    /// The NoExecute taint of the node's state, as fast as its zone's limit lets it.
    async fn evict_taints(&self, cached: &Node, status: &str) -> Result<()> {
        let node = self.nodes.get(&Key::of(cached)).unwrap_or_else(|| Arc::new(cached.clone()));
        let quiet = self.state.lock().zones.all_unreachable();
        let status = if quiet { "True" } else { status };
        let Some(wanted) = taints::no_execute(&node, status, Timestamp::now()) else { return Ok(()) };
        let swap = taints::has_no_execute(&node) || status == "True";
        if !swap && !self.state.lock().zones.allow(&zone(&node), Instant::now()) {
            return Ok(());
        }
        self.write_taints(&node, wanted).await
    }

    async fn write_taints(&self, node: &Node, wanted: Vec<Taint>) -> Result<()> {
        // The version guards the taints of others: a list is replaced as a whole.
        let patch = json!({"metadata": {"resourceVersion": node.resource_version()}, "spec": {"taints": wanted}});
        tolerate_gone(self.api().patch(&node.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await)
    }

    fn api(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }
}

fn tolerate_gone<K>(result: kube::Result<K>) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

fn ready(node: &Node) -> Option<&NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == "Ready")
}

/// Region and zone of a node, as one text.
fn zone(node: &Node) -> String {
    let label = |key| node.labels().get(key).map(String::as_str).unwrap_or_default();
    format!("{}:\0:{}", label(REGION), label(ZONE))
}
