//! Which objects the pods of a node need, directly or through their volumes.
//!
//! Source: `plugin/pkg/auth/authorizer/node/graph.go`, `pkg/api/v1/pod/util.go`, `pkg/api/v1/persistentvolume/util.go`.
//! Upstream keeps a graph; here the few pods of one node, which are indexed, are looked through.

use std::sync::Arc;

use apiserver_watch_cache::{Object, Scope};
use serde_json::Value;

use crate::admission::service_account::is_mirror;
use crate::object::{items, meta, text};
use crate::server::Server;

/// Whether an object has to do with the node. `namespace` is empty for what is in none.
pub fn has(server: &Server, node: &str, resource: &str, namespace: &str, name: &str) -> bool {
    match resource {
        "pods" => {
            of_object(server, "", resource, namespace, name).is_some_and(|pod| pod.field("spec.nodeName") == node)
        }
        "volumeattachments" => read(server, "storage.k8s.io", resource, "", name)
            .is_some_and(|attachment| attachment["spec"]["nodeName"] == node),
        "resourceslices" => {
            read(server, "resource.k8s.io", resource, "", name).is_some_and(|slice| slice["spec"]["nodeName"] == node)
        }
        "persistentvolumes" => {
            let Some(volume) = read(server, "", resource, "", name) else { return false };
            let claim = &volume["spec"]["claimRef"];
            pods(server, node, text(&claim["namespace"]))
                .iter()
                .any(|pod| claims(pod).any(|used| claim["name"] == used))
        }
        "secrets" => {
            pods(server, node, namespace).iter().any(|pod| secrets(pod).any(|used| used == name))
                || of_volumes(server, node, namespace, name)
        }
        "configmaps" => pods(server, node, namespace).iter().any(|pod| config_maps(pod).any(|used| used == name)),
        "persistentvolumeclaims" => {
            pods(server, node, namespace).iter().any(|pod| claims(pod).any(|used| used == name))
        }
        "resourceclaims" => {
            pods(server, node, namespace).iter().any(|pod| resource_claims(pod).any(|used| used == name))
        }
        "serviceaccounts" => pods(server, node, namespace).iter().any(|pod| pod["spec"]["serviceAccountName"] == name),
        _ => false,
    }
}

fn of_object(server: &Server, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
    let objects = server.objects(group, resource).ok()?;
    objects.cache.get(&objects.key(namespace, name))
}

fn read(server: &Server, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Value> {
    let object = of_object(server, group, resource, namespace, name)?;
    serde_json::from_slice(&object.json().ok()?).ok()
}

/// The pods bound to a node, in one namespace. Those that the node itself has made up give it nothing.
fn pods(server: &Server, node: &str, namespace: &str) -> Vec<Value> {
    if namespace.is_empty() {
        return Vec::new();
    }
    pods_in(server, Scope::all().field("spec.nodeName", node).namespace(namespace))
}

fn pods_in(server: &Server, scope: Scope) -> Vec<Value> {
    let Ok(pods) = server.objects("", "pods") else { return Vec::new() };
    let snapshot = pods.cache.snapshot();
    let trees = snapshot.list(&scope, None).filter_map(|pod| serde_json::from_slice(&pod.json().ok()?).ok());
    trees.filter(|pod| !is_mirror(pod)).collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| items(&pod["spec"][list]))
}

fn volumes(pod: &Value) -> impl Iterator<Item = &Value> {
    items(&pod["spec"]["volumes"]).iter()
}

/// The names that stand in an environment, by what the references are called.
fn environment<'a>(pod: &'a Value, all: &'static str, one: &'static str) -> impl Iterator<Item = &'a str> {
    containers(pod).flat_map(move |container| {
        let whole = items(&container["envFrom"]).iter().map(move |from| &from[all]["name"]);
        let keys = items(&container["env"]).iter().map(move |variable| &variable["valueFrom"][one]["name"]);
        whole.chain(keys).filter_map(Value::as_str)
    })
}

fn secrets(pod: &Value) -> impl Iterator<Item = &str> {
    const REFERRING: &[&str] = &["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"];
    let pull = items(&pod["spec"]["imagePullSecrets"]).iter().map(|secret| &secret["name"]);
    let mounted = volumes(pod).flat_map(|volume| {
        let referred = REFERRING.iter().map(move |kind| &volume[*kind]["secretRef"]["name"]);
        let own = [
            &volume["azureFile"]["secretName"],
            &volume["secret"]["secretName"],
            &volume["csi"]["nodePublishSecretRef"]["name"],
        ];
        let projected = items(&volume["projected"]["sources"]).iter().map(|source| &source["secret"]["name"]);
        referred.chain(own).chain(projected)
    });
    let named = pull.chain(mounted).filter_map(Value::as_str);
    named.chain(environment(pod, "secretRef", "secretKeyRef"))
}

fn config_maps(pod: &Value) -> impl Iterator<Item = &str> {
    let mounted = volumes(pod).flat_map(|volume| {
        let projected = items(&volume["projected"]["sources"]).iter().map(|source| &source["configMap"]["name"]);
        projected.chain([&volume["configMap"]["name"]])
    });
    mounted.filter_map(Value::as_str).chain(environment(pod, "configMapRef", "configMapKeyRef"))
}

/// The claims of a pod's volumes, those made for it included.
fn claims(pod: &Value) -> impl Iterator<Item = String> {
    volumes(pod).filter_map(|volume| {
        if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
            return Some(claim.to_owned());
        }
        volume["ephemeral"].is_object().then(|| format!("{}-{}", meta(pod, "name"), text(&volume["name"])))
    })
}

fn resource_claims(pod: &Value) -> impl Iterator<Item = &str> {
    let statuses = items(&pod["status"]["resourceClaimStatuses"]);
    let of_spec = items(&pod["spec"]["resourceClaims"]).iter().filter_map(move |claim| {
        claim["resourceClaimName"].as_str().or_else(|| {
            let status = statuses.iter().find(|status| status["name"] == claim["name"])?;
            status["resourceClaimName"].as_str()
        })
    });
    of_spec.chain(pod["status"]["extendedResourceClaimStatus"]["resourceClaimName"].as_str())
}

/// Whether a volume needs the secret that is bound to a claim of one of the node's pods.
fn of_volumes(server: &Server, node: &str, namespace: &str, name: &str) -> bool {
    let pods = pods_in(server, Scope::all().field("spec.nodeName", node));
    pods.iter().any(|pod| {
        let of = meta(pod, "namespace");
        claims(pod).any(|claim| {
            let bound = read(server, "", "persistentvolumeclaims", of, &claim);
            let bound =
                bound.and_then(|claim| read(server, "", "persistentvolumes", "", text(&claim["spec"]["volumeName"])));
            bound.is_some_and(|volume| {
                let reference = &volume["spec"]["claimRef"];
                reference["namespace"] == of
                    && reference["name"] == claim
                    && secrets_of_volume(&volume).contains(&(namespace, name))
            })
        })
    })
}

/// The namespaces and names of the secrets with which a kubelet mounts a volume.
fn secrets_of_volume<'a>(volume: &'a Value) -> Vec<(&'a str, &'a str)> {
    // Whether one that names no namespace is the claim's.
    const REFERENCES: &[(&str, &str, bool)] = &[
        ("cephfs", "secretRef", true),
        ("cinder", "secretRef", false),
        ("flexVolume", "secretRef", true),
        ("rbd", "secretRef", true),
        ("scaleIO", "secretRef", true),
        ("iscsi", "secretRef", true),
        ("storageos", "secretRef", false),
        ("csi", "nodePublishSecretRef", false),
        ("csi", "nodeStageSecretRef", false),
        ("csi", "nodeExpandSecretRef", false),
    ];
    let spec = &volume["spec"];
    let of_claim = text(&spec["claimRef"]["namespace"]);
    let place = |namespace: &'a str| if namespace.is_empty() { of_claim } else { namespace };
    let file = &spec["azureFile"];
    let of_file = file["secretName"].as_str().map(|name| (place(text(&file["secretNamespace"])), name));
    let referred = REFERENCES.iter().filter_map(|(kind, reference, of_the_claim)| {
        let reference = &spec[*kind][*reference];
        let namespace = text(&reference["namespace"]);
        Some((if *of_the_claim { place(namespace) } else { namespace }, reference["name"].as_str()?))
    });
    of_file.into_iter().chain(referred).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_name_what_they_need() {
        let pod = json!({
            "metadata": {"name": "p"},
            "spec": {
                "imagePullSecrets": [{"name": "pull"}],
                "containers": [{"name": "a", "env": [{"name": "x", "valueFrom": {"secretKeyRef": {"name": "key"}}}]}],
                "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "all"}}]}],
                "ephemeralContainers": [{"name": "e", "envFrom": [{"secretRef": {"name": "late"}}]}],
                "volumes": [
                    {"name": "s", "secret": {"secretName": "mounted"}},
                    {"name": "j", "projected": {"sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "m"}}]}},
                    {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
                    {"name": "own", "ephemeral": {"volumeClaimTemplate": {}}},
                    {"name": "d", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "driver"}}},
                ],
                "resourceClaims": [
                    {"name": "r", "resourceClaimName": "given"}, {"name": "t", "resourceClaimTemplateName": "x"},
                ],
            },
            "status": {"resourceClaimStatuses": [{"name": "t", "resourceClaimName": "made"}]},
        });
        let secrets: Vec<&str> = secrets(&pod).collect();
        assert_eq!(secrets, ["pull", "mounted", "part", "driver", "key", "late"]);
        assert_eq!(config_maps(&pod).collect::<Vec<_>>(), ["m", "all"]);
        assert_eq!(claims(&pod).collect::<Vec<_>>(), ["claim", "p-own"]);
        assert_eq!(resource_claims(&pod).collect::<Vec<_>>(), ["given", "made"]);
    }

    #[test]
    fn volumes_name_what_a_kubelet_mounts_them_with() {
        let volume = |source: Value| {
            let mut spec = source;
            spec["claimRef"] = json!({"namespace": "n", "name": "c"});
            json!({"spec": spec})
        };
        let shown = |source: Value| format!("{:?}", secrets_of_volume(&volume(source)));
        assert_eq!(shown(json!({"azureFile": {"secretName": "a"}})), r#"[("n", "a")]"#);
        assert_eq!(shown(json!({"rbd": {"secretRef": {"name": "a", "namespace": "o"}}})), r#"[("o", "a")]"#);
        let csi = json!({
            "controllerPublishSecretRef": {"name": "hidden", "namespace": "o"},
            "nodeStageSecretRef": {"name": "a", "namespace": "o"},
        });
        assert_eq!(shown(json!({"csi": csi})), r#"[("o", "a")]"#);
    }
}
