//! What the kernel knows of this process.

use std::fs;

use prometheus::{Counter, Gauge, Registry};

use super::{Result, counter, gauge};

/// Clock ticks in a second and bytes in a page, as Linux has them on every machine that this runs on.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

pub struct Process {
    cpu: Counter,
    open_files: Gauge,
    max_files: Gauge,
    virtual_bytes: Gauge,
    virtual_max_bytes: Gauge,
    resident_bytes: Gauge,
    started: Gauge,
    received: Counter,
    sent: Counter,
}

impl Process {
    pub fn new(registry: &Registry) -> Result<Process> {
        Ok(Process {
            cpu: counter(registry, "process_cpu_seconds_total", "Seconds of CPU used, in user and system mode.")?,
            open_files: gauge(registry, "process_open_fds", "Open file descriptors.")?,
            max_files: gauge(registry, "process_max_fds", "How many file descriptors may be open.")?,
            virtual_bytes: gauge(registry, "process_virtual_memory_bytes", "Virtual memory, in bytes.")?,
            virtual_max_bytes: gauge(
                registry,
                "process_virtual_memory_max_bytes",
                "How much virtual memory there may be, in bytes.",
            )?,
            resident_bytes: gauge(registry, "process_resident_memory_bytes", "Resident memory, in bytes.")?,
            started: gauge(registry, "process_start_time_seconds", "When the process started, in seconds since 1970.")?,
            received: counter(
                registry,
                "process_network_receive_bytes_total",
                "Bytes received in the process's network namespace.",
            )?,
            sent: counter(
                registry,
                "process_network_transmit_bytes_total",
                "Bytes sent in the process's network namespace.",
            )?,
        })
    }

    /// Reads the kernel's numbers; one that is not there stays as it was.
    pub fn read(&self) {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name before the last parenthesis may hold spaces.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect())
            .unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
        advance(&self.cpu, (field(14) + field(15)) / TICKS);
        self.virtual_bytes.set(field(23));
        self.resident_bytes.set(field(24) * PAGE);
        let booted = fs::read_to_string("/proc/stat").unwrap_or_default();
        let booted = booted.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<f64>().ok());
        if let Some(booted) = booted {
            self.started.set(booted + field(22) / TICKS);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(files.count() as f64);
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let limit = |name: &str| {
            let soft = limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next())?;
            if soft == "unlimited" { Some(u64::MAX as f64) } else { soft.parse().ok() }
        };
        self.max_files.set(limit("Max open files").unwrap_or_default());
        self.virtual_max_bytes.set(limit("Max address space").unwrap_or_default());
        let network = fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
        let mut lines = network.lines().filter(|line| line.starts_with("IpExt:"));
        if let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let value = |wanted: &str| {
                let at = names.split_whitespace().position(|name| name == wanted)?;
                values.split_whitespace().nth(at)?.parse().ok()
            };
            advance(&self.received, value("InOctets").unwrap_or_default());
            advance(&self.sent, value("OutOctets").unwrap_or_default());
        }
    }
}

/// Brings a counter up to a value that only grows.
fn advance(counter: &Counter, to: f64) {
    let more = to - counter.get();
    if more > 0.0 {
        counter.inc_by(more);
    }
}
