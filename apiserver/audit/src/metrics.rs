//! What auditing counts, under upstream's names.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::event::Event;
use crate::policy::Level;

/// The counters of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    events: IntCounter,
    errors: IntCounterVec,
    levels: IntCounterVec,
    rejected: IntCounter,
}

impl Metrics {
    /// Counters in a registry.
    ///
    /// # Errors
    /// The registry has some of them already.
    pub fn new(registry: &Registry) -> prometheus::Result<Metrics> {
        let metrics = Metrics {
            events: IntCounter::new("apiserver_audit_event_total", "Audit events sent to the backends.")?,
            errors: IntCounterVec::new(
                Opts::new("apiserver_audit_error_total", "Audit events that were lost, by the plugin that lost them."),
                &["plugin"],
            )?,
            levels: IntCounterVec::new(
                Opts::new("apiserver_audit_level_total", "Requests by the level at which they are audited."),
                &["level"],
            )?,
            rejected: IntCounter::new(
                "apiserver_audit_requests_rejected_total",
                "Requests that were refused because they could not be audited.",
            )?,
        };
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.errors.clone()))?;
        registry.register(Box::new(metrics.levels.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        Ok(metrics)
    }

    /// A request was given this level.
    pub fn level(&self, level: Level) {
        self.levels.with_label_values(&[level.as_str()]).inc();
    }

    /// A request was refused because its first event could not be kept.
    pub fn rejected(&self) {
        self.rejected.inc();
    }

    pub(crate) fn event(&self) {
        self.events.inc();
    }

    /// A plugin lost events; what they said goes to the server's own log.
    pub(crate) fn lost(&self, plugin: &str, why: &str, events: u64, shown: Option<&Event>) {
        self.errors.with_label_values(&[plugin]).inc_by(events);
        let event = shown.map(Event::legacy).unwrap_or_default();
        tracing::error!(plugin, events, event, "Error in audit plugin: {why}");
    }
}
