//! `/metrics`, `/metrics/cadvisor` and `/metrics/resource` in Prometheus' text format.

use std::fmt::Write;

use controllers_component_base::serving::{Body, text};
use http::{Response, StatusCode};

use super::Server;
use crate::{
    cri::{api, key},
    node::machine,
};

/// The agent's own metrics.
pub async fn own(server: &Server) -> Response<Body> {
    let mut out = String::new();
    let pods = server.pods.list();
    let containers = server.host.runtime.list_containers().await.unwrap_or_default();
    let running =
        containers.iter().filter(|container| container.state() == api::ContainerState::ContainerRunning).count();
    family(&mut out, "kubelet_node_name", "gauge", "The node's name. The count is always 1.");
    let _ = writeln!(out, "kubelet_node_name{{node={:?}}} 1", server.host.config.node_name);
    family(&mut out, "kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox");
    let _ = writeln!(out, "kubelet_running_pods {}", pods.len());
    family(&mut out, "kubelet_running_containers", "gauge", "Number of containers currently running");
    let _ = writeln!(out, "kubelet_running_containers{{container_state=\"running\"}} {running}");
    let usage = procfs::process::Process::myself().and_then(|process| process.stat());
    if let Ok(stat) = usage {
        family(&mut out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
        let _ = writeln!(out, "process_resident_memory_bytes {}", stat.rss * procfs::page_size());
        family(&mut out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        let ticks = procfs::ticks_per_second().max(1);
        let _ = writeln!(out, "process_cpu_seconds_total {}", (stat.utime + stat.stime) as f64 / ticks as f64);
    }
    plain(out)
}

/// Usage per container, by cAdvisor's names.
pub async fn cadvisor(server: &Server) -> Response<Body> {
    let stats = server.host.runtime.container_stats().await.unwrap_or_default();
    let mut out = String::new();
    family(&mut out, "container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.");
    for stat in &stats {
        if let Some((seconds, time)) = cpu(stat) {
            let _ =
                writeln!(out, "container_cpu_usage_seconds_total{{{},cpu=\"total\"}} {seconds} {time}", labels(stat));
        }
    }
    for (name, help, value) in [
        (
            "container_memory_working_set_bytes",
            "Current working set in bytes.",
            working_set as fn(&api::ContainerStats) -> Option<u64>,
        ),
        ("container_memory_usage_bytes", "Current memory usage in bytes.", memory_usage),
        ("container_memory_rss", "Size of RSS in bytes.", rss),
        ("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.", disk),
    ] {
        family(&mut out, name, "gauge", help);
        for stat in &stats {
            if let Some(value) = value(stat) {
                let _ = writeln!(out, "{name}{{{}}} {value}", labels(stat));
            }
        }
    }
    plain(out)
}

/// Usage per node, pod and container, as the metrics-server reads it.
pub async fn resource(server: &Server) -> Response<Body> {
    let stats = server.host.runtime.container_stats().await;
    let failed = u8::from(stats.is_err());
    let stats = stats.unwrap_or_default();
    let mut out = String::new();
    let now = jiff::Timestamp::now().as_millisecond();
    family(
        &mut out,
        "container_cpu_usage_seconds_total",
        "counter",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    );
    for stat in &stats {
        if let Some((seconds, time)) = cpu(stat) {
            let _ = writeln!(out, "container_cpu_usage_seconds_total{{{}}} {seconds} {time}", labels(stat));
        }
    }
    family(
        &mut out,
        "container_memory_working_set_bytes",
        "gauge",
        "[STABLE] Current working set of the container in bytes",
    );
    for stat in &stats {
        if let Some(bytes) = working_set(stat) {
            let _ = writeln!(out, "container_memory_working_set_bytes{{{}}} {bytes} {now}", labels(stat));
        }
    }
    family(
        &mut out,
        "container_start_time_seconds",
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
    );
    for container in server.host.runtime.list_containers().await.unwrap_or_default() {
        if container.state() == api::ContainerState::ContainerRunning {
            let name = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
            let _ = writeln!(
                out,
                "container_start_time_seconds{{container={:?},namespace={:?},pod={:?}}} {}",
                name(key::CONTAINER_NAME),
                name(key::POD_NAMESPACE),
                name(key::POD_NAME),
                container.created_at as f64 / 1e9
            );
        }
    }
    family(
        &mut out,
        "node_cpu_usage_seconds_total",
        "counter",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    );
    let _ = writeln!(out, "node_cpu_usage_seconds_total {} {now}", node_cpu_seconds());
    family(&mut out, "node_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the node in bytes");
    let _ = writeln!(
        out,
        "node_memory_working_set_bytes {} {now}",
        machine::meminfo("MemTotal") - machine::meminfo("MemAvailable")
    );
    family(
        &mut out,
        "resource_scrape_error",
        "gauge",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
    );
    let _ = writeln!(out, "resource_scrape_error {failed}");
    plain(out)
}

/// Text in Prometheus' format.
pub fn plain(out: String) -> Response<Body> {
    let mut response = text(StatusCode::OK, out);
    let kind = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// CPU seconds of the node since its start.
pub fn node_cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy: u64 = fields
        .iter()
        .enumerate()
        .filter(|(index, _)| *index < 8 && !matches!(index, 3 | 4))
        .map(|(_, ticks)| ticks)
        .sum();
    busy as f64 / procfs::ticks_per_second().max(1) as f64
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn labels(stat: &api::ContainerStats) -> String {
    let labels = stat.attributes.as_ref().map(|attributes| &attributes.labels);
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).cloned().unwrap_or_default();
    format!(
        "container={:?},namespace={:?},pod={:?}",
        label(key::CONTAINER_NAME),
        label(key::POD_NAMESPACE),
        label(key::POD_NAME)
    )
}

fn cpu(stat: &api::ContainerStats) -> Option<(f64, i64)> {
    let cpu = stat.cpu.as_ref()?;
    Some((cpu.usage_core_nano_seconds?.value as f64 / 1e9, cpu.timestamp / 1_000_000))
}

fn working_set(stat: &api::ContainerStats) -> Option<u64> {
    Some(stat.memory.as_ref()?.working_set_bytes?.value)
}

fn memory_usage(stat: &api::ContainerStats) -> Option<u64> {
    Some(stat.memory.as_ref()?.usage_bytes?.value)
}

fn rss(stat: &api::ContainerStats) -> Option<u64> {
    Some(stat.memory.as_ref()?.rss_bytes?.value)
}

fn disk(stat: &api::ContainerStats) -> Option<u64> {
    Some(stat.writable_layer.as_ref()?.used_bytes?.value)
}
