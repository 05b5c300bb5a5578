//! How far the feed has come, how far the store is, and how to make the feed come further.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use apiserver_storage::{Revision, Store};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::error::Error;

/// The revision up to which the feed has handed everything to the caches.
#[derive(Default)]
pub(crate) struct Position {
    revision: AtomicI64,
    pub(crate) moved: Notify,
}

impl Position {
    pub(crate) fn get(&self) -> Revision {
        self.revision.load(Ordering::Acquire)
    }

    /// Only the feed moves it, after the caches have what it stands for.
    pub(crate) fn set(&self, revision: Revision) {
        self.revision.store(revision, Ordering::Release);
        self.moved.notify_waiters();
    }
}

/// Asks the store for its current revision, one question at a time however many ask.
pub(crate) struct CurrentRevision {
    store: Arc<dyn Store>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    asking: bool,
    callers: Vec<oneshot::Sender<Answer>>,
}

type Answer = Result<Revision, Arc<apiserver_storage::Error>>;

impl CurrentRevision {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(CurrentRevision { store, waiting: Mutex::default() })
    }

    /// A revision read after this call began: an answer under way is not shared, the next one is.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Revision, Error> {
        let (caller, answer) = oneshot::channel();
        let idle = {
            let mut waiting = self.waiting.lock();
            waiting.callers.push(caller);
            !mem::replace(&mut waiting.asking, true)
        };
        if idle {
            // In a task of its own, so that a caller that gives up does not take the others' answer with it.
            tokio::spawn(self.clone().ask());
        }
        answer.await.map_err(|_| Error::Closed)?.map_err(Error::Store)
    }

    async fn ask(self: Arc<Self>) {
        loop {
            let callers = {
                let mut waiting = self.waiting.lock();
                waiting.asking = !waiting.callers.is_empty();
                mem::take(&mut waiting.callers)
            };
            if callers.is_empty() {
                return;
            }
            let answer = self.store.current_revision().await.map_err(Arc::new);
            for caller in callers {
                // The caller may be gone.
                let _ = caller.send(answer.clone());
            }
        }
    }
}

/// Requests progress from the store, at most every [`Nudge::EVERY`].
#[derive(Default)]
pub(crate) struct Nudge {
    last: Mutex<Option<Instant>>,
}

impl Nudge {
    const EVERY: Duration = Duration::from_millis(20);
    /// How long to wait for a write's own event before asking.
    pub(crate) const AFTER: Duration = Duration::from_millis(10);
    /// How long to wait before asking again, as upstream.
    pub(crate) const AGAIN: Duration = Duration::from_millis(100);

    pub(crate) async fn nudge(&self, store: &dyn Store) {
        {
            let mut last = self.last.lock();
            let now = Instant::now();
            if last.is_some_and(|last| now - last < Self::EVERY) {
                return;
            }
            *last = Some(now);
        }
        if let Err(error) = store.request_progress().await {
            tracing::debug!(%error, "cannot request progress");
        }
    }
}
