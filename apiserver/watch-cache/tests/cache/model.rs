//! Random writes, and watchers and snapshots compared with a plain record of what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::Store;
use apiserver_watch_cache::*;
use futures::FutureExt;
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        place: String,
        app: u8,
        node: u8,
    },
    Delete {
        place: String,
    },
    /// From this share of the history; 0 is now and 255 the initial state.
    Watch {
        from: u8,
        select: Select,
    },
    Read {
        watcher: usize,
        limit: usize,
    },
    Snapshot {
        at: u8,
    },
}

#[derive(Clone, Debug, Default)]
struct Select {
    namespace: Option<u8>,
    name: Option<u8>,
    app: Option<u8>,
    node: Option<u8>,
    /// Further, by a filter: not this app.
    not_app: Option<u8>,
}

/// One state in the record: its labels' and field's value.
type State = (u8, u8);

impl Select {
    fn scope(&self) -> Scope {
        let mut scope = Scope::all();
        if let Some(n) = self.namespace {
            scope = scope.namespace(format!("ns{n}"));
        }
        if let Some(n) = self.name {
            scope = scope.name(format!("p{n}"));
        }
        if let Some(n) = self.app {
            scope = scope.label("app", format!("a{n}"));
        }
        if let Some(n) = self.node {
            scope = scope.field("spec.nodeName", format!("n{n}"));
        }
        scope
    }

    fn filter(&self) -> Option<Filter> {
        let not = format!("a{}", self.not_app?);
        Some(Arc::new(move |object| object.label("app").is_none_or(|app| *app != not)))
    }

    fn matches(&self, place: &str, (app, node): State) -> bool {
        let (namespace, name) = place.split_once('/').unwrap();
        self.namespace.is_none_or(|n| namespace == format!("ns{n}"))
            && self.name.is_none_or(|n| name == format!("p{n}"))
            && self.app.is_none_or(|n| app == n)
            && self.node.is_none_or(|n| node == n)
            && self.not_app.is_none_or(|n| app != n)
    }
}

/// Everything that happened, in order.
#[derive(Default)]
struct Record(Vec<(Revision, String, Option<State>)>);

impl Record {
    fn at(&self, revision: Revision) -> BTreeMap<&str, (Revision, State)> {
        let mut state = BTreeMap::new();
        for (at, place, new) in self.0.iter().take_while(|(at, ..)| *at <= revision) {
            match new {
                Some(new) => drop(state.insert(place.as_str(), (*at, *new))),
                None => drop(state.remove(place.as_str())),
            }
        }
        state
    }

    fn events(&self, after: Revision, select: &Select) -> Vec<String> {
        let mut events = Vec::new();
        for (at, place, new) in self.0.iter().filter(|(at, ..)| *at > after) {
            let old = self.at(at - 1).get(place.as_str()).map(|(_, state)| *state);
            let (old, new) = (
                old.is_some_and(|state| select.matches(place, state)),
                new.is_some_and(|state| select.matches(place, state)),
            );
            let kind = match (old, new) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            events.push(format!("{kind} {place} {at}"));
        }
        events
    }
}

struct Open {
    watcher: Watcher,
    select: Select,
    from: Revision,
    initial: bool,
    seen: Vec<String>,
}

fn place() -> impl Strategy<Value = String> {
    (0..3u8, 0..6u8).prop_map(|(namespace, name)| format!("ns{namespace}/p{name}"))
}

fn select() -> impl Strategy<Value = Select> {
    let maybe = |n: u8| prop_oneof![3 => Just(None), 1 => (0..n).prop_map(Some)];
    (maybe(3), maybe(6), maybe(3), maybe(3), maybe(3)).prop_map(|(namespace, name, app, node, not_app)| Select {
        namespace,
        name,
        app,
        node,
        not_app,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (place(), 0..3u8, 0..3u8).prop_map(|(place, app, node)| Step::Put { place, app, node }),
        2 => place().prop_map(|place| Step::Delete { place }),
        2 => (any::<u8>(), select()).prop_map(|(from, select)| Step::Watch { from, select }),
        2 => (0..10usize, 1..5usize).prop_map(|(watcher, limit)| Step::Read { watcher, limit }),
        1 => any::<u8>().prop_map(|at| Step::Snapshot { at }),
    ]
}

async fn run(steps: Vec<Step>) {
    let f = Fixture::start().await;
    let begin = f.cache.revision();
    let mut record = Record::default();
    let mut open: Vec<Open> = Vec::new();
    for step in steps {
        let last = record.0.last().map_or(begin, |(at, ..)| *at);
        let share = |n: u8| begin + (last - begin) * Revision::from(n) / 255;
        match step {
            Step::Put { place, app, node } => {
                let at = f.store.write(&place, pod(&format!("a{app}"), &format!("n{node}"))).await;
                record.0.push((at, place, Some((app, node))));
            }
            Step::Delete { place } => {
                if record.at(last).contains_key(place.as_str()) {
                    record.0.push((f.store.erase(&place).await, place, None));
                }
            }
            Step::Watch { from, select } => {
                f.cache.wait_until(last, Duration::from_secs(3)).await.unwrap();
                let (from, initial, at) = match from {
                    0..64 => (From::Now, false, last),
                    64..128 => (From::InitialThen, true, last),
                    n => (From::Revision(share(n)), false, share(n)),
                };
                let options = WatchOptions {
                    from,
                    scope: select.scope(),
                    filter: select.filter(),
                    bookmarks: false,
                    deadline: None,
                };
                let watcher = f.cache.watch(options).unwrap();
                open.push(Open { watcher, select, from: at, initial, seen: Vec::new() });
            }
            Step::Read { watcher, limit } => {
                if let Some(open) = open.get_mut(watcher) {
                    let mut items = Vec::new();
                    if let Some(result) = open.watcher.next_batch(&mut items, limit).now_or_never() {
                        result.unwrap();
                        assert!((1..=limit).contains(&items.len()));
                    }
                    open.seen.extend(items.iter().map(describe));
                }
            }
            Step::Snapshot { at } => {
                f.cache.wait_until(last, Duration::from_secs(3)).await.unwrap();
                let snapshot = f.cache.snapshot_at(share(at)).unwrap();
                let expected = record.at(share(at));
                let shown = snapshot.list(&Scope::all(), None);
                let shown: Vec<_> = shown.map(|o| (o.key()[PREFIX.len()..].to_owned(), o.revision())).collect();
                let expected: Vec<_> = expected.iter().map(|(place, (at, _))| ((*place).to_owned(), *at)).collect();
                assert_eq!(shown, expected);
            }
        }
    }
    let last = f.store.inner().current_revision().await.unwrap();
    f.cache.wait_until(last, Duration::from_secs(3)).await.unwrap();
    let snapshot = f.cache.snapshot();
    for Open { mut watcher, select, from, initial, mut seen } in open {
        seen.extend(drain(&mut watcher));
        let mut expected = Vec::new();
        if initial {
            for (place, (at, state)) in record.at(from) {
                if select.matches(place, state) {
                    expected.push(format!("initial {place} {at}"));
                }
            }
            expected.push(format!("end {from}"));
        }
        expected.extend(record.events(from, &select));
        assert_eq!(seen, expected, "{select:?} from {from}");

        // The same selection as a list.
        let without_filter = Select { not_app: None, ..select };
        let listed = snapshot.list(&without_filter.scope(), None);
        let listed: Vec<_> = listed.map(|object| object.key()[PREFIX.len()..].to_owned()).collect();
        let expected = record.at(last);
        let expected: Vec<_> = expected
            .iter()
            .filter(|(place, (_, state))| without_filter.matches(place, *state))
            .map(|(p, _)| *p)
            .collect();
        assert_eq!(listed, expected);
        assert_eq!(snapshot.count(&without_filter.scope(), None), expected.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn watchers_and_snapshots_show_what_happened(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps));
    }
}
