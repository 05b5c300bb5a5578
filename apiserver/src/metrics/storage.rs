//! What the server asks of its store, by resource.

use std::time::Instant;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::{REQUEST_SECONDS, Result, register};

pub struct Stores {
    total: IntCounterVec,
    errors: IntCounterVec,
    duration: HistogramVec,
}

const LABELS: [&str; 3] = ["group", "operation", "resource"];

impl Stores {
    pub fn new(registry: &Registry) -> Result<Stores> {
        let duration = HistogramOpts::new("etcd_request_duration_seconds", "How long requests of the store take.")
            .buckets(REQUEST_SECONDS.to_vec());
        Ok(Stores {
            total: register(
                registry,
                IntCounterVec::new(Opts::new("etcd_requests_total", "Requests of the store."), &LABELS)?,
            )?,
            errors: register(
                registry,
                IntCounterVec::new(
                    Opts::new("etcd_request_errors_total", "Requests of the store that failed."),
                    &LABELS,
                )?,
            )?,
            duration: register(registry, HistogramVec::new(duration, &LABELS)?)?,
        })
    }

    /// The operations on one resource's objects.
    pub fn of(&self, group: &str, resource: &str) -> Operations {
        let operation = |name: &str| {
            let labels = [group, name, resource];
            Operation {
                total: self.total.with_label_values(&labels),
                errors: self.errors.with_label_values(&labels),
                duration: self.duration.with_label_values(&labels),
            }
        };
        Operations {
            create: operation("create"),
            update: operation("update"),
            delete: operation("delete"),
            get: operation("get"),
        }
    }
}

/// What may be asked of the store about one resource's objects.
#[derive(Clone)]
pub struct Operations {
    pub create: Operation,
    pub update: Operation,
    pub delete: Operation,
    pub get: Operation,
}

/// One kind of request of the store.
#[derive(Clone)]
pub struct Operation {
    total: IntCounter,
    errors: IntCounter,
    duration: Histogram,
}

impl Operation {
    /// Makes a request and counts it.
    pub async fn timed<T, E>(
        &self,
        request: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        let started = Instant::now();
        let outcome = request.await;
        self.duration.observe(started.elapsed().as_secs_f64());
        self.total.inc();
        if outcome.is_err() {
            self.errors.inc();
        }
        outcome
    }
}
