//! The objects of the loads.

use serde_json::{Value, json};

pub const NAMESPACE: &str = "bench";
pub const PODS: &str = "/api/v1/namespaces/bench/pods";
pub const CONFIG_MAPS: &str = "/api/v1/namespaces/bench/configmaps";

/// How much of everything there is.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// ConfigMaps, and as many Pods.
    pub objects: usize,
    pub watchers: usize,
    /// Over how many connections the watchers are spread.
    pub watch_connections: usize,
    pub crds: usize,
    /// Seconds for each round of a load that is not counted in objects.
    pub seconds: f64,
    /// Requests under way at a time.
    pub in_flight: usize,
}

impl Sizes {
    /// How many objects share a label value, and a node: a hundred values each.
    pub fn groups(&self) -> usize {
        (self.objects / 100).max(1)
    }
}

pub fn config_map_name(number: usize) -> String {
    format!("settings-{number:05}")
}

pub fn pod_name(number: usize) -> String {
    format!("web-7d4b9c6f5-{number:05}")
}

pub fn group_name(number: usize, sizes: &Sizes) -> String {
    format!("g{:04}", number % sizes.groups())
}

pub fn node_name(number: usize, sizes: &Sizes) -> String {
    format!("node-{:04}", number % sizes.groups())
}

/// A ConfigMap of about 1 kB.
pub fn config_map(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": config_map_name(number), "labels": {"app": "web", "number": number.to_string()}},
        "data": {"settings.yaml": "listen: 8080\nlog: info\n".repeat(20), "number": number.to_string()},
    })
}

/// A Pod that is stored in 5 to 6 kB of JSON, as a Deployment of a common chart makes them.
pub fn pod(number: usize, sizes: &Sizes) -> Value {
    let container = |name: &str, port: u16| {
        let variables: Vec<Value> = (0..6)
            .map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("value-{n}-of-{name}")}))
            .chain([json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})])
            .collect();
        json!({
            "name": name, "image": format!("registry.example.com/team/{name}:v1.2.3"),
            "args": ["--listen=:8080", "--log-level=info"],
            "ports": [{"name": "http", "containerPort": port}],
            "env": variables,
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
            "securityContext": {"runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}, {"name": "scratch", "mountPath": "/tmp"}],
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod_name(number),
            "labels": {"app": "web", "group": group_name(number, sizes), "pod-template-hash": "7d4b9c6f5", "tier": "frontend"},
            "annotations": {
                "prometheus.io/scrape": "true", "prometheus.io/port": "8080",
                "checksum/config": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9c6f5",
                "uid": "3a0a9c2e-2f6f-4c9e-8f43-0e7b6f0b3c55", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "nodeName": node_name(number, sizes),
            "serviceAccountName": "default",
            "containers": [container("web", 8080), container("proxy", 9090)],
            "volumes": [{"name": "settings", "configMap": {"name": "settings-00000"}}, {"name": "scratch", "emptyDir": {}}],
            "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "web", "effect": "NoSchedule"}],
        },
    })
}
