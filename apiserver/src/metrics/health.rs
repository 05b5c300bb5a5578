//! How the health checks went, for `/metrics/slis`.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{Result, encoded, register};

pub struct Health {
    registry: Registry,
    last: IntGaugeVec,
    total: IntCounterVec,
}

impl Health {
    pub fn new() -> Result<Health> {
        let registry = Registry::new();
        let last = Opts::new("kubernetes_healthcheck", "Whether a health check went well the last time.");
        let total = Opts::new("kubernetes_healthchecks_total", "Health checks by result.");
        Ok(Health {
            last: register(&registry, IntGaugeVec::new(last, &["name", "type"])?)?,
            total: register(&registry, IntCounterVec::new(total, &["name", "status", "type"])?)?,
            registry,
        })
    }

    /// Notes one check of one path.
    pub fn observe(&self, kind: &str, name: &str, is_well: bool) {
        self.last.with_label_values(&[name, kind]).set(i64::from(is_well));
        self.total.with_label_values(&[name, if is_well { "success" } else { "error" }, kind]).inc();
    }

    /// The text exposition format.
    pub fn text(&self) -> Vec<u8> {
        encoded(&self.registry)
    }
}
