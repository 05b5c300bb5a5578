//! The store in a directory of this machine: the history of the memory store behind a durable log.
//!
//! The log is a fjall database with one row per kept change. Every key and kept version is also in memory, so reads and
//! watches touch no disk. One thread writes: it takes all writes that wait, decides them in order, makes them durable
//! with one fsync, and only then shows them to readers and answers.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::expiry::Expiry;
use crate::history::{History, Write, check_key};
use crate::hub::Hub;
use crate::{Error, Expect, KeyValue, Outcome, Page, Read, Result, Revision, Store, Watch, ttl_seconds};

mod record;
mod writer;

use record::{Record, now_millis};
use writer::{Request, Writer};

/// The layout of rows; a store of another one is refused.
const FORMAT: &[u8] = b"1";
/// Everything is in memory already, so fjall caches little and flushes early.
const CACHE: u64 = 1 << 20;
const MEMTABLE: u64 = 8 << 20;
const JOURNALS: u64 = 64 << 20;

/// How an [`EmbeddedStore`] keeps itself.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    /// History is compacted this often, to what was current one interval before. Zero: only when asked.
    pub compaction_interval: Duration,
    /// Puts are refused when the disk has fewer bytes free, deletes below a quarter of it.
    pub reserve: u64,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        EmbeddedOptions { compaction_interval: Duration::from_secs(300), reserve: 64 << 20 }
    }
}

/// A durable [`Store`] for one process.
pub struct EmbeddedStore {
    hub: Arc<Hub>,
    expiry: Arc<Expiry>,
    /// Taken on drop, to tell the writer to end.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the store in `dir`, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Fatal`], with the directory and the reason, if another process has it open or it cannot be read.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Arc<Self>> {
        Self::open_with(dir, EmbeddedOptions::default()).await
    }

    /// As [`Self::open`].
    pub async fn open_with(dir: impl AsRef<Path>, options: EmbeddedOptions) -> Result<Arc<Self>> {
        let dir = dir.as_ref().to_owned();
        let loading = tokio::task::spawn_blocking(move || load(dir));
        let loaded = loading.await.map_err(|error| Error::Fatal(format!("cannot load the store: {error}")))??;
        let hub = Hub::new(loaded.history);
        let (requests, received) = mpsc::channel();
        let expiry = Arc::new(Expiry::default());
        for (key, (revision, expires)) in loaded.expiring {
            expiry.add(deadline(expires), key, revision);
        }
        let writer = Writer {
            hub: hub.clone(),
            expiry: expiry.clone(),
            database: loaded.database,
            changes: loaded.changes,
            meta: loaded.meta,
            dir: loaded.dir,
            options,
            broken: None,
        };
        let thread = std::thread::Builder::new().name("storage-writer".into()).spawn(move || writer.run(&received));
        let thread = thread.map_err(|error| Error::Fatal(format!("cannot start the store's writer: {error}")))?;
        let store = Arc::new(EmbeddedStore { hub, expiry, requests: Some(requests), writer: Some(thread) });
        store.expiry.start(&Arc::downgrade(&store));
        Ok(store)
    }

    async fn send<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request(reply)).is_ok());
        if !sent {
            return Err(Error::Fatal("the store's writer has ended".into()));
        }
        answer.await.unwrap_or_else(|_| Err(Error::Indeterminate("the store's writer ended".into())))
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.expiry.stop();
        drop(self.requests.take());
        // So that the directory is free when the drop is over.
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
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
        let expires = ttl.map_or(0, |ttl| now_millis().saturating_add(ttl_seconds(ttl).saturating_mul(1000)));
        let write = Write::Put { value, expect };
        self.send(|reply| Request::Write { key: key.into(), write, expires, reply }).await
    }

    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome> {
        let write = Write::Delete { mod_revision };
        self.send(|reply| Request::Write { key: key.into(), write, expires: 0, reply }).await
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
        self.send(|reply| Request::Compact { revision, reply }).await
    }

    async fn ping(&self) -> Result<()> {
        // Through the writer, so that a disk that hangs or broke shows.
        self.send(|reply| Request::Ping { reply }).await
    }
}

/// The moment that is so many milliseconds after 1970.
fn deadline(expires: u64) -> Instant {
    // An Instant cannot hold every far future; a century is far enough.
    let left = expires.saturating_sub(now_millis()).min(100 * 365 * 24 * 3600 * 1000);
    Instant::now() + Duration::from_millis(left)
}

/// What an opened directory holds.
struct Loaded {
    dir: PathBuf,
    database: Database,
    changes: Keyspace,
    meta: Keyspace,
    history: History,
    /// The keys that expire: written at which revision, and when in milliseconds since 1970.
    expiring: HashMap<Arc<str>, (Revision, u64)>,
}

fn load(dir: PathBuf) -> Result<Loaded> {
    let fail = |error: fjall::Error| match error {
        fjall::Error::Locked => {
            Error::Fatal(format!("the store in {} is already open, perhaps in another process", dir.display()))
        }
        fjall::Error::Io(error) => Error::Fatal(format!("cannot open the store in {}: {error}", dir.display())),
        error => Error::Fatal(format!("cannot open the store in {}: {error:?}", dir.display())),
    };
    let builder = Database::builder(&dir).cache_size(CACHE).max_journaling_size(JOURNALS).worker_threads(1);
    let database = builder.open().map_err(fail)?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
    let changes = database.keyspace("changes", options).map_err(fail)?;
    let meta = database.keyspace("meta", options).map_err(fail)?;
    match meta.get("format").map_err(fail)? {
        None => {
            let mut batch = database.batch().durability(Some(fjall::PersistMode::SyncAll));
            batch.insert(&meta, "format", FORMAT);
            batch.commit().map_err(fail)?;
        }
        Some(format) if *format == *FORMAT => (),
        Some(format) => {
            let format = String::from_utf8_lossy(&format).into_owned();
            return Err(Error::Fatal(format!("the store in {} has unknown format {format:?}", dir.display())));
        }
    }
    let compacted = match meta.get("compacted").map_err(fail)? {
        Some(revision) => revision.as_ref().try_into().map(Revision::from_be_bytes).map_err(|_| {
            Error::Fatal(format!("the store in {} is damaged: its compaction mark is no revision", dir.display()))
        })?,
        None => 0,
    };

    let mut expiring = HashMap::new();
    let rows = changes.iter().map(|row| {
        let (row_key, row) = row.into_inner().map_err(fail)?;
        let Some(Record { change, expires }) = Record::decode(&row_key, &row) else {
            return Err(Error::Fatal(format!("the store in {} is damaged: bad row {row_key:?}", dir.display())));
        };
        if expires != 0 {
            expiring.insert(change.key.clone(), (change.revision, expires));
        } else {
            expiring.remove(&change.key);
        }
        Ok(change)
    });
    let (history, stale) = History::restore(compacted, rows)?;
    let mut batch = database.batch();
    for revision in stale {
        batch.remove(&changes, record::row_key(revision));
    }
    batch.commit().map_err(fail)?;
    Ok(Loaded { dir, database, changes, meta, history, expiring })
}

#[cfg(test)]
mod tests;
