//! Pods and nodes for tests, built from what the API server would send.

use serde_json::{Value, json};

use crate::{node::NodeFacts, pod::PodInfo};

/// A pod that asks for nothing, in the namespace default.
pub struct PodBuilder(Value);

pub fn pod(name: &str) -> PodBuilder {
    PodBuilder(json!({
        "metadata": {"namespace": "default", "name": name, "uid": name, "labels": {}},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {}}}], "tolerations": []},
    }))
}

impl PodBuilder {
    pub fn cpu(self, amount: &str) -> Self {
        self.request("cpu", amount)
    }

    pub fn request(mut self, resource: &str, amount: &str) -> Self {
        self.0["spec"]["containers"][0]["resources"]["requests"][resource] = json!(amount);
        self
    }

    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][key] = json!(value);
        self
    }

    pub fn priority(self, priority: i32) -> Self {
        self.spec("priority", json!(priority))
    }

    pub fn on(self, node: &str) -> Self {
        self.spec("nodeName", json!(node))
    }

    pub fn tolerate(self, key: &str) -> Self {
        self.spec("tolerations", json!([{"key": key, "operator": "Exists"}]))
    }

    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.0["spec"][field] = value;
        self
    }

    pub fn uid(mut self, uid: &str) -> Self {
        self.0["metadata"]["uid"] = json!(uid);
        self
    }

    pub fn terminating(mut self) -> Self {
        self.0["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        self
    }

    pub fn info(self) -> PodInfo {
        PodInfo::parse(&serde_json::from_value(self.0).unwrap())
    }
}

/// A node with four cores, 8 GiB and room for 110 pods.
pub struct NodeBuilder(Value);

pub fn node(name: &str) -> NodeBuilder {
    NodeBuilder(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    }))
}

impl NodeBuilder {
    pub fn cpu(mut self, amount: &str) -> Self {
        self.0["status"]["allocatable"]["cpu"] = json!(amount);
        self
    }

    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][key] = json!(value);
        self
    }

    pub fn taint(mut self, key: &str, effect: &str) -> Self {
        self.0["spec"]["taints"] = json!([{"key": key, "effect": effect}]);
        self
    }

    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.0["spec"][field] = value;
        self
    }

    pub fn image(mut self, name: &str, bytes: i64) -> Self {
        self.0["status"]["images"] = json!([{"names": [name], "sizeBytes": bytes}]);
        self
    }

    pub fn facts(self) -> NodeFacts {
        NodeFacts::parse(&serde_json::from_value(self.0).unwrap())
    }
}
