//! Workloads: the `apps` group and replication controllers.

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, containers, integer, labels, list, name, selector, selector_or_none, text};
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME};

pub static CONTROLLER_REVISION: Printer = Printer::new(
    &[
        NAME,
        Column::string("Controller", "Controller of the object"),
        Column::string("Revision", "Revision indicates the revision of the state represented by Data."),
        AGE,
    ],
    |object, now| cells![name(object), controller(object), integer(&object["revision"]), age(object, now)],
);

pub static DAEMON_SET: Printer = Printer::new(
    &[
NAME,
Column::integer("Desired", "The total number of nodes that should be running the daemon pod (including nodes correctly running the daemon pod). More info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/"),
Column::integer("Current", "The number of nodes that are running at least 1 daemon pod and are supposed to run the daemon pod. More info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/"),
Column::integer("Ready", "numberReady is the number of nodes that should be running the daemon pod and have one or more of the daemon pod running with a Ready Condition."),
Column::integer("Up-to-date", "The total number of nodes that are running updated daemon pod"),
Column::integer("Available", "The number of nodes that should be running the daemon pod and have one or more of the daemon pod running and available (ready for at least spec.minReadySeconds)"),
Column::string("Node Selector", "NodeSelector is a selector which must be true for the pod to fit on a node. Selector which must match a node's labels for the pod to be scheduled on that node. More info: https://kubernetes.io/docs/concepts/configuration/assign-pod-node/"),
AGE,
CONTAINERS.wide(),
IMAGES.wide(),
Column::string("Selector", "A label query over pods that are managed by the daemon set. Must match in order to be controlled. It must match the pod template's labels. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors").wide(),
],
    daemon_set,
);

pub static DEPLOYMENT: Printer = Printer::new(
    &[
NAME,
Column::string("Ready", "Number of the pod with ready state"),
Column::string("Up-to-date", "Total number of non-terminating pods targeted by this deployment that have the desired template spec."),
Column::string("Available", "Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this deployment."),
AGE,
CONTAINERS.wide(),
IMAGES.wide(),
Column::string("Selector", "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by this deployment. It must match the pod template's labels.").wide(),
],
    deployment,
);

pub static REPLICA_SET: Printer = Printer::new(
    &[
NAME,
Column::integer("Desired", "Replicas is the number of desired pods. This is a pointer to distinguish between explicit zero and unspecified. Defaults to 1. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset"),
Column::integer("Current", "Replicas is the most recently observed number of non-terminating pods. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset"),
Column::integer("Ready", "The number of non-terminating pods targeted by this ReplicaSet with a Ready Condition."),
AGE,
CONTAINERS.wide(),
IMAGES.wide(),
Column::string("Selector", "Selector is a label query over pods that should match the replica count. Label keys and values that must match in order to be controlled by this replica set. It must match the pod template's labels. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors").wide(),
],
    |object, now| replicas(object, selector_or_none(&object["spec"]["selector"]), now),
);

pub static REPLICATION_CONTROLLER: Printer = Printer::new(
    &[
NAME,
Column::integer("Desired", "Replicas is the number of desired replicas. This is a pointer to distinguish between explicit zero and unspecified. Defaults to 1. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller"),
Column::integer("Current", "Replicas is the most recently observed number of replicas. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller"),
Column::integer("Ready", "The number of ready replicas for this replication controller."),
AGE,
CONTAINERS.wide(),
IMAGES.wide(),
Column::string("Selector", "Selector is a label query over pods that should match the Replicas count. If Selector is empty, it is defaulted to the labels present on the Pod template. Label keys and values that must match in order to be controlled by this replication controller, if empty defaulted to labels on Pod template. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors").wide(),
],
    |object, now| replicas(object, labels(&object["spec"]["selector"]), now),
);

pub static STATEFUL_SET: Printer = Printer::new(
    &[NAME, Column::string("Ready", "Number of the pod with ready state"), AGE, CONTAINERS.wide(), IMAGES.wide()],
    |object, now| {
        let [names, images] = containers(&object["spec"]["template"]["spec"]);
        cells![name(object), ready_of_desired(object), age(object, now), names, images]
    },
);

fn ready_of_desired(object: &Value) -> String {
    format!("{}/{}", integer(&object["status"]["readyReplicas"]), integer(&object["spec"]["replicas"]))
}

/// The owner as `kind.group/name`.
fn controller(object: &Value) -> String {
    let owner = list(&object["metadata"]["ownerReferences"]).iter().find(|owner| owner["controller"] == true);
    let Some(owner) = owner else { return "<none>".to_owned() };
    let (kind, owner_name) = (text(&owner["kind"]), text(&owner["name"]));
    match text(&owner["apiVersion"]).split_once('/') {
        Some((group, _)) => format!("{}/{owner_name}", format!("{kind}.{group}").to_lowercase()),
        None => format!("{}/{owner_name}", kind.to_lowercase()),
    }
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"]["template"]["spec"], &object["status"]);
    let [names, images] = containers(spec);
    cells![
        name(object),
        integer(&status["desiredNumberScheduled"]),
        integer(&status["currentNumberScheduled"]),
        integer(&status["numberReady"]),
        integer(&status["updatedNumberScheduled"]),
        integer(&status["numberAvailable"]),
        labels(&spec["nodeSelector"]),
        age(object, now),
        names,
        images,
        selector_or_none(&object["spec"]["selector"]),
    ]
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = &object["status"];
    let [names, images] = containers(&object["spec"]["template"]["spec"]);
    cells![
        name(object),
        ready_of_desired(object),
        integer(&status["updatedReplicas"]),
        integer(&status["availableReplicas"]),
        age(object, now),
        names,
        images,
        selector(&object["spec"]["selector"]),
    ]
}

fn replicas(object: &Value, selector: String, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(&object["spec"]["template"]["spec"]);
    cells![
        name(object),
        integer(&object["spec"]["replicas"]),
        integer(&object["status"]["replicas"]),
        integer(&object["status"]["readyReplicas"]),
        age(object, now),
        names,
        images,
        selector,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    fn template() -> Value {
        json!({"spec": {
            "containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}],
            "nodeSelector": {"disk": "ssd"},
        }})
    }

    #[test]
    fn controller_revisions() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "Owner", "controller": true});
        let object = json!({"revision": 3, "metadata": {"ownerReferences": [owner]}});
        shows(&CONTROLLER_REVISION, object, json!(["x", "daemonset.apps/Owner", 3, "60s"]));
        let core = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "controller": true});
        let object = json!({"revision": 1, "metadata": {"ownerReferences": [core]}});
        shows(&CONTROLLER_REVISION, object, json!(["x", "pod/p", 1, "60s"]));
        shows(&CONTROLLER_REVISION, json!({}), json!(["x", "<none>", 0, "60s"]));
    }

    #[test]
    fn daemon_sets() {
        let object = json!({
            "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template()},
            "status": {
                "desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3,
                "updatedNumberScheduled": 2, "numberAvailable": 1,
            },
        });
        shows(&DAEMON_SET, object, json!(["x", 5, 4, 3, 2, 1, "disk=ssd", "60s", "a,b", "i:1,j:2", "app=x"]));
    }

    #[test]
    fn deployments() {
        let object = json!({
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template()},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1},
        });
        shows(&DEPLOYMENT, object, json!(["x", "2/3", 3, 1, "60s", "a,b", "i:1,j:2", "app=x"]));
    }

    #[test]
    fn replica_sets_and_replication_controllers() {
        let status = json!({"replicas": 2, "readyReplicas": 1});
        let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template()});
        let cells = json!(["x", 3, 2, 1, "60s", "a,b", "i:1,j:2", "app=x"]);
        shows(&REPLICA_SET, json!({"spec": spec, "status": status}), cells.clone());
        let spec = json!({"replicas": 3, "selector": {"app": "x"}, "template": template()});
        shows(&REPLICATION_CONTROLLER, json!({"spec": spec, "status": status}), cells);
    }

    #[test]
    fn stateful_sets() {
        let object = json!({"spec": {"replicas": 3, "template": template()}, "status": {"readyReplicas": 2}});
        shows(&STATEFUL_SET, object, json!(["x", "2/3", "60s", "a,b", "i:1,j:2"]));
    }
}
