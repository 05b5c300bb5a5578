//! A server under test, with an etcd of its own.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::client::{Client, Endpoint};
use super::pki;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Program {
    /// How the table calls it.
    pub name: &'static str,
    pub binary: PathBuf,
    /// What comes before the flags, for an executable of many components.
    pub arguments: Vec<String>,
}

/// A running server. Both its processes end with it.
pub struct Subject {
    pub program: Program,
    pub directory: PathBuf,
    pub endpoint: Endpoint,
    /// From the start of the process to its first positive answer on /readyz.
    pub ready_after: Duration,
    server: Child,
    etcd: Child,
}

impl Subject {
    /// Starts an empty etcd and the server, and waits until it is ready.
    pub async fn start(program: &Program, directory: &Path) -> Result<Subject> {
        let directory = directory.to_owned();
        std::fs::create_dir_all(&directory)?;
        pki::write(&directory)?;
        let [port, client, peer] = free_ports()?;
        let url = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut etcd = Command::new("etcd");
        etcd.arg("--data-dir").arg(directory.join("etcd"));
        etcd.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        etcd.args(["--initial-cluster", &format!("default={peer}")]);
        let etcd = spawn(etcd, &directory.join("etcd.log")).context("starting etcd")?;
        await_health(client).await.context("waiting for etcd")?;

        let mut server = Command::new(&program.binary);
        server.args(&program.arguments);
        server.args([&format!("--etcd-servers={url}"), &format!("--secure-port={port}")]);
        server.args(["--bind-address=127.0.0.1", "--authorization-mode=Node,RBAC", "--allow-privileged"]);
        server.arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local");
        server.arg("--service-cluster-ip-range=10.96.0.0/16");
        for (flag, file) in [
            ("--tls-cert-file", "server.crt"),
            ("--tls-private-key-file", "server.key"),
            ("--client-ca-file", "ca.crt"),
            ("--service-account-key-file", "sa.pub"),
            ("--service-account-signing-key-file", "sa.key"),
            ("--kubelet-client-certificate", "kubelet-client.crt"),
            ("--kubelet-client-key", "kubelet-client.key"),
        ] {
            server.arg(format!("{flag}={}", directory.join(file).display()));
        }
        let endpoint = Endpoint::new(port, &directory)?;
        let started = Instant::now();
        let server = spawn(server, &directory.join("apiserver.log"))
            .with_context(|| format!("starting {}", program.binary.display()))?;
        let mut subject =
            Subject { program: program.clone(), directory, endpoint, ready_after: Duration::ZERO, server, etcd };
        subject.await_ready(started).await?;
        subject.ready_after = started.elapsed();
        Ok(subject)
    }

    async fn await_ready(&mut self, started: Instant) -> Result<()> {
        loop {
            if let Some(status) = self.server.try_wait()? {
                bail!("{} ended ({status}): see {}", self.program.name, self.directory.join("apiserver.log").display());
            }
            if let Ok(client) = Client::connect(&self.endpoint, 1).await
                && let Ok(answer) = client.call(Method::GET, "/readyz", "").await
                && answer.status.is_success()
            {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(60) {
                bail!("{} was not ready after a minute", self.program.name);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.id().unwrap_or_default()
    }

    /// Ends both processes at once.
    pub async fn stop(mut self) {
        let _ = self.server.kill().await;
        let _ = self.etcd.kill().await;
    }
}

fn spawn(mut command: Command, log: &Path) -> Result<Child> {
    let log = File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    Ok(command.spawn()?)
}

fn free_ports() -> Result<[u16; 3]> {
    let listeners =
        [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [a, b, c] = &listeners;
    Ok([a.local_addr()?.port(), b.local_addr()?.port(), c.local_addr()?.port()])
}

/// Waits until etcd has a leader and writes: electing one takes longer than listening.
async fn await_health(port: u16) -> Result<()> {
    let healthy = async || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer.contains(r#""health":"true""#))
    };
    for _ in 0..3000 {
        if matches!(healthy().await, Ok(true)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("nothing healthy listens on port {port}")
}
