//! The server's metrics, under upstream's names, with its labels and buckets.
//!
//! What a request counts is resolved once per route and kept ([`requests`]); what can be read off the server is read
//! when metrics are asked for ([`scraped`]).

mod aggregation;
pub mod conversions;
pub mod health;
mod process;
pub mod requests;
mod scraped;
pub mod storage;
mod tokens;
mod webhooks;

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Counter, Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::authn::User;
use crate::bootstrap::identity;
use crate::server::Server;

/// Seconds that requests of etcd and of clients are sorted into.
const REQUEST_SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];
const DAY: f64 = 86_400.0;

pub type Result<T> = std::result::Result<T, prometheus::Error>;

/// All metrics of one server.
pub struct Metrics {
    registry: Registry,
    pub requests: requests::Requests,
    pub stores: storage::Stores,
    /// On `/metrics/slis`.
    pub health: health::Health,
    scraped: scraped::Scraped,
    process: process::Process,
    pub authentication: Attempts,
    pub authorization: Attempts,
    users: [(&'static str, IntCounter); 7],
    certificate_expiration: Histogram,
    pub tls_handshake_errors: IntCounter,
    pub in_flight_reading: IntGauge,
    pub in_flight_mutating: IntGauge,
    pub logs: Logs,
    /// Streams over WebSocket, by subresource and by who translates them.
    pub websocket_streams: IntCounterVec,
    pub aggregation: aggregation::Aggregation,
    pub webhooks: webhooks::Webhooks,
    pub conversions: conversions::Conversions,
    pub audit: apiserver_audit::Metrics,
    pub encryption: apiserver_encryption::Metrics,
    pub fairness: apiserver_fairness::Metrics,
    pub tokens: tokens::Tokens,
}

/// What following logs counts.
pub struct Logs {
    pub verified: IntCounter,
    pub unverified: IntCounter,
    pub refused: IntCounter,
}

/// Attempts of one kind, by their outcome.
pub struct Attempts {
    outcomes: Vec<(&'static str, IntCounter, Histogram)>,
}

impl Attempts {
    fn new(registry: &Registry, [total, duration]: [(&str, &str); 2], results: &[&'static str]) -> Result<Attempts> {
        let totals = register(registry, IntCounterVec::new(Opts::new(total.0, total.1), &["result"])?)?;
        // From a millisecond, each twice the one before.
        let buckets = prometheus::exponential_buckets(0.001, 2.0, 15)?;
        let options = HistogramOpts::new(duration.0, duration.1).buckets(buckets);
        let durations = register(registry, HistogramVec::new(options, &["result"])?)?;
        let outcomes = results
            .iter()
            .map(|result| (*result, totals.with_label_values(&[*result]), durations.with_label_values(&[*result])))
            .collect();
        Ok(Attempts { outcomes })
    }

    /// Counts an attempt whose outcome is one of those that were named at the start.
    pub fn observe(&self, result: &str, took: Duration) {
        if let Some((_, total, duration)) = self.outcomes.iter().find(|(name, ..)| *name == result) {
            total.inc();
            duration.observe(took.as_secs_f64());
        }
    }
}

impl Metrics {
    pub fn new() -> Result<Metrics> {
        let registry = Registry::new();
        let in_flight = register(
            &registry,
            IntGaugeVec::new(
                Opts::new(
                    "apiserver_current_inflight_requests",
                    "Requests being served now that are not long-running, by kind.",
                ),
                &["request_kind"],
            )?,
        )?;
        let users = register(
            &registry,
            IntCounterVec::new(
                Opts::new("authenticated_user_requests", "Authenticated requests by kind of user name."),
                &["username"],
            )?,
        )?;
        let insecure = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "kube_apiserver_pod_logs_insecure_backend_total",
                    "Requests for logs by whether the kubelet's certificate had to be verified.",
                ),
                &["usage"],
            )?,
        )?;
        let expiration = HistogramOpts::new(
            "apiserver_client_certificate_expiration_seconds",
            "How long the certificates that clients show are still valid.",
        )
        .buckets(vec![
            0.0,
            1800.0,
            3600.0,
            7200.0,
            21600.0,
            43200.0,
            DAY,
            2.0 * DAY,
            4.0 * DAY,
            7.0 * DAY,
            30.0 * DAY,
            90.0 * DAY,
            180.0 * DAY,
            360.0 * DAY,
        ]);
        let users = USER_KINDS.map(|kind| (kind, users.with_label_values(&[kind])));
        build_info(&registry)?;
        Ok(Metrics {
            requests: requests::Requests::new(&registry)?,
            stores: storage::Stores::new(&registry)?,
            health: health::Health::new()?,
            aggregation: aggregation::Aggregation::new(&registry)?,
            webhooks: webhooks::Webhooks::new(&registry)?,
            conversions: conversions::Conversions::new(&registry)?,
            audit: apiserver_audit::Metrics::new(&registry)?,
            encryption: apiserver_encryption::Metrics::new(&registry, &identity::server_name())?,
            fairness: apiserver_fairness::Metrics::new(&registry)?,
            tokens: tokens::Tokens::new(&registry)?,
            scraped: scraped::Scraped::new(&registry)?,
            process: process::Process::new(&registry)?,
            authentication: Attempts::new(
                &registry,
                [
                    ("authentication_attempts", "Attempts to authenticate by result."),
                    ("authentication_duration_seconds", "How long authenticating takes, by result."),
                ],
                &["success", "failure", "error"],
            )?,
            authorization: Attempts::new(
                &registry,
                [
                    ("authorization_attempts_total", "Attempts to authorize by result."),
                    ("authorization_duration_seconds", "How long authorizing takes, by result."),
                ],
                &["allowed", "no-opinion", "denied", "error"],
            )?,
            users,
            certificate_expiration: register(&registry, Histogram::with_opts(expiration)?)?,
            tls_handshake_errors: register(
                &registry,
                IntCounter::new("apiserver_tls_handshake_errors_total", "Connections whose TLS handshake failed.")?,
            )?,
            in_flight_reading: in_flight.with_label_values(&["readOnly"]),
            in_flight_mutating: in_flight.with_label_values(&["mutating"]),
            logs: Logs {
                verified: insecure.with_label_values(&["enforce_tls"]),
                unverified: insecure.with_label_values(&["skip_tls_allowed"]),
                refused: register(
                    &registry,
                    IntCounter::new(
                        "kube_apiserver_pod_logs_backend_tls_failure_total",
                        "Requests for logs that failed because the kubelet's certificate could not be verified.",
                    )?,
                )?,
            },
            websocket_streams: register(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "apiserver_websocket_streaming_requests_total",
                        "exec, attach and portforward by who serves their WebSocket.",
                    ),
                    &["proxy_type", "subresource"],
                )?,
            )?,
            registry,
        })
    }

    /// Counts an authenticated request, by a name that cannot be one of too many.
    pub fn user(&self, user: &User) {
        let name = user.name.as_str();
        let kind = match USER_KINDS.iter().find(|kind| **kind == name) {
            Some(kind) => kind,
            None if name.contains('@') => "email_id",
            None => "other",
        };
        if let Some((_, counter)) = self.users.iter().find(|(known, _)| *known == kind) {
            counter.inc();
        }
    }

    /// Notes how long a client's certificate is still valid.
    pub fn certificate(&self, seconds_left: f64) {
        self.certificate_expiration.observe(seconds_left);
    }

    /// The text exposition format.
    pub async fn text(&self, server: &Server) -> Vec<u8> {
        self.scraped.read(server).await;
        self.aggregation.read(server);
        self.process.read();
        encoded(&self.registry)
    }
}

/// Upstream's known names, and the two that stand for all others.
const USER_KINDS: [&str; 7] =
    ["admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default", "email_id", "other"];

/// What was built, and which features it has: constants.
fn build_info(registry: &Registry) -> Result<()> {
    let (major, minor, git_version) = crate::discovery::VERSION;
    let labels = [
        ("build_date", "1970-01-01T00:00:00Z"),
        ("compiler", "rustc"),
        ("git_commit", ""),
        ("git_tree_state", "clean"),
        ("git_version", git_version),
        ("go_version", "rust"),
        ("major", major),
        ("minor", minor),
        ("platform", "linux/amd64"),
    ];
    constant(registry, "kubernetes_build_info", "What was built; always 1.", &labels)?;
    let labels = [("binary", "1.36"), ("component", "kube"), ("emulation", "1.36"), ("min_compat", "1.35")];
    constant(registry, "version_info", "Which versions the component is compatible with; always 1.", &labels)?;
    let features = IntGaugeVec::new(
        Opts::new("kubernetes_feature_enabled", "Whether a feature is enabled, with its stage."),
        &["name", "stage"],
    )?;
    for gate in crate::feature_gates::GATES {
        features.with_label_values(&[gate.name, gate.stage]).set(i64::from(gate.enabled));
    }
    register(registry, features)?;
    Ok(())
}

fn constant(registry: &Registry, name: &str, help: &str, labels: &[(&str, &str)]) -> Result<()> {
    let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = labels.iter().map(|(_, value)| *value).collect();
    register(registry, IntGaugeVec::new(Opts::new(name, help), &names)?)?.with_label_values(&values).set(1);
    Ok(())
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<Gauge> {
    register(registry, Gauge::new(name, help)?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<Counter> {
    register(registry, Counter::new(name, help)?)
}

fn encoded(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory cannot fail; a family that cannot be written is left out.
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut out) {
        tracing::warn!(%error, "metrics could not be written");
    }
    out
}
