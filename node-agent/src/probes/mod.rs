//! Liveness, readiness and startup probes: a task per probe, the results by pod.

mod action;
mod state;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, Probe};
use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    host::Host,
    pod,
    pod_worker::plan::{Outcome, ProbeResults},
};
use state::{Settings, State, Step};

/// The kinds of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Liveness,
    Readiness,
    Startup,
}

impl Kind {
    /// As it stands in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Liveness => "Liveness",
            Kind::Readiness => "Readiness",
            Kind::Startup => "Startup",
        }
    }

    fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            Kind::Liveness => container.liveness_probe.as_ref(),
            Kind::Readiness => container.readiness_probe.as_ref(),
            Kind::Startup => container.startup_probe.as_ref(),
        }
    }

    /// What holds until the probe has said something.
    fn initial(self) -> Outcome {
        match self {
            Kind::Liveness => Outcome::Success,
            Kind::Readiness => Outcome::Failure,
            Kind::Startup => Outcome::Unknown,
        }
    }
}

/// The probes of all pods.
#[derive(Default)]
pub struct Prober {
    pods: Mutex<HashMap<String, PodProbes>>,
}

struct PodProbes {
    results: ProbeResults,
    tasks: Vec<(Kind, AbortHandle)>,
    /// Wakes the pod's worker.
    wake: Arc<Notify>,
}

impl Drop for PodProbes {
    fn drop(&mut self) {
        for (_, task) in &self.tasks {
            task.abort();
        }
    }
}

impl Prober {
    /// Starts the pod's probes, once.
    pub fn add(&self, host: &Arc<Host>, target: &Arc<Pod>, wake: &Arc<Notify>) {
        let mut pods = self.pods.lock();
        if pods.contains_key(pod::uid(target)) {
            return;
        }
        let sidecars = pod::init_containers(target).iter().filter(|container| pod::is_sidecar(container));
        let mut tasks = vec![];
        for container in pod::spec(target).containers.iter().chain(sidecars) {
            for kind in [Kind::Liveness, Kind::Readiness, Kind::Startup] {
                if let Some(probe) = kind.of(container) {
                    let task = Task {
                        host: Arc::downgrade(host),
                        target: target.clone(),
                        container: container.clone(),
                        probe: probe.clone(),
                        kind,
                    };
                    tasks.push((kind, tokio::spawn(task.run()).abort_handle()));
                }
            }
        }
        pods.insert(
            pod::uid(target).to_string(),
            PodProbes { results: ProbeResults::default(), tasks, wake: wake.clone() },
        );
    }

    /// Ends the pod's liveness and startup probes: while it is being stopped, only its readiness matters.
    pub fn stop_liveness_and_startup(&self, uid: &str) {
        if let Some(probes) = self.pods.lock().get(uid) {
            for (_, task) in probes.tasks.iter().filter(|(kind, _)| *kind != Kind::Readiness) {
                task.abort();
            }
        }
    }

    /// Ends the pod's probes and forgets their results.
    pub fn remove(&self, uid: &str) {
        self.pods.lock().remove(uid);
    }

    pub fn results(&self, uid: &str) -> ProbeResults {
        self.pods.lock().get(uid).map(|probes| probes.results.clone()).unwrap_or_default()
    }

    fn set(&self, uid: &str, kind: Kind, container_id: &str, outcome: Outcome) {
        let mut pods = self.pods.lock();
        let Some(probes) = pods.get_mut(uid) else { return };
        let results = match kind {
            Kind::Liveness => &mut probes.results.liveness,
            Kind::Readiness => &mut probes.results.readiness,
            Kind::Startup => &mut probes.results.startup,
        };
        if results.insert(container_id.to_string(), outcome) != Some(outcome) {
            probes.wake.notify_one();
        }
    }

    fn forget_container(&self, uid: &str, kind: Kind, container_id: &str) {
        if let Some(probes) = self.pods.lock().get_mut(uid) {
            match kind {
                Kind::Liveness => probes.results.liveness.remove(container_id),
                Kind::Readiness => probes.results.readiness.remove(container_id),
                Kind::Startup => probes.results.startup.remove(container_id),
            };
        }
    }
}

struct Task {
    host: Weak<Host>,
    target: Arc<Pod>,
    container: Container,
    probe: Probe,
    kind: Kind,
}

impl Task {
    async fn run(self) {
        let seconds = |value: Option<i32>, default: i32| {
            u64::try_from(value.filter(|value| *value > 0).unwrap_or(default)).unwrap_or(1)
        };
        let period = Duration::from_secs(seconds(self.probe.period_seconds, 10));
        let settings = Settings {
            failure_threshold: i32::try_from(seconds(self.probe.failure_threshold, 3)).unwrap_or(3),
            success_threshold: i32::try_from(seconds(self.probe.success_threshold, 1)).unwrap_or(1),
            initial_delay: Duration::from_secs(
                self.probe.initial_delay_seconds.and_then(|value| u64::try_from(value).ok()).unwrap_or(0),
            ),
        };
        let mut state = State::new(self.kind, settings);
        let uid = pod::uid(&self.target).to_string();
        loop {
            let Some(host) = self.host.upgrade() else { return };
            let wait = self.tick(&host, &uid, &mut state).await;
            drop(host);
            // Until the container is up, look often: a probe's first run should not lag a period behind.
            tokio::time::sleep(if wait { Duration::from_secs(1).min(period) } else { period }).await;
        }
    }

    /// One turn; true where there was nothing to probe yet.
    async fn tick(&self, host: &Arc<Host>, uid: &str, state: &mut State) -> bool {
        let Some(status) = host.statuses.get(uid) else { return true };
        let statuses =
            status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
        let Some(container) = statuses.into_iter().find(|status| status.name == self.container.name) else {
            return true;
        };
        let id =
            container.container_id.as_deref().and_then(|id| id.split_once("://")).map(|(_, id)| id).unwrap_or_default();
        let view = view(container, id, host.started);
        let (old, step) = state.before(&view, Timestamp::now());
        if let Some(old) = old {
            host.probes.forget_container(uid, self.kind, &old);
        }
        match step {
            Step::Wait => true,
            Step::Set(outcome) => {
                host.probes.set(uid, self.kind, id, outcome);
                true
            }
            Step::Rest => false,
            Step::Probe => {
                let ip = status.pod_ip.as_deref().or(status.host_ip.as_deref()).unwrap_or_default();
                let outcome = action::probe(host, &self.target, &self.container, &self.probe, self.kind, id, ip).await;
                if let Some(outcome) = outcome.and_then(|outcome| state.after(outcome)) {
                    host.probes.set(uid, self.kind, id, outcome);
                }
                false
            }
        }
    }
}

fn view<'a>(status: &'a ContainerStatus, id: &'a str, agent_started: Timestamp) -> state::View<'a> {
    let running = status.state.as_ref().and_then(|state| state.running.as_ref());
    let since = running.and_then(|running| running.started_at.as_ref()).map(|time| time.0);
    state::View {
        id,
        running_since: since.or(running.map(|_| Timestamp::UNIX_EPOCH)),
        started: status.started == Some(true),
        from_before: since.is_some_and(|since| since < agent_started),
    }
}
