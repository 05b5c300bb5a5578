//! /livez, /readyz and /healthz, with upstream's named checks; /metrics/slis counts them.

use std::time::Duration;

use http::{Response, StatusCode};

use crate::body::{self, Body};
use crate::context::Context;
use crate::server::Server;

/// What one check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// That the server answers at all.
    Answering,
    /// The store.
    Store,
    /// The caches in front of the store.
    Caches,
    /// The definitions of custom resources.
    Definitions,
    /// What every cluster begins with.
    Bootstrap,
    /// That the server was not told to stop.
    Running,
    /// That the plugins are well that keys are with.
    Plugins,
}

/// Which of the three paths a check belongs to: `/livez` and `/healthz`, or `/readyz`, or all, or all but `/livez`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    All,
    NotReadyz,
    Readyz,
    NotLivez,
}

use On::{All, NotLivez, NotReadyz, Readyz};
use Subject::{Answering, Bootstrap, Caches, Definitions, Plugins, Running, Store};

/// Every check in the order in which it is told. What upstream starts after it listens is here part of the start
/// itself or of the objects that every cluster begins with.
const CHECKS: &[(&str, On, Subject)] = &[
    ("ping", All, Answering),
    ("log", All, Answering),
    ("loopback-serving-certificate", NotReadyz, Answering),
    ("etcd", NotReadyz, Store),
    ("kms-providers", NotLivez, Plugins),
    ("informer-sync", Readyz, Caches),
    ("poststarthook/start-apiserver-admission-initializer", All, Answering),
    ("poststarthook/generic-apiserver-start-informers", All, Answering),
    ("poststarthook/priority-and-fairness-config-consumer", All, Answering),
    ("poststarthook/priority-and-fairness-filter", All, Answering),
    ("poststarthook/storage-object-count-tracker-hook", All, Answering),
    ("poststarthook/start-apiextensions-informers", All, Answering),
    ("poststarthook/start-apiextensions-controllers", All, Answering),
    ("poststarthook/crd-informer-synced", All, Definitions),
    ("poststarthook/start-system-namespaces-controller", All, Answering),
    ("poststarthook/peer-endpoint-reconciler-controller", All, Answering),
    ("poststarthook/start-cluster-authentication-info-controller", All, Answering),
    ("poststarthook/start-kube-apiserver-identity-lease-controller", All, Answering),
    ("poststarthook/start-kube-apiserver-identity-lease-garbage-collector", All, Answering),
    ("poststarthook/storage-readiness", All, Caches),
    ("poststarthook/start-legacy-token-tracking-controller", All, Answering),
    ("poststarthook/start-service-ip-repair-controllers", All, Bootstrap),
    ("poststarthook/rbac/bootstrap-roles", All, Bootstrap),
    ("poststarthook/scheduling/bootstrap-system-priority-classes", All, Bootstrap),
    ("poststarthook/priority-and-fairness-config-producer", All, Bootstrap),
    ("poststarthook/bootstrap-controller", All, Answering),
    ("poststarthook/start-kubernetes-service-cidr-controller", All, Answering),
    ("poststarthook/start-kube-aggregator-informers", All, Answering),
    ("poststarthook/apiservice-status-local-available-controller", All, Answering),
    ("poststarthook/apiservice-status-remote-available-controller", All, Answering),
    ("poststarthook/apiservice-registration-controller", All, Answering),
    ("poststarthook/apiservice-wait-for-first-sync", All, Caches),
    ("poststarthook/apiservice-discovery-controller", All, Answering),
    ("poststarthook/kube-apiserver-autoregistration", All, Answering),
    ("autoregister-completion", All, Bootstrap),
    ("poststarthook/apiservice-openapi-controller", All, Answering),
    ("poststarthook/apiservice-openapiv3-controller", All, Answering),
    ("shutdown", Readyz, Running),
];

/// The checks of one path, by its name without the slash; `with_plugins` where the server has any.
fn checks(kind: &str, with_plugins: bool) -> impl Iterator<Item = (&'static str, Subject)> {
    let is_on = move |on: On| match on {
        All => true,
        NotReadyz => kind != "readyz",
        Readyz => kind == "readyz",
        NotLivez => kind != "livez",
    };
    CHECKS
        .iter()
        .filter(move |(_, on, subject)| is_on(*on) && (with_plugins || *subject != Plugins))
        .map(|(name, _, subject)| (*name, *subject))
}

/// The paths of all single checks.
pub fn paths(server: &Server) -> impl Iterator<Item = String> {
    let with_plugins = has_plugins(server);
    ["healthz", "livez", "readyz"]
        .into_iter()
        .flat_map(move |kind| checks(kind, with_plugins).map(move |(name, _)| format!("/{kind}/{name}")))
}

/// Plugins may also come with another configuration, if the server follows it.
fn has_plugins(server: &Server) -> bool {
    let follows = server.options.follows_encryption_config;
    server.encryption.as_ref().is_some_and(|encryption| follows || encryption.has_kms())
}

/// What is wrong with each subject, found out once for all checks that look at it.
struct Findings {
    store: Option<String>,
    caches: Option<String>,
    definitions: Option<String>,
    bootstrap: Option<String>,
    running: Option<String>,
    plugins: Option<String>,
}

impl Findings {
    async fn of(server: &Server, kind: &str, asks_plugins: bool) -> Findings {
        // Only the paths that tell of the store ask it, and so with plugins, which may take their time.
        let store = if kind == "readyz" { None } else { ping(server).await };
        let plugins = match &server.encryption {
            Some(encryption) if asks_plugins => encryption.check().await.err(),
            _ => None,
        };
        let is_filled =
            server.all().iter().filter_map(|served| served.objects()).all(|objects| objects.cache.is_ready());
        // Until a server has had time to start it is alive.
        let spared = kind == "livez" && server.started.elapsed() < server.options.livez_grace_period;
        let not_finished = (!server.is_bootstrapped() && !spared).then(|| "not finished".to_owned());
        Findings {
            store,
            caches: (!is_filled && !spared).then(|| "1 or more caches are not filled yet".to_owned()),
            definitions: (!server.are_definitions_known() && !spared).then(|| "not finished".to_owned()),
            bootstrap: not_finished,
            plugins,
            running: server.stopping.is_cancelled().then(|| "process is shutting down".to_owned()),
        }
    }

    fn problem(&self, subject: Subject) -> Option<&String> {
        match subject {
            Answering => None,
            Store => self.store.as_ref(),
            Caches => self.caches.as_ref(),
            Definitions => self.definitions.as_ref(),
            Bootstrap => self.bootstrap.as_ref(),
            Running => self.running.as_ref(),
            Plugins => self.plugins.as_ref(),
        }
    }
}

async fn ping(server: &Server) -> Option<String> {
    let timeout: Duration = server.options.etcd_healthcheck_timeout;
    match tokio::time::timeout(timeout, server.store.ping()).await {
        Ok(outcome) => outcome.err().map(|error| error.to_string()),
        Err(_) => Some("error getting data from etcd: context deadline exceeded".to_owned()),
    }
}

/// Answers one of the paths or one of their checks.
pub async fn check(context: &Context, path: &str) -> Response<Body> {
    let (kind, one) = match path.trim_start_matches('/').split_once('/') {
        Some((kind, one)) => (kind, Some(one)),
        None => (path.trim_start_matches('/'), None),
    };
    let with_plugins = has_plugins(&context.server);
    if let Some(one) = one {
        let found = checks(kind, with_plugins).find(|(name, _)| *name == one);
        let Some((_, subject)) = found else { return body::page_not_found() };
        let findings = Findings::of(&context.server, kind, subject == Plugins).await;
        return match findings.problem(subject) {
            None => body::text(StatusCode::OK, "ok"),
            Some(problem) => {
                no_sniff(body::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {problem}\n")))
            }
        };
    }
    let mut unknown: Vec<&str> = context.query.all("exclude").collect();
    let asks_plugins = checks(kind, with_plugins).any(|(name, subject)| subject == Plugins && !unknown.contains(&name));
    let findings = Findings::of(&context.server, kind, asks_plugins).await;
    let mut text = String::new();
    let mut failed = Vec::new();
    for (name, subject) in checks(kind, with_plugins) {
        if context.query.all("exclude").any(|excluded| excluded == name) {
            unknown.retain(|excluded| *excluded != name);
            text.push_str(&format!("[+]{name} excluded: ok\n"));
            continue;
        }
        let problem = findings.problem(subject);
        context.server.metrics.health.observe(kind, name, problem.is_none());
        match problem {
            None => text.push_str(&format!("[+]{name} ok\n")),
            Some(problem) => {
                failed.push(format!("[-]{name} failed: {problem}"));
                text.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    if !unknown.is_empty() {
        unknown.sort_unstable();
        unknown.dedup();
        let names: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
        text.push_str(&format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(", ")));
    }
    if !failed.is_empty() {
        tracing::info!(check = kind, "{}", failed.join("; "));
        text.push_str(&format!("{kind} check failed\n"));
        return no_sniff(body::text(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    if context.query.get("verbose").is_none() {
        return no_sniff(body::text(StatusCode::OK, "ok"));
    }
    text.push_str(&format!("{kind} check passed\n"));
    no_sniff(body::text(StatusCode::OK, text))
}

fn no_sniff(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, http::HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_upstreams_checks() {
        let names = |kind| checks(kind, false).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("livez"), names("healthz"));
        assert_eq!(names("livez").len(), 35);
        assert_eq!(names("readyz").len(), 35);
        assert!(names("readyz").contains(&"shutdown") && !names("readyz").contains(&"etcd"));
        assert!(names("livez").contains(&"etcd") && !names("livez").contains(&"informer-sync"));
        let with_kms = |kind| checks(kind, true).any(|(name, _)| name == "kms-providers");
        assert!(with_kms("healthz") && with_kms("readyz") && !with_kms("livez"));
    }
}
