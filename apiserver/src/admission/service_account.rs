//! ServiceAccount: every pod runs as an account of its namespace and gets its token mounted.
//!
//! Source: `plugin/pkg/admission/serviceaccount`.

use async_trait::async_trait;
use rand::Rng;
use serde_json::{Value, json};

use super::{Attributes, Operation, Plugin, pod_references};
use crate::object::{self, items, text};
use crate::status::{Result, Status};

pub struct ServiceAccount;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
pub const MIRROR: &str = "kubernetes.io/config.mirror";
/// An account with this annotation set to true lets its pods use only the secrets that it lists.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

#[async_trait]
impl Plugin for ServiceAccount {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.is_of("", "pods")
            && match attributes.operation {
                Operation::Create => attributes.subresource.is_empty(),
                Operation::Update => attributes.subresource == "ephemeralcontainers",
                Operation::Delete | Operation::Connect => false,
            }
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        // Mirrors of static pods exist on their node already.
        if attributes.operation != Operation::Create || is_mirror(pod) {
            return self.validate(attributes, pod).await;
        }
        if text(&pod["spec"]["serviceAccountName"]).is_empty() {
            object::set(pod, &["spec", "serviceAccountName"], "default");
        }
        let name = text(&pod["spec"]["serviceAccountName"]).to_owned();
        object::set(pod, &["spec", "serviceAccount"], name.as_str());
        let account = account(attributes, pod).await?;
        let wanted = pod["spec"]["automountServiceAccountToken"]
            .as_bool()
            .or_else(|| account["automountServiceAccountToken"].as_bool())
            .unwrap_or(true);
        if wanted {
            mount_token(pod);
        }
        if items(&pod["spec"]["imagePullSecrets"]).is_empty() && !items(&account["imagePullSecrets"]).is_empty() {
            object::set(pod, &["spec", "imagePullSecrets"], account["imagePullSecrets"].clone());
        }
        check(attributes, pod, &account)
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        if attributes.operation == Operation::Create && is_mirror(pod) {
            return match refused_mirror(pod) {
                Some(why) => Err(attributes.forbidden(pod, why)),
                None => Ok(()),
            };
        }
        if text(&pod["spec"]["serviceAccountName"]).is_empty() {
            let name = object::meta(pod, "name");
            let why = format!("no service account specified for pod {}/{name}", attributes.namespace);
            return Err(attributes.forbidden(pod, why));
        }
        check(attributes, pod, &account(attributes, pod).await?)
    }
}

pub fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"][MIRROR].is_string()
}

/// Why a mirror of a static pod may not be: such a pod has nothing of the API's.
fn refused_mirror(pod: &Value) -> Option<&'static str> {
    if !text(&pod["spec"]["serviceAccountName"]).is_empty() {
        return Some("a mirror pod may not reference service accounts");
    }
    if pod_references::has_secrets(pod) {
        return Some("a mirror pod may not reference secrets");
    }
    let sources = items(&pod["spec"]["volumes"]).iter().flat_map(|volume| items(&volume["projected"]["sources"]));
    let mut tokens = sources.filter(|source| source["serviceAccountToken"].is_object());
    tokens.next().map(|_| "a mirror pod may not use ServiceAccountToken volume projections")
}

async fn account(attributes: &Attributes<'_>, pod: &Value) -> Result<Value> {
    let name = text(&pod["spec"]["serviceAccountName"]);
    let found = attributes.server().find("", "serviceaccounts", attributes.namespace, name).await?;
    found.ok_or_else(|| {
        let why = format_args!(
            "error looking up service account {}/{name}: serviceaccount {name:?} not found",
            attributes.namespace
        );
        attributes.forbidden(pod, why)
    })
}

/// Where the account says so, its pods use only the secrets that it lists.
fn check(attributes: &Attributes<'_>, pod: &Value, account: &Value) -> Result<()> {
    let enforced = text(&account["metadata"]["annotations"][ENFORCE]);
    if !matches!(enforced, "1" | "t" | "T" | "TRUE" | "true" | "True") {
        return Ok(());
    }
    let listed =
        |list: &str, name: &Value| items(&account[list]).iter().any(|secret| text(&secret["name"]) == text(name));
    let owner = object::meta(account, "name");
    let not_listed = format!("is not allowed because service account {owner} does not reference that");
    let in_containers = |list: &str, shown: &str| -> Option<String> {
        for container in items(&pod["spec"][list]) {
            let name = text(&container["name"]);
            for env in items(&container["env"]) {
                let secret = &env["valueFrom"]["secretKeyRef"];
                if secret.is_object() && !listed("secrets", &secret["name"]) {
                    let (env, secret) = (text(&env["name"]), text(&secret["name"]));
                    return Some(format!(
                        "{shown} {name} with envVar {env} referencing secret.secretName=\"{secret}\" {not_listed} secret"
                    ));
                }
            }
            for from in items(&container["envFrom"]) {
                let secret = &from["secretRef"];
                if secret.is_object() && !listed("secrets", &secret["name"]) {
                    let secret = text(&secret["name"]);
                    return Some(format!(
                        "{shown} {name} with envFrom referencing secret.secretName=\"{secret}\" {not_listed} secret"
                    ));
                }
            }
        }
        None
    };
    if attributes.operation == Operation::Update {
        return in_containers("ephemeralContainers", "ephemeral container")
            .map_or(Ok(()), |why| Err(Status::unclassified(why)));
    }
    let in_volumes = || {
        let secrets = items(&pod["spec"]["volumes"]).iter().map(|volume| &volume["secret"]);
        let mut unlisted = secrets.filter(|secret| secret.is_object() && !listed("secrets", &secret["secretName"]));
        let secret = unlisted.next()?;
        Some(format!("volume with secret.secretName=\"{}\" {not_listed} secret", text(&secret["secretName"])))
    };
    let in_pulls = || {
        let mut pulls = items(&pod["spec"]["imagePullSecrets"]).iter().enumerate();
        let (index, secret) = pulls.find(|(_, secret)| !listed("imagePullSecrets", &secret["name"]))?;
        Some(format!("imagePullSecrets[{index}].name=\"{}\" {not_listed} imagePullSecret", text(&secret["name"])))
    };
    let problem = in_volumes()
        .or_else(|| in_containers("initContainers", "init container"))
        .or_else(|| in_containers("containers", "container"))
        .or_else(in_pulls);
    problem.map_or(Ok(()), |why| Err(attributes.forbidden(pod, why)))
}

/// Adds the projected token volume and its mounts, where a container mounts nothing there itself.
fn mount_token(pod: &mut Value) {
    let volumes = items(&pod["spec"]["volumes"]).to_vec();
    let existing = volumes.iter().map(|volume| text(&volume["name"])).find(|name| name.starts_with("kube-api-access-"));
    let volume_name = existing.map_or_else(|| format!("kube-api-access-{}", suffix()), str::to_owned);
    let has_volume = existing.is_some();
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let mut mounts = items(&container["volumeMounts"]).to_vec();
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
