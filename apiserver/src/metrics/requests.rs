//! What requests count: by verb, group, version, resource, subresource and scope.
//!
//! The metrics of a route are resolved when it is first asked for and kept, so that a request afterwards costs a look-up
//! by hash and a few atomic additions. Only routes that are served are kept: nobody can fill the memory with names.
//!
//! Source: apiserver `pkg/endpoints/metrics/metrics.go`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body::Body as _;
use parking_lot::RwLock;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::{REQUEST_SECONDS, Result, register};
use crate::body::{self, Body};
use crate::context::Target;
use crate::request::RequestInfo;
use crate::server::Server;

const ROUTE: [&str; 7] = ["component", "group", "resource", "scope", "subresource", "verb", "version"];
/// Upstream counts these clients apart.
const SYSTEM_CLIENTS: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

pub struct Requests {
    total: IntCounterVec,
    duration: HistogramVec,
    sli: HistogramVec,
    sizes: HistogramVec,
    long_running: IntGaugeVec,
    watch_events: IntCounterVec,
    watch_sizes: HistogramVec,
    deprecated: IntGaugeVec,
    /// By the hash of a route's labels. Its keys are the server's own, so that a collision, which would count one route
    /// as another, is left to chance: one in 2^64 for each pair.
    routes: RwLock<HashMap<u64, Arc<Route>>>,
    hasher: RandomState,
}

/// The metrics of one route.
struct Route {
    labels: Labels,
    duration: Histogram,
    /// Not of dry runs.
    sli: Option<Histogram>,
    /// Of reads only.
    sizes: Option<Histogram>,
    /// Of what may last.
    long_running: Option<IntGauge>,
    totals: RwLock<Vec<(u16, usize, IntCounter)>>,
}

#[derive(Clone, Debug, Hash)]
struct Labels {
    component: &'static str,
    dry_run: &'static str,
    group: String,
    resource: String,
    scope: &'static str,
    subresource: String,
    verb: &'static str,
    version: String,
}

/// What of a request decides where it is counted, read before it is served.
pub struct Asked {
    verb: &'static str,
    scope: &'static str,
    dry_run: bool,
    client: usize,
    started: Instant,
}

impl Asked {
    pub fn new(info: &RequestInfo, method: &Method, headers: &HeaderMap, dry_run: bool, started: Instant) -> Asked {
        Asked { verb: verb(info, method, headers), scope: scope(info), dry_run, client: client(headers), started }
    }
}

impl Requests {
    pub fn new(registry: &Registry) -> Result<Requests> {
        let histogram = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(registry, HistogramVec::new(options, labels)?)
        };
        let with_dry_run = ["component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"];
        let totals = [
            "code",
            "component",
            "dry_run",
            "group",
            "resource",
            "scope",
            "subresource",
            "system_client",
            "verb",
            "version",
        ];
        Ok(Requests {
            total: register(
                registry,
                IntCounterVec::new(
                    Opts::new("apiserver_request_total", "Requests by route, code and client."),
                    &totals,
                )?,
            )?,
            duration: histogram(
                "apiserver_request_duration_seconds",
                "From a request to the end of its answer, in seconds.",
                &REQUEST_SECONDS,
                &with_dry_run,
            )?,
            sli: histogram(
                "apiserver_request_sli_duration_seconds",
                "From a request to the end of its answer without what others take, in seconds.",
                &REQUEST_SECONDS[2..],
                &ROUTE,
            )?,
            sizes: histogram(
                "apiserver_response_sizes",
                "Bytes of the answers to reads.",
                &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
                &ROUTE,
            )?,
            long_running: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("apiserver_longrunning_requests", "Long-running requests that are open, by route."),
                    &ROUTE,
                )?,
            )?,
            watch_events: register(
                registry,
                IntCounterVec::new(
                    Opts::new("apiserver_watch_events_total", "Events sent to watchers, by resource."),
                    &["group", "resource", "version"],
                )?,
            )?,
            watch_sizes: histogram(
                "apiserver_watch_events_sizes",
                "Bytes of the events sent to watchers, by resource.",
                &[1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 131_072.0],
                &["group", "resource", "version"],
            )?,
            deprecated: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("apiserver_requested_deprecated_apis", "Deprecated APIs that were asked for."),
                    &["group", "removed_release", "resource", "subresource", "version"],
                )?,
            )?,
            routes: RwLock::default(),
            hasher: RandomState::new(),
        })
    }

    /// Counts an answer: at once where its end is known, else when its body ends.
    pub fn answered(
        &self,
        server: &Server,
        info: &RequestInfo,
        asked: &Asked,
        response: Response<Body>,
    ) -> Response<Body> {
        // A watch is counted when it ends, by its guard.
        if asked.verb == "WATCH" && response.status().is_success() {
            return response;
        }
        let Some(route) = self.route(info, asked, || is_served(server, info)) else { return response };
        let code = response.status().as_u16();
        self.count(&route, code, asked.client);
        match response.body().size_hint().exact() {
            Some(bytes) => {
                route.finished(asked.started, bytes);
                response
            }
            None => {
                let started = asked.started;
                response.map(|body| body::observed(body, Counted { route, started, bytes: 0 }))
            }
        }
    }

    /// Counts a watch for as long as the guard lives.
    pub fn watch_started(&self, target: &Target, info: &RequestInfo) -> WatchGuard {
        let asked = Asked {
            verb: "WATCH",
            scope: scope(info),
            dry_run: false,
            client: SYSTEM_CLIENTS.len(),
            started: Instant::now(),
        };
        let resource = target.resource();
        let labels = [resource.group.as_str(), resource.plural.as_str(), target.version.name.as_str()];
        let route = self.route(info, &asked, || true);
        if let Some(route) = &route {
            route.long_running.iter().for_each(IntGauge::inc);
            self.count(route, 200, asked.client);
        }
        WatchGuard {
            route,
            started: asked.started,
            events: self.watch_events.with_label_values(&labels),
            sizes: self.watch_sizes.with_label_values(&labels),
        }
    }

    /// Notes that something deprecated was asked for.
    pub fn deprecated(&self, info: &RequestInfo) {
        let labels =
            [info.group.as_str(), "", info.resource.as_str(), info.subresource.as_str(), info.version.as_str()];
        self.deprecated.with_label_values(&labels).set(1);
    }

    fn count(&self, route: &Route, code: u16, client: usize) {
        let known = |totals: &[(u16, usize, IntCounter)]| {
            totals.iter().find(|(known, of, _)| (*known, *of) == (code, client)).map(|(.., total)| total.inc())
        };
        if known(&route.totals.read()).is_some() {
            return;
        }
        let labels = &route.labels;
        let total = self.total.with_label_values(&[
            code.to_string().as_str(),
            labels.component,
            labels.dry_run,
            &labels.group,
            &labels.resource,
            labels.scope,
            &labels.subresource,
            SYSTEM_CLIENTS.get(client).copied().unwrap_or_default(),
            labels.verb,
            &labels.version,
        ]);
        total.inc();
        let mut totals = route.totals.write();
        if !totals.iter().any(|(known, of, _)| (*known, *of) == (code, client)) {
            totals.push((code, client, total));
        }
    }

    fn route(&self, info: &RequestInfo, asked: &Asked, is_served: impl FnOnce() -> bool) -> Option<Arc<Route>> {
        let path = if info.is_resource { "" } else { served_path(&info.path)? };
        let key = self.hasher.hash_one((
            asked.verb,
            asked.scope,
            asked.dry_run,
            path,
            (&info.group, &info.version, &info.resource, &info.subresource),
        ));
        if let Some(route) = self.routes.read().get(&key) {
            return Some(Arc::clone(route));
        }
        if info.is_resource && !is_served() {
            return None;
        }
        let of_resource = |text: &str| if info.is_resource { text.to_owned() } else { String::new() };
        let labels = Labels {
            component: if info.is_resource { "apiserver" } else { "" },
            dry_run: if asked.dry_run { "All" } else { "" },
            group: of_resource(&info.group),
            resource: of_resource(&info.resource),
            scope: asked.scope,
            subresource: if info.is_resource { info.subresource.clone() } else { path.to_owned() },
            verb: asked.verb,
            version: of_resource(&info.version),
        };
        let route = Arc::new(self.resolved(labels));
        Some(Arc::clone(self.routes.write().entry(key).or_insert(route)))
    }

    fn resolved(&self, labels: Labels) -> Route {
        let plain = [
            labels.component,
            &labels.group,
            &labels.resource,
            labels.scope,
            &labels.subresource,
            labels.verb,
            &labels.version,
        ];
        let mut with_dry_run = plain.to_vec();
        with_dry_run.insert(1, labels.dry_run);
        Route {
            duration: self.duration.with_label_values(&with_dry_run),
            sli: labels.dry_run.is_empty().then(|| self.sli.with_label_values(&plain)),
            sizes: matches!(labels.verb, "GET" | "LIST").then(|| self.sizes.with_label_values(&plain)),
            long_running: (labels.verb == "WATCH").then(|| self.long_running.with_label_values(&plain)),
            totals: RwLock::default(),
            labels,
        }
    }
}

impl Route {
    fn finished(&self, started: Instant, bytes: u64) {
        let took = started.elapsed().as_secs_f64();
        self.duration.observe(took);
        if let Some(sli) = &self.sli {
            sli.observe(took);
        }
        if let Some(sizes) = &self.sizes {
            sizes.observe(bytes as f64);
        }
    }
}

/// A body that is counted when it ends or is given up.
struct Counted {
    route: Arc<Route>,
    started: Instant,
    bytes: u64,
}

impl body::Observer for Counted {
    fn sent(&mut self, data: &Bytes) {
        self.bytes += data.len() as u64;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.route.finished(self.started, self.bytes);
    }
}

/// A watch being served.
pub struct WatchGuard {
    route: Option<Arc<Route>>,
    started: Instant,
    events: IntCounter,
    sizes: Histogram,
}

impl WatchGuard {
    /// Counts the frames of one wake-up.
    pub fn sent(&self, frames: &[Bytes]) {
        self.events.inc_by(frames.len() as u64);
        match frames {
            [] => {}
            [frame] => self.sizes.observe(frame.len() as f64),
            frames => {
                // Added up first: all watchers of a resource share these counters.
                let sizes = self.sizes.local();
                frames.iter().for_each(|frame| sizes.observe(frame.len() as f64));
                sizes.flush();
            }
        }
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        if let Some(route) = &self.route {
            route.long_running.iter().for_each(IntGauge::dec);
            route.finished(self.started, 0);
        }
    }
}

/// Whether a request of a resource is one that the server has a route for.
fn is_served(server: &Server, info: &RequestInfo) -> bool {
    server
        .serving(&info.group, &info.version, &info.resource)
        .is_some_and(|served| info.subresource.is_empty() || served.resource.subresource(&info.subresource).is_some())
}

/// The paths that are no resources and are counted all the same, as the label names them.
fn served_path(path: &str) -> Option<&'static str> {
    match path {
        "/livez" => Some("/livez"),
        "/readyz" => Some("/readyz"),
        "/healthz" => Some("/healthz"),
        "/openapi/v2" => Some("openapi/v2"),
        "/openapi/v3" => Some("openapi/v3"),
        path if path.starts_with("/openapi/v3/") => Some("openapi/v3/"),
        _ => None,
    }
}

fn client(headers: &HeaderMap) -> usize {
    let agent = headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    let name = agent.and_then(|agent| agent.split_once('/')).map_or("", |(name, _)| name);
    SYSTEM_CLIENTS.iter().position(|known| *known == name).unwrap_or(SYSTEM_CLIENTS.len())
}

fn verb(info: &RequestInfo, method: &Method, headers: &HeaderMap) -> &'static str {
    if info.is_resource && matches!(info.subresource.as_str(), "log" | "exec" | "proxy" | "attach" | "portforward") {
        return "CONNECT";
    }
    match (info.verb, method) {
        ("watch", _) => "WATCH",
        ("list", _) => "LIST",
        (_, &Method::GET | &Method::HEAD) => "GET",
        (_, &Method::POST) => "POST",
        (_, &Method::PUT) => "PUT",
        (_, &Method::DELETE) => "DELETE",
        (_, &Method::PATCH) => {
            let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if kind == Some("application/apply-patch+yaml") { "APPLY" } else { "PATCH" }
        }
        _ => "OTHER",
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    let of_many = matches!(info.verb, "list" | "watch" | "deletecollection");
    match (info.name.is_empty() || of_many, info.namespace.is_empty()) {
        _ if !info.is_resource => "",
        _ if info.verb == "create" => "resource",
        (false, _) => "resource",
        (true, false) => "namespace",
        (true, true) => "cluster",
    }
}
