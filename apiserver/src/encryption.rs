//! Encryption at rest: the configuration file, read at the start and again when it changes.
//!
//! Source: apiserver `pkg/server/options/encryptionconfig/controller`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use apiserver_encryption::{Configuration, Encryption};

use crate::flags::Flags;
use crate::server::Server;

/// How often the file is looked at.
const POLL: Duration = Duration::from_secs(5);

/// The encryption that the flags ask for.
///
/// # Errors
/// The file cannot be read, or says what cannot be.
pub fn new(flags: &Flags) -> anyhow::Result<Option<Arc<Encryption>>> {
    let Some(path) = &flags.encryption_provider_config else {
        anyhow::ensure!(
            !flags.encryption_provider_config_automatic_reload,
            "--encryption-provider-config-automatic-reload must be set with --encryption-provider-config"
        );
        return Ok(None);
    };
    let (_, configuration) = read(path)?;
    Ok(Some(Arc::new(Encryption::new(configuration))))
}

/// The text of the file and what it says.
fn read(path: &Path) -> anyhow::Result<(String, Configuration)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("error reading encryption provider configuration file {shown:?}"))?;
    let configuration =
        Configuration::parse(&text).with_context(|| format!("encryption provider configuration file {shown:?}"))?;
    Ok((text, configuration))
}

/// Uses the file as it is, if it was asked for. A file that cannot be used changes nothing.
pub async fn follow(server: Arc<Server>, path: Option<PathBuf>) {
    let (Some(encryption), Some(path)) = (&server.encryption, path) else { return };
    let mut known = std::fs::read_to_string(&path).unwrap_or_default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = server.draining.cancelled() => return,
        }
        match read(&path) {
            Ok((text, _)) if text == known => {}
            Ok((text, configuration)) => {
                known = text;
                encryption.replace(configuration);
                tracing::info!(path = %path.display(), "loaded new encryption configuration");
            }
            Err(error) => tracing::warn!("the encryption configuration was not loaded: {error:#}"),
        }
    }
}
