//! A store that fails now and then, for tests of everything that stands on one.
//!
//! Failures follow a seeded plan, so a run repeats exactly as long as its operations come in the same order.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;

use crate::{Error, Expect, KeyValue, Outcome, Page, Read, Result, Revision, Store, Watch};

/// How often what goes wrong, in operations of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Any operation fails with [`Error::Unavailable`] and did not happen.
    pub unavailable: u32,
    /// A write fails with [`Error::Indeterminate`] and did not happen.
    pub lost_request: u32,
    /// A write fails with [`Error::Indeterminate`] though it happened.
    pub lost_answer: u32,
    /// A watch ends with [`Error::Compacted`] in place of an event.
    pub compacted_watch: u32,
}

/// A [`Store`] in front of another one that injects [`Faults`].
pub struct Unreliable<S: ?Sized> {
    inner: Arc<S>,
    faults: Faults,
    plan: Arc<Plan>,
}

impl<S: Store + ?Sized> Unreliable<S> {
    /// Fails as `faults` says, in the order that `seed` fixes.
    pub fn new(inner: Arc<S>, seed: u64, faults: Faults) -> Arc<Self> {
        let plan = Arc::new(Plan { state: Mutex::new(seed), calm: AtomicBool::new(false) });
        Arc::new(Unreliable { inner, faults, plan })
    }

    /// Stops (or resumes) failing, open watches included.
    pub fn set_calm(&self, calm: bool) {
        self.plan.calm.store(calm, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        if self.plan.strikes(self.faults.unavailable) {
            return Err(Error::Unavailable("injected".into()));
        }
        Ok(())
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        let lost = || Err(Error::Indeterminate("injected".into()));
        if self.plan.strikes(self.faults.lost_request) {
            return lost();
        }
        let answer = write.await;
        if self.plan.strikes(self.faults.lost_answer) { lost() } else { answer }
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Unreliable<S> {
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>> {
        self.check()?;
        self.inner.get(key, at).await
    }

    async fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>> {
        self.check()?;
        self.inner.list(range, limit, at).await
    }

    async fn count(&self, range: Range<&str>) -> Result<Read<i64>> {
        self.check()?;
        self.inner.count(range).await
    }

    async fn put(&self, key: &str, value: Bytes, expect: Expect, ttl: Option<Duration>) -> Result<Outcome> {
        self.write(self.inner.put(key, value, expect, ttl)).await
    }

    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome> {
        self.write(self.inner.delete(key, mod_revision)).await
    }

    async fn watch(&self, range: Range<&str>, from: Revision) -> Result<Watch> {
        self.check()?;
        let watch = self.inner.watch(range, from).await?;
        let (plan, rate) = (self.plan.clone(), self.faults.compacted_watch);
        let ended = futures::stream::unfold(Some(watch), move |watch| {
            let plan = plan.clone();
            async move {
                let mut watch = watch?;
                let item = watch.next().await?;
                if item.is_ok() && plan.strikes(rate) {
                    return Some((Err(Error::Compacted { oldest: None }), None));
                }
                Some((item, Some(watch)))
            }
        });
        Ok(ended.boxed())
    }

    async fn current_revision(&self) -> Result<Revision> {
        self.check()?;
        self.inner.current_revision().await
    }

    async fn request_progress(&self) -> Result<()> {
        self.check()?;
        self.inner.request_progress().await
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.write(self.inner.compact(revision)).await
    }

    async fn ping(&self) -> Result<()> {
        self.check()?;
        self.inner.ping().await
    }
}

struct Plan {
    state: Mutex<u64>,
    calm: AtomicBool,
}

impl Plan {
    /// Whether the next fault of this rate happens. The SplitMix64 generator.
    fn strikes(&self, rate: u32) -> bool {
        if rate == 0 || self.calm.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 1000 < u64::from(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn without_faults_it_is_the_store() {
        crate::contract::run(|| async {
            let store: Arc<dyn Store> = MemoryStore::new();
            Unreliable::new(store, 1, Faults::default()) as Arc<dyn Store>
        })
        .await;
    }

    #[tokio::test]
    async fn every_fault_strikes_and_repeats() {
        let run = |seed| async move {
            let memory = MemoryStore::new();
            let faults = Faults { unavailable: 100, lost_request: 100, lost_answer: 100, compacted_watch: 100 };
            let store = Unreliable::new(memory.clone(), seed, faults);
            let mut story = Vec::new();
            for i in 0..200 {
                let key = format!("/{i}");
                let put = store.put(&key, "x".into(), Expect::Absent, None).await;
                let happened = memory.get(&key, None).await.unwrap().value.is_some();
                story.push(match put {
                    Ok(Outcome::Done(_)) if happened => 'd',
                    Err(Error::Unavailable(_)) if !happened => 'u',
                    Err(Error::Indeterminate(_)) => {
                        if happened {
                            'a'
                        } else {
                            'r'
                        }
                    }
                    other => panic!("{other:?} but happened: {happened}"),
                });
            }
            store.set_calm(true);
            let mut watch = store.watch("/".."0", 2).await.unwrap();
            watch.next().await.unwrap().unwrap();
            store.set_calm(false);
            let mut delivered = 0;
            let end = loop {
                match watch.next().await.unwrap() {
                    Ok(_) => delivered += 1,
                    Err(error) => break error,
                }
            };
            assert!(matches!(end, Error::Compacted { .. }));
            assert!(watch.next().await.is_none());
            (story.into_iter().collect::<String>(), delivered)
        };
        let (first, again, other) = (run(1).await, run(1).await, run(2).await);
        assert!(['d', 'u', 'a', 'r'].iter().all(|kind| first.0.contains(*kind)), "{}", first.0);
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
