//! The store in memory, for tests and throw-away clusters: every guarantee but durability.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::expiry::Expiry;
use crate::history::{History, Write, check_key, decide};
use crate::hub::Hub;
use crate::{Expect, KeyValue, Outcome, Page, Read, Result, Revision, Store, Watch, ttl_seconds};

/// A [`Store`] that forgets everything when dropped. Its time is tokio's, so tests can pause and advance it.
pub struct MemoryStore {
    hub: Arc<Hub>,
    expiry: Arc<Expiry>,
    this: Weak<MemoryStore>,
}

impl MemoryStore {
    /// An empty store at revision 1.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| MemoryStore {
            hub: Hub::new(History::new()),
            expiry: Arc::default(),
            this: this.clone(),
        })
    }

    fn write(&self, key: &str, write: Write) -> Outcome {
        match self.hub.write(|history| decide(key, write, history.latest(key), history.revision())) {
            Ok(revision) => Outcome::Done(revision),
            Err(conflict) => conflict,
        }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.expiry.stop();
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>> {
        self.hub.read().get(key, at)
    }

    async fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>> {
        self.hub.read().list(range, limit, at)
    }

    async fn count(&self, range: Range<&str>) -> Result<Read<i64>> {
        Ok(self.hub.read().count(range))
    }

    async fn put(&self, key: &str, value: Bytes, expect: Expect, ttl: Option<Duration>) -> Result<Outcome> {
        check_key(key)?;
        let outcome = self.write(key, Write::Put { value, expect });
        if let (Outcome::Done(revision), Some(ttl)) = (&outcome, ttl) {
            let deadline = Instant::now() + Duration::from_secs(ttl_seconds(ttl));
            self.expiry.start(&self.this);
            self.expiry.add(deadline, key.into(), *revision);
        }
        Ok(outcome)
    }

    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome> {
        Ok(self.write(key, Write::Delete { mod_revision }))
    }

    async fn watch(&self, range: Range<&str>, from: Revision) -> Result<Watch> {
        self.hub.watch(range, from)
    }

    async fn current_revision(&self) -> Result<Revision> {
        Ok(self.hub.read().revision())
    }

    async fn request_progress(&self) -> Result<()> {
        self.hub.request_progress();
        Ok(())
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.hub.compact(revision).map(drop)
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::WatchEvent;

    #[tokio::test(start_paused = true)]
    async fn contract() {
        crate::contract::run(|| async { MemoryStore::new() as Arc<dyn Store> }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_written_again_key_outlives_its_first_ttl() {
        let store = MemoryStore::new();
        let ttl = Some(Duration::from_secs(10));
        let Ok(Outcome::Done(first)) = store.put("/a", "1".into(), Expect::Absent, ttl).await else { panic!() };
        store.put("/a", "2".into(), Expect::ModRevision(first), None).await.unwrap();
        let Ok(Outcome::Done(b)) = store.put("/b", "1".into(), Expect::Absent, ttl).await else { panic!() };
        let mut watch = store.watch("/".."0", b + 1).await.unwrap();
        let event = watch.next().await.unwrap().unwrap();
        assert!(matches!(event, WatchEvent::Delete { ref key, .. } if key == "/b"), "{event:?}");
        assert!(store.get("/a", None).await.unwrap().value.is_some());
    }
}
