//! `kybern down`: stops the cluster on this machine with all its pods; with `--purge` nothing of it remains.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use controllers_component_base::{flags, run};
use tokio::process::Command;

use crate::supervisor::{Process, Supervisor, is_running, signal};
use crate::up::{self, containerd};

/// The flags of `kybern down`.
#[derive(Clone, Debug, Parser)]
#[command(name = "kybern down", about = "Stops the cluster on this machine.")]
struct Flags {
    /// Where everything is kept.
    #[arg(long, default_value = up::DEFAULT_DATA)]
    data_dir: PathBuf,
    /// Remove the data directory as well: all objects, keys, images and logs.
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    logging: flags::Logging,
}

/// How long the control plane may take to stop.
const STOP: Duration = Duration::from_secs(90);

pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match flags::parse(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    run::run(flags.logging.v, |_| async move { down(&flags).await })
}

async fn down(flags: &Flags) -> Result<()> {
    let data = std::path::absolute(&flags.data_dir)?;
    if !data.join("run").is_dir() {
        println!("no cluster in {}", data.display());
        return Ok(());
    }
    stop_control_plane(&data).await?;
    if data.join("containerd/config.toml").exists() {
        let removed = remove_pods(&data).await.context("cannot remove the pods")?;
        println!("{removed} pods removed");
        end_shims(&data.join("containerd/containerd.sock"));
        remove_network().await;
    }
    if flags.purge {
        remove_traces();
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        println!("{} removed", data.display());
    }
    Ok(())
}

async fn stop_control_plane(data: &Path) -> Result<()> {
    let Some(pid) = up::running(data) else { return Ok(()) };
    signal(pid, rustix::process::Signal::TERM);
    let deadline = Instant::now() + STOP;
    while is_running(pid) {
        if Instant::now() > deadline {
            bail!("the cluster (pid {pid}) did not stop within {} s", STOP.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("control plane stopped");
    Ok(())
}

/// Runs containerd once more, to take away what it runs.
async fn remove_pods(data: &Path) -> Result<usize> {
    let programs = containerd::Programs::find().map_err(|missing| anyhow::anyhow!("missing {}", missing.join(", ")))?;
    let socket = data.join("containerd/containerd.sock");
    let mut supervisor = Supervisor::new(data.join("logs"), data.join("run"));
    supervisor.start(Process {
        name: "containerd",
        program: programs.containerd.clone(),
        args: vec!["--config".into(), data.join("containerd/config.toml").into()],
        env: Vec::new(),
    })?;
    let removed = async {
        containerd::ready(&programs.ctr, &socket, Duration::from_secs(30)).await?;
        // The runtime's plugin for pods comes up after its socket.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match node_agent::clear(&socket, &data.join("kubelet")).await {
                Ok(count) => return Ok(count),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
    .await;
    supervisor.stop().await;
    removed
}

/// Ends the shims of our containerd that it does not know: one that was killed while it started or ended a container
/// leaves such behind.
fn end_shims(socket: &Path) {
    for entry in std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok) {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if let Some(pid) = pid.filter(|_| is_shim_of(&command, socket)) {
            signal(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Whether a command line, each argument ended by a zero byte, is that of a shim of the containerd with this socket.
fn is_shim_of(command: &[u8], socket: &Path) -> bool {
    let mut arguments = command.split(|byte| *byte == 0);
    let is_shim = arguments.next().is_some_and(|program| program.ends_with(b"/containerd-shim-runc-v2"));
    let address = arguments.skip_while(|argument| *argument != b"-address").nth(1);
    is_shim && address == Some(socket.as_os_str().as_encoded_bytes())
}

/// Takes away what pods leave outside the data directory: their cgroups and the record of their addresses.
fn remove_traces() {
    let hierarchies =
        std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    for root in hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]) {
        remove_groups(&root.join("kubepods"));
    }
    let _ = std::fs::remove_dir_all("/var/lib/cni/networks/kybern");
}

/// Removes a cgroup and all below it; the kernel refuses those that are in use.
fn remove_groups(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// Takes away what the proxy and the pods' bridge left.
async fn remove_network() {
    let kybern = std::env::current_exe().unwrap_or_else(|_| "kybern".into());
    let quiet = |command: &mut Command| {
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    };
    let mut cleanup = Command::new(kybern);
    cleanup.args(["proxy", "--cleanup"]);
    quiet(&mut cleanup);
    if !cleanup.status().await.is_ok_and(|status| status.success()) {
        println!("the proxy's rules could not be removed; 'kybern proxy --cleanup' says why");
    }
    let mut link = Command::new("ip");
    link.args(["link", "delete", "kyb0"]);
    quiet(&mut link);
    // There is no bridge where no pod ever ran.
    let _ = link.status().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shims_of_this_cluster_are_ended() {
        let ours = b"/usr/bin/containerd-shim-runc-v2\0-namespace\0k8s.io\0-id\0x\0-address\0/d/containerd.sock\0";
        assert!(is_shim_of(ours, Path::new("/d/containerd.sock")));
        assert!(!is_shim_of(ours, Path::new("/run/containerd/containerd.sock")));
        assert!(!is_shim_of(b"/usr/bin/containerd\0-address\0/d/containerd.sock\0", Path::new("/d/containerd.sock")));
        assert!(!is_shim_of(b"", Path::new("/d/containerd.sock")));
    }
}
