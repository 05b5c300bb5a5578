//! Facts about the machine, read from /proc and /sys.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, UdpSocket},
    path::Path,
};

use k8s_openapi::api::core::v1::NodeSystemInfo;

/// Capacity as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    pub cpus: i64,
    pub memory: i64,
    /// Bytes of the file system of the root directory.
    pub disk: i64,
}

/// Use of what can run out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    pub memory: bool,
    pub disk: bool,
    pub pid: bool,
}

/// Reads the machine's capacity.
pub fn capacity(root_dir: &Path) -> Capacity {
    let cpus = std::thread::available_parallelism().map(|count| i64::try_from(count.get()).unwrap_or(1)).unwrap_or(1);
    let disk =
        rustix::fs::statvfs(root_dir).map(|fs| i64::try_from(fs.f_blocks * fs.f_frsize).unwrap_or(0)).unwrap_or(0);
    Capacity { cpus, memory: meminfo("MemTotal"), disk }
}

/// Compares what is available with the eviction thresholds.
pub fn pressure(root_dir: &Path, thresholds: &BTreeMap<String, String>) -> Pressure {
    let below = |signal: &str, available: i64, total: i64| {
        thresholds.get(signal).is_some_and(|threshold| total > 0 && available < amount(threshold, total))
    };
    let memory = below("memory.available", meminfo("MemAvailable"), meminfo("MemTotal"));
    let disk = rustix::fs::statvfs(root_dir).is_ok_and(|fs| {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        below(
            "nodefs.available",
            number(fs.f_bavail.saturating_mul(fs.f_frsize)),
            number(fs.f_blocks.saturating_mul(fs.f_frsize)),
        ) || below("nodefs.inodesFree", number(fs.f_favail), number(fs.f_files))
    });
    let pid_max: i64 = read("/proc/sys/kernel/pid_max").parse().unwrap_or(0);
    let running: i64 = read("/proc/loadavg").split(['/', ' ']).nth(4).and_then(|count| count.parse().ok()).unwrap_or(0);
    Pressure { memory, disk, pid: below("pid.available", pid_max - running, pid_max) }
}

/// An eviction threshold as a number: a quantity, or a percentage of `total`.
pub fn amount(threshold: &str, total: i64) -> i64 {
    match threshold.strip_suffix('%').and_then(|percent| percent.parse::<f64>().ok()) {
        Some(percent) => (total as f64 * percent / 100.0) as i64,
        None => crate::quantity::integer(threshold).unwrap_or(0),
    }
}

/// A line of /proc/meminfo in bytes.
pub fn meminfo(name: &str) -> i64 {
    let text = read("/proc/meminfo");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0) * 1024
}

/// `status.nodeInfo`.
pub fn system_info(runtime_version: &str) -> NodeSystemInfo {
    NodeSystemInfo {
        architecture: architecture().into(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: runtime_version.to_string(),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        kube_proxy_version: String::new(),
        kubelet_version: controllers_component_base::KUBERNETES_VERSION.into(),
        machine_id: read("/etc/machine-id"),
        operating_system: "linux".into(),
        os_image: os_image(),
        system_uuid: match read("/sys/class/dmi/id/product_uuid") {
            uuid if uuid.is_empty() => read("/etc/machine-id"),
            uuid => uuid,
        },
        ..Default::default()
    }
}

/// Go's name of the architecture.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The address by which the machine reaches others: the source address of its default route, else loopback. No
/// packet is sent.
pub fn default_ip() -> IpAddr {
    let source = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect("203.0.113.1:9")?;
        Ok(socket.local_addr()?.ip())
    };
    source().unwrap_or(IpAddr::from([127, 0, 0, 1]))
}

fn os_image() -> String {
    let text = read("/etc/os-release");
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map(|name| name.trim_matches('"').to_string()).unwrap_or_else(|| "Linux".into())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine() {
        let capacity = capacity(Path::new("/"));
        assert!(capacity.cpus > 0 && capacity.memory > 0 && capacity.disk > 0, "{capacity:?}");
        let all = [("memory.available", "100%"), ("nodefs.available", "100%")]
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .into();
        let pressure = pressure(Path::new("/"), &all);
        assert!(pressure.memory && pressure.disk && !pressure.pid);
        assert_eq!(super::pressure(Path::new("/"), &BTreeMap::new()), Pressure::default());
    }
}
