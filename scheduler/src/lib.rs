//! The scheduler: finds a node for each pod that has none.

pub mod cluster;
pub mod config;
pub mod cycle;
pub mod driver;
pub mod events;
pub mod flags;
pub mod framework;
pub mod informers;
pub mod labels;
pub mod metrics;
pub mod node;
pub mod node_selector;
pub mod plugins;
pub mod pod;
pub mod profile;
pub mod quantity;
pub mod queue;
pub mod resources;
pub mod scheduler;
#[cfg(test)]
mod testing;

use std::{ffi::OsString, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use controllers_component_base::{
    client,
    events::Recorder as CoreRecorder,
    leader_election,
    serving::{self, Access, Health, Tls},
};
use tokio_util::sync::CancellationToken;

use crate::{config::Configuration, flags::Flags, metrics::Metrics, scheduler::Scheduler};

/// Runs `kube-scheduler` with its command line, whose first item is the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags = match controllers_component_base::flags::parse::<Flags>(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    controllers_component_base::run::run(flags.logging.v, |shutdown| serve(flags, shutdown))
}

async fn serve(mut flags: Flags, shutdown: CancellationToken) -> Result<()> {
    let configuration = flags.config.as_deref().map(Configuration::read).transpose()?.unwrap_or_default();
    configuration.apply_leader_election(&mut flags.leader_election)?;
    let settings = leader_election::Settings::new(&flags.leader_election, "kube-scheduler")?;
    let profiles = configuration.profiles()?;
    let mut delays = configuration.delays();
    delays.max_unschedulable = flags.pod_max_in_unschedulable_pods_duration;
    // As upstream: a configuration file's kubeconfig stands in place of the flag's.
    let kubeconfig = configuration.kubeconfig().or(flags.kubeconfig.as_deref());
    let config = client::config(kubeconfig, "kube-scheduler").await?;
    let client = client::build(config)?;
    let registry = prometheus::default_registry();
    let metrics = Arc::new(Metrics::new(registry).context("cannot register metrics")?);
    if flags.secure_port != 0 {
        let access = match flags.authorization_kubeconfig.as_deref().or(flags.authentication_kubeconfig.as_deref()) {
            Some(path) => Access::Delegated(client::build(client::config(Some(path), "kube-scheduler").await?)?),
            None => Access::HealthOnly,
        };
        let serving = &flags.serving;
        let tls = match (&serving.tls_cert_file, &serving.tls_private_key_file) {
            (Some(certificate), Some(key)) => Tls::Files { certificate: certificate.clone(), key: key.clone() },
            _ => Tls::SelfSigned,
        };
        let options = serving::Options {
            address: SocketAddr::new(serving.bind_address, flags.secure_port),
            tls,
            access,
            health: Health::default(),
            metrics: registry.clone(),
            handler: None,
        };
        serving::serve(options, shutdown.clone()).await?;
    }
    let host = controllers_component_base::hostname();
    let recorder = events::Recorder::new(client.clone(), host);
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_nanos() as u64;
    let scheduler = Scheduler::new(profiles, delays, seed);
    let work = || driver::run(client.clone(), scheduler, recorder, metrics, shutdown.clone());
    if !flags.leader_election.enabled {
        return work().await;
    }
    let core = CoreRecorder::new(client.clone(), "default-scheduler", "");
    leader_election::run(settings, client.clone(), core, shutdown.clone(), work).await
}
