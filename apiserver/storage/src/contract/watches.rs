//! The contract of watches: every event once, in order, from any revision; progress; size and number.

use bytes::Bytes;
use futures::future::join_all;

use super::{Fixture, assert_quiet, next, next_change, revision_of};
use crate::{Error, Expect, Revision, WatchEvent};

/// A history with every kind of event, and those events.
async fn story(f: &Fixture) -> Vec<WatchEvent> {
    let a1 = f.create("a", "1").await;
    let a2 = f.put("a", "2", Expect::ModRevision(a1)).await;
    let b1 = f.create("b", "1").await;
    let a3 = f.delete("a", a2).await;
    let a4 = f.create("a", "4").await;
    let b2 = f.delete("b", b1).await;
    let (first, second) = (f.key_value("a", "1", a1, a1), f.key_value("a", "2", a1, a2));
    let b = f.key_value("b", "1", b1, b1);
    vec![
        WatchEvent::Put { current: first.clone(), previous: None },
        WatchEvent::Put { current: second.clone(), previous: Some(first) },
        WatchEvent::Put { current: b.clone(), previous: None },
        WatchEvent::Delete { key: f.key("a"), revision: a3, previous: Some(second) },
        WatchEvent::Put { current: f.key_value("a", "4", a4, a4), previous: None },
        WatchEvent::Delete { key: f.key("b"), revision: b2, previous: Some(b) },
    ]
}

pub(super) async fn events(f: Fixture) {
    let from = f.create("0", "before").await + 1;
    let mut live = f.watch(from).await;
    let (key, end) = (f.key("b"), f.key("c"));
    let mut only_b = f.store.watch(&key..&end, from).await.expect("watch");
    let story = story(&f).await;
    let mut replayed = f.watch(from).await;
    for event in &story {
        assert_eq!(next_change(&mut live).await, *event);
        assert_eq!(next_change(&mut replayed).await, *event);
    }
    for event in [&story[2], &story[5]] {
        assert_eq!(next_change(&mut only_b).await, *event);
    }
    drop(replayed);
    let last = f.create("c", "5").await;
    let created = WatchEvent::Put { current: f.key_value("c", "5", last, last), previous: None };
    assert_eq!(next_change(&mut live).await, created, "a watch outlives the end of another");
    assert_quiet(&mut only_b).await;
    assert_quiet(&mut live).await;
}

pub(super) async fn resumes_anywhere(f: Fixture) {
    let story = story(&f).await;
    let first = revision_of(&story[0]);
    let last = revision_of(&story[story.len() - 1]);
    for from in first..=last {
        let mut watch = f.watch(from).await;
        for event in story.iter().filter(|event| revision_of(event) >= from) {
            assert_eq!(next_change(&mut watch).await, *event, "watching from {from}");
        }
        assert_quiet(&mut watch).await;
    }
}

pub(super) async fn from_now(f: Fixture) {
    f.create("old", "1").await;
    let mut watch = f.watch(0).await;
    let revision = f.create("new", "1").await;
    let current = f.key_value("new", "1", revision, revision);
    assert_eq!(next_change(&mut watch).await, WatchEvent::Put { current, previous: None });
}

pub(super) async fn of_a_future_revision(f: Fixture) {
    let now = f.create("a", "1").await;
    let mut watch = f.watch(now + 3).await;
    f.create("b", "1").await;
    f.create("c", "1").await;
    assert_quiet(&mut watch).await;
    let mut revision = f.create("d", "1").await;
    // Others may have written in between, so that one of the earlier ones was already far enough.
    let event = next_change(&mut watch).await;
    assert!(revision_of(&event) >= now + 3 && revision_of(&event) <= revision, "{event:?}");
    while revision_of(&event) < revision {
        revision = revision_of(&next_change(&mut watch).await);
    }
}

pub(super) async fn of_an_empty_range(f: Fixture) {
    for (start, end) in [("b", "b"), ("c", "a")] {
        let (start, end) = (f.key(start), f.key(end));
        assert!(matches!(f.store.watch(&start..&end, 0).await.err(), Some(Error::Fatal(_))), "{start}..{end}");
    }
}

pub(super) async fn progress(f: Fixture) {
    let from = f.create("a", "1").await;
    let mut watch = f.watch(from).await;
    assert_eq!(revision_of(&next_change(&mut watch).await), from);
    // The range is quiet while the store goes on elsewhere.
    let elsewhere = Fixture::new(f.store.clone());
    for round in 0..3 {
        elsewhere.create(&format!("{round}"), "x").await;
        let current = f.store.current_revision().await.expect("revision");
        f.store.request_progress().await.expect("request");
        loop {
            match next(&mut watch).await.expect("an event") {
                WatchEvent::Progress(revision) if revision >= current => break,
                WatchEvent::Progress(_) => (),
                event => panic!("unexpected {event:?}"),
            }
        }
    }
    let last = f.create("b", "1").await;
    assert_eq!(revision_of(&next_change(&mut watch).await), last);
}

pub(super) async fn progress_never_overtakes(f: Fixture) {
    const WRITES: usize = 150;
    let from = f.create("start", "1").await + 1;
    let writer = tokio::spawn({
        let f = f.clone();
        async move {
            let mut last = 0;
            for i in 0..WRITES {
                last = f.create(&format!("{i:03}"), "x").await;
                if i % 3 == 0 {
                    last = f.delete(&format!("{i:03}"), last).await;
                }
            }
            last
        }
    });
    let asker = tokio::spawn({
        let f = f.clone();
        async move {
            for _ in 0..60 {
                f.store.request_progress().await.expect("request");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    });
    // One watcher from the start, and late ones that must catch up first.
    let late = |after: u64| {
        let f = f.clone();
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(after)).await;
            let mut watch = f.watch(from).await;
            let (mut promised, mut changes): (Revision, usize) = (0, 0);
            while changes < WRITES + WRITES / 3 {
                match next(&mut watch).await.expect("an event") {
                    WatchEvent::Progress(revision) => {
                        assert!(revision >= promised, "progress went back");
                        promised = revision;
                    }
                    event => {
                        let revision = revision_of(&event);
                        assert!(revision > promised, "event {revision} after progress {promised}");
                        promised = revision;
                        changes += 1;
                    }
                }
            }
            promised
        }
    };
    let watchers = join_all([0, 20, 60].map(late)).await;
    let last = writer.await.expect("no panic");
    assert!(watchers.into_iter().all(|seen| seen == last));
    asker.await.expect("no panic");
}

pub(super) async fn big_values(f: Fixture) {
    const SIZE: usize = 1_500_000;
    const KEYS: u8 = 8;
    let value = |i: u8| Bytes::from(vec![i; SIZE]);
    let from = f.store.current_revision().await.expect("revision") + 1;
    let mut revisions = Vec::new();
    for i in 0..KEYS {
        revisions.push(f.put(&format!("{i}"), value(i), Expect::Absent).await);
    }
    let replaced = f.put("0", value(99), Expect::ModRevision(revisions[0])).await;

    let read = f.get("1", None).await.expect("the key");
    assert!(read.value == value(1));
    let page = f.store.list(f.range(), 0, None).await.expect("a page larger than any one message need be").value;
    assert_eq!(page.items.iter().map(|kv| kv.value.len()).sum::<usize>(), SIZE * usize::from(KEYS));

    let mut watch = f.watch(from).await;
    for i in 0..KEYS {
        let WatchEvent::Put { current, .. } = next_change(&mut watch).await else { panic!("not a put") };
        assert!(current.value == value(i));
    }
    let WatchEvent::Put { current, previous } = next_change(&mut watch).await else { panic!("not a put") };
    assert!(current.mod_revision == replaced && current.value == value(99));
    assert!(previous.is_some_and(|kv| kv.value == value(0)));
}

pub(super) async fn many_watchers(f: Fixture) {
    const WATCHERS: usize = 200;
    const EVENTS: usize = 20;
    let from = f.store.current_revision().await.expect("revision") + 1;
    let mut watches = Vec::new();
    for _ in 0..WATCHERS {
        watches.push(f.watch(from).await);
    }
    let mut written = Vec::new();
    for i in 0..EVENTS {
        written.push(f.create(&format!("{i}"), "x").await);
    }
    let all = watches.into_iter().map(|mut watch| async move {
        let mut seen = Vec::new();
        while seen.len() < EVENTS {
            seen.push(revision_of(&next_change(&mut watch).await));
        }
        seen
    });
    for seen in join_all(all).await {
        assert_eq!(seen, written);
    }
}
