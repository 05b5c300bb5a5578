//! Keeps the numbered pods of a StatefulSet, each with its own name and volumes.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::{Result, anyhow};
use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, StatefulSet, StatefulSetStatus},
    core::v1::{ObjectReference, PersistentVolumeClaim, PodTemplateSpec},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    owner::{self, Matcher, controller_of, controller_reference},
    pod::Pod,
    pod_control::{message, namespace_terminating},
    queue::{self, Queue},
    replicaset::recheck,
    revisions::{self, LABEL, Owner},
};

mod identity;
mod plan;

use plan::{Action, Plan};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "statefulset-controller",
    alias: "statefulset",
    service_account: "statefulset-controller",
    event_source: "statefulset-controller",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    recorder: Recorder,
    sets: Informer<StatefulSet>,
    pods: Informer<Pod>,
    revisions: Informer<ControllerRevision>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        sets: context.informers.stateful_sets(),
        pods: context.informers.pods(),
        revisions: context.informers.controller_revisions(),
        queue: Queue::default(),
    });
    let queue = worker.queue.clone();
    worker.sets.subscribe(move |change| queue.add(Key::of(change.object().as_ref())));
    let own = worker.clone();
    worker.pods.subscribe(move |change| own.pod_changed(change));
    worker.sets.synced().await;
    worker.pods.synced().await;
    worker.revisions.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_statefulset_syncs;
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
        match controller_of(&pod.metadata) {
            Some(reference) if reference.kind == "StatefulSet" => {
                self.queue.add(Key::new(pod.namespace(), &reference.name));
            }
            Some(_) => {}
            None => {
                for set in self.sets.in_namespace(pod.namespace()) {
                    let selector = set.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
                    if Matcher::new(&selector).matches(&pod.metadata) {
                        self.queue.add(Key::of(set.as_ref()));
                    }
                }
            }
        }
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(set) = self.sets.get(key) else { return Ok(()) };
        let Some(spec) = &set.spec else { return Ok(()) };
        let reference = controller_reference(set.as_ref());
        let selector = Matcher::new(&spec.selector);
        let live = async || {
            let api: Api<StatefulSet> = Api::namespaced(self.client.clone(), &key.namespace);
            recheck(&set.metadata, &api.get(&key.name).await?.metadata)
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let mut pods = self.pods.in_namespace(&key.namespace);
        // Only pods that are named as this set names its own can be adopted.
        pods.retain(|pod| identity::ordinal(&set, pod.name()).is_some());
        let claims = owner::claim(&set.metadata, &selector, pods);
        let pods = owner::execute(&api, &reference, claims, live).await?;
        if set.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &key.namespace);
        let claims = owner::claim(&set.metadata, &selector, self.revisions.in_namespace(&key.namespace));
        let existing = owner::execute(&api, &reference, claims, live).await?;
        let history = Owner {
            client: &self.client,
            meta: &set.metadata,
            reference,
            template: &spec.template,
            collisions: set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0),
        };
        let revisions = history.sync(existing).await?;
        let update = revisions.newest.name_any();
        let named = set.status.as_ref().and_then(|status| status.current_revision.as_ref());
        let current =
            revisions.old.iter().find(|revision| Some(&revision.name_any()) == named).unwrap_or(&revisions.newest);
        let now = Timestamp::now();
        let mut plan = plan::plan(&set, &pods, &current.name_any(), &update, now);
        plan.status.collision_count = Some(revisions.collisions);
        let current_template = revisions::template(current).unwrap_or_else(|| spec.template.clone());
        let current_name = current.name_any();
        let pick = |updated: bool| {
            if updated { (&spec.template, update.as_str()) } else { (&current_template, current_name.as_str()) }
        };
        let check_after = plan.check_after;
        let mut used: HashSet<String> =
            pods.iter().filter_map(|pod| pod.metadata.labels.as_ref()?.get(LABEL).cloned()).collect();
        used.insert(current.name_any());
        let result = self.execute(key, &set, plan, pick).await;
        history.truncate(&revisions.old, &used, spec.revision_history_limit).await?;
        if let Some(after) = check_after {
            self.queue.add_after(key.clone(), after);
        }
        result
    }

    async fn execute<'a, F>(&self, key: &Key, set: &StatefulSet, plan: Plan, template: F) -> Result<()>
    where
        F: Fn(bool) -> (&'a PodTemplateSpec, &'a str),
    {
        let subject = set.object_ref(&());
        let mut failure = None;
        for action in plan.actions {
            let result = match action {
                Action::Create { ordinal, updated } => {
                    let (template, revision) = template(updated);
                    self.create(key, set, &subject, ordinal, template, revision).await
                }
                Action::Delete(pod) => self.delete(key, set, &subject, &pod).await,
                Action::Label(pod) => self.label(key, set, &pod).await,
            };
            failure = failure.or(result.err());
        }
        self.write_status(set, plan.status).await?;
        failure.map_or(Ok(()), Err)
    }

    async fn create(
        &self,
        key: &Key,
        set: &StatefulSet,
        subject: &ObjectReference,
        ordinal: i32,
        template: &PodTemplateSpec,
        revision: &str,
    ) -> Result<()> {
        let pod = identity::pod(set, ordinal, template, revision);
        let name = pod.name_any();
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &key.namespace);
        for claim in identity::claims(set, ordinal) {
            self.claim(set, subject, &name, &claims, &claim).await?;
        }
        let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        match pods.create(&PostParams::default(), &pod).await {
            // Made already, the store is behind; or still on its way out, whose end wakes the set.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) if namespace_terminating(&error) => Ok(()),
            result => self.record("Create", set, subject, &name, result.map(drop)),
        }
    }

    async fn claim(
        &self,
        set: &StatefulSet,
        subject: &ObjectReference,
        pod: &str,
        api: &Api<PersistentVolumeClaim>,
        claim: &PersistentVolumeClaim,
    ) -> Result<()> {
        let name = claim.name_any();
        if let Some(existing) = api.get_opt(&name).await? {
            return match existing.metadata.deletion_timestamp {
                Some(_) => Err(anyhow!("pvc {name} is being deleted")),
                None => Ok(()),
            };
        }
        let of = format!("Claim {name} Pod {pod} in StatefulSet {}", set.name_any());
        match api.create(&PostParams::default(), claim).await {
            Ok(_) => {
                self.recorder.event(subject, EventType::Normal, "SuccessfulCreate", &format!("Create {of} success"));
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => {
                let text = format!(
                    "Create Claim {name} for Pod {pod} in StatefulSet {} failed error: {}",
                    set.name_any(),
                    message(&error)
                );
                self.recorder.event(subject, EventType::Warning, "FailedCreate", &text);
                Err(anyhow!("failed to create PVC {name}: {}", message(&error)))
            }
        }
    }

    async fn delete(&self, key: &Key, set: &StatefulSet, subject: &ObjectReference, pod: &Pod) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        // The name is used again at once: only this very pod may be deleted.
        let same = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        match pods.delete(pod.name(), &DeleteParams::default().preconditions(same)).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            result => self.record("Delete", set, subject, pod.name(), result.map(drop)),
        }
    }

    /// Gives a pod of the right name the labels of its number.
    async fn label(&self, key: &Key, set: &StatefulSet, pod: &Pod) -> Result<()> {
        let labels = identity::labels(set, identity::ordinal(set, pod.name()).unwrap_or(0));
        let patch = Patch::Strategic(json!({"metadata": {"uid": pod.uid(), "labels": labels}}));
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        match pods.patch_metadata(pod.name(), &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }

    fn record(
        &self,
        verb: &str,
        set: &StatefulSet,
        subject: &ObjectReference,
        pod: &str,
        result: kube::Result<()>,
    ) -> Result<()> {
        let of = format!("{verb} Pod {pod} in StatefulSet {}", set.name_any());
        match result {
            Ok(()) => {
                self.recorder.event(
                    subject,
                    EventType::Normal,
                    &format!("Successful{verb}"),
                    &format!("{of} successful"),
                );
                Ok(())
            }
            Err(error) => {
                let text = format!("{of} failed error: {}", message(&error));
                self.recorder.event(subject, EventType::Warning, &format!("Failed{verb}"), &text);
                Err(error.into())
            }
        }
    }

    async fn write_status(&self, set: &StatefulSet, status: StatefulSetStatus) -> Result<()> {
        if set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<StatefulSet> = Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let mut updated = set.clone();
        updated.status = Some(status);
        match api.replace_status(&set.name_any(), &PostParams::default(), &updated).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

/// How long until a pod that is ready since `seconds` counts as available.
fn until_available(ready_for: f64, min_ready_seconds: i32) -> Duration {
    Duration::from_secs_f64((f64::from(min_ready_seconds) - ready_for).max(0.0) + 0.05)
}
