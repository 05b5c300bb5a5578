//! Deletes Jobs some time after they have ended.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client,
    api::{DeleteParams, Preconditions},
};
use tracing::info;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    job,
    key::Key,
    pod::seconds,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "ttl-after-finished-controller",
    alias: "ttl-after-finished",
    service_account: "ttl-after-finished-controller",
    event_source: "ttl-after-finished-controller",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    jobs: Informer<Job>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker { client: context.client, jobs: context.informers.jobs(), queue: Queue::default() });
    let queue = worker.queue.clone();
    worker.jobs.subscribe(move |change| match change {
        Change::Added(job) | Change::Updated(_, job) if ends(job).is_some() => queue.add(Key::of(job.as_ref())),
        _ => {}
    });
    worker.jobs.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_ttl_after_finished_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(left) = self.jobs.get(key).and_then(|job| left(&job, Timestamp::now())) else { return Ok(()) };
        if !left.is_zero() {
            self.queue.add_after(key.clone(), left);
            return Ok(());
        }
        // The time to live may have been changed since: only a fresh read allows a deletion.
        let api: Api<Job> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(fresh) = api.get_opt(&key.name).await? else { return Ok(()) };
        match left_of(&fresh) {
            None => Ok(()),
            Some(left) if !left.is_zero() => {
                self.queue.add_after(key.clone(), left);
                Ok(())
            }
            Some(_) => {
                info!("deleting job {key}: its time to live after its end is over");
                let same = Preconditions { uid: fresh.metadata.uid, resource_version: None };
                match api.delete(&key.name, &DeleteParams::foreground().preconditions(same)).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                    result => result.map(drop).map_err(Into::into),
                }
            }
        }
    }
}

fn left_of(job: &Job) -> Option<Duration> {
    left(job, Timestamp::now())
}

/// How long until the Job should be deleted; `None`: not at all, as it is now.
fn left(job: &Job, now: Timestamp) -> Option<Duration> {
    let (end, ttl) = ends(job)?;
    Some(Duration::from_secs_f64((f64::from(ttl) - seconds(end, now)).max(0.0)))
}

/// When the Job ended, and its time to live in seconds.
fn ends(job: &Job) -> Option<(Timestamp, i32)> {
    let ttl = job.spec.as_ref()?.ttl_seconds_after_finished.filter(|_| job.metadata.deletion_timestamp.is_none())?;
    let status = job.status.as_ref();
    let end = job::condition(status, "Complete").or_else(|| job::condition(status, "Failed"))?;
    Some((end.last_transition_time.as_ref()?.0, ttl))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::batch::v1::{JobCondition, JobSpec, JobStatus},
        apimachinery::pkg::apis::meta::v1::Time,
    };

    use super::*;

    #[test]
    fn only_finished_jobs_with_a_ttl() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut job = Job {
            spec: Some(JobSpec { ttl_seconds_after_finished: Some(10), ..JobSpec::default() }),
            ..Job::default()
        };
        assert_eq!(left(&job, at(100)), None);
        let condition = JobCondition {
            type_: "Complete".into(),
            status: "True".into(),
            last_transition_time: Some(Time(at(95))),
            ..JobCondition::default()
        };
        job.status = Some(JobStatus { conditions: Some(vec![condition]), ..JobStatus::default() });
        assert_eq!(left(&job, at(100)), Some(Duration::from_secs(5)));
        assert_eq!(left(&job, at(200)), Some(Duration::ZERO));
        job.spec.get_or_insert_default().ttl_seconds_after_finished = None;
        assert_eq!(left(&job, at(200)), None);
    }
}
