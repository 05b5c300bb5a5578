//! The contract of [`Store`], as one suite that every implementation must pass.
//!
//! [`run`] takes a way to make a store and runs every case of [`CASES`]. The cases share nothing but the store, use
//! their own keys, and bear with writes and compactions that others do between two cases.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;

use crate::{Expect, KeyValue, Outcome, Revision, Store, Watch, WatchEvent, prefix_end};

mod lifetimes;
mod reads;
mod watches;
mod writes;

/// One guarantee, as a test that panics when it is broken.
pub struct Case {
    pub name: &'static str,
    pub run: fn(Fixture) -> BoxFuture<'static, ()>,
}

/// Every case, by name.
pub const CASES: &[Case] = &[
    Case { name: "big_values", run: |f| Box::pin(watches::big_values(f)) },
    Case { name: "compaction", run: |f| Box::pin(lifetimes::compaction(f)) },
    Case { name: "compaction_keeps_previous", run: |f| Box::pin(lifetimes::compaction_keeps_previous(f)) },
    Case { name: "concurrent_compare_and_swap", run: |f| Box::pin(writes::concurrent_compare_and_swap(f)) },
    Case { name: "concurrent_creation", run: |f| Box::pin(writes::concurrent_creation(f)) },
    Case { name: "conditions", run: |f| Box::pin(writes::conditions(f)) },
    Case { name: "empty_key", run: |f| Box::pin(writes::empty_key(f)) },
    Case { name: "future_revisions", run: |f| Box::pin(reads::future_revisions(f)) },
    Case { name: "linearizable_reads", run: |f| Box::pin(writes::linearizable_reads(f)) },
    Case { name: "many_watchers", run: |f| Box::pin(watches::many_watchers(f)) },
    Case { name: "old_revisions", run: |f| Box::pin(reads::old_revisions(f)) },
    Case { name: "pagination_at_an_old_revision", run: |f| Box::pin(reads::pagination_at_an_old_revision(f)) },
    Case { name: "ping", run: |f| Box::pin(reads::ping(f)) },
    Case { name: "progress", run: |f| Box::pin(watches::progress(f)) },
    Case { name: "progress_never_overtakes", run: |f| Box::pin(watches::progress_never_overtakes(f)) },
    Case { name: "ranges", run: |f| Box::pin(reads::ranges(f)) },
    Case { name: "recreation", run: |f| Box::pin(writes::recreation(f)) },
    Case { name: "time_to_live", run: |f| Box::pin(lifetimes::time_to_live(f)) },
    Case { name: "time_to_live_replaced", run: |f| Box::pin(lifetimes::time_to_live_replaced(f)) },
    Case { name: "watch_events", run: |f| Box::pin(watches::events(f)) },
    Case { name: "watch_from_now", run: |f| Box::pin(watches::from_now(f)) },
    Case { name: "watch_of_a_future_revision", run: |f| Box::pin(watches::of_a_future_revision(f)) },
    Case { name: "watch_of_an_empty_range", run: |f| Box::pin(watches::of_an_empty_range(f)) },
    Case { name: "watch_resumes_anywhere", run: |f| Box::pin(watches::resumes_anywhere(f)) },
    Case { name: "write_and_read", run: |f| Box::pin(writes::write_and_read(f)) },
];

/// Runs every case, each on the store that `make` gives: a new one, or one that earlier cases used.
pub async fn run<F, Fut>(make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Store>>,
{
    for case in CASES {
        println!("contract: {}", case.name);
        (case.run)(Fixture::new(make().await)).await;
    }
}

/// How long a case waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a case waits to see that something does not happen.
const QUIET: Duration = Duration::from_millis(200);

/// A store and a corner of its keys that no other case uses.
#[derive(Clone)]
pub struct Fixture {
    pub store: Arc<dyn Store>,
    prefix: String,
    end: String,
}

impl Fixture {
    pub fn new(store: Arc<dyn Store>) -> Self {
        static CORNERS: AtomicU64 = AtomicU64::new(0);
        let corner = CORNERS.fetch_add(1, Ordering::Relaxed);
        // A store may outlive the process that tested it before.
        let prefix = format!("/registry/contract-{}-{corner}/", std::process::id());
        Fixture { store, end: prefix_end(&prefix), prefix }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn range(&self) -> Range<&str> {
        &self.prefix..&self.end
    }

    async fn put(&self, name: &str, value: impl Into<Bytes>, expect: Expect) -> Revision {
        done(self.store.put(&self.key(name), value.into(), expect, None).await)
    }

    async fn create(&self, name: &str, value: &'static str) -> Revision {
        self.put(name, value, Expect::Absent).await
    }

    async fn delete(&self, name: &str, mod_revision: Revision) -> Revision {
        done(self.store.delete(&self.key(name), mod_revision).await)
    }

    async fn get(&self, name: &str, at: Option<Revision>) -> Option<KeyValue> {
        self.store.get(&self.key(name), at).await.expect("get").value
    }

    async fn watch(&self, from: Revision) -> Watch {
        self.store.watch(self.range(), from).await.expect("watch")
    }

    fn key_value(&self, name: &str, value: &str, create_revision: Revision, mod_revision: Revision) -> KeyValue {
        KeyValue { key: self.key(name), value: Bytes::copy_from_slice(value.as_bytes()), create_revision, mod_revision }
    }
}

fn done(outcome: crate::Result<Outcome>) -> Revision {
    match outcome {
        Ok(Outcome::Done(revision)) => revision,
        other => panic!("expected a write, got {other:?}"),
    }
}

fn conflict(outcome: crate::Result<Outcome>) -> Option<KeyValue> {
    match outcome {
        Ok(Outcome::Conflict(read)) => {
            let seen = read.value.as_ref().map_or(0, |kv| kv.mod_revision);
            assert!(read.revision >= seen, "a conflict is read at revision {} but shows {seen}", read.revision);
            read.value
        }
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// The next item of a watch, progress included.
async fn next(watch: &mut Watch) -> crate::Result<WatchEvent> {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("a watch event in time").expect("the watch goes on")
}

/// The next event of a watch that is not progress.
async fn next_change(watch: &mut Watch) -> WatchEvent {
    loop {
        match next(watch).await.expect("an event") {
            WatchEvent::Progress(_) => (),
            event => return event,
        }
    }
}

/// Checks that a watch has no change to deliver for a while.
async fn assert_quiet(watch: &mut Watch) {
    let quiet = tokio::time::sleep(QUIET);
    tokio::pin!(quiet);
    loop {
        tokio::select! {
            () = &mut quiet => return,
            item = watch.next() => match item {
                Some(Ok(WatchEvent::Progress(_))) => (),
                other => panic!("expected no event, got {other:?}"),
            },
        }
    }
}

fn revision_of(event: &WatchEvent) -> Revision {
    match event {
        WatchEvent::Put { current, .. } => current.mod_revision,
        WatchEvent::Delete { revision, .. } | WatchEvent::Progress(revision) => *revision,
    }
}
