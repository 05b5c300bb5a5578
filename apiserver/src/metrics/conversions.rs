//! What came of asking webhooks that convert custom resources.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, exponential_buckets};

use super::{Result, register};

pub struct Conversions {
    requests: IntCounterVec,
    durations: HistogramVec,
    by_definition: HistogramVec,
}

/// What was converted: a definition's name, and versions without their group.
pub struct Converted<'a> {
    pub definition: &'a str,
    pub from: &'a str,
    pub to: &'a str,
}

impl Conversions {
    pub fn new(registry: &Registry) -> Result<Conversions> {
        let requests =
            Opts::new("apiserver_conversion_webhook_request_total", "Conversion webhooks asked, by what came of it.");
        let durations =
            HistogramOpts::new("apiserver_conversion_webhook_duration_seconds", "Time that a conversion webhook took.")
                .buckets(vec![0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0]);
        let by_definition = HistogramOpts::new(
            "apiserver_crd_conversion_webhook_duration_seconds",
            "Time that the conversion webhook of a definition took.",
        )
        .buckets(exponential_buckets(0.001, 2.0, 15)?);
        let labels = ["failure_type", "result"];
        Ok(Conversions {
            requests: register(registry, IntCounterVec::new(requests, &labels)?)?,
            durations: register(registry, HistogramVec::new(durations, &labels)?)?,
            by_definition: register(
                registry,
                HistogramVec::new(by_definition, &["crd_name", "from_version", "succeeded", "to_version"])?,
            )?,
        })
    }

    /// Counts a webhook that was asked; `failure` is upstream's name of what went wrong, if anything did.
    pub fn asked(&self, converted: &Converted<'_>, failure: Option<&str>, took: Duration) {
        let seconds = took.as_secs_f64();
        let labels = [failure.unwrap_or_default(), if failure.is_some() { "failure" } else { "success" }];
        self.requests.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(seconds);
        let succeeded = if failure.is_some() { "false" } else { "true" };
        let labels = [converted.definition, converted.from, succeeded, converted.to];
        self.by_definition.with_label_values(&labels).observe(seconds);
    }
}
