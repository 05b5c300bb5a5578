//! What came of asking admission webhooks.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{Result, register};

pub struct Webhooks {
    durations: HistogramVec,
    requests: IntCounterVec,
    rejections: IntCounterVec,
    open: IntCounterVec,
}

impl Webhooks {
    pub fn new(registry: &Registry) -> Result<Webhooks> {
        let name = |name: &str| format!("apiserver_admission_webhook_{name}");
        let counter = |own: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name(own), help), labels)?)
        };
        let durations = HistogramOpts::new(name("admission_duration_seconds"), "Time that a webhook took, in seconds.")
            .buckets(vec![0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0]);
        Ok(Webhooks {
            durations: register(registry, HistogramVec::new(durations, &["name", "operation", "rejected", "type"])?)?,
            requests: counter(
                "request_total",
                "Webhooks asked, by answer.",
                &["code", "name", "operation", "rejected", "type"],
            )?,
            rejections: counter(
                "rejection_count",
                "Requests that webhooks stopped, by cause.",
                &["error_type", "name", "operation", "rejection_code", "type"],
            )?,
            open: counter(
                "fail_open_count",
                "Requests that went on though a webhook could not be asked.",
                &["name", "type"],
            )?,
        })
    }

    /// Counts a webhook that was asked. `code` is 200 where it let the request pass; codes above 600 count as that.
    pub fn asked(&self, name: &str, kind: &str, operation: &str, code: u16, rejected: bool, took: Duration) {
        let (code, rejected) = (code.min(600).to_string(), rejected.to_string());
        self.durations.with_label_values(&[name, operation, &rejected, kind]).observe(took.as_secs_f64());
        self.requests.with_label_values(&[&*code, name, operation, &rejected, kind]).inc();
    }

    pub fn rejected(&self, name: &str, kind: &str, operation: &str, error: &str, code: u16) {
        self.rejections.with_label_values(&[error, name, operation, &code.min(600).to_string(), kind]).inc();
    }

    pub fn failed_open(&self, name: &str, kind: &str) {
        self.open.with_label_values(&[name, kind]).inc();
    }
}
