//! Keeps the pods' last statuses and sends them to the API when they changed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::conditions;
use crate::pod;

/// How long a failed update waits.
const RETRY: Duration = Duration::from_secs(2);

/// What the manager asks of the API.
#[async_trait]
pub trait PodApi: Send + Sync + 'static {
    /// Gives the pod as it is then.
    async fn patch_status(&self, namespace: &str, name: &str, patch: Value) -> Result<Pod, Refusal>;
    /// Deletes with grace 0 and the uid as precondition.
    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Refusal>;
}

/// Why the API did not do it.
#[derive(Debug)]
pub enum Refusal {
    /// The pod is gone, or another one has its name.
    Gone,
    /// Anything else: try again.
    Failed(String),
}

pub struct StatusManager {
    api: Arc<dyn PodApi>,
    entries: Mutex<HashMap<String, Entry>>,
    /// Uids of the mirror pods that carry the statuses of static pods, by the static pods' uids.
    mirrors: Mutex<HashMap<String, String>>,
    changed: Notify,
}

struct Entry {
    namespace: String,
    name: String,
    status: PodStatus,
    /// What was last sent: the status the API has, but in our words, until others write over it.
    sent: Value,
    /// The status as the API gave it last, and its resource version then.
    known: Value,
    version: u64,
    dirty: bool,
    is_static: bool,
}

impl StatusManager {
    /// The manager; [`Self::run`] does the sending.
    pub fn new(api: Arc<dyn PodApi>) -> Self {
        Self { api, entries: Mutex::new(HashMap::new()), mirrors: Mutex::new(HashMap::new()), changed: Notify::new() }
    }

    /// The last status that was set.
    pub fn get(&self, uid: &str) -> Option<PodStatus> {
        self.entries.lock().get(uid).map(|entry| entry.status.clone())
    }

    /// Sets a pod's status; it is sent when it differs from what the API has.
    pub fn set(&self, target: &Pod, status: PodStatus) {
        let mut entries = self.entries.lock();
        let entry = entries.entry(pod::uid(target).to_string()).or_insert_with(|| {
            let known = status_of(target);
            Entry {
                namespace: pod::namespace(target).to_string(),
                name: pod::name(target).to_string(),
                status: PodStatus::default(),
                sent: known.clone(),
                known,
                version: version(target),
                dirty: false,
                is_static: pod::is_static(target),
            }
        });
        entry.status = status;
        if difference(&entry.sent, &entry.status).is_some() {
            entry.dirty = true;
            self.changed.notify_one();
        }
    }

    /// Takes a pod as the API has it now, a static one's mirror pod: a status of ours that others wrote over, as the
    /// node lifecycle controller does where a node was thought dead, is sent again.
    pub fn observe(&self, uid: &str, seen: &Pod) {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(uid) else { return };
        let version = version(seen);
        if version <= entry.version {
            return;
        }
        entry.version = version;
        let Some(status) = &seen.status else { return };
        if difference(&entry.known, status).is_none() {
            return;
        }
        entry.known = status_of(seen);
        entry.sent = entry.known.clone();
        if difference(&entry.sent, &entry.status).is_some() {
            entry.dirty = true;
            self.changed.notify_one();
        }
    }

    /// Tells the uid of the mirror pod (none: it is gone) that stands for a static pod.
    pub fn set_mirror(&self, static_uid: &str, mirror_uid: Option<&str>) {
        // In this order everywhere: entries, then mirrors.
        let mut entries = self.entries.lock();
        let mut mirrors = self.mirrors.lock();
        if mirrors.get(static_uid).map(String::as_str) == mirror_uid {
            return;
        }
        match mirror_uid {
            Some(uid) => drop(mirrors.insert(static_uid.to_string(), uid.to_string())),
            None => drop(mirrors.remove(static_uid)),
        }
        if let Some(entry) = entries.get_mut(static_uid) {
            // Another object, which has nothing of the status yet.
            entry.sent = Value::Null;
            entry.dirty = true;
            self.changed.notify_one();
        }
    }

    pub fn forget(&self, uid: &str) {
        self.entries.lock().remove(uid);
    }

    /// Sends the pod's last status if need be and deletes the pod from the API; true when it is gone there.
    pub async fn delete_pod(&self, target: &Pod) -> bool {
        let uid = pod::uid(target);
        if self.send(uid).await.is_err() {
            return false;
        }
        match self.api.delete(pod::namespace(target), pod::name(target), uid).await {
            Ok(()) | Err(Refusal::Gone) => {
                self.forget(uid);
                true
            }
            Err(Refusal::Failed(error)) => {
                warn!("cannot delete pod {} from the API: {error}", pod::full_name(target));
                false
            }
        }
    }

    /// Sends changed statuses, for ever.
    pub async fn run(&self) {
        loop {
            self.changed.notified().await;
            let dirty: Vec<String> =
                self.entries.lock().iter().filter(|(_, entry)| entry.dirty).map(|(uid, _)| uid.clone()).collect();
            for uid in dirty {
                if let Err(error) = self.send(&uid).await {
                    debug!("cannot update the status of pod {uid}: {error}");
                    tokio::time::sleep(RETRY).await;
                    self.changed.notify_one();
                }
            }
        }
    }

    async fn send(&self, uid: &str) -> Result<(), String> {
        let (namespace, name, patch, status) = {
            let mut entries = self.entries.lock();
            let Some(entry) = entries.get_mut(uid) else { return Ok(()) };
            entry.dirty = false;
            let mirrored = self.mirrors.lock().get(uid).cloned();
            let Some(uid) = (if entry.is_static { mirrored.as_deref() } else { Some(uid) }) else { return Ok(()) };
            let Some(fields) = difference(&entry.sent, &entry.status) else { return Ok(()) };
            let patch = json!({ "metadata": { "uid": uid }, "status": fields });
            (
                entry.namespace.clone(),
                entry.name.clone(),
                patch,
                serde_json::to_value(&entry.status).unwrap_or_default(),
            )
        };
        match self.api.patch_status(&namespace, &name, patch).await {
            Ok(answer) => {
                let version = version(&answer);
                // What came after this is known already.
                if let Some(entry) = self.entries.lock().get_mut(uid)
                    && version >= entry.version
                {
                    (entry.sent, entry.known, entry.version) = (status, status_of(&answer), version);
                }
                Ok(())
            }
            // The watch will tell; nothing is owed to it any more.
            Err(Refusal::Gone) => Ok(()),
            Err(Refusal::Failed(error)) => {
                if let Some(entry) = self.entries.lock().get_mut(uid) {
                    entry.dirty = true;
                }
                Err(error)
            }
        }
    }
}

fn status_of(pod: &Pod) -> Value {
    serde_json::to_value(pod.status.clone().unwrap_or_default()).unwrap_or_default()
}

/// The resource version of a pod; 0 of one that the API does not have.
fn version(pod: &Pod) -> u64 {
    pod.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// The strategic merge patch of the status fields that differ; conditions of others are never in it.
fn difference(sent: &Value, status: &PodStatus) -> Option<Value> {
    let new = serde_json::to_value(status).ok()?;
    let empty = Map::new();
    let (old, new) = (sent.as_object().unwrap_or(&empty), new.as_object()?);
    let mut patch = Map::new();
    for key in old.keys().chain(new.keys()) {
        let (before, after) = (old.get(key), new.get(key));
        if before == after || patch.contains_key(key) {
            continue;
        }
        match key.as_str() {
            "conditions" => {
                let changed = owned(after).filter(|condition| !owned(before).any(|known| known == *condition));
                let mut changed: Vec<Value> = changed.cloned().collect();
                let kind = |condition: &Value| condition.get("type").cloned();
                let dropped = owned(before).map(kind).filter(|known| !owned(after).any(|now| kind(now) == *known));
                changed.extend(dropped.map(|kind| json!({ "type": kind, "$patch": "delete" })));
                if !changed.is_empty() {
                    patch.insert(key.clone(), changed.into());
                }
            }
            "podIPs" | "hostIPs" => {
                // Merged by address otherwise, which would keep the old ones.
                let mut list = vec![json!({ "$patch": "replace" })];
                list.extend(after.and_then(Value::as_array).cloned().unwrap_or_default());
                patch.insert(key.clone(), list.into());
            }
            // Written by others.
            "nominatedNodeName" | "resize" | "resourceClaimStatuses" | "extendedResourceClaimStatus" => {}
            _ => {
                patch.insert(key.clone(), after.cloned().unwrap_or(Value::Null));
            }
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn owned(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten().filter(|condition| {
        let kind = condition.get("type").and_then(Value::as_str).unwrap_or_default();
        conditions::OWNED.contains(&kind)
    })
}

/// The pods of the API server.
pub struct ApiPods {
    client: Client,
}

impl ApiPods {
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl PodApi for ApiPods {
    async fn patch_status(&self, namespace: &str, name: &str, patch: Value) -> Result<Pod, Refusal> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        api.patch_status(name, &PatchParams::default(), &Patch::Strategic(patch)).await.map_err(refusal)
    }

    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Refusal> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let preconditions = Some(Preconditions { uid: Some(uid.to_string()), ..Default::default() });
        let params = DeleteParams { grace_period_seconds: Some(0), preconditions, ..Default::default() };
        api.delete(name, &params).await.map(drop).map_err(refusal)
    }
}

fn refusal(error: kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) if status.code == 404 => Refusal::Gone,
        // The uid in the request is another one's now.
        kube::Error::Api(status) if status.code == 409 && status.message.to_lowercase().contains("uid") => {
            Refusal::Gone
        }
        other => Refusal::Failed(other.to_string()),
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// Records what it is asked, and answers with what it was sent.
    #[derive(Default)]
    pub struct FakePods {
        pub patches: Mutex<Vec<Value>>,
        pub deleted: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl PodApi for FakePods {
        async fn patch_status(&self, _: &str, _: &str, patch: Value) -> Result<Pod, Refusal> {
            let mut patches = self.patches.lock();
            let mut answer =
                Pod { status: serde_json::from_value(patch["status"].clone()).unwrap_or_default(), ..Pod::default() };
            patches.push(patch);
            answer.metadata.resource_version = Some((patches.len() * 10).to_string());
            Ok(answer)
        }

        async fn delete(&self, _: &str, name: &str, _: &str) -> Result<(), Refusal> {
            self.deleted.lock().push(name.to_string());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::FakePods, *};
    use crate::pod::testing::pod as pod_of;

    fn status(text: &str) -> PodStatus {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn only_what_differs() {
        let sent = serde_json::to_value(status("{phase: Pending, podIP: 1.1.1.1, podIPs: [{ip: 1.1.1.1}], conditions: [{type: Ready, status: 'False'}, {type: x, status: 'True'}, {type: Initialized, status: 'True'}]}")).unwrap();
        assert_eq!(difference(&sent, &serde_json::from_value(sent.clone()).unwrap()), None);
        let resized = status(
            "{phase: Pending, podIP: 1.1.1.1, podIPs: [{ip: 1.1.1.1}], conditions: [{type: Ready, status: 'False'}, {type: Initialized, status: 'True'}]}",
        );
        let mut resizing = sent.clone();
        resizing["conditions"] = json!([{"type": "Ready", "status": "False"}, {"type": "PodResizeInProgress", "status": "True"}, {"type": "Initialized", "status": "True"}]);
        assert_eq!(
            difference(&resizing, &resized).unwrap(),
            json!({"conditions": [{"type": "PodResizeInProgress", "$patch": "delete"}]})
        );
        let new = status(
            "{phase: Running, podIPs: [{ip: 2.2.2.2}], conditions: [{type: Ready, status: 'True'}, {type: x, status: 'False'}, {type: Initialized, status: 'True'}]}",
        );
        let patch = difference(&sent, &new).unwrap();
        assert_eq!(
            patch,
            json!({"phase": "Running", "podIP": null, "podIPs": [{"$patch": "replace"}, {"ip": "2.2.2.2"}], "conditions": [{"type": "Ready", "status": "True"}]})
        );
    }

    #[tokio::test]
    async fn what_others_write_over_is_sent_again() {
        let api = Arc::new(FakePods::default());
        let manager = StatusManager::new(api.clone());
        let mut pod = pod_of("containers: []");
        manager.set(&pod, status("{phase: Running, conditions: [{type: Ready, status: 'True'}]}"));
        manager.send("u1").await.unwrap();
        let mut seen = |version: &str, text: &str| {
            pod.metadata.resource_version = Some(version.to_owned());
            pod.status = Some(status(text));
            manager.observe("u1", &pod);
        };
        // What was sent comes back, what others own changes, and an older version is late.
        seen("10", "{phase: Running, conditions: [{type: Ready, status: 'True'}]}");
        seen("11", "{phase: Running, conditions: [{type: Ready, status: 'True'}, {type: x, status: 'True'}]}");
        seen("9", "{phase: Pending}");
        manager.send("u1").await.unwrap();
        assert_eq!(api.patches.lock().len(), 1);
        seen("12", "{phase: Running, conditions: [{type: Ready, status: 'False'}]}");
        manager.send("u1").await.unwrap();
        let again = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(api.patches.lock()[1]["status"], again);
        // Nothing is left to be said.
        manager.send("u1").await.unwrap();
        assert_eq!(api.patches.lock().len(), 2);
    }

    #[tokio::test]
    async fn sends_once() {
        let api = Arc::new(FakePods::default());
        let manager = StatusManager::new(api.clone());
        let pod = pod_of("containers: []");
        manager.set(&pod, status("phase: Running"));
        assert!(manager.delete_pod(&pod).await);
        assert_eq!(api.patches.lock().as_slice(), [json!({"metadata": {"uid": "u1"}, "status": {"phase": "Running"}})]);
        assert_eq!(api.deleted.lock().as_slice(), ["p"]);
    }
}
