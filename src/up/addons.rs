//! What a usable cluster has besides what the API server makes: the DNS service and its rights.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

/// Applies everything, server-side: doing it again changes nothing.
pub async fn apply(client: &Client, dns_address: IpAddr, node: IpAddr, port: u16) -> Result<()> {
    for object in objects(dns_address, node, port) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind, name) =
            (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version.as_str()));
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.clone(),
            plural: format!("{}s", kind.to_lowercase()),
            kind: kind.clone(),
        };
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.patch(&name, &PatchParams::apply("kybern").force(), &Patch::Apply(&object))
            .await
            .with_context(|| format!("cannot apply {kind} {name}"))?;
    }
    Ok(())
}

/// The service has no selector: DNS runs beside the node agent, not in a pod.
fn objects(dns_address: IpAddr, node: IpAddr, port: u16) -> Vec<Value> {
    let family = if node.is_ipv4() { "IPv4" } else { "IPv6" };
    let labels = json!({"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"});
    vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "kybern:dns"},
            "rules": [
                {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "kybern:dns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kybern:dns"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "kube-dns"}],
        }),
        // The group of the API server's own client certificate for kubelets, as kubeadm binds it.
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "kubeadm:cluster-admins"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "kubeadm:cluster-admins"}],
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {
                "clusterIP": dns_address, "clusterIPs": [dns_address],
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": port},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": port},
                ],
            },
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "kybern",
            }},
            "addressType": family,
            "endpoints": [{"addresses": [node], "conditions": {"ready": true}}],
            "ports": [
                {"name": "dns", "port": port, "protocol": "UDP"},
                {"name": "dns-tcp", "port": port, "protocol": "TCP"},
            ],
        }),
    ]
}
