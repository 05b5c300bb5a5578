//! A watch: a position in the cache's log, and what of it the watcher wants to see.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::Revision;
use tokio::time::{Instant, Sleep};

use crate::cache::Cache;
use crate::error::{Expired, WatchError};
use crate::event::{Event, EventView};
use crate::object::Object;
use crate::scope::Scope;
use crate::snapshot::{Objects, Snapshot};
use crate::topics::{Topic, TopicKey};

/// What a scope cannot say: set-based label selectors, `!=`.
pub type Filter = Arc<dyn Fn(&Object) -> bool + Send + Sync>;

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the next change.
    Now,
    /// With the first change after this revision, which may be one that is yet to come.
    Revision(Revision),
    /// With the objects there are now as [`WatchItem::Initial`], then [`WatchItem::InitialEventsEnd`], then changes.
    InitialThen,
}

#[derive(Clone)]
pub struct WatchOptions {
    pub from: From,
    pub scope: Scope,
    pub filter: Option<Filter>,
    /// Whether to say now and then how far the watch has come: about once a minute, and shortly before the deadline.
    pub bookmarks: bool,
    /// When the server will end the watch, if it knows. The watcher itself does not end then.
    pub deadline: Option<Instant>,
}

#[derive(Clone)]
pub enum WatchItem {
    /// An object that was there when the watch began.
    Initial(Arc<Object>),
    /// All those have been given; they are the state at this revision.
    InitialEventsEnd(Revision),
    Event(EventView),
    /// Everything up to this revision has been given.
    Bookmark(Revision),
}

/// An open watch. It holds no queue: one that is not read costs nothing, until what it has not read is dropped.
pub struct Watcher {
    cache: Arc<Cache>,
    scope: Scope,
    filter: Option<Filter>,
    topic: Arc<Topic>,
    place: Place,
    /// Nothing up to this revision is given.
    start: Revision,
    /// Whether the cache has been seen to be at `start`.
    reached_start: bool,
    lists: u64,
    bookmarks: Option<Bookmarks>,
    scratch: Vec<Arc<Event>>,
}

/// The next thing to read.
enum Place {
    Initial {
        objects: Objects,
        revision: Revision,
        then: Cursor,
    },
    Log(Cursor),
    /// The number of the topic's next event.
    Topic(u64),
}

/// A position in the log; from `until` on, the topic's events are read by their numbers, from `number`.
#[derive(Clone, Copy)]
struct Cursor {
    next: u64,
    until: u64,
    number: u64,
}

impl Watcher {
    pub(crate) fn open(cache: &Arc<Cache>, options: WatchOptions) -> Result<Self, Expired> {
        let WatchOptions { from, scope, filter, bookmarks, deadline } = options;
        let feed = cache.feed.revision();
        let mut state = cache.state.write();
        let current = state.revision(feed);
        let (start, next) = match from {
            From::Revision(revision) => (revision, state.log.after(revision)?),
            // Before the first list there is no state to begin with.
            _ if state.lists == 0 => return Err(Expired { oldest: 0 }),
            From::Now | From::InitialThen => (current, state.log.end()),
        };
        let topic = state.topics.join(&scope);
        let narrow = topic.key != TopicKey::All;
        let cursor =
            Cursor { next, until: if narrow { state.log.end() } else { u64::MAX }, number: topic.positions().end() };
        let place = match from {
            From::InitialThen => {
                let objects = Snapshot::new(state.contents.clone(), current).list(&scope, None);
                Place::Initial { objects, revision: current, then: cursor }
            }
            _ => Place::Log(cursor),
        };
        let lists = state.lists;
        drop(state);
        Ok(Watcher {
            cache: cache.clone(),
            scope,
            filter,
            topic,
            place,
            start,
            reached_start: start <= current,
            lists,
            bookmarks: bookmarks.then(|| Bookmarks::new(deadline)),
            scratch: Vec::new(),
        })
    }

    /// The next item. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// See [`WatchError`]; the watch is over then.
    pub async fn next(&mut self) -> Result<WatchItem, WatchError> {
        let mut one = Vec::with_capacity(1);
        loop {
            self.next_batch(&mut one, 1).await?;
            if let Some(item) = one.pop() {
                return Ok(item);
            }
        }
    }

    /// Waits for something to give, then appends what there is, at least one item and at most `limit`. Nothing is lost
    /// when the future is dropped.
    ///
    /// # Errors
    /// See [`WatchError`]; the watch is over then, and nothing was appended.
    pub async fn next_batch(&mut self, into: &mut Vec<WatchItem>, limit: usize) -> Result<(), WatchError> {
        let before = into.len();
        let full = before + limit.max(1);
        loop {
            self.take(into, full)?;
            if into.len() > before {
                return Ok(());
            }
            let topic = self.topic.clone();
            let wake = topic.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            // Something may have come between looking and listening.
            self.take(into, full)?;
            if into.len() > before {
                return Ok(());
            }
            match self.bookmarks.as_mut().and_then(|bookmarks| bookmarks.timer.as_mut()) {
                Some(timer) => tokio::select! {
                    () = wake => {}
                    () = timer.as_mut() => {}
                },
                None => wake.await,
            }
        }
    }

    /// Appends what there is now, with a bookmark when one is due and there is nothing else.
    fn take(&mut self, into: &mut Vec<WatchItem>, full: usize) -> Result<(), WatchError> {
        let before = into.len();
        let caught_up = match self.fill(into, full) {
            Ok(caught_up) => caught_up,
            // First what was read; the error is still there next time.
            Err(_) if into.len() > before => return Ok(()),
            Err(error) => return Err(error),
        };
        if let (Some(revision), Some(bookmarks)) = (caught_up, &mut self.bookmarks)
            && into.len() < full
            && bookmarks.due()
            && revision > self.start
        {
            into.push(WatchItem::Bookmark(revision));
        }
        Ok(())
    }

    /// Appends until there is nothing more, which gives the revision everything is then given up to, or it is full.
    fn fill(&mut self, into: &mut Vec<WatchItem>, full: usize) -> Result<Option<Revision>, WatchError> {
        loop {
            if into.len() >= full {
                return Ok(None);
            }
            if let Place::Initial { objects, revision, then } = &mut self.place {
                match objects.next() {
                    Some(object) => {
                        if self.filter.as_ref().is_none_or(|filter| filter(&object)) {
                            into.push(WatchItem::Initial(object));
                        }
                    }
                    None => {
                        into.push(WatchItem::InitialEventsEnd(*revision));
                        self.place = Place::Log(*then);
                    }
                }
                continue;
            }
            let caught_up = self.read(full - into.len())?;
            let (scope, filter, start) = (&self.scope, &self.filter, self.start);
            let all = scope.is_all() && filter.is_none();
            for event in self.scratch.drain(..).filter(|event| event.revision > start) {
                let matches = |object: &Object| {
                    all || scope.matches(object) && filter.as_ref().is_none_or(|filter| filter(object))
                };
                into.extend(EventView::of(event, matches).map(WatchItem::Event));
            }
            if caught_up.is_some() {
                return Ok(caught_up);
            }
        }
    }

    /// Reads at most `limit` events into the scratch. Gives the cache's revision if there are no more.
    fn read(&mut self, limit: usize) -> Result<Option<Revision>, WatchError> {
        let feed = self.cache.feed.revision();
        let state = self.cache.state.read();
        if state.stopped {
            return Err(WatchError::Closed);
        }
        let expired = WatchError::Expired(Expired { oldest: state.log.floor() });
        if self.lists != state.lists {
            // Events between the last two lists are a summary, which is of no use to one that begins amid them.
            if !self.reached_start || self.lists < state.rewound {
                return Err(expired);
            }
            self.lists = state.lists;
        }
        let revision = state.revision(feed);
        self.reached_start |= revision >= self.start;
        if let Place::Log(cursor) = &mut self.place {
            let left = usize::try_from(cursor.until - cursor.next).unwrap_or(usize::MAX);
            // With nothing left to read, it does not matter whether the place in the log is still kept.
            if left > 0 {
                self.scratch.extend(state.log.range(cursor.next, limit.min(left))?.cloned());
                cursor.next += self.scratch.len() as u64;
            }
            if cursor.next < cursor.until {
                return Ok((cursor.next >= state.log.end()).then_some(revision));
            }
            self.place = Place::Topic(cursor.number);
        }
        if let Place::Topic(number) = &mut self.place {
            let positions = self.topic.positions();
            while self.scratch.len() < limit {
                let Some(position) = positions.get(*number).map_err(|()| expired)? else {
                    return Ok(Some(revision));
                };
                let Some(event) = state.log.get(position)? else { return Ok(Some(revision)) };
                self.scratch.push(event.clone());
                *number += 1;
            }
        }
        Ok(None)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.cache.state.write().topics.leave(&self.topic);
    }
}

/// When to say how far the watch has come.
struct Bookmarks {
    /// None after the last one.
    timer: Option<Pin<Box<Sleep>>>,
    deadline: Option<Instant>,
}

impl Bookmarks {
    const EVERY: Duration = Duration::from_secs(60);
    /// How long before the deadline to send the last one.
    const BEFORE_DEADLINE: Duration = Duration::from_secs(2);

    fn new(deadline: Option<Instant>) -> Self {
        let mut bookmarks = Bookmarks { timer: None, deadline };
        bookmarks.schedule(Instant::now());
        bookmarks
    }

    /// Whether one is due; the next one is scheduled then.
    fn due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.timer.as_ref().is_some_and(|timer| timer.deadline() <= now);
        if due {
            self.schedule(now);
        }
        due
    }

    fn schedule(&mut self, now: Instant) {
        let last = self.deadline.and_then(|deadline| deadline.checked_sub(Self::BEFORE_DEADLINE));
        let next = match last {
            Some(last) if last <= now => None,
            Some(last) => Some(last.min(now + Self::EVERY)),
            None => Some(now + Self::EVERY),
        };
        self.timer = next.map(|next| Box::pin(tokio::time::sleep_until(next)));
    }
}
