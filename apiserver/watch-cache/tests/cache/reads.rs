//! Snapshots, indexes, freshness.

use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::{Expect, Store};
use apiserver_watch_cache::*;
use bytes::Bytes;

use crate::support::*;

fn places(objects: Objects) -> Vec<String> {
    objects.map(|object| object.key()[PREFIX.len()..].to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn lists_by_scope_in_key_order_and_counts() {
    let f = Fixture::start().await;
    for n in 0..40 {
        f.put(&format!("ns{}/p{n:02}", n % 4), pod(if n % 10 == 0 { "rare" } else { "web" }, &format!("n{}", n % 20)))
            .await;
    }
    let s = f.cache.snapshot();
    assert_eq!((s.len(), s.revision()), (40, f.store.inner().current_revision().await.unwrap()));
    let of = |scope: &Scope, from: Option<&str>| {
        let places = places(s.list(scope, from));
        assert_eq!(s.count(scope, from), places.len());
        assert!(places.is_sorted());
        places
    };
    assert_eq!(of(&Scope::all(), None).len(), 40);
    assert_eq!(of(&Scope::all().namespace("ns1"), None).len(), 10);
    assert_eq!(of(&Scope::all().namespace("ns1"), Some(&key("ns1/p05"))).first().unwrap(), "ns1/p05");
    assert_eq!(of(&Scope::all().namespace("ns1"), Some(&key("ns1/p05\0"))).first().unwrap(), "ns1/p09");
    assert_eq!(of(&Scope::all().namespace("ns1"), Some(&key("ns9"))), Vec::<String>::new());
    assert_eq!(of(&Scope::all().namespace("ns"), None), Vec::<String>::new());
    assert_eq!(of(&Scope::all().field("spec.nodeName", "n3"), None), ["ns3/p03", "ns3/p23"]);
    assert_eq!(of(&Scope::all().field("spec.nodeName", "n3"), Some(&key("ns3/p04"))), ["ns3/p23"]);
    assert_eq!(of(&Scope::all().label("app", "rare"), None), ["ns0/p00", "ns0/p20", "ns2/p10", "ns2/p30"]);
    assert_eq!(of(&Scope::all().label("app", "rare").namespace("ns2"), None), ["ns2/p10", "ns2/p30"]);
    assert_eq!(of(&Scope::all().label("app", "rare").field("spec.nodeName", "n0"), None), ["ns0/p00", "ns0/p20"]);
    assert_eq!(of(&Scope::all().namespace("ns1").name("p05"), None), ["ns1/p05"]);
    assert_eq!(of(&Scope::all().name("p05"), None), ["ns1/p05"]);
    assert_eq!(of(&Scope::all().name("p05").label("app", "rare"), None), Vec::<String>::new());
    assert_eq!(of(&Scope::all().field("spec.hostname", ""), None).len(), 40, "an absent field is empty");
    assert_eq!(of(&Scope::all().field("spec.hostname", "x"), None).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_index_follows_changes() {
    let f = Fixture::start().await;
    for n in 0..20 {
        f.put(&format!("d/other{n}"), pod("x", "elsewhere")).await;
    }
    f.put("d/a", Bytes::from_static(b"{\"metadata\":{}}")).await;
    let unassigned = Scope::all().field("spec.nodeName", "");
    assert_eq!(places(f.cache.snapshot().list(&unassigned, None)), ["d/a"]);
    f.put("d/a", pod("x", "n1")).await;
    let s = f.cache.snapshot();
    assert_eq!(s.count(&unassigned, None), 0);
    assert_eq!(places(s.list(&Scope::all().field("spec.nodeName", "n1"), None)), ["d/a"]);
    f.delete("d/a").await;
    assert_eq!(f.cache.snapshot().count(&Scope::all().field("spec.nodeName", "n1"), None), 0);
    assert_eq!(s.count(&Scope::all().field("spec.nodeName", "n1"), None), 1, "a snapshot does not change");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_the_past_reaches_as_far_as_the_history() {
    let f = Fixture::start_with(options().history(Duration::from_secs(75), 2..=100, 1 << 20)).await;
    let first = f.put("d/a", pod("1", "n")).await;
    let second = f.put("d/a", pod("2", "n")).await;
    let third = f.put("d/b", pod("3", "n")).await;
    let fourth = f.delete("d/a").await;
    let of = |revision| {
        let s = f.cache.snapshot_at(revision).unwrap();
        assert_eq!(s.revision(), revision);
        s.list(&Scope::all(), None).map(|o| o.label("app").unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(first - 1), Vec::<String>::new());
    assert_eq!(of(first), ["1"]);
    assert_eq!(of(second), ["2"]);
    assert_eq!(of(third), ["2", "3"]);
    assert_eq!(of(fourth), ["3"]);
    assert!(matches!(f.cache.snapshot_at(fourth + 1), Err(Error::TooLarge { .. })));
    tokio::time::advance(Duration::from_secs(76)).await;
    let fifth = f.put("d/c", pod("5", "n")).await;
    assert!(matches!(f.cache.snapshot_at(second), Err(Error::Expired(Expired { oldest })) if oldest == third));
    assert_eq!(f.cache.snapshot_at(fourth).unwrap().len(), 1);
    assert_eq!(f.cache.snapshot_at(fifth).unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn any_write_under_the_feed_brings_every_cache_up_to_date() {
    let f = Fixture::start().await;
    f.store.inner().put("/registry/nodes/n1", Bytes::from_static(b"{}"), Expect::Absent, None).await.unwrap();
    let revision = f.cache.consistent().await.unwrap();
    assert_eq!(revision, f.store.inner().current_revision().await.unwrap());
    assert!(f.cache.snapshot().revision() >= revision);
}

#[tokio::test(start_paused = true)]
async fn a_write_beside_the_feed_needs_progress() {
    let f = Fixture::start().await;
    f.store.inner().put("/elsewhere", Bytes::new(), Expect::Absent, None).await.unwrap();
    let revision = f.cache.consistent().await.unwrap();
    assert!(f.cache.revision() >= revision);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_future_times_out() {
    let f = Fixture::start().await;
    let begun = tokio::time::Instant::now();
    let current = f.cache.revision();
    let error = f.cache.wait_until(1_000_000, Cache::FRESH_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { asked: 1_000_000, current: c } if c == current), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn concurrent_consistent_reads_share_store_reads() {
    let f = Fixture::start().await;
    let reads = (0..100).map(|_| f.feed.store_revision());
    let revisions = futures::future::join_all(reads).await;
    assert!(revisions.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_does_not_decode_is_reported_and_harms_nobody_else() {
    let f = Fixture::start().await;
    f.put("d/bad", Bytes::from_static(b"\xffnot json")).await;
    f.put("d/good", pod("a", "n")).await;
    let s = f.cache.snapshot();
    let bad = s.get(&key("d/bad")).unwrap();
    assert_eq!((bad.namespace().as_str(), bad.name().as_str()), ("d", "bad"));
    let undecodable = bad.json().unwrap_err();
    assert_eq!(undecodable.value.as_ref(), b"\xffnot json");
    assert!(s.get(&key("d/good")).unwrap().json().is_ok());
    f.put("d/bad", pod("a", "n")).await;
    assert!(f.cache.get(&key("d/bad")).unwrap().json().is_ok(), "it can be repaired");
    f.put("d/bad", Bytes::from_static(b"?")).await;
    f.delete("d/bad").await;
    assert_eq!(f.cache.snapshot().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_decoder_is_one_bad_value() {
    let f = Fixture::start().await;
    f.put("d/bad", Bytes::from_static(PANIC)).await;
    f.put("d/good", pod("a", "n")).await;
    let bad = f.cache.get(&key("d/bad")).unwrap();
    assert_eq!(bad.json().unwrap_err().reason.to_string(), "the decoder panicked");
}

#[tokio::test(start_paused = true)]
async fn what_is_read_past_the_cache_looks_the_same() {
    let f = Fixture::start().await;
    f.put("d/a", pod("a", "n")).await;
    let stored = f.store.inner().get(&key("d/a"), None).await.unwrap().value.unwrap();
    let (read, cached) = (f.cache.object(stored), f.cache.get(&key("d/a")).unwrap());
    assert_eq!(read.json().unwrap(), cached.json().unwrap());
    assert_eq!((read.revision(), read.labels(), read.name()), (cached.revision(), cached.labels(), cached.name()));
}

#[tokio::test(start_paused = true)]
async fn stats_count() {
    let f = Fixture::start().await;
    let oldest = f.cache.revision();
    f.put("d/a", pod("a", "n")).await;
    f.put("d/b", pod("a", "n")).await;
    f.delete("d/b").await;
    let watchers = [Scope::all(), Scope::all().name("a")].map(|scope| f.watch(From::Now, scope).unwrap());
    let stats = f.cache.stats();
    assert_eq!((stats.objects, stats.events, stats.watchers, stats.oldest), (1, 3, 2, oldest));
    drop(watchers);
    assert_eq!(f.cache.stats().watchers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cache_registered_late_lists_what_is_there() {
    let f = Fixture::start().await;
    f.put("d/a", pod("a", "n")).await;
    f.store.inner().put("/registry/nodes/n1", Bytes::from_static(b"{}"), Expect::Absent, None).await.unwrap();
    let nodes = Cache::start(&f.feed, CacheOptions::new("/registry/nodes/"), Arc::new(JsonCodec));
    f.store.inner().put("/registry/nodes/n2", Bytes::from_static(b"{}"), Expect::Absent, None).await.unwrap();
    nodes.ready().await.unwrap();
    nodes.consistent().await.unwrap();
    assert_eq!(nodes.snapshot().len(), 2);
    assert_eq!(nodes.snapshot().count(&Scope::all().name("n2"), None), 1, "cluster-scoped: by key");
    assert!(f.feed.cache("/registry/nodes/").is_some());
    nodes.stop();
    assert!(f.feed.cache("/registry/nodes/").is_none());
    assert!(matches!(nodes.ready().await, Err(Error::Closed)));
    assert!(matches!(nodes.wait_until(1 << 40, Duration::from_secs(3)).await, Err(Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn everything_ends_when_the_last_holder_lets_go() {
    let f = Fixture::start().await;
    f.put("d/a", pod("a", "n")).await;
    let feed = Arc::downgrade(&f.feed);
    let (store, cache) = (Arc::downgrade(&f.store), Arc::downgrade(&f.cache));
    drop(f);
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::task::yield_now().await;
    assert!(feed.upgrade().is_none() && cache.upgrade().is_none());
    assert!(store.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn more_objects_than_a_page() {
    let store = Cuttable::new();
    for n in 0..1203 {
        store.write(&format!("d/p{n:05}"), pod("a", "n")).await;
    }
    let feed = Feed::start(store.clone(), "/registry/");
    let cache = Cache::start(&feed, options(), Arc::new(JsonCodec));
    cache.ready().await.unwrap();
    let s = cache.snapshot();
    assert_eq!(s.len(), 1203);
    assert_eq!(s.list(&Scope::all(), None).count(), 1203);
    assert_eq!(s.list(&Scope::all(), Some(&key("d/p01200"))).count(), 3);
}
