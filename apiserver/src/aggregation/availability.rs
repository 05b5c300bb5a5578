//! Whether a server behind this one can be used: the condition `Available` of its APIService.
//!
//! Source: kube-aggregator `pkg/controllers/status/remote`.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::remote::{Remote, available};
use super::{GROUP, PLURAL, client, resolve};
use crate::conditions;
use crate::object::{self, items, text};
use crate::own_objects::own_status;
use crate::server::Server;
use crate::status::Result;
use crate::storage::Replaced;

/// How often a server is tried at once: one answer is enough.
const ATTEMPTS: usize = 5;
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the condition is to say.
struct Verdict {
    status: &'static str,
    reason: &'static str,
    message: String,
}

fn no(reason: &'static str, message: String) -> Verdict {
    Verdict { status: "False", reason, message }
}

/// Finds out and writes it down; whether it has to be tried again soon.
///
/// # Errors
/// The condition cannot be written.
pub async fn check(server: &Arc<Server>, remote: &Remote) -> Result<bool> {
    let verdict = judge(server, remote).await;
    let again = verdict.reason == "FailedDiscoveryCheck";
    write(server, &remote.name, &verdict).await?;
    Ok(again)
}

async fn judge(server: &Arc<Server>, remote: &Remote) -> Verdict {
    let service = &remote.service;
    let place = format!("service/{} in {:?}", service.name, service.namespace);
    let cannot = |reason, why: &str| Verdict {
        status: "Unknown",
        reason,
        message: format!("{place} cannot be checked due to: {why}"),
    };
    let found = match server.cached("", "services", &service.namespace, &service.name) {
        Ok(Some(found)) => found,
        Ok(None) => return no("ServiceNotFound", format!("{place} is not present")),
        Err(status) => return cannot("ServiceAccessError", &status.message),
    };
    if found["spec"]["type"] == "ClusterIP" {
        let port = items(&found["spec"]["ports"]).iter().find(|own| own["port"] == u64::from(service.port));
        let Some(port) = port else {
            return no("ServicePortError", format!("{place} is not listening on port {}", service.port));
        };
        let name = text(&port["name"]);
        let slices = match resolve::slices(server, service) {
            Ok(slices) => slices,
            Err(why) => return cannot("EndpointsAccessError", &why),
        };
        if slices.is_empty() {
            return no("EndpointsNotFound", format!("cannot find endpointslices for {place}"));
        }
        if !slices.iter().any(|slice| has_endpoint(slice, name)) {
            let message = format!("endpointslices for {place} have no addresses with port name {name:?}");
            return no("MissingEndpoints", message);
        }
    }
    // Several tries at once: some endpoints may be gone already.
    let mut tries: FuturesUnordered<_> = (0..ATTEMPTS).map(|_| answers(server, remote)).collect();
    let mut last = String::new();
    while let Some(outcome) = tries.next().await {
        match outcome {
            Ok(()) => {
                return Verdict { status: "True", reason: "Passed", message: "all checks passed".to_owned() };
            }
            Err(why) => last = why,
        }
    }
    no("FailedDiscoveryCheck", last)
}

fn has_endpoint(slice: &Value, port: &str) -> bool {
    items(&slice["endpoints"]).iter().any(resolve::is_ready)
        && items(&slice["ports"]).iter().any(|own| text(&own["name"]) == port && !own["port"].is_null())
}

/// Whether a server says what it serves.
async fn answers(server: &Server, remote: &Remote) -> std::result::Result<(), String> {
    let location = client::location(server, remote)?;
    let path = remote.path();
    let url = format!("https://{}{path}", location.authority());
    let failing = |why: &str| format!("failing or missing response from {url}: {why}");
    let got = |why: &str| failing(&format!("Get {url:?}: {why}"));
    let user = client::aggregator();
    match tokio::time::timeout(TIMEOUT, client::get(server, remote, &user, &path, &[])).await {
        Err(_) => Err(got("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")),
        Ok(Err(why)) => Err(got(&why)),
        Ok(Ok(answer)) if !answer.code.is_success() => {
            Err(failing(&format!("bad status from {url}: {}", answer.code.as_u16())))
        }
        Ok(Ok(_)) => Ok(()),
    }
}

/// Writes the condition where it says something else now.
async fn write(server: &Server, name: &str, verdict: &Verdict) -> Result<()> {
    let objects = server.objects(GROUP, PLURAL)?;
    let key = objects.key("", name);
    let mut current = objects.cached(&key)?;
    while let Some((old, revision)) = current {
        if !old["spec"]["service"].is_object() {
            return Ok(());
        }
        if conditions::says(&old, "Available", verdict.status, verdict.reason, &verdict.message) {
            return Ok(());
        }
        // The time of the last transition stays where there was none.
        let before = available(&old).filter(|before| before["status"] == verdict.status);
        let since = before.map(|before| before["lastTransitionTime"].clone());
        let condition = json!({
            "type": "Available", "status": verdict.status, "lastTransitionTime": since.unwrap_or_else(object::now),
            "reason": verdict.reason, "message": verdict.message,
        });
        tracing::info!(name, status = verdict.status, reason = verdict.reason, "changing APIService availability");
        let mut new = old.clone();
        let mut conditions = items(&old["status"]["conditions"]).to_vec();
        match conditions.iter_mut().find(|condition| condition["type"] == "Available") {
            Some(own) => *own = condition,
            None => conditions.push(condition),
        }
        object::set(&mut new, &["status", "conditions"], conditions);
        own_status(server, (GROUP, PLURAL), &old, &mut new);
        current = match objects.replace(&key, &new, revision).await? {
            Replaced::Changed(object, revision) => Some((object, revision)),
            Replaced::Gone => None,
            Replaced::Done(_) => {
                if conditions::is_true(&old, "Available") && verdict.status != "True" {
                    server.metrics.aggregation.became_unavailable(name, verdict.reason);
                }
                None
            }
        };
    }
    Ok(())
}
