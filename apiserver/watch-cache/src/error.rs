//! What can go wrong when reading from a cache.

use std::sync::Arc;

use apiserver_storage::Revision;

/// The revision asked for is older than the history kept. The server answers 410 Expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version (oldest: {oldest})")]
pub struct Expired {
    /// The oldest revision a watch may start from, or a snapshot be taken at.
    pub oldest: Revision,
}

/// Why a read failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The cache did not reach the revision in time. The server answers 504 with cause ResourceVersionTooLarge.
    #[error("Too large resource version: {asked}, current: {current}")]
    Timeout { asked: Revision, current: Revision },
    /// The revision asked for does not exist yet; `wait_until` it first.
    #[error("Too large resource version: {asked}, current: {current}")]
    TooLarge { asked: Revision, current: Revision },
    /// The cache was stopped: its resource is gone, or the server is going down.
    #[error("the cache was stopped")]
    Closed,
    /// The store failed.
    #[error(transparent)]
    Store(Arc<apiserver_storage::Error>),
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The watcher was too slow, and what it had not read yet is no longer kept.
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The cache was stopped.
    #[error("the cache was stopped")]
    Closed,
}
