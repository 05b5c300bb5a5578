//! Who is to be woken by an event: watchers gather at the topic that is narrowest for their scope.
//!
//! A topic also lists the positions of its events in the log, so that a watcher of one node or one name reads those
//! and not everybody's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use smol_str::SmolStr;
use tokio::sync::Notify;

use crate::contents::{Term, terms};
use crate::event::Event;
use crate::object::Object;
use crate::scope::Scope;
use crate::waves::Wave;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    All,
    Namespace(SmolStr),
    Name(SmolStr),
    /// A namespace and a name.
    Object(SmolStr, SmolStr),
    Field(SmolStr, SmolStr),
    Label(SmolStr, SmolStr),
}

pub(crate) struct Topic {
    pub(crate) key: TopicKey,
    pub(crate) wake: Notify,
    pub(crate) watchers: AtomicUsize,
    pub(crate) wave: Mutex<Wave>,
    positions: Mutex<Positions>,
}

/// The log positions of a topic's events since the topic began, themselves numbered.
#[derive(Default)]
pub(crate) struct Positions {
    first: u64,
    list: VecDeque<u64>,
}

impl Positions {
    pub(crate) fn end(&self) -> u64 {
        self.first + self.list.len() as u64
    }

    /// The log position of the topic's event of this number; `Err` when it is no longer kept.
    pub(crate) fn get(&self, number: u64) -> Result<Option<u64>, ()> {
        let at = number.checked_sub(self.first).ok_or(())?;
        Ok(usize::try_from(at).ok().and_then(|at| self.list.get(at)).copied())
    }
}

impl Topic {
    fn new(key: TopicKey) -> Arc<Self> {
        Arc::new(Topic {
            key,
            wake: Notify::new(),
            watchers: AtomicUsize::new(0),
            wave: Mutex::default(),
            positions: Mutex::default(),
        })
    }

    pub(crate) fn positions(&self) -> parking_lot::MutexGuard<'_, Positions> {
        self.positions.lock()
    }

    fn add(&self, position: u64, log_first: u64) {
        let mut positions = self.positions.lock();
        if positions.list.back() == Some(&position) {
            return;
        }
        positions.list.push_back(position);
        while positions.list.front().is_some_and(|oldest| *oldest < log_first) {
            positions.list.pop_front();
            positions.first += 1;
        }
    }
}

pub(crate) struct Topics {
    indexed: Arc<[SmolStr]>,
    all: Arc<Topic>,
    narrow: HashMap<TopicKey, Arc<Topic>>,
    pub(crate) watchers: usize,
    /// How many narrow topics there are of each sort, so that an event only looks for those that exist.
    sorts: [usize; 5],
}

impl Topics {
    pub(crate) fn new(indexed: Arc<[SmolStr]>) -> Self {
        Topics { indexed, all: Topic::new(TopicKey::All), narrow: HashMap::new(), watchers: 0, sorts: [0; 5] }
    }

    /// The narrowest topic that every event of the scope goes to. To be given back by [`Topics::leave`].
    pub(crate) fn join(&mut self, scope: &Scope) -> Arc<Topic> {
        let key = self.key_of(scope);
        let topic = match key {
            TopicKey::All => &self.all,
            key => {
                let sorts = &mut self.sorts;
                self.narrow.entry(key).or_insert_with_key(|key| {
                    if let Some(sort) = sort(key) {
                        sorts[sort] += 1;
                    }
                    Topic::new(key.clone())
                })
            }
        };
        topic.watchers.fetch_add(1, Ordering::Relaxed);
        self.watchers += 1;
        topic.clone()
    }

    pub(crate) fn leave(&mut self, topic: &Topic) {
        self.watchers -= 1;
        let last = topic.watchers.fetch_sub(1, Ordering::Relaxed) == 1;
        if last
            && self.narrow.remove(&topic.key).is_some()
            && let Some(sort) = sort(&topic.key)
        {
            self.sorts[sort] -= 1;
        }
    }

    fn key_of(&self, scope: &Scope) -> TopicKey {
        match (&scope.namespace, &scope.name) {
            (Some(namespace), Some(name)) => return TopicKey::Object(namespace.clone(), name.clone()),
            (None, Some(name)) => return TopicKey::Name(name.clone()),
            _ => {}
        }
        match (terms(&self.indexed, scope).next(), &scope.namespace) {
            (Some(Term::Field(at, value)), _) => {
                TopicKey::Field(self.indexed[usize::from(at)].clone(), SmolStr::new(value))
            }
            (Some(Term::Label(key, value)), _) => TopicKey::Label(SmolStr::new(key), SmolStr::new(value)),
            (None, Some(namespace)) => TopicKey::Namespace(namespace.clone()),
            (None, None) => TopicKey::All,
        }
    }

    /// Enters an event that is in the log at `position`, and adds the topics to wake.
    pub(crate) fn enter(&self, event: &Event, position: u64, log_first: u64, wake: &mut Vec<Arc<Topic>>) {
        if !wake.first().is_some_and(|first| Arc::ptr_eq(first, &self.all)) {
            wake.insert(0, self.all.clone());
        }
        if self.narrow.is_empty() {
            return;
        }
        let (current, previous) = (event.change.current(), event.change.previous());
        let mut enter = |key: TopicKey| {
            if let Some(topic) = self.narrow.get(&key) {
                topic.add(position, log_first);
                if !wake.last().is_some_and(|last| Arc::ptr_eq(last, topic)) {
                    wake.push(topic.clone());
                }
            }
        };
        if let Some(object) = current {
            self.each_key(object, &mut enter);
        }
        if let Some(object) = previous
            && current.is_none_or(|current| !Arc::ptr_eq(current.meta(), object.meta()))
        {
            self.each_key(object, &mut enter);
        }
    }

    fn each_key(&self, object: &Object, enter: &mut impl FnMut(TopicKey)) {
        let [namespaces, names, objects, fields, labels] = self.sorts;
        if namespaces > 0 {
            enter(TopicKey::Namespace(object.namespace().clone()));
        }
        if names > 0 {
            enter(TopicKey::Name(object.name().clone()));
        }
        if objects > 0 {
            enter(TopicKey::Object(object.namespace().clone(), object.name().clone()));
        }
        if fields > 0 {
            for field in self.indexed.iter() {
                enter(TopicKey::Field(field.clone(), SmolStr::new(object.field(field))));
            }
        }
        if labels > 0 {
            for (key, value) in object.labels() {
                enter(TopicKey::Label(key.clone(), value.clone()));
            }
        }
    }

    /// Wakes every watcher there is.
    pub(crate) fn wake_all(&self) {
        self.all.wake.notify_waiters();
        for topic in self.narrow.values() {
            topic.wake.notify_waiters();
        }
    }
}

fn sort(key: &TopicKey) -> Option<usize> {
    match key {
        TopicKey::All => None,
        TopicKey::Namespace(_) => Some(0),
        TopicKey::Name(_) => Some(1),
        TopicKey::Object(..) => Some(2),
        TopicKey::Field(..) => Some(3),
        TopicKey::Label(..) => Some(4),
    }
}
