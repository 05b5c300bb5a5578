//! A history that can be watched: each watcher is a cursor into the one event log, woken when it grows.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::watch;

use crate::history::{Change, History};
use crate::{Error, Result, Revision, Watch, WatchEvent, is_empty_range};

/// Log entries a watcher looks at under one hold of the lock.
const SCAN: usize = 512;

pub(crate) struct Hub {
    history: RwLock<History>,
    /// Counts progress requests; sent on each and on each growth of the log.
    progress: watch::Sender<u64>,
}

impl Hub {
    pub fn new(history: History) -> Arc<Self> {
        Arc::new(Hub { history: RwLock::new(history), progress: watch::Sender::new(0) })
    }

    pub fn read(&self) -> RwLockReadGuard<'_, History> {
        self.history.read()
    }

    /// Decides and applies a change in one step, and wakes the watchers.
    pub fn write<E>(
        &self,
        decide: impl FnOnce(&History) -> std::result::Result<Change, E>,
    ) -> std::result::Result<Revision, E> {
        let mut history = self.history.write();
        let change = decide(&history)?;
        history.apply(change);
        let revision = history.revision();
        drop(history);
        self.wake();
        Ok(revision)
    }

    /// Applies changes that are already decided.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let mut history = self.history.write();
        changes.into_iter().for_each(|change| history.apply(change));
        drop(history);
        self.wake();
    }

    pub fn compact(&self, revision: Revision) -> Result<Vec<Revision>> {
        let forgotten = self.history.write().compact(revision)?;
        // A watcher that waits for compacted events must learn of it.
        self.wake();
        Ok(forgotten)
    }

    pub fn request_progress(&self) {
        self.progress.send_modify(|requests| *requests += 1);
    }

    pub fn watch(self: &Arc<Self>, range: Range<&str>, from: Revision) -> Result<Watch> {
        if is_empty_range(&range) {
            return Err(Error::Fatal("cannot watch an empty range".into()));
        }
        let mut requests = self.progress.subscribe();
        let answered = *requests.borrow_and_update();
        let history = self.read();
        let next = if from <= 0 { history.revision() + 1 } else { from };
        // Said at once rather than as the first item, so that callers can relist without polling.
        if next < history.compacted() {
            return Err(Error::Compacted { oldest: Some(history.compacted()) });
        }
        drop(history);
        let cursor = Cursor {
            hub: self.clone(),
            range: range.start.to_owned()..range.end.to_owned(),
            next,
            ready: VecDeque::new(),
            requests,
            answered,
        };
        Ok(futures::stream::unfold(Some(cursor), |cursor| async move {
            let mut cursor = cursor?;
            match cursor.next().await {
                Ok(event) => Some((Ok(event), Some(cursor))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed())
    }

    fn wake(&self) {
        self.progress.send_modify(|_| ());
    }
}

/// Where one watcher stands.
struct Cursor {
    hub: Arc<Hub>,
    range: Range<String>,
    /// The first revision not looked at yet.
    next: Revision,
    ready: VecDeque<WatchEvent>,
    requests: watch::Receiver<u64>,
    /// The last progress request that was answered.
    answered: u64,
}

impl Cursor {
    async fn next(&mut self) -> Result<WatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            // Marked as seen before the log is read, so that nothing slips between reading and waiting.
            let requested = *self.requests.borrow_and_update();
            let (events, next, current) = {
                let history = self.hub.read();
                let (events, next) = history.events(&self.range, self.next, SCAN)?;
                (events, next, history.revision())
            };
            self.next = next;
            self.ready.extend(events);
            if !self.ready.is_empty() || next <= current {
                continue;
            }
            if requested > self.answered {
                self.answered = requested;
                return Ok(WatchEvent::Progress(current));
            }
            // The sender lives in the hub, which this cursor keeps alive.
            if self.requests.changed().await.is_err() {
                return Err(Error::Unavailable("the store was closed".into()));
            }
        }
    }
}
