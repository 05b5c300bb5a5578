//! The APIService of every group and version that this server serves itself, those of custom resources included.
//!
//! Source: `pkg/controlplane/apiserver/aggregator.go` (the priorities), `pkg/controlplane/controller/crdregistration` and
//! kube-aggregator `pkg/controllers/autoregister`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::object;
use crate::own_objects::{change, ensure, remove};
use crate::server::Server;
use crate::status::Result;

const GROUP: &str = "apiregistration.k8s.io";
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Group, version, priority of the group, priority of the version.
const PRIORITIES: &[(&str, &str, i64, i64)] = &[
    ("", "v1", 18000, 1),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("apps", "v1", 17800, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
    ("networking.k8s.io", "v1", 17200, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("resource.k8s.io", "v1", 16200, 21),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("storage.k8s.io", "v1", 16800, 15),
];

/// The priorities of a group and of a version of it, if they are this server's own.
pub fn priorities(group: &str, version: &str) -> Option<(i64, i64)> {
    if group == GROUP {
        return Some((20001, 0));
    }
    PRIORITIES.iter().find(|row| row.0 == group && row.1 == version).map(|row| (row.2, row.3))
}

/// `managed` says until when the server keeps it: `onstart`, or `true` for always.
fn tree((group, version, group_priority, version_priority): &(&str, &str, i64, i64), managed: &str) -> Value {
    let mut spec = json!({
        "version": version, "groupPriorityMinimum": group_priority, "versionPriority": version_priority,
    });
    if !group.is_empty() {
        spec["group"] = (*group).into();
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}"), "labels": {AUTOMANAGED: managed}},
        "spec": spec,
        "status": {"conditions": [local()]},
    })
}

/// The condition of what this server serves itself.
pub fn local() -> Value {
    json!({
        "type": "Available", "status": "True", "lastTransitionTime": object::now(),
        "reason": "Local", "message": "Local APIServices are always available",
    })
}

/// Makes what is missing, and puts right what still has the label. Once at start: what is deleted later stays away.
pub async fn make(server: &Server) -> Result<()> {
    let made = PRIORITIES.iter().map(async |row| {
        let wanted = tree(row, "onstart");
        ensure(server, GROUP, "apiservices", &wanted).await?;
        change(server, GROUP, "apiservices", ("", object::meta(&wanted, "name")), |existing| {
            let managed = existing["metadata"]["labels"][AUTOMANAGED] == "onstart";
            if !managed || object::same(&existing["spec"], &wanted["spec"]) {
                return false;
            }
            object::set(existing, &["spec"], wanted["spec"].clone());
            true
        })
        .await
    });
    futures::future::try_join_all(made).await?;
    Ok(())
}

/// Makes those of the versions that custom resources are served in, and takes away those that none is. `seen` are the
/// names that were wanted last: only where there were more, or none is known, it is looked for what is to go.
pub async fn keep(server: &Server, seen: &mut Option<BTreeSet<String>>) -> Result<()> {
    if !server.are_definitions_known() {
        return Ok(());
    }
    let table = server.custom.now();
    let mut wanted = BTreeSet::new();
    for (group, of_group) in &table.groups {
        let group = group.as_str();
        let rows = of_group.resources.values().flat_map(|installed| &installed.rows);
        for version in rows.map(|row| row.resource.versions[0].name.as_str()) {
            let is_own = PRIORITIES.iter().any(|row| row.0 == group && row.1 == version);
            if is_own || !wanted.insert(format!("{version}.{group}")) {
                continue;
            }
            if !server.is_cached(GROUP, "apiservices", "", &format!("{version}.{group}"))? {
                ensure(server, GROUP, "apiservices", &tree(&(group, version, 1000, 100), "true")).await?;
            }
        }
    }
    if !seen.as_ref().is_some_and(|before| before.is_subset(&wanted)) {
        for service in server.list_cached(GROUP, "apiservices")? {
            let name = object::meta(&service, "name");
            if service["metadata"]["labels"][AUTOMANAGED] == "true" && !wanted.contains(name) {
                remove(server, GROUP, "apiservices", name).await?;
            }
        }
    }
    *seen = Some(wanted);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::PRIORITIES;

    #[test]
    fn every_served_version_has_its_row() {
        for resource in crate::resources::builtin::resources() {
            // The group of APIServices themselves has none.
            for version in resource.versions.iter().filter(|_| resource.group != super::GROUP) {
                let has = |row: &&(&str, &str, i64, i64)| row.0 == resource.group && row.1 == version.name;
                assert!(PRIORITIES.iter().any(|row| has(&row)), "{}/{}", resource.group, version.name);
            }
        }
    }
}
