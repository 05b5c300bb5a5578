//! What every cluster begins with: namespaces, roles and bindings, priority classes, flow schemas, the services of the
//! API itself. Made at start where missing, put right where upstream puts it right.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::allocations::addresses::{self, DEFAULT_CIDR};
use crate::allocations::range::family_of;
use crate::object;
use crate::own_objects::{MANAGER, apply_status, change, ensure, ensure_as, own};
use crate::server::Server;
use crate::status::Result;

#[cfg(test)]
mod access;
pub mod api_services;
pub mod flow_control;
pub mod identity;
mod policy;
mod roles;

/// How often the ports that services have taken are compared with the services, as upstream's.
const REPAIR_INTERVAL: Duration = Duration::from_secs(180);

/// How often what this server keeps in order is looked at: its lease among the servers lasts 15 seconds.
const KEEP_INTERVAL: Duration = Duration::from_secs(10);

/// How long definitions that change are left to themselves.
const SETTLING: Duration = Duration::from_millis(50);

/// Makes everything, again and again until the store lets it; then keeps the API's own endpoints right.
pub async fn run(server: Arc<Server>, port: u16) {
    let mut wait = Duration::from_millis(50);
    let identity = identity::Identity::new();
    while let Err(status) = all(&server, &identity, port).await {
        tracing::warn!(
            error = status.message,
            "the objects that every cluster begins with could not be made, trying again"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = server.stopping.cancelled() => return,
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    }
    server.set_bootstrapped();
    let mut custom_seen = None;
    let (mut tick, mut repair) = (interval(KEEP_INTERVAL), interval(REPAIR_INTERVAL));
    for timer in [&mut tick, &mut repair] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset();
    }
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = repair.tick() => {
                if let Err(status) = server.allocations.repair(&server).await {
                    tracing::warn!(error = status.message, "what services have taken could not be checked");
                }
                continue;
            }
            () = server.custom.changed.notified() => {
                if let Err(status) = api_services::keep(&server, &mut custom_seen).await {
                    tracing::warn!(error = status.message, "the APIServices of custom resources could not be kept");
                }
                // Those that come together are looked at together.
                tokio::time::sleep(SETTLING).await;
                continue;
            }
            () = server.stopping.cancelled() => {
                if let Err(status) = leave(&server, port).await {
                    tracing::warn!(error = status.message, "this server's address stays known for a while");
                }
                return;
            }
        }
        let outcomes = [
            system_namespaces(&server).await,
            kubernetes_service(&server, port).await,
            identity.renew(&server, port).await,
            flow_control::keep(&server).await,
            api_services::keep(&server, &mut custom_seen).await,
        ];
        for outcome in outcomes {
            if let Err(status) = outcome {
                tracing::warn!(error = status.message, "a system object could not be kept");
            }
        }
    }
}

async fn all(server: &Server, identity: &identity::Identity, port: u16) -> Result<()> {
    server.caches_ready().await?;
    // What does not build on each other, side by side: the store commits together what comes together.
    tokio::try_join!(
        system_namespaces(server),
        async { if server.authorization.has_rbac() { rbac(server).await } else { Ok(()) } },
        api_services::make(server),
        flow_control::keep(server),
        priority_classes(server),
        service_cidr(server),
        async {
            server.allocations.repair(server).await?;
            kubernetes_service(server, port).await
        },
        token_tracking(server),
        identity.renew(server, port),
        client_authority(server),
    )?;
    Ok(())
}

async fn system_namespaces(server: &Server) -> Result<()> {
    let made = ["kube-system", "kube-public", "kube-node-lease", "default"].map(async |name| {
        let sent = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        });
        let completed = json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        ensure_as(server, "", "namespaces", &sent, MANAGER, completed).await
    });
    try_join_all(made).await?;
    Ok(())
}

async fn rbac(server: &Server) -> Result<()> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    const RULES: &[&str] = &["rules"];
    const SUBJECTS: &[&str] = &["subjects"];
    let roles = roles::CLUSTER_ROLES.iter().map(|role| ("clusterroles", role.tree(), RULES));
    let bindings = roles::CLUSTER_ROLE_BINDINGS.iter().map(|one| ("clusterrolebindings", one.tree(), SUBJECTS));
    let local_roles = roles::ROLES.iter().map(|role| ("roles", role.tree(), RULES));
    let local_bindings = roles::ROLE_BINDINGS.iter().map(|one| ("rolebindings", one.tree(), SUBJECTS));
    let mut writes = Vec::new();
    for (resource, tree, fields) in roles.chain(bindings).chain(local_roles).chain(local_bindings) {
        writes.push(reconcile(server, GROUP, resource, tree, fields));
    }
    try_join_all(writes).await?;
    Ok(())
}

async fn priority_classes(server: &Server) -> Result<()> {
    let classes = [
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ];
    let made = classes.map(async |(name, value, description)| {
        ensure(
            server,
            "scheduling.k8s.io",
            "priorityclasses",
            &json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": name, "generation": 1},
                "value": value, "description": description, "preemptionPolicy": "PreemptLowerPriority",
            }),
        )
        .await
    });
    try_join_all(made).await?;
    Ok(())
}

/// The ranges of the flags, which gain the second when a cluster gets a second family.
async fn service_cidr(server: &Server) -> Result<()> {
    const GROUP: &str = "networking.k8s.io";
    let ranges: Vec<String> =
        server.options.service_ranges.addresses.iter().map(|range| range.trunc().to_string()).collect();
    let wanted = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": DEFAULT_CIDR},
        "spec": {"cidrs": ranges},
    });
    ensure(server, GROUP, "servicecidrs", &wanted).await?;
    change(server, GROUP, "servicecidrs", ("", DEFAULT_CIDR), |existing| {
        let grows = ranges.len() == 2 && existing["spec"]["cidrs"] == json!([ranges[0]]);
        if grows {
            object::set(existing, &["spec", "cidrs"], ranges.clone());
        }
        grows
    })
    .await?;
    let ready = json!({"conditions": [{
        "type": "Ready", "status": "True", "lastTransitionTime": object::now(),
        "message": "Kubernetes default Service CIDR is ready",
    }]});
    apply_status(server, GROUP, "servicecidrs", DEFAULT_CIDR, "kubernetes-service-cidr-controller", |object| {
        let conditions = object::items(&object["status"]["conditions"]);
        conditions.iter().all(|condition| condition["type"] != "Ready").then(|| ready.clone())
    })
    .await
}

/// `default/kubernetes`: the way to this server from inside the cluster.
async fn kubernetes_service(server: &Server, port: u16) -> Result<()> {
    let Some(address) = server.options.service_ranges.first_address() else { return Ok(()) };
    let service = json!({"metadata": {"name": "kubernetes", "namespace": "default"}});
    let (family, address) = (family_of(address), address.to_string());
    if !server.is_cached("networking.k8s.io", "ipaddresses", "", &address)? {
        addresses::take(server, &service, &address).await?;
    }
    let sent = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": address, "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        },
    });
    let completed = json!({
        "spec": {"clusterIPs": [address], "ipFamilies": [family]}, "status": {"loadBalancer": {}},
    });
    tokio::try_join!(ensure_as(server, "", "services", &sent, MANAGER, completed), async {
        endpoints(server, identity::master_leases(server).await?, port).await
    })?;
    Ok(())
}

/// Takes this server out of the endpoints of its service, when it stops.
async fn leave(server: &Server, port: u16) -> Result<()> {
    let others = identity::leave(server).await?;
    endpoints(server, others, port).await
}

/// Makes these addresses the endpoints of `default/kubernetes`.
async fn endpoints(server: &Server, addresses: Vec<String>, port: u16) -> Result<()> {
    let ports = json!([{"name": "https", "port": port, "protocol": "TCP"}]);
    let ips: Vec<Value> = addresses.iter().map(|address| json!({"ip": address})).collect();
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": if ips.is_empty() { Value::Null } else { json!([{"addresses": ips, "ports": ports}]) },
    });
    let ready: Vec<Value> =
        addresses.iter().map(|address| json!({"addresses": [address], "conditions": {"ready": true}})).collect();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default", "generation": 1,
            "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": if server.options.advertise_address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": ready,
        "ports": if addresses.is_empty() { json!([]) } else { ports },
    });
    tokio::try_join!(
        reconcile(server, "", "endpoints", endpoints, &["subsets"]),
        reconcile(server, "discovery.k8s.io", "endpointslices", slice, &["endpoints", "ports"]),
    )?;
    Ok(())
}

/// Since when the use of old service account tokens is kept account of.
async fn token_tracking(server: &Server) -> Result<()> {
    let today = object::now().as_str().and_then(|now| now.get(..10)).unwrap_or_default().to_owned();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kube-apiserver-legacy-service-account-token-tracking", "namespace": "kube-system"},
        "data": {"since": today},
    });
    ensure(server, "", "configmaps", &map).await
}

/// The authorities of clients, where other servers look them up.
async fn client_authority(server: &Server) -> Result<()> {
    let Some(data) = server.authentication.authority_data() else { return Ok(()) };
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": data,
    });
    reconcile(server, "", "configmaps", map, &["data"]).await
}

/// Creates an object, or makes these fields of it what they must be. For lists of roles and bindings that means: nothing
/// is missing.
async fn reconcile(server: &Server, group: &str, resource: &str, wanted: Value, fields: &[&str]) -> Result<()> {
    ensure(server, group, resource, &wanted).await?;
    let (namespace, name) = (object::meta(&wanted, "namespace"), object::meta(&wanted, "name"));
    let keep_others = group == "rbac.authorization.k8s.io";
    change(server, group, resource, (namespace, name), |existing| {
        let before = existing.clone();
        if existing["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] == "false" {
            return false;
        }
        let mut is_changed = false;
        for field in fields {
            is_changed |= complete(existing, field, &wanted[*field], keep_others);
        }
        if is_changed && let Some(served) = server.served(group, resource) {
            own(server, &served.resource, "", Some(&before), existing, MANAGER);
            let generation = object::int(&before["metadata"]["generation"]);
            if served.resource.generation && generation > 0 {
                object::set_meta(existing, "generation", Some((generation + 1).into()));
            }
        }
        is_changed
    })
    .await
}

/// Adds what a field lacks (or sets it, where others may add nothing); says whether it lacked anything.
fn complete(object: &mut Value, field: &str, wanted: &Value, keep_others: bool) -> bool {
    if keep_others && let (Some(have), Some(want)) = (object[field].as_array_mut(), wanted.as_array()) {
        let missing: Vec<Value> = want.iter().filter(|item| !have.contains(item)).cloned().collect();
        let changed = !missing.is_empty();
        have.extend(missing);
        return changed;
    }
    if object[field] == *wanted || (keep_others && wanted.is_null()) {
        return false;
    }
    match object.as_object_mut() {
        Some(members) if wanted.is_null() => drop(members.remove(field)),
        _ => object::set(object, &[field], wanted.clone()),
    }
    true
}
