//! ServiceAccount: every pod runs as an account of its namespace and gets its token mounted.

use async_trait::async_trait;
use rand::Rng;
use serde_json::{Value, json};

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::{GroupResource, Result, Status};

pub struct ServiceAccount;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[async_trait]
impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        if !attributes.is("", "pods") || attributes.operation != Operation::Create {
            return Ok(());
        }
        // Mirrors of static pods exist on their node already.
        if pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string() {
            return Ok(());
        }
        if pod["spec"]["serviceAccountName"].as_str().unwrap_or_default().is_empty() {
            object::set(pod, &["spec", "serviceAccountName"], "default");
        }
        let name = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default().to_owned();
        object::set(pod, &["spec", "serviceAccount"], name.as_str());
        let server = &attributes.context.server;
        let Some(account) = server.find("", "serviceaccounts", attributes.namespace, &name).await? else {
            return Err(Status::forbidden(
                GroupResource { group: "", resource: "pods" },
                attributes.name,
                format_args!(
                    "error looking up service account {}/{name}: serviceaccount {name:?} not found",
                    attributes.namespace
                ),
            ));
        };
        let wanted = pod["spec"]["automountServiceAccountToken"]
            .as_bool()
            .or_else(|| account["automountServiceAccountToken"].as_bool())
            .unwrap_or(true);
        if wanted {
            mount_token(pod);
        }
        let no_pull_secrets = pod["spec"]["imagePullSecrets"].as_array().is_none_or(Vec::is_empty);
        if no_pull_secrets && account["imagePullSecrets"].as_array().is_some_and(|list| !list.is_empty()) {
            object::set(pod, &["spec", "imagePullSecrets"], account["imagePullSecrets"].clone());
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        let mirror = pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
        if attributes.is("", "pods") && attributes.operation == Operation::Create && mirror {
            let named = !pod["spec"]["serviceAccountName"].as_str().unwrap_or_default().is_empty();
            if named {
                return Err(Status::forbidden(
                    GroupResource { group: "", resource: "pods" },
                    object::meta(pod, "name"),
                    "a mirror pod may not reference service accounts",
                ));
            }
        }
        Ok(())
    }
}

/// Adds the projected token volume and its mounts, where a container mounts nothing there itself.
fn mount_token(pod: &mut Value) {
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let existing =
        volumes.iter().filter_map(|volume| volume["name"].as_str()).find(|name| name.starts_with("kube-api-access-"));
    let volume_name = existing.map_or_else(|| format!("kube-api-access-{}", suffix()), str::to_owned);
    let has_volume = existing.is_some();
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let mut mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if mounts.iter().any(|mount| mount["mountPath"] == MOUNT) {
                continue;
            }
            mounts.push(json!({"name": volume_name, "readOnly": true, "mountPath": MOUNT}));
            object::set(container, &["volumeMounts"], Value::Array(mounts));
            mounted = true;
        }
    }
    if mounted && !has_volume {
        let mut volumes = volumes;
        volumes.push(json!({
            "name": volume_name,
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                    ]}},
                ],
                "defaultMode": 420,
            },
        }));
        object::set(pod, &["spec", "volumes"], Value::Array(volumes));
    }
}

/// Five characters of upstream's alphabet for generated names, which spells no words.
pub fn suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rng = rand::rng();
    (0..5).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}
