//! Keeps one pod of a DaemonSet on every node that fits.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use controllers_component_base::events::Recorder;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus},
    core::v1::Node,
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    controller::{Context, Controller},
    expectations::Expectations,
    informer::{Change, Informer},
    key::Key,
    owner::{self, Matcher, controller_of, controller_reference},
    pod::Pod,
    pod_control::{PodControl, from_template},
    queue::{self, Queue},
    replicaset::recheck,
    revisions::{self, LABEL, Owner},
};

mod node_fit;
mod plan;

use plan::Plan;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "daemonset-controller",
    alias: "daemonset",
    service_account: "daemon-set-controller",
    event_source: "daemonset-controller",
    run: |context| Box::pin(run(context)),
};

/// The longest wait before a failed pod of a node is replaced again; the first is a second.
const MAX_BACKOFF: Duration = Duration::from_secs(15 * 60);

struct Worker {
    client: Client,
    recorder: Recorder,
    sets: Informer<DaemonSet>,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    revisions: Informer<ControllerRevision>,
    expectations: Arc<Expectations>,
    queue: Queue<Key>,
    /// Per set and node: when a failed pod was replaced last, and how long to wait from then on.
    backoff: Mutex<HashMap<(Key, String), (Instant, Duration)>>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        sets: context.informers.daemon_sets(),
        pods: context.informers.pods(),
        nodes: context.informers.nodes(),
        revisions: context.informers.controller_revisions(),
        expectations: Arc::default(),
        queue: Queue::default(),
        backoff: Mutex::default(),
    });
    let own = worker.clone();
    worker.sets.subscribe(move |change| {
        let key = Key::of(change.object().as_ref());
        if let Change::Deleted(_) = change {
            own.expectations.forget(&key);
            own.backoff.lock().retain(|(set, _), _| *set != key);
        }
        own.queue.add(key);
    });
    let own = worker.clone();
    worker.pods.subscribe(move |change| own.pod_changed(change));
    let own = worker.clone();
    worker.nodes.subscribe(move |change| {
        let fit = |node: &Node| (node.metadata.labels.clone(), node.spec.as_ref().map(|spec| spec.taints.clone()));
        let relevant = match change {
            Change::Updated(old, new) => fit(old) != fit(new),
            Change::Added(_) | Change::Deleted(_) => true,
        };
        if relevant {
            own.sets.all().iter().for_each(|set| own.queue.add(Key::of(set.as_ref())));
        }
    });
    worker.sets.synced().await;
    worker.pods.synced().await;
    worker.nodes.synced().await;
    worker.revisions.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_daemonset_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    fn pod_changed(&self, change: &Change<Pod>) {
        let pod = change.object();
        let Some(reference) = controller_of(&pod.metadata) else {
            for set in self.sets.in_namespace(pod.namespace()) {
                let selector = set.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
                if Matcher::new(&selector).matches(&pod.metadata) {
                    self.queue.add(Key::of(set.as_ref()));
                }
            }
            return;
        };
        if reference.kind != "DaemonSet" {
            return;
        }
        let key = Key::new(pod.namespace(), &reference.name);
        if self.sets.get(&key).is_none_or(|set| set.metadata.uid.as_ref() != Some(&reference.uid)) {
            return;
        }
        match change {
            Change::Added(pod) if !pod.terminating() => self.expectations.created(&key),
            Change::Updated(_, new) if !new.terminating() => {}
            _ => self.expectations.deleted(&key, pod.uid()),
        }
        self.queue.add(key);
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(set) = self.sets.get(key).filter(|set| set.metadata.deletion_timestamp.is_none()) else {
            return Ok(());
        };
        let Some(spec) = &set.spec else { return Ok(()) };
        let reference = controller_reference(set.as_ref());
        let selector = Matcher::new(&spec.selector);
        let live = async || {
            let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &key.namespace);
            recheck(&set.metadata, &api.get(&key.name).await?.metadata)
        };
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &key.namespace);
        let claims = owner::claim(&set.metadata, &selector, self.revisions.in_namespace(&key.namespace));
        let existing = owner::execute(&api, &reference, claims, live).await?;
        let history = Owner {
            client: &self.client,
            meta: &set.metadata,
            reference: reference.clone(),
            template: &spec.template,
            collisions: set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0),
        };
        let revisions = history.sync(existing).await?;
        let hash = revisions.newest.labels().get(LABEL).cloned().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let claims = owner::claim(&set.metadata, &selector, self.pods.in_namespace(&key.namespace));
        let pods = owner::execute(&api, &reference, claims, live).await?;
        let settled = self.expectations.satisfied(key);
        let wait = |node: &str| self.wait(key, node);
        let mut plan = plan::plan(&set, &self.nodes.all(), &pods, &hash, settled, &wait, Timestamp::now());
        plan.status.collision_count = (revisions.collisions > 0).then_some(revisions.collisions);
        let used: HashSet<String> =
            pods.iter().filter_map(|pod| pod.metadata.labels.as_ref()?.get(LABEL).cloned()).collect();
        let result = self.execute(key, &set, &hash, plan).await;
        history.truncate(&revisions.old, &used, spec.revision_history_limit).await?;
        result
    }

    /// How much longer a failed pod of this node has to wait to be replaced.
    fn wait(&self, key: &Key, node: &str) -> Option<Duration> {
        let backoff = self.backoff.lock();
        let (since, wait) = backoff.get(&(key.clone(), node.to_string()))?;
        wait.checked_sub(since.elapsed())
    }

    async fn execute(&self, key: &Key, set: &DaemonSet, hash: &str, plan: Plan) -> Result<()> {
        let subject = set.object_ref(&());
        let control =
            PodControl { client: &self.client, recorder: &self.recorder, owner: &subject, namespace: &key.namespace };
        for (kind, reason, text) in &plan.events {
            self.recorder.event(&subject, *kind, reason, text);
        }
        for node in &plan.failed_on {
            let mut backoff = self.backoff.lock();
            let entry =
                backoff.entry((key.clone(), node.clone())).or_insert((Instant::now(), Duration::from_millis(500)));
            // A node that was well for long enough starts anew.
            let well = entry.0.elapsed() > MAX_BACKOFF * 2;
            *entry = (Instant::now(), if well { Duration::from_secs(1) } else { (entry.1 * 2).min(MAX_BACKOFF) });
        }
        let mut failure = None;
        if !plan.create.is_empty() || !plan.delete.is_empty() {
            self.expectations.expect(key, plan.create.len(), plan.delete.iter().map(|pod| pod.uid().to_string()));
            let mut rest = plan.create.as_slice();
            let mut batch = 1;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(batch.min(rest.len()));
                let results =
                    join_all(now.iter().map(async |node| control.create(&new_pod(set, node, hash)).await)).await;
                for result in results {
                    if !matches!(result, Ok(true)) {
                        self.expectations.created(key);
                    }
                    failure = failure.or(result.err());
                }
                rest = later;
                batch *= 2;
                if failure.is_some() {
                    rest.iter().for_each(|_| self.expectations.created(key));
                    break;
                }
            }
            let results = join_all(plan.delete.iter().map(async |pod| {
                let result = control.delete(pod.name()).await;
                if !matches!(result, Ok(true)) {
                    self.expectations.deleted(key, pod.uid());
                }
                result
            }))
            .await;
            failure = failure.or(results.into_iter().find_map(Result::err));
        }
        if let Some(after) = plan.check_after {
            self.queue.add_after(key.clone(), after);
        }
        self.write_status(set, plan.status).await?;
        failure.map_or(Ok(()), Err)
    }

    async fn write_status(&self, set: &DaemonSet, status: DaemonSetStatus) -> Result<()> {
        if set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let mut updated = set.clone();
        updated.status = Some(status);
        match api.replace_status(&set.name_any(), &PostParams::default(), &updated).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

/// A pod for this node: bound to it by affinity, so that the scheduler places it, and tolerant of the node's troubles.
fn new_pod(set: &DaemonSet, node: &str, hash: &str) -> k8s_openapi::api::core::v1::Pod {
    let template = set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut pod = from_template(&template, &controller_reference(set));
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(revisions::LABEL.to_string(), hash.to_string());
    if let Some(generation) = plan::template_generation(set) {
        labels.insert(plan::GENERATION_LABEL.to_string(), generation.to_string());
    }
    if let Some(spec) = &mut pod.spec {
        node_fit::bind_by_affinity(spec, node);
        node_fit::add_tolerations(spec);
    }
    pod
}
