//! Runs the pods of a Job until enough of them have succeeded, or it has failed.
//!
//! Each pod carries a finalizer until it is counted. It is counted in two writes, so that a crash between any two
//! neither loses nor doubles one: its UID goes into `status.uncountedTerminatedPods`, then its finalizer goes, then the
//! UID becomes a number.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{Job, JobStatus},
    core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    controller::{Context, Controller},
    expectations::Expectations,
    informer::{Change, Informer},
    key::Key,
    owner::{self, Matcher, controlled_by, controller_of, controller_reference},
    pod::Pod,
    pod_control::{PodControl, from_template},
    queue::{self, Queue},
    replicaset::recheck,
};

mod indexes;
mod plan;
mod policy;

use plan::{NewPod, Plan};
pub use plan::{condition, finished};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "job-controller",
    alias: "job",
    service_account: "job-controller",
    event_source: "job-controller",
    run: |context| Box::pin(run(context)),
};

/// Pods carry it until they are counted.
const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// Annotation and label of a pod of an Indexed Job.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Annotations of a pod whose index has a limit of its own: how many pods of the index failed before it, and how many of
/// them its failure policy ignored.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
/// The longest prefix of a generated name.
const LONGEST_PREFIX: usize = 58;
/// Changes of a Job's pods within this time are handled together.
const BATCH: Duration = Duration::from_millis(100);

struct Worker {
    client: Client,
    recorder: Recorder,
    jobs: Informer<Job>,
    pods: Informer<Pod>,
    expectations: Arc<Expectations>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        jobs: context.informers.jobs(),
        pods: context.informers.pods(),
        expectations: Arc::default(),
        queue: Queue::default(),
    });
    let own = worker.clone();
    worker.jobs.subscribe(move |change| {
        let key = Key::of(change.object().as_ref());
        if let Change::Deleted(job) = change {
            own.expectations.forget(&key);
            // Its pods wait for their finalizer to go.
            for pod in own.pods.in_namespace(&key.namespace) {
                if controlled_by(&pod.metadata, &job.metadata) {
                    own.free(&pod);
                }
            }
        }
        own.queue.add(key);
    });
    worker.jobs.synced().await;
    let own = worker.clone();
    worker.pods.subscribe(move |change| own.pod_changed(change));
    worker.pods.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_job_syncs;
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
        let Some(job) = self.controller(pod) else {
            let of_job = controller_of(&pod.metadata).is_some_and(|reference| reference.kind == "Job");
            if of_job && !matches!(change, Change::Deleted(_)) {
                self.free(pod);
            }
            return;
        };
        let key = Key::of(job.as_ref());
        match change {
            Change::Added(pod) if !pod.terminating() => self.expectations.created(&key),
            Change::Added(pod) | Change::Deleted(pod) => self.expectations.deleted(&key, pod.uid()),
            Change::Updated(old, new) if new.terminating() && !old.terminating() => {
                self.expectations.deleted(&key, new.uid());
            }
            Change::Updated(..) => {}
        }
        self.queue.add_after(key, BATCH);
    }

    fn controller(&self, pod: &Pod) -> Option<Arc<Job>> {
        let reference = controller_of(&pod.metadata).filter(|reference| reference.kind == "Job")?;
        let job = self.jobs.get(&Key::new(pod.namespace(), &reference.name))?;
        (job.metadata.uid.as_ref() == Some(&reference.uid)).then_some(job)
    }

    /// Takes the finalizer from a pod whose Job is gone, once the Job is gone for the API server too.
    fn free(&self, pod: &Arc<Pod>) {
        if !plan::has_finalizer(pod) {
            return;
        }
        let (client, pod) = (self.client.clone(), pod.clone());
        tokio::spawn(async move {
            let Some(reference) = controller_of(&pod.metadata) else { return };
            let jobs: Api<Job> = Api::namespaced(client.clone(), pod.namespace());
            let gone = match jobs.get_metadata_opt(&reference.name).await {
                Ok(job) => job.is_none_or(|job| job.metadata.uid.as_ref() != Some(&reference.uid)),
                Err(_) => false,
            };
            if gone {
                // Failing is fine: the pod's next change, or the next start, comes here again.
                let _ = remove_finalizer(&client, &pod).await;
            }
        });
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(job) = self.jobs.get(key) else { return Ok(()) };
        let managed_by = job.spec.as_ref().and_then(|spec| spec.managed_by.as_deref());
        if managed_by.is_some_and(|name| name != "kubernetes.io/job-controller") {
            return Ok(());
        }
        let pods = self.claimed_pods(&job).await?;
        let plan = plan::plan(&job, &pods, self.expectations.satisfied(key), Timestamp::now());
        self.execute(key, &job, plan).await
    }

    async fn claimed_pods(&self, job: &Job) -> Result<Vec<Arc<Pod>>> {
        let namespace = job.namespace().unwrap_or_default();
        let selector = job.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        let claims = owner::claim(&job.metadata, &Matcher::new(&selector), self.pods.in_namespace(&namespace));
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        owner::execute(&pods, &controller_reference(job), claims, async || {
            let fresh = Api::<Job>::namespaced(self.client.clone(), &namespace).get(&job.name_any()).await?;
            recheck(&job.metadata, &fresh.metadata)
        })
        .await
    }

    async fn execute(&self, key: &Key, job: &Job, plan: Plan) -> Result<()> {
        let subject = job.object_ref(&());
        let control =
            PodControl { client: &self.client, recorder: &self.recorder, owner: &subject, namespace: &key.namespace };
        let mut failure = None;
        if !plan.delete.is_empty() || !plan.discard.is_empty() {
            let pods: Vec<&Arc<Pod>> = plan.delete.iter().chain(&plan.discard).collect();
            self.expectations.expect(key, 0, pods.iter().map(|pod| pod.uid().to_string()));
            for (number, pod) in pods.into_iter().enumerate() {
                if number >= plan.delete.len() {
                    remove_finalizer(&self.client, pod).await?;
                }
                let result = control.delete(pod.name()).await;
                if !matches!(result, Ok(true)) {
                    self.expectations.deleted(key, pod.uid());
                }
                failure = failure.or(result.err());
            }
        } else if !plan.create.is_empty() {
            self.expectations.expect(key, plan.create.len(), []);
            failure = self.create(key, job, &control, &plan.create).await.err();
        }
        if plan.status.as_ref().is_some_and(|status| Some(status) != job.status.as_ref()) {
            self.write_status(job, plan.status).await?;
            for (kind, reason, message) in plan.events {
                self.recorder.event(&subject, kind, reason, &message);
            }
        }
        let freed = join_all(plan.free.iter().map(|pod| remove_finalizer(&self.client, pod))).await;
        for result in freed {
            result?;
        }
        if let Some(after) = plan.check_after {
            self.queue.add_after(key.clone(), after);
        }
        failure.map_or(Ok(()), Err)
    }

    /// Batches grow as long as none fails.
    async fn create(&self, key: &Key, job: &Job, control: &PodControl<'_>, pods: &[NewPod]) -> Result<()> {
        let mut rest = pods;
        let mut batch = 1;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(batch.min(rest.len()));
            let results = join_all(now.iter().map(async |new| control.create(&pod(job, new)).await)).await;
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
                later.iter().for_each(|_| self.expectations.created(key));
                return Err(error);
            }
            rest = later;
            batch *= 2;
        }
        Ok(())
    }

    async fn write_status(&self, job: &Job, status: Option<JobStatus>) -> Result<()> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), &job.namespace().unwrap_or_default());
        let mut updated = job.clone();
        updated.status = status;
        match api.replace_status(&job.name_any(), &PostParams::default(), &updated).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

async fn remove_finalizer(client: &Client, pod: &Pod) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(client.clone(), pod.namespace());
    let patch = json!({"metadata": {"uid": pod.uid(), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}});
    match api.patch_metadata(pod.name(), &PatchParams::default(), &Patch::Strategic(patch)).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

/// A pod of the Job, with its finalizer and, in an Indexed Job, its index in all the places programs look for it.
fn pod(job: &Job, new: &NewPod) -> k8s_openapi::api::core::v1::Pod {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut pod = from_template(&template, &controller_reference(job));
    pod.metadata.finalizers.get_or_insert_default().push(FINALIZER.to_string());
    let Some(index) = new.index else { return pod };
    let name = job.name_any();
    let suffix = format!("-{index}-");
    let prefix = name.get(..LONGEST_PREFIX.saturating_sub(suffix.len())).unwrap_or(&name);
    pod.metadata.generate_name = Some(format!("{prefix}{suffix}"));
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(INDEX.to_string(), index.to_string());
    if let Some((counted, ignored)) = new.failures {
        annotations.insert(FAILURES.to_string(), counted.to_string());
        if ignored > 0 {
            annotations.insert(IGNORED_FAILURES.to_string(), ignored.to_string());
        }
    }
    pod.metadata.labels.get_or_insert_default().insert(INDEX.to_string(), index.to_string());
    if let Some(spec) = &mut pod.spec {
        spec.hostname = Some(format!("{name}-{index}"));
        let variable = EnvVar {
            name: "JOB_COMPLETION_INDEX".to_string(),
            value: None,
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: None,
                    field_path: format!("metadata.labels['{INDEX}']"),
                }),
                ..EnvVarSource::default()
            }),
        };
        for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
            let env = container.env.get_or_insert_default();
            if !env.iter().any(|present| present.name == variable.name) {
                env.push(variable.clone());
            }
        }
    }
    pod
}

/// An event to record: type, reason, message.
type JobEvent = (EventType, &'static str, String);
