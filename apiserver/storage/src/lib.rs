//! The store: bytes, revisions, compare-and-swap, watch, leases and compaction. It knows no kind.
//!
//! [`Store`] is the one door to persisted state. Its contract is stated on the trait and proven by
//! one suite that every implementation passes.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod embedded;
pub mod etcd;
mod expiry;
mod history;
mod hub;
pub mod memory;
#[cfg(test)]
mod model_tests;
pub mod unreliable;

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

/// The answer to a read, and the revision of the store it was read at: the one asked for, or the current one.
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
///   or ends with [`Error::Compacted`]; it survives reconnects to the backend. It ends with [`Error::Future`] if the
///   backend lost (by a restored backup) a revision that was delivered.
///
/// * A write changes one key and takes one revision. Several keys whose ttl is over may go at one revision.
///
/// # Edge cases, the same for every implementation
/// * Reading at `Some(0)` or below reads now; watching from 0 or below starts after the current revision.
/// * A range whose end is not after its start is empty: it lists nothing and counts zero; watching it is [`Error::Fatal`].
/// * The empty key cannot be written ([`Error::Fatal`]). Keys hold no NUL byte.
/// * `Expect::ModRevision(0)` means `Expect::Absent`; a delete of an absent key is a conflict.
/// * After `compact(r)`, reads at and watches from `r` still work, and those below fail. Compacting at or below an earlier
///   compaction is [`Error::Compacted`], above the current revision [`Error::Future`].
/// * Watching from a revision that does not exist yet waits for it.
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

    /// The revision before which history is known to be forgotten, as far as this store compacts by itself; else 0.
    fn compacted(&self) -> Revision {
        0
    }

    /// Forgets history before `revision`; reads and watches of it then fail with [`Error::Compacted`].
    async fn compact(&self, revision: Revision) -> Result<()>;

    /// Whether the backend answers, for health checks.
    async fn ping(&self) -> Result<()>;

    /// How many bytes the backend's file takes; none where nobody knows.
    async fn size(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// The end of the range of all keys that begin with `prefix`.
pub fn prefix_end(prefix: &str) -> String {
    let mut head = prefix;
    while let Some(last) = head.chars().next_back() {
        head = &head[..head.len() - last.len_utf8()];
        // A range of characters steps over the surrogate gap, and UTF-8 sorts as code points do.
        if let Some(next) = (last..=char::MAX).nth(1) {
            return format!("{head}{next}");
        }
    }
    char::MAX.to_string()
}

/// Whether the range holds no key at all.
fn is_empty_range(range: &Range<&str>) -> bool {
    // No key is empty, and none below the first character exists.
    range.start >= range.end || range.end == "\0"
}

/// A time to live in whole seconds, at least one.
fn ttl_seconds(ttl: Duration) -> u64 {
    let whole = ttl.as_secs();
    if ttl.subsec_nanos() > 0 { whole + 1 } else { whole.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_next_sibling() {
        assert_eq!(prefix_end("/registry/pods/"), "/registry/pods0");
        assert_eq!(prefix_end("/a\u{7f}"), "/a\u{80}");
        assert_eq!(prefix_end("/é"), "/ê");
        assert_eq!(prefix_end("\u{d7ff}"), "\u{e000}");
        assert_eq!(prefix_end("a\u{10ffff}"), "b");
        assert_eq!(prefix_end(""), "\u{10ffff}");
    }

    #[test]
    fn ttl_rounds_up_to_whole_seconds() {
        assert_eq!(ttl_seconds(Duration::ZERO), 1);
        assert_eq!(ttl_seconds(Duration::from_millis(1)), 1);
        assert_eq!(ttl_seconds(Duration::from_secs(2)), 2);
        assert_eq!(ttl_seconds(Duration::from_millis(2001)), 3);
    }
}
