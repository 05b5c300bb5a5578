//! What is read off the server when metrics are asked for.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{Result, register};
use crate::server::Server;

pub struct Scraped {
    objects: IntGaugeVec,
    objects_by_group: IntGaugeVec,
    size: IntGaugeVec,
    revision: IntGaugeVec,
    capacity: IntGaugeVec,
    initializations: IntCounterVec,
    allocated_ports: IntGauge,
    /// When the store's size was last asked for.
    asked: Mutex<Option<Instant>>,
}

impl Scraped {
    pub fn new(registry: &Registry) -> Result<Scraped> {
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let by_group = ["group", "resource"];
        Ok(Scraped {
            objects: gauges("apiserver_storage_objects", "Stored objects by resource.", &["resource"])?,
            objects_by_group: gauges("apiserver_resource_objects", "Stored objects by group and resource.", &by_group)?,
            size: gauges(
                "apiserver_storage_size_bytes",
                "Bytes that the store's file takes.",
                &["storage_cluster_id"],
            )?,
            revision: gauges(
                "apiserver_watch_cache_resource_version",
                "The resource version that a watch cache has reached.",
                &by_group,
            )?,
            capacity: gauges("watch_cache_capacity", "Events in the history of a watch cache.", &by_group)?,
            initializations: register(
                registry,
                IntCounterVec::new(
                    Opts::new("apiserver_watch_cache_initializations_total", "How often a watch cache was filled."),
                    &by_group,
                )?,
            )?,
            allocated_ports: register(
                registry,
                IntGauge::new(
                    "kube_apiserver_nodeport_allocator_allocated_ports",
                    "Ports of nodes that services have.",
                )?,
            )?,
            asked: Mutex::new(None),
        })
    }

    /// Reads everything anew.
    pub async fn read(&self, server: &Server) {
        for served in server.all() {
            let Some(objects) = served.objects() else { continue };
            let resource = &served.resource;
            let stats = objects.cache.stats();
            let labels = [resource.group.as_str(), resource.plural.as_str()];
            let count = i64::try_from(stats.objects).unwrap_or(i64::MAX);
            self.objects.with_label_values(&[resource.group_resource().to_string()]).set(count);
            self.objects_by_group.with_label_values(&labels).set(count);
            self.revision.with_label_values(&labels).set(objects.cache.revision());
            self.capacity.with_label_values(&labels).set(i64::try_from(stats.events).unwrap_or(i64::MAX));
            let filled = self.initializations.with_label_values(&labels);
            if objects.cache.is_ready() && filled.get() == 0 {
                filled.inc();
            }
        }
        let services = server.list_cached("", "services").unwrap_or_default();
        let ports = services.iter().flat_map(|service| service["spec"]["ports"].as_array().into_iter().flatten());
        let allocated = ports.filter(|port| port["nodePort"].as_u64().is_some_and(|port| port > 0)).count();
        self.allocated_ports.set(i64::try_from(allocated).unwrap_or(i64::MAX));
        self.read_size(server).await;
    }

    /// Asks the store for its size, no more often than `--etcd-db-metric-poll-interval`.
    async fn read_size(&self, server: &Server) {
        let interval = server.options.etcd_db_metric_poll_interval;
        let is_due = {
            let mut asked = self.asked.lock();
            let is_due = !interval.is_zero() && asked.is_none_or(|asked| asked.elapsed() >= interval);
            if is_due {
                *asked = Some(Instant::now());
            }
            is_due
        };
        if !is_due {
            return;
        }
        if let Ok(Ok(Some(bytes))) = tokio::time::timeout(Duration::from_secs(2), server.store.size()).await {
            self.size.with_label_values(&["etcd-0"]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}
