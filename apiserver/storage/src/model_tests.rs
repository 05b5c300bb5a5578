//! Random operations on the memory and embedded stores, against a model that is too simple to be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::embedded::EmbeddedStore;
use crate::memory::MemoryStore;
use crate::{Error, Expect, KeyValue, Outcome, Revision, Store, WatchEvent};

#[derive(Clone, Copy, Debug)]
enum Condition {
    Absent,
    /// What the key has.
    Current,
    /// A revision the key does not have.
    Wrong,
}

#[derive(Clone, Debug)]
enum Operation {
    Put {
        key: u8,
        value: u8,
        condition: Condition,
    },
    Delete {
        key: u8,
        condition: Condition,
    },
    /// `back`: how many revisions before the current one.
    Get {
        key: u8,
        back: i64,
    },
    List {
        start: u8,
        end: u8,
        limit: usize,
        back: i64,
    },
    Watch {
        start: u8,
        end: u8,
        back: i64,
    },
    Compact {
        back: i64,
    },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = 0..6u8;
    let condition = prop_oneof![Just(Condition::Absent), Just(Condition::Current), Just(Condition::Wrong)];
    let back = -2..15i64;
    prop_oneof![
        6 => (key.clone(), any::<u8>(), condition.clone())
            .prop_map(|(key, value, condition)| Operation::Put { key, value, condition }),
        3 => (key.clone(), condition).prop_map(|(key, condition)| Operation::Delete { key, condition }),
        2 => (key.clone(), back.clone()).prop_map(|(key, back)| Operation::Get { key, back }),
        2 => (key.clone(), key.clone(), 0..4usize, back.clone())
            .prop_map(|(start, end, limit, back)| Operation::List { start, end, limit, back }),
        2 => (key.clone(), key, back.clone()).prop_map(|(start, end, back)| Operation::Watch { start, end, back }),
        1 => back.prop_map(|back| Operation::Compact { back }),
        1 => Just(Operation::Reopen),
    ]
}

/// The state of every key at every revision, each a full copy.
struct Model {
    states: Vec<BTreeMap<String, KeyValue>>,
    compacted: Revision,
}

impl Model {
    fn revision(&self) -> Revision {
        self.states.len() as Revision
    }

    fn at(&self, revision: Revision) -> &BTreeMap<String, KeyValue> {
        &self.states[revision as usize - 1]
    }

    fn write(&mut self, key: &str, value: Option<Bytes>, expected: Revision) -> Outcome {
        let revision = self.revision();
        let mut state = self.at(revision).clone();
        let found = state.get(key).cloned();
        let absent_delete = value.is_none() && found.is_none();
        if found.as_ref().map_or(0, |kv| kv.mod_revision) != expected || absent_delete {
            return Outcome::Conflict(crate::Read { value: found, revision });
        }
        let mod_revision = revision + 1;
        match value {
            None => state.remove(key),
            Some(value) => {
                let create_revision = found.map_or(mod_revision, |kv| kv.create_revision);
                state.insert(key.into(), KeyValue { key: key.into(), value, create_revision, mod_revision })
            }
        };
        self.states.push(state);
        Outcome::Done(mod_revision)
    }

    fn events(&self, start: &str, end: &str, from: Revision) -> Vec<WatchEvent> {
        let mut events = Vec::new();
        for revision in from.max(2)..=self.revision() {
            let (before, after) = (self.at(revision - 1), self.at(revision));
            for (key, current) in after.range(start.to_owned()..end.to_owned()) {
                if current.mod_revision == revision {
                    events.push(WatchEvent::Put { current: current.clone(), previous: before.get(key).cloned() });
                }
            }
            for (key, previous) in before.range(start.to_owned()..end.to_owned()) {
                if !after.contains_key(key) {
                    let previous = Some(previous.clone());
                    events.push(WatchEvent::Delete { key: key.clone(), revision, previous });
                }
            }
        }
        events
    }

    /// What reading at a revision must say: the revision meant, or the kind of error.
    fn readable(&self, at: Revision) -> std::result::Result<Revision, &'static str> {
        match at {
            ..=0 => Ok(self.revision()),
            at if at > self.revision() => Err("future"),
            at if at < self.compacted => Err("compacted"),
            at => Ok(at),
        }
    }
}

fn kind<T>(result: crate::Result<T>) -> std::result::Result<T, &'static str> {
    result.map_err(|error| match error {
        Error::Compacted { .. } => "compacted",
        Error::Future { .. } => "future",
        _ => "other",
    })
}

enum Subject {
    Memory(Arc<MemoryStore>),
    Embedded(TempDir, Option<Arc<EmbeddedStore>>),
}

impl Subject {
    fn store(&self) -> Arc<dyn Store> {
        match self {
            Subject::Memory(store) => store.clone(),
            Subject::Embedded(_, store) => store.clone().unwrap(),
        }
    }

    async fn reopen(&mut self) {
        if let Subject::Embedded(dir, store) = self {
            drop(store.take());
            *store = Some(EmbeddedStore::open(dir.path()).await.unwrap());
        }
    }
}

async fn check(mut subject: Subject, operations: Vec<Operation>) {
    let mut model = Model { states: vec![BTreeMap::new()], compacted: 0 };
    for operation in operations {
        let store = subject.store();
        let name = |key: u8| format!("/{key}");
        let now = model.revision();
        let expected = |key: u8, condition| {
            let current = model.at(now).get(&name(key)).map_or(0, |kv| kv.mod_revision);
            match condition {
                Condition::Absent => 0,
                Condition::Current => current,
                Condition::Wrong => current + 1,
            }
        };
        match operation.clone() {
            Operation::Put { key, value, condition } => {
                let expected = expected(key, condition);
                let expect = if expected == 0 { Expect::Absent } else { Expect::ModRevision(expected) };
                let value = Bytes::from(vec![value]);
                let outcome = store.put(&name(key), value.clone(), expect, None).await.unwrap();
                assert_eq!(outcome, model.write(&name(key), Some(value), expected), "{operation:?}");
            }
            Operation::Delete { key, condition } => {
                let expected = expected(key, condition);
                let outcome = store.delete(&name(key), expected).await.unwrap();
                assert_eq!(outcome, model.write(&name(key), None, expected), "{operation:?}");
            }
            Operation::Get { key, back } => {
                let expected = model.readable(now - back).map(|at| (model.at(at).get(&name(key)).cloned(), at));
                let read = kind(store.get(&name(key), Some(now - back)).await);
                assert_eq!(read.map(|read| (read.value, read.revision)), expected, "{operation:?}");
            }
            Operation::List { start, end, limit, back } => {
                let expected = model.readable(now - back).map(|at| {
                    let state = model.at(at).values().filter(|kv| kv.key >= name(start) && kv.key < name(end));
                    let all: Vec<_> = state.cloned().collect();
                    let shown = if limit == 0 { all.len() } else { limit.min(all.len()) };
                    (all[..shown].to_vec(), shown < all.len(), all.len() as i64)
                });
                let page = kind(store.list(&name(start)..&name(end), limit, Some(now - back)).await);
                let page = page.map(|read| (read.value.items, read.value.more, read.value.count));
                assert_eq!(page, expected, "{operation:?}");
            }
            Operation::Watch { start, end, back } if start < end => {
                let from = now - back;
                if (1..model.compacted).contains(&from) {
                    let watch = kind(store.watch(&name(start)..&name(end), from).await);
                    assert_eq!(watch.err(), Some("compacted"), "{operation:?}");
                    continue;
                }
                let expected = if from <= 0 { Vec::new() } else { model.events(&name(start), &name(end), from) };
                let mut watch = store.watch(&name(start)..&name(end), from).await.unwrap();
                store.request_progress().await.unwrap();
                let mut events = Vec::new();
                if from <= now {
                    loop {
                        match watch.next().await.unwrap().unwrap() {
                            WatchEvent::Progress(revision) => {
                                assert_eq!(revision, now);
                                break;
                            }
                            event => events.push(event),
                        }
                    }
                }
                assert_eq!(events, expected, "{operation:?}");
            }
            Operation::Watch { start, end, .. } => {
                assert_eq!(kind(store.watch(&name(start)..&name(end), 0).await).err(), Some("other"));
            }
            Operation::Compact { back } => {
                let revision = now - back;
                let expected = match revision {
                    _ if revision <= model.compacted => Err("compacted"),
                    _ if revision > now => Err("future"),
                    _ => {
                        model.compacted = revision;
                        Ok(())
                    }
                };
                assert_eq!(kind(store.compact(revision).await), expected, "{operation:?}");
            }
            Operation::Reopen => {
                drop(store);
                subject.reopen().await;
            }
        }
        assert_eq!(subject.store().current_revision().await.unwrap(), model.revision());
    }
}

fn run(subject: impl AsyncFnOnce() -> Subject, operations: Vec<Operation>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { check(subject().await, operations).await });
}

proptest! {
    #[test]
    fn memory_is_like_the_model(operations in prop::collection::vec(operation(), 0..80)) {
        run(async || Subject::Memory(MemoryStore::new()), operations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn embedded_is_like_the_model(operations in prop::collection::vec(operation(), 0..60)) {
        run(
            async || {
                let dir = tempfile::tempdir().unwrap();
                let store = EmbeddedStore::open(dir.path()).await.unwrap();
                Subject::Embedded(dir, Some(store))
            },
            operations,
        );
    }
}
