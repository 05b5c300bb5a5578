//! The loop that feeds the scheduler with changes and carries out its actions at the API server.

use std::{collections::HashMap, sync::Arc, time::Instant};

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    events::{Happening, Recorder},
    informers::{self, KINDS, Notice},
    metrics::Metrics,
    pod::{PodInfo, PodKey},
    scheduler::{Action, Change, Report, Scheduler},
};

/// Requests under way at most: the API server's own limits per client are about this.
const CONCURRENT_REQUESTS: usize = 100;
const NOTICES: usize = 1024;
/// Changes are taken in and other tasks get their turn at least after so many tries.
const TRIES_IN_A_ROW: usize = 16;

/// Starts actions, those about one pod in their order: a late "not scheduled" must not follow its binding.
struct Dispatcher {
    actor: Actor,
    slots: Arc<Semaphore>,
    /// The last action about each pod, as far as it may still run.
    last: HashMap<PodKey, JoinHandle<()>>,
}

/// Carries out actions.
#[derive(Clone)]
struct Actor {
    client: Client,
    recorder: Recorder,
    notices: mpsc::Sender<Notice>,
}

/// Schedules until `shutdown`.
///
/// # Errors
/// None at present: what goes wrong at the API server is tried again.
pub async fn run(
    client: Client,
    mut scheduler: Scheduler,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> Result<()> {
    let (notices, mut received) = mpsc::channel(NOTICES);
    informers::start(&client, &notices);
    let slots = Arc::new(Semaphore::new(CONCURRENT_REQUESTS));
    let mut dispatcher = Dispatcher { actor: Actor { client, recorder, notices }, slots, last: HashMap::new() };
    let start = Instant::now();
    let mut synced = 0;
    loop {
        let wakeup = scheduler.next_wakeup().filter(|_| synced == KINDS);
        let timer = async {
            match wakeup {
                Some(at) => tokio::time::sleep_until((start + at).into()).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            notice = received.recv() => notice,
            () = timer => None,
            () = shutdown.cancelled() => return Ok(()),
        };
        let mut next = first;
        loop {
            while let Some(notice) = next {
                match notice {
                    Notice::Change(change) => scheduler.apply(change, start.elapsed()),
                    Notice::Synced => synced += 1,
                }
                next = received.try_recv().ok();
            }
            if synced < KINDS {
                break;
            }
            let mut idle = false;
            for _ in 0..TRIES_IN_A_ROW {
                let began = Instant::now();
                let Some(attempt) = scheduler.step(start.elapsed()) else {
                    idle = true;
                    break;
                };
                metrics.attempted(attempt, began.elapsed());
            }
            for action in scheduler.take_actions() {
                dispatcher.start(action).await;
            }
            metrics.set_pending(scheduler.counts());
            if idle || shutdown.is_cancelled() {
                break;
            }
            tokio::task::yield_now().await;
            next = received.try_recv().ok();
        }
    }
}

impl Dispatcher {
    /// Starts an action; waits only where too many requests are under way.
    async fn start(&mut self, action: Action) {
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
        let key = match &action {
            Action::Bind { pod, .. } => pod.key.clone(),
            Action::Evict { victim, .. } => victim.key.clone(),
            Action::Report(report) => report.pod.key.clone(),
        };
        if self.last.len() > 10 * CONCURRENT_REQUESTS {
            self.last.retain(|_, task| !task.is_finished());
        }
        let before = self.last.remove(&key);
        let actor = self.actor.clone();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                // How it ended is its own affair.
                let _ = before.await;
            }
            match action {
                Action::Bind { pod, binding } => actor.bind(&pod, &binding).await,
                Action::Evict { victim, preemptor, node } => actor.evict(&victim, &preemptor, &node).await,
                Action::Report(report) => actor.report(&report).await,
            }
            drop(slot);
        });
        self.last.insert(key, task);
    }
}

impl Actor {
    fn pods(&self, pod: &PodInfo) -> Api<Pod> {
        Api::namespaced(self.client.clone(), pod.namespace())
    }

    async fn bind(&self, pod: &Arc<PodInfo>, binding: &Binding) {
        let node = binding.target.name.as_deref().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods/{}/binding", pod.namespace(), pod.name());
        let request = serde_json::to_vec(binding).map_err(kube::Error::SerdeError).and_then(|body| {
            let request = http::Request::post(path).header(http::header::CONTENT_TYPE, "application/json");
            request.body(body).map_err(kube::Error::HttpError)
        });
        let result = match request {
            Ok(request) => self.client.request::<Value>(request).await.map(drop),
            Err(error) => Err(error),
        };
        let change = match result {
            Ok(()) => {
                info!("Successfully bound pod to node: {} on {node}", pod.key);
                let note = format!("Successfully assigned {} to {node}", pod.key);
                let happening = Happening { warning: false, reason: "Scheduled", action: "Binding", note };
                self.recorder.record(scheduler_of(pod), pod, None, happening);
                Change::Bound(pod.key.clone())
            }
            Err(error) => {
                let gone = matches!(&error, kube::Error::Api(status) if status.code == 404);
                let why = describe(&error);
                warn!("Failed to bind pod {}: {why}", pod.key);
                let message = format!("binding rejected: running Bind plugin \"DefaultBinder\": {why}");
                Change::BindingFailed { key: pod.key.clone(), message, gone }
            }
        };
        // The receiver is gone only when the scheduler stops.
        let _ = self.notices.send(Notice::Change(change)).await;
    }

    async fn evict(&self, victim: &Arc<PodInfo>, preemptor: &PodInfo, node: &str) {
        let scheduler = scheduler_of(preemptor);
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": format!("{scheduler}: preempting to accommodate a higher priority pod"),
            "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        });
        let patch = json!({"metadata": {"uid": &*victim.uid}, "status": {"conditions": [condition]}});
        let delete = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(victim.uid.to_string()), resource_version: None }),
            ..DeleteParams::default()
        };
        let pods = self.pods(victim);
        let result = match pods.patch_status(victim.name(), &PatchParams::default(), &Patch::Strategic(patch)).await {
            Ok(_) => pods.delete(victim.name(), &delete).await.map(drop),
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                let note = format!("Preempted by pod {} on node {node}", preemptor.uid);
                let happening = Happening { warning: false, reason: "Preempted", action: "Preempting", note };
                self.recorder.record(scheduler, victim, Some(preemptor), happening);
            }
            Err(kube::Error::Api(status)) if status.code == 404 => debug!("victim {} is already deleted", victim.key),
            Err(error) => warn!("could not preempt pod {}: {}", victim.key, describe(&error)),
        }
    }

    async fn report(&self, report: &Report) {
        let pod = &report.pod;
        debug!("Unable to schedule pod {}: {}", pod.key, report.message);
        let happening =
            Happening { warning: true, reason: "FailedScheduling", action: "Scheduling", note: report.message.clone() };
        self.recorder.record(scheduler_of(pod), pod, None, happening);
        if let Some(patch) = status_patch(report, Timestamp::now()) {
            let result =
                self.pods(pod).patch_status(pod.name(), &PatchParams::default(), &Patch::Strategic(patch)).await;
            match result {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    debug!("pod {} is gone: {}", pod.key, status.message);
                }
                Err(error) => warn!("Error updating pod {}: {}", pod.key, describe(&error)),
                Ok(_) => {}
            }
        }
    }
}

fn scheduler_of(pod: &PodInfo) -> &str {
    pod.pending.as_ref().map_or("default-scheduler", |pending| &pending.scheduler_name)
}

fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The change of the pod's status that says why it was not scheduled; none where it says so already.
fn status_patch(report: &Report, now: Timestamp) -> Option<Value> {
    let pending = report.pod.pending.as_ref()?;
    let mut status = serde_json::Map::new();
    if let Some(reason) = report.reason {
        let known = pending.scheduled_condition.as_ref();
        let same = known.is_some_and(|(status, known_reason, message)| {
            **status == *"False" && **known_reason == *reason && **message == *report.message
        });
        if !same {
            let mut condition = json!({
                "type": "PodScheduled",
                "status": "False",
                "reason": reason,
                "message": report.message,
                "observedGeneration": pending.generation,
                "lastProbeTime": null,
            });
            if known.is_none_or(|(status, ..)| **status != *"False") {
                condition["lastTransitionTime"] = json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            }
            if pending.generation == 0 {
                condition["observedGeneration"] = Value::Null;
            }
            status.insert("conditions".to_string(), json!([condition]));
        }
    }
    if let Some(node) = &report.nominate {
        let node = if node.is_empty() { Value::Null } else { json!(&**node) };
        status.insert("nominatedNodeName".to_string(), node);
    }
    // With its uid, the patch is refused for a namesake.
    (!status.is_empty()).then(|| json!({"metadata": {"uid": &*report.pod.uid}, "status": status}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn status_patches() {
        let now = Timestamp::from_second(0).unwrap();
        let report = |pod: PodInfo, nominate: Option<&str>| Report {
            pod: Arc::new(pod),
            message: "m".into(),
            reason: Some("Unschedulable"),
            nominate: nominate.map(Box::from),
        };
        let patch = status_patch(&report(pod("p").info(), Some("n")), now).unwrap();
        assert_eq!(patch["status"]["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(patch["status"]["nominatedNodeName"], "n");
        let with_condition = |message: &str| {
            let mut pod = pod("p").info();
            pod.pending.as_mut().unwrap().scheduled_condition =
                Some(("False".into(), "Unschedulable".into(), message.into()));
            pod
        };
        assert_eq!(status_patch(&report(with_condition("m"), None), now), None);
        let patch = status_patch(&report(with_condition("other"), None), now).unwrap();
        assert_eq!(patch["status"]["conditions"][0].get("lastTransitionTime"), None);
    }
}
