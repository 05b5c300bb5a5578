//! `/stats/summary`: usage of the node and of its pods as one document.

use std::{collections::BTreeMap, path::Path};

use controllers_component_base::serving::Body;
use http::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Server, metrics, routes};
use crate::{
    cri::{api, key},
    node::machine,
};

/// Answers with the summary (stats.k8s.io/v1alpha1's shape).
pub async fn summary(server: &Server) -> Response<Body> {
    let host = &server.host;
    let now = Timestamp::now().to_string();
    let mut pods: BTreeMap<(String, String, String), Vec<Value>> = BTreeMap::new();
    for stat in host.runtime.container_stats().await.unwrap_or_default() {
        let attributes = stat.attributes.clone().unwrap_or_default();
        let label = |key: &str| attributes.labels.get(key).cloned().unwrap_or_default();
        let pod = (label(key::POD_NAMESPACE), label(key::POD_NAME), label(key::POD_UID));
        pods.entry(pod).or_default().push(container(&label(key::CONTAINER_NAME), &stat));
    }
    let pods: Vec<Value> = pods
        .into_iter()
        .map(|((namespace, name, uid), containers)| pod(&namespace, &name, &uid, containers, &now))
        .collect();
    let total = machine::meminfo("MemTotal");
    let available = machine::meminfo("MemAvailable");
    routes::json(&json!({
        "node": {
            "nodeName": host.config.node_name,
            "startTime": host.started.to_string(),
            "cpu": { "time": now, "usageCoreNanoSeconds": (metrics::node_cpu_seconds() * 1e9) as u64 },
            "memory": { "time": now, "availableBytes": available, "usageBytes": total - machine::meminfo("MemFree"), "workingSetBytes": total - available },
            "fs": file_system(&host.config.root_dir, &now),
        },
        "pods": pods,
    }))
}

fn pod(namespace: &str, name: &str, uid: &str, containers: Vec<Value>, now: &str) -> Value {
    let sum = |part: &str, field: &str| -> u64 {
        containers.iter().filter_map(|container| container[part][field].as_u64()).sum()
    };
    json!({
        "podRef": { "name": name, "namespace": namespace, "uid": uid },
        "cpu": { "time": now, "usageNanoCores": sum("cpu", "usageNanoCores"), "usageCoreNanoSeconds": sum("cpu", "usageCoreNanoSeconds") },
        "memory": { "time": now, "usageBytes": sum("memory", "usageBytes"), "workingSetBytes": sum("memory", "workingSetBytes"), "rssBytes": sum("memory", "rssBytes") },
        "containers": containers,
    })
}

fn container(name: &str, stat: &api::ContainerStats) -> Value {
    let time = |nanoseconds: i64| {
        Timestamp::from_nanosecond(i128::from(nanoseconds)).map(|time| time.to_string()).unwrap_or_default()
    };
    let mut result = Map::new();
    result.insert("name".into(), name.into());
    if let Some(cpu) = &stat.cpu {
        let mut value = json!({ "time": time(cpu.timestamp) });
        set(&mut value, "usageNanoCores", cpu.usage_nano_cores);
        set(&mut value, "usageCoreNanoSeconds", cpu.usage_core_nano_seconds);
        result.insert("cpu".into(), value);
    }
    if let Some(memory) = &stat.memory {
        let mut value = json!({ "time": time(memory.timestamp) });
        set(&mut value, "usageBytes", memory.usage_bytes);
        set(&mut value, "workingSetBytes", memory.working_set_bytes);
        set(&mut value, "rssBytes", memory.rss_bytes);
        set(&mut value, "pageFaults", memory.page_faults);
        set(&mut value, "majorPageFaults", memory.major_page_faults);
        result.insert("memory".into(), value);
    }
    if let Some(layer) = &stat.writable_layer {
        let mut value = json!({ "time": time(layer.timestamp) });
        set(&mut value, "usedBytes", layer.used_bytes);
        set(&mut value, "inodesUsed", layer.inodes_used);
        result.insert("rootfs".into(), value);
    }
    Value::Object(result)
}

fn set(value: &mut Value, name: &str, number: Option<api::UInt64Value>) {
    if let Some(number) = number {
        value[name] = number.value.into();
    }
}

fn file_system(path: &Path, now: &str) -> Value {
    let Ok(fs) = rustix::fs::statvfs(path) else { return Value::Null };
    json!({
        "time": now,
        "capacityBytes": fs.f_blocks.saturating_mul(fs.f_frsize),
        "availableBytes": fs.f_bavail.saturating_mul(fs.f_frsize),
        "usedBytes": fs.f_blocks.saturating_sub(fs.f_bfree).saturating_mul(fs.f_frsize),
        "inodes": fs.f_files,
        "inodesFree": fs.f_ffree,
    })
}
