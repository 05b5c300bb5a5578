//! The node's lease in kube-node-lease: the heartbeat.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Renews the lease every quarter of its duration until shutdown.
pub async fn renew(client: Client, node: String, node_uid: String, duration: Duration, shutdown: CancellationToken) {
    let api: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    let period = duration / 4;
    let mut failing = false;
    loop {
        let wait = match once(&api, &node, &node_uid, duration).await {
            Ok(()) => {
                failing = false;
                period
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!("failed to update lease: {error}");
                }
                // Long before the lease ends.
                Duration::from_secs(1).min(period)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn once(api: &Api<Lease>, node: &str, node_uid: &str, duration: Duration) -> kube::Result<()> {
    let spec = LeaseSpec {
        holder_identity: Some(node.to_string()),
        lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..Default::default()
    };
    let patch = serde_json::json!({ "spec": spec });
    match api.patch(node, &PatchParams::default(), &Patch::Merge(patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => return other.map(drop),
    }
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: "Node".into(),
        name: node.to_string(),
        uid: node_uid.to_string(),
        ..Default::default()
    };
    let metadata =
        ObjectMeta { name: Some(node.to_string()), owner_references: Some(vec![owner]), ..Default::default() };
    api.create(&PostParams::default(), &Lease { metadata, spec: Some(spec) }).await.map(drop)
}
