//! What servers behind this one serve, and where that stands among what this one serves.
//!
//! Source: kube-aggregator `pkg/apiserver/handler_discovery.go`.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::Documents;
use super::client::{Answer, aggregator, get};
use super::remote::Remote;
use crate::apiextensions::version_order;
use crate::bootstrap::api_services;
use crate::object::{self, items, text};
use crate::server::Server;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks a server what it serves; an `APIVersionDiscovery`.
///
/// # Errors
/// It does not say.
pub async fn fetch(server: &Arc<Server>, remote: &Remote) -> Result<Value, String> {
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).map_err(|error| error.to_string());
    let answer = ask(server, remote, "/apis", AGGREGATED).await?;
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_aggregated = kind.contains("g=apidiscovery.k8s.io") && kind.contains("as=APIGroupDiscoveryList");
    match answer.code {
        StatusCode::SERVICE_UNAVAILABLE => {
            Err(format!("service {} returned non-success response code: 503", remote.service.host()))
        }
        StatusCode::OK if is_aggregated => {
            let document = read(&answer.body)?;
            let groups = items(&document["items"]).iter();
            let versions = groups
                .filter(|group| object::meta(group, "name") == remote.group)
                .flat_map(|group| items(&group["versions"]));
            let found = versions.into_iter().find(|version| version["version"] == remote.version.as_str()).cloned();
            // It may serve something else only.
            let mut found = found.unwrap_or_else(|| json!({"version": remote.version}));
            if let Some(resources) = found.get_mut("resources").and_then(Value::as_array_mut) {
                resources.iter_mut().for_each(complete);
            }
            Ok(found)
        }
        _ => {
            let path = remote.path();
            let answer = ask(server, remote, &path, "application/json").await?;
            if answer.code != StatusCode::OK {
                return Err(format!("failed to download legacy discovery for {path}: {}", answer.code));
            }
            Ok(json!({"version": remote.version, "resources": of_legacy(&read(&answer.body)?)}))
        }
    }
}

async fn ask(server: &Server, remote: &Remote, target: &str, accept: &str) -> Result<Answer, String> {
    let user = aggregator();
    let headers = [(ACCEPT, accept)];
    let asked = get(server, remote, &user, target, &headers);
    tokio::time::timeout(TIMEOUT, asked).await.map_err(|_| "request timed out".to_owned())?
}

/// Clients of 1.26 take it for granted that kinds are there.
fn complete(resource: &mut Value) {
    let unknown = json!({"group": "", "version": "", "kind": ""});
    if resource["responseKind"].is_null() {
        object::set(resource, &["responseKind"], unknown.clone());
    }
    for subresource in resource.get_mut("subresources").and_then(Value::as_array_mut).into_iter().flatten() {
        if subresource["responseKind"].is_null() {
            object::set(subresource, &["responseKind"], unknown.clone());
        }
    }
}

/// An `APIResourceList` as the resources of an `APIVersionDiscovery`.
fn of_legacy(list: &Value) -> Vec<Value> {
    let scope = |resource: &Value| if resource["namespaced"] == true { "Namespaced" } else { "Cluster" };
    let kind = |resource: &Value| {
        json!({
            "group": text(&resource["group"]), "version": text(&resource["version"]), "kind": text(&resource["kind"]),
        })
    };
    let mut resources: Vec<Value> = Vec::new();
    let (subresources, main): (Vec<&Value>, Vec<&Value>) =
        items(&list["resources"]).iter().partition(|resource| text(&resource["name"]).contains('/'));
    for resource in main {
        let mut found = json!({
            "resource": resource["name"], "responseKind": kind(resource), "scope": scope(resource),
            "singularResource": text(&resource["singularName"]), "verbs": resource["verbs"],
        });
        for list in ["shortNames", "categories"] {
            if !items(&resource[list]).is_empty() {
                found[list] = resource[list].clone();
            }
        }
        resources.push(found);
    }
    for resource in subresources {
        let Some((parent, name)) = text(&resource["name"]).split_once('/') else { continue };
        let subresource = json!({"subresource": name, "responseKind": kind(resource), "verbs": resource["verbs"]});
        let known = resources.iter().position(|known| known["resource"] == parent);
        let at = known.unwrap_or_else(|| {
            resources.push(json!({
                "resource": parent, "scope": scope(resource),
                "responseKind": {"group": "", "version": "", "kind": ""}, "singularResource": "", "verbs": [],
            }));
            resources.len() - 1
        });
        match resources[at].get_mut("subresources").and_then(Value::as_array_mut) {
            Some(list) => list.push(subresource),
            None => object::set(&mut resources[at], &["subresources"], vec![subresource]),
        }
    }
    resources
}

/// What the aggregated document shows of a server.
pub fn version(remote: &Remote, documents: &Documents) -> Value {
    let mut shown = match &documents.discovery {
        Value::Null => json!({"version": remote.version}),
        known => known.clone(),
    };
    let fresh = !documents.stale && !documents.discovery.is_null();
    object::set(&mut shown, &["freshness"], if fresh { "Current" } else { "Stale" });
    shown
}

/// Puts the versions that other servers serve in their places among groups and versions, the preferred ones first.
pub fn placed(server: &Server, groups: &mut Vec<(String, Vec<String>)>) {
    const OF_CUSTOM_RESOURCES: (i64, i64) = (1000, 100);
    let remotes = server.aggregation.all();
    for remote in remotes.iter().filter(|remote| !remote.group.is_empty()) {
        let priority = |version: &str| {
            let elsewhere = server.aggregation.serving(&remote.group, version).map(|other| other.version_priority);
            let own = || api_services::priorities(&remote.group, version).unwrap_or(OF_CUSTOM_RESOURCES).1;
            elsewhere.unwrap_or_else(own)
        };
        if let Some((_, versions)) = groups.iter_mut().find(|(group, _)| *group == remote.group) {
            if !versions.contains(&remote.version) {
                versions.push(remote.version.clone());
                versions.sort_by(|a, b| Reverse(priority(a)).cmp(&Reverse(priority(b))).then(version_order(a, b)));
            }
            continue;
        }
        let comes_after = |(group, versions): &(String, Vec<String>)| {
            let first = versions.first().map(String::as_str).unwrap_or_default();
            let elsewhere =
                remotes.iter().filter(|other| other.group == *group).map(|other| other.group_priority).max();
            let theirs = elsewhere
                .or_else(|| api_services::priorities(group, first).map(|priorities| priorities.0))
                .unwrap_or(OF_CUSTOM_RESOURCES.0);
            (theirs, Reverse(format!("{first}.{group}"))) < (remote.group_priority, Reverse(remote.name.clone()))
        };
        let at = groups.iter().position(comes_after).unwrap_or(groups.len());
        groups.insert(at, (remote.group.clone(), vec![remote.version.clone()]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_lists_become_aggregated_ones() {
        let list = json!({"resources": [
            {"name": "a/status", "namespaced": true, "kind": "A", "verbs": ["get"]},
            {"name": "a", "singularName": "an", "namespaced": true, "kind": "A", "verbs": ["get"], "shortNames": ["x"]},
            {"name": "b/scale", "namespaced": false, "kind": "Scale", "group": "autoscaling", "version": "v1", "verbs": []},
        ]});
        let resources = of_legacy(&list);
        assert_eq!(resources.len(), 2);
        assert_eq!(resources[0]["subresources"][0]["subresource"], "status");
        assert_eq!(resources[0]["scope"], "Namespaced");
        assert_eq!(resources[0]["shortNames"], json!(["x"]));
        assert_eq!(resources[1]["subresources"][0]["responseKind"]["group"], "autoscaling");
    }
}
