//! How `kybern up` ends where it cannot start: one clear line, and an exit code that says so.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::json;

use crate::context::{Context, Ended, contains, ended, same};
use crate::harness::{Step, skip};
use crate::machine;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "up-twice", run: up_twice },
        Step { name: "up-wrong-flag", run: wrong_flag },
        Step { name: "up-taken-port", run: taken_port },
        Step { name: "up-dead-etcd", run: dead_etcd },
        Step { name: "up-full-disk", run: full_disk },
        Step { name: "up-not-root", run: not_root },
        Step { name: "up-again", run: up_again },
    ]
}

/// The executable under test.
fn kybern(context: &Context) -> Result<PathBuf> {
    match &context.kybern {
        Some(path) => Ok(path.clone()),
        None => skip("needs --kybern"),
    }
}

/// A data directory of one step's own, and flags that keep off other clusters.
fn scratch(name: &str) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("kybern-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn up(kybern: &Path, data: &Path, flags: &[&str]) -> Result<Ended> {
    let mut command = Command::new("timeout");
    command.arg("90").arg(kybern).arg("up").arg("--data-dir").arg(data).args(flags);
    ended(command, None)
}

/// The last line is the error, it says `part`, and there is no backtrace around it.
fn refused(outcome: &Ended, part: &str) -> Result<()> {
    anyhow::ensure!(outcome.code != 0, "it succeeded: {}", outcome.stdout);
    anyhow::ensure!(outcome.code != 124, "it went on and on: {} {}", outcome.stdout, outcome.stderr);
    let errors: Vec<&str> = outcome.stderr.lines().filter(|line| line.to_lowercase().starts_with("error")).collect();
    same(errors.len(), 1).with_context(|| format!("stderr: {}", outcome.stderr))?;
    contains(errors[0], part)?;
    anyhow::ensure!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    Ok(())
}

fn up_twice(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    let Some(data) = &context.data else { return skip("needs --data-dir") };
    refused(&up(&kybern, data, &[])?, "a cluster is running from")?;
    refused(&up(&kybern, data, &["--detach"])?, "a cluster is running from")?;
    context.run(&["get", "--raw", "/readyz"]).map(drop)
}

fn wrong_flag(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    let dir = scratch("flag")?;
    let outcome = (|| {
        refused(&up(&kybern, &dir, &["--no-such-flag"])?, "--no-such-flag")?;
        refused(&up(&kybern, &dir, &["--storage", "paper"])?, "paper")?;
        refused(&up(&kybern, &dir, &["--service-cidr", "nonsense"])?, "--service-cidr")?;
        refused(&up(&kybern, &dir, &["--wait", "soon"])?, "soon")
    })();
    std::fs::remove_dir_all(&dir)?;
    outcome
}

fn taken_port(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    let dir = scratch("port")?;
    let taken = TcpListener::bind(("0.0.0.0", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let outcome = up(&kybern, &dir, &["--storage", "embedded", "--secure-port", &port]);
    std::fs::remove_dir_all(&dir)?;
    refused(&outcome?, &format!("port {port} (--secure-port) is taken"))
}

fn dead_etcd(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    let dir = scratch("etcd")?;
    let port = free_port()?;
    let outcome = up(&kybern, &dir, &["--etcd-servers", "http://127.0.0.1:1", "--secure-port", &port, "--wait", "20s"]);
    std::fs::remove_dir_all(&dir)?;
    refused(&outcome?, "127.0.0.1:1")
}

fn free_port() -> Result<String> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port().to_string())
}

fn full_disk(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    if !rustix::process::geteuid().is_root() {
        return skip("needs root, to mount a small disk");
    }
    let dir = scratch("disk")?;
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&dir);
    anyhow::ensure!(ended(mount, None)?.code == 0, "cannot mount a tmpfs");
    let outcome = up(&kybern, &dir, &["--storage", "embedded", "--secure-port", &free_port()?, "--wait", "20s"]);
    let mut unmount = Command::new("umount");
    unmount.arg(&dir);
    anyhow::ensure!(ended(unmount, None)?.code == 0, "cannot unmount {}", dir.display());
    std::fs::remove_dir_all(&dir)?;
    refused(&outcome?, "No space left on device")
}

fn not_root(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    if !rustix::process::geteuid().is_root() {
        return skip("needs root, to become somebody else");
    }
    // Where others may execute it, and write.
    let dir = scratch("user")?;
    let program = dir.join("kybern");
    std::fs::copy(&kybern, &program)?;
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777))?;
    let data = dir.join("data");
    let as_nobody = |flags: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["--foreground", "60", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&program).args(flags).arg("--data-dir").arg(&data);
        ended(command, None)
    };
    let outcome = (|| {
        let port = free_port()?;
        let started = as_nobody(&["up", "--detach", "--storage", "embedded", "--secure-port", &port])?;
        same(started.code, 0).with_context(|| format!("{} {}", started.stdout, started.stderr))?;
        contains(&started.stdout, "no node on this machine: running pods needs root")?;
        let admin = Context {
            kubeconfig: data.join("kubeconfig/admin.conf"),
            namespace: "default".to_owned(),
            ..context.clone()
        };
        let works = admin.run(&["create", "configmap", "works"]);
        let stopped = as_nobody(&["down", "--purge"])?;
        works?;
        same(stopped.code, 0).with_context(|| stopped.stderr.clone())?;
        anyhow::ensure!(!data.exists(), "{} is still there", data.display());
        // A place that it may not write to is said.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["up", "--data-dir", "/root/kybern-not-mine"]);
        refused(&ended(command, None)?, "/root/kybern-not-mine")
    })();
    std::fs::remove_dir_all(&dir)?;
    outcome
}

/// Stops the control plane as Ctrl-C does: pods go on, and the next start takes them on as they are.
fn up_again(context: &Context) -> Result<()> {
    let kybern = kybern(context)?;
    let Some(data) = &context.data else { return skip("needs --data-dir") };
    context.start(&context.pod("kept", "sleep 1000", json!({}), json!({})))?;
    let before = context.get(&["pod", "kept"])?["status"].clone();
    let containers = machine::pod_containers(data, &context.namespace)?;
    same(containers.len(), 1)?;
    let pid = *machine::pids(data)?.get("up").context("kybern up does not run")?;
    // The flags that it was started with, to start it with again.
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    let flags: Vec<&str> = line.split('\0').skip(2).filter(|flag| !flag.is_empty()).collect();
    let main = process_of(&containers)?;
    machine::kill(pid, Signal::TERM)?;
    context.until("kybern up ends", 60, || {
        anyhow::ensure!(!data.join("run/up.pid").exists(), "it runs");
        Ok(())
    })?;
    anyhow::ensure!(Path::new(&format!("/proc/{main}")).exists(), "the container ended with the control plane");
    let mut command = Command::new(&kybern);
    command.arg("up").args(&flags).arg("--detach");
    let started = ended(command, None)?;
    same(started.code, 0).with_context(|| format!("{} {}", started.stdout, started.stderr))?;
    context.ready("kept")?;
    // Long enough for a wrong decision to show.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let after = context.get(&["pod", "kept"])?["status"].clone();
    for member in ["containerID", "restartCount", "state"] {
        same(&after["containerStatuses"][0][member], &before["containerStatuses"][0][member])?;
    }
    same(after["podIP"].as_str(), before["podIP"].as_str())?;
    same(machine::pod_containers(data, &context.namespace)?, containers)?;
    context.shell("kept", "true").map(drop)
}

/// A process of a container, found by its cgroup.
fn process_of(containers: &std::collections::BTreeSet<String>) -> Result<u32> {
    let id = containers.first().context("no container")?;
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let pid = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && std::fs::read_to_string(path.join("cgroup")).is_ok_and(|cgroup| cgroup.contains(id.as_str()))
        {
            return Ok(pid);
        }
    }
    anyhow::bail!("no process in container {id}")
}
