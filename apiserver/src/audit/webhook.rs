//! The server that audit events are sent to, from its kubeconfig file.

use std::path::Path;

use anyhow::Context as _;
use apiserver_audit::Deliver;
use async_trait::async_trait;
use bytes::Bytes;
use controllers_component_base::client;
use http::Request;
use http::header::CONTENT_TYPE;

/// Longest time that one list may take to arrive.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A client of the webhook.
pub struct Webhook {
    client: kube::Client,
    url: String,
}

impl Webhook {
    /// Reads a kubeconfig file.
    ///
    /// # Errors
    /// The file, or what it names, cannot be read.
    pub async fn new(kubeconfig: &Path) -> anyhow::Result<Webhook> {
        let mut config = client::config(Some(kubeconfig), "kube-apiserver-audit").await?;
        // The URL is the whole address: its path is no prefix of others.
        let url = config.cluster_url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let root = config.cluster_url.to_string();
        let root = root.strip_suffix(url.as_str()).unwrap_or(&root).to_owned();
        config.cluster_url = root.parse().context("invalid server address")?;
        Ok(Webhook { client: client::build(config)?, url })
    }
}

#[async_trait]
impl Deliver for Webhook {
    async fn deliver(&self, list: Bytes) -> Result<(), String> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(list.to_vec())
            .map_err(|error| error.to_string())?;
        match tokio::time::timeout(TIMEOUT, self.client.request_text(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}
