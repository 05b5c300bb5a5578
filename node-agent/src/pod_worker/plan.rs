//! What to do for a pod that should run: a pure function of its spec, what the runtime holds and the probes' results.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::allocation::Change;
use crate::{
    cri::{ContainerPhase, ContainerRecord, PodRuntime},
    pod,
};

/// The actions of one sync, in the order in which they are executed: kill, sandbox, ephemeral, init, main.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Stop every container and sandbox of the pod.
    pub kill_pod: bool,
    pub create_sandbox: bool,
    /// The sandbox that is in use, or the one that a new one replaces.
    pub sandbox_id: Option<String>,
    /// The attempt number of a new sandbox.
    pub attempt: u32,
    pub kill: Vec<Kill>,
    /// Running containers whose resources change in place.
    pub resize: Vec<Update>,
    /// Indexes into the spec's lists.
    pub start_ephemeral: Vec<usize>,
    pub start_init: Vec<usize>,
    pub start: Vec<usize>,
}

/// A container to stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    pub id: String,
    pub name: String,
    pub message: String,
    pub reason: KillReason,
}

/// A container to resize.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub id: String,
    pub name: String,
}

/// Why a container is stopped; a probe may have a grace period of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    Liveness,
    Startup,
    Other,
}

/// What a probe of a container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
    Unknown,
}

/// Results by container id.
#[derive(Clone, Debug, Default)]
pub struct ProbeResults {
    pub liveness: HashMap<String, Outcome>,
    pub readiness: HashMap<String, Outcome>,
    pub startup: HashMap<String, Outcome>,
}

/// Whether the pod needs a (new) sandbox: `(needed, attempt of the new one, id of the newest)`.
pub fn sandbox_changed(pod: &Pod, observed: &PodRuntime) -> (bool, u32, Option<String>) {
    let Some(newest) = observed.sandboxes.first() else { return (true, 0, None) };
    let next = newest.attempt + 1;
    let ready = observed.sandboxes.iter().filter(|sandbox| sandbox.ready).count();
    if ready > 1 || !newest.ready {
        return (true, next, Some(newest.id.clone()));
    }
    if newest.host_network != pod::host_network(pod) {
        return (true, next, None);
    }
    if !newest.host_network && newest.ips.is_empty() {
        return (true, next, Some(newest.id.clone()));
    }
    (false, newest.attempt, Some(newest.id.clone()))
}

/// Whether a container that does not run now is to be started.
pub fn should_start(pod: &Pod, container: &Container, observed: &PodRuntime) -> bool {
    if pod::deleting(pod) {
        return false;
    }
    match observed.container(&container.name) {
        None => true,
        Some(record) => match record.phase {
            ContainerPhase::Running => false,
            ContainerPhase::Created | ContainerPhase::Unknown => true,
            ContainerPhase::Exited => pod::restarts_after_exit(pod, container, record.exit_code),
        },
    }
}

/// Computes the plan. `hash` gives the hash that a container's spec would be created with, `change` what brings a
/// running container to its resources.
pub fn plan(
    pod: &Pod,
    observed: &PodRuntime,
    probes: &ProbeResults,
    hash: impl Fn(&Container) -> String,
    change: impl Fn(&Container) -> Change,
) -> Plan {
    let containers = &pod::spec(pod).containers;
    let (create_sandbox, attempt, sandbox_id) = sandbox_changed(pod, observed);
    let mut plan = Plan { kill_pod: create_sandbox, create_sandbox, sandbox_id, attempt, ..Plan::default() };
    if create_sandbox {
        if !pod::restarts_on_failure(pod) && attempt != 0 && !observed.containers.is_empty() {
            // The pod ran once and may not run again.
            plan.create_sandbox = false;
            return plan;
        }
        plan.start = (0..containers.len()).filter(|index| !done_once(pod, &containers[*index], observed)).collect();
        let initialized = containers.iter().any(|container| observed.container(&container.name).is_some());
        if plan.start.is_empty() && initialized {
            plan.create_sandbox = false;
        } else if !pod::init_containers(pod).is_empty() {
            plan.start.clear();
            plan.start_init = vec![0];
        }
        return plan;
    }

    for (index, ephemeral) in pod::spec(pod).ephemeral_containers.iter().flatten().enumerate() {
        // Ephemeral containers never restart.
        if observed.container(&ephemeral.name).is_none() {
            plan.start_ephemeral.push(index);
        }
    }
    let initialized = plan_init(pod, observed, probes, &hash, &change, &mut plan);
    if plan.kill_pod || !initialized {
        return plan;
    }

    let mut kept = 0;
    for (index, container) in containers.iter().enumerate() {
        let Some(record) = observed.container(&container.name).filter(|record| record.running()) else {
            if should_start(pod, container, observed) {
                plan.start.push(index);
                if let Some(unknown) =
                    observed.container(&container.name).filter(|record| record.phase == ContainerPhase::Unknown)
                {
                    plan.kill.push(kill(
                        unknown,
                        "Container is in \"unknown\" state, try killing it before restart",
                        KillReason::Other,
                    ));
                }
            }
            continue;
        };
        let mut restart = pod::effective_restart_policy(pod, container) != "Never";
        let (message, reason) = if record.hash != hash(container) {
            restart = true;
            (format!("Container {} definition changed", container.name), KillReason::Other)
        } else if probes.liveness.get(&record.id) == Some(&Outcome::Failure) {
            (format!("Container {} failed liveness probe", container.name), KillReason::Liveness)
        } else if probes.startup.get(&record.id) == Some(&Outcome::Failure) {
            (format!("Container {} failed startup probe", container.name), KillReason::Startup)
        } else {
            match change(container) {
                Change::Restart => {
                    plan.kill.push(kill(record, &resize_restarts(container), KillReason::Other));
                    plan.start.push(index);
                    continue;
                }
                Change::InPlace => plan.resize.push(Update { id: record.id.clone(), name: record.name.clone() }),
                Change::None => {}
            }
            kept += 1;
            continue;
        };
        let message = if restart { format!("{message}, will be restarted") } else { message };
        plan.kill.push(kill(record, &message, reason));
        if restart {
            plan.start.push(index);
        }
    }
    if kept == 0 && plan.start.is_empty() {
        // Nothing is left to run: the sidecars must not keep the pod alive.
        plan.kill_pod = true;
        plan.start_init.clear();
    }
    plan
}

fn resize_restarts(container: &Container) -> String {
    format!("Container {} resize requires restart", container.name)
}

/// Under OnFailure, a container that succeeded is not run again in a new sandbox.
fn done_once(pod: &Pod, container: &Container, observed: &PodRuntime) -> bool {
    pod::effective_restart_policy(pod, container) == "OnFailure"
        && observed.container(&container.name).is_some_and(|record| record.exited() && record.exit_code == 0)
}

fn kill(record: &ContainerRecord, message: &str, reason: KillReason) -> Kill {
    Kill { id: record.id.clone(), name: record.name.clone(), message: message.to_string(), reason }
}

/// Plans the init containers; true when all are through and the main containers may run.
fn plan_init(
    pod: &Pod,
    observed: &PodRuntime,
    probes: &ProbeResults,
    hash: &impl Fn(&Container) -> String,
    change: &impl Fn(&Container) -> Change,
    plan: &mut Plan,
) -> bool {
    let inits = pod::init_containers(pod);
    if inits.is_empty() {
        return true;
    }
    // A main container of this sandbox proves initialisation, also where the init containers' records are gone.
    // One that exited does not: it may be of an earlier sandbox.
    let mut initialized = pod::spec(pod).containers.iter().any(|container| {
        observed
            .container(&container.name)
            .is_some_and(|record| matches!(record.phase, ContainerPhase::Created | ContainerPhase::Running))
    });
    let mut previously_initialized = initialized;
    // Backwards: the last init container with a record says how far the pod came.
    for (index, container) in inits.iter().enumerate().rev() {
        let sidecar = pod::is_sidecar(container);
        let last = index == inits.len() - 1;
        let Some(record) = observed.container(&container.name) else {
            if previously_initialized && sidecar {
                plan.start_init.push(index);
            }
            continue;
        };
        if previously_initialized && !sidecar {
            continue;
        }
        match record.phase {
            ContainerPhase::Created => plan.start_init.push(index),
            ContainerPhase::Running if !sidecar => {}
            ContainerPhase::Running => {
                let startup = probes.startup.get(&record.id);
                if container.startup_probe.is_some() && startup != Some(&Outcome::Success) {
                    if startup == Some(&Outcome::Failure) {
                        let message = format!("Init container {} failed startup probe", container.name);
                        plan.kill.push(kill(record, &message, KillReason::Startup));
                        plan.start_init.push(index);
                    }
                } else {
                    if last {
                        initialized = true;
                    } else if !previously_initialized {
                        plan.start_init.push(index + 1);
                    }
                    if record.hash != hash(container) {
                        let message = format!("Init container {} definition changed", container.name);
                        plan.kill.push(kill(record, &message, KillReason::Other));
                        plan.start_init.push(index);
                    } else if probes.liveness.get(&record.id) == Some(&Outcome::Failure) {
                        let message = format!("Init container {} failed liveness probe", container.name);
                        plan.kill.push(kill(record, &message, KillReason::Liveness));
                        plan.start_init.push(index);
                    } else {
                        match change(container) {
                            Change::Restart => {
                                plan.kill.push(kill(record, &resize_restarts(container), KillReason::Other));
                                plan.start_init.push(index);
                            }
                            Change::InPlace => {
                                plan.resize.push(Update { id: record.id.clone(), name: record.name.clone() });
                            }
                            Change::None => {}
                        }
                    }
                }
            }
            ContainerPhase::Exited if sidecar => plan.start_init.push(index),
            ContainerPhase::Exited if record.exit_code == 0 => {
                if last {
                    initialized = true;
                } else {
                    plan.start_init.push(index + 1);
                }
            }
            ContainerPhase::Exited => {
                if !pod::restarts_after_exit(pod, container, record.exit_code) {
                    plan.kill_pod = true;
                    plan.start_init.clear();
                    return false;
                }
                plan.start_init.push(index);
            }
            ContainerPhase::Unknown => {
                if !sidecar && pod::effective_restart_policy(pod, container) == "Never" {
                    plan.kill_pod = true;
                    plan.start_init.clear();
                    return false;
                }
                plan.kill.push(kill(
                    record,
                    "Init container is in \"unknown\" state, try killing it before restart",
                    KillReason::Other,
                ));
                plan.start_init.push(index);
            }
        }
        previously_initialized = true;
    }
    if !previously_initialized {
        plan.start_init.push(0);
    }
    plan.start_init.reverse();
    initialized
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
