//! `kybern up`: a cluster on this machine, from nothing to a ready node.

mod addons;
mod components;
pub mod containerd;
mod progress;
mod storage;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use controllers_component_base::{client, flags, hostname, run};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::Api;
use tokio_util::sync::CancellationToken;

use crate::kubeconfig;
use crate::pki::{self, Pki};
use crate::supervisor::Supervisor;
use components::Cluster;
use progress::Progress;

pub const DEFAULT_DATA: &str = "/var/lib/kybern";

/// The flags of `kybern up`.
#[derive(Clone, Debug, Parser)]
#[command(name = "kybern up", about = "Starts a cluster on this machine.")]
struct Flags {
    /// Where everything is kept.
    #[arg(long, default_value = DEFAULT_DATA)]
    data_dir: PathBuf,
    /// Where objects are kept; without it etcd where there is an etcd program, else the embedded store.
    #[arg(long)]
    storage: Option<storage::Asked>,
    /// An etcd that is running already.
    #[arg(long, value_delimiter = ',')]
    etcd_servers: Vec<String>,
    /// Come back once the cluster is ready, and leave it running.
    #[arg(long)]
    detach: bool,
    /// The node's name; the host's name when absent.
    #[arg(long)]
    node_name: Option<String>,
    /// The address of this machine; that of the default route when absent.
    #[arg(long)]
    node_ip: Option<IpAddr>,
    /// Port of the API server.
    #[arg(long, default_value_t = 6443)]
    secure_port: u16,
    /// Port of the etcd that is started; its peer port is the next one.
    #[arg(long, default_value_t = 2379)]
    etcd_port: u16,
    /// Port of the cluster's DNS on the node.
    #[arg(long, default_value_t = 10053)]
    dns_port: u16,
    /// Addresses of services.
    #[arg(long, default_value = "10.96.0.0/16")]
    service_cidr: String,
    /// Addresses of pods.
    #[arg(long, default_value = "10.244.0.0/16")]
    pod_cidr: String,
    /// Domain of the cluster's DNS.
    #[arg(long, default_value = "cluster.local")]
    cluster_domain: String,
    /// Directory of image archives to import.
    #[arg(long)]
    images: Option<PathBuf>,
    /// How long to wait until the cluster is ready.
    #[arg(long, default_value = "2m", value_parser = flags::duration)]
    wait: Duration,
    #[command(flatten)]
    logging: flags::Logging,
}

pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match flags::parse(args.clone()) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let verbosity = flags.logging.v;
    if flags.detach {
        return run::run(verbosity, |_| async move { detach(&flags, args).await });
    }
    run::run(verbosity, |shutdown| async move { up(&flags, shutdown).await })
}

/// Starts `kybern up` again in a session of its own and shows its words until the cluster is ready.
async fn detach(flags: &Flags, args: Vec<OsString>) -> Result<()> {
    make_data_dir(&flags.data_dir)?;
    refuse_second(&flags.data_dir)?;
    let path = flags.data_dir.join("logs/up.log");
    let log = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("up").args(args.into_iter().skip(1).filter(|arg| arg != "--detach"));
    command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // A group of its own: Ctrl-C is for this process, and no stream of the cluster's is the terminal.
    command.process_group(0);
    let mut child = command.spawn().context("cannot start kybern up")?;
    let deadline = Instant::now() + flags.wait + Duration::from_secs(30);
    let mut shown = 0;
    loop {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        if end > shown {
            print!("{}", &text[shown..end]);
            shown = end;
        }
        if text.contains(progress::DONE) {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the cluster did not start ({status}); see {}", path.display());
        }
        if Instant::now() > deadline {
            bail!("the cluster is not ready yet; see {}", path.display());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn up(flags: &Flags, shutdown: CancellationToken) -> Result<()> {
    let progress = Progress::begin();
    make_data_dir(&flags.data_dir)?;
    refuse_second(&flags.data_dir)?;
    let data = std::path::absolute(&flags.data_dir)?;
    let pid_file = data.join("run/up.pid");
    std::fs::write(&pid_file, std::process::id().to_string())
        .with_context(|| format!("cannot write {}", pid_file.display()))?;
    let outcome = cluster(flags, &data, &progress, shutdown).await;
    let _ = std::fs::remove_file(&pid_file);
    outcome
}

async fn cluster(flags: &Flags, data: &Path, progress: &Progress, shutdown: CancellationToken) -> Result<()> {
    let node = flags.node_name.clone().unwrap_or_else(hostname);
    let address = flags.node_ip.unwrap_or_else(own_address);
    let service_ip =
        pki::first_service_ip(&flags.service_cidr).map_err(|problem| anyhow::anyhow!("--service-cidr: {problem}"))?;
    let dns_address = dns_address(service_ip)?;
    let (backend, line) = storage::choose(data, flags.storage, &flags.etcd_servers, containerd::in_path("etcd"))?;
    progress.say(&line);
    if let storage::Backend::External { servers } = &backend {
        storage::reachable(servers).await?;
    }
    let names = pki::Names {
        node: node.clone(),
        hosts: vec![hostname()],
        addresses: vec![address, IpAddr::V4(Ipv4Addr::LOCALHOST)],
        service_ip,
        cluster_domain: flags.cluster_domain.clone(),
    };
    let pki = Pki::ensure(&data.join("pki"), &names)?;
    pki.notes.iter().for_each(|note| progress.say(note));
    let server = format!("https://{address}:{}", flags.secure_port);
    let conf = data.join("kubeconfig");
    kubeconfig::write_all(&conf, &pki, &server)?;
    let kybern = std::env::current_exe().context("cannot find this executable")?;
    let cluster = Cluster {
        kybern: &kybern,
        data,
        pki: &pki,
        backend: &backend,
        node: &node,
        address,
        port: flags.secure_port,
        etcd_port: flags.etcd_port,
        service_range: &flags.service_cidr,
        pod_range: &flags.pod_cidr,
        dns_address,
        dns_port: flags.dns_port,
        domain: &flags.cluster_domain,
        verbosity: flags.logging.v,
    };
    check_ports(flags, &cluster)?;
    let mut supervisor = Supervisor::new(data.join("logs"), data.join("run"));
    let started = tokio::select! {
        outcome = start(flags, &cluster, &mut supervisor, progress) => outcome,
        () = shutdown.cancelled() => Ok(()),
    };
    if started.is_ok() {
        shutdown.cancelled().await;
        progress.say("stopping the control plane; pods go on running");
    }
    supervisor.stop().await;
    started
}

/// Starts everything in order, and waits until it works.
async fn start(flags: &Flags, cluster: &Cluster<'_>, supervisor: &mut Supervisor, progress: &Progress) -> Result<()> {
    let deadline = Instant::now() + flags.wait;
    if let Some(etcd) = cluster.etcd() {
        supervisor.start(etcd)?;
    }
    supervisor.start(cluster.apiserver())?;
    supervisor.start(cluster.controllers())?;
    supervisor.start(cluster.scheduler())?;
    let programs = node_programs();
    if let Ok(programs) = &programs {
        containerd::configure(cluster.data, &cluster.socket(), programs)?;
        supervisor.start(cluster.containerd(&programs.containerd))?;
    }
    let admin = cluster.data.join("kubeconfig/admin.conf");
    let client = client::build(client::config(Some(&admin), "kybern").await?)?;
    api_ready(&client, deadline).await.with_context(|| {
        format!("the API server is not ready; see {}", cluster.data.join("logs/apiserver.log").display())
    })?;
    progress.step("API server ready");
    let programs = match programs {
        Ok(programs) => programs,
        Err(missing) => {
            progress.say(&format!("no node on this machine: {missing}"));
            progress.done(&admin, false);
            return Ok(());
        }
    };
    addons::apply(&client, cluster.dns_address, cluster.address, cluster.dns_port).await?;
    containerd::ready(&programs.ctr, &cluster.socket(), deadline.saturating_duration_since(Instant::now()))
        .await
        .with_context(|| format!("see {}", cluster.data.join("logs/containerd.log").display()))?;
    if let Some(images) = &flags.images {
        let count = containerd::import(&programs.ctr, &cluster.socket(), images).await?;
        progress.step(&format!("{count} images imported"));
    }
    supervisor.start(cluster.node_agent())?;
    supervisor.start(cluster.proxy())?;
    supervisor.start(cluster.dns())?;
    let short_of = node_ready(&client, cluster.node, deadline)
        .await
        .with_context(|| format!("see {}", cluster.data.join("logs/node-agent.log").display()))?;
    progress.step(&format!("node {} ready", cluster.node));
    for condition in short_of {
        progress.say(&format!("no pod can start on node {}: it has {condition}", cluster.node));
    }
    dns_ready(cluster, deadline)
        .await
        .with_context(|| format!("see {}", cluster.data.join("logs/dns.log").display()))?;
    progress.step("cluster DNS answers");
    progress.done(&admin, true);
    Ok(())
}

/// What a node needs, or why there can be none here.
fn node_programs() -> std::result::Result<containerd::Programs, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("running pods needs root".to_owned());
    }
    containerd::Programs::find().map_err(|missing| format!("missing {}", missing.join(", ")))
}

async fn api_ready(client: &Client, deadline: Instant) -> Result<()> {
    loop {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        match client.request_text(request).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Waits for the node and names what it runs out of: its conditions `MemoryPressure`, `DiskPressure`, `PIDPressure`.
async fn node_ready(client: &Client, name: &str, deadline: Instant) -> Result<Vec<String>> {
    let nodes: Api<Node> = Api::all(client.clone());
    loop {
        let node = nodes.get_opt(name).await.unwrap_or_default();
        let conditions = node.and_then(|node| node.status?.conditions).unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        if ready.is_some_and(|condition| condition.status == "True") {
            let pressing =
                conditions.iter().filter(|condition| condition.status == "True" && condition.type_ != "Ready");
            return Ok(pressing.map(|condition| condition.type_.clone()).collect());
        }
        if Instant::now() > deadline {
            let why = ready
                .and_then(|condition| condition.message.clone())
                .unwrap_or_else(|| "it did not register".to_owned());
            bail!("node {name} is not ready: {why}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asks for the API's own service by name, through the service's address, as a pod would.
async fn dns_ready(cluster: &Cluster<'_>, deadline: Instant) -> Result<()> {
    let name = format!("kubernetes.default.svc.{}", cluster.domain);
    let query = dns_query(&name);
    loop {
        let asked = async {
            let socket = tokio::net::UdpSocket::bind(("0.0.0.0", 0)).await?;
            socket.connect((cluster.dns_address, 53)).await?;
            socket.send(&query).await?;
            let mut answer = [0; 512];
            let length = socket.recv(&mut answer).await?;
            std::io::Result::Ok(answer[..length].to_vec())
        };
        if let Ok(Ok(answer)) = tokio::time::timeout(Duration::from_millis(500), asked).await {
            // No error, and at least one answer.
            if answer.len() > 12 && answer[3] & 0x0f == 0 && (answer[6], answer[7]) != (0, 0) {
                return Ok(());
            }
        }
        if Instant::now() > deadline {
            bail!("{} does not answer for {name}", cluster.dns_address);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A DNS question for the A records of a name (RFC 1035).
fn dns_query(name: &str) -> Vec<u8> {
    let mut query = vec![0x6b, 0x79, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    query
}

fn make_data_dir(data: &Path) -> Result<()> {
    for dir in ["", "kubeconfig", "logs", "run"] {
        let dir = data.join(dir);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o711))
        .with_context(|| format!("cannot set the mode of {}", data.display()))
}

fn refuse_second(data: &Path) -> Result<()> {
    match running(data) {
        Some(pid) if pid != std::process::id() => {
            bail!("a cluster is running from {} already (pid {pid}); 'kybern down' stops it", data.display())
        }
        _ => Ok(()),
    }
}

/// The process of the cluster that runs from a data directory.
pub fn running(data: &Path) -> Option<u32> {
    let pid = std::fs::read_to_string(data.join("run/up.pid")).ok()?.trim().parse().ok()?;
    let ours =
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(6).any(|part| part == b"kybern"));
    (ours && crate::supervisor::is_running(pid)).then_some(pid)
}

/// A taken port is said at once, not found in a log.
fn check_ports(flags: &Flags, cluster: &Cluster<'_>) -> Result<()> {
    let mut ports = vec![(flags.secure_port, "--secure-port")];
    if cluster.etcd().is_some() {
        ports.extend([(flags.etcd_port, "--etcd-port"), (flags.etcd_port + 1, "--etcd-port, its peers'")]);
    }
    for (port, flag) in ports {
        let address = if flag.starts_with("--etcd") { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        std::net::TcpListener::bind((address, port)).with_context(|| format!("port {port} ({flag}) is taken"))?;
    }
    Ok(())
}

/// The tenth address of the services' range, as kubeadm has it.
fn dns_address(first: IpAddr) -> Result<IpAddr> {
    match first {
        IpAddr::V4(first) => Ok(IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() + 9))),
        IpAddr::V6(_) => bail!("--service-cidr: IPv6 ranges are not supported yet"),
    }
}

/// The address that a route to elsewhere begins with; asking for the route sends nothing.
fn own_address() -> IpAddr {
    UdpSocket::bind(("0.0.0.0", 0))
        .and_then(|socket| {
            socket.connect(("192.0.2.254", 9))?;
            socket.local_addr()
        })
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
