//! The scheduler's metrics, under upstream's names.

use std::time::Duration;

use anyhow::Result;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::{queue::Counts, scheduler::Attempt};

/// All metrics.
pub struct Metrics {
    attempts: IntCounterVec,
    duration: HistogramVec,
    pending: IntGaugeVec,
}

impl Metrics {
    /// # Errors
    /// A registry that has metrics of these names already.
    pub fn new(registry: &Registry) -> Result<Self> {
        let attempts = Opts::new(
            "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, \
             while 'error' means an internal scheduler problem.",
        );
        let duration = HistogramOpts::new(
            "scheduler_scheduling_algorithm_duration_seconds",
            "Scheduling algorithm latency in seconds",
        );
        let duration = duration.buckets(prometheus::exponential_buckets(0.0001, 2.0, 15)?);
        let pending = Opts::new("scheduler_pending_pods", "Number of pending pods, by the queue type.");
        let metrics = Metrics {
            attempts: IntCounterVec::new(attempts, &["result"])?,
            duration: HistogramVec::new(duration, &["result"])?,
            pending: IntGaugeVec::new(pending, &["queue"])?,
        };
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.pending.clone()))?;
        Ok(metrics)
    }

    pub fn attempted(&self, attempt: Attempt, took: Duration) {
        let result = match attempt {
            Attempt::Scheduled => "scheduled",
            Attempt::Unschedulable => "unschedulable",
            Attempt::Skipped => return,
        };
        self.attempts.with_label_values(&[result]).inc();
        self.duration.with_label_values(&[result]).observe(took.as_secs_f64());
    }

    pub fn set_pending(&self, counts: Counts) {
        for (queue, count) in [
            ("active", counts.active),
            ("backoff", counts.backoff),
            ("unschedulable", counts.unschedulable),
            ("gated", counts.gated),
        ] {
            self.pending.with_label_values(&[queue]).set(count as i64);
        }
    }
}
