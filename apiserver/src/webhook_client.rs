//! A server that is asked about tokens or permissions, from a kubeconfig file.
//!
//! Source: apiserver `pkg/util/webhook`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use controllers_component_base::client;
use futures::future::BoxFuture;
use http::Request;
use http::header::CONTENT_TYPE;
use kube::config::Kubeconfig;
use serde_json::Value;
use tokio::sync::OnceCell;

/// The first wait before another attempt; each further one is half as long again.
const BACKOFF: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 5;

/// A client, made when it is first used.
pub struct WebhookClient {
    kubeconfig: PathBuf,
    made: OnceCell<(kube::Client, String)>,
}

impl WebhookClient {
    /// # Errors
    /// The file cannot be read.
    pub fn new(kubeconfig: &Path) -> anyhow::Result<WebhookClient> {
        Kubeconfig::read_from(kubeconfig).with_context(|| format!("invalid kubeconfig {}", kubeconfig.display()))?;
        Ok(WebhookClient { kubeconfig: kubeconfig.to_owned(), made: OnceCell::new() })
    }

    async fn client(&self) -> anyhow::Result<&(kube::Client, String)> {
        let make = async {
            let mut config = client::config(Some(&self.kubeconfig), "kube-apiserver").await?;
            // The URL is the whole address: its path is no prefix of others.
            let path = config.cluster_url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            let root = config.cluster_url.to_string();
            config.cluster_url = root.strip_suffix(path.as_str()).unwrap_or(&root).parse()?;
            anyhow::Ok((client::build(config)?, path))
        };
        self.made.get_or_try_init(|| make).await
    }

    /// Sends a review and gives the answer; again where the server was not reached or could not answer.
    pub fn ask<'a>(&'a self, review: &'a Value, timeout: Duration) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let mut wait = BACKOFF;
            let asked = async {
                for attempt in 1.. {
                    match self.once(review).await {
                        Ok(answer) => return Ok(answer),
                        Err((why, is_final)) if is_final || attempt >= ATTEMPTS => return Err(why),
                        Err((why, _)) => tracing::debug!(error = why, "a webhook did not answer, trying again"),
                    }
                    tokio::time::sleep(wait).await;
                    wait = wait * 3 / 2;
                }
                Err("no attempt was made".to_owned())
            };
            match tokio::time::timeout(timeout, asked).await {
                Ok(outcome) => outcome,
                Err(_) => Err("context deadline exceeded".to_owned()),
            }
        })
    }

    /// One attempt; the error says whether another one would be of no use.
    async fn once(&self, review: &Value) -> Result<Value, (String, bool)> {
        let (client, path) = self.client().await.map_err(|error| (format!("{error:#}"), true))?;
        let request = Request::post(path.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())
            .map_err(|error| (error.to_string(), true))?;
        match client.request::<Value>(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => {
                let is_final = status.code != 429 && status.code < 500;
                Err((status.message.clone(), is_final))
            }
            Err(error @ kube::Error::SerdeError(_)) => Err((error.to_string(), true)),
            Err(error) => Err((error.to_string(), false)),
        }
    }
}
