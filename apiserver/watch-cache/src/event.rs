//! One change of one object, and how it looks through a watcher's filter.

use std::sync::{Arc, OnceLock};

use apiserver_storage::Revision;
use bytes::Bytes;
use tokio::time::Instant;

use crate::codec::Codec;
use crate::forms::{FormBudget, FormId, Forms};
use crate::object::Object;

/// What happened to an object, as far as a watcher can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    Added,
    Modified,
    Deleted,
}

impl EventKind {
    /// The `type` of a watch event: `ADDED`, `MODIFIED` or `DELETED`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Added => "ADDED",
            EventKind::Modified => "MODIFIED",
            EventKind::Deleted => "DELETED",
        }
    }
}

/// One change, in the log.
pub(crate) struct Event {
    pub(crate) revision: Revision,
    pub(crate) change: Change,
    pub(crate) at: Instant,
    /// The state before in its last form, made when a watcher needs it.
    removed: OnceLock<Arc<Object>>,
    frames: Forms,
    maker: Arc<Maker>,
}

pub(crate) enum Change {
    Added { current: Arc<Object> },
    Modified { current: Arc<Object>, previous: Arc<Object> },
    Deleted { previous: Arc<Object> },
}

/// What all events of a cache are made with.
pub(crate) struct Maker {
    pub(crate) codec: Arc<dyn Codec>,
    pub(crate) forms: Arc<FormBudget>,
    pub(crate) frames: Arc<FormBudget>,
}

impl Change {
    pub(crate) fn current(&self) -> Option<&Arc<Object>> {
        match self {
            Change::Added { current } | Change::Modified { current, .. } => Some(current),
            Change::Deleted { .. } => None,
        }
    }

    pub(crate) fn previous(&self) -> Option<&Arc<Object>> {
        match self {
            Change::Modified { previous, .. } | Change::Deleted { previous } => Some(previous),
            Change::Added { .. } => None,
        }
    }
}

impl Event {
    pub(crate) fn new(revision: Revision, change: Change, maker: &Arc<Maker>) -> Self {
        Event {
            revision,
            change,
            at: Instant::now(),
            removed: OnceLock::new(),
            frames: Forms::new(&maker.frames),
            maker: maker.clone(),
        }
    }

    /// The bytes that are kept only because the event is.
    pub(crate) fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        let states = match &self.change {
            Change::Added { .. } => 0,
            Change::Modified { previous, .. } => previous.weight(),
            // As it was, and as it is reported.
            Change::Deleted { previous } => 2 * previous.weight(),
        };
        OVERHEAD + states
    }

    fn removed(&self, previous: &Object) -> &Arc<Object> {
        self.removed.get_or_init(|| Arc::new(previous.removed_at(self.revision, &*self.maker.codec, &self.maker.forms)))
    }
}

/// An event as one watcher sees it: an object that comes into its selection is Added, one that leaves it Deleted.
#[derive(Clone)]
pub struct EventView {
    kind: EventKind,
    event: Arc<Event>,
    object: Arc<Object>,
}

impl EventView {
    /// None where the watcher sees nothing of it.
    pub(crate) fn of(event: Arc<Event>, matches: impl Fn(&Object) -> bool) -> Option<Self> {
        let current = event.change.current().filter(|object| matches(object));
        let previous = event.change.previous().filter(|object| matches(object));
        let (kind, object) = match (current, previous) {
            (Some(current), None) => (EventKind::Added, current),
            (Some(current), Some(_)) => (EventKind::Modified, current),
            (None, Some(previous)) => (EventKind::Deleted, event.removed(previous)),
            (None, None) => return None,
        };
        let object = object.clone();
        Some(EventView { kind, event, object })
    }

    pub fn kind(&self) -> EventKind {
        self.kind
    }

    pub fn revision(&self) -> Revision {
        self.event.revision
    }

    /// The state to report: the new one, or when Deleted the last one the watcher could see, with the resourceVersion
    /// of this event.
    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// The object's state before the change, whether or not the watcher could see it.
    pub fn previous(&self) -> Option<&Arc<Object>> {
        self.event.change.previous()
    }

    /// The event framed for the wire, made by `make` once and shared by all watchers of this form.
    pub fn frame(&self, form: FormId, make: impl FnOnce(EventKind, &Object) -> Bytes) -> Bytes {
        self.event.frames.get(form, self.kind as u8, || make(self.kind, &self.object))
    }
}
