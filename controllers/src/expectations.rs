//! What a controller has done and its informer has not shown yet, so that it is not done twice.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::key::Key;

/// After so long without the expected events the informer is believed again.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Expectations per owner.
#[derive(Default)]
pub struct Expectations {
    owners: Mutex<HashMap<Key, Expected>>,
}

struct Expected {
    creations: usize,
    /// UIDs of objects that are being deleted.
    deletions: HashSet<String>,
    since: Instant,
}

impl Expectations {
    /// Whether the owner's objects in the store are the current ones, as far as this process's own writes go.
    pub fn satisfied(&self, owner: &Key) -> bool {
        self.owners.lock().get(owner).is_none_or(|expected| {
            expected.creations == 0 && expected.deletions.is_empty() || expected.since.elapsed() > TIMEOUT
        })
    }

    /// Sets what is expected; called before the writes, so that no event can come first.
    pub fn expect(&self, owner: &Key, creations: usize, deletions: impl IntoIterator<Item = String>) {
        let expected = Expected { creations, deletions: deletions.into_iter().collect(), since: Instant::now() };
        self.owners.lock().insert(owner.clone(), expected);
    }

    /// A creation was seen, or failed.
    pub fn created(&self, owner: &Key) {
        if let Some(expected) = self.owners.lock().get_mut(owner) {
            expected.creations = expected.creations.saturating_sub(1);
        }
    }

    /// A deletion was seen (also its start), or failed.
    pub fn deleted(&self, owner: &Key, uid: &str) {
        if let Some(expected) = self.owners.lock().get_mut(owner) {
            expected.deletions.remove(uid);
        }
    }

    /// The owner is gone.
    pub fn forget(&self, owner: &Key) {
        self.owners.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn satisfied_by_events_or_time() {
        let expectations = Expectations::default();
        let owner = Key::new("ns", "rs");
        assert!(expectations.satisfied(&owner));
        expectations.expect(&owner, 2, []);
        expectations.created(&owner);
        assert!(!expectations.satisfied(&owner));
        expectations.created(&owner);
        assert!(expectations.satisfied(&owner));
        expectations.expect(&owner, 0, ["u1".to_string()]);
        expectations.deleted(&owner, "other");
        assert!(!expectations.satisfied(&owner));
        expectations.deleted(&owner, "u1");
        assert!(expectations.satisfied(&owner));
        expectations.expect(&owner, 1, []);
        tokio::time::advance(TIMEOUT + Duration::from_secs(1)).await;
        assert!(expectations.satisfied(&owner));
    }
}
