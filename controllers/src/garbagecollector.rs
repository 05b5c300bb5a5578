//! Deletes objects whose owners are gone, and does foreground deletion and orphaning.
//!
//! A metadata-only watch per kind feeds the [`graph`]; what the graph says to look at is checked against the API
//! server itself before anything is deleted.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use futures::StreamExt;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions, PropagationPolicy},
    core::{DynamicObject, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    controller::{Context, Controller},
    discovery::{self, ResourceKind},
    queue::{self, Queue},
};

mod graph;

use graph::{Graph, Identity, Look};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "garbage-collector-controller",
    alias: "garbagecollector",
    service_account: "generic-garbage-collector",
    event_source: "garbage-collector-controller",
    run: |context| Box::pin(run(context)),
};

/// How often new kinds are looked for.
const REDISCOVERY: Duration = Duration::from_secs(30);
/// How long kinds that cannot be listed may hold up the others.
const SYNC_PATIENCE: Duration = Duration::from_secs(30);

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What to do with the object of a UID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Work {
    /// Delete it if its owners are gone; go on with its foreground deletion.
    Collect(String),
    /// Free its dependents of it, then let it go.
    Orphan(String),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Collect(uid) => write!(f, "{uid}"),
            Work::Orphan(uid) => write!(f, "{uid} (orphan)"),
        }
    }
}

struct Collector {
    client: Client,
    recorder: Recorder,
    graph: Mutex<Graph>,
    /// All kinds, by group and kind.
    kinds: RwLock<HashMap<(String, String), ResourceKind>>,
    queue: Queue<Work>,
    /// Kinds whose first list is not there yet.
    unsynced: AtomicUsize,
    /// Owners that were looked for and not found; UIDs never come back.
    absent: Mutex<HashSet<String>>,
}

async fn run(context: Context) -> Result<()> {
    if !context.options.enable_garbage_collector {
        return Ok(());
    }
    let collector = Arc::new(Collector {
        client: context.client,
        recorder: context.recorder,
        graph: Mutex::default(),
        kinds: RwLock::default(),
        queue: Queue::default(),
        unsynced: AtomicUsize::new(0),
        absent: Mutex::default(),
    });
    let mut monitors = HashMap::new();
    let mut ticks = tokio::time::interval(REDISCOVERY);
    ticks.tick().await;
    while collector.rediscover(&mut monitors, &context.shutdown).await.is_err() {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
    let synced = async {
        while collector.unsynced.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(SYNC_PATIENCE, synced).await.is_err() {
        warn!("not all kinds could be listed, collecting garbage of the others");
    }
    let discoverer = collector.clone();
    let shutdown = context.shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Err(error) = discoverer.rediscover(&mut monitors, &shutdown).await {
                        debug!("discovery failed: {error}");
                    }
                }
                () = shutdown.cancelled() => return,
            }
        }
    });
    let queue = collector.queue.clone();
    let workers = context.options.concurrent_gc_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |work| {
        let collector = collector.clone();
        async move { collector.sync(work).await }
    })
    .await;
    Ok(())
}

impl Collector {
    /// Starts watching new kinds and stops watching those that are gone.
    async fn rediscover(
        self: &Arc<Self>,
        monitors: &mut HashMap<(String, String), CancellationToken>,
        shutdown: &CancellationToken,
    ) -> kube::Result<()> {
        let (kinds, failures) = discovery::kinds(&self.client).await?;
        for failure in &failures {
            info!("cannot collect garbage of {failure}");
        }
        let monitored = |kind: &&ResourceKind| {
            let verbs = ["list", "watch", "delete"].iter().all(|verb| kind.has(verb));
            verbs && !matches!((kind.api.group.as_str(), kind.api.plural.as_str()), ("" | "events.k8s.io", "events"))
        };
        let wanted: Vec<&ResourceKind> = kinds.iter().filter(monitored).collect();
        let name = |kind: &ResourceKind| (kind.api.group.clone(), kind.api.plural.clone());
        for kind in &wanted {
            if monitors.contains_key(&name(kind)) {
                continue;
            }
            let stop = shutdown.child_token();
            monitors.insert(name(kind), stop.clone());
            self.unsynced.fetch_add(1, Ordering::AcqRel);
            tokio::spawn(self.clone().monitor((*kind).clone(), stop));
        }
        // An aggregated API that is away for a moment must not look like objects that are gone.
        if failures.is_empty() {
            monitors.retain(|gone, stop| {
                let keep = wanted.iter().any(|kind| name(kind) == *gone);
                if !keep {
                    stop.cancel();
                    self.graph.lock().forget_kind(&gone.0, &gone.1);
                }
                keep
            });
        }
        let by_kind = kinds.into_iter().map(|kind| ((kind.api.group.clone(), kind.api.kind.clone()), kind));
        *self.kinds.write() = by_kind.collect();
        Ok(())
    }

    async fn monitor(self: Arc<Self>, kind: ResourceKind, stop: CancellationToken) {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(self.client.clone(), &kind.api);
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let mut listed = HashSet::new();
        let mut synced = false;
        let source = Arc::new(graph::Kind {
            api_version: kind.api.api_version.clone(),
            group: kind.api.group.clone(),
            kind: kind.api.kind.clone(),
            plural: kind.api.plural.clone(),
        });
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = stop.cancelled() => break,
            };
            match event {
                None => break,
                Some(Err(error)) => debug!("watch of {}: {error}", kind.name()),
                Some(Ok(watcher::Event::Init)) => listed.clear(),
                Some(Ok(watcher::Event::InitApply(object))) => {
                    listed.extend(object.uid());
                    self.look(|graph| graph.observe(&source, &object.metadata));
                }
                Some(Ok(watcher::Event::InitDone)) => {
                    self.look(|graph| graph.relisted(&source, &listed));
                    listed = HashSet::new();
                    if !synced {
                        synced = true;
                        self.unsynced.fetch_sub(1, Ordering::AcqRel);
                    }
                }
                Some(Ok(watcher::Event::Apply(object))) => self.look(|graph| graph.observe(&source, &object.metadata)),
                Some(Ok(watcher::Event::Delete(object))) => {
                    let uid = object.uid().unwrap_or_default();
                    self.look(|graph| graph.deleted(&uid));
                }
            }
        }
        if !synced {
            self.unsynced.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Changes the graph and queues what it says to look at.
    fn look(&self, change: impl FnOnce(&mut Graph) -> Vec<Look>) {
        let looks = change(&mut self.graph.lock());
        for look in looks {
            self.queue.add(match look {
                Look::Collect(uid) => Work::Collect(uid),
                Look::Orphan(uid) => Work::Orphan(uid),
            });
        }
    }

    async fn sync(&self, work: Work) -> Result<()> {
        match work {
            Work::Collect(uid) => self.collect(&uid).await,
            Work::Orphan(uid) => self.orphan(&uid).await,
        }
    }

    async fn collect(&self, uid: &str) -> Result<()> {
        let Some(state) = self.graph.lock().state(uid) else { return Ok(()) };
        if state.deleting && !state.deleting_dependents {
            return Ok(());
        }
        let latest = match self.fetch(&state.identity).await? {
            Some(latest) if latest.uid.as_deref() == Some(uid) => latest,
            _ => {
                self.absent(uid);
                self.look(|graph| graph.deleted(uid));
                return Ok(());
            }
        };
        if !state.observed {
            // Its kind's watch will tell of it; until then it counts as there.
            return Ok(());
        }
        if state.deleting_dependents {
            return self.foreground(uid, &state.identity, &latest).await;
        }
        let owners = latest.owner_references.clone().unwrap_or_default();
        if owners.is_empty() {
            return Ok(());
        }
        let mut solid = Vec::new();
        let mut waiting = false;
        for owner in &owners {
            match self.owner(&state.identity, owner).await? {
                Owner::Gone => {}
                Owner::Waiting => waiting = true,
                Owner::Solid => solid.push(owner.clone()),
            }
        }
        if !solid.is_empty() {
            if solid.len() < owners.len() {
                let patch = json!({"metadata": {
                    "uid": uid,
                    "resourceVersion": latest.resource_version,
                    "ownerReferences": solid,
                }});
                self.patch(&state.identity, patch).await?;
            }
            return Ok(());
        }
        let dependents = self.graph.lock().dependents(uid);
        let policy = if waiting && !dependents.is_empty() {
            if dependents.iter().any(|dependent| dependent.deleting_dependents) {
                // A cycle of objects that wait for each other: this one stops blocking its owners.
                let free: Vec<OwnerReference> = owners
                    .iter()
                    .map(|owner| OwnerReference { block_owner_deletion: Some(false), ..owner.clone() })
                    .collect();
                let patch = json!({"metadata": {
                    "uid": uid,
                    "resourceVersion": latest.resource_version,
                    "ownerReferences": free,
                }});
                self.patch(&state.identity, patch).await?;
                return self.delete(&state.identity, uid, None, PropagationPolicy::Foreground).await;
            }
            PropagationPolicy::Foreground
        } else {
            let finalizers = latest.finalizers.as_deref().unwrap_or_default();
            match () {
                () if finalizers.iter().any(|finalizer| finalizer == ORPHAN) => PropagationPolicy::Orphan,
                () if finalizers.iter().any(|finalizer| finalizer == FOREGROUND) => PropagationPolicy::Foreground,
                () => PropagationPolicy::Background,
            }
        };
        self.delete(&state.identity, uid, latest.resource_version.clone(), policy).await
    }

    /// An object that waits for its dependents: deletes those that block it, and lets it go when none is left.
    async fn foreground(&self, uid: &str, identity: &Identity, latest: &ObjectMeta) -> Result<()> {
        let dependents = self.graph.lock().dependents(uid);
        let mut blocking = dependents.into_iter().filter(|dependent| dependent.blocks(uid)).peekable();
        if blocking.peek().is_none() {
            return self.remove_finalizer(identity, latest, FOREGROUND).await;
        }
        for dependent in blocking.filter(|dependent| !dependent.deleting_dependents) {
            self.queue.add(Work::Collect(dependent.uid));
        }
        Ok(())
    }

    async fn orphan(&self, uid: &str) -> Result<()> {
        let Some(state) = self.graph.lock().state(uid) else { return Ok(()) };
        let dependents = self.graph.lock().dependents(uid);
        for dependent in dependents {
            let Some(latest) = self.fetch(&dependent.identity).await? else { continue };
            if latest.uid.as_ref() != Some(&dependent.uid) {
                continue;
            }
            let mut owners = latest.owner_references.clone().unwrap_or_default();
            let before = owners.len();
            owners.retain(|owner| owner.uid != uid);
            if owners.len() < before {
                let patch = json!({"metadata": {
                    "uid": latest.uid,
                    "resourceVersion": latest.resource_version,
                    "ownerReferences": owners,
                }});
                self.patch(&dependent.identity, patch).await?;
            }
        }
        match self.fetch(&state.identity).await? {
            Some(latest) if latest.uid.as_deref() == Some(uid) => {
                self.remove_finalizer(&state.identity, &latest, ORPHAN).await
            }
            _ => Ok(()),
        }
    }

    /// What has become of an owner of the object, by a fresh read.
    async fn owner(&self, of: &Identity, reference: &OwnerReference) -> Result<Owner> {
        if self.absent.lock().contains(&reference.uid) {
            return Ok(Owner::Gone);
        }
        let group = reference.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let Some(kind) = self.kind(group, &reference.kind) else {
            anyhow::bail!("unable to get REST mapping for {}/{}", reference.api_version, reference.kind);
        };
        if kind.namespaced && of.namespace.is_empty() {
            // An owner that cannot be: the object is left alone, for someone to repair.
            return Ok(Owner::Solid);
        }
        let identity = Identity {
            group: group.to_string(),
            kind: reference.kind.clone(),
            namespace: if kind.namespaced { of.namespace.clone() } else { String::new() },
            name: reference.name.clone(),
        };
        match self.fetch(&identity).await? {
            Some(owner) if owner.uid.as_ref() == Some(&reference.uid) => {
                let finalizers = owner.finalizers.as_deref().unwrap_or_default();
                let waits =
                    owner.deletion_timestamp.is_some() && finalizers.iter().any(|finalizer| finalizer == FOREGROUND);
                Ok(if waits { Owner::Waiting } else { Owner::Solid })
            }
            _ => {
                self.check_namespace(of, reference);
                self.absent_in(kind.namespaced, &reference.uid);
                Ok(Owner::Gone)
            }
        }
    }

    /// Says so where the owner exists in another namespace than the object.
    fn check_namespace(&self, of: &Identity, reference: &OwnerReference) {
        let Some(owner) = self.graph.lock().state(&reference.uid) else { return };
        if !owner.observed || owner.identity.namespace.is_empty() || owner.identity.namespace == of.namespace {
            return;
        }
        let subject = ObjectReference {
            kind: Some(of.kind.clone()),
            namespace: Some(of.namespace.clone()),
            name: Some(of.name.clone()),
            ..ObjectReference::default()
        };
        let text = format!(
            "ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace {:?}",
            reference.api_version, reference.kind, of.namespace, reference.name, reference.uid, of.namespace
        );
        self.recorder.event(&subject, EventType::Warning, "OwnerRefInvalidNamespace", &text);
    }

    fn absent(&self, uid: &str) {
        self.absent_in(false, uid);
    }

    /// Remembers that an owner is gone; not one that may only be missing in one namespace and exist in another.
    fn absent_in(&self, namespaced: bool, uid: &str) {
        let elsewhere = namespaced && self.graph.lock().state(uid).is_some_and(|state| state.observed);
        if elsewhere {
            return;
        }
        let mut absent = self.absent.lock();
        if absent.len() >= 500 {
            absent.clear();
        }
        absent.insert(uid.to_string());
    }

    async fn remove_finalizer(&self, identity: &Identity, latest: &ObjectMeta, finalizer: &str) -> Result<()> {
        let mut finalizers = latest.finalizers.clone().unwrap_or_default();
        let before = finalizers.len();
        finalizers.retain(|present| present != finalizer);
        if finalizers.len() == before {
            return Ok(());
        }
        let patch = json!({"metadata": {
            "uid": latest.uid,
            "resourceVersion": latest.resource_version,
            "finalizers": finalizers,
        }});
        self.patch(identity, patch).await
    }

    async fn delete(
        &self,
        identity: &Identity,
        uid: &str,
        version: Option<String>,
        policy: PropagationPolicy,
    ) -> Result<()> {
        info!("deleting {identity}, propagation {policy:?}");
        let Some(api) = self.api(identity) else { return Ok(()) };
        let preconditions = Preconditions { uid: Some(uid.to_string()), resource_version: version };
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        match api.delete(&identity.name, &params.preconditions(preconditions)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }

    async fn patch(&self, identity: &Identity, patch: serde_json::Value) -> Result<()> {
        let Some(api) = self.api(identity) else { return Ok(()) };
        match api.patch_metadata(&identity.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }

    /// The object's metadata now; `None` where it, or its kind, is gone.
    async fn fetch(&self, identity: &Identity) -> Result<Option<ObjectMeta>> {
        let Some(api) = self.api(identity) else { return Ok(None) };
        Ok(api.get_metadata_opt(&identity.name).await?.map(|object| object.metadata))
    }

    fn api(&self, identity: &Identity) -> Option<Api<DynamicObject>> {
        let kind = self.kind(&identity.group, &identity.kind)?;
        Some(if kind.namespaced {
            Api::namespaced_with(self.client.clone(), &identity.namespace, &kind.api)
        } else {
            Api::all_with(self.client.clone(), &kind.api)
        })
    }

    fn kind(&self, group: &str, kind: &str) -> Option<ResourceKind> {
        self.kinds.read().get(&(group.to_string(), kind.to_string())).cloned()
    }
}

/// The state of an owner.
enum Owner {
    Solid,
    /// Waits, in foreground deletion, for its dependents.
    Waiting,
    Gone,
}
