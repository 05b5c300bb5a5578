//! Every kept version of every key, in memory: the multi-version state that the memory and embedded stores share.
//!
//! Pure: no locks, no time, no I/O. [`History::apply`] is the only way in, one change per revision.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Expect, KeyValue, Outcome, Page, Read, Result, Revision, WatchEvent, is_empty_range};

/// The revision of a store that was never written to, as in etcd.
pub(crate) const FIRST_REVISION: Revision = 1;

/// One write: a value, or `None` for a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub key: Arc<str>,
    pub revision: Revision,
    pub create_revision: Revision,
    pub value: Option<Bytes>,
}

impl Change {
    /// The key's state after this change.
    pub fn key_value(&self) -> Option<KeyValue> {
        let value = self.value.clone()?;
        Some(KeyValue {
            key: self.key.to_string(),
            value,
            create_revision: self.create_revision,
            mod_revision: self.revision,
        })
    }
}

/// A change and the state of its key before.
struct Event {
    current: Change,
    previous: Option<Change>,
}

impl Event {
    fn to_watch_event(&self) -> WatchEvent {
        let previous = self.previous.as_ref().and_then(Change::key_value);
        match self.current.key_value() {
            Some(current) => WatchEvent::Put { current, previous },
            None => WatchEvent::Delete { key: self.current.key.to_string(), revision: self.current.revision, previous },
        }
    }
}

/// The kept versions of every key and the log of events, from the last compaction on.
pub(crate) struct History {
    /// Per key its versions by rising revision, never empty, tombstones included.
    keys: BTreeMap<Arc<str>, Vec<Change>>,
    /// Every event of revision `log_start` and later, one per revision.
    log: VecDeque<Event>,
    log_start: Revision,
    revision: Revision,
    /// Reads below this fail.
    compacted: Revision,
}

impl History {
    pub fn new() -> Self {
        History {
            keys: BTreeMap::new(),
            log: VecDeque::new(),
            log_start: FIRST_REVISION + 1,
            revision: FIRST_REVISION,
            compacted: 0,
        }
    }

    /// Rebuilds a history from what was kept: `changes` by rising revision, holding the last version below `compacted`
    /// of each key that then existed and every change from `compacted` on. Also gives the revisions of changes that an
    /// interrupted compaction left behind.
    pub fn restore(
        compacted: Revision,
        changes: impl IntoIterator<Item = Result<Change>>,
    ) -> Result<(Self, Vec<Revision>)> {
        let mut history = History::new();
        let mut stale = Vec::new();
        history.compacted = compacted;
        history.log_start = history.log_start.max(compacted);
        history.revision = history.revision.max(history.log_start - 1);
        for change in changes {
            let change = change?;
            if change.revision < history.log_start {
                // Only the last state below the floor can be asked for.
                let older = match change.value {
                    Some(_) => history.keys.insert(change.key.clone(), vec![change]),
                    None => {
                        stale.push(change.revision);
                        history.keys.remove(&change.key)
                    }
                };
                stale.extend(older.into_iter().flatten().map(|change| change.revision));
            } else if change.revision == history.revision + 1 {
                history.apply(change);
            } else {
                return Err(Error::Fatal(format!(
                    "revision {} follows {}: records are missing",
                    change.revision, history.revision
                )));
            }
        }
        // A compaction at the current revision keeps no event above it; the floor itself was a real revision.
        history.revision = history.revision.max(compacted);
        Ok((history, stale))
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    /// The key's last change, a tombstone included.
    pub fn latest(&self, key: &str) -> Option<&Change> {
        self.keys.get(key)?.last()
    }

    /// Adds the change of the next revision.
    pub fn apply(&mut self, change: Change) {
        debug_assert_eq!(change.revision, self.revision + 1);
        self.revision = change.revision;
        let versions = self.keys.entry(change.key.clone()).or_default();
        let previous = versions.last().filter(|v| v.value.is_some()).cloned();
        versions.push(change.clone());
        self.log.push_back(Event { current: change, previous });
    }

    pub fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>> {
        let at = self.readable(at)?;
        let value = self.keys.get(key).and_then(|v| version_at(v, at)).and_then(Change::key_value);
        Ok(Read { value, revision: at })
    }

    pub fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>> {
        let at = self.readable(at)?;
        let limit = if limit == 0 { usize::MAX } else { limit };
        let mut page = Page::default();
        for change in self.live(range, at) {
            page.count += 1;
            if page.items.len() < limit {
                page.items.extend(change.key_value());
            } else {
                page.more = true;
            }
        }
        Ok(Read { value: page, revision: at })
    }

    pub fn count(&self, range: Range<&str>) -> Read<i64> {
        let value = self.live(range, self.revision).fold(0, |n, _| n + 1);
        Read { value, revision: self.revision }
    }

    /// The events of the range among revisions `from..`, looking at no more than `scan` log entries, and the revision to
    /// go on from.
    pub fn events(&self, range: &Range<String>, from: Revision, scan: usize) -> Result<(Vec<WatchEvent>, Revision)> {
        if from < self.compacted {
            return Err(Error::Compacted { oldest: Some(self.compacted) });
        }
        let skip = usize::try_from(from - self.log_start).unwrap_or(0);
        if skip >= self.log.len() {
            return Ok((Vec::new(), from.max(self.revision + 1)));
        }
        let end = skip.saturating_add(scan).min(self.log.len());
        let events = self
            .log
            .range(skip..end)
            .filter(|e| *range.start <= *e.current.key && *e.current.key < *range.end)
            .map(Event::to_watch_event)
            .collect();
        Ok((events, self.log_start + end as Revision))
    }

    /// Forgets what only reads below `revision` need, and gives the revisions of the forgotten changes.
    ///
    /// The last version below `revision` of each key stays, as the `previous` of an event at `revision`.
    pub fn compact(&mut self, revision: Revision) -> Result<Vec<Revision>> {
        self.compactable(revision)?;
        self.compacted = revision;
        let log_start = self.log_start.max(revision);
        let mut touched: Vec<Arc<str>> =
            self.log.drain(..(log_start - self.log_start) as usize).map(|e| e.current.key).collect();
        self.log_start = log_start;
        touched.sort_unstable();
        touched.dedup();

        let mut forgotten = Vec::new();
        for key in touched {
            let Some(versions) = self.keys.get_mut(&key) else { continue };
            let below = versions.partition_point(|v| v.revision < revision);
            let keep_last = below.checked_sub(1).is_some_and(|i| versions[i].value.is_some());
            let drop = below - usize::from(keep_last);
            forgotten.extend(versions.drain(..drop).map(|v| v.revision));
            if versions.is_empty() {
                self.keys.remove(&key);
            }
        }
        Ok(forgotten)
    }

    /// Whether `compact` would accept the revision.
    pub fn compactable(&self, revision: Revision) -> Result<()> {
        if revision <= self.compacted {
            return Err(Error::Compacted { oldest: Some(self.compacted) });
        }
        if revision > self.revision {
            return Err(Error::Future { asked: revision, current: Some(self.revision) });
        }
        Ok(())
    }

    fn readable(&self, at: Option<Revision>) -> Result<Revision> {
        match at {
            None | Some(..=0) => Ok(self.revision),
            Some(at) if at > self.revision => Err(Error::Future { asked: at, current: Some(self.revision) }),
            Some(at) if at < self.compacted => Err(Error::Compacted { oldest: Some(self.compacted) }),
            Some(at) => Ok(at),
        }
    }

    fn live<'a>(&'a self, range: Range<&str>, at: Revision) -> impl Iterator<Item = &'a Change> {
        let bounds = if is_empty_range(&range) { ("", "") } else { (range.start, range.end) };
        self.keys
            .range::<str, _>((Bound::Included(bounds.0), Bound::Excluded(bounds.1)))
            .filter_map(move |(_, versions)| version_at(versions, at))
            .filter(|change| change.value.is_some())
    }
}

/// The last version at or below a revision. Most reads want the newest, so that is looked at first.
fn version_at(versions: &[Change], at: Revision) -> Option<&Change> {
    match versions.last() {
        Some(last) if last.revision <= at => Some(last),
        _ => versions.partition_point(|v| v.revision <= at).checked_sub(1).map(|i| &versions[i]),
    }
}

/// What a conditional write wants to do.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Put { value: Bytes, expect: Expect },
    Delete { mod_revision: Revision },
}

/// Decides a conditional write on a key whose last change is `latest`, as revision `revision + 1`.
pub(crate) fn decide(
    key: &str,
    write: Write,
    latest: Option<&Change>,
    revision: Revision,
) -> std::result::Result<Change, Outcome> {
    let found = latest.filter(|c| c.value.is_some());
    let found_revision = found.map_or(0, |c| c.revision);
    let holds = match &write {
        Write::Put { expect: Expect::Absent, .. } => found_revision == 0,
        Write::Put { expect: Expect::ModRevision(expected), .. } => found_revision == *expected,
        Write::Delete { mod_revision } => found.is_some() && found_revision == *mod_revision,
    };
    if !holds {
        return Err(Outcome::Conflict(Read { value: found.and_then(Change::key_value), revision }));
    }
    let next = revision + 1;
    Ok(Change {
        key: latest.map_or_else(|| key.into(), |c| c.key.clone()),
        revision: next,
        create_revision: found.map_or(next, |c| c.create_revision),
        value: match write {
            Write::Put { value, .. } => Some(value),
            Write::Delete { .. } => None,
        },
    })
}

/// Refuses a key that no store can hold.
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::Fatal("the empty key cannot be written".into()));
    }
    Ok(())
}
