//! Statuses of pods in every part of their life.

use super::*;
use crate::{cri::SandboxRecord, pod::testing::pod as pod_of};

fn runtime(containers: Vec<ContainerRecord>) -> PodRuntime {
    PodRuntime {
        sandboxes: vec![SandboxRecord {
            id: "s".into(),
            ready: true,
            ips: vec!["10.1.0.5".into()],
            ..Default::default()
        }],
        containers,
    }
}

fn record(name: &str, phase: ContainerPhase, exit_code: i32) -> ContainerRecord {
    ContainerRecord {
        id: format!("{name}id"),
        name: name.into(),
        phase,
        exit_code,
        started_at: Some(now()),
        finished_at: Some(now()),
        ..Default::default()
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

struct Case {
    pod: Pod,
    old: PodStatus,
    terminal: bool,
    waiting: WaitingReasons,
    probes: ProbeResults,
}

impl Case {
    fn new(spec: &str) -> Self {
        Self {
            pod: pod_of(spec),
            old: PodStatus::default(),
            terminal: false,
            waiting: HashMap::new(),
            probes: ProbeResults::default(),
        }
    }

    fn generate(&self, observed: &PodRuntime) -> PodStatus {
        generate(&Input {
            pod: &self.pod,
            observed,
            old: &self.old,
            terminal: self.terminal,
            waiting: &self.waiting,
            probes: &self.probes,
            host_ips: &["192.168.0.1".to_string()],
            runtime_name: "containerd",
            agent_started: now(),
            failed: None,
            resize: &[],
            allocation: &Allocation::of(&self.pod),
            now: now(),
        })
    }
}

fn condition(status: &PodStatus, kind: &str) -> (String, String, String) {
    let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == kind).unwrap();
    (
        condition.status.clone(),
        condition.reason.clone().unwrap_or_default(),
        condition.message.clone().unwrap_or_default(),
    )
}

fn state(status: &PodStatus) -> String {
    let state = status.container_statuses.as_ref().unwrap()[0].state.clone().unwrap();
    match (state.waiting, state.running, state.terminated) {
        (Some(waiting), ..) => format!("waiting {}", waiting.reason.unwrap_or_default()),
        (_, Some(_), _) => "running".into(),
        (.., Some(terminated)) => format!("terminated {}", terminated.exit_code),
        _ => "none".into(),
    }
}

#[test]
fn new_pod_is_pending() {
    let status = Case::new("containers: [{name: a, image: x}]").generate(&PodRuntime::default());
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    assert_eq!(state(&status), "waiting ContainerCreating");
    assert_eq!(condition(&status, "PodReadyToStartContainers").0, "False");
    assert_eq!(
        condition(&status, "Ready"),
        ("False".into(), "ContainersNotReady".into(), "containers with unready status: [a]".into())
    );
    assert_eq!(condition(&status, "Initialized").0, "True");
    assert_eq!(status.host_ip.as_deref(), Some("192.168.0.1"));
    assert_eq!(status.pod_ip, None);
}

#[test]
fn running_and_ready() {
    let status = Case::new("containers: [{name: a}]").generate(&runtime(vec![record("a", ContainerPhase::Running, 0)]));
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(condition(&status, "Ready").0, "True");
    assert_eq!(status.pod_ip.as_deref(), Some("10.1.0.5"));
    let container = &status.container_statuses.unwrap()[0];
    assert_eq!((container.ready, container.started), (true, Some(true)));
    assert_eq!(container.container_id.as_deref(), Some("containerd://aid"));
}

#[test]
fn readiness_probe_decides() {
    let mut case = Case::new("containers: [{name: a, readinessProbe: {exec: {command: [x]}}}]");
    let observed = runtime(vec![record("a", ContainerPhase::Running, 0)]);
    assert_eq!(condition(&case.generate(&observed), "Ready").0, "False");
    case.probes.readiness.insert("aid".into(), Outcome::Success);
    assert_eq!(condition(&case.generate(&observed), "Ready").0, "True");
}

#[test]
fn readiness_survives_an_agents_restart() {
    let mut case = Case::new("containers: [{name: a, readinessProbe: {exec: {command: [x]}}}]");
    let mut before = record("a", ContainerPhase::Running, 0);
    before.started_at = Some(now() - std::time::Duration::from_secs(100));
    let observed = runtime(vec![before]);
    case.probes.readiness.insert("aid".into(), Outcome::Success);
    case.old = case.generate(&observed);
    case.probes = ProbeResults::default();
    assert_eq!(condition(&case.generate(&observed), "Ready").0, "True");
    case.probes.readiness.insert("aid".into(), Outcome::Failure);
    assert_eq!(condition(&case.generate(&observed), "Ready").0, "False");
}

#[test]
fn readiness_gates() {
    let case = Case::new("{readinessGates: [{conditionType: x.io/y}], containers: [{name: a}]}");
    let status = case.generate(&runtime(vec![record("a", ContainerPhase::Running, 0)]));
    assert_eq!(condition(&status, "ContainersReady").0, "True");
    assert_eq!(
        condition(&status, "Ready"),
        (
            "False".into(),
            "ReadinessGatesNotReady".into(),
            "corresponding condition of pod readiness gate \"x.io/y\" does not exist.".into()
        )
    );
}

#[test]
fn crash_loop() {
    let mut case = Case::new("containers: [{name: a}]");
    case.waiting.insert("a".into(), Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() });
    let status = case.generate(&runtime(vec![record("a", ContainerPhase::Exited, 3)]));
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(state(&status), "waiting CrashLoopBackOff");
    let last = status.container_statuses.unwrap()[0].last_state.clone().unwrap().terminated.unwrap();
    assert_eq!(last.exit_code, 3);
}

#[test]
fn completed() {
    let case = Case::new("{restartPolicy: Never, containers: [{name: a}]}");
    let status = case.generate(&runtime(vec![record("a", ContainerPhase::Exited, 0)]));
    assert_eq!(status.phase.as_deref(), Some("Succeeded"));
    assert_eq!(condition(&status, "Ready").1, "PodCompleted");
    let status = case.generate(&runtime(vec![record("a", ContainerPhase::Exited, 1)]));
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(condition(&status, "Ready").1, "PodFailed");
}

#[test]
fn terminal_phase_stays() {
    let mut case = Case::new("{restartPolicy: Never, containers: [{name: a}]}");
    case.old = case.generate(&runtime(vec![record("a", ContainerPhase::Exited, 0)]));
    case.pod.status = Some(case.old.clone());
    let status = case.generate(&PodRuntime::default());
    assert_eq!(status.phase.as_deref(), Some("Succeeded"));
    assert_eq!(state(&status), "terminated 0", "known from the last status where the runtime's record is gone");
}

#[test]
fn lost_container_is_not_pending() {
    let mut case = Case::new("containers: [{name: a}]");
    case.old = case.generate(&runtime(vec![record("a", ContainerPhase::Running, 0)]));
    let status = case.generate(&PodRuntime::default());
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.container_statuses.unwrap()[0].restart_count, 1);
}

#[test]
fn init_containers() {
    let case = Case::new("{initContainers: [{name: i}], containers: [{name: a}]}");
    let status = case.generate(&runtime(vec![record("i", ContainerPhase::Running, 0)]));
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    assert_eq!(state(&status), "waiting PodInitializing");
    assert_eq!(
        condition(&status, "Initialized"),
        ("False".into(), "ContainersNotInitialized".into(), "containers with incomplete status: [i]".into())
    );
    let status =
        case.generate(&runtime(vec![record("a", ContainerPhase::Running, 0), record("i", ContainerPhase::Exited, 0)]));
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert!(status.init_container_statuses.unwrap()[0].ready);
}

#[test]
fn host_network_has_the_nodes_address() {
    let mut observed = runtime(vec![record("a", ContainerPhase::Running, 0)]);
    observed.sandboxes[0].ips.clear();
    observed.sandboxes[0].host_network = true;
    let status = Case::new("{hostNetwork: true, containers: [{name: a}]}").generate(&observed);
    assert_eq!(status.pod_ip.as_deref(), Some("192.168.0.1"));
    assert_eq!(condition(&status, "PodReadyToStartContainers").0, "True");
}

#[test]
fn transition_times_move_only_with_the_status() {
    let mut case = Case::new("containers: [{name: a}]");
    case.old = case.generate(&PodRuntime::default());
    for condition in case.old.conditions.iter_mut().flatten() {
        condition.last_transition_time = Some(Time(Timestamp::UNIX_EPOCH));
    }
    let status = case.generate(&runtime(vec![record("a", ContainerPhase::Running, 0)]));
    let time = |kind: &str| {
        status.conditions.iter().flatten().find(|c| c.type_ == kind).unwrap().last_transition_time.clone().unwrap().0
    };
    assert_eq!(time("PodScheduled"), Timestamp::UNIX_EPOCH);
    assert_eq!(time("Ready"), now());
}
