//! Filling a cache from the store, at first and whenever the feed lost its place.

use std::cmp::Ordering;
use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use apiserver_storage::{Error as StoreError, KeyValue, Revision, WatchEvent, prefix_end};

use crate::cache::{Cache, Incoming, Phase};
use crate::contents::Contents;
use crate::event::Change;
use crate::object::Written;

/// How many objects to read from the store at a time.
const PAGE: usize = 500;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Cache {
    /// Puts the cache out of step and starts a list. Called on the feed's task when its watch is open, so that no event
    /// falls between the list and the watch.
    pub(crate) fn begin_list(self: &Arc<Self>, epoch: u64) {
        {
            let feed = self.feed.revision();
            let mut state = self.state.write();
            // Where it was in step it had everything up to the feed's revision, and keeps saying so.
            state.applied = state.revision(feed);
            state.epoch = epoch;
            state.phase = Phase::Listing { epoch, aside: Vec::new() };
        }
        tokio::spawn(list(Arc::downgrade(self), epoch));
    }

    /// Whether a list of this epoch is still wanted. What was put aside so far will be in the list that begins now.
    fn begin_try(&self, epoch: u64) -> bool {
        let mut state = self.state.write();
        match &mut state.phase {
            Phase::Listing { epoch: current, aside } if *current == epoch => {
                aside.clear();
                !state.stopped
            }
            _ => false,
        }
    }

    /// Reads everything at one revision. Objects that did not change are taken over, not decoded again.
    async fn read_all(&self) -> Result<(Contents, Revision), StoreError> {
        let known = self.state.read().contents.clone();
        let mut contents = known.emptied();
        let (mut start, end) = (self.prefix().to_string(), prefix_end(self.prefix()));
        let mut at = None;
        loop {
            let page = self.feed.store.list(start.as_str()..end.as_str(), PAGE, at).await?;
            let revision = *at.get_or_insert(page.revision);
            let Some(last) = page.value.items.last() else { return Ok((contents, revision)) };
            start = format!("{}\0", last.key);
            self.prepare(&page.value.items).await;
            for stored in page.value.items {
                let object = match known.get(&stored.key) {
                    Some(same) if same.revision() == stored.mod_revision && !same.is_unavailable() => same.clone(),
                    previous => {
                        let written = Written::decode(stored, &*self.maker.codec);
                        let previous = previous.map(|previous| &**previous);
                        Arc::new(written.into_object(previous, self.prefix(), &self.maker.forms))
                    }
                };
                contents.insert(object);
            }
            if !page.value.more {
                return Ok((contents, revision));
            }
            tokio::task::yield_now().await;
        }
    }

    /// The values that the feed brought since the list began.
    fn aside(&self) -> Vec<KeyValue> {
        let state = self.state.read();
        let Phase::Listing { aside, .. } = &state.phase else { return Vec::new() };
        let put = aside.iter().filter_map(|event| match event {
            WatchEvent::Put { current, .. } => Some(current.clone()),
            _ => None,
        });
        put.collect()
    }

    /// Takes the list over, then what the feed brought meanwhile, and is in step.
    fn install(self: &Arc<Self>, epoch: u64, contents: Contents, revision: Revision) {
        let mut later: Vec<Incoming> = Vec::new();
        let mut is_complete = !contents.has_unavailable();
        let mut state = loop {
            let mut state = self.state.write();
            let Phase::Listing { epoch: current, aside } = &mut state.phase else { return };
            if *current != epoch {
                return;
            }
            let more = mem::take(aside);
            if more.is_empty() {
                break state;
            }
            drop(state);
            let more = more.into_iter().filter_map(|event| self.decode(event));
            later.extend(more.inspect(|incoming| is_complete &= !incoming.is_unavailable()));
        };
        let mut wake = Vec::new();
        state.lists += 1;
        let changes = match state.lists {
            1 => Vec::new(),
            _ => changes(&state.contents, &contents, revision),
        };
        state.contents = Arc::new(contents);
        if revision < state.applied {
            // The store was put back to an earlier state: no order of events leads there.
            tracing::error!(revision, before = state.applied, "the store went back in time");
            state.log.forget();
            state.rewound = state.lists;
        } else {
            for (revision, change) in changes {
                self.record(&mut state, revision, change, &mut wake);
            }
        }
        // What these changes were in detail is unknown: only watchers that are open may step over them.
        state.log.set_floor(revision);
        state.applied = revision;
        state.list_revision = revision;
        for incoming in later {
            self.enter(&mut state, incoming, &mut wake);
        }
        state.phase = Phase::InStep;
        state.topics.wake_all();
        drop(state);
        if !is_complete {
            self.mend();
        }
        self.became_ready();
    }
}

async fn list(cache: Weak<Cache>, epoch: u64) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        {
            let Some(cache) = cache.upgrade() else { return };
            if !cache.begin_try(epoch) {
                return;
            }
            match cache.read_all().await {
                Ok((contents, revision)) => {
                    cache.prepare(&cache.aside()).await;
                    return cache.install(epoch, contents, revision);
                }
                Err(error) => {
                    tracing::warn!(prefix = %cache.prefix(), %error, "cannot list, trying again");
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The fewest changes from one state to a later one, in an order of revisions. A deletion's own revision is not known;
/// that of the list is later than it, and no earlier than any other.
fn changes(before: &Contents, after: &Contents, revision: Revision) -> Vec<(Revision, Change)> {
    let (mut before, mut after) = (before.cursor().peekable(), after.cursor().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(after)) => before.key().cmp(after.key()),
        };
        let previous = if order.is_le() { before.next() } else { None };
        let current = if order.is_ge() { after.next() } else { None };
        match (previous, current) {
            (Some(previous), None) => changes.push((revision, Change::Deleted { previous })),
            (None, Some(current)) => changes.push((current.revision(), Change::Added { current })),
            (Some(previous), Some(current)) if previous.revision() == current.revision() => {}
            (Some(previous), Some(current)) if previous.create_revision() == current.create_revision() => {
                changes.push((current.revision(), Change::Modified { current, previous }));
            }
            (Some(previous), Some(current)) => {
                // Deleted and made anew: a different object.
                changes.push((current.revision(), Change::Deleted { previous }));
                changes.push((current.revision(), Change::Added { current }));
            }
            (None, None) => {}
        }
    }
    changes.sort_by_key(|(revision, _)| *revision);
    changes
}
