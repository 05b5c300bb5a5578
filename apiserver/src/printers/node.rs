//! Nodes and runtime classes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, boolean, cells, list, name, text, text_or};
use super::column::{AGE, Column, NAME};

pub static NODE: Printer = Printer::new(
    &[
NAME,
Column::string("Status", "The status of the node"),
Column::string("Roles", "The roles of the node"),
AGE,
Column::string("Version", "Kubelet Version reported by the node."),
Column::string("Internal-IP", "List of addresses reachable to the node. Queried from cloud provider, if available. More info: https://kubernetes.io/docs/reference/node/node-status/#addresses Note: This field is declared as mergeable, but the merge key is not sufficiently unique, which can cause data corruption when it is merged. Callers should instead use a full-replacement patch. See https://pr.k8s.io/79391 for an example. Consumers should assume that addresses can change during the lifetime of a Node. However, there are some exceptions where this may not be possible, such as Pods that inherit a Node's address in its own status or consumers of the downward API (status.hostIP).").wide(),
Column::string("External-IP", "List of addresses reachable to the node. Queried from cloud provider, if available. More info: https://kubernetes.io/docs/reference/node/node-status/#addresses Note: This field is declared as mergeable, but the merge key is not sufficiently unique, which can cause data corruption when it is merged. Callers should instead use a full-replacement patch. See https://pr.k8s.io/79391 for an example. Consumers should assume that addresses can change during the lifetime of a Node. However, there are some exceptions where this may not be possible, such as Pods that inherit a Node's address in its own status or consumers of the downward API (status.hostIP).").wide(),
Column::string("OS-Image", "OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).").wide(),
Column::string("Kernel-Version", "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).").wide(),
Column::string("Container-Runtime", "ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).").wide(),
],
    node,
);

pub static RUNTIME_CLASS: Printer = Printer::new(&[NAME, Column::string("Handler", ""), AGE], |object, now| {
    cells![name(object), text(&object["handler"]), age(object, now)]
});

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let info = &object["status"]["nodeInfo"];
    let kernel = text_or(&info["kernelVersion"], "<unknown>");
    cells![
        name(object),
        status(object),
        roles(object),
        age(object, now),
        text(&info["kubeletVersion"]),
        address(object, "InternalIP"),
        address(object, "ExternalIP"),
        text_or(&info["osImage"], "<unknown>"),
        match text(&info["architecture"]) {
            "" => kernel.to_owned(),
            architecture => format!("{kernel} ({architecture})"),
        },
        text_or(&info["containerRuntimeVersion"], "<unknown>"),
    ]
}

fn status(node: &Value) -> String {
    let ready = list(&node["status"]["conditions"]).iter().rfind(|condition| condition["type"] == "Ready");
    let ready = match ready {
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let disabled = if boolean(&node["spec"]["unschedulable"]) { ",SchedulingDisabled" } else { "" };
    format!("{ready}{disabled}")
}

/// The roles that labels give, sorted.
fn roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: BTreeSet<_> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let address = list(&node["status"]["addresses"]).iter().find(|address| address["type"] == kind);
    address.map_or("<none>", |address| text(&address["address"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn nodes() {
        let object = json!({
            "metadata": {"labels": {
                "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/": "", "kubernetes.io/role": "control-plane",
            }},
            "spec": {"unschedulable": true},
            "status": {
                "conditions": [{"type": "Ready", "status": "Unknown"}],
                "addresses": [{"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {
                    "kubeletVersion": "v1.36.2", "osImage": "Linux", "kernelVersion": "6.1", "architecture": "amd64",
                    "containerRuntimeVersion": "containerd://2.0",
                },
            },
        });
        let cells = json!([
            "x",
            "NotReady,SchedulingDisabled",
            "control-plane,worker",
            "60s",
            "v1.36.2",
            "10.0.0.1",
            "<none>",
            "Linux",
            "6.1 (amd64)",
            "containerd://2.0"
        ]);
        shows(&NODE, object, cells);
        let unknown = "<unknown>";
        let bare = json!(["x", "Unknown", "<none>", "60s", "", "<none>", "<none>", unknown, unknown, unknown]);
        shows(&NODE, json!({}), bare);
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(status(&ready), "Ready");
    }

    #[test]
    fn runtime_classes() {
        shows(&RUNTIME_CLASS, json!({"handler": "runc"}), json!(["x", "runc", "60s"]));
    }
}
