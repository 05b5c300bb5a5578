//! A pod's status as a pure function of its spec, the runtime's records, the last status and the probes' results.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus, VolumeMountStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{conditions, phase::phase};
use crate::{
    cri::{ContainerPhase, ContainerRecord, PodRuntime},
    pod,
    pod_worker::{
        allocation::Allocation,
        plan::{self, Outcome, ProbeResults},
    },
};

/// Why a container waits, by container name.
pub type WaitingReasons = HashMap<String, Waiting>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// E.g. `CrashLoopBackOff`.
    pub reason: String,
    pub message: String,
}

/// Everything the status depends on.
pub struct Input<'a> {
    pub pod: &'a Pod,
    pub observed: &'a PodRuntime,
    /// The last status that was set, else the API's.
    pub old: &'a PodStatus,
    /// Nothing of the pod will be started again.
    pub terminal: bool,
    pub waiting: &'a WaitingReasons,
    pub probes: &'a ProbeResults,
    /// The node's addresses, the primary one first.
    pub host_ips: &'a [String],
    /// `containerd` in `containerd://<id>`.
    pub runtime_name: &'a str,
    /// When this agent started: readiness from before is believed until a probe says otherwise.
    pub agent_started: Timestamp,
    /// Phase Failed with this reason and message, decided by the agent itself.
    pub failed: Option<&'a (String, String)>,
    /// How far a resize is.
    pub resize: &'a [PodCondition],
    /// What running containers have, which is what the pod asks for but in the middle of a resize.
    pub allocation: &'a Allocation,
    pub now: Timestamp,
}

/// Computes the status.
pub fn generate(input: &Input) -> PodStatus {
    let pod = input.pod;
    let api = pod.status.as_ref();
    let init_specs = pod::init_containers(pod);
    let main_specs = &pod::spec(pod).containers;
    let ephemeral_specs = pod::ephemeral_containers(pod);
    let old_of = |list: &Option<Vec<ContainerStatus>>| list.clone().unwrap_or_default();
    let mut init = statuses(input, init_specs, &old_of(&input.old.init_container_statuses), true);
    let mut main = statuses(input, main_specs, &old_of(&input.old.container_statuses), false);
    let mut ephemeral = statuses(input, &ephemeral_specs, &old_of(&input.old.ephemeral_container_statuses), false);
    for (container, status) in init_specs.iter().zip(&mut init) {
        set_readiness(input, container, status, &input.old.init_container_statuses);
        if !pod::is_sidecar(container) {
            let code = status.state.as_ref().and_then(|state| Some(state.terminated.as_ref()?.exit_code));
            status.ready = code == Some(0);
        }
    }
    for (container, status) in main_specs.iter().zip(&mut main) {
        set_readiness(input, container, status, &input.old.container_statuses);
    }
    main.sort_by(|a, b| a.name.cmp(&b.name));
    ephemeral.sort_by(|a, b| a.name.cmp(&b.name));

    let initialized = main_specs.iter().any(|container| {
        input
            .observed
            .container(&container.name)
            .is_some_and(|record| matches!(record.phase, ContainerPhase::Running | ContainerPhase::Exited))
    });
    let all: Vec<&ContainerStatus> = main.iter().chain(&init).collect();
    let mut new_phase = phase(pod, &all, input.terminal, initialized).to_string();
    let terminal_phase =
        |phase: &Option<String>| phase.clone().filter(|phase| phase == "Failed" || phase == "Succeeded");
    let api_phase = api.and_then(|status| terminal_phase(&status.phase));
    if !matches!(new_phase.as_str(), "Failed" | "Succeeded")
        && let Some(phase) = terminal_phase(&input.old.phase)
    {
        new_phase = phase;
    }
    let (mut reason, mut message) = (None, None);
    if input.old.phase.as_deref() == Some(&new_phase) {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        reason = filled(&input.old.reason).or_else(|| filled(&api?.reason));
        message = filled(&input.old.message).or_else(|| filled(&api?.message));
    }
    if let Some((failed_reason, failed_message)) = input.failed {
        new_phase = "Failed".to_string();
        reason = Some(failed_reason.clone());
        message = Some(failed_message.clone());
    }
    if let Some(phase) = api_phase {
        // The API's clients rely on a terminal phase never changing.
        new_phase = phase;
    }

    let old_conditions = api.and_then(|status| status.conditions.clone()).unwrap_or_default();
    let last_conditions = input.old.conditions.as_deref().unwrap_or_default();
    let mut base: Vec<_> = old_conditions
        .iter()
        .filter(|condition| !conditions::OWNED.contains(&condition.type_.as_str()))
        .cloned()
        .collect();
    base.extend(
        last_conditions.iter().filter(|condition| conditions::OWNED.contains(&condition.type_.as_str())).cloned(),
    );
    let sandbox_ready = !plan::sandbox_changed(pod, input.observed).0;
    let owned = conditions::conditions(pod, &base, &init, &main, &new_phase, sandbox_ready, input.now);
    let mut all_conditions: Vec<_> =
        base.into_iter().filter(|condition| !conditions::OWNED.contains(&condition.type_.as_str())).collect();
    all_conditions.extend(owned);
    all_conditions.extend(input.resize.iter().cloned());

    let mut ips = input.observed.ips();
    if ips.is_empty() && (pod::host_network(pod) || input.observed.ready_sandbox().is_none()) {
        // A pod that ended keeps the address it had.
        ips = input.old.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect();
    }
    if ips.is_empty() && pod::host_network(pod) {
        ips = input.host_ips.to_vec();
    }
    let some = |list: Vec<ContainerStatus>| (!list.is_empty()).then_some(list);
    PodStatus {
        phase: Some(new_phase),
        reason,
        message,
        conditions: Some(all_conditions),
        container_statuses: some(main),
        init_container_statuses: some(init),
        ephemeral_container_statuses: some(ephemeral),
        host_ip: input.host_ips.first().cloned(),
        host_ips: Some(input.host_ips.iter().map(|ip| HostIP { ip: ip.clone() }).collect()),
        pod_ip: ips.first().cloned(),
        pod_ips: (!ips.is_empty()).then(|| ips.into_iter().map(|ip| PodIP { ip }).collect()),
        qos_class: Some(pod::qos_class(pod).to_string()),
        start_time: input.old.start_time.clone().or_else(|| api?.start_time.clone()).or(Some(Time(input.now))),
        observed_generation: pod.metadata.generation,
        // Written by others and kept by the patch, which only holds what differs.
        nominated_node_name: api.and_then(|status| status.nominated_node_name.clone()),
        resource_claim_statuses: api.and_then(|status| status.resource_claim_statuses.clone()),
        ..PodStatus::default()
    }
}

fn statuses(input: &Input, specs: &[Container], old: &[ContainerStatus], are_init: bool) -> Vec<ContainerStatus> {
    specs
        .iter()
        .map(|container| {
            container_status(input, container, old.iter().find(|status| status.name == container.name), are_init)
        })
        .collect()
}

fn container_status(
    input: &Input,
    container: &Container,
    old: Option<&ContainerStatus>,
    is_init: bool,
) -> ContainerStatus {
    let mut records = input.observed.containers.iter().filter(|record| record.name == container.name);
    let newest = records.next();
    let mut status = match newest {
        Some(record) => {
            let mut status = from_record(input, container, record, old);
            status.last_state = match records.next() {
                Some(previous) => from_record(input, container, previous, None).state,
                // The record of the run before may have been removed from the runtime.
                None => {
                    old.filter(|old| old.container_id == status.container_id).and_then(|old| old.last_state.clone())
                }
            };
            status
        }
        None => without_record(input, container, old),
    };
    if is_init {
        if newest.is_some_and(|record| record.exited() && record.exit_code == 0) && !pod::is_sidecar(container) {
            return status;
        }
        let main_created =
            pod::spec(input.pod).containers.iter().any(|main| input.observed.container(&main.name).is_some());
        let waits = status.state.as_ref().is_some_and(|state| state.waiting.is_some());
        if newest.is_none() && main_created && !pod::is_sidecar(container) && waits {
            status.state = Some(terminated(ContainerStateTerminated {
                reason: Some("Completed".into()),
                message: Some(
                    "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally".into(),
                ),
                ..Default::default()
            }));
            return status;
        }
    }
    // What is to be started and cannot be is waiting, whatever it was before.
    if plan::should_start(input.pod, container, input.observed)
        && let Some(waiting) = input.waiting.get(&container.name)
    {
        if status.state.as_ref().is_some_and(|state| state.terminated.is_some()) {
            status.last_state = status.state.take();
        }
        status.state = Some(self::waiting(&waiting.reason, &waiting.message));
    }
    status
}

/// The status of a container the runtime knows nothing of.
fn without_record(input: &Input, container: &Container, old: Option<&ContainerStatus>) -> ContainerStatus {
    if let Some(old) = old
        && old.state.as_ref().is_some_and(|state| state.terminated.is_some())
    {
        return old.clone();
    }
    let reason = if pod::init_containers(input.pod).is_empty() { "ContainerCreating" } else { "PodInitializing" };
    let mut status = ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        state: Some(waiting(reason, "")),
        last_state: old.and_then(|old| old.last_state.clone()),
        restart_count: old.map(|old| old.restart_count).unwrap_or_default(),
        volume_mounts: volume_mounts(container),
        ..Default::default()
    };
    let ran = old.is_some_and(|old| old.state.as_ref().is_some_and(|state| state.running.is_some()));
    let has_last = status.last_state.as_ref().is_some_and(|state| state.terminated.is_some());
    if ran && !has_last {
        // It ran and is gone without a trace: it ended, we cannot say how.
        status.last_state = Some(terminated(ContainerStateTerminated {
            reason: Some("ContainerStatusUnknown".into()),
            message: Some(
                "The container could not be located when the pod was deleted.  The container used to be Running".into(),
            ),
            exit_code: 137,
            ..Default::default()
        }));
        if !pod::deleting(input.pod) {
            status.restart_count += 1;
        }
    }
    status
}

fn from_record(
    input: &Input,
    container: &Container,
    record: &ContainerRecord,
    old: Option<&ContainerStatus>,
) -> ContainerStatus {
    let id = format!("{}://{}", input.runtime_name, record.id);
    let mut restart_count = record.restart_count;
    let state = match record.phase {
        ContainerPhase::Running => ContainerState {
            running: Some(ContainerStateRunning { started_at: record.started_at.map(Time) }),
            ..Default::default()
        },
        ContainerPhase::Created => waiting("", ""),
        ContainerPhase::Exited => terminated(ContainerStateTerminated {
            container_id: Some(id.clone()),
            exit_code: record.exit_code,
            reason: filled(&record.reason),
            message: filled(&record.message),
            started_at: record.started_at.map(Time),
            finished_at: record.finished_at.map(Time),
            signal: None,
        }),
        ContainerPhase::Unknown
            if old.is_some_and(|old| old.state.as_ref().is_some_and(|state| state.running.is_some())) =>
        {
            restart_count = old.map(|old| old.restart_count + 1).unwrap_or_default();
            terminated(ContainerStateTerminated {
                reason: Some("ContainerStatusUnknown".into()),
                message: Some("The container could not be located when the pod was terminated".into()),
                exit_code: 137,
                ..Default::default()
            })
        }
        ContainerPhase::Unknown => waiting("", ""),
    };
    let running = record.phase == ContainerPhase::Running;
    let resources = container.resources.clone().unwrap_or_default();
    ContainerStatus {
        name: record.name.clone(),
        container_id: Some(id),
        image: record.image.clone(),
        image_id: record.image_ref.clone(),
        restart_count,
        state: Some(state),
        resources: Some(
            running.then(|| input.allocation.actuated(&record.name).cloned()).flatten().unwrap_or(resources),
        ),
        allocated_resources: container.resources.as_ref().and_then(|resources| resources.requests.clone()),
        volume_mounts: volume_mounts(container),
        ..Default::default()
    }
}

/// `ready` and `started`.
fn set_readiness(
    input: &Input,
    container: &Container,
    status: &mut ContainerStatus,
    old: &Option<Vec<ContainerStatus>>,
) {
    let running = status.state.as_ref().and_then(|state| state.running.as_ref());
    let Some(running) = running else {
        status.started = Some(false);
        status.ready = false;
        return;
    };
    let id = status.container_id.as_deref().and_then(|id| id.split_once("://")).map(|(_, id)| id).unwrap_or_default();
    let old = old.iter().flatten().find(|old| old.name == status.name && old.container_id == status.container_id);
    let from_before = running.started_at.as_ref().is_some_and(|started| started.0 < input.agent_started);
    let started = match (&container.startup_probe, input.probes.startup.get(id)) {
        (None, _) => true,
        (Some(_), Some(Outcome::Success)) => true,
        (Some(_), Some(_)) => false,
        (Some(_), None) => old.is_some_and(|old| old.started == Some(true)),
    };
    status.started = Some(started);
    status.ready = started
        && match (&container.readiness_probe, input.probes.readiness.get(id)) {
            (None, _) => true,
            (Some(_), Some(outcome)) => *outcome == Outcome::Success,
            (Some(_), None) => from_before && old.is_some_and(|old| old.ready),
        };
}

fn volume_mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts = container.volume_mounts.as_ref()?;
    Some(
        mounts
            .iter()
            .map(|mount| VolumeMountStatus {
                name: mount.name.clone(),
                mount_path: mount.mount_path.clone(),
                read_only: mount.read_only.filter(|read_only| *read_only),
                recursive_read_only: (mount.read_only == Some(true)).then(|| "Disabled".to_string()),
                ..Default::default()
            })
            .collect(),
    )
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_string());
    ContainerState {
        waiting: Some(ContainerStateWaiting { reason: text(reason), message: text(message) }),
        ..Default::default()
    }
}

fn terminated(terminated: ContainerStateTerminated) -> ContainerState {
    ContainerState { terminated: Some(terminated), ..Default::default() }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
