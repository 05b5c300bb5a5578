//! The contract of writes: conditions, revisions, concurrency.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::{Fixture, conflict, done};
use crate::{Error, Expect, Outcome};

pub(super) async fn write_and_read(f: Fixture) {
    let before = f.store.current_revision().await.expect("revision");
    assert_eq!(f.get("a", None).await, None);

    let created = f.create("a", "1").await;
    assert!(created > before);
    assert_eq!(f.get("a", None).await, Some(f.key_value("a", "1", created, created)));

    let updated = f.put("a", "2", Expect::ModRevision(created)).await;
    assert!(updated > created);
    let read = f.store.get(&f.key("a"), None).await.expect("get");
    assert_eq!(read.value, Some(f.key_value("a", "2", created, updated)));
    assert!(read.revision >= updated);

    let same = f.put("a", "2", Expect::ModRevision(updated)).await;
    assert!(same > updated, "writing the same value is a write");
    let empty = f.put("a", "", Expect::ModRevision(same)).await;
    assert_eq!(f.get("a", None).await, Some(f.key_value("a", "", created, empty)), "an empty value is a value");

    let deleted = f.delete("a", empty).await;
    assert!(deleted > empty);
    assert_eq!(f.get("a", None).await, None);
    assert!(f.store.current_revision().await.expect("revision") >= deleted);
}

pub(super) async fn conditions(f: Fixture) {
    let (a, put) = (f.key("a"), |expect| {
        let f = f.clone();
        async move { f.store.put(&f.key("a"), "x".into(), expect, None).await }
    });
    assert_eq!(conflict(put(Expect::ModRevision(1)).await), None);
    assert_eq!(conflict(f.store.delete(&a, 1).await), None);
    assert_eq!(conflict(f.store.delete(&a, 0).await), None);

    let first = f.create("a", "1").await;
    let state = Some(f.key_value("a", "1", first, first));
    assert_eq!(conflict(put(Expect::Absent).await), state);
    assert_eq!(conflict(put(Expect::ModRevision(0)).await), state);
    assert_eq!(conflict(put(Expect::ModRevision(first - 1)).await), state);
    assert_eq!(conflict(put(Expect::ModRevision(first + 1)).await), state);
    assert_eq!(conflict(f.store.delete(&a, first + 1).await), state);
    assert_eq!(conflict(f.store.delete(&a, 0).await), state);
    assert_eq!(f.get("a", None).await, state, "a conflict writes nothing");

    let second = f.put("a", "2", Expect::ModRevision(first)).await;
    assert_eq!(conflict(put(Expect::ModRevision(first)).await), Some(f.key_value("a", "2", first, second)));
    f.delete("a", second).await;
    assert_eq!(conflict(put(Expect::ModRevision(second)).await), None);
    assert_eq!(conflict(f.store.delete(&a, second).await), None);
    f.put("a", "3", Expect::ModRevision(0)).await;
}

pub(super) async fn recreation(f: Fixture) {
    let first = f.create("a", "1").await;
    let deleted = f.delete("a", first).await;
    let second = f.create("a", "2").await;
    assert!(first < deleted && deleted < second);
    assert_eq!(f.get("a", None).await, Some(f.key_value("a", "2", second, second)));
    let third = f.put("a", "3", Expect::ModRevision(second)).await;
    assert_eq!(f.get("a", None).await, Some(f.key_value("a", "3", second, third)));
}

pub(super) async fn empty_key(f: Fixture) {
    let error = f.store.put("", "x".into(), Expect::Absent, None).await.expect_err("put");
    assert!(matches!(error, Error::Fatal(_)), "{error}");
}

pub(super) async fn concurrent_creation(f: Fixture) {
    let key = f.key("a");
    let attempts = (0..16).map(|i| {
        let (f, key) = (f.clone(), key.clone());
        tokio::spawn(async move { f.store.put(&key, format!("{i}").into(), Expect::Absent, None).await })
    });
    let mut winners = Vec::new();
    for (i, outcome) in join_all(attempts).await.into_iter().enumerate() {
        match outcome.expect("no panic").expect("an outcome") {
            Outcome::Done(revision) => winners.push((i, revision)),
            Outcome::Conflict(read) => assert!(read.value.is_some(), "who lost saw the winner's key"),
        }
    }
    let [(winner, revision)] = winners[..] else { panic!("not one winner: {winners:?}") };
    assert_eq!(f.get("a", None).await, Some(f.key_value("a", &winner.to_string(), revision, revision)));
}

pub(super) async fn concurrent_compare_and_swap(f: Fixture) {
    const TASKS: usize = 8;
    const INCREMENTS: usize = 10;
    let created = f.create("counter", "0").await;
    let key = f.key("counter");
    let tasks = (0..TASKS).map(|_| {
        let (f, key) = (f.clone(), key.clone());
        tokio::spawn(async move {
            let mut written = Vec::new();
            let mut known = f.get("counter", None).await;
            while written.len() < INCREMENTS {
                let found = known.take().expect("the counter exists");
                let count: usize = String::from_utf8_lossy(&found.value).parse().expect("a number");
                let expect = Expect::ModRevision(found.mod_revision);
                match f.store.put(&key, (count + 1).to_string().into(), expect, None).await.expect("put") {
                    Outcome::Done(revision) => {
                        written.push(revision);
                        known = f.get("counter", None).await;
                    }
                    Outcome::Conflict(read) => {
                        let newer = read.value.as_ref().is_some_and(|kv| kv.mod_revision != found.mod_revision);
                        assert!(newer, "a conflict shows why");
                        known = read.value;
                    }
                }
            }
            written
        })
    });
    let revisions: Vec<_> = join_all(tasks).await.into_iter().flat_map(|t| t.expect("no panic")).collect();
    let distinct: BTreeSet<_> = revisions.iter().copied().collect();
    assert_eq!(distinct.len(), TASKS * INCREMENTS, "every write has its own revision");
    let last = *distinct.last().expect("some");
    let total = (TASKS * INCREMENTS).to_string();
    assert_eq!(f.get("counter", None).await, Some(f.key_value("counter", &total, created, last)));
}

pub(super) async fn linearizable_reads(f: Fixture) {
    let tasks = (0..8).map(|task| {
        let f = f.clone();
        tokio::spawn(async move {
            let key = f.key(&format!("{task}"));
            let mut expect = Expect::Absent;
            for i in 0..20 {
                let revision = done(f.store.put(&key, format!("{i}").into(), expect, None).await);
                expect = Expect::ModRevision(revision);
                assert!(f.store.current_revision().await.expect("revision") >= revision);
                let read = f.store.get(&key, None).await.expect("get");
                assert!(read.revision >= revision);
                assert_eq!(read.value.map(|kv| kv.mod_revision), Some(revision));
                let page = f.store.list(f.range(), 0, None).await.expect("list").value;
                assert!(page.items.iter().any(|kv| kv.key == key && kv.mod_revision == revision));
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("no panic");
    }
}
