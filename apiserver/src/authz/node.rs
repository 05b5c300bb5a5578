//! Node: a node may read what the pods bound to it need, and nothing of another node's pods.
//!
//! Source: `plugin/pkg/auth/authorizer/node`.

use apiserver_watch_cache::Scope;
use serde_json::Value;

use super::{Attributes, Decision};
use crate::authn::User;
use crate::server::Server;

const NODES: &str = "system:nodes";

/// What every node may do whatever runs on it (upstream's `NodeRules`, those about no particular pod).
const RULES: &[(&str, &[&str], &[&str])] = &[
    ("authentication.k8s.io", &["tokenreviews"], &["create"]),
    ("authorization.k8s.io", &["subjectaccessreviews", "localsubjectaccessreviews"], &["create"]),
    ("", &["services"], &["get", "list", "watch"]),
    ("", &["nodes"], &["create", "get", "list", "watch"]),
    ("", &["nodes/status"], &["patch", "update"]),
    ("", &["nodes"], &["patch", "update"]),
    ("", &["events"], &["create", "patch", "update"]),
    ("", &["pods"], &["create", "delete", "get", "list", "watch"]),
    ("", &["pods/status"], &["patch", "update"]),
    ("", &["pods/eviction"], &["create"]),
    ("certificates.k8s.io", &["certificatesigningrequests"], &["create", "get", "list", "watch"]),
    ("coordination.k8s.io", &["leases"], &["create", "delete", "get", "patch", "update"]),
    ("storage.k8s.io", &["csidrivers"], &["get", "list", "watch"]),
    ("storage.k8s.io", &["csinodes"], &["create", "delete", "get", "patch", "update"]),
    ("node.k8s.io", &["runtimeclasses"], &["get", "list", "watch"]),
    (
        "resource.k8s.io",
        &["resourceslices"],
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    ),
];

/// Whether a user is a node's own.
pub fn is_node(user: &User) -> bool {
    user.name.starts_with("system:node:") && user.is_in(NODES)
}

pub fn decide(server: &Server, attributes: &Attributes<'_>) -> Decision {
    let none = || Decision::NoOpinion(String::new());
    let Some(node) = attributes.user.name.strip_prefix("system:node:").filter(|_| attributes.user.is_in(NODES)) else {
        return none();
    };
    if !attributes.is_resource {
        return none();
    }
    let needed = match (attributes.group, attributes.resource) {
        ("", "secrets" | "configmaps") => matches!(attributes.verb, "get" | "list" | "watch"),
        ("", "persistentvolumeclaims" | "persistentvolumes") => {
            attributes.verb == "get"
                || (attributes.subresource == "status" && matches!(attributes.verb, "patch" | "update"))
        }
        ("", "serviceaccounts") => {
            attributes.subresource == "token" && attributes.verb == "create" || attributes.verb == "get"
        }
        ("storage.k8s.io", "volumeattachments") | ("resource.k8s.io", "resourceclaims") => attributes.verb == "get",
        _ => false,
    };
    if needed {
        if attributes.name.is_empty() {
            return Decision::NoOpinion("No Object name found".to_owned());
        }
        if is_needed(server, node, attributes) {
            return Decision::Allow(String::new());
        }
        return Decision::NoOpinion(format!("no relationship found between node '{node}' and this object"));
    }
    let path = if attributes.subresource.is_empty() {
        attributes.resource.to_owned()
    } else {
        format!("{}/{}", attributes.resource, attributes.subresource)
    };
    let own = match (attributes.group, attributes.resource) {
        // A node's lease and CSI record bear its name.
        ("coordination.k8s.io", "leases") => {
            attributes.namespace == "kube-node-lease" && (attributes.name == node || attributes.verb == "create")
        }
        ("storage.k8s.io", "csinodes") => attributes.name == node || attributes.verb == "create",
        ("", "nodes") if matches!(attributes.verb, "patch" | "update") => attributes.name == node,
        _ => true,
    };
    let ruled = RULES.iter().any(|(group, resources, verbs)| {
        *group == attributes.group && resources.contains(&path.as_str()) && verbs.contains(&attributes.verb)
    });
    if ruled && own { Decision::Allow(String::new()) } else { none() }
}

/// Whether a pod bound to the node refers to the object.
fn is_needed(server: &Server, node: &str, attributes: &Attributes<'_>) -> bool {
    let Ok(pods) = server.objects("", "pods") else { return false };
    let mut scope = Scope::all().field("spec.nodeName", node);
    if !attributes.namespace.is_empty() {
        scope = scope.namespace(attributes.namespace);
    }
    pods.cache.snapshot().list(&scope, None).any(|pod| {
        let Some(tree) = pod.json().ok().and_then(|json| serde_json::from_slice::<Value>(json).ok()) else {
            return false;
        };
        refers(server, pod.namespace(), &tree["spec"], attributes)
    })
}

fn refers(server: &Server, namespace: &str, spec: &Value, attributes: &Attributes<'_>) -> bool {
    let name = attributes.name;
    let claims = || {
        spec["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
    };
    match attributes.resource {
        "serviceaccounts" => spec["serviceAccountName"] == name,
        "persistentvolumeclaims" => claims().any(|claim| claim == name),
        "persistentvolumes" => claims().any(|claim| {
            let bound = server.cached("", "persistentvolumeclaims", namespace, claim).ok().flatten();
            bound.is_some_and(|claim| claim["spec"]["volumeName"] == name)
        }),
        "resourceclaims" => {
            spec["resourceClaims"].as_array().into_iter().flatten().any(|claim| claim["resourceClaimName"] == name)
        }
        "secrets" => {
            mentions(spec, &["secretKeyRef", "secretRef", "secret", "imagePullSecrets", "nodePublishSecretRef"], name)
        }
        "configmaps" => mentions(spec, &["configMapKeyRef", "configMapRef", "configMap"], name),
        _ => false,
    }
}

/// Whether one of the named references, anywhere in the tree, has the name.
fn mentions(tree: &Value, references: &[&str], name: &str) -> bool {
    let is_it = |value: &Value| value["name"] == name || value["secretName"] == name;
    match tree {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let refers = references.contains(&key.as_str())
                && match value {
                    Value::Array(list) => list.iter().any(is_it),
                    value => is_it(value),
                };
            refers || mentions(value, references, name)
        }),
        Value::Array(list) => list.iter().any(|value| mentions(value, references, name)),
        _ => false,
    }
}
