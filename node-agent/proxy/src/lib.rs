//! Service proxying on one node: kube-proxy's work in nftables (KEP-3866).

pub mod base;
pub mod config;
pub mod conntrack;
pub mod driver;
pub mod flags;
pub mod health;
pub mod metrics;
pub mod model;
pub mod nft;
pub mod plan;
pub mod ruleset;
pub mod table;
pub mod watches;

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use controllers_component_base::{
    client,
    serving::{self, Access, Tls},
};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    driver::Options,
    flags::Flags,
    health::ProxyHealth,
    metrics::Metrics,
    model::Family,
    plan::{Config, NodePortAddresses},
};

/// Runs `kube-proxy` with its command line, whose first item is the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags = match controllers_component_base::flags::parse::<Flags>(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    controllers_component_base::run::run(flags.logging.v, |shutdown| serve(flags, shutdown))
}

/// Deletes our tables, and nothing else.
///
/// # Errors
/// nft cannot be run.
pub async fn cleanup() -> Result<()> {
    for family in Family::ALL {
        match nft::run(&ruleset::delete_table(family)).await {
            Err(error) if family == Family::V6 => info!("{} not cleaned up: {error:#}", family.as_str()),
            result => result?,
        }
    }
    Ok(())
}

async fn serve(mut flags: Flags, shutdown: CancellationToken) -> Result<()> {
    if flags.cleanup {
        return cleanup().await;
    }
    if let Some(path) = flags.config.clone() {
        config::apply(&path, &mut flags)?;
    }
    let options = options(&flags)?;
    let health_address = flags::address(&flags.healthz_bind_address).map_err(anyhow::Error::msg)?;
    let metrics_address = flags::address(&flags.metrics_bind_address).map_err(anyhow::Error::msg)?;
    let client = client::build(client::config(flags.kubeconfig.as_deref(), "kube-proxy").await?)?;
    let registry = prometheus::default_registry();
    let metrics = Metrics::new(registry).context("cannot register metrics")?;
    let health = ProxyHealth::default();
    if let Some(address) = health_address {
        let served = health::serve(health.clone(), address).await.map(drop);
        tolerate(served, &flags)?;
    }
    if let Some(address) = metrics_address {
        let mode: serving::Handler = Arc::new(|request| {
            let answer = match request.uri().path() {
                "/proxyMode" => serving::text(http::StatusCode::OK, "nftables"),
                _ => serving::text(http::StatusCode::NOT_FOUND, "404 page not found\n"),
            };
            async { answer }.boxed()
        });
        let serving = serving::Options {
            address,
            tls: Tls::None,
            access: Access::Open,
            health: serving::Health::default(),
            metrics: registry.clone(),
            handler: Some(mode),
        };
        let served = serving::serve(serving, shutdown.clone()).await.map(drop);
        tolerate(served, &flags)?;
    }
    driver::run(client, options, health, metrics, shutdown).await
}

/// A taken port ends the proxy only where it is told so: services must work without probes and metrics, too.
fn tolerate(served: Result<()>, flags: &Flags) -> Result<()> {
    match served {
        Err(error) if !flags.bind_address_hard_fail => {
            warn!("{error:#}");
            Ok(())
        }
        result => result,
    }
}

fn options(flags: &Flags) -> Result<Options> {
    let node = match flags.hostname_override.as_str() {
        "" => controllers_component_base::hostname().to_lowercase(),
        name => name.to_string(),
    };
    let addresses: Vec<&str> = flags.nodeport_addresses.iter().map(String::as_str).collect();
    let node_port_addresses = match addresses[..] {
        [] | ["primary"] => NodePortAddresses::Primary,
        ref cidrs => NodePortAddresses::Cidrs(
            (cidrs.iter())
                .map(|cidr| cidr.parse().with_context(|| format!("--nodeport-addresses: {cidr:?} is not a CIDR")))
                .collect::<Result<_>>()?,
        ),
    };
    Ok(Options {
        node,
        node_ip: Some(flags.bind_address).filter(|ip| !ip.is_unspecified()),
        config: Config {
            masquerade_mark: 1 << flags.masquerade_bit,
            masquerade_all: flags.masquerade_all,
            cluster_cidrs: flags.cluster_cidr.clone(),
            node_port_addresses,
        },
        min_sync_period: flags.min_sync_period,
        sync_period: flags.sync_period,
    })
}
