//! The pods of this node: from the API's watch to workers, woken by the runtime's changes; what belongs to no pod is
//! removed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use controllers_component_base::events::EventType;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admission::{Admission, Refusal},
    cri::{ContainerPhase, key},
    host::Host,
    pod,
    pod_worker::{self, Desired, Worker},
    room::Needs,
    volumes,
};

/// How often the runtime is asked what changed.
const RELIST: Duration = Duration::from_secs(1);
/// How often leftovers are looked for.
const CLEANUP: Duration = Duration::from_secs(30);

/// All pods with a worker.
pub struct Pods {
    host: Arc<Host>,
    workers: Mutex<HashMap<String, Handle>>,
    /// The mirror pods of static pods, by namespace and name: the API's, which no worker runs.
    mirrors: Mutex<BTreeMap<(String, String), Arc<Pod>>>,
    /// The first list of the API was seen: only then is an unknown pod a leftover.
    synced: Mutex<bool>,
}

struct Handle {
    desired: watch::Sender<Desired>,
    wake: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Pods {
    pub fn new(host: Arc<Host>) -> Arc<Self> {
        Arc::new(Self {
            host,
            workers: Mutex::new(HashMap::new()),
            mirrors: Mutex::default(),
            synced: Mutex::new(false),
        })
    }

    /// The pods as they were last seen, sorted by name.
    pub fn list(&self) -> Vec<Arc<Pod>> {
        let pods: BTreeMap<(String, String), Arc<Pod>> = self
            .workers
            .lock()
            .values()
            .map(|handle| handle.desired.borrow().pod.clone())
            .map(|pod| ((pod::namespace(&pod).to_string(), pod::name(&pod).to_string()), pod))
            .collect();
        pods.into_values().collect()
    }

    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let matches = |pod: &Arc<Pod>| pod::namespace(pod) == namespace && pod::name(pod) == name;
        self.workers.lock().values().map(|handle| handle.desired.borrow().pod.clone()).find(matches)
    }

    /// The API's mirror pods, by namespace and name.
    pub fn mirrors(&self) -> BTreeMap<(String, String), Arc<Pod>> {
        self.mirrors.lock().clone()
    }

    /// Whether the API's pods were listed once.
    pub fn synced(&self) -> bool {
        *self.synced.lock()
    }

    /// Watches the API's pods of this node until shutdown.
    pub async fn run(self: Arc<Self>, client: Client, shutdown: CancellationToken) {
        let selector = format!("spec.nodeName={}", self.host.config.node_name);
        let api: Api<Pod> = Api::all(client);
        let stream = watcher(api, watcher::Config::default().fields(&selector)).default_backoff();
        let mut stream = std::pin::pin!(stream);
        let mut listed: Option<BTreeSet<String>> = None;
        loop {
            let event = tokio::select! {
                event = stream.try_next() => event,
                () = shutdown.cancelled() => return,
            };
            match event {
                Ok(Some(watcher::Event::Apply(pod))) => self.take(pod, false),
                Ok(Some(watcher::Event::Delete(pod))) => self.take(pod, true),
                Ok(Some(watcher::Event::Init)) => listed = Some(BTreeSet::new()),
                Ok(Some(watcher::Event::InitApply(pod))) => {
                    if let Some(listed) = &mut listed {
                        listed.insert(pod::uid(&pod).to_string());
                    }
                    self.take(pod, false);
                }
                Ok(Some(watcher::Event::InitDone)) => {
                    if let Some(listed) = listed.take() {
                        self.forget_unlisted(&listed);
                    }
                    *self.synced.lock() = true;
                }
                Ok(None) => return,
                Err(error) => warn!("cannot watch pods: {error}"),
            }
        }
    }

    fn take(&self, target: Pod, gone: bool) {
        if !pod::is_mirror(&target) {
            self.host.statuses.observe(pod::uid(&target), &target);
            return self.set(target, gone);
        }
        let key = (pod::namespace(&target).to_string(), pod::name(&target).to_string());
        let uid = pod::uid(&target).to_string();
        let of = pod::annotation(&target, pod::CONFIG_MIRROR).unwrap_or_default().to_string();
        self.host.statuses.set_mirror(&of, Some(uid.as_str()).filter(|_| !gone));
        if gone {
            self.mirrors.lock().remove(&key);
        } else {
            self.host.statuses.observe(&of, &target);
            self.mirrors.lock().insert(key, Arc::new(slim(target)));
        }
    }

    /// Takes what is wanted of a pod: a new one gets a worker.
    pub fn set(&self, target: Pod, gone: bool) {
        let uid = pod::uid(&target).to_string();
        let desired = Desired { pod: Arc::new(slim(target)), gone };
        let mut workers = self.workers.lock();
        workers.retain(|_, handle| !handle.task.is_finished());
        if let Some(handle) = workers.get(&uid) {
            handle.desired.send_if_modified(|current| {
                let differs = current.differs(&desired);
                *current = desired;
                differs
            });
            return;
        }
        if gone {
            return;
        }
        let known = workers.values().map(|handle| handle.desired.borrow().pod.clone());
        let others: Vec<Arc<Pod>> = known.filter(|other| !finished(other)).collect();
        let wake = Arc::new(Notify::new());
        let target = desired.pod.clone();
        let (sender, receiver) = watch::channel(desired);
        let mut worker = Worker::new(self.host.clone(), receiver, wake.clone());
        if let Err(Refusal { reason, message }) = self.admit(&worker.granted(), &others) {
            self.host.pod_event(&target, EventType::Warning, &reason, &message);
            worker.refuse(&reason, &message);
        }
        let task = tokio::spawn(worker.run());
        workers.insert(uid, Handle { desired: sender, wake, task });
    }

    fn admit(&self, target: &Pod, others: &[Arc<Pod>]) -> Result<(), Refusal> {
        let host = &self.host;
        // Pods that ran before this agent started are not judged again, and those of files have no other place.
        let fresh = target.status.as_ref().is_none_or(|status| status.start_time.is_none());
        if !fresh || pod::deleting(target) || pod::is_static(target) {
            if !finished(target) {
                host.room.hold(pod::uid(target), Needs::of(target));
            }
            return Ok(());
        }
        let (max_pods, unsafe_sysctls) = (host.config.max_pods, &host.config.allowed_unsafe_sysctls);
        Admission { max_pods, unsafe_sysctls, room: &host.room }.admit(target, others)
    }

    fn forget_unlisted(&self, listed: &BTreeSet<String>) {
        self.mirrors.lock().retain(|_, mirror| listed.contains(pod::uid(mirror)));
        for (uid, handle) in self.workers.lock().iter() {
            if !listed.contains(uid) && !pod::is_static(&handle.desired.borrow().pod) {
                handle.desired.send_modify(|desired| desired.gone = true);
            }
        }
    }

    /// Wakes the workers of pods whose containers changed, until shutdown.
    pub async fn watch_runtime(self: Arc<Self>, shutdown: CancellationToken) {
        let mut before = HashMap::new();
        let mut down = false;
        loop {
            match self.host.runtime.digest().await {
                Ok(now) => {
                    down = false;
                    let workers = self.workers.lock();
                    for (uid, handle) in workers.iter() {
                        if now.get(uid) != before.get(uid) {
                            handle.wake.notify_one();
                        }
                    }
                    drop(workers);
                    before = now;
                }
                Err(error) => {
                    if !std::mem::replace(&mut down, true) {
                        warn!("cannot list containers: {error}");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RELIST) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Removes sandboxes, directories and cgroups of pods that are no more, until shutdown.
    pub async fn clean_up(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            if *self.synced.lock()
                && let Err(error) = self.remove_leftovers().await
            {
                warn!("cannot remove leftovers: {error}");
            }
            let wait = if *self.synced.lock() { CLEANUP } else { RELIST };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn remove_leftovers(&self) -> Result<(), String> {
        let host = &self.host;
        // Read the node before the list of pods: a pod that is new in between is not taken for a leftover.
        let sandboxes = host.runtime.list_sandboxes().await.map_err(|error| error.to_string())?;
        let on_disk = std::fs::read_dir(host.config.root_dir.join("pods")).into_iter().flatten().flatten();
        let mut directories: Vec<String> = on_disk.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        directories.extend(host.cgroups.pods());
        let logs: Vec<_> = std::fs::read_dir(&host.config.pod_logs_dir).into_iter().flatten().flatten().collect();
        let known: BTreeSet<String> = {
            let mut workers = self.workers.lock();
            workers.retain(|_, handle| !handle.task.is_finished());
            workers.keys().cloned().collect()
        };

        let uids: BTreeSet<&String> = sandboxes.iter().filter_map(|sandbox| sandbox.labels.get(key::POD_UID)).collect();
        for uid in uids.into_iter().filter(|uid| !known.contains(*uid)) {
            let observed = host.runtime.observe(uid).await.map_err(|error| error.to_string())?;
            info!("removing pod {uid}, which the API does not have");
            for record in observed.containers.iter().filter(|record| record.phase == ContainerPhase::Running) {
                host.runtime.stop_container(&record.id, 30).await.map_err(|error| error.to_string())?;
            }
            pod_worker::purge(host, uid, &observed).await?;
        }
        for uid in directories.iter().filter(|uid| !known.contains(*uid)) {
            if sandboxes.iter().any(|sandbox| sandbox.labels.get(key::POD_UID) == Some(uid)) {
                continue;
            }
            info!("removing what is left of pod {uid}");
            volumes::tear_down_all(&host.pod_dir(uid))?;
            host.cgroups.tear_down(uid)?;
        }
        for entry in logs {
            // `<namespace>_<name>_<uid>`: only directories of that shape are ours.
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(uid) = name.split('_').nth(2).filter(|_| name.matches('_').count() == 2) else { continue };
            if !known.contains(uid) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }
}

fn finished(target: &Pod) -> bool {
    target.status.as_ref().is_some_and(|status| matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")))
}

/// Without what the agent never reads.
fn slim(mut target: Pod) -> Pod {
    target.metadata.managed_fields = None;
    target
}
