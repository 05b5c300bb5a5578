//! The pod conditions that the node owns.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::pod;

/// The condition types the node writes; all others are left alone.
pub const OWNED: [&str; 7] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    RESIZE_PENDING,
    RESIZE_IN_PROGRESS,
];
/// The resources that the spec asks for are not granted.
pub const RESIZE_PENDING: &str = "PodResizePending";
/// They are granted, and not all running containers have them.
pub const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

/// Computes the owned conditions that every pod has; transition times are kept from `old` where the status did not change.
pub fn conditions(
    pod: &Pod,
    old: &[PodCondition],
    init: &[ContainerStatus],
    main: &[ContainerStatus],
    phase: &str,
    sandbox_ready: bool,
    now: Timestamp,
) -> Vec<PodCondition> {
    let containers_ready = containers_ready(pod, init, main, phase);
    let ready = if containers_ready.status { readiness_gates(pod, old) } else { containers_ready.clone() };
    let parts = [
        ("PodReadyToStartContainers", Part { status: sandbox_ready, ..Part::default() }),
        ("Initialized", initialized(pod, init, main, phase)),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
        ("PodScheduled", Part { status: true, ..Part::default() }),
    ];
    parts
        .into_iter()
        .map(|(kind, part)| {
            let status = if part.status { "True" } else { "False" };
            let before = old.iter().find(|condition| condition.type_ == kind && condition.status == status);
            PodCondition {
                type_: kind.to_string(),
                status: status.to_string(),
                reason: part.reason.map(str::to_string),
                message: part.message,
                last_transition_time: before
                    .and_then(|condition| condition.last_transition_time.clone())
                    .or(Some(Time(now))),
                last_probe_time: None,
                observed_generation: pod.metadata.generation,
            }
        })
        .collect()
}

#[derive(Clone, Default)]
struct Part {
    status: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Part {
    fn truth() -> Self {
        Part { status: true, ..Part::default() }
    }

    fn no(reason: &'static str, message: Option<String>) -> Self {
        Part { status: false, reason: Some(reason), message }
    }
}

fn containers_ready(pod: &Pod, init: &[ContainerStatus], main: &[ContainerStatus], phase: &str) -> Part {
    let sidecars = pod::init_containers(pod).iter().filter(|container| pod::is_sidecar(container));
    let (mut unknown, mut unready) = (vec![], vec![]);
    for container in sidecars.chain(&pod::spec(pod).containers) {
        match init.iter().chain(main).find(|status| status.name == container.name) {
            None => unknown.push(container.name.as_str()),
            Some(status) if !status.ready => unready.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    match phase {
        "Succeeded" if unknown.is_empty() => return Part::no("PodCompleted", None),
        "Failed" => return Part::no("PodFailed", None),
        _ => {}
    }
    match listed(&unknown, "unknown", &unready, "unready") {
        Some(message) => Part::no("ContainersNotReady", Some(message)),
        None => Part::truth(),
    }
}

fn readiness_gates(pod: &Pod, conditions: &[PodCondition]) -> Part {
    let mut messages = vec![];
    for gate in pod::spec(pod).readiness_gates.iter().flatten() {
        match conditions.iter().find(|condition| condition.type_ == gate.condition_type) {
            None => messages.push(format!(
                "corresponding condition of pod readiness gate {:?} does not exist.",
                gate.condition_type
            )),
            Some(condition) if condition.status != "True" => messages.push(format!(
                "the status of pod readiness gate {:?} is not \"True\", but {}",
                gate.condition_type, condition.status
            )),
            Some(_) => {}
        }
    }
    if messages.is_empty() { Part::truth() } else { Part::no("ReadinessGatesNotReady", Some(messages.join(", "))) }
}

fn initialized(pod: &Pod, init: &[ContainerStatus], main: &[ContainerStatus], phase: &str) -> Part {
    let (mut unknown, mut incomplete) = (vec![], vec![]);
    for container in pod::init_containers(pod) {
        match init.iter().find(|status| status.name == container.name) {
            None => unknown.push(container.name.as_str()),
            Some(status) => {
                let done = if pod::is_sidecar(container) { status.started == Some(true) } else { status.ready };
                if !done {
                    incomplete.push(container.name.as_str());
                }
            }
        }
    }
    if phase == "Succeeded" && unknown.is_empty() {
        return Part { reason: Some("PodCompleted"), ..Part::truth() };
    }
    let started = |status: &ContainerStatus| {
        let ran = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        ran(&status.state) || ran(&status.last_state)
    };
    if main.iter().any(started) {
        return Part::truth();
    }
    match listed(&unknown, "unknown", &incomplete, "incomplete") {
        Some(message) => Part::no("ContainersNotInitialized", Some(message)),
        None => Part::truth(),
    }
}

fn listed(first: &[&str], first_word: &str, second: &[&str], second_word: &str) -> Option<String> {
    let part = |names: &[&str], word: &str| {
        (!names.is_empty()).then(|| format!("containers with {word} status: [{}]", names.join(" ")))
    };
    let parts: Vec<String> = [part(first, first_word), part(second, second_word)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
