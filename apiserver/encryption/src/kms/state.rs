//! What a provider writes with, and until when.
//!
//! Source: apiserver `pkg/storage/value/encrypt/envelope/kmsv2/envelope.go` (`State`).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::dek::Dek;
use super::deks::Known;
use super::envelope::{DekId, EncryptedObject};
use crate::metrics::{KeyUse, hashed};

/// How long after the last good answer of its plugin a provider writes.
pub const WRITES: Duration = Duration::from_secs(3 * 60);

/// The DEK that a provider writes with, encrypted by the plugin's present key.
#[derive(Clone)]
pub struct State {
    pub known: Arc<Known>,
    /// What each value says of its key; without data.
    pub object: EncryptedObject,
    pub id: DekId,
    pub writes: KeyUse,
    /// Reads go on for ever, writes until then.
    pub expires: Instant,
}

impl State {
    pub fn dek(&self) -> &Dek {
        &self.known.dek
    }

    /// # Errors
    /// The plugin has been silent, or wrong, for too long to write with this.
    pub fn check_writes(&self) -> Result<(), String> {
        if Instant::now() <= self.expires {
            return Ok(());
        }
        Err(format!(
            "encryptedDEKSource with keyID hash {:?} expired at {} (current time is {:.0})",
            hashed(&self.object.key_id),
            self.expires_at(),
            Timestamp::now(),
        ))
    }

    /// When it expires, as people tell the time.
    pub fn expires_at(&self) -> String {
        let now = Instant::now();
        let moment = match self.expires.checked_duration_since(now) {
            Some(left) => Timestamp::now().checked_add(left),
            None => Timestamp::now().checked_sub(now.duration_since(self.expires)),
        };
        moment.map(|moment| format!("{moment:.0}")).unwrap_or_default()
    }
}
