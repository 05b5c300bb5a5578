//! The recent events of one resource, in order. Watchers hold positions in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::Revision;
use tokio::time::Instant;

use crate::error::Expired;
use crate::event::Event;

/// How much history is kept. The newest `least` events always are, as long as `bytes` allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryLimits {
    /// Events younger than this are kept.
    pub(crate) fresh: Duration,
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// Bytes of replaced and deleted states.
    pub(crate) bytes: usize,
}

/// Events have consecutive positions that are never used again.
pub(crate) struct Log {
    limits: HistoryLimits,
    events: VecDeque<Arc<Event>>,
    /// The position of the first event kept.
    first: u64,
    bytes: usize,
    /// Every event after this revision is here.
    floor: Revision,
}

impl Log {
    /// A log that knows nothing of any revision yet.
    pub(crate) fn new(limits: HistoryLimits) -> Self {
        Log { limits, events: VecDeque::new(), first: 0, bytes: 0, floor: Revision::MAX }
    }

    /// The oldest revision that can be continued from.
    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    /// Says that what happened up to `revision` is not known event by event.
    pub(crate) fn set_floor(&mut self, revision: Revision) {
        self.floor = revision;
    }

    /// The position after the last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn get(&self, position: u64) -> Result<Option<&Arc<Event>>, Expired> {
        let at = position.checked_sub(self.first).ok_or(Expired { oldest: self.floor })?;
        Ok(usize::try_from(at).ok().and_then(|at| self.events.get(at)))
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The bytes kept for the history alone.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Up to `limit` events from a position on.
    pub(crate) fn range(&self, from: u64, limit: usize) -> Result<impl Iterator<Item = &Arc<Event>>, Expired> {
        let at = from.checked_sub(self.first).ok_or(Expired { oldest: self.floor })?;
        let start = usize::try_from(at).unwrap_or(usize::MAX).min(self.events.len());
        let end = start.saturating_add(limit).min(self.events.len());
        Ok(self.events.range(start..end))
    }

    /// The position of the first event after `revision`.
    pub(crate) fn after(&self, revision: Revision) -> Result<u64, Expired> {
        if revision < self.floor {
            return Err(Expired { oldest: self.floor });
        }
        Ok(self.first + self.events.partition_point(|event| event.revision <= revision) as u64)
    }

    pub(crate) fn push(&mut self, event: Arc<Event>) {
        let now = event.at;
        self.bytes += event.weight();
        self.events.push_back(event);
        self.trim(now);
    }

    /// Drops what is beyond the limits at `now`.
    pub(crate) fn trim(&mut self, now: Instant) {
        let limits = self.limits;
        while let Some(oldest) = self.events.front() {
            let fresh = now.saturating_duration_since(oldest.at) <= limits.fresh;
            let roomy = self.events.len() <= limits.most && self.bytes <= limits.bytes;
            if roomy && (fresh || self.events.len() <= limits.least) {
                return;
            }
            self.floor = self.floor.max(oldest.revision);
            self.bytes -= oldest.weight();
            self.first += 1;
            self.events.pop_front();
        }
    }

    /// Drops everything, so that every open position is expired.
    pub(crate) fn forget(&mut self) {
        self.first = self.end() + 1;
        self.events.clear();
        self.bytes = 0;
    }
}
