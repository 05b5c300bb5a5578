//! The one thread that writes to disk. What waits when it comes round is one group: one fsync for all.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use tokio::sync::oneshot;

use super::EmbeddedOptions;
use super::record::{Record, row_key};
use crate::expiry::Expiry;
use crate::history::{Change, Write, decide};
use crate::hub::Hub;
use crate::{Error, Outcome, Result, Revision};

/// A group is closed when it has so many writes or bytes.
const GROUP: usize = 1024;
const GROUP_BYTES: usize = 16 << 20;
/// Rows that a compaction removes at a time, so that writes need not wait long.
const REMOVALS: usize = 10_000;

pub(super) enum Request {
    Write { key: Box<str>, write: Write, expires: u64, reply: oneshot::Sender<Result<Outcome>> },
    Compact { revision: Revision, reply: oneshot::Sender<Result<()>> },
    Ping { reply: oneshot::Sender<Result<()>> },
}

pub(super) struct Writer {
    pub hub: Arc<Hub>,
    pub expiry: Arc<Expiry>,
    pub database: Database,
    pub changes: Keyspace,
    pub meta: Keyspace,
    pub dir: PathBuf,
    pub options: EmbeddedOptions,
    /// Why nothing can be written any more.
    pub broken: Option<String>,
}

/// One write of a group with its answer.
type Answer = (Result<Outcome>, oneshot::Sender<Result<Outcome>>);

impl Writer {
    /// Serves requests until the store is dropped.
    pub fn run(mut self, requests: &Receiver<Request>) {
        let interval = self.options.compaction_interval;
        let mut due = Instant::now() + interval;
        let mut horizon = self.hub.read().revision();
        loop {
            let received = if interval.is_zero() {
                requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                requests.recv_timeout(due.saturating_duration_since(Instant::now()))
            };
            match received {
                Ok(request) => self.serve(request, requests),
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !interval.is_zero() && Instant::now() >= due {
                due = Instant::now() + interval;
                let before = std::mem::replace(&mut horizon, self.hub.read().revision());
                match self.compact(before) {
                    // Nothing was written for an interval.
                    Ok(()) | Err(Error::Compacted { .. }) => (),
                    Err(error) => tracing::warn!(%error, "cannot compact the store"),
                }
            }
        }
    }

    /// Serves a request, and with it the writes that wait behind it.
    fn serve(&mut self, first: Request, requests: &Receiver<Request>) {
        let mut group = Group::default();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Write { key, write, expires, reply } => {
                    self.decide(&mut group, &key, write, expires, reply);
                    if group.answers.len() >= GROUP || group.bytes >= GROUP_BYTES {
                        break;
                    }
                }
                Request::Compact { revision, reply } => {
                    // It may name a revision that is still in the group.
                    self.commit(std::mem::take(&mut group));
                    answer(reply, self.compact(revision));
                }
                Request::Ping { reply } => answer(reply, self.usable()),
            }
            next = requests.try_recv().ok();
        }
        self.commit(group);
    }

    /// Decides a write on the state that the group's writes before it leave.
    fn decide(
        &self,
        group: &mut Group,
        key: &str,
        write: Write,
        expires: u64,
        reply: oneshot::Sender<Result<Outcome>>,
    ) {
        let history = self.hub.read();
        let latest = group.latest.get(key).map(|at| &group.records[*at].change).or_else(|| history.latest(key));
        let revision = history.revision() + group.records.len() as Revision;
        let result = match decide(key, write, latest, revision) {
            Err(conflict) => Ok(conflict),
            Ok(change) => match self.room(&change, group.bytes) {
                Err(error) => Err(error),
                Ok(()) => {
                    group.bytes += change.key.len() + change.value.as_ref().map_or(0, |value| value.len());
                    group.latest.insert(change.key.clone(), group.records.len());
                    let done = Outcome::Done(change.revision);
                    group.records.push(Record { change, expires });
                    Ok(done)
                }
            },
        };
        group.answers.push((result, reply));
    }

    /// Makes a group durable, then visible, then answers.
    fn commit(&mut self, group: Group) {
        if let Err(error) = self.persist(&group.records) {
            for (_, reply) in group.answers {
                answer(reply, Err(error.to_error()));
            }
            return;
        }
        // Here rather than where the put was asked for: that may have been given up meanwhile.
        for Record { change, expires } in group.records.iter().filter(|record| record.expires != 0) {
            self.expiry.add(super::deadline(*expires), change.key.clone(), change.revision);
        }
        if !group.records.is_empty() {
            self.hub.apply(group.records.into_iter().map(|record| record.change));
        }
        for (result, reply) in group.answers {
            answer(reply, result);
        }
    }

    fn persist(&mut self, records: &[Record]) -> std::result::Result<(), Broken> {
        if records.is_empty() {
            return Ok(());
        }
        if let Some(message) = &self.broken {
            return Err(Broken::Before(message.clone()));
        }
        let mut batch = self.batch();
        for record in records {
            batch.insert(&self.changes, row_key(record.change.revision), record.encode());
        }
        self.write(batch)
    }

    fn compact(&mut self, revision: Revision) -> Result<()> {
        self.hub.read().compactable(revision)?;
        self.usable()?;
        let forgotten = self.hub.compact(revision)?;
        let mut batch = self.batch();
        batch.insert(&self.meta, "compacted", revision.to_be_bytes());
        for rows in forgotten.chunks(REMOVALS) {
            for row in rows {
                batch.remove(&self.changes, row_key(*row));
            }
            self.write(batch).map_err(|broken| broken.to_error())?;
            batch = self.batch();
        }
        if forgotten.is_empty() {
            self.write(batch).map_err(|broken| broken.to_error())?;
        }
        Ok(())
    }

    fn batch(&self) -> OwnedWriteBatch {
        self.database.batch().durability(Some(PersistMode::SyncData))
    }

    fn write(&mut self, batch: OwnedWriteBatch) -> std::result::Result<(), Broken> {
        batch.commit().map_err(|error| {
            let message = format!("cannot write to {}: {error:?}; restart when that is repaired", self.dir.display());
            tracing::error!("{message}");
            // After a failed write or fsync nobody knows what the disk holds until the log is read again.
            self.broken = Some(message.clone());
            match error {
                // It failed before, in the background.
                fjall::Error::Poisoned => Broken::Before(message),
                _ => Broken::During(message),
            }
        })
    }

    fn usable(&self) -> Result<()> {
        match &self.broken {
            Some(message) => Err(Error::Fatal(message.clone())),
            None => Ok(()),
        }
    }

    /// Refuses a change while it can still be refused whole, before the disk is full.
    fn room(&self, change: &Change, group_bytes: usize) -> Result<()> {
        let reserve = if change.value.is_some() { self.options.reserve } else { self.options.reserve / 4 };
        let bytes = group_bytes + change.value.as_ref().map_or(0, |value| value.len());
        let Ok(stat) = rustix::fs::statvfs(&self.dir) else { return Ok(()) };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        // Once for the journal and once for the table it is flushed to.
        if free >= reserve.saturating_add(2 * bytes as u64) {
            return Ok(());
        }
        Err(Error::Fatal(format!(
            "no space left for the store in {}: {} MiB free, {} MiB are kept in reserve; nothing was written",
            self.dir.display(),
            free >> 20,
            reserve >> 20
        )))
    }
}

/// Writes that become durable together.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    /// The place in `records` of each key's last change.
    latest: HashMap<Arc<str>, usize>,
    answers: Vec<Answer>,
    bytes: usize,
}

/// Why a group was not written.
enum Broken {
    /// Nothing was written.
    Before(String),
    /// Some of it may show after a restart.
    During(String),
}

impl Broken {
    fn to_error(&self) -> Error {
        match self {
            Broken::Before(message) => Error::Fatal(message.clone()),
            Broken::During(message) => Error::Indeterminate(message.clone()),
        }
    }
}

fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    // Who asked may have gone away meanwhile.
    drop(reply.send(result));
}
