//! What service account tokens were shown: those that outlived what they say, and those of old.
//!
//! Source: `pkg/serviceaccount/metrics.go`.

use prometheus::{IntCounter, Registry};

use super::{Result, register};

pub struct Tokens {
    /// That name no audience.
    pub legacy: IntCounter,
    /// That are past the time they were asked for, in the extra time that they were given.
    pub stale: IntCounter,
    /// That are not.
    pub valid: IntCounter,
    /// Of secrets that someone made.
    pub manual: IntCounter,
    /// Of secrets that were made for their account.
    pub generated: IntCounter,
    /// Of secrets marked as no longer good.
    pub invalid: IntCounter,
}

impl Tokens {
    pub fn new(registry: &Registry) -> Result<Tokens> {
        let counter = |name: &str, help: &str| register(registry, IntCounter::new(name, help)?);
        Ok(Tokens {
            legacy: counter("serviceaccount_legacy_tokens_total", "Uses of service account tokens without audiences.")?,
            stale: counter("serviceaccount_stale_tokens_total", "Uses of service account tokens in their extra time.")?,
            valid: counter(
                "serviceaccount_valid_tokens_total",
                "Uses of service account tokens before their extra time.",
            )?,
            manual: counter(
                "serviceaccount_legacy_manual_token_uses_total",
                "Uses of tokens of secrets that someone made.",
            )?,
            generated: counter(
                "serviceaccount_legacy_auto_token_uses_total",
                "Uses of tokens of secrets that were made for their account.",
            )?,
            invalid: counter(
                "serviceaccount_invalid_legacy_auto_token_uses_total",
                "Uses of tokens of secrets that are marked invalid.",
            )?,
        })
    }
}
