//! One worker per pod: observes, steps the stage, executes the plan, sets the status. It keeps nothing that a restart
//! would lose but back-off and the reasons containers wait for.

pub mod allocation;
pub mod container_config;
mod dns;
mod env;
mod env_file;
mod etc_hosts;
pub mod expansion;
mod kill;
pub mod plan;
mod resize;
pub mod resources;
pub mod sandbox_config;
mod security;
mod stage;
mod start;

use std::{sync::Arc, time::Duration};

use controllers_component_base::events::EventType;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use crate::{
    backoff::Backoff,
    container_log,
    cri::{ContainerRecord, PodRuntime},
    host::Host,
    pod,
    status::{
        conditions::OWNED,
        generate::{self, WaitingReasons},
    },
    volumes,
};
use allocation::Allocation;
use resize::Resize;
use stage::{Facts, Stage};

/// What the API (or a manifest) wants of a pod.
#[derive(Clone, Debug)]
pub struct Desired {
    pub pod: Arc<Pod>,
    /// It is not in the API any more.
    pub gone: bool,
}

impl Desired {
    /// Whether a newer version of the pod asks for something: our own status coming back does not.
    pub fn differs(&self, newer: &Desired) -> bool {
        let foreign = |pod: &Pod| -> Vec<PodCondition> {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
            conditions.into_iter().filter(|condition| !OWNED.contains(&condition.type_.as_str())).collect()
        };
        let (old, new) = (&self.pod, &newer.pod);
        self.gone != newer.gone
            || old.spec != new.spec
            || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
            || old.metadata.deletion_grace_period_seconds != new.metadata.deletion_grace_period_seconds
            || old.metadata.labels != new.metadata.labels
            || old.metadata.annotations != new.metadata.annotations
            || foreign(old) != foreign(new)
    }

    fn must_end(&self) -> bool {
        self.gone || pod::deleting(&self.pod)
    }
}

/// Delay after a failed sync, and while something is waited for; failures in a row double it up to the maximum.
const RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(10);
/// A termination message's longest length, and how much of a log stands in for it.
const MESSAGE_BYTES: usize = 4096;
const MESSAGE_LOG_BYTES: usize = 2048;
const MESSAGE_LOG_LINES: u64 = 80;

/// A pod's worker.
pub struct Worker {
    host: Arc<Host>,
    desired: watch::Receiver<Desired>,
    wake: Arc<Notify>,
    stage: Stage,
    backoff: Backoff,
    waiting: WaitingReasons,
    /// Decided by the agent: phase Failed with this reason and message.
    failed: Option<(String, String)>,
    cleaned: bool,
    purged: bool,
    /// Syncs that failed in a row.
    failures: u32,
    /// What the containers were given, which outlives us on disk.
    allocation: Allocation,
    resize: Resize,
}

impl Worker {
    pub fn new(host: Arc<Host>, desired: watch::Receiver<Desired>, wake: Arc<Notify>) -> Self {
        let backoff = Backoff::new(Duration::from_secs(10), host.config.crash_loop_max);
        let allocation = {
            let target = &desired.borrow().pod;
            Allocation::load(&host.pod_dir(pod::uid(target))).unwrap_or_else(|| Allocation::of(target))
        };
        Self {
            host,
            desired,
            wake,
            stage: Stage::Syncing,
            backoff,
            waiting: WaitingReasons::new(),
            failed: None,
            cleaned: false,
            purged: false,
            failures: 0,
            allocation,
            resize: Resize::default(),
        }
    }

    /// The pod with what it was granted before this agent started, else as it is wanted.
    pub fn granted(&self) -> Arc<Pod> {
        self.allocation.granted(&self.desired.borrow().pod)
    }

    /// Refuses the pod: it ends with phase Failed and never starts.
    pub fn refuse(&mut self, reason: &str, message: &str) {
        self.failed = Some((reason.to_string(), message.to_string()));
    }

    /// Works until nothing of the pod is left on the node and in the API.
    pub async fn run(mut self) {
        loop {
            let desired = self.desired.borrow_and_update().clone();
            if self.stage == Stage::Purged && self.leave(&desired).await {
                return;
            }
            let desired = self.allocate(&desired);
            let mut after = self.sync(&desired).await;
            if self.resize.waits() {
                after = after.min(MAX_RETRY);
            }
            tokio::select! {
                changed = self.desired.changed() => if changed.is_err() { return },
                () = self.wake.notified() => {}
                () = tokio::time::sleep(after) => {}
            }
        }
    }

    /// Removes the pod from the API; true when there is nothing left to do.
    async fn leave(&self, desired: &Desired) -> bool {
        let gone = desired.gone || self.host.statuses.delete_pod(&desired.pod).await;
        if gone {
            let uid = pod::uid(&desired.pod);
            self.host.statuses.forget(uid);
            info!("pod {} is gone", pod::full_name(&desired.pod));
        }
        gone
    }

    /// One turn; the delay until the next one if nothing happens before.
    async fn sync(&mut self, desired: &Desired) -> Duration {
        let target = &desired.pod;
        let observed = match self.observe(target).await {
            Ok(observed) => observed,
            Err(error) => {
                debug!("cannot observe pod {}: {error}", pod::full_name(target));
                return RETRY;
            }
        };
        self.check_deadline(target);
        self.note_resize(target, &observed);
        let status = self.set_status(target, &observed);
        let terminal = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let facts = Facts {
            must_end: desired.must_end(),
            terminal,
            grace: grace(desired),
            alive: observed.any_alive() || observed.sandboxes.iter().any(|sandbox| sandbox.ready),
            cleaned: self.cleaned,
            purged: self.purged,
        };
        let before = self.stage.clone();
        self.stage = before.clone().step(facts);
        if self.stage != before {
            debug!("pod {}: {before:?} to {:?}", pod::full_name(target), self.stage);
        }
        match self.stage.clone() {
            Stage::Syncing => self.sync_running(desired, observed).await,
            Stage::Terminating { grace } => self.sync_terminating(desired, &observed, grace).await,
            Stage::Terminated => self.sync_terminated(target).await,
            Stage::Finished if desired.must_end() => self.purge(target, &observed).await,
            Stage::Finished => self.host.config.sync_frequency,
            Stage::Purged => Duration::ZERO,
        }
    }

    async fn sync_running(&mut self, desired: &Desired, observed: PodRuntime) -> Duration {
        let host = self.host.clone();
        let target = desired.pod.clone();
        host.probes.add(&host, &target, &self.wake);
        // A pull or a hook may take long: deletion must not wait for it. What is left half done is observed anew.
        let mut updates = self.desired.clone();
        let ended = async move {
            loop {
                if updates.borrow_and_update().must_end() {
                    return;
                }
                if updates.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let result = tokio::select! {
            result = self.execute(&target, &observed) => result,
            () = ended => return Duration::ZERO,
        };
        let fresh = match self.observe(&target).await {
            Ok(fresh) => fresh,
            Err(_) => return RETRY,
        };
        self.note_resize(&target, &fresh);
        self.set_status(&target, &fresh);
        match result {
            Ok(until) => {
                self.failures = 0;
                let Some(until) = [until, self.deadline(&target)].into_iter().flatten().min() else {
                    return host.config.sync_frequency;
                };
                let wait = until.duration_since(Timestamp::now());
                Duration::try_from(wait)
                    .unwrap_or_default()
                    .clamp(Duration::from_millis(50), host.config.sync_frequency)
            }
            Err(error) => {
                debug!("pod {}: {error}", pod::full_name(&target));
                self.failures += 1;
                (RETRY * 2u32.saturating_pow(self.failures.min(8) - 1)).min(MAX_RETRY)
            }
        }
    }

    async fn sync_terminating(&mut self, desired: &Desired, observed: &PodRuntime, grace: i64) -> Duration {
        let host = self.host.clone();
        let target = desired.pod.clone();
        host.probes.stop_liveness_and_startup(pod::uid(&target));
        let mut updates = self.desired.clone();
        let shorter = async move {
            loop {
                if updates.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                let desired = updates.borrow_and_update().clone();
                if self::grace(&desired) < grace && desired.must_end() {
                    return;
                }
            }
        };
        let result = tokio::select! {
            result = kill::kill_pod(&host, &target, observed, Some(grace)) => result,
            // Starts again with the shorter time.
            () = shorter => return Duration::ZERO,
        };
        match result {
            Ok(()) => Duration::ZERO,
            Err(error) => {
                host.pod_event(&target, EventType::Warning, "FailedKillPod", &format!("error killing pod: {error}"));
                RETRY
            }
        }
    }

    async fn sync_terminated(&mut self, target: &Arc<Pod>) -> Duration {
        let host = &self.host;
        let uid = pod::uid(target);
        host.probes.remove(uid);
        host.tokens.forget(uid);
        host.images.forget(uid);
        let dir = host.pod_dir(uid);
        let volumes = ["volumes", "volume-subpaths", "plugins"]
            .iter()
            .try_for_each(|part| volumes::tear_down_all(&dir.join(part)));
        match volumes.and_then(|()| host.cgroups.tear_down(uid)) {
            Ok(()) => {
                host.room.release(uid);
                self.cleaned = true;
                Duration::ZERO
            }
            Err(error) => {
                warn!("pod {}: {error}", pod::full_name(target));
                RETRY
            }
        }
    }

    /// Removes the records and logs of the pod's containers.
    async fn purge(&mut self, target: &Arc<Pod>, observed: &PodRuntime) -> Duration {
        match purge(&self.host, pod::uid(target), observed).await {
            Ok(()) => {
                if let Err(error) = std::fs::remove_dir_all(self.host.log_dir(target))
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    warn!("cannot remove the logs of pod {}: {error}", pod::full_name(target));
                }
                self.purged = true;
                Duration::ZERO
            }
            Err(error) => {
                warn!("pod {}: {error}", pod::full_name(target));
                RETRY
            }
        }
    }

    /// When the pod's activeDeadlineSeconds are over.
    fn deadline(&self, target: &Pod) -> Option<Timestamp> {
        let seconds = u64::try_from(pod::spec(target).active_deadline_seconds?).ok()?;
        let status = self.host.statuses.get(pod::uid(target)).or_else(|| target.status.clone())?;
        Some(status.start_time?.0 + Duration::from_secs(seconds))
    }

    /// Ends the pod when it ran for longer than its activeDeadlineSeconds.
    fn check_deadline(&mut self, target: &Pod) {
        let Some(deadline) = self.deadline(target) else { return };
        if self.failed.is_none() && !self.stage.ending() && Timestamp::now() >= deadline {
            let message = "Pod was active on the node longer than the specified deadline";
            self.host.pod_event(target, EventType::Normal, "DeadlineExceeded", message);
            self.failed = Some(("DeadlineExceeded".into(), message.into()));
        }
    }

    /// What the runtime holds, with the termination messages read.
    async fn observe(&self, target: &Pod) -> Result<PodRuntime, crate::cri::Error> {
        let mut observed = self.host.runtime.observe(pod::uid(target)).await?;
        for record in observed.containers.iter_mut().filter(|record| record.exited()) {
            read_termination_message(record);
        }
        Ok(observed)
    }

    fn set_status(&self, target: &Pod, observed: &PodRuntime) -> PodStatus {
        let host = &self.host;
        let uid = pod::uid(target);
        let old = host.statuses.get(uid).or_else(|| target.status.clone()).unwrap_or_default();
        let status = generate::generate(&generate::Input {
            pod: target,
            observed,
            old: &old,
            terminal: self.stage.ending(),
            waiting: &self.waiting,
            probes: &host.probes.results(uid),
            host_ips: &host.host_ips,
            runtime_name: &host.runtime_name,
            agent_started: host.started,
            failed: self.failed.as_ref(),
            resize: &if self.stage.ending() { vec![] } else { self.resize.conditions() },
            allocation: &self.allocation,
            now: Timestamp::now(),
        });
        // Once the records are purged there is nothing new to say.
        if !self.purged {
            host.statuses.set(target, status.clone());
        }
        status
    }
}

/// Removes a pod's containers and sandboxes from the runtime, and its directory.
///
/// # Errors
/// One line; everything may be tried again.
pub async fn purge(host: &Host, uid: &str, observed: &PodRuntime) -> Result<(), String> {
    for container in &observed.containers {
        host.runtime
            .remove_container(&container.id)
            .await
            .map_err(|error| format!("cannot remove container {}: {error}", container.id))?;
    }
    for sandbox in &observed.sandboxes {
        // Stopping again takes down what a stop that was cut short left of its network.
        host.runtime
            .stop_sandbox(&sandbox.id)
            .await
            .map_err(|error| format!("cannot stop sandbox {}: {error}", sandbox.id))?;
        host.runtime
            .remove_sandbox(&sandbox.id)
            .await
            .map_err(|error| format!("cannot remove sandbox {}: {error}", sandbox.id))?;
    }
    volumes::tear_down_all(&host.pod_dir(uid))?;
    host.cgroups.tear_down(uid)
}

/// Seconds for the containers to end: what the deletion says; a pod that is gone from the API has its usual time.
fn grace(desired: &Desired) -> i64 {
    pod::grace_seconds(&desired.pod).max(1)
}

fn read_termination_message(record: &mut ContainerRecord) {
    use std::io::Read;
    let mut message = String::new();
    if !record.termination_message_file.is_empty()
        && let Ok(file) = std::fs::File::open(&record.termination_message_file)
    {
        let mut bytes = vec![];
        // Unreadable is as good as empty.
        let _ = file.take(MESSAGE_BYTES as u64).read_to_end(&mut bytes);
        message = String::from_utf8_lossy(&bytes).into_owned();
    }
    if message.is_empty() && record.fallback_to_logs && record.exit_code != 0 {
        message = container_log::read::last(record.log_path.as_ref(), MESSAGE_LOG_LINES, MESSAGE_LOG_BYTES)
            .unwrap_or_default();
    }
    if !message.is_empty() {
        record.message = if record.message.is_empty() { message } else { format!("{}: {message}", record.message) };
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
