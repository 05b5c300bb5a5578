//! The API server: the Kubernetes 1.36 REST and watch API over a store.
//!
//! A request passes [`chain`], is sent on by [`routes`], and is served by one of [`verbs`] or
//! [`subresources`]. What is served is the table in [`resources::builtin`].

mod admission;
mod aggregation;
mod allocations;
mod apiextensions;
mod audit;
mod authn;
mod authz;
mod backend;
mod body;
mod bootstrap;
mod chain;
mod client_config;
mod conditions;
mod context;
mod discovery;
mod edge;
mod encryption;
mod facts;
mod fairness;
mod feature_gates;
mod field;
mod flags;
mod gathering;
mod health;
mod impersonation;
mod internal_form;
mod kubelet;
mod listen;
mod max_in_flight;
mod metrics;
mod negotiate;
mod object;
mod object_meta;
mod openapi;
mod own_objects;
mod partial_metadata;
mod printers;
mod request;
mod resources;
mod respond;
mod routes;
mod selection;
mod selector;
mod server;
mod serving_certificates;
mod status;
mod storage;
mod subresources;
mod verbs;
mod warnings;
mod webhook_client;
mod zpages;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use controllers_component_base::run;
use tokio_util::sync::CancellationToken;

pub use flags::Flags;

/// How long the server waits at its end for audit events to arrive.
const AUDIT_FLUSH: Duration = Duration::from_secs(10);

/// Runs kube-apiserver with these arguments, the first of which is the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags = match Flags::read(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    // As long as all steps of stopping may take together, and a little more to tell of one that hangs.
    let grace = flags.shutdown_delay_duration
        + flags.shutdown_watch_termination_grace_period
        + flags.request_timeout
        + Duration::from_secs(10);
    run::run_with_grace(flags.logging.v, grace, |shutdown| async move {
        let running = start(&flags, shutdown).await?;
        running.finished().await
    })
}

/// How long a server that stops may take to say so in the store.
const LEAVING: std::time::Duration = std::time::Duration::from_secs(5);

/// A server that is serving.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Waits until the server has stopped.
    pub async fn finished(self) -> anyhow::Result<()> {
        self.serving.await.context("the server failed")
    }
}

/// Starts a server: opens the store, listens, and makes what every cluster begins with in the background.
///
/// # Errors
/// The store cannot be opened, the port is taken, or a flag's file cannot be read.
pub async fn start(flags: &Flags, shutdown: CancellationToken) -> anyhow::Result<Running> {
    controllers_component_base::client::install_crypto_provider();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificates = Arc::new(serving_certificates::ServingCertificates::new(flags, &provider)?);
    let tls = listen::tls(flags, provider, Arc::clone(&certificates))?;
    let asked = SocketAddr::new(flags.bind_address, flags.secure_port);
    let listener = listen::bind(asked, flags.permit_port_sharing)
        .with_context(|| format!("failed to create listener: failed to listen on {asked}"))?;
    let address = listener.local_addr()?;
    // A free port that was taken is now the server's own.
    let flags = &Flags { secure_port: address.port(), ..flags.clone() };
    let server = server::Server::new(flags).await?;
    tracing::info!(%address, "Serving securely");
    tokio::spawn(apiextensions::run(Arc::clone(&server)));
    tokio::spawn(aggregation::run(Arc::clone(&server)));
    let watched = flags.encryption_provider_config.clone();
    let watched = watched.filter(|_| flags.encryption_provider_config_automatic_reload);
    tokio::spawn(encryption::follow(Arc::clone(&server), watched));
    tokio::spawn(fairness::follow(Arc::clone(&server)));
    let keeping = tokio::spawn(bootstrap::run(Arc::clone(&server), address.port()));
    tokio::spawn(listen::reload(Arc::clone(&server), certificates));
    let stopping = listen::Stopping {
        delay: flags.shutdown_delay_duration,
        send_retry_after: flags.shutdown_send_retry_after,
        watch_grace: flags.shutdown_watch_termination_grace_period,
        request_timeout: flags.request_timeout,
    };
    let settings = listen::Settings::new(flags, tls);
    let serving = tokio::spawn(async move {
        listen::serve(Arc::clone(&server), listener, settings, shutdown, stopping).await;
        // The others are to know that this server is gone, unless the store does not take it.
        let _ = tokio::time::timeout(LEAVING, keeping).await;
        // The last requests are on record before the process may end.
        if tokio::time::timeout(AUDIT_FLUSH, server.audit.flush()).await.is_err() {
            tracing::warn!("audit events were left behind");
        }
    });
    Ok(Running { address, serving })
}
