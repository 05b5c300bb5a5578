//! The API client of a component: its identity from a kubeconfig file, its user agent.

use std::path::Path;

use anyhow::{Context, Result};
use http::{HeaderValue, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Makes aws-lc-rs the process's TLS provider. Idempotent; every constructor here calls it.
pub fn install_crypto_provider() {
    // The only error is that a provider is already installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The client configuration of `component` (its name in the user agent): from the kubeconfig file when given,
/// else from the service account of the pod the process runs in. Bearer token files are read again every
/// minute by the client; client certificates are read at start.
///
/// # Errors
/// One line that names the file and what is wrong with it.
pub async fn config(kubeconfig: Option<&Path>, component: &str) -> Result<Config> {
    install_crypto_provider();
    let mut config = match kubeconfig {
        Some(path) => {
            let named = || format!("invalid kubeconfig {}", path.display());
            let file = Kubeconfig::read_from(path).with_context(named)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.with_context(named)?
        }
        None => Config::incluster().context("no --kubeconfig given and not running in a cluster")?,
    };
    config.headers.push((USER_AGENT, user_agent(component)?));
    Ok(config)
}

/// A client from a configuration.
///
/// # Errors
/// A certificate or key in the configuration that cannot be used.
pub fn build(config: Config) -> Result<Client> {
    install_crypto_provider();
    let server = config.cluster_url.clone();
    Client::try_from(config).with_context(|| format!("cannot make a client for {server}"))
}

/// `<component>/v1.36.2 (linux/amd64) kybern`, in the shape of client-go's user agents.
fn user_agent(component: &str) -> Result<HeaderValue> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let agent = format!("{component}/{} ({}/{arch}) kybern", crate::KUBERNETES_VERSION, std::env::consts::OS);
    HeaderValue::from_str(&agent).with_context(|| format!("component name {component:?} cannot be a user agent"))
}

/// Replaces the user agent of a configuration that [`config`] made, for a controller with an identity of its own.
///
/// # Errors
/// A name that cannot stand in a header.
pub fn set_user_agent(config: &mut Config, component: &str) -> Result<()> {
    config.headers.retain(|(name, _)| name != USER_AGENT);
    config.headers.push((USER_AGENT, user_agent(component)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn broken_kubeconfigs_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        let message = |error: anyhow::Error| crate::run::one_line(&error);
        let missing = message(config(Some(&path), "test").await.unwrap_err());
        assert!(missing.contains("kubeconfig") && missing.contains("No such file"), "{missing}");
        std::fs::write(&path, "current-context: nowhere\n").unwrap();
        let context = message(config(Some(&path), "test").await.unwrap_err());
        assert!(context.contains("nowhere") && !context.contains('\n'), "{context}");
    }

    #[test]
    fn user_agent_has_client_gos_shape() {
        let agent = user_agent("kubelet").unwrap();
        assert!(agent.to_str().unwrap().starts_with("kubelet/v1.36.2 (linux/"));
        assert!(agent.to_str().unwrap().ends_with(") kybern"));
    }
}
