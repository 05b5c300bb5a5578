//! Looks behind the API on the machine of a `kybern up` cluster: processes, containers, network, mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::context::ended;

/// The process ids of the components, by name.
pub fn pids(data: &Path) -> Result<BTreeMap<String, u32>> {
    let mut pids = BTreeMap::new();
    for entry in std::fs::read_dir(data.join("run")).context("cannot read the run directory")? {
        let path = entry?.path();
        let pid = std::fs::read_to_string(&path)?.trim().parse();
        if let (Some(name), Ok(pid)) = (path.file_stem(), pid) {
            pids.insert(name.to_string_lossy().into_owned(), pid);
        }
    }
    Ok(pids)
}

/// Sends a signal to a process.
pub fn kill(pid: u32, signal: rustix::process::Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).context("no such process id")?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// What `ctr` prints, asked of the containerd of a data directory.
pub fn ctr(data: &Path, args: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(data.join("containerd/containerd.sock")).args(["--namespace", "k8s.io"]).args(args);
    lines(command)
}

/// Ids of the containers that run, pods' sandboxes among them.
pub fn containers(data: &Path) -> Result<BTreeSet<String>> {
    Ok(ctr(data, &["tasks", "list", "--quiet"])?.into_iter().collect())
}

/// Ids of the containers that run in the pods of a namespace, but for their sandboxes.
pub fn pod_containers(data: &Path, namespace: &str) -> Result<BTreeSet<String>> {
    let filter =
        format!("labels.\"io.kubernetes.pod.namespace\"=={namespace},labels.\"io.cri-containerd.kind\"==container");
    let running = containers(data)?;
    let all = ctr(data, &["containers", "list", "--quiet", &filter])?;
    Ok(all.into_iter().filter(|id| running.contains(id)).collect())
}

/// The pods' links on this machine.
pub fn links() -> Result<Vec<String>> {
    let mut command = Command::new("ip");
    command.args(["-o", "link", "show", "type", "veth"]);
    lines(command)
}

/// The lines of the packet filter's rules that contain a text.
pub fn rules(part: &str) -> Result<Vec<String>> {
    let mut command = Command::new("nft");
    command.args(["list", "ruleset"]);
    Ok(lines(command)?.into_iter().filter(|line| line.contains(part)).collect())
}

/// Mounts below a directory.
pub fn mounts(below: &Path) -> Result<Vec<String>> {
    let below = below.to_string_lossy().into_owned();
    let table = std::fs::read_to_string("/proc/self/mounts")?;
    Ok(table
        .lines()
        .filter(|line| line.split(' ').nth(1).is_some_and(|at| at.starts_with(&below)))
        .map(str::to_owned)
        .collect())
}

fn lines(command: Command) -> Result<Vec<String>> {
    let what = format!("{:?}", command.get_program());
    let ended = ended(command, None)?;
    anyhow::ensure!(ended.code == 0, "{what}: {}", ended.stderr.trim());
    Ok(ended.stdout.lines().map(str::to_owned).collect())
}
