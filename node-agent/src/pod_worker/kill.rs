//! Stopping containers and pods: preStop hooks, grace periods, main containers before sidecars.

use std::time::{Duration, Instant};

use controllers_component_base::events::EventType;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};

use super::{
    expansion::expand,
    plan::{Kill, KillReason},
};
use crate::{
    cri::{ContainerPhase, ContainerRecord, PodRuntime},
    handlers::{self, Verdict},
    host::Host,
    pod,
};

/// However short the time is, a container gets this long between SIGTERM and SIGKILL.
const MINIMUM_GRACE: i64 = 2;

/// Stops everything of the pod: main containers at once, then sidecars from the last to the first, then sandboxes.
/// `grace` limits the time of all of it; else each container has the pod's own.
///
/// # Errors
/// The first container or sandbox that could not be stopped.
pub async fn kill_pod(host: &Host, target: &Pod, observed: &PodRuntime, grace: Option<i64>) -> Result<(), String> {
    let began = Instant::now();
    let left = || grace.map(|grace| grace - elapsed(began));
    let alive = |record: &&ContainerRecord| matches!(record.phase, ContainerPhase::Running | ContainerPhase::Unknown);
    let sidecar = |name: &str| {
        pod::init_containers(target).iter().position(|container| container.name == name && pod::is_sidecar(container))
    };
    let (mut sidecars, others): (Vec<&ContainerRecord>, Vec<&ContainerRecord>) =
        observed.containers.iter().filter(alive).partition(|record| sidecar(&record.name).is_some());
    let kills: Vec<Kill> = others.into_iter().map(of).collect();
    let stopped = join_all(kills.iter().map(|kill| kill_container(host, target, observed, kill, left()))).await;
    stopped.into_iter().collect::<Result<Vec<()>, String>>()?;
    sidecars.sort_by_key(|record| std::cmp::Reverse(sidecar(&record.name)));
    for record in sidecars {
        kill_container(host, target, observed, &of(record), left()).await?;
    }
    for sandbox in &observed.sandboxes {
        if sandbox.ready {
            host.runtime
                .stop_sandbox(&sandbox.id)
                .await
                .map_err(|error| format!("cannot stop sandbox {}: {error}", sandbox.id))?;
        }
    }
    Ok(())
}

fn of(record: &ContainerRecord) -> Kill {
    Kill { id: record.id.clone(), name: record.name.clone(), message: String::new(), reason: KillReason::Other }
}

/// Stops one container: preStop hook, SIGTERM, SIGKILL after what is left of its grace period.
///
/// # Errors
/// The runtime's message.
pub async fn kill_container(
    host: &Host,
    target: &Pod,
    observed: &PodRuntime,
    kill: &Kill,
    grace: Option<i64>,
) -> Result<(), String> {
    let ephemeral = pod::ephemeral_containers(target);
    let container =
        pod::container(target, &kill.name).or_else(|| ephemeral.iter().find(|container| container.name == kill.name));
    let message =
        if kill.message.is_empty() { format!("Stopping container {}", kill.name) } else { kill.message.clone() };
    host.container_event(target, &kill.name, EventType::Normal, "Killing", &message);
    let mut left = grace.unwrap_or_else(|| own_grace(target, container, kill.reason));
    let hook = container.and_then(|container| Some((container, container.lifecycle.as_ref()?.pre_stop.as_ref()?)));
    if let Some((container, hook)) = hook
        && left > 0
    {
        let began = Instant::now();
        let limit = Duration::from_secs(left.unsigned_abs());
        let ip = observed.ips().first().cloned().unwrap_or_default();
        let run = tokio::time::timeout(limit, run_hook(host, container, &kill.id, &ip, hook));
        if let Ok(Err(_)) = run.await {
            host.container_event(target, &kill.name, EventType::Warning, "FailedPreStopHook", "PreStopHook failed");
        }
        left -= elapsed(began);
    }
    let result = host.runtime.stop_container(&kill.id, left.max(MINIMUM_GRACE)).await;
    result.map_err(|error| format!("cannot stop container {}: {error}", kill.id))
}

/// Runs a life cycle hook.
///
/// # Errors
/// What failed, in one line.
pub async fn run_hook(
    host: &Host,
    container: &Container,
    id: &str,
    pod_ip: &str,
    hook: &LifecycleHandler,
) -> Result<(), String> {
    /// Hooks have no time limit of their own; the caller ends them.
    const UNLIMITED: Duration = Duration::from_secs(0);
    let verdict = if let Some(exec) = &hook.exec {
        let environment = handlers::static_environment(container);
        let command = exec.command.iter().flatten();
        let command =
            command.map(|word| expand(word, |name| environment.get(name).map(|value| value.to_string()))).collect();
        handlers::exec(host.runtime.as_ref(), id, command, UNLIMITED).await?
    } else if let Some(http) = &hook.http_get {
        handlers::http_get(http, container, pod_ip, Duration::from_secs(60), "kube-lifecycle/1.36").await?
    } else if let Some(sleep) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        Verdict::Success(String::new())
    } else {
        return Err("invalid handler: neither exec, httpGet nor sleep".into());
    };
    match verdict {
        Verdict::Success(_) => Ok(()),
        Verdict::Failure(output) => Err(output),
    }
}

/// The pod's grace period, or the one of the probe that failed.
fn own_grace(target: &Pod, container: Option<&Container>, reason: KillReason) -> i64 {
    let probe = match reason {
        KillReason::Liveness => container.and_then(|container| container.liveness_probe.as_ref()),
        KillReason::Startup => container.and_then(|container| container.startup_probe.as_ref()),
        KillReason::Other => None,
    };
    if target.metadata.deletion_grace_period_seconds.is_none()
        && let Some(seconds) = probe.and_then(|probe| probe.termination_grace_period_seconds)
    {
        return seconds;
    }
    pod::grace_seconds(target)
}

fn elapsed(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX)
}
