//! Which servers behind this one could not be used.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{Result, register};
use crate::aggregation::{GROUP, PLURAL};
use crate::conditions;
use crate::object;
use crate::server::Server;

pub struct Aggregation {
    unavailable: IntGaugeVec,
    /// The APIServices that the gauge has.
    shown: Mutex<BTreeSet<String>>,
    became_unavailable: IntCounterVec,
}

impl Aggregation {
    pub fn new(registry: &Registry) -> Result<Aggregation> {
        let gauge = Opts::new("aggregator_unavailable_apiservice", "APIServices that are unavailable now, by name.");
        let counter = Opts::new(
            "aggregator_unavailable_apiservice_total",
            "How often APIServices became unavailable, by name and reason.",
        );
        Ok(Aggregation {
            unavailable: register(registry, IntGaugeVec::new(gauge, &["name"])?)?,
            shown: Mutex::default(),
            became_unavailable: register(registry, IntCounterVec::new(counter, &["name", "reason"])?)?,
        })
    }

    /// Counts an APIService that was available and is not any more.
    pub fn became_unavailable(&self, name: &str, reason: &str) {
        self.became_unavailable.with_label_values(&[name, reason]).inc();
    }

    /// Reads anew what is available.
    pub fn read(&self, server: &Server) {
        let services = server.list_cached(GROUP, PLURAL).unwrap_or_default();
        let mut shown = self.shown.lock();
        let before = std::mem::take(&mut *shown);
        for service in &services {
            let name = object::meta(service, "name");
            let is_unavailable = !conditions::is_true(service, "Available");
            self.unavailable.with_label_values(&[name]).set(is_unavailable.into());
            shown.insert(name.to_owned());
        }
        for gone in before.difference(&shown) {
            // It was there, as it was shown.
            let _ = self.unavailable.remove_label_values(&[gone.as_str()]);
        }
    }
}
