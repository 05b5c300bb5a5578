//! What KMS providers and new configurations count, under upstream's names.
//!
//! Source: apiserver `pkg/storage/value/encrypt/envelope/metrics`, `pkg/storage/value/metrics.go`,
//! `pkg/server/options/encryptionconfig/metrics`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    Result,
};

/// How many of the plugins' keys are counted at most, by who used them for what.
const KEYS: usize = 100;

/// All metrics of one server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    latency: HistogramVec,
    key_total: IntCounterVec,
    key_last: GaugeVec,
    status_last: GaugeVec,
    invalid_key: IntCounterVec,
    deks: IntGaugeVec,
    misses: IntCounter,
    reloads: IntCounterVec,
    reload_last: GaugeVec,
    configuration: IntGaugeVec,
    /// The hash of the server's name.
    server: Arc<str>,
    /// The labels of keys, the oldest in front.
    keys: Arc<Mutex<VecDeque<[String; 4]>>>,
}

/// The metrics of one provider.
#[derive(Clone)]
pub struct ProviderMetrics {
    all: Metrics,
    provider: Arc<str>,
    deks: IntGauge,
}

/// The use of a plugin's key, in one direction.
#[derive(Clone)]
pub struct KeyUse {
    total: IntCounter,
    last: Gauge,
}

impl Metrics {
    /// Metrics in a registry, of the server of this name.
    ///
    /// # Errors
    /// The registry has some of them already.
    pub fn new(registry: &Registry, server: &str) -> Result<Metrics> {
        let options = |name: &str, help: &str| Opts::new(format!("apiserver_envelope_encryption_{name}"), help);
        let controller =
            |name: &str, help: &str| Opts::new(format!("apiserver_encryption_config_controller_{name}"), help);
        let key = ["transformation_type", "provider_name", "key_id_hash", "apiserver_id_hash"];
        let latency = HistogramOpts::new(
            "apiserver_envelope_encryption_kms_operations_latency_seconds",
            "How long calls of KMS plugins take, with their outcome.",
        );
        // From a tenth of a millisecond, each twice the one before.
        let latency = latency.buckets(prometheus::exponential_buckets(0.0001, 2.0, 20)?);
        Ok(Metrics {
            latency: add(registry, HistogramVec::new(latency, &["provider_name", "method_name", "grpc_status_code"])?)?,
            key_total: add(
                registry,
                IntCounterVec::new(options("key_id_hash_total", "How often a key of a KMS plugin was used."), &key)?,
            )?,
            key_last: add(
                registry,
                GaugeVec::new(
                    options("key_id_hash_last_timestamp_seconds", "When a key of a KMS plugin was last used."),
                    &key,
                )?,
            )?,
            status_last: add(
                registry,
                GaugeVec::new(
                    options(
                        "key_id_hash_status_last_timestamp_seconds",
                        "When a KMS plugin last said that this is its key.",
                    ),
                    &["provider_name", "key_id_hash", "apiserver_id_hash"],
                )?,
            )?,
            invalid_key: add(
                registry,
                IntCounterVec::new(
                    options("invalid_key_id_from_status_total", "How often a KMS plugin named a key that cannot be."),
                    &["provider_name", "error"],
                )?,
            )?,
            deks: add(
                registry,
                IntGaugeVec::new(options("dek_source_cache_size", "Decrypted DEKs."), &["provider_name"])?,
            )?,
            misses: add(
                registry,
                IntCounter::new(
                    "apiserver_storage_envelope_transformation_cache_misses_total",
                    "DEKs that a KMS plugin was asked to decrypt.",
                )?,
            )?,
            reloads: add(
                registry,
                IntCounterVec::new(
                    controller("automatic_reloads_total", "How often the configuration was read anew, by outcome."),
                    &["status", "apiserver_id_hash"],
                )?,
            )?,
            reload_last: add(
                registry,
                GaugeVec::new(
                    controller(
                        "automatic_reload_last_timestamp_seconds",
                        "When the configuration was last read anew, by outcome.",
                    ),
                    &["status", "apiserver_id_hash"],
                )?,
            )?,
            configuration: add(
                registry,
                IntGaugeVec::new(
                    controller("last_config_info", "The configuration that is in use, by its hash; always 1."),
                    &["apiserver_id_hash", "hash"],
                )?,
            )?,
            server: hashed(server).into(),
            keys: Arc::default(),
        })
    }

    /// Notes the file that is in use.
    pub fn configured(&self, text: &str) {
        self.configuration.reset();
        self.configuration.with_label_values(&[&*self.server, &hashed(text)]).set(1);
    }

    /// Counts that another file was read to take its place.
    pub fn reloaded(&self, is_used: bool) {
        let labels = [if is_used { "success" } else { "failure" }, &*self.server];
        self.reloads.with_label_values(&labels).inc();
        self.reload_last.with_label_values(&labels).set(now());
    }

    /// The metrics of a provider.
    pub fn of(&self, provider: &str) -> ProviderMetrics {
        ProviderMetrics { all: self.clone(), provider: provider.into(), deks: self.deks.with_label_values(&[provider]) }
    }
}

impl ProviderMetrics {
    /// Counts a call of the plugin.
    pub fn called(&self, method: &str, code: &str, took: Duration) {
        self.all.latency.with_label_values(&[&*self.provider, method, code]).observe(took.as_secs_f64());
    }

    /// Counts the use of a key; `kind` is `from_storage` or `to_storage`.
    pub fn key(&self, kind: &str, key_id: &str) -> KeyUse {
        let labels = [kind.to_owned(), self.provider.to_string(), hashed(key_id), self.all.server.to_string()];
        let label_values = labels.each_ref().map(String::as_str);
        let found = KeyUse {
            total: self.all.key_total.with_label_values(&label_values),
            last: self.all.key_last.with_label_values(&label_values),
        };
        self.remember(labels);
        found
    }

    /// Forgets the oldest key where there are too many.
    fn remember(&self, labels: [String; 4]) {
        let mut keys = self.all.keys.lock();
        keys.retain(|known| *known != labels);
        keys.push_back(labels);
        if keys.len() > KEYS
            && let Some(oldest) = keys.pop_front()
        {
            let [kind, provider, key, server] = oldest.each_ref().map(String::as_str);
            // Others may have removed them already.
            let _ = self.all.key_total.remove_label_values(&[kind, provider, key, server]);
            let _ = self.all.key_last.remove_label_values(&[kind, provider, key, server]);
            let _ = self.all.status_last.remove_label_values(&[provider, key, server]);
        }
    }

    /// Notes the key that the plugin says it has.
    pub fn status(&self, key_id: &str) {
        let labels = [&*self.provider, &hashed(key_id), &*self.all.server];
        self.all.status_last.with_label_values(&labels).set(now());
    }

    pub fn invalid_key(&self, error: &str) {
        self.all.invalid_key.with_label_values(&[&*self.provider, error]).inc();
    }

    pub fn missed(&self) {
        self.all.misses.inc();
    }

    pub fn deks(&self, number: usize) {
        self.deks.set(i64::try_from(number).unwrap_or(i64::MAX));
    }
}

impl KeyUse {
    pub fn count(&self) {
        self.total.inc();
        self.last.set(now());
    }
}

/// `sha256:` and the hash in hex; nothing of nothing.
pub fn hashed(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_counted_without_end() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry, "a").unwrap().of("p");
        for key in 0..KEYS + 50 {
            metrics.key("from_storage", &key.to_string()).count();
        }
        let families = registry.gather();
        let total =
            families.iter().find(|one| one.name() == "apiserver_envelope_encryption_key_id_hash_total").unwrap();
        assert_eq!(total.get_metric().len(), KEYS);
    }

    #[test]
    fn hashes_are_upstreams() {
        assert_eq!(hashed("1"), "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
        assert_eq!(hashed(""), "");
    }
}
