//! Deletes keys when their time to live is over, for stores that have no leases of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Revision, Store};

/// How long to wait before a deletion that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The keys that will expire, soonest first. A key that was written again since is left alone.
#[derive(Default)]
pub(crate) struct Expiry {
    due: Mutex<BTreeMap<(Instant, Revision), Arc<str>>>,
    changed: Notify,
    running: AtomicBool,
}

impl Expiry {
    /// Starts the task that deletes from `store` what is due, if none runs yet. It ends with the store.
    pub fn start<S: Store>(self: &Arc<Self>, store: &Weak<S>) {
        if !self.running.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.clone().run(store.clone()));
        }
    }

    /// Has `key` deleted at `deadline` unless it is written after `mod_revision`.
    pub fn add(&self, deadline: Instant, key: Arc<str>, mod_revision: Revision) {
        self.due.lock().insert((deadline, mod_revision), key);
        self.changed.notify_one();
    }

    /// Wakes the task so that it notices that the store is gone.
    pub fn stop(&self) {
        self.changed.notify_one();
    }

    async fn run<S: Store>(self: Arc<Self>, store: Weak<S>) {
        while store.strong_count() > 0 {
            let next = self.due.lock().first_key_value().map(|((deadline, _), _)| *deadline);
            match next {
                None => self.changed.notified().await,
                Some(deadline) if deadline > Instant::now() => {
                    tokio::select! {
                        () = tokio::time::sleep_until(deadline) => (),
                        () = self.changed.notified() => (),
                    }
                }
                Some(_) => {
                    let Some(((_, revision), key)) = self.due.lock().pop_first() else { continue };
                    let Some(store) = store.upgrade() else { return };
                    if let Err(error) = store.delete(&key, revision).await {
                        tracing::warn!(%key, %error, "cannot delete expired key, will try again");
                        self.due.lock().insert((Instant::now() + RETRY, revision), key);
                    }
                }
            }
        }
    }
}
