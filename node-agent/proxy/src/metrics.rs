//! The proxy's metrics, under upstream's names.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::{model::Family, table::Sync};

/// All metrics.
pub struct Metrics {
    duration: HistogramVec,
    full: HistogramVec,
    partial: HistogramVec,
    last: GaugeVec,
    last_queued: GaugeVec,
    failures: IntCounterVec,
    without_local: IntGaugeVec,
    deleted_flows: IntCounterVec,
}

impl Metrics {
    /// # Errors
    /// A registry that has metrics of these names already.
    pub fn new(registry: &Registry) -> Result<Self> {
        let histogram = |name: &str, help: &str| -> Result<HistogramVec> {
            let options = HistogramOpts::new(format!("kubeproxy_{name}"), help);
            let options = options.buckets(prometheus::exponential_buckets(0.001, 2.0, 15)?);
            let metric = HistogramVec::new(options, &["ip_family"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<GaugeVec> {
            let metric = GaugeVec::new(Opts::new(format!("kubeproxy_{name}"), help), &["ip_family"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounterVec> {
            let metric = IntCounterVec::new(Opts::new(format!("kubeproxy_{name}"), help), &["ip_family"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let without_local = Opts::new(
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
            "Number of services with a Local traffic policy and no endpoints",
        );
        let without_local = IntGaugeVec::new(without_local, &["traffic_policy", "ip_family"])?;
        registry.register(Box::new(without_local.clone()))?;
        Ok(Metrics {
            duration: histogram("sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds")?,
            full: histogram(
                "sync_full_proxy_rules_duration_seconds",
                "SyncProxyRules latency in seconds for full resyncs",
            )?,
            partial: histogram(
                "sync_partial_proxy_rules_duration_seconds",
                "SyncProxyRules latency in seconds for partial resyncs",
            )?,
            last: gauge(
                "sync_proxy_rules_last_timestamp_seconds",
                "The last time proxy rules were successfully synced",
            )?,
            last_queued: gauge(
                "sync_proxy_rules_last_queued_timestamp_seconds",
                "The last time a sync of proxy rules was queued",
            )?,
            failures: counter(
                "sync_proxy_rules_nftables_sync_failures_total",
                "Cumulative proxy nftables sync failures",
            )?,
            without_local,
            deleted_flows: counter(
                "conntrack_reconciler_deleted_entries_total",
                "Cumulative conntrack flows deleted by conntrack reconciler",
            )?,
        })
    }

    pub fn queued(&self, family: Family) {
        self.last_queued.with_label_values(&[family.as_str()]).set(now());
    }

    pub fn synced(&self, family: Family, sync: Sync, took: Duration) {
        let family = &[family.as_str()];
        self.duration.with_label_values(family).observe(took.as_secs_f64());
        let kind = if sync == Sync::Full { &self.full } else { &self.partial };
        kind.with_label_values(family).observe(took.as_secs_f64());
        self.last.with_label_values(family).set(now());
    }

    pub fn failed(&self, family: Family) {
        self.failures.with_label_values(&[family.as_str()]).inc();
    }

    pub fn without_local_endpoints(&self, family: Family, (internal, external): (usize, usize)) {
        for (policy, count) in [("internal", internal), ("external", external)] {
            self.without_local.with_label_values(&[policy, family.as_str()]).set(count as i64);
        }
    }

    pub fn flows_deleted(&self, family: Family, count: usize) {
        self.deleted_flows.with_label_values(&[family.as_str()]).inc_by(count as u64);
    }
}

fn now() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
}
