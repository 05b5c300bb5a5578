//! Cluster DNS: service and pod names by the Kubernetes DNS specification, and everything else forwarded.

pub mod forward;
pub mod lookup;
pub mod metrics;
pub mod server;
pub mod watches;
pub mod wire;
pub mod zone;

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result};
use clap::Parser;
use controllers_component_base::{
    client,
    flags::Logging,
    serving::{self, Access, Health, Tls},
};
use futures::FutureExt;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{forward::Forwarder, metrics::Metrics, server::Answerer, zone::Zone};

/// Cluster DNS.
#[derive(Clone, Debug, Parser)]
#[command(name = "dns")]
pub struct Flags {
    /// Path to kubeconfig file with authorization information.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Addresses to answer at, by UDP and TCP, with a port where it is not 53.
    #[arg(long, value_name = "IP[:PORT]", value_delimiter = ',', default_value = "0.0.0.0", value_parser = bind_address)]
    pub bind: Vec<SocketAddr>,
    /// The cluster's domain.
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Where the resolvers for all other names stand; an empty value: there are none.
    #[arg(long, value_name = "FILE", default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,
    /// Where to serve /health; an empty value serves none.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8080")]
    pub health_bind_address: String,
    /// Where to serve /ready; an empty value serves none.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8181")]
    pub ready_bind_address: String,
    /// Where to serve /metrics; an empty value serves none.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:9153")]
    pub metrics_bind_address: String,
    #[command(flatten)]
    pub logging: Logging,
}

fn bind_address(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>().ok();
    let without = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    with_port.or_else(without).ok_or_else(|| "not an IP address, with or without a port".to_string())
}

/// Runs cluster DNS with its command line, whose first item is the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags = match controllers_component_base::flags::parse::<Flags>(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    controllers_component_base::run::run(flags.logging.v, |shutdown| serve(flags, shutdown))
}

async fn serve(flags: Flags, shutdown: CancellationToken) -> Result<()> {
    let client = client::build(client::config(flags.kubeconfig.as_deref(), "kybern-dns").await?)?;
    let zone = Arc::new(RwLock::new(Zone::new(&flags.cluster_domain)));
    let registry = prometheus::default_registry();
    let metrics = Metrics::new(registry).context("cannot register metrics")?;
    let forwarder = Forwarder::new(resolvers(&flags));
    let answerer = Arc::new(Answerer { zone: zone.clone(), forwarder, metrics });
    let synced = watches::start(&client, &zone);
    let ready = move || if synced.is_complete() { Ok("OK") } else { Err("kubernetes") };
    // Before the sockets: until the zone is known, "no such name" would be a lie that clients remember.
    status(&flags.health_bind_address, "/health", || Ok("OK"), &shutdown).await?;
    status(&flags.ready_bind_address, "/ready", ready.clone(), &shutdown).await?;
    status(&flags.metrics_bind_address, "/metrics", || Ok(""), &shutdown).await?;
    while ready().is_err() {
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
    for address in &flags.bind {
        let bound = server::serve(answerer.clone(), *address).await?;
        info!("answering for {} at {bound}", flags.cluster_domain);
    }
    shutdown.cancelled().await;
    Ok(())
}

/// The upstream resolvers, without ourselves: asking ourselves would never end.
fn resolvers(flags: &Flags) -> Vec<SocketAddr> {
    if flags.resolv_conf.as_os_str().is_empty() {
        return Vec::new();
    }
    let text = match std::fs::read_to_string(&flags.resolv_conf) {
        Ok(text) => text,
        Err(error) => {
            warn!("no upstream resolvers: {}: {error}", flags.resolv_conf.display());
            return Vec::new();
        }
    };
    let mut resolvers = forward::parse_resolv_conf(&text);
    resolvers.retain(|resolver| {
        let ourselves = flags.bind.iter().any(|own| {
            own.port() == resolver.port()
                && (own.ip() == resolver.ip() || own.ip().is_unspecified() && resolver.ip().is_loopback())
        });
        if ourselves {
            warn!("upstream resolver {resolver} is this server itself, left out");
        }
        !ourselves
    });
    resolvers
}

/// Serves one path of CoreDNS's, beside the usual ones.
async fn status(
    address: &str,
    path: &'static str,
    check: impl Fn() -> Result<&'static str, &'static str> + Send + Sync + 'static,
    shutdown: &CancellationToken,
) -> Result<()> {
    if address.is_empty() {
        return Ok(());
    }
    let address = address.strip_prefix(':').map_or_else(|| address.to_string(), |port| format!("0.0.0.0:{port}"));
    let address = address.parse().with_context(|| format!("{address:?} is not an address with a port"))?;
    let handler: serving::Handler = Arc::new(move |request| {
        let answer = match (request.uri().path() == path, check()) {
            (true, Ok(body)) => serving::text(http::StatusCode::OK, body),
            (true, Err(body)) => serving::text(http::StatusCode::SERVICE_UNAVAILABLE, body),
            (false, _) => serving::text(http::StatusCode::NOT_FOUND, "404 page not found\n"),
        };
        async { answer }.boxed()
    });
    let options = serving::Options {
        address,
        tls: Tls::None,
        access: Access::Open,
        health: Health::default(),
        metrics: prometheus::default_registry().clone(),
        handler: Some(handler),
    };
    serving::serve(options, shutdown.clone()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let flags = Flags::try_parse_from(["dns", "--bind=10.96.0.10,[::1]:5353"]).unwrap();
        let bind: Vec<String> = flags.bind.iter().map(SocketAddr::to_string).collect();
        assert_eq!(bind, ["10.96.0.10:53", "[::1]:5353"]);
        assert!(Flags::try_parse_from(["dns", "--bind=x"]).is_err());
    }

    #[test]
    fn it_does_not_ask_itself() {
        let dir = std::env::temp_dir().join(format!("kybern-dns-{}", std::process::id()));
        std::fs::write(&dir, "nameserver 127.0.0.1\nnameserver 192.0.2.1\n").unwrap();
        let path = dir.display();
        let flags = Flags::try_parse_from(["dns".to_string(), format!("--resolv-conf={path}")]).unwrap();
        assert_eq!(resolvers(&flags), ["192.0.2.1:53".parse().unwrap()]);
        std::fs::remove_file(dir).unwrap();
    }
}
