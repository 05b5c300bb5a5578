//! The DEKs that a plugin has decrypted, each asked for once.
//!
//! Source: apiserver `pkg/storage/value/encrypt/envelope/kmsv2/cache.go`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::dek::Dek;
use super::envelope::DekId;
use crate::metrics::KeyUse;

/// How long a DEK is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How many are kept at most. There are about as many as servers were started since values were last written anew.
const MOST: usize = 10_000;
/// How long it takes until a DEK is asked for again that could not be decrypted.
const AGAIN: Duration = Duration::from_secs(3);

/// A decrypted DEK, and where its use is counted.
pub struct Known {
    pub dek: Dek,
    pub reads: KeyUse,
}

pub type Outcome = Result<Arc<Known>, String>;

#[derive(Default)]
pub struct Deks(Mutex<HashMap<DekId, Slot>>);

enum Slot {
    Known {
        known: Arc<Known>,
        used: Instant,
    },
    Failed {
        why: String,
        at: Instant,
    },
    /// Whoever wants it waits for the same answer.
    Asking {
        answer: Shared<BoxFuture<'static, Outcome>>,
        since: Instant,
    },
}

impl Deks {
    /// A DEK that was asked for; otherwise why it is not there, if that is known.
    pub fn get(&self, id: &DekId) -> Result<Arc<Known>, Option<String>> {
        match self.0.lock().get_mut(id) {
            Some(Slot::Known { known, used }) => {
                *used = Instant::now();
                Ok(Arc::clone(known))
            }
            Some(Slot::Failed { why, .. }) => Err(Some(why.clone())),
            Some(Slot::Asking { .. }) | None => Err(None),
        }
    }

    /// Waits until a DEK is there, or was asked for in vain not long ago.
    pub async fn fetch(&self, id: DekId, ask: impl FnOnce() -> BoxFuture<'static, Outcome>) {
        let now = Instant::now();
        let answer = match self.0.lock().entry(id) {
            std::collections::hash_map::Entry::Occupied(mut slot) => match slot.get() {
                Slot::Known { .. } => return,
                Slot::Failed { at, .. } if now.duration_since(*at) < AGAIN => return,
                Slot::Asking { answer, .. } => answer.clone(),
                Slot::Failed { .. } => {
                    let answer = ask().shared();
                    slot.insert(Slot::Asking { answer: answer.clone(), since: now });
                    answer
                }
            },
            std::collections::hash_map::Entry::Vacant(slot) => {
                let answer = ask().shared();
                slot.insert(Slot::Asking { answer: answer.clone(), since: now });
                answer
            }
        };
        self.put(id, answer.await);
    }

    /// Keeps an outcome, and drops what nobody uses any more.
    pub fn put(&self, id: DekId, outcome: Outcome) {
        let now = Instant::now();
        let mut slots = self.0.lock();
        slots.retain(|_, slot| match slot {
            Slot::Known { used, .. } => now.duration_since(*used) < KEPT,
            Slot::Failed { at, .. } | Slot::Asking { since: at, .. } => now.duration_since(*at) < KEPT,
        });
        if slots.len() >= MOST && !slots.contains_key(&id) {
            let oldest = slots.iter().min_by_key(|(_, slot)| match slot {
                Slot::Known { used: at, .. } | Slot::Failed { at, .. } | Slot::Asking { since: at, .. } => *at,
            });
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                slots.remove(&oldest);
            }
        }
        let slot = match outcome {
            Ok(known) => Slot::Known { known, used: now },
            Err(why) => Slot::Failed { why, at: now },
        };
        slots.insert(id, slot);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().values().filter(|slot| matches!(slot, Slot::Known { .. })).count()
    }
}
