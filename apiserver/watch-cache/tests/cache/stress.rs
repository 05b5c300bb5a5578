//! Readers, watchers and writers on several threads: every snapshot is the store's at its revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apiserver_storage::memory::MemoryStore;
use apiserver_storage::{Expect, Outcome, Store};
use apiserver_watch_cache::*;

use crate::support::{JsonCodec, PREFIX, key, pod};

const WRITERS: usize = 3;
const WRITES: usize = 600;

async fn write(store: Arc<MemoryStore>, writer: usize) {
    let mut seed = writer as u64 + 1;
    for _ in 0..WRITES {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Some keys of another resource, which move the revision only.
        let key = match (seed >> 40) % 30 {
            n @ 0..20 => key(&format!("ns{}/p{n}", n % 3)),
            n => format!("/registry/nodes/n{n}"),
        };
        let found = store.get(&key, None).await.unwrap().value;
        let outcome = match found {
            Some(found) if (seed >> 60).is_multiple_of(3) => store.delete(&key, found.mod_revision).await,
            found => {
                let expect = found.map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision));
                store.put(&key, pod(&format!("a{}", seed >> 62), &format!("n{}", seed >> 61)), expect, None).await
            }
        };
        // Another writer may have been quicker.
        assert!(matches!(outcome.unwrap(), Outcome::Done(_) | Outcome::Conflict(_)));
        tokio::task::yield_now().await;
    }
}

/// Takes snapshots until told to stop; each with what it shows.
async fn look(cache: Arc<Cache>, done: Arc<AtomicBool>) -> Vec<(Revision, Vec<(String, Revision)>)> {
    let mut seen = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let asked = cache.consistent().await.unwrap();
        let now = cache.snapshot();
        assert!(now.revision() >= asked);
        let past = cache.snapshot_at((now.revision() - 40).max(1)).unwrap();
        for snapshot in [now, past] {
            let shown = snapshot.list(&Scope::all(), None).map(|object| (object.key().to_string(), object.revision()));
            seen.push((snapshot.revision(), shown.collect()));
        }
    }
    seen
}

/// Follows a scope and rebuilds it from what it is told.
async fn follow(cache: Arc<Cache>, scope: Scope, done: Arc<AtomicBool>) {
    let options =
        WatchOptions { from: From::InitialThen, scope: scope.clone(), filter: None, bookmarks: false, deadline: None };
    let mut watcher = cache.watch(options).unwrap();
    let mut state = std::collections::BTreeMap::new();
    let mut last = 0;
    let mut items = Vec::new();
    loop {
        let finished = done.load(Ordering::Relaxed);
        let wait = std::time::Duration::from_millis(if finished { 300 } else { 20 });
        match tokio::time::timeout(wait, watcher.next_batch(&mut items, 7)).await {
            Ok(result) => result.unwrap(),
            Err(_) if finished => break,
            Err(_) => continue,
        }
        for item in items.drain(..) {
            match item {
                WatchItem::Initial(object) => drop(state.insert(object.key().clone(), object.revision())),
                WatchItem::Event(event) => {
                    assert!(event.revision() > last, "in order and once");
                    last = event.revision();
                    let object = event.object();
                    let known = match event.kind() {
                        EventKind::Deleted => state.remove(object.key()),
                        _ => state.insert(object.key().clone(), object.revision()),
                    };
                    assert_eq!(known.is_some(), event.kind() != EventKind::Added);
                }
                WatchItem::InitialEventsEnd(revision) => last = revision,
                WatchItem::Bookmark(_) => {}
            }
        }
    }
    let shown = cache.snapshot();
    let shown = shown.list(&scope, None).map(|object| (object.key().clone(), object.revision()));
    assert_eq!(state, shown.collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn snapshots_are_exact_while_everything_moves() {
    let store = MemoryStore::new();
    let feed = Feed::start(store.clone(), "/registry/");
    let options = CacheOptions::new(PREFIX).index(["spec.nodeName"]);
    let cache = Cache::start(&feed, options, Arc::new(JsonCodec));
    cache.ready().await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3).map(|_| tokio::spawn(look(cache.clone(), done.clone()))).collect();
    let scopes = [
        Scope::all(),
        Scope::all().namespace("ns1"),
        Scope::all().name("p5"),
        Scope::all().field("spec.nodeName", "n3"),
        Scope::all().label("app", "a1").namespace("ns2"),
    ];
    // A crowd, so that there are waves, and some more.
    let watchers: Vec<_> = (0..100)
        .map(|n| if n < 70 { Scope::all() } else { scopes[n % scopes.len()].clone() })
        .map(|scope| tokio::spawn(follow(cache.clone(), scope, done.clone())))
        .collect();
    let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(write(store.clone(), n))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    cache.consistent().await.unwrap();
    done.store(true, Ordering::Relaxed);
    for watcher in watchers {
        watcher.await.unwrap();
    }
    for reader in readers {
        let seen = reader.await.unwrap();
        assert!(seen.len() > 10);
        for (revision, shown) in seen.into_iter().step_by(7) {
            let stored = store.list(PREFIX.."/registry/pods0", 0, Some(revision)).await.unwrap().value.items;
            let stored: Vec<_> = stored.into_iter().map(|kv| (kv.key, kv.mod_revision)).collect();
            assert_eq!(shown, stored, "at {revision}");
        }
    }
}
