//! kube-controller-manager: serves its endpoint, waits for leadership, runs the controllers.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use controllers_component_base::{
    client,
    events::Recorder,
    leader_election,
    serving::{self, Access, Health, Tls},
};
use kube::{Client, Config};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{CONTROLLERS, controller::Context, identity::Identities, informers::Informers, options::Options};

const COMPONENT: &str = "kube-controller-manager";

/// Runs until `shutdown`.
///
/// # Errors
/// Wrong flags, an unusable kubeconfig, a taken port, lost leadership.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<()> {
    options.validate()?;
    let config = client::config(options.kubeconfig.as_deref(), COMPONENT).await?;
    let manager = client::build(config.clone())?;
    if let Some(address) = options.address() {
        let endpoint = serving::Options {
            address,
            tls: match (&options.serving.tls_cert_file, &options.serving.tls_private_key_file) {
                (Some(certificate), Some(key)) => Tls::Files { certificate: certificate.clone(), key: key.clone() },
                _ => Tls::SelfSigned,
            },
            access: access(&options).await?,
            health: Health::default(),
            metrics: prometheus::default_registry().clone(),
            handler: None,
        };
        let bound = serving::serve(endpoint, shutdown.clone()).await?;
        info!("serving on {bound}");
    }
    if !options.leader_election.enabled {
        return controllers(options, config, manager, shutdown).await;
    }
    let settings = leader_election::Settings::new(&options.leader_election, COMPONENT)?;
    let recorder = Recorder::new(manager.clone(), &settings.identity, "");
    let working = shutdown.clone();
    let work = {
        let manager = manager.clone();
        move || controllers(options, config, manager, working)
    };
    leader_election::run(settings, manager, recorder, shutdown, work).await
}

/// The requests to the endpoint are checked with the client of `--authorization-kubeconfig`; upstream takes one
/// file per question, and so do we, but one client is enough where they are the same.
async fn access(options: &Options) -> Result<Access> {
    let Some(path) = &options.authorization_kubeconfig else { return Ok(Access::HealthOnly) };
    if let Some(other) = options.authentication_kubeconfig.as_ref().filter(|other| *other != path) {
        bail!(
            "--authentication-kubeconfig {} and --authorization-kubeconfig {} must be the same file",
            other.display(),
            path.display()
        );
    }
    Ok(Access::Delegated(client::build(client::config(Some(path), COMPONENT).await?)?))
}

/// Starts every wanted controller and waits for all of them.
async fn controllers(options: Options, config: Config, manager: Client, shutdown: CancellationToken) -> Result<()> {
    let options = Arc::new(options);
    let identities = Arc::new(Identities::new(&config, manager.clone(), options.use_service_account_credentials)?);
    let informers = Arc::new(Informers::new(manager, shutdown.clone()));
    let mut running = JoinSet::new();
    for controller in CONTROLLERS {
        if !options.wants(controller.name, controller.alias) {
            warn!("{} is disabled", controller.name);
            continue;
        }
        let (options, informers, identities, shutdown) =
            (options.clone(), informers.clone(), identities.clone(), shutdown.clone());
        running.spawn(async move {
            let client = tokio::select! {
                client = identities.client(controller.service_account, &shutdown) => client?,
                () = shutdown.cancelled() => return Ok(()),
            };
            let recorder = Recorder::new(client.clone(), controller.event_source, "");
            info!("starting {}", controller.name);
            let context = Context { client, recorder, informers, options, shutdown };
            (controller.run)(context).await.with_context(|| controller.name)
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.context("a controller panicked")??;
    }
    // Controllers that have nothing to do return at once; the component itself runs until it is told to end.
    shutdown.cancelled().await;
    Ok(())
}
