//! Registering the node: the object is created, or an existing one is brought into line.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Node, NodeSpec};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{machine, status::NodeStatus};
use crate::config::Config;

/// Registers until it worked; `None` on shutdown. With `--register-node=false` waits until somebody else made it.
pub async fn register(
    client: &Client,
    config: &Config,
    status: &NodeStatus,
    shutdown: &CancellationToken,
) -> Option<Node> {
    let api: Api<Node> = Api::all(client.clone());
    let mut wait = Duration::from_millis(100);
    let mut said = false;
    loop {
        match try_register(&api, config, status).await {
            Ok(node) => {
                info!("registered node {}", config.node_name);
                return Some(node);
            }
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    warn!("cannot register node {}, trying again: {error}", config.node_name);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(Duration::from_secs(7)),
            () = shutdown.cancelled() => return None,
        }
    }
}

async fn try_register(api: &Api<Node>, config: &Config, status: &NodeStatus) -> kube::Result<Node> {
    if !config.register_node {
        return api.get(&config.node_name).await;
    }
    let mut node = Node {
        metadata: ObjectMeta {
            name: Some(config.node_name.clone()),
            labels: Some(labels(config)),
            ..Default::default()
        },
        spec: Some(NodeSpec {
            provider_id: config.provider_id.clone(),
            taints: (!config.taints.is_empty()).then(|| config.taints.clone()),
            ..Default::default()
        }),
        status: None,
    };
    node.status = Some(status.compute(&node).await);
    match api.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(refused)) if refused.code == 409 => {}
        // A node may register without being allowed to read it before.
        other => return other,
    }
    let existing = api.get(&config.node_name).await?;
    let missing: BTreeMap<String, String> = labels(config)
        .into_iter()
        .filter(|(key, value)| existing.metadata.labels.as_ref().and_then(|labels| labels.get(key)) != Some(value))
        .collect();
    if missing.is_empty() {
        return Ok(existing);
    }
    let patch = serde_json::json!({ "metadata": { "labels": missing } });
    api.patch(&config.node_name, &PatchParams::default(), &Patch::Merge(patch)).await
}

fn labels(config: &Config) -> BTreeMap<String, String> {
    let mut labels = config.node_labels.clone();
    let mut set = |key: &str, value: &str| labels.insert(key.to_string(), value.to_string());
    set("kubernetes.io/hostname", &config.node_name);
    set("kubernetes.io/os", "linux");
    set("kubernetes.io/arch", machine::architecture());
    set("beta.kubernetes.io/os", "linux");
    set("beta.kubernetes.io/arch", machine::architecture());
    labels
}
