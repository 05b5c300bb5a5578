//! What a watcher sees, when it is woken, and when it is too late.

use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::{Expect, Store};
use apiserver_watch_cache::*;
use bytes::Bytes;
use futures::FutureExt;
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn from_a_revision_now_and_the_beginning() {
    let f = Fixture::start().await;
    let before = f.cache.revision();
    let a = f.put("d/a", pod("a", "n1")).await;
    let mut from_before = f.watch(From::Revision(before), Scope::all()).unwrap();
    let mut from_a = f.watch(From::Revision(a), Scope::all()).unwrap();
    let mut now = f.watch(From::Now, Scope::all()).unwrap();
    let mut initial = f.watch(From::InitialThen, Scope::all()).unwrap();
    let mut future = f.watch(From::Revision(a + 1), Scope::all()).unwrap();
    let b = f.put("d/a", pod("b", "n1")).await;
    let c = f.delete("d/a").await;
    let rest = [format!("MODIFIED d/a {b}"), format!("DELETED d/a {c}")];
    assert_eq!(drain(&mut from_before), [&[format!("ADDED d/a {a}")], &rest[..]].concat());
    assert_eq!(drain(&mut from_a), rest);
    assert_eq!(drain(&mut now), rest);
    assert_eq!(drain(&mut initial), [&[format!("initial d/a {a}"), format!("end {a}")], &rest[..]].concat());
    assert_eq!(drain(&mut future), rest[1..]);
    assert_eq!(f.watch(From::Revision(before - 1), Scope::all()).err(), Some(Expired { oldest: before }));
}

#[tokio::test(start_paused = true)]
async fn objects_come_into_and_leave_a_selection() {
    let f = Fixture::start().await;
    let start = f.cache.revision();
    let a = f.put("d/a", pod("x", "")).await;
    let b = f.put("d/a", pod("x", "n1")).await;
    let c = f.put("d/a", pod("y", "n1")).await;
    let d = f.put("d/a", pod("y", "n2")).await;
    let e = f.delete("d/a").await;
    let on = |node: &str| Scope::all().field("spec.nodeName", node);
    let seen = |scope: Scope| drain(&mut f.watch(From::Revision(start), scope).unwrap());
    assert_eq!(seen(on("")), [format!("ADDED d/a {a}"), format!("DELETED d/a {b}")]);
    assert_eq!(seen(on("n1")), [format!("ADDED d/a {b}"), format!("MODIFIED d/a {c}"), format!("DELETED d/a {d}")]);
    assert_eq!(seen(on("n2")), [format!("ADDED d/a {d}"), format!("DELETED d/a {e}")]);
    assert_eq!(seen(on("n1").label("app", "y")), [format!("ADDED d/a {c}"), format!("DELETED d/a {d}")]);
    let mut filtered = f
        .cache
        .watch(WatchOptions {
            from: From::Revision(start),
            scope: Scope::all(),
            filter: Some(Arc::new(|object| object.label("app").is_some_and(|app| app != "x"))),
            bookmarks: false,
            deadline: None,
        })
        .unwrap();
    let mut items = Vec::new();
    filtered.next_batch(&mut items, 10).await.unwrap();
    assert_eq!(
        items.iter().map(describe).collect::<Vec<_>>(),
        [format!("ADDED d/a {c}"), format!("MODIFIED d/a {d}"), format!("DELETED d/a {e}")]
    );
    let WatchItem::Event(deleted) = &items[2] else { panic!() };
    assert_eq!(deleted.previous().unwrap().revision(), d, "the last state as it was");
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_made_once_for_all_watchers_of_a_form() {
    let f = Fixture::start().await;
    let mut watchers: Vec<_> = (0..5).map(|_| f.watch(From::Now, Scope::all()).unwrap()).collect();
    f.put("d/a", pod("a", "n")).await;
    let mut made = 0;
    for watcher in &mut watchers {
        let WatchItem::Event(event) = watcher.next().await.unwrap() else { panic!() };
        let frame = event.frame(FormId(7), |kind, object| {
            made += 1;
            Bytes::from(format!("{}{}", kind.as_str(), object.name()))
        });
        assert_eq!(frame, "ADDEDa");
    }
    assert_eq!(made, 1);
}

#[tokio::test(start_paused = true)]
async fn only_watchers_that_can_match_are_woken() {
    let f = Fixture::start().await;
    f.put("d/a", pod("a", "n1")).await;
    let scopes = [
        Scope::all(),
        Scope::all().namespace("d"),
        Scope::all().namespace("e"),
        Scope::all().name("a"),
        Scope::all().name("b"),
        Scope::all().namespace("d").name("a"),
        Scope::all().namespace("e").name("a"),
        Scope::all().field("spec.nodeName", "n1"),
        Scope::all().field("spec.nodeName", "n2"),
        Scope::all().field("spec.nodeName", "n3"),
        Scope::all().label("app", "a"),
        Scope::all().label("app", "b"),
    ];
    let mut watchers: Vec<_> = scopes.iter().map(|scope| f.watch(From::Now, scope.clone()).unwrap()).collect();
    let mut waiting: Vec<_> = watchers.iter_mut().map(|watcher| tokio_test_task(watcher.next())).collect();
    for task in &mut waiting {
        assert!(task.poll().is_none());
    }
    f.put("d/a", pod("a", "n2")).await;
    let woken: Vec<_> = waiting.iter().map(|task| task.is_woken()).collect();
    assert_eq!(woken, [true, true, false, true, false, true, false, true, true, false, true, false]);
    for task in waiting.iter_mut().filter(|task| task.is_woken()) {
        assert!(task.poll().is_some(), "woken for something");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_woken_in_waves() {
    let f = Fixture::start().await;
    let mut crowd: Vec<_> = (0..64).map(|_| f.watch(From::Now, Scope::all()).unwrap()).collect();
    let mut narrow = f.watch(From::Now, Scope::all().namespace("d")).unwrap();
    // The first event wakes at once.
    f.put("d/first", pod("a", "n")).await;
    let begun = Instant::now();
    crowd[0].next().await.unwrap();
    narrow.next().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // The next ones come together, a little later. Who looks anyway does not wait.
    let (mut one, mut few) = (tokio_test_task(crowd[0].next()), tokio_test_task(narrow.next()));
    assert!(one.poll().is_none() && few.poll().is_none());
    f.put("d/second", pod("a", "n")).await;
    f.put("d/third", pod("a", "n")).await;
    assert!(!one.is_woken() && few.is_woken());
    tokio::time::sleep(Duration::from_millis(6)).await;
    assert!(one.is_woken());
    drop(one);
    assert_eq!(drain(&mut crowd[0]).len(), 2);
    assert_eq!(drain(&mut crowd[1]).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_expires_alone() {
    let f = Fixture::start_with(options().history(Duration::from_secs(75), 2..=8, 1 << 20)).await;
    let mut slow = f.watch(From::Now, Scope::all()).unwrap();
    let mut slow_narrow = f.watch(From::Now, Scope::all().namespace("d")).unwrap();
    let mut quick = f.watch(From::Now, Scope::all()).unwrap();
    let mut quiet = f.watch(From::Now, Scope::all().namespace("quiet")).unwrap();
    let mut last = 0;
    for n in 0..20 {
        last = f.put(&format!("d/p{n}"), pod("a", "n")).await;
        assert_eq!(drain(&mut quick).len(), 1);
    }
    let expired = Err(WatchError::Expired(Expired { oldest: last - 8 }));
    assert_eq!(slow.next().await.map(|_| ()), expired);
    assert_eq!(slow_narrow.next().await.map(|_| ()), expired);
    assert_eq!(f.watch(From::Revision(last - 9), Scope::all()).err(), Some(Expired { oldest: last - 8 }));
    let other = f.put("quiet/p", pod("a", "n")).await;
    assert_eq!(drain(&mut quiet), [format!("ADDED quiet/p {other}")], "one with nothing to read is never too slow");
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_by_bytes_too() {
    let f = Fixture::start_with(options().history(Duration::from_secs(75), 100..=1000, 20_000)).await;
    let start = f.cache.revision();
    let big = "x".repeat(4000);
    for _ in 0..10 {
        f.put("d/a", pod(&big, "n")).await;
    }
    let oldest = f.watch(From::Revision(start), Scope::all()).err().unwrap().oldest;
    let kept = f.cache.revision() - oldest;
    assert!((3..=5).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_every_minute_and_before_the_deadline() {
    let f = Fixture::start().await;
    let begun = Instant::now();
    let mut watcher = f
        .cache
        .watch(WatchOptions {
            from: From::Now,
            scope: Scope::all().namespace("none"),
            filter: None,
            bookmarks: true,
            deadline: Some(begun + Duration::from_secs(100)),
        })
        .unwrap();
    let a = f.put("d/a", pod("a", "n")).await;
    assert_eq!(describe(&watcher.next().await.unwrap()), format!("bookmark {a}"));
    assert_eq!(begun.elapsed().as_secs(), 60);
    f.store.inner().put("/registry/other", Bytes::new(), Expect::Absent, None).await.unwrap();
    assert_eq!(describe(&watcher.next().await.unwrap()), format!("bookmark {}", a + 1));
    assert_eq!(begun.elapsed().as_secs(), 98);
    tokio::time::advance(Duration::from_secs(1000)).await;
    assert!(watcher.next().now_or_never().is_none(), "none after the last");
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_never_says_less_than_the_start() {
    let f = Fixture::start().await;
    let options = WatchOptions { from: From::Now, scope: Scope::all(), filter: None, bookmarks: true, deadline: None };
    let mut watcher = f.cache.watch(options).unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(300), watcher.next()).await.is_err(), "nothing happened");
}

#[tokio::test(start_paused = true)]
async fn stopping_the_cache_closes_watches() {
    let f = Fixture::start().await;
    let mut wide = f.watch(From::Now, Scope::all()).unwrap();
    let mut narrow = f.watch(From::Now, Scope::all().namespace("d")).unwrap();
    let (wide, narrow, ()) = tokio::join!(wide.next(), narrow.next(), async { f.feed.stop() });
    assert_eq!(wide.err(), Some(WatchError::Closed));
    assert_eq!(narrow.err(), Some(WatchError::Closed));
}

#[tokio::test(start_paused = true)]
async fn batches_are_no_larger_than_asked_for() {
    let f = Fixture::start().await;
    for n in 0..10 {
        f.put(&format!("d/p{n}"), pod("a", "n")).await;
    }
    let mut watcher = f.watch(From::InitialThen, Scope::all()).unwrap();
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let mut batch = Vec::new();
        watcher.next_batch(&mut batch, 4).await.unwrap();
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [4, 4, 3]);
}

/// A future polled by hand that knows whether it was woken.
struct Task<'a, T> {
    future: futures::future::BoxFuture<'a, T>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl futures::task::ArcWake for Woken {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

fn tokio_test_task<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Task<'a, T> {
    Task { future: future.boxed(), woken: Arc::default() }
}

impl<T> Task<'_, T> {
    fn poll(&mut self) -> Option<T> {
        let waker = futures::task::waker(self.woken.clone());
        match self.future.poll_unpin(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}
