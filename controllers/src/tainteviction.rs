//! Evicts pods from nodes with NoExecute taints that they do not, or no longer, tolerate.
//!
//! When a pod has to go follows from the taint's time and the pod's tolerations, so a restart forgets nothing.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, Taint, Toleration},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use parking_lot::Mutex;
use serde_json::json;
use tracing::info;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    pod::Pod,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "taint-eviction-controller",
    alias: "",
    service_account: "node-controller",
    event_source: "taint-eviction-controller",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    recorder: Recorder,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    queue: Queue<Key>,
    /// Pods whose eviction is due later: when it is called off, an event says so.
    scheduled: Mutex<HashSet<Key>>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        pods: context.informers.pods(),
        nodes: context.informers.nodes(),
        queue: Queue::default(),
        scheduled: Mutex::default(),
    });
    worker.pods.synced().await;
    worker.nodes.synced().await;
    let queue = worker.queue.clone();
    worker.pods.subscribe(move |change| {
        let relevant = match change {
            Change::Added(pod) => pod.spec.node_name.is_some(),
            Change::Updated(old, new) => {
                old.spec.node_name != new.spec.node_name || old.spec.tolerations != new.spec.tolerations
            }
            Change::Deleted(_) => true,
        };
        if relevant {
            queue.add(Key::of(change.object().as_ref()));
        }
    });
    let own = worker.clone();
    worker.nodes.subscribe(move |change| {
        let relevant = match change {
            Change::Added(node) => !no_execute(node).is_empty(),
            Change::Updated(old, new) => no_execute(old) != no_execute(new),
            Change::Deleted(_) => false,
        };
        let name = change.object().metadata.name.as_deref().unwrap_or_default();
        if relevant {
            own.pods
                .all()
                .iter()
                .filter(|pod| pod.node_name() == name)
                .for_each(|pod| own.queue.add(Key::of(pod.as_ref())));
        }
    });
    let queue = worker.queue.clone();
    queue::work(CONTROLLER.name, queue, 8, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(pod) = self.pods.get(key) else {
            self.scheduled.lock().remove(key);
            return Ok(());
        };
        let node = self.nodes.get(&Key::new("", pod.node_name()));
        let taints = node.map(|node| no_execute(&node)).unwrap_or_default();
        if pod.terminating() || pod.node_name().is_empty() {
            return Ok(());
        }
        match due(&pod, &taints) {
            None => {
                if self.scheduled.lock().remove(key) {
                    let text = format!("Cancelling deletion of Pod {key}");
                    self.recorder.event(&pod.object_ref(&()), EventType::Normal, "TaintManagerEviction", &text);
                }
                Ok(())
            }
            Some(due) => {
                let left = due.duration_since(Timestamp::now()).as_secs_f64();
                if left > 0.0 {
                    self.scheduled.lock().insert(key.clone());
                    self.queue.add_after(key.clone(), Duration::from_secs_f64(left));
                    return Ok(());
                }
                self.scheduled.lock().remove(key);
                self.evict(key, &pod).await
            }
        }
    }

    async fn evict(&self, key: &Key, pod: &Pod) -> Result<()> {
        info!("deleting pod {key}");
        let text = format!("Marking for deletion Pod {key}");
        self.recorder.event(&pod.object_ref(&()), EventType::Normal, "TaintManagerEviction", &text);
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), pod.namespace());
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": Time(Timestamp::now()),
        });
        let patch = json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]}});
        let gone = |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 404);
        match api.patch_status(pod.name(), &PatchParams::default(), &Patch::Strategic(patch)).await {
            Err(error) if gone(&error) => return Ok(()),
            result => drop(result?),
        }
        let same = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        match api.delete(pod.name(), &DeleteParams::default().preconditions(same)).await {
            Err(error) if gone(&error) => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

fn no_execute(node: &Node) -> Vec<Taint> {
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    taints.filter(|taint| taint.effect == "NoExecute").cloned().collect()
}

/// When the pod has to go; `None`: never.
fn due(pod: &Pod, taints: &[Taint]) -> Option<Timestamp> {
    let began = pod.condition("PodScheduled").and_then(|condition| condition.last_transition_time.as_ref());
    let on_node_since = began.map(|Time(time)| *time).or_else(|| pod.created()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut due: Option<Timestamp> = None;
    for taint in taints {
        let since = taint.time_added.as_ref().map_or(on_node_since, |Time(time)| (*time).max(on_node_since));
        let tolerations = pod.spec.tolerations.iter().filter(|toleration| tolerates(toleration, taint));
        // The first that matches counts, as upstream finds it.
        let at = match tolerations.map(|toleration| toleration.toleration_seconds).next() {
            None => since,
            Some(None) => continue,
            Some(Some(seconds)) => since + jiff::SignedDuration::from_secs(seconds.clamp(0, 10_000_000_000)),
        };
        due = Some(due.map_or(at, |due| due.min(at)));
    }
    due
}

/// Whether the toleration matches the taint.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let is_empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    if !is_empty(&toleration.effect) && toleration.effect.as_ref() != Some(&taint.effect) {
        return false;
    }
    if !is_empty(&toleration.key) && toleration.key.as_ref() != Some(&taint.key) {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => true,
        None | Some("" | "Equal") => {
            toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn taint(key: &str, second: i64) -> Taint {
        Taint { key: key.into(), effect: "NoExecute".into(), time_added: Some(Time(at(second))), value: None }
    }

    fn pod(tolerations: Vec<Toleration>) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.creation_timestamp = Some(Time(at(100)));
        pod.spec.tolerations = tolerations;
        pod
    }

    fn exists(key: &str, seconds: Option<i64>) -> Toleration {
        Toleration {
            key: Some(key.into()),
            operator: Some("Exists".into()),
            effect: Some("NoExecute".into()),
            toleration_seconds: seconds,
            value: None,
        }
    }

    #[test]
    fn due_by_taint_time_and_toleration() {
        assert_eq!(due(&pod(vec![]), &[]), None);
        assert_eq!(due(&pod(vec![]), &[taint("a", 200)]), Some(at(200)));
        assert_eq!(due(&pod(vec![exists("a", None)]), &[taint("a", 200)]), None);
        assert_eq!(due(&pod(vec![exists("a", Some(300))]), &[taint("a", 200)]), Some(at(500)));
        assert_eq!(due(&pod(vec![exists("a", Some(300))]), &[taint("a", 50)]), Some(at(400)), "from when the pod came");
        let both = pod(vec![exists("a", Some(300)), exists("b", None)]);
        assert_eq!(due(&both, &[taint("a", 200), taint("b", 200)]), Some(at(500)));
        assert_eq!(due(&both, &[taint("a", 200), taint("c", 200)]), Some(at(200)));
    }

    #[test]
    fn tolerations_match_as_upstreams() {
        let any = Toleration { operator: Some("Exists".into()), ..Toleration::default() };
        assert!(tolerates(&any, &taint("a", 1)));
        let value = Toleration { key: Some("a".into()), value: Some("x".into()), ..Toleration::default() };
        assert!(!tolerates(&value, &taint("a", 1)));
        assert!(tolerates(&value, &Taint { value: Some("x".into()), ..taint("a", 1) }));
    }
}
