//! The feed loses the store, and finds it again.

use std::collections::BTreeMap;
use std::time::Duration;

use apiserver_storage::memory::MemoryStore;
use apiserver_storage::unreliable::{Faults, Unreliable};
use apiserver_storage::{Expect, Store};
use apiserver_watch_cache::*;
use bytes::Bytes;
use futures::FutureExt;

use crate::support::*;

/// Waits until the cache is as fresh as the store, with as many tries as reconnecting takes.
async fn caught_up(f: &Fixture) {
    for _ in 0..10 {
        if f.cache.consistent().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the cache did not catch up");
}

#[tokio::test(start_paused = true)]
async fn after_a_break_the_watch_goes_on_where_it_was() {
    let f = Fixture::start().await;
    f.put("d/a", pod("a", "n")).await;
    let mut watcher = f.watch(From::Now, Scope::all()).unwrap();
    f.store.set(State::Broken);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let b = f.store.write("d/a", pod("b", "n")).await;
    let c = f.store.write("d/a", pod("c", "n")).await;
    assert!(matches!(f.cache.consistent().await, Err(Error::Store(_))));
    assert!(f.cache.get(&key("d/a")).is_some(), "what is cached can be read");
    f.store.set(State::Up);
    caught_up(&f).await;
    assert_eq!(drain(&mut watcher), [format!("MODIFIED d/a {b}"), format!("MODIFIED d/a {c}")]);
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_open_watchers_get_the_difference_and_older_revisions_expire() {
    let f = Fixture::start().await;
    for place in ["d/deleted", "d/modified", "d/recreated", "d/same"] {
        f.put(place, pod("a", "n")).await;
    }
    let before = f.cache.revision();
    let same = f.cache.get(&key("d/same")).unwrap();
    let mut open = f.watch(From::Now, Scope::all()).unwrap();
    let mut narrow = f.watch(From::Now, Scope::all().name("modified")).unwrap();
    let mut amid = f.watch(From::Revision(before + 2), Scope::all()).unwrap();
    f.store.set(State::Lost);
    tokio::time::sleep(Duration::from_secs(1)).await;
    f.store.erase("d/recreated").await;
    let recreated = f.store.write("d/recreated", pod("b", "n")).await;
    f.store.write("d/passing", pod("a", "n")).await;
    f.store.erase("d/passing").await;
    f.store.write("d/modified", pod("b", "n")).await;
    let modified = f.store.write("d/modified", pod("c", "n")).await;
    let new = f.store.write("d/new", pod("a", "n")).await;
    f.store.erase("d/deleted").await;
    let last = f.store.inner().put("/registry/other", Bytes::new(), Expect::Absent, None).await;
    assert!(last.is_ok());
    f.store.set(State::Up);
    caught_up(&f).await;
    let now = f.store.inner().current_revision().await.unwrap();
    assert_eq!(
        drain(&mut open),
        [
            format!("DELETED d/recreated {recreated}"),
            format!("ADDED d/recreated {recreated}"),
            format!("MODIFIED d/modified {modified}"),
            format!("ADDED d/new {new}"),
            format!("DELETED d/deleted {now}"),
        ]
    );
    assert_eq!(drain(&mut narrow), [format!("MODIFIED d/modified {modified}")]);
    assert_eq!(amid.next().await.map(|_| ()), Err(WatchError::Expired(Expired { oldest: now })));
    assert_eq!(f.watch(From::Revision(before), Scope::all()).err(), Some(Expired { oldest: now }));
    assert!(matches!(f.cache.snapshot_at(before), Err(Error::Expired(_))));
    assert!(std::sync::Arc::ptr_eq(&same, &f.cache.get(&key("d/same")).unwrap()), "what did not change is kept");
    // And on it goes.
    let after = f.put("d/same", pod("b", "n")).await;
    assert_eq!(drain(&mut open), [format!("MODIFIED d/same {after}")]);
}

#[tokio::test(start_paused = true)]
async fn a_store_put_back_to_an_earlier_state_expires_every_watch() {
    let f = Fixture::start().await;
    let backup = MemoryStore::new();
    let expect = Expect::Absent;
    backup.put(&key("d/old"), pod("a", "n"), expect, None).await.unwrap();
    for n in 0..5 {
        f.put(&format!("d/p{n}"), pod("a", "n")).await;
    }
    let later = f.cache.revision();
    let mut wide = f.watch(From::Now, Scope::all()).unwrap();
    let mut narrow = f.watch(From::Now, Scope::all().name("p1")).unwrap();
    assert_eq!(drain(&mut narrow), Vec::<String>::new());
    f.store.set(State::Broken);
    tokio::time::sleep(Duration::from_secs(1)).await;
    f.store.restore(backup);
    f.store.set(State::Up);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let now = f.store.inner().current_revision().await.unwrap();
    assert!(now < later);
    for watcher in [&mut wide, &mut narrow] {
        assert_eq!(watcher.next().await.map(|_| ()), Err(WatchError::Expired(Expired { oldest: now })));
    }
    let shown = f.cache.snapshot();
    assert_eq!((shown.len(), shown.revision()), (1, now));
    let mut again = f.watch(From::Now, Scope::all()).unwrap();
    let next = f.put("d/new", pod("a", "n")).await;
    assert_eq!(drain(&mut again), [format!("ADDED d/new {next}")]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_can_rebuild_the_state_whatever_happens_to_the_feed() {
    let f = Fixture::start().await;
    let mut watcher = f.watch(From::InitialThen, Scope::all()).unwrap();
    let mut state: BTreeMap<String, Revision> = BTreeMap::new();
    let mut seed = 7u64;
    for round in 0..60 {
        f.store.set([State::Broken, State::Lost, State::Up][round % 3]);
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..10 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let place = format!("d/p{}", (seed >> 33) % 12);
            let exists = f.store.inner().get(&key(&place), None).await.unwrap().value.is_some();
            if exists && (seed >> 50).is_multiple_of(3) {
                f.store.erase(&place).await;
            } else {
                f.store.write(&place, pod("a", &format!("n{}", seed >> 60))).await;
            }
        }
        f.store.set(State::Up);
        caught_up(&f).await;
        follow(&mut watcher, &mut state);
        let shown = f.cache.snapshot();
        let shown: BTreeMap<_, _> =
            shown.list(&Scope::all(), None).map(|object| (object.key().to_string(), object.revision())).collect();
        assert_eq!(state, shown);
        let stored = f.store.inner().list(PREFIX.."/registry/pods0", 0, None).await.unwrap().value.items;
        assert_eq!(shown, stored.into_iter().map(|kv| (kv.key, kv.mod_revision)).collect());
    }
}

/// Takes what there is to read into the state, and checks that it is possible.
fn follow(watcher: &mut Watcher, state: &mut BTreeMap<String, Revision>) {
    let mut items = Vec::new();
    while let Some(result) = watcher.next_batch(&mut items, 100).now_or_never() {
        result.unwrap();
    }
    for item in items {
        match item {
            WatchItem::Initial(object) => assert!(state.insert(object.key().to_string(), object.revision()).is_none()),
            WatchItem::Event(event) => {
                let object = event.object();
                let known = match event.kind() {
                    EventKind::Deleted => state.remove(object.key().as_str()).is_some(),
                    _ => state.insert(object.key().to_string(), object.revision()).is_some(),
                };
                assert_eq!(known, event.kind() != EventKind::Added);
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_converges_on_a_store_that_fails_all_the_time() {
    for seed in 0..30 {
        let memory = MemoryStore::new();
        let faults = Faults { unavailable: 250, compacted_watch: 40, ..Faults::default() };
        let store = Unreliable::new(memory.clone(), seed, faults);
        let feed = Feed::start(store.clone(), "/registry/");
        let cache = Cache::start(&feed, options(), std::sync::Arc::new(JsonCodec));
        cache.ready().await.unwrap();
        let options = |from, scope| WatchOptions { from, scope, filter: None, bookmarks: false, deadline: None };
        let mut wide = cache.watch(options(From::InitialThen, Scope::all())).unwrap();
        let mut narrow = cache.watch(options(From::InitialThen, Scope::all().label("app", "a1"))).unwrap();
        let (mut all, mut some) = (BTreeMap::new(), BTreeMap::new());
        for n in 0..200u64 {
            let key = key(&format!("d/p{}", n * 7 % 13));
            match memory.get(&key, None).await.unwrap().value {
                Some(found) if n % 5 == seed % 5 => drop(memory.delete(&key, found.mod_revision).await.unwrap()),
                found => {
                    let expect = found.map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision));
                    memory.put(&key, pod(&format!("a{}", n % 3), "n"), expect, None).await.unwrap();
                }
            }
            if n % 7 == 0 {
                tokio::time::sleep(Duration::from_millis(n % 90)).await;
                follow(&mut wide, &mut all);
                follow(&mut narrow, &mut some);
            }
        }
        store.set_calm(true);
        while cache.consistent().await.is_err() {}
        follow(&mut wide, &mut all);
        follow(&mut narrow, &mut some);
        let stored = memory.list(PREFIX.."/registry/pods0", 0, None).await.unwrap().value.items;
        assert_eq!(all, stored.into_iter().map(|kv| (kv.key, kv.mod_revision)).collect(), "seed {seed}");
        let selected = cache.snapshot().list(&Scope::all().label("app", "a1"), None);
        assert_eq!(some, selected.map(|object| (object.key().to_string(), object.revision())).collect(), "seed {seed}");
    }
}
