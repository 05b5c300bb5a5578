//! The cgroups of QoS classes and pods: `kubepods/[besteffort|burstable/]pod<uid>`.
//!
//! The mounts are the machine's and left alone: v2 where `/sys/fs/cgroup` is one, else v1's controllers as mounted.
//! With the systemd driver the runtime makes the slices; here only their names are given.

mod v1;
mod v2;

use std::{
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::Pod;
use tracing::warn;

use crate::{config::CgroupConfig, pod, pod_worker::resources, quantity};

/// The node's cgroup hierarchy as far as the agent manages it.
#[derive(Clone, Debug)]
pub struct Cgroups {
    version: Version,
    root: String,
    driver: Driver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    /// No hierarchy of our own: the runtime's default place.
    None,
    Cgroupfs,
    Systemd,
}

#[derive(Clone, Debug)]
enum Version {
    V1(Vec<PathBuf>),
    V2(PathBuf),
}

/// A pod's limits: sums over its containers, `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub shares: i64,
    pub quota: Option<i64>,
    pub memory: Option<i64>,
}

impl Limits {
    /// The wider of two; no limit is the widest.
    fn or_more(self, other: Self) -> Self {
        let wider = |one: Option<i64>, other: Option<i64>| Some(one?.max(other?));
        Self {
            shares: self.shares.max(other.shares),
            quota: wider(self.quota, other.quota),
            memory: wider(self.memory, other.memory),
        }
    }
}

impl Cgroups {
    /// Looks at the machine and makes the QoS classes' groups. Where that is not possible, pods run in the runtime's
    /// default place, and the log says so.
    pub fn new(config: &CgroupConfig) -> Self {
        let version = detect();
        let driver = match (config.per_qos, config.systemd) {
            (false, _) => Driver::None,
            (true, true) => Driver::Systemd,
            (true, false) => Driver::Cgroupfs,
        };
        let mut cgroups = Self { version, root: config.root.trim_matches('/').to_string(), driver };
        if driver == Driver::Cgroupfs {
            for class in ["Guaranteed", "Burstable", "BestEffort"] {
                // A class has the least share; the pods' own limits count.
                let limits = Limits { shares: 2, ..Limits::default() };
                if let Err(error) = cgroups.make(
                    &cgroups.class(class),
                    &if class == "Guaranteed" { Limits { shares: 1024 * 10, ..limits } } else { limits },
                ) {
                    warn!("no cgroups for pods, they run in the container runtime's default place: {error}");
                    cgroups.driver = Driver::None;
                    break;
                }
            }
        }
        cgroups
    }

    pub fn is_v2(&self) -> bool {
        matches!(self.version, Version::V2(_))
    }

    /// Makes the pod's cgroup and returns it as CRI's `cgroup_parent`; empty for the runtime's default place. In the
    /// middle of a resize `actual` is the pod with what its containers still have: the group is wide enough for both.
    ///
    /// # Errors
    /// One line with the path.
    pub fn set_up(&self, target: &Pod, actual: Option<&Pod>) -> Result<String, String> {
        match self.driver {
            Driver::None => Ok(String::new()),
            Driver::Systemd => Ok(self.slice(target)),
            Driver::Cgroupfs => {
                let path = self.pod(pod::qos_class(target), pod::uid(target));
                let wanted = limits(target);
                self.make(&path, &actual.map_or(wanted, |actual| wanted.or_more(limits(actual))))?;
                Ok(format!("/{path}"))
            }
        }
    }

    /// Removes the pod's cgroup and what is left below it. Processes that are still there are killed.
    ///
    /// # Errors
    /// A group that is still busy: try again.
    pub fn tear_down(&self, uid: &str) -> Result<(), String> {
        if self.driver != Driver::Cgroupfs {
            return Ok(());
        }
        for class in ["Guaranteed", "Burstable", "BestEffort"] {
            let path = self.pod(class, uid);
            for hierarchy in self.hierarchies() {
                remove(&hierarchy.join(&path))?;
            }
        }
        Ok(())
    }

    /// The uids of pods that have a cgroup.
    pub fn pods(&self) -> Vec<String> {
        if self.driver != Driver::Cgroupfs {
            return vec![];
        }
        let mut uids = vec![];
        for class in ["Guaranteed", "Burstable", "BestEffort"] {
            for hierarchy in self.hierarchies() {
                let entries = fs::read_dir(hierarchy.join(self.class(class))).into_iter().flatten().flatten();
                uids.extend(
                    entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("pod")?.to_string())),
                );
            }
        }
        uids.sort();
        uids.dedup();
        uids
    }

    fn class(&self, class: &str) -> String {
        let kubepods = if self.root.is_empty() { "kubepods".to_string() } else { format!("{}/kubepods", self.root) };
        match class {
            "Guaranteed" => kubepods,
            other => format!("{kubepods}/{}", other.to_lowercase()),
        }
    }

    fn pod(&self, class: &str, uid: &str) -> String {
        format!("{}/pod{uid}", self.class(class))
    }

    fn slice(&self, target: &Pod) -> String {
        let uid = pod::uid(target).replace('-', "_");
        match pod::qos_class(target) {
            "Guaranteed" => format!("kubepods-pod{uid}.slice"),
            other => format!("kubepods-{}-pod{uid}.slice", other.to_lowercase()),
        }
    }

    fn hierarchies(&self) -> Vec<&Path> {
        match &self.version {
            Version::V1(roots) => roots.iter().map(PathBuf::as_path).collect(),
            Version::V2(root) => vec![root],
        }
    }

    fn make(&self, path: &str, limits: &Limits) -> Result<(), String> {
        match &self.version {
            Version::V1(roots) => v1::make(roots, path, limits),
            Version::V2(root) => v2::make(root, path, limits),
        }
    }
}

/// Writes a control file.
fn write(path: &Path, value: impl ToString) -> Result<(), String> {
    fs::write(path, value.to_string()).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Removes a group with its children, killing what is left in them.
fn remove(group: &Path) -> Result<(), String> {
    let Ok(entries) = fs::read_dir(group) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path())?;
    }
    for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            // Already gone is as good.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove cgroup {}: {error}", group.display()))
        }
        _ => Ok(()),
    }
}

fn detect() -> Version {
    let base = Path::new("/sys/fs/cgroup");
    if base.join("cgroup.controllers").exists() {
        return Version::V2(base.to_path_buf());
    }
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        // Also the empty v2 hierarchy of hybrid machines: runc makes its groups there too, and they must go with the pod.
        matches!(kind.split(' ').next(), Some("cgroup" | "cgroup2"))
            .then(|| PathBuf::from(fields.split(' ').nth(4).unwrap_or_default()))
    });
    Version::V1(mounts.collect())
}

fn limits(target: &Pod) -> Limits {
    let spec = pod::spec(target);
    let own: Vec<_> = match &spec.resources {
        Some(own) => vec![Some(own)],
        None => {
            let sidecars = pod::init_containers(target).iter().filter(|container| pod::is_sidecar(container));
            spec.containers.iter().chain(sidecars).map(|container| container.resources.as_ref()).collect()
        }
    };
    // A sum only limits where every part does.
    let total = |name: &str| {
        own.iter().map(|own| quantity::limit_milli(*own, name).filter(|limit| *limit > 0)).sum::<Option<i128>>()
    };
    let requests: i128 = own
        .iter()
        .filter_map(|own| quantity::request_milli(*own, "cpu").or_else(|| quantity::limit_milli(*own, "cpu")))
        .sum();
    Limits {
        shares: resources::shares(Some(requests)),
        quota: resources::quota(total("cpu")),
        memory: total("memory").map(|limit| resources::bytes(Some(limit))).filter(|limit| *limit > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn paths() {
        let dir = tempfile::tempdir().unwrap();
        let cgroups =
            Cgroups { version: Version::V2(dir.path().into()), root: String::new(), driver: Driver::Cgroupfs };
        assert_eq!(cgroups.set_up(&pod_of("containers: [{name: a}]"), None).unwrap(), "/kubepods/besteffort/podu1");
        let systemd = Cgroups { driver: Driver::Systemd, ..cgroups.clone() };
        assert_eq!(
            systemd.set_up(&pod_of("containers: [{name: a}]"), None).unwrap(),
            "kubepods-besteffort-podu1.slice"
        );
        let none = Cgroups { driver: Driver::None, ..cgroups };
        assert_eq!(none.set_up(&pod_of("containers: [{name: a}]"), None).unwrap(), "");
    }

    #[test]
    fn pod_limits() {
        let pod = pod_of(
            "containers: [{name: a, resources: {limits: {cpu: 100m, memory: 1Mi}}}, {name: b, resources: {limits: {cpu: 200m}}}]",
        );
        assert_eq!(limits(&pod), Limits { shares: 307, quota: Some(30_000), memory: None });
    }

    #[test]
    fn wide_enough_for_both() {
        let (one, other) =
            (Limits { shares: 2, quota: Some(5), memory: None }, Limits { shares: 3, quota: Some(4), memory: Some(1) });
        assert_eq!(one.or_more(other), Limits { shares: 3, quota: Some(5), memory: None });
    }

    #[test]
    fn v2_files() {
        let dir = tempfile::tempdir().unwrap();
        let cgroups =
            Cgroups { version: Version::V2(dir.path().into()), root: String::new(), driver: Driver::Cgroupfs };
        cgroups.set_up(&pod_of("containers: [{name: a, resources: {limits: {cpu: '1', memory: 1Mi}}}]"), None).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join("kubepods/podu1").join(name)).unwrap();
        assert_eq!(
            (read("cpu.max").as_str(), read("memory.max").as_str(), read("cpu.weight").as_str()),
            ("100000 100000", "1048576", "39")
        );
        assert_eq!(cgroups.pods(), ["u1"]);
    }
}
