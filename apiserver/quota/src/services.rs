//! Services: counted, with their node ports and load balancers.

use serde_json::Value;

use crate::resources::{Resources, count};

pub fn matches(name: &str) -> bool {
    matches!(name, "count/services" | "services" | "services.nodeports" | "services.loadbalancers")
}

pub fn usage(service: &Value) -> Resources {
    let spec = &service["spec"];
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all = ports.len() as i64;
    let (node_ports, load_balancers) = match spec["type"].as_str() {
        Some("NodePort") => (all, 0),
        Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] == Value::Bool(false) => {
            (ports.iter().filter(|port| port["nodePort"].as_i64().unwrap_or_default() != 0).count() as i64, 1)
        }
        Some("LoadBalancer") => (all, 1),
        _ => (0, 0),
    };
    [
        ("count/services", 1),
        ("services", 1),
        ("services.loadbalancers", load_balancers),
        ("services.nodeports", node_ports),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), count(value)))
    .collect()
}
