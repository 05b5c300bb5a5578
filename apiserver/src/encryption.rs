//! Encryption at rest: the configuration file, read at the start and again when it changes.
//!
//! Source: apiserver `pkg/server/options/encryptionconfig/controller`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use apiserver_encryption::{Configuration, Encryption, Metrics};

use crate::flags::Flags;
use crate::server::Server;

/// How often the file is looked at.
const POLL: Duration = Duration::from_secs(5);

/// The encryption that the flags ask for. KMS plugins are asked once; those that do not answer are asked again later.
///
/// # Errors
/// The file cannot be read, or says what cannot be.
pub async fn new(flags: &Flags, metrics: &Metrics) -> anyhow::Result<Option<Arc<Encryption>>> {
    let Some(path) = &flags.encryption_provider_config else {
        anyhow::ensure!(
            !flags.encryption_provider_config_automatic_reload,
            "--encryption-provider-config-automatic-reload must be set with --encryption-provider-config"
        );
        return Ok(None);
    };
    let text = read(path)?;
    let configuration = parse(path, &text, metrics)?;
    configuration.start().await;
    metrics.configured(&text);
    Ok(Some(Arc::new(Encryption::new(configuration))))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    std::fs::read_to_string(path)
        .with_context(|| format!("error reading encryption provider configuration file {shown:?}"))
}

fn parse(path: &Path, text: &str, metrics: &Metrics) -> anyhow::Result<Configuration> {
    Configuration::parse(text, metrics)
        .with_context(|| format!("encryption provider configuration file {:?}", path.display()))
}

/// Uses the file as it is, if it was asked for. A file that cannot be used changes nothing, and neither does one whose
/// KMS plugins are not well.
pub async fn follow(server: Arc<Server>, path: Option<PathBuf>) {
    let (Some(encryption), Some(path)) = (&server.encryption, path) else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = server.draining.cancelled() => return,
        }
        let replaced = tokio::select! {
            replaced = replace(encryption, &path, &server.metrics.encryption) => replaced,
            () = server.draining.cancelled() => return,
        };
        if let Err(error) = replaced {
            server.metrics.encryption.reloaded(false);
            tracing::warn!("the encryption configuration was not loaded: {error:#}");
        }
    }
}

/// Takes a file over that is not the one in use.
async fn replace(encryption: &Encryption, path: &Path, metrics: &Metrics) -> anyhow::Result<()> {
    let text = read(path)?;
    if encryption.is_of(&text) {
        return Ok(());
    }
    let configuration = parse(path, &text, metrics)?;
    configuration.start().await;
    configuration
        .ready()
        .await
        .map_err(|error| anyhow::anyhow!("health check for new transformers failed: {error}"))?;
    encryption.replace(configuration);
    metrics.configured(&text);
    metrics.reloaded(true);
    tracing::info!(path = %path.display(), "loaded new encryption configuration");
    Ok(())
}
