//! What `kubectl get pods` shows of pods in all their states.

use serde_json::{Value, json};

use super::*;
use crate::printers::cells::testing::{now, shows};

/// READY, STATUS and RESTARTS.
#[track_caller]
fn summed(mut pod: Value, expected: [&str; 3]) {
    pod["metadata"]["name"] = json!("x");
    let cells = (POD.cells)(&pod, now());
    assert_eq!(cells[1..4], expected.map(Value::from));
}

fn running(restarts: i64) -> Value {
    json!({"ready": true, "restartCount": restarts, "state": {"running": {}}})
}

fn terminated(end: Value) -> Value {
    json!({"restartCount": 0, "state": {"terminated": end}})
}

fn waiting(reason: &str) -> Value {
    json!({"restartCount": 0, "state": {"waiting": {"reason": reason}}})
}

fn pod(phase: &str, statuses: &[Value]) -> Value {
    let containers: Vec<_> = (0..statuses.len().max(1)).map(|index| json!({"name": format!("c{index}")})).collect();
    json!({"spec": {"containers": containers}, "status": {"phase": phase, "containerStatuses": statuses}})
}

#[test]
fn a_wide_row() {
    let mut object = pod("Running", &[running(0)]);
    object["spec"]["nodeName"] = json!("n1");
    object["spec"]["readinessGates"] = json!([{"conditionType": "a"}, {"conditionType": "b"}]);
    object["status"]["podIPs"] = json!([{"ip": "10.1.0.2"}, {"ip": "fd00::2"}]);
    object["status"]["nominatedNodeName"] = json!("n2");
    object["status"]["conditions"] = json!([{"type": "a", "status": "True"}, {"type": "b", "status": "False"}]);
    shows(&POD, object, json!(["x", "1/1", "Running", "0", "60s", "10.1.0.2", "n1", "n2", "1/2"]));
    let none = "<none>";
    shows(&POD, pod("Pending", &[]), json!(["x", "0/1", "Pending", "0", "60s", none, none, none, none]));
}

#[test]
fn states_of_containers() {
    summed(pod("Running", &[running(0), waiting("CrashLoopBackOff")]), ["1/2", "CrashLoopBackOff", "0"]);
    summed(pod("Pending", &[waiting("ContainerCreating")]), ["0/1", "ContainerCreating", "0"]);
    summed(pod("Succeeded", &[terminated(json!({"exitCode": 0, "reason": "Completed"}))]), ["0/1", "Completed", "0"]);
    summed(pod("Failed", &[terminated(json!({"exitCode": 2}))]), ["0/1", "ExitCode:2", "0"]);
    summed(pod("Failed", &[terminated(json!({"exitCode": 137, "signal": 9}))]), ["0/1", "Signal:9", "0"]);
    summed(pod("Running", &[running(0), terminated(json!({"exitCode": 1, "reason": "Error"}))]), ["1/2", "Error", "0"]);
}

#[test]
fn a_completed_container_does_not_complete_the_pod() {
    let done = || terminated(json!({"exitCode": 0, "reason": "Completed"}));
    let mut object = pod("Running", &[done(), running(0)]);
    summed(object.clone(), ["1/2", "NotReady", "0"]);
    object["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    summed(object, ["1/2", "Running", "0"]);
    let failed = terminated(json!({"exitCode": 1, "reason": "OOMKilled"}));
    summed(pod("Failed", &[done(), failed]), ["0/2", "OOMKilled", "0"]);
}

#[test]
fn restarts_and_when_the_last_was() {
    let mut first = running(3);
    first["lastState"] = json!({"terminated": {"finishedAt": "2026-01-01T00:00:50Z"}});
    let mut second = running(4);
    second["lastState"] = json!({"terminated": {"finishedAt": "2026-01-01T00:00:20Z"}});
    summed(pod("Running", &[first, second]), ["2/2", "Running", "7 (10s ago)"]);
    summed(pod("Running", &[running(2)]), ["1/1", "Running", "2"]);
}

#[test]
fn reasons_of_the_pod() {
    let mut object = pod("Pending", &[]);
    object["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
    summed(object, ["0/1", "SchedulingGated", "0"]);
    let mut object = pod("Failed", &[]);
    object["status"]["reason"] = json!("Evicted");
    summed(object, ["0/1", "Evicted", "0"]);
}

#[test]
fn pods_being_deleted() {
    let deleted = |mut object: Value| {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object
    };
    summed(deleted(pod("Running", &[running(0)])), ["1/1", "Terminating", "0"]);
    let done = terminated(json!({"exitCode": 0, "reason": "Completed"}));
    summed(deleted(pod("Succeeded", &[done])), ["0/1", "Completed", "0"]);
    let mut lost = pod("Running", &[running(0)]);
    lost["status"]["reason"] = json!("NodeLost");
    summed(deleted(lost), ["1/1", "Unknown", "0"]);
}

#[test]
fn init_containers() {
    let with = |first: Value, second: Value| {
        let mut object = pod("Pending", &[waiting("PodInitializing")]);
        object["spec"]["initContainers"] = json!([{"name": "i0"}, {"name": "i1"}]);
        object["status"]["initContainerStatuses"] = json!([first, second]);
        object
    };
    let done = || terminated(json!({"exitCode": 0, "reason": "Completed"}));
    let mut run = running(2);
    run["lastState"] = json!({"terminated": {"finishedAt": "2026-01-01T00:00:20Z"}});
    summed(with(run, waiting("PodInitializing")), ["0/1", "Init:0/2", "2 (40s ago)"]);
    summed(with(done(), waiting("PodInitializing")), ["0/1", "Init:1/2", "0"]);
    summed(with(done(), waiting("ErrImagePull")), ["0/1", "Init:ErrImagePull", "0"]);
    summed(with(terminated(json!({"exitCode": 3})), done()), ["0/1", "Init:ExitCode:3", "0"]);
    summed(with(terminated(json!({"exitCode": 3, "signal": 6})), done()), ["0/1", "Init:Signal:6", "0"]);
    summed(with(terminated(json!({"exitCode": 1, "reason": "Error"})), done()), ["0/1", "Init:Error", "0"]);
    summed(with(done(), done()), ["0/1", "PodInitializing", "0"]);
    // An initialised pod whose init containers run again shows its containers.
    let mut again = with(waiting("CrashLoopBackOff"), done());
    again["status"]["conditions"] = json!([{"type": "Initialized", "status": "True"}]);
    summed(again, ["0/1", "PodInitializing", "0"]);
}

#[test]
fn sidecars_count_as_containers() {
    let mut object = pod("Running", &[running(1)]);
    object["spec"]["initContainers"] = json!([{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]);
    let mut sidecar = running(5);
    sidecar["name"] = json!("s");
    sidecar["started"] = json!(true);
    let mut init = terminated(json!({"exitCode": 0}));
    init["name"] = json!("i");
    init["restartCount"] = json!(7);
    object["status"]["initContainerStatuses"] = json!([sidecar, init]);
    summed(object, ["2/2", "Running", "6"]);
}

#[test]
fn finished_pods_have_a_condition() {
    let of = |phase: &str| (POD.completed)(&pod(phase, &[]));
    assert_eq!(of("Succeeded"), Some(("Succeeded", "The pod has completed successfully.")));
    assert_eq!(of("Failed"), Some(("Failed", "The pod failed.")));
    assert_eq!(of("Running"), None);
}

#[test]
fn pod_templates() {
    let template = json!({
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]},
    });
    shows(&POD_TEMPLATE, json!({"template": template}), json!(["x", "c,d", "i,j", "a=b"]));
}
