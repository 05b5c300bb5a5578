//! One resource: its objects, indexes and events, kept in step with the store.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::{KeyValue, Revision, WatchEvent};
use parking_lot::RwLock;
use smol_str::SmolStr;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::codec::Codec;
use crate::contents::Contents;
use crate::error::{Error, Expired};
use crate::event::{Change, Event, Maker};
use crate::feed::Feed;
use crate::freshness::Nudge;
use crate::log::{HistoryLimits, Log};
use crate::object::{Object, Written};
use crate::snapshot::Snapshot;
use crate::topics::{Topic, Topics};
use crate::watcher::{WatchOptions, Watcher};

/// How one resource is cached.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    prefix: SmolStr,
    indexed: Vec<SmolStr>,
    history: HistoryLimits,
}

impl CacheOptions {
    /// `prefix` is what every key of the resource begins with, its last slash included: `/registry/pods/`.
    pub fn new(prefix: impl Into<SmolStr>) -> Self {
        CacheOptions {
            prefix: prefix.into(),
            indexed: Vec::new(),
            // Upstream: a bookmark a minute plus some, and between 100 and 100 Ki events.
            history: HistoryLimits { fresh: Duration::from_secs(75), least: 100, most: 100 * 1024, bytes: 32 << 20 },
        }
    }

    /// Fields to index, so that reads and watches of one value look at its objects only. Labels always are indexed,
    /// and namespace and name need no index.
    #[must_use]
    pub fn index<F: Into<SmolStr>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.indexed.extend(fields.into_iter().map(Into::into));
        self
    }

    /// How much history to keep: events younger than `fresh`, how many at least and at most, and of how many bytes of
    /// replaced states; the upper bounds win.
    #[must_use]
    pub fn history(mut self, fresh: Duration, events: RangeInclusive<usize>, bytes: usize) -> Self {
        self.history = HistoryLimits { fresh, least: *events.start(), most: *events.end(), bytes };
        self
    }
}

/// What a cache holds, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStats {
    pub objects: usize,
    /// Events in the history.
    pub events: usize,
    /// Bytes of replaced and deleted states in the history.
    pub history_bytes: usize,
    /// Open watches.
    pub watchers: usize,
    /// The oldest revision a watch may start from.
    pub oldest: Revision,
}

/// The cache of one resource.
///
/// A write is visible in a snapshot before it is delivered to a watcher.
pub struct Cache {
    prefix: SmolStr,
    pub(crate) feed: Arc<Feed>,
    pub(crate) maker: Arc<Maker>,
    pub(crate) state: RwLock<State>,
    status: watch::Sender<Status>,
    /// Tells those who wait for a revision that a list was completed.
    pub(crate) listed: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Starting,
    Ready,
    Stopped,
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) contents: Arc<Contents>,
    pub(crate) log: Log,
    pub(crate) topics: Topics,
    /// The contents are the store's at this revision, or at the feed's when in step and that is later.
    pub(crate) applied: Revision,
    /// The revision of the last list: events up to it are in it.
    pub(crate) list_revision: Revision,
    /// How many lists were completed.
    pub(crate) lists: u64,
    /// Which of these went back in time: no watcher from before it goes on.
    pub(crate) rewound: u64,
    pub(crate) stopped: bool,
    /// The epoch of the feed in which the last list began.
    pub(crate) epoch: u64,
    /// When it last listed for what was not at hand.
    pub(crate) listed_again: Option<Instant>,
    /// Whether a task tries objects again that could not be decoded.
    pub(crate) mending: bool,
}

pub(crate) enum Phase {
    /// Behind the feed; what it brings is put aside until the list of this epoch is there.
    Listing {
        epoch: u64,
        aside: Vec<WatchEvent>,
    },
    InStep,
}

/// What the feed brought, decoded.
pub(crate) enum Incoming {
    Put(Written),
    Delete { key: String, revision: Revision },
}

impl Incoming {
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Incoming::Put(written) if written.is_unavailable())
    }
}

impl Cache {
    /// How often at most to list for what was not at hand when it came.
    const LIST_AGAIN: Duration = Duration::from_secs(10);

    /// How long a read waits for the cache to catch up, as upstream.
    pub const FRESH_TIMEOUT: Duration = Duration::from_secs(3);

    /// Starts caching. Await [`Cache::ready`] before reading.
    pub fn start(feed: &Arc<Feed>, options: CacheOptions, codec: Arc<dyn Codec>) -> Arc<Self> {
        let indexed: Arc<[SmolStr]> = options.indexed.into();
        let cache = Arc::new(Cache {
            state: RwLock::new(State {
                phase: Phase::Listing { epoch: 0, aside: Vec::new() },
                contents: Arc::new(Contents::new(options.prefix.clone(), indexed.clone())),
                log: Log::new(options.history),
                topics: Topics::new(indexed),
                applied: 0,
                list_revision: 0,
                lists: 0,
                rewound: 0,
                stopped: false,
                epoch: 0,
                listed_again: None,
                mending: false,
            }),
            maker: Arc::new(Maker { codec, forms: feed.forms.clone(), frames: feed.frames.clone() }),
            prefix: options.prefix,
            feed: feed.clone(),
            status: watch::Sender::new(Status::Starting),
            listed: Notify::new(),
        });
        feed.register(&cache);
        cache
    }

    /// What every key begins with.
    pub fn prefix(&self) -> &SmolStr {
        &self.prefix
    }

    /// Waits until the cache holds the store's objects. Once ready it stays so, at worst behind.
    ///
    /// # Errors
    /// [`Error::Closed`] once stopped.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut status = self.status.subscribe();
        match status.wait_for(|status| *status != Status::Starting).await.as_deref() {
            Ok(Status::Ready) => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    pub fn is_ready(&self) -> bool {
        *self.status.borrow() == Status::Ready
    }

    /// The revision a snapshot taken now would have, or an older one.
    pub fn revision(&self) -> Revision {
        let feed = self.feed.revision();
        self.state.read().revision(feed)
    }

    pub fn get(&self, key: &str) -> Option<Arc<Object>> {
        self.state.read().contents.get(key).cloned()
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        // In this order: whatever the feed had reached is in the contents.
        let feed = self.feed.revision();
        let state = self.state.read();
        Snapshot::new(state.contents.clone(), state.revision(feed))
    }

    /// The state at an earlier revision, by undoing what happened since.
    ///
    /// # Errors
    /// [`Error::Expired`] beyond the history kept, [`Error::TooLarge`] beyond the present.
    pub fn snapshot_at(&self, revision: Revision) -> Result<Snapshot, Error> {
        let feed = self.feed.revision();
        let (mut contents, since) = {
            let state = self.state.read();
            let current = state.revision(feed);
            if revision > current {
                return Err(Error::TooLarge { asked: revision, current });
            }
            let from = state.log.after(revision)?;
            let since: Vec<_> = state.log.range(from, usize::MAX)?.cloned().collect();
            (state.contents.clone(), since)
        };
        // Per key only the oldest of these events counts: it knows the state before all of them.
        let mut before: HashMap<&str, Option<&Arc<Object>>> = HashMap::new();
        for event in &since {
            let change = &event.change;
            if let Some(object) = change.current().or(change.previous()) {
                before.entry(object.key()).or_insert(change.previous());
            }
        }
        if !before.is_empty() {
            let contents = Arc::make_mut(&mut contents);
            for (key, object) in before {
                match object {
                    Some(object) => drop(contents.insert(object.clone())),
                    None => drop(contents.remove(key)),
                }
            }
        }
        Ok(Snapshot::new(contents, revision))
    }

    /// Waits until the cache has reached a revision, asking the store for progress while it has not.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Closed`].
    pub async fn wait_until(&self, revision: Revision, timeout: Duration) -> Result<(), Error> {
        if self.revision() >= revision {
            return Ok(());
        }
        let deadline = Instant::now() + timeout;
        let mut nudge = Instant::now() + Nudge::AFTER;
        loop {
            let (moved, listed) = (self.feed.position.moved.notified(), self.listed.notified());
            tokio::pin!(moved, listed);
            moved.as_mut().enable();
            listed.as_mut().enable();
            let current = self.revision();
            if current >= revision {
                return Ok(());
            }
            if *self.status.borrow() == Status::Stopped {
                return Err(Error::Closed);
            }
            tokio::select! {
                () = moved => {}
                () = listed => {}
                () = tokio::time::sleep_until(deadline) => {
                    return Err(Error::Timeout { asked: revision, current });
                }
                () = tokio::time::sleep_until(nudge) => {
                    // Bounded by the deadline: a store that is away may take its time.
                    let _ = tokio::time::timeout_at(deadline, self.feed.nudge.nudge(&*self.feed.store)).await;
                    nudge = Instant::now() + Nudge::AGAIN;
                }
            }
        }
    }

    /// Waits until the cache is as fresh as the store was when this was called. A snapshot taken then is a
    /// linearizable read. Returns the revision waited for.
    ///
    /// # Errors
    /// [`Error::Store`] when the store does not answer, [`Error::Timeout`] after [`Cache::FRESH_TIMEOUT`], [`Error::Closed`].
    pub async fn consistent(&self) -> Result<Revision, Error> {
        let revision = self.feed.store_revision().await?;
        self.wait_until(revision, Self::FRESH_TIMEOUT).await?;
        Ok(revision)
    }

    /// Opens a watch. The cache must be ready.
    ///
    /// # Errors
    /// [`Expired`] when the history does not reach back to the revision asked for.
    pub fn watch(self: &Arc<Self>, options: WatchOptions) -> Result<Watcher, Expired> {
        Watcher::open(self, options)
    }

    /// Fetches what it takes to decode what was read past the cache; see [`Codec::prepare`].
    pub async fn prepare(&self, stored: &[KeyValue]) {
        self.maker.codec.prepare(stored).await;
    }

    /// A stored value as the cache would hold it: for what is read past the cache, at a revision it no longer knows.
    pub fn object(&self, stored: KeyValue) -> Object {
        Written::decode(stored, &*self.maker.codec).into_object(None, &self.prefix, &self.maker.forms)
    }

    pub fn stats(&self) -> CacheStats {
        let state = self.state.read();
        CacheStats {
            objects: state.contents.len(),
            events: state.log.len(),
            history_bytes: state.log.bytes(),
            watchers: state.topics.watchers,
            oldest: state.log.floor(),
        }
    }

    /// Ends the cache, because its resource is gone: its watchers get [`crate::WatchError::Closed`].
    pub fn stop(&self) {
        self.feed.unregister(self);
        let mut state = self.state.write();
        state.stopped = true;
        self.status.send_replace(Status::Stopped);
        state.topics.wake_all();
        self.listed.notify_waiters();
    }

    /// Enters events from the feed, in order, and gives the topics to wake. Called by the feed's task only, which waits
    /// for nothing: what it takes to decode a value that is not at hand is fetched by a list, which has the value too.
    pub(crate) fn apply(self: &Arc<Self>, events: Vec<WatchEvent>) -> Vec<Arc<Topic>> {
        let listing = matches!(self.state.read().phase, Phase::Listing { .. });
        if listing && let Phase::Listing { aside, .. } = &mut self.state.write().phase {
            aside.extend(events);
            return Vec::new();
        }
        // Decoded before the lock. Only the feed's task puts a cache out of step, so it still is in step.
        let incoming: Vec<_> = events.into_iter().filter_map(|event| self.decode(event)).collect();
        if incoming.iter().any(Incoming::is_unavailable) && self.list_again() {
            return Vec::new();
        }
        let mut wake = Vec::new();
        let mut state = self.state.write();
        for incoming in incoming {
            self.enter(&mut state, incoming, &mut wake);
        }
        wake
    }

    /// Starts a list for what is not at hand, unless that was done just now and did not help.
    fn list_again(self: &Arc<Self>) -> bool {
        let epoch = {
            let mut state = self.state.write();
            let now = Instant::now();
            if state.listed_again.is_some_and(|before| now.duration_since(before) < Self::LIST_AGAIN) {
                return false;
            }
            state.listed_again = Some(now);
            state.epoch
        };
        self.begin_list(epoch);
        true
    }

    pub(crate) fn decode(&self, event: WatchEvent) -> Option<Incoming> {
        match event {
            WatchEvent::Put { current, .. } => Some(Incoming::Put(Written::decode(current, &*self.maker.codec))),
            WatchEvent::Delete { key, revision, .. } => Some(Incoming::Delete { key, revision }),
            WatchEvent::Progress(_) => None,
        }
    }

    pub(crate) fn enter(&self, state: &mut State, incoming: Incoming, wake: &mut Vec<Arc<Topic>>) {
        let (Incoming::Put(Written { revision, .. }) | Incoming::Delete { revision, .. }) = incoming;
        if revision <= state.list_revision {
            return;
        }
        state.applied = state.applied.max(revision);
        let change = match incoming {
            Incoming::Put(written) => {
                let contents = Arc::make_mut(&mut state.contents);
                let previous = contents.get(&written.key).cloned();
                let current = Arc::new(written.into_object(previous.as_deref(), &self.prefix, &self.maker.forms));
                contents.insert(current.clone());
                match previous {
                    Some(previous) => Change::Modified { current, previous },
                    None => Change::Added { current },
                }
            }
            Incoming::Delete { key, .. } => {
                if state.contents.get(&key).is_none() {
                    return;
                }
                let Some(previous) = Arc::make_mut(&mut state.contents).remove(&key) else { return };
                Change::Deleted { previous }
            }
        };
        self.record(state, revision, change, wake);
    }

    /// Puts a change that the contents already show into the log.
    pub(crate) fn record(&self, state: &mut State, revision: Revision, change: Change, wake: &mut Vec<Arc<Topic>>) {
        let event = Arc::new(Event::new(revision, change, &self.maker));
        state.topics.enter(&event, state.log.end(), state.log.first(), wake);
        state.log.push(event);
    }

    pub(crate) fn became_ready(&self) {
        self.status.send_if_modified(|status| {
            let starting = *status == Status::Starting;
            if starting {
                *status = Status::Ready;
            }
            starting
        });
        self.listed.notify_waiters();
    }

    pub(crate) fn trim(&self) {
        self.state.write().log.trim(Instant::now());
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.feed.unregister(self);
    }
}

impl State {
    /// The revision of the contents, `feed` being where the feed was before the state was locked.
    pub(crate) fn revision(&self, feed: Revision) -> Revision {
        match self.phase {
            Phase::InStep => self.applied.max(feed),
            Phase::Listing { .. } => self.applied,
        }
    }
}
