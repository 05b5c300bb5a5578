//! Tables of plans: what a pod's spec and the runtime's records lead to.

use super::*;
use crate::{cri::SandboxRecord, pod::testing::pod as pod_of};

fn sandbox(ready: bool) -> SandboxRecord {
    SandboxRecord { id: "s0".into(), ready, ips: vec!["10.0.0.2".into()], ..Default::default() }
}

fn record(name: &str, phase: ContainerPhase, exit_code: i32) -> ContainerRecord {
    ContainerRecord {
        id: format!("{name}-0"),
        name: name.into(),
        phase,
        exit_code,
        hash: "h".into(),
        ..Default::default()
    }
}

fn running(name: &str) -> ContainerRecord {
    record(name, ContainerPhase::Running, 0)
}

fn exited(name: &str, code: i32) -> ContainerRecord {
    record(name, ContainerPhase::Exited, code)
}

fn with(containers: Vec<ContainerRecord>) -> PodRuntime {
    PodRuntime { sandboxes: vec![sandbox(true)], containers }
}

fn compute(pod: &Pod, observed: &PodRuntime) -> Plan {
    plan(pod, observed, &ProbeResults::default(), |_| "h".into(), |_| Change::None)
}

const TWO: &str = "{restartPolicy: POLICY, containers: [{name: a}, {name: b}]}";
const INIT: &str = "{restartPolicy: POLICY, initContainers: [{name: i0}, {name: i1}], containers: [{name: a}]}";
const SIDECAR: &str = "{restartPolicy: POLICY, initContainers: [{name: i0}, {name: s, restartPolicy: Always}, {name: i1}], containers: [{name: a}]}";

fn policy(spec: &str, policy: &str) -> Pod {
    pod_of(&spec.replace("POLICY", policy))
}

#[test]
fn new_pod() {
    let plan = compute(&policy(TWO, "Always"), &PodRuntime::default());
    assert!(plan.create_sandbox && plan.kill_pod && plan.attempt == 0 && plan.sandbox_id.is_none());
    assert_eq!(plan.start, [0, 1]);
    let plan = compute(&policy(INIT, "Always"), &PodRuntime::default());
    assert_eq!((plan.start_init.as_slice(), plan.start.as_slice()), (&[0][..], &[][..]));
}

#[test]
fn steady() {
    let plan = compute(&policy(TWO, "Always"), &with(vec![running("a"), running("b")]));
    assert_eq!(plan, Plan { sandbox_id: Some("s0".into()), ..Plan::default() });
}

#[test]
fn dead_sandbox() {
    let observed = PodRuntime { sandboxes: vec![sandbox(false)], containers: vec![exited("a", 0), exited("b", 1)] };
    let plan = compute(&policy(TWO, "Always"), &observed);
    assert!(plan.create_sandbox && plan.attempt == 1);
    assert_eq!(plan.start, [0, 1]);
    let plan = compute(&policy(TWO, "OnFailure"), &observed);
    assert_eq!(plan.start, [1], "what succeeded is not run again");
    let plan = compute(&policy(TWO, "Never"), &observed);
    assert!(plan.kill_pod && !plan.create_sandbox);
    let done = PodRuntime { containers: vec![exited("a", 0), exited("b", 0)], ..observed };
    let plan = compute(&policy(TWO, "OnFailure"), &done);
    assert!(plan.kill_pod && !plan.create_sandbox);
}

#[test]
fn restart_policies() {
    let observed = with(vec![exited("a", 0), exited("b", 1)]);
    assert_eq!(compute(&policy(TWO, "Always"), &observed).start, [0, 1]);
    assert_eq!(compute(&policy(TWO, "OnFailure"), &observed).start, [1]);
    let plan = compute(&policy(TWO, "Never"), &observed);
    assert!(plan.kill_pod && plan.start.is_empty());
}

#[test]
fn deleted_pods_start_nothing() {
    let mut pod = policy(TWO, "Always");
    pod.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
    assert!(compute(&pod, &with(vec![exited("a", 0), running("b")])).start.is_empty());
}

#[test]
fn probes_kill() {
    let pod = policy(TWO, "Always");
    let observed = with(vec![running("a"), running("b")]);
    let mut probes = ProbeResults::default();
    probes.liveness.insert("a-0".into(), Outcome::Failure);
    let result = plan(&pod, &observed, &probes, |_| "h".into(), |_| Change::None);
    assert_eq!(result.start, [0]);
    assert_eq!(result.kill[0].message, "Container a failed liveness probe, will be restarted");
    let result = plan(&policy(TWO, "Never"), &observed, &probes, |_| "h".into(), |_| Change::None);
    assert_eq!((result.start.len(), result.kill[0].message.as_str()), (0, "Container a failed liveness probe"));
}

#[test]
fn changed_spec_restarts() {
    let observed = with(vec![running("a"), running("b")]);
    let changed = |container: &Container| if container.name == "b" { "h2".to_string() } else { "h".to_string() };
    let result = plan(&policy(TWO, "Never"), &observed, &ProbeResults::default(), changed, |_| Change::None);
    assert_eq!(result.start, [1]);
    assert_eq!(result.kill[0].message, "Container b definition changed, will be restarted");
}

#[test]
fn resizes() {
    let observed = with(vec![running("a"), running("b")]);
    let change = |container: &Container| if container.name == "b" { Change::Restart } else { Change::InPlace };
    let result = plan(&policy(TWO, "Never"), &observed, &ProbeResults::default(), |_| "h".into(), change);
    assert_eq!(result.resize, [Update { id: "a-0".into(), name: "a".into() }]);
    assert_eq!((result.start.as_slice(), result.kill.len()), ([1].as_slice(), 1), "whatever the restart policy");
    assert_eq!(result.kill[0].message, "Container b resize requires restart");
    let observed = with(vec![running("s"), exited("i0", 0)]);
    let result =
        plan(&policy(SIDECAR, "Always"), &observed, &ProbeResults::default(), |_| "h".into(), |_| Change::InPlace);
    assert_eq!(result.resize, [Update { id: "s-0".into(), name: "s".into() }]);
}

#[test]
fn init_order() {
    let pod = policy(INIT, "Always");
    assert_eq!(compute(&pod, &with(vec![])).start_init, [0]);
    assert!(compute(&pod, &with(vec![running("i0")])).start_init.is_empty());
    assert_eq!(compute(&pod, &with(vec![exited("i0", 0)])).start_init, [1]);
    assert_eq!(compute(&pod, &with(vec![exited("i0", 1)])).start_init, [0]);
    let plan = compute(&pod, &with(vec![exited("i1", 0)]));
    assert_eq!((plan.start_init.len(), plan.start.as_slice()), (0, &[0][..]), "i0's record may be gone");
    assert!(compute(&policy(INIT, "Never"), &with(vec![exited("i0", 1)])).kill_pod);
    let plan = compute(&pod, &with(vec![running("a")]));
    assert!(plan.start_init.is_empty() && plan.start.is_empty(), "a running main container proves initialisation");
}

#[test]
fn sidecars() {
    let pod = policy(SIDECAR, "Always");
    assert_eq!(compute(&pod, &with(vec![exited("i0", 0)])).start_init, [1]);
    assert_eq!(compute(&pod, &with(vec![exited("i0", 0), running("s")])).start_init, [2]);
    let plan = compute(&pod, &with(vec![exited("i0", 0), running("s"), exited("i1", 0)]));
    assert_eq!((plan.start_init.len(), plan.start.as_slice()), (0, &[0][..]));
    let plan = compute(&pod, &with(vec![exited("i0", 0), exited("s", 3), exited("i1", 0), running("a")]));
    assert_eq!((plan.start_init.as_slice(), plan.start.len()), (&[1][..], 0), "a sidecar restarts beside its pod");
    let done =
        compute(&policy(SIDECAR, "Never"), &with(vec![exited("i0", 0), running("s"), exited("i1", 0), exited("a", 0)]));
    assert!(done.kill_pod && done.start_init.is_empty());
}

#[test]
fn sidecar_waits_for_startup_probe() {
    let pod = pod_of(
        "{initContainers: [{name: s, restartPolicy: Always, startupProbe: {exec: {command: [x]}}}], containers: [{name: a}]}",
    );
    let observed = with(vec![running("s")]);
    assert!(compute(&pod, &observed).start.is_empty());
    let mut probes = ProbeResults::default();
    probes.startup.insert("s-0".into(), Outcome::Success);
    assert_eq!(plan(&pod, &observed, &probes, |_| "h".into(), |_| Change::None).start, [0]);
}
