//! The server's metrics, under upstream's names.

use std::time::Duration;

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::request::RequestInfo;
use crate::resources::Resource;

pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    inflight: IntGaugeVec,
    watchers: IntGaugeVec,
    watch_events: IntCounterVec,
}

impl Metrics {
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("apiserver_request_total", "Requests by verb, resource and code."),
            &["code", "component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let buckets = vec![
            0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
            20.0, 30.0, 45.0, 60.0,
        ];
        let durations = HistogramVec::new(
            HistogramOpts::new("apiserver_request_duration_seconds", "Time from request to answer, in seconds.")
                .buckets(buckets),
            &["component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let inflight = IntGaugeVec::new(
            Opts::new("apiserver_current_inflight_requests", "Requests being served, by kind."),
            &["request_kind"],
        )?;
        let watchers = IntGaugeVec::new(
            Opts::new("apiserver_longrunning_requests", "Long-running requests by verb and resource."),
            &["component", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let watch_events = IntCounterVec::new(
            Opts::new("apiserver_watch_events_total", "Events sent to watchers, by resource."),
            &["group", "resource", "version"],
        )?;
        for collector in [
            Box::new(requests.clone()) as Box<dyn prometheus::core::Collector>,
            Box::new(durations.clone()),
            Box::new(inflight.clone()),
            Box::new(watchers.clone()),
            Box::new(watch_events.clone()),
        ] {
            registry.register(collector)?;
        }
        Ok(Metrics { registry, requests, durations, inflight, watchers, watch_events })
    }

    /// Counts a request that was answered.
    pub fn answered(&self, info: &RequestInfo, code: u16, dry_run: bool, took: Duration) {
        let verb = reported_verb(info);
        let dry_run = if dry_run { "All" } else { "" };
        let scope = scope(info);
        self.requests
            .with_label_values(&[
                code.to_string().as_str(),
                "apiserver",
                dry_run,
                &info.group,
                &info.resource,
                scope,
                &info.subresource,
                verb,
                &info.version,
            ])
            .inc();
        if verb != "WATCH" && verb != "CONNECT" {
            self.durations
                .with_label_values(&[
                    "apiserver",
                    dry_run,
                    &info.group,
                    &info.resource,
                    scope,
                    &info.subresource,
                    verb,
                    &info.version,
                ])
                .observe(took.as_secs_f64());
        }
    }

    /// Counts a request for as long as the guard lives.
    pub fn in_flight(&self, mutating: bool) -> InFlight {
        let gauge = self.inflight.with_label_values(&[if mutating { "mutating" } else { "readOnly" }]);
        gauge.inc();
        InFlight(gauge)
    }

    pub fn watch_started(&self, resource: &Resource) -> WatchGuard {
        let version = resource.versions.first().map(|version| version.name.as_str()).unwrap_or_default();
        let scope = if resource.namespaced { "namespace" } else { "cluster" };
        let watchers = self.watchers.with_label_values(&[
            "apiserver",
            &resource.group,
            &resource.plural,
            scope,
            "",
            "WATCH",
            version,
        ]);
        watchers.inc();
        WatchGuard {
            watchers,
            events: self.watch_events.with_label_values(&[&resource.group, &resource.plural, version]),
        }
    }

    /// The text exposition format.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to memory cannot fail; a family that cannot be written is left out.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::warn!(%error, "metrics could not be written");
        }
        out
    }
}

/// A request being served.
pub struct InFlight(prometheus::IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A watch being served.
pub struct WatchGuard {
    watchers: prometheus::IntGauge,
    events: prometheus::IntCounter,
}

impl WatchGuard {
    pub fn sent(&self, events: usize) {
        self.events.inc_by(events as u64);
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.watchers.dec();
    }
}

fn reported_verb(info: &RequestInfo) -> &'static str {
    match info.verb {
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "list" => "LIST",
        "watch" => "WATCH",
        "connect" => "CONNECT",
        _ => "GET",
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    match (info.name.is_empty(), info.namespace.is_empty()) {
        _ if !info.is_resource => "",
        (false, _) => "resource",
        (true, false) => "namespace",
        (true, true) => "cluster",
    }
}
