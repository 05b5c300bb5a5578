//! Starts Jobs on a schedule.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, Job},
        core::v1::ObjectReference,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, PostParams},
};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    owner::{controlled_by, controller_of},
    pod_control::{message, namespace_terminating},
    queue::{self, Queue},
};

mod plan;
mod schedule;

use plan::Plan;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "cronjob-controller",
    alias: "cronjob",
    service_account: "cronjob-controller",
    event_source: "cronjob-controller",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    recorder: Recorder,
    cron_jobs: Informer<CronJob>,
    jobs: Informer<Job>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        cron_jobs: context.informers.cron_jobs(),
        jobs: context.informers.jobs(),
        queue: Queue::default(),
    });
    let queue = worker.queue.clone();
    worker.cron_jobs.subscribe(move |change| {
        if !matches!(change, Change::Deleted(_)) {
            queue.add(Key::of(change.object().as_ref()));
        }
    });
    let queue = worker.queue.clone();
    worker.jobs.subscribe(move |change| {
        let job = change.object();
        if let Some(owner) = controller_of(&job.metadata).filter(|owner| owner.kind == "CronJob") {
            queue.add(Key::new(job.namespace().unwrap_or_default(), &owner.name));
        }
    });
    worker.cron_jobs.synced().await;
    worker.jobs.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_cron_job_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(cron_job) = self.cron_jobs.get(key) else { return Ok(()) };
        let mut jobs = self.jobs.in_namespace(&key.namespace);
        jobs.retain(|job| controlled_by(&job.metadata, &cron_job.metadata));
        let api: Api<Job> = Api::namespaced(self.client.clone(), &key.namespace);
        // A Job in the status that the store does not show may be new: only a fresh read says it is gone.
        let mut missing = Vec::new();
        for active in cron_job.status.iter().flat_map(|status| status.active.iter().flatten()) {
            let shown = jobs.iter().any(|job| job.uid() == active.uid);
            if !shown && api.get_metadata_opt(active.name.as_deref().unwrap_or_default()).await?.is_none() {
                missing.extend(active.uid.clone());
            }
        }
        let plan = plan::plan(&cron_job, &jobs, &missing, Timestamp::now());
        self.execute(key, &cron_job, &api, plan).await
    }

    async fn execute(&self, key: &Key, cron_job: &CronJob, api: &Api<Job>, plan: Plan) -> Result<()> {
        let subject = cron_job.object_ref(&());
        for (kind, reason, text) in &plan.events {
            self.recorder.event(&subject, *kind, reason, text);
        }
        let mut status = plan.status;
        for job in &plan.delete {
            self.delete(&subject, api, job).await?;
        }
        if let Some((job, scheduled)) = plan.create {
            let created = match api.create(&PostParams::default(), &job).await {
                Ok(created) => {
                    let text = format!("Created job {}", created.name_any());
                    self.recorder.event(&subject, EventType::Normal, "SuccessfulCreate", &text);
                    Some(created)
                }
                // Made before a crash, or before the status could be written.
                Err(kube::Error::Api(answer)) if answer.code == 409 => {
                    let found = api.get_opt(&job.name_any()).await?;
                    found.filter(|found| controlled_by(&found.metadata, &cron_job.metadata))
                }
                Err(error) if namespace_terminating(&error) => return Ok(()),
                Err(error) => {
                    let text = format!("Error creating job: {}", message(&error));
                    self.recorder.event(&subject, EventType::Warning, "FailedCreate", &text);
                    return Err(error.into());
                }
            };
            if let Some(created) = created {
                let active = status.active.get_or_insert_default();
                if !active.iter().any(|reference| reference.uid == created.uid()) && !crate::job::finished(&created) {
                    active.push(reference(&created));
                }
                status.last_schedule_time = Some(Time(scheduled));
            }
        }
        if Some(&status) != cron_job.status.as_ref() {
            let mut updated = cron_job.clone();
            updated.status = Some(status);
            let cron_jobs: Api<CronJob> = Api::namespaced(self.client.clone(), &key.namespace);
            match cron_jobs.replace_status(&key.name, &PostParams::default(), &updated).await {
                Err(kube::Error::Api(answer)) if answer.code == 404 => {}
                result => drop(result?),
            }
        }
        if let Some(after) = plan.check_after {
            // A little late rather than a little early: the schedule counts whole seconds.
            self.queue.add_after(key.clone(), after + Duration::from_millis(100));
        }
        Ok(())
    }

    async fn delete(&self, subject: &ObjectReference, api: &Api<Job>, name: &str) -> Result<()> {
        match api.delete(name, &DeleteParams::background()).await {
            Ok(_) => {
                let text = format!("Deleted job {name}");
                self.recorder.event(subject, EventType::Normal, "SuccessfulDelete", &text);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => {
                let text = format!("Deleted job: {}", message(&error));
                self.recorder.event(subject, EventType::Warning, "FailedDelete", &text);
                Err(error.into())
            }
        }
    }
}

fn reference(job: &Job) -> ObjectReference {
    job.object_ref(&())
}
