//! Pods and their templates.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, boolean, cells, containers, integer, is_deleted, is_true, labels, list, name, text, text_or};
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME};
use super::{Printer, age};

pub static POD: Printer = Printer {
    completed,
    reads: &[
        "metadata.creationTimestamp",
        "metadata.deletionTimestamp",
        "metadata.name",
        "spec.containers.name",
        "spec.initContainers.name",
        "spec.initContainers.restartPolicy",
        "spec.nodeName",
        "spec.readinessGates",
        "status.conditions",
        "status.containerStatuses.lastState",
        "status.containerStatuses.ready",
        "status.containerStatuses.restartCount",
        "status.containerStatuses.state",
        "status.initContainerStatuses",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIPs",
        "status.reason",
    ],
    ..Printer::new(
        &[
NAME,
Column::string("Ready", "The aggregate readiness state of this pod for accepting traffic."),
Column::string("Status", "The aggregate status of the containers in this pod."),
Column::string("Restarts", "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted."),
AGE,
Column::string("IP", "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.").wide(),
Column::string("Node", "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename").wide(),
Column::string("Nominated Node", "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.").wide(),
Column::string("Readiness Gates", "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates").wide(),
],
        pod,
    )
};

pub static POD_TEMPLATE: Printer = Printer::new(
    &[NAME, CONTAINERS, IMAGES, Column::string("Pod Labels", "The labels for the pod template.")],
    |object, _| {
        let [names, images] = containers(&object["template"]["spec"]);
        cells![name(object), names, images, labels(&object["template"]["metadata"]["labels"])]
    },
);

fn completed(pod: &Value) -> Option<(&'static str, &'static str)> {
    match text(&pod["status"]["phase"]) {
        "Succeeded" => Some(("Succeeded", "The pod has completed successfully.")),
        "Failed" => Some(("Failed", "The pod failed.")),
        _ => None,
    }
}

fn pod(pod: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let summary = Summary::of(pod);
    let restarts = match summary.restarts.last {
        Some(last) if summary.restarts.count != 0 => {
            format!("{} ({} ago)", summary.restarts.count, age::between(last, now))
        }
        _ => summary.restarts.count.to_string(),
    };
    cells![
        name(pod),
        format!("{}/{}", summary.ready, summary.total),
        summary.reason,
        restarts,
        age(pod, now),
        text_or(&status["podIPs"][0]["ip"], "<none>"),
        text_or(&spec["nodeName"], "<none>"),
        text_or(&status["nominatedNodeName"], "<none>"),
        readiness_gates(pod),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates.iter().filter(|gate| is_true(pod, text(&gate["conditionType"]))).count();
    format!("{open}/{}", gates.len())
}

/// How often containers restarted, and when one last terminated before that.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += integer(&container["restartCount"]);
        self.last = self.last.max(age::time(&container["lastState"]["terminated"]["finishedAt"]));
    }
}

/// What the states of a pod's containers come to.
struct Summary {
    total: usize,
    ready: usize,
    reason: String,
    restarts: Restarts,
}

impl Summary {
    fn of(pod: &Value) -> Summary {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let phase = text(&status["phase"]);
        let gated = list(&status["conditions"])
            .iter()
            .any(|condition| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated");
        let sidecars: HashMap<&str, bool> = list(&spec["initContainers"])
            .iter()
            .map(|container| (text(&container["name"]), container["restartPolicy"] == "Always"))
            .collect();
        let mut summary = Summary {
            total: list(&spec["containers"]).len()
                + list(&spec["initContainers"]).iter().filter(|one| one["restartPolicy"] == "Always").count(),
            ready: 0,
            reason: if gated { "SchedulingGated" } else { text_or(&status["reason"], phase) }.to_owned(),
            restarts: Restarts::default(),
        };
        let (initializing, of_sidecars) = summary.count_init_containers(pod, &sidecars);
        if !initializing || is_true(pod, "Initialized") {
            summary.restarts = of_sidecars;
            summary.count_containers(pod);
        }
        if is_deleted(pod) {
            if status["reason"] == "NodeLost" {
                "Unknown".clone_into(&mut summary.reason);
            } else if !matches!(phase, "Failed" | "Succeeded") {
                "Terminating".clone_into(&mut summary.reason);
            }
        }
        summary
    }

    /// Goes on to the first init container that is not done: whether there is one, and the restarts of sidecars.
    fn count_init_containers(&mut self, pod: &Value, sidecars: &HashMap<&str, bool>) -> (bool, Restarts) {
        let mut of_sidecars = Restarts::default();
        for (index, container) in list(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            self.restarts.add(container);
            let sidecar = sidecars.get(text(&container["name"])).copied().unwrap_or_default();
            if sidecar {
                of_sidecars.add(container);
            }
            let (terminated, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
            if terminated.is_object() && integer(&terminated["exitCode"]) == 0 {
                continue;
            }
            if sidecar && boolean(&container["started"]) {
                self.ready += usize::from(boolean(&container["ready"]));
                continue;
            }
            self.reason = match text(&waiting["reason"]) {
                _ if terminated.is_object() => format!("Init:{}", end_of(terminated)),
                "" | "PodInitializing" => format!("Init:{index}/{}", list(&pod["spec"]["initContainers"]).len()),
                reason => format!("Init:{reason}"),
            };
            return (true, of_sidecars);
        }
        (false, of_sidecars)
    }

    /// From the last container to the first, whose reason wins.
    fn count_containers(&mut self, pod: &Value) {
        let mut running = false;
        let mut error = None;
        for container in list(&pod["status"]["containerStatuses"]).iter().rev() {
            self.restarts.add(container);
            let state = &container["state"];
            let (terminated, waiting) = (&state["terminated"], text(&state["waiting"]["reason"]));
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if terminated.is_object() {
                self.reason = end_of(terminated);
                if integer(&terminated["exitCode"]) != 0 {
                    error = Some(self.reason.clone());
                }
            } else if boolean(&container["ready"]) && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        // A pod of which something still runs has not completed.
        if self.reason == "Completed" {
            let ready = list(&pod["status"]["conditions"])
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            if running && ready {
                "Running".clone_into(&mut self.reason);
            } else if let Some(error) = error {
                self.reason = error;
            } else if running {
                "NotReady".clone_into(&mut self.reason);
            }
        }
    }
}

/// Why a container terminated.
fn end_of(terminated: &Value) -> String {
    match (text(&terminated["reason"]), integer(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", integer(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
