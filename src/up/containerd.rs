//! A containerd of our own: its configuration, and the images that it begins with.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// The pause image that `hack/images` builds.
pub const PAUSE: &str = "registry.kybern.local/pause:3.10";

/// Where Debian and everyone else keep the CNI plugins.
const CNI_PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// The programs that a node needs.
pub struct Programs {
    pub containerd: PathBuf,
    pub ctr: PathBuf,
    pub cni: PathBuf,
}

impl Programs {
    /// Finds them all, or says what is missing.
    pub fn find() -> std::result::Result<Programs, Vec<&'static str>> {
        let mut missing = Vec::new();
        let mut program = |name: &'static str, package: &'static str| {
            let found = in_path(name);
            if found.is_none() {
                missing.push(package);
            }
            found.unwrap_or_default()
        };
        let containerd = program("containerd", "containerd");
        let ctr = program("ctr", "containerd (ctr)");
        program("runc", "runc");
        program("nft", "nftables");
        let cni = CNI_PLUGINS.iter().map(Path::new).find(|dir| dir.join("bridge").exists()).map(Path::to_owned);
        if cni.is_none() {
            missing.push("containernetworking-plugins");
        }
        match (missing.is_empty(), cni) {
            (true, Some(cni)) => Ok(Programs { containerd, ctr, cni }),
            _ => Err(missing),
        }
    }
}

/// A program in PATH, or where administrators' programs are.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Writes the configuration of a containerd that shares nothing with the machine's own.
pub fn configure(data: &Path, socket: &Path, programs: &Programs) -> Result<()> {
    let dir = data.join("containerd");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    std::fs::create_dir_all(data.join("cni"))?;
    let text = config(data, socket, programs);
    crate::pki::write_file(&dir.join("config.toml"), text.as_bytes(), 0o600)?;
    Ok(())
}

fn config(data: &Path, socket: &Path, programs: &Programs) -> String {
    let dir = data.join("containerd");
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
oom_score = -999

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  restrict_oom_score_adj = {restrict}
  # Below the state directory no other program's remounts of /run/netns hold a pod's network.
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{conf}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#,
        root = dir.join("root").display(),
        state = dir.join("state").display(),
        opt = dir.join("opt").display(),
        socket = socket.display(),
        restrict = !may_lower_oom_scores(),
        cni = programs.cni.display(),
        conf = data.join("cni").display(),
    )
}

/// Whether processes may be made less likely to be killed than this one: CAP_SYS_RESOURCE, number 24, which
/// some virtual machines withhold from root.
fn may_lower_oom_scores() -> bool {
    const SYS_RESOURCE: u64 = 1 << 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & SYS_RESOURCE != 0)
}

/// Waits until containerd answers.
pub async fn ready(ctr: &Path, socket: &Path, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let answered = Command::new(ctr)
            .args(["--address"])
            .arg(socket)
            .args(["--connect-timeout", "1s", "version"])
            .output()
            .await
            .is_ok_and(|output| output.status.success());
        if answered {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("containerd does not answer on {}", socket.display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Imports every image archive of a directory that is not there already; says how many were.
pub async fn import(ctr: &Path, socket: &Path, images: &Path) -> Result<usize> {
    let mut archives: Vec<PathBuf> = std::fs::read_dir(images)
        .with_context(|| format!("cannot read {}", images.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "tar"))
        .collect();
    archives.sort();
    for archive in &archives {
        let output = Command::new(ctr)
            .arg("--address")
            .arg(socket)
            .args(["--namespace", "k8s.io", "images", "import", "--no-unpack"])
            .arg(archive)
            .output()
            .await
            .context("cannot start ctr")?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("cannot import {}: {}", archive.display(), why.lines().last().unwrap_or_default());
        }
    }
    Ok(archives.len())
}
