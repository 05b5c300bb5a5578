//! EventRateLimit: so many events a second, and no more.
//!
//! Source: `plugin/pkg/admission/eventratelimit`.

use std::collections::HashMap;
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object::{int, items, text};
use crate::status::{Result, Status};

pub struct EventRateLimit {
    limits: Vec<Limit>,
}

const DEFAULT_CACHE_SIZE: usize = 4096;

/// One limit, with a bucket for each key.
struct Limit {
    kind: LimitKind,
    per_second: f64,
    burst: f64,
    size: usize,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LimitKind {
    Server,
    Namespace,
    User,
    SourceAndObject,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl EventRateLimit {
    pub fn new(configuration: &Value) -> anyhow::Result<EventRateLimit> {
        let limits = items(&configuration["limits"]);
        anyhow::ensure!(!limits.is_empty(), "limits: Invalid value: null: must not be empty");
        let limits = limits.iter().enumerate().map(|(index, limit)| Limit::new(index, limit));
        Ok(EventRateLimit { limits: limits.collect::<anyhow::Result<_>>()? })
    }
}

impl Limit {
    fn new(index: usize, limit: &Value) -> anyhow::Result<Limit> {
        let kind = match text(&limit["type"]) {
            "Server" => LimitKind::Server,
            "Namespace" => LimitKind::Namespace,
            "User" => LimitKind::User,
            "SourceAndObject" => LimitKind::SourceAndObject,
            other => anyhow::bail!(
                "limits[{index}].type: Unsupported value: {other:?}: supported values: \"Namespace\", \"Server\", \"SourceAndObject\", \"User\""
            ),
        };
        let positive = |field: &str| {
            let value = int(&limit[field]);
            anyhow::ensure!(value > 0, "limits[{index}].{field}: Invalid value: {value}: must be positive");
            Ok(value as f64)
        };
        let (burst, per_second) = (positive("burst")?, positive("qps")?);
        let size = int(&limit["cacheSize"]);
        anyhow::ensure!(size >= 0, "limits[{index}].cacheSize: Invalid value: {size}: must not be negative");
        let size = if size == 0 { DEFAULT_CACHE_SIZE } else { size as usize };
        Ok(Limit { kind, per_second, burst, size, buckets: Mutex::default() })
    }

    fn key(&self, attributes: &Attributes<'_>, event: &Value) -> String {
        match self.kind {
            LimitKind::Server => String::new(),
            LimitKind::Namespace => attributes.namespace.to_owned(),
            LimitKind::User => attributes.user().name.clone(),
            LimitKind::SourceAndObject => {
                let (source, object) = (&event["source"], &event["involvedObject"]);
                let of_object = ["kind", "namespace", "name", "uid", "apiVersion"].map(|field| text(&object[field]));
                [text(&source["component"]), text(&source["host"])].into_iter().chain(of_object).collect()
            }
        }
    }

    fn accept(&self, key: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= self.size && !buckets.contains_key(key) {
            // The one that was used longest ago is most likely full again.
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.filled).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                buckets.remove(&oldest);
            }
        }
        let bucket = buckets.entry(key.to_owned()).or_insert(Bucket { tokens: self.burst, filled: now });
        let since = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.per_second).min(self.burst);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[async_trait]
impl Plugin for EventRateLimit {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        matches!(attributes.operation, Operation::Create | Operation::Update)
            && !attributes.dry_run
            && attributes.kind.kind == "Event"
            && attributes.kind.group.is_empty()
    }

    async fn validate(&self, attributes: &Attributes<'_>, event: &Value) -> Result<()> {
        let now = Instant::now();
        let mut reached = Vec::new();
        for limit in &self.limits {
            let key = limit.key(attributes, event);
            if !limit.accept(&key, now) {
                reached.push(format!("limit reached on type {:?} for key {key}", limit.kind));
            }
        }
        match reached.len() {
            0 => Ok(()),
            1 => Err(Status::too_many_requests(reached.remove(0), 0)),
            _ => Err(Status::too_many_requests(format!("[{}]", reached.join(", ")), 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limit = Limit::new(0, &json!({"type": "Namespace", "qps": 2, "burst": 3, "cacheSize": 1})).unwrap();
        let start = Instant::now();
        assert!((0..3).all(|_| limit.accept("a", start)));
        assert!(!limit.accept("a", start));
        assert!(limit.accept("a", start + Duration::from_millis(500)));
        assert!(!limit.accept("a", start + Duration::from_millis(500)));
        // There is room for one key.
        assert!(limit.accept("b", start) && limit.accept("a", start));
        assert!(EventRateLimit::new(&json!({})).is_err());
    }
}
