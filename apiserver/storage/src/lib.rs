//! The store: bytes, revisions, compare-and-swap, watch, leases and compaction. It knows no kind.
//!
//! [`Store`] is the one door to persisted state. Its contract is stated on the trait and proven by
//! one suite that every implementation passes.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

/// A point in the store's history. Every successful write has its own, greater than all before.
pub type Revision = i64;

/// One key at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// For example `/registry/pods/default/web-0`.
    pub key: String,
    pub value: Bytes,
    /// The revision that last created the key.
    pub create_revision: Revision,
    /// The revision that last wrote the key.
    pub mod_revision: Revision,
}

/// The answer to a read, and the revision of the store it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    pub value: T,
    pub revision: Revision,
}

/// One page of a range read, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub items: Vec<KeyValue>,
    /// Whether keys remain in the range after the last item.
    pub more: bool,
    /// How many keys the whole range holds, this page included.
    pub count: i64,
}

/// What a conditional write found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The write happened at this revision.
    Done(Revision),
    /// The condition did not hold and nothing was written; the key's state as it was found.
    Conflict(Read<Option<KeyValue>>),
}

/// The condition of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key was last written at this revision.
    ModRevision(Revision),
}

/// One thing a watch delivers, in revision order; events of one revision follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// The key was written. `previous` is its state before, absent when this write created it.
    Put { current: KeyValue, previous: Option<KeyValue> },
    /// The key was deleted at `revision`. `previous` is its last state.
    Delete { key: String, revision: Revision, previous: Option<KeyValue> },
    /// Every event up to and including this revision has been delivered.
    Progress(Revision),
}

/// What can go wrong, split by whether the operation may have happened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The revision asked for is older than the history kept. `oldest` is the first one available, where known.
    #[error("required revision has been compacted (oldest available: {oldest:?})")]
    Compacted { oldest: Option<Revision> },
    /// The revision asked for does not exist yet.
    #[error("required revision {asked} is a future revision, current is {current:?}")]
    Future { asked: Revision, current: Option<Revision> },
    /// The operation did not happen and may be tried again.
    #[error("storage unavailable: {0}")]
    Unavailable(String),
    /// The operation may or may not have happened.
    #[error("storage outcome unknown: {0}")]
    Indeterminate(String),
    /// The store is damaged, or full, or was asked something it can never do. Trying again does not help.
    #[error("storage failed: {0}")]
    Fatal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A watch's events. An `Err` is the last item.
pub type Watch = BoxStream<'static, Result<WatchEvent>>;

/// A revisioned key-value store.
///
/// # Guarantees
/// * Linearizable: an operation sees every write that was acknowledged before it began.
/// * A write is durable before it is acknowledged (as durable as the backend: memory forgets on drop).
/// * A watch from revision R delivers every event with revision >= R in its range exactly once and in order,
///   or ends with [`Error::Compacted`]; it survives reconnects to the backend.
///
/// # Non-guarantees
/// * No ordering between two concurrent writers beyond what the revisions say.
/// * `Progress` is delivered when asked for and otherwise now and then, or not at all.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads one key, now or at an older revision.
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>>;

    /// Reads a range of keys (`start` inclusive, `end` exclusive), at most `limit` of them (0: all), now or at an older revision.
    async fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>>;

    /// How many keys the range holds now.
    async fn count(&self, range: Range<&str>) -> Result<Read<i64>>;

    /// Writes the key if the expectation holds. `ttl`, if given, deletes the key that long after (rounded up to seconds).
    async fn put(&self, key: &str, value: Bytes, expect: Expect, ttl: Option<Duration>) -> Result<Outcome>;

    /// Deletes the key if it was last written at `mod_revision`.
    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome>;

    /// Delivers every event of the range from revision `from` (inclusive) on.
    async fn watch(&self, range: Range<&str>, from: Revision) -> Result<Watch>;

    /// The store's current revision, by a linearizable read.
    async fn current_revision(&self) -> Result<Revision>;

    /// Asks that every open watch deliver a [`WatchEvent::Progress`] with at least the current revision, soon.
    async fn request_progress(&self) -> Result<()>;

    /// Forgets history before `revision`; reads and watches of it then fail with [`Error::Compacted`].
    async fn compact(&self, revision: Revision) -> Result<()>;

    /// Whether the backend answers, for health checks.
    async fn ping(&self) -> Result<()>;
}

/// The end of the range of all keys that begin with `prefix`.
pub fn prefix_end(prefix: &str) -> String {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < 0x7f {
            end.push(last + 1);
            break;
        }
    }
    String::from_utf8(end).unwrap_or_default()
}
