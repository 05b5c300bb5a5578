//! Deletes pods nobody else would: finished ones beyond a threshold, those of nodes that are gone or out of service,
//! those that are deleted before they ever got a node.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    controller::{Context, Controller},
    informer::Informer,
    pod::Pod,
    pod_control::message,
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "pod-garbage-collector-controller",
    alias: "podgc",
    service_account: "pod-garbage-collector",
    event_source: "pod-garbage-collector",
    run: |context| Box::pin(run(context)),
};

const PERIOD: Duration = Duration::from_secs(20);
/// A node must be missing for so long before its pods are looked at.
const QUARANTINE: Duration = Duration::from_secs(40);

/// Why a pod is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Finished,
    OutOfService,
    Orphaned,
    NeverScheduled,
}

struct Collector {
    client: Client,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    threshold: i32,
    /// Since when a node that pods name is missing.
    missing: HashMap<String, Instant>,
}

async fn run(context: Context) -> Result<()> {
    let mut collector = Collector {
        client: context.client,
        pods: context.informers.pods(),
        nodes: context.informers.nodes(),
        threshold: context.options.terminated_pod_gc_threshold,
        missing: HashMap::new(),
    };
    collector.pods.synced().await;
    collector.nodes.synced().await;
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => collector.collect().await,
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

impl Collector {
    async fn collect(&mut self) {
        let (pods, nodes) = (self.pods.all(), self.nodes.all());
        let gone = self.nodes_gone(&pods, &nodes).await;
        for (pod, why) in plan(&pods, &nodes, &gone, self.threshold) {
            info!("deleting pod {}/{}: {why:?}", pod.namespace(), pod.name());
            if let Err(error) = self.delete(&pod, why).await {
                warn!("cannot delete pod {}/{}: {}", pod.namespace(), pod.name(), message(&error));
            }
        }
    }

    /// The nodes that pods name and that are gone: missing for the quarantine, and by a fresh read.
    async fn nodes_gone(&mut self, pods: &[Arc<Pod>], nodes: &[Arc<Node>]) -> BTreeSet<String> {
        let existing: HashSet<&str> = nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
        let named: HashSet<&str> = pods.iter().map(|pod| pod.node_name()).filter(|name| !name.is_empty()).collect();
        self.missing.retain(|name, _| named.contains(name.as_str()) && !existing.contains(name.as_str()));
        for name in named.difference(&existing) {
            self.missing.entry((*name).to_string()).or_insert_with(Instant::now);
        }
        let api: Api<Node> = Api::all(self.client.clone());
        let mut gone = BTreeSet::new();
        for (name, _) in self.missing.iter().filter(|(_, since)| since.elapsed() >= QUARANTINE) {
            if matches!(api.get_metadata_opt(name).await, Ok(None)) {
                gone.insert(name.clone());
            }
        }
        gone
    }

    /// Marks a pod failed, since no kubelet will, and deletes it at once.
    async fn delete(&self, pod: &Pod, why: Why) -> kube::Result<()> {
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), pod.namespace());
        let tolerate = |result: kube::Result<()>| match result {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result,
        };
        if !pod.finished() {
            let patch = Patch::Strategic(failed(pod, why, Timestamp::now()));
            tolerate(api.patch_status(pod.name(), &PatchParams::default(), &patch).await.map(drop))?;
        }
        tolerate(api.delete(pod.name(), &DeleteParams::default().grace_period(0)).await.map(drop))
    }
}

/// The status patch before the deletion.
fn failed(pod: &Pod, why: Why, now: Timestamp) -> Value {
    let mut status = json!({"phase": "Failed"});
    if why == Why::Orphaned {
        status["conditions"] = json!([{
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now),
        }]);
    }
    json!({"metadata": {"uid": pod.uid()}, "status": status})
}

/// The pods to delete, each once.
fn plan(pods: &[Arc<Pod>], nodes: &[Arc<Node>], gone: &BTreeSet<String>, threshold: i32) -> Vec<(Arc<Pod>, Why)> {
    let out_of_service: HashSet<&str> =
        nodes.iter().filter(|node| is_out_of_service(node)).filter_map(|node| node.metadata.name.as_deref()).collect();
    let mut finished: Vec<&Arc<Pod>> = pods.iter().filter(|pod| pod.finished()).collect();
    let excess = match usize::try_from(threshold) {
        Ok(threshold) if threshold > 0 => finished.len().saturating_sub(threshold),
        _ => 0,
    };
    let evicted = |pod: &Pod| pod.phase() == "Failed" && pod.status.reason.as_deref() == Some("Evicted");
    finished.sort_by_key(|pod| (!evicted(pod), pod.created(), pod.name().to_string()));
    let mut seen: HashSet<&str> = HashSet::new();
    let mut plan = Vec::new();
    let mut add = |pod: &'_ Arc<Pod>, uid, why| {
        if seen.insert(uid) {
            plan.push((pod.clone(), why));
        }
    };
    for pod in finished.into_iter().take(excess) {
        add(pod, pod.uid(), Why::Finished);
    }
    for pod in pods {
        if pod.terminating() && out_of_service.contains(pod.node_name()) {
            add(pod, pod.uid(), Why::OutOfService);
        } else if gone.contains(pod.node_name()) {
            add(pod, pod.uid(), Why::Orphaned);
        } else if pod.terminating() && pod.node_name().is_empty() {
            add(pod, pod.uid(), Why::NeverScheduled);
        }
    }
    plan
}

fn is_out_of_service(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    !ready && taints.any(|taint| taint.key == "node.kubernetes.io/out-of-service")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn pod(name: &str, node: &str, phase: &str, created: i64, terminating: bool) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.into());
        pod.metadata.uid = Some(name.into());
        pod.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        pod.metadata.deletion_timestamp = terminating.then_some(Time(Timestamp::UNIX_EPOCH));
        pod.spec.node_name = (!node.is_empty()).then(|| node.into());
        pod.status.phase = Some(phase.into());
        Arc::new(pod)
    }

    #[test]
    fn plans() {
        let mut evicted = pod("evicted", "n", "Failed", 9, false).as_ref().clone();
        evicted.status.reason = Some("Evicted".into());
        let pods = vec![
            pod("old", "n", "Succeeded", 1, false),
            pod("new", "n", "Succeeded", 5, false),
            Arc::new(evicted),
            pod("running", "n", "Running", 1, false),
            pod("orphan", "gone", "Running", 1, false),
            pod("never", "", "Pending", 1, true),
            pod("waiting", "", "Pending", 1, false),
        ];
        let gone = BTreeSet::from(["gone".to_string()]);
        let planned: Vec<_> =
            plan(&pods, &[], &gone, 1).iter().map(|(pod, why)| (pod.name().to_string(), *why)).collect();
        let expected = [
            ("evicted".to_string(), Why::Finished),
            ("old".to_string(), Why::Finished),
            ("orphan".to_string(), Why::Orphaned),
            ("never".to_string(), Why::NeverScheduled),
        ];
        assert_eq!(planned, expected);
        assert_eq!(plan(&pods, &[], &BTreeSet::new(), 0).len(), 1);
    }

    #[test]
    fn an_orphan_says_why() {
        let patch = failed(&pod("a", "n", "Running", 1, false), Why::Orphaned, Timestamp::UNIX_EPOCH);
        assert_eq!(patch["status"]["phase"], "Failed");
        assert_eq!(patch["status"]["conditions"][0]["reason"], "DeletionByPodGC");
        assert!(failed(&pod("a", "n", "Running", 1, false), Why::NeverScheduled, Timestamp::UNIX_EPOCH)["status"]["conditions"].is_null());
    }
}
