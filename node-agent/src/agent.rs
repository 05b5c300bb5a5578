//! Puts the agent together and runs its parts.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use controllers_component_base::{
    client,
    events::{EventType, Recorder},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    cgroups::Cgroups,
    client_certificate,
    config::Config,
    container_log,
    cri::{Runtime, remote::Remote},
    flags::Flags,
    host::Host,
    images::Images,
    node,
    objects::ApiObjects,
    pods::Pods,
    probes::Prober,
    room::Room,
    server, static_pods,
    status::manager::{ApiPods, StatusManager},
    volumes::TokenCache,
};

/// How often the sizes of logs are looked at.
const LOG_ROTATION: Duration = Duration::from_secs(10);

/// Runs until shutdown.
///
/// # Errors
/// What keeps the agent from starting, in one line.
pub async fn run(flags: Flags, shutdown: CancellationToken) -> Result<()> {
    let config = Config::new(&flags)?;
    check_machine(&config)?;
    let Some(kubeconfig) = flags.kubeconfig.as_deref() else {
        bail!("--kubeconfig is required: running without an API server is not supported");
    };
    if let Some(bootstrap) = &flags.bootstrap_kubeconfig {
        let joined = client_certificate::bootstrap(kubeconfig, bootstrap, &config.cert_dir, &config.node_name);
        tokio::select! {
            joined = joined => joined?,
            () = shutdown.cancelled() => return Ok(()),
        }
    }
    let client = if config.rotate_certificates {
        let (dir, node) = (config.cert_dir.clone(), config.node_name.clone());
        client_certificate::renewing(kubeconfig.to_owned(), dir, node, shutdown.clone()).await?
    } else {
        client::build(client::config(Some(kubeconfig), "kubelet").await?)?
    };

    let runtime: Arc<dyn Runtime> = Arc::new(Remote::new(&config.runtime_socket).context("cannot make a CRI client")?);
    let Some((runtime_name, runtime_version)) = await_runtime(runtime.as_ref(), &config, &shutdown).await else {
        return Ok(());
    };
    info!("container runtime {runtime_name} {runtime_version}");
    let version = format!("{runtime_name}://{runtime_version}");
    let status = Arc::new(node::NodeStatus::new(config.clone(), runtime.clone(), version));

    let recorder = Recorder::new(client.clone(), "kubelet", &config.node_name);
    let host = Arc::new(Host {
        images: Images::new(runtime.clone(), recorder.clone()),
        runtime,
        runtime_name,
        objects: Arc::new(ApiObjects::new(client.clone())),
        recorder,
        cgroups: Cgroups::new(&config.cgroups),
        tokens: TokenCache::default(),
        statuses: Arc::new(StatusManager::new(Arc::new(ApiPods::new(client.clone())))),
        probes: Prober::default(),
        memory: status.memory(),
        room: Room::new(&status.allocatable()),
        allocatable: status.allocatable(),
        host_ips: config.node_ips.iter().map(ToString::to_string).collect(),
        started: Timestamp::now(),
        network_error: Mutex::new(None),
        config,
    });
    let pods = Pods::new(host.clone());
    server::serve(client.clone(), host.clone(), pods.clone(), shutdown.clone()).await?;
    starting_event(&host);
    tokio::spawn(be_a_node(client.clone(), host.clone(), status, shutdown.clone()));
    tokio::spawn(static_pods::run(client.clone(), host.clone(), pods.clone(), shutdown.clone()));
    let statuses = host.statuses.clone();
    tokio::spawn(async move { statuses.run().await });
    tokio::spawn(pods.clone().watch_runtime(shutdown.clone()));
    tokio::spawn(pods.clone().clean_up(shutdown.clone()));
    tokio::spawn(rotate_logs(host.clone(), shutdown.clone()));
    pods.run(client, shutdown).await;
    Ok(())
}

/// Registers the node, then keeps its lease and status up to date.
async fn be_a_node(client: Client, host: Arc<Host>, status: Arc<node::NodeStatus>, shutdown: CancellationToken) {
    let Some(registered) = node::register(&client, &host.config, &status, &shutdown).await else { return };
    let uid = registered.metadata.uid.clone().unwrap_or_default();
    let (name, duration) = (host.config.node_name.clone(), host.config.node_lease_duration);
    tokio::join!(
        node::renew_lease(client.clone(), name, uid, duration, shutdown.clone()),
        node::report_status(client, host, status, registered, shutdown),
    );
}

/// What the machine must offer.
fn check_machine(config: &Config) -> Result<()> {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    if config.fail_swap_on && swaps.lines().count() > 1 {
        bail!("running with swap on is not supported, please disable swap or set --fail-swap-on flag to false");
    }
    for dir in [&config.root_dir, &config.pod_logs_dir] {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    Ok(())
}

/// Waits for the runtime to answer; `None` on shutdown.
async fn await_runtime(
    runtime: &dyn Runtime,
    config: &Config,
    shutdown: &CancellationToken,
) -> Option<(String, String)> {
    let mut said = false;
    loop {
        match runtime.version().await {
            Ok(version) => return Some(version),
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    warn!(
                        "container runtime at {} does not answer, waiting for it: {error}",
                        config.runtime_socket.display()
                    );
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            () = shutdown.cancelled() => return None,
        }
    }
}

fn starting_event(host: &Host) {
    let name = host.config.node_name.clone();
    let node =
        ObjectReference { kind: Some("Node".into()), name: Some(name.clone()), uid: Some(name), ..Default::default() };
    host.recorder.event(&node, EventType::Normal, "Starting", "Starting kubelet.");
}

async fn rotate_logs(host: Arc<Host>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOG_ROTATION) => {}
            () = shutdown.cancelled() => return,
        }
        let config = &host.config;
        container_log::rotate::rotate_all(
            host.runtime.as_ref(),
            &config.pod_logs_dir,
            config.log_max_size,
            config.log_max_files,
        )
        .await;
    }
}
