//! Keeps as many pods of a ReplicaSet running as it asks for. The code serves ReplicationControllers too.

use std::{fmt::Debug, sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::Recorder;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus},
        core::v1::{ObjectReference, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    controller::{Context, Controller},
    expectations::Expectations,
    informer::{Change, Informer},
    key::Key,
    owner::{self, Matcher, controlled_by, controller_of, controller_reference},
    pod::Pod,
    pod_control::{PodControl, from_template},
    queue::{self, Queue},
};

mod plan;
mod ranking;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "replicaset-controller",
    alias: "replicaset",
    service_account: "replicaset-controller",
    event_source: "replicaset-controller",
    run: |context| {
        Box::pin(async move {
            let informer = context.informers.replica_sets();
            let workers = context.options.concurrent_replicaset_syncs;
            run(context, informer, CONTROLLER.name, workers).await
        })
    },
};

/// The first batch of creations; each further one is twice as large, as long as none fails.
const SLOW_START: usize = 1;

/// A kind that keeps a number of pods of one template: ReplicaSet and ReplicationController.
pub trait Replicator:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Whether its status counts terminating pods.
    const COUNTS_TERMINATING: bool;
    fn replicas(&self) -> i32;
    fn min_ready_seconds(&self) -> i32;
    fn selector(&self) -> LabelSelector;
    fn template(&self) -> PodTemplateSpec;
    /// In ReplicaSet's form.
    fn status(&self) -> ReplicaSetStatus;
    fn set_status(&mut self, status: ReplicaSetStatus);
}

impl Replicator for ReplicaSet {
    const COUNTS_TERMINATING: bool = true;

    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
    }

    fn selector(&self) -> LabelSelector {
        self.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default()
    }

    fn template(&self) -> PodTemplateSpec {
        self.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default()
    }

    fn status(&self) -> ReplicaSetStatus {
        self.status.clone().unwrap_or_default()
    }

    fn set_status(&mut self, status: ReplicaSetStatus) {
        self.status = Some(status);
    }
}

/// One controller over one kind.
struct Worker<K> {
    client: Client,
    recorder: Recorder,
    sets: Informer<K>,
    pods: Informer<Pod>,
    expectations: Arc<Expectations>,
    queue: Queue<Key>,
}

/// Runs the controller of kind `K`.
pub async fn run<K: Replicator>(context: Context, sets: Informer<K>, name: &'static str, workers: usize) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client.clone(),
        recorder: context.recorder.clone(),
        sets,
        pods: context.informers.pods(),
        expectations: Arc::default(),
        queue: Queue::default(),
    });
    let own = worker.clone();
    worker.sets.subscribe(move |change| own.set_changed(change));
    let own = worker.clone();
    worker.pods.subscribe(move |change| own.pod_changed(change));
    worker.sets.synced().await;
    worker.pods.synced().await;
    let queue = worker.queue.clone();
    queue::work(name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl<K: Replicator> Worker<K> {
    fn set_changed(&self, change: &Change<K>) {
        let key = Key::of(change.object().as_ref());
        match change {
            // A new set of the same name must not wait for what the old one expected.
            Change::Deleted(_) => self.expectations.forget(&key),
            Change::Added(_) | Change::Updated(..) => {}
        }
        self.queue.add(key);
    }

    fn pod_changed(&self, change: &Change<Pod>) {
        match change {
            Change::Added(pod) => {
                // After a restart a pod can show up that is already being deleted.
                if pod.terminating() {
                    return self.pod_deleted(pod);
                }
                match self.controller(pod) {
                    Some(set) => {
                        let key = Key::of(set.as_ref());
                        self.expectations.created(&key);
                        self.queue.add(key);
                    }
                    None => self.orphan_changed(pod),
                }
            }
            Change::Updated(old, new) => {
                if new.terminating() && !old.terminating() {
                    self.pod_deleted(new);
                }
                let (before, after) = (controller_of(&old.metadata), controller_of(&new.metadata));
                if before != after
                    && let Some(set) = self.controller(old)
                {
                    self.queue.add(Key::of(set.as_ref()));
                }
                if after.is_none() {
                    if before.is_some() || old.metadata.labels != new.metadata.labels {
                        self.orphan_changed(new);
                    }
                    return;
                }
                let Some(set) = self.controller(new) else { return };
                let key = Key::of(set.as_ref());
                if set.min_ready_seconds() > 0 && !old.ready() && new.ready() {
                    let seconds = u64::try_from(set.min_ready_seconds()).unwrap_or(0);
                    self.queue.add_after(key.clone(), Duration::from_secs(seconds));
                }
                self.queue.add(key);
            }
            Change::Deleted(pod) => self.pod_deleted(pod),
        }
    }

    fn pod_deleted(&self, pod: &Pod) {
        if let Some(set) = self.controller(pod) {
            let key = Key::of(set.as_ref());
            self.expectations.deleted(&key, pod.uid());
            self.queue.add(key);
        }
    }

    /// Wakes the sets that could adopt the pod.
    fn orphan_changed(&self, pod: &Pod) {
        if controller_of(&pod.metadata).is_some() {
            return;
        }
        for set in self.sets.in_namespace(pod.namespace()) {
            if Matcher::new(&set.selector()).matches(&pod.metadata) {
                self.queue.add(Key::of(set.as_ref()));
            }
        }
    }

    /// The set of kind `K` that controls the pod, if it is the very one the reference means.
    fn controller(&self, pod: &Pod) -> Option<Arc<K>> {
        let reference = controller_of(&pod.metadata)?;
        if reference.kind != K::kind(&()) {
            return None;
        }
        let set = self.sets.get(&Key::new(pod.namespace(), &reference.name))?;
        (set.meta().uid.as_ref() == Some(&reference.uid)).then_some(set)
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(set) = self.sets.get(key) else {
            self.expectations.forget(key);
            return Ok(());
        };
        let settled = self.expectations.satisfied(key);
        let pods = self.claimed_pods(&set).await?;
        let (active, inactive): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| pod.active());
        let mut failure = None;
        if settled && set.meta().deletion_timestamp.is_none() {
            let related = self.related_pods(&set);
            failure = self.execute(&set, key, plan::replicas(set.replicas(), &active, &related)).await.err();
        }
        let now = Timestamp::now();
        let terminating = inactive.iter().filter(|pod| pod.terminating() && !pod.finished()).count();
        let status =
            plan::status(set.as_ref(), &active, terminating, failure.as_ref().map(|error| format!("{error:#}")), now);
        self.write_status(&set, status.clone()).await?;
        if let Some(error) = failure {
            return Err(error);
        }
        if let Some(after) = plan::next_availability_check(&active, set.min_ready_seconds(), now) {
            self.queue.add_after(key.clone(), after);
        }
        Ok(())
    }

    /// The set's pods, after adoption and release of those whose labels say so.
    async fn claimed_pods(&self, set: &K) -> Result<Vec<Arc<Pod>>> {
        let namespace = set.namespace().unwrap_or_default();
        let all = self.pods.in_namespace(&namespace);
        let (active, inactive): (Vec<_>, Vec<_>) = all.into_iter().partition(|pod| pod.active());
        let claims = owner::claim(set.meta(), &Matcher::new(&set.selector()), active);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let reference = controller_reference(set);
        let mut owned = owner::execute(&pods, &reference, claims, async || {
            let fresh = Api::<K>::namespaced(self.client.clone(), &namespace).get(&set.name_any()).await?;
            recheck(set.meta(), fresh.meta())
        })
        .await?;
        owned.extend(inactive.into_iter().filter(|pod| controlled_by(&pod.metadata, set.meta())));
        Ok(owned)
    }

    /// The pods of all sets with the same controller (the other ReplicaSets of a Deployment), which count in ranking.
    fn related_pods(&self, set: &K) -> Vec<Arc<Pod>> {
        let namespace = set.namespace().unwrap_or_default();
        let controller = controller_of(set.meta()).map(|reference| &reference.uid);
        let family: Vec<_> = self
            .sets
            .in_namespace(&namespace)
            .into_iter()
            .filter(|other| {
                other.meta().uid == set.meta().uid
                    || controller.is_some() && controller_of(other.meta()).map(|reference| &reference.uid) == controller
            })
            .map(|other| Matcher::new(&other.selector()))
            .collect();
        let mut pods = self.pods.in_namespace(&namespace);
        pods.retain(|pod| family.iter().any(|selector| selector.matches(&pod.metadata)));
        pods
    }

    async fn execute(&self, set: &K, key: &Key, action: plan::Action) -> Result<()> {
        let owner: ObjectReference = set.object_ref(&());
        let control =
            PodControl { client: &self.client, recorder: &self.recorder, owner: &owner, namespace: &key.namespace };
        match action {
            plan::Action::Nothing => Ok(()),
            plan::Action::Create(count) => {
                self.expectations.expect(key, count, []);
                let pod = from_template(&set.template(), &controller_reference(set));
                let mut remaining = count;
                let mut batch = remaining.min(SLOW_START);
                while batch > 0 {
                    let results = join_all((0..batch).map(|_| control.create(&pod))).await;
                    remaining -= batch;
                    let mut failed = None;
                    for result in results {
                        match result {
                            Ok(true) => {}
                            Ok(false) => self.expectations.created(key),
                            Err(error) => {
                                self.expectations.created(key);
                                failed = Some(error);
                            }
                        }
                    }
                    if let Some(error) = failed {
                        // What was not tried will not be seen either.
                        (0..remaining).for_each(|_| self.expectations.created(key));
                        return Err(error);
                    }
                    batch = (2 * batch).min(remaining);
                }
                Ok(())
            }
            plan::Action::Delete(pods) => {
                self.expectations.expect(key, 0, pods.iter().map(|pod| pod.uid().to_string()));
                let results = join_all(pods.iter().map(async |pod| {
                    let result = control.delete(pod.name()).await;
                    if !matches!(result, Ok(true)) {
                        self.expectations.deleted(key, pod.uid());
                    }
                    result
                }))
                .await;
                results.into_iter().find_map(Result::err).map_or(Ok(()), Err)
            }
        }
    }

    async fn write_status(&self, set: &K, mut status: ReplicaSetStatus) -> Result<()> {
        let same_generation = set.status().observed_generation == set.meta().generation;
        status.observed_generation = set.status().observed_generation;
        if same_generation && status == set.status() {
            return Ok(());
        }
        status.observed_generation = set.meta().generation;
        let api: Api<K> = Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let mut updated = set.clone();
        updated.set_status(status.clone());
        let name = set.name_any();
        match api.replace_status(&name, &PostParams::default(), &updated).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
            // One retry on the newest version: the status is this controller's alone.
            Err(kube::Error::Api(answer)) if answer.code == 409 => {
                let Some(mut fresh) = api.get_opt(&name).await? else { return Ok(()) };
                if fresh.meta().uid != set.meta().uid {
                    return Ok(());
                }
                fresh.set_status(status);
                api.replace_status(&name, &PostParams::default(), &fresh).await?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// May `cached` adopt? Only when a fresh read shows the same object, not being deleted.
pub fn recheck(cached: &ObjectMeta, fresh: &ObjectMeta) -> Result<()> {
    let name = cached.name.as_deref().unwrap_or_default();
    if fresh.uid != cached.uid {
        anyhow::bail!("original {name} is gone: got uid {:?}, wanted {:?}", fresh.uid, cached.uid);
    }
    if fresh.deletion_timestamp.is_some() {
        anyhow::bail!("can't adopt: {name} has just been deleted");
    }
    Ok(())
}

/// The condition of this type.
pub fn condition<'a>(conditions: &'a [ReplicaSetCondition], type_: &str) -> Option<&'a ReplicaSetCondition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}
