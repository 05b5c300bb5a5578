//! Which other objects a pod refers to.
//!
//! Source: `pkg/api/pod/util.go`.

use serde_json::Value;

use crate::object::{items, text};

const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Volumes that need nothing of the API.
const LOCAL: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "cephfs",
    "cinder",
    "downwardAPI",
    "emptyDir",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// Volumes that need another object, and how messages call that.
const REFERRING: &[(&str, &str)] = &[
    ("configMap", "configmaps (via configmap volumes)"),
    ("secret", "secrets (via secret volumes)"),
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ("azureFile", "secrets (via azureFile volumes)"),
];

const PROJECTED: &[(&str, &str)] = &[
    ("configMap", "configmaps (via projected volumes)"),
    ("secret", "secrets (via projected volumes)"),
    ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
];

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    CONTAINERS.iter().flat_map(|list| items(&pod["spec"][*list]))
}

/// Whether a container takes its environment from an object: `secret` or `configMap`.
fn in_environment(pod: &Value, from: &str, key: &str) -> bool {
    containers(pod).any(|container| {
        items(&container["envFrom"]).iter().any(|env| !text(&env[from]["name"]).is_empty())
            || items(&container["env"]).iter().any(|env| !text(&env["valueFrom"][key]["name"]).is_empty())
    })
}

/// Whether a pod refers to a secret by name.
pub fn has_secrets(pod: &Value) -> bool {
    let named = |value: &Value| !text(value).is_empty();
    items(&pod["spec"]["imagePullSecrets"]).iter().any(|secret| named(&secret["name"]))
        || in_environment(pod, "secretRef", "secretKeyRef")
        || items(&pod["spec"]["volumes"]).iter().any(|volume| {
            let with_reference = ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"];
            named(&volume["azureFile"]["secretName"])
                || named(&volume["secret"]["secretName"])
                || named(&volume["csi"]["nodePublishSecretRef"]["name"])
                || with_reference.iter().any(|kind| named(&volume[*kind]["secretRef"]["name"]))
                || items(&volume["projected"]["sources"]).iter().any(|source| named(&source["secret"]["name"]))
        })
}

fn has_config_maps(pod: &Value) -> bool {
    let named = |value: &Value| !text(value).is_empty();
    in_environment(pod, "configMapRef", "configMapKeyRef")
        || items(&pod["spec"]["volumes"]).iter().any(|volume| {
            named(&volume["configMap"]["name"])
                || items(&volume["projected"]["sources"]).iter().any(|source| named(&source["configMap"]["name"]))
        })
}

/// The first kind of object that a pod refers to, as messages call it.
///
/// # Errors
/// A volume of a kind that is not known.
pub fn object_kind(pod: &Value) -> Result<Option<&'static str>, String> {
    if !text(&pod["spec"]["serviceAccountName"]).is_empty() {
        return Ok(Some("serviceaccounts"));
    }
    if has_secrets(pod) {
        return Ok(Some("secrets"));
    }
    if has_config_maps(pod) {
        return Ok(Some("configmaps"));
    }
    if !items(&pod["spec"]["resourceClaims"]).is_empty() {
        return Ok(Some("resourceclaims"));
    }
    for volume in items(&pod["spec"]["volumes"]) {
        let has = |kind: &str| !volume[kind].is_null();
        if LOCAL.iter().any(|kind| has(kind)) {
            continue;
        }
        if let Some((_, shown)) = REFERRING.iter().find(|(kind, _)| has(kind)) {
            return Ok(Some(shown));
        }
        if !has("projected") {
            return Err(format!("unknown volume type for volume  {:?}", text(&volume["name"])));
        }
        for source in items(&volume["projected"]["sources"]) {
            if let Some((_, shown)) = PROJECTED.iter().find(|(kind, _)| !source[*kind].is_null()) {
                return Ok(Some(shown));
            }
            if source["downwardAPI"].is_null() {
                return Err(format!("unknown source for projected volume {:?}", text(&volume["name"])));
            }
        }
    }
    Ok(None)
}
