//! Tests of what the embedded store adds to the contract: durability, locking, recovery, a full disk.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use futures::StreamExt;
use futures::future::join_all;

use super::*;
use crate::WatchEvent;

fn quiet() -> EmbeddedOptions {
    EmbeddedOptions { compaction_interval: Duration::ZERO, ..EmbeddedOptions::default() }
}

async fn put(store: &EmbeddedStore, key: &str, value: &str, expect: Expect) -> Revision {
    match store.put(key, Bytes::copy_from_slice(value.as_bytes()), expect, None).await {
        Ok(Outcome::Done(revision)) => revision,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_with(dir.path(), quiet()).await.unwrap();
    crate::contract::run(|| async { store.clone() as Arc<dyn Store> }).await;
}

#[tokio::test]
async fn everything_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let a1 = put(&store, "/a", "1", Expect::Absent).await;
    let b1 = put(&store, "/b", "1", Expect::Absent).await;
    let a2 = put(&store, "/a", "2", Expect::ModRevision(a1)).await;
    store.compact(a2).await.unwrap();
    store.delete("/b", b1).await.unwrap();
    let last = put(&store, "/c", "1", Expect::Absent).await;

    let story = async |store: &EmbeddedStore| {
        let mut watch = store.watch("/".."0", a2).await.unwrap();
        let mut events = Vec::new();
        for _ in 0..3 {
            events.push(watch.next().await.unwrap().unwrap());
        }
        (events, store.list("/".."0", 0, None).await.unwrap(), store.list("/".."0", 0, Some(a2)).await.unwrap())
    };
    let before = story(&store).await;
    assert!(matches!(&before.0[0], WatchEvent::Put { previous: Some(previous), .. } if previous.mod_revision == a1));
    drop(store);
    for _ in 0..2 {
        let store = EmbeddedStore::open(dir.path()).await.unwrap();
        assert_eq!(story(&store).await, before);
        assert_eq!(store.current_revision().await.unwrap(), last);
        let old = store.get("/a", Some(a1)).await;
        assert!(matches!(old, Err(Error::Compacted { oldest: Some(oldest) }) if oldest == a2));
        assert!(matches!(store.compact(a2).await, Err(Error::Compacted { .. })));
    }
}

#[tokio::test]
async fn a_store_compacted_to_its_end_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let first = put(&store, "/a", "1", Expect::Absent).await;
    let crate::Outcome::Done(gone) = store.delete("/a", first).await.unwrap() else { panic!() };
    store.compact(gone).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    assert_eq!(store.current_revision().await.unwrap(), gone);
    assert_eq!(put(&store, "/b", "1", Expect::Absent).await, gone + 1);
    store.compact(gone + 1).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    assert_eq!(put(&store, "/c", "1", Expect::Absent).await, gone + 2);
    assert_eq!(store.count("/".."0").await.unwrap().value, 2);
}

#[tokio::test]
async fn a_directory_opens_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let error = EmbeddedStore::open(dir.path()).await.err().expect("a refusal").to_string();
    assert!(error.contains("already open") && error.contains(dir.path().to_str().unwrap()), "{error}");
    drop(store);
    EmbeddedStore::open(dir.path()).await.unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = EmbeddedStore::open(&file).await.err().expect("a refusal").to_string();
    assert!(error.contains(file.to_str().unwrap()) && !error.contains('\n'), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ttl_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let ttl = Some(Duration::from_secs(3));
    let Ok(Outcome::Done(b)) = store.put("/b", "x".into(), Expect::Absent, ttl).await else { panic!() };
    put(&store, "/b", "y", Expect::ModRevision(b)).await;
    let Ok(Outcome::Done(a)) = store.put("/a", "x".into(), Expect::Absent, ttl).await else { panic!() };
    drop(store);
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let mut watch = store.watch("/".."0", a + 1).await.unwrap();
    let event = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(&event, WatchEvent::Delete { key, .. } if key == "/a"), "{event:?}");
    assert!(store.get("/b", None).await.unwrap().value.is_some());
}

#[tokio::test]
async fn a_full_disk_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let first = put(&store, "/a", "1", Expect::Absent).await;
    drop(store);
    let full = EmbeddedOptions { reserve: u64::MAX, ..quiet() };
    let store = EmbeddedStore::open_with(dir.path(), full).await.unwrap();
    let error = store.put("/b", "1".into(), Expect::Absent, None).await.expect_err("full");
    assert!(matches!(&error, Error::Fatal(message) if message.contains("no space left")), "{error}");
    assert_eq!(store.current_revision().await.unwrap(), first);
    assert!(store.get("/a", None).await.unwrap().value.is_some());
    store.ping().await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    assert_eq!(put(&store, "/b", "1", Expect::Absent).await, first + 1);
}

#[tokio::test]
async fn compacts_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { compaction_interval: Duration::from_millis(50), ..quiet() };
    let store = EmbeddedStore::open_with(dir.path(), options).await.unwrap();
    let first = put(&store, "/a", "0", Expect::Absent).await;
    let mut last = first;
    for i in 0.. {
        assert!(i < 200, "never compacted");
        last = put(&store, "/a", "x", Expect::ModRevision(last)).await;
        match store.get("/a", Some(first)).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(Error::Compacted { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
}

const CRASH_DIR: &str = "KYBERN_STORAGE_CRASH_DIR";

/// The process that [`nothing_acknowledged_is_lost`] kills; does nothing in a normal run.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn crashing_writer() {
    let Ok(dir) = std::env::var(CRASH_DIR) else { return };
    let store = EmbeddedStore::open(dir).await.unwrap();
    let writers = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for i in 0..1_000_000 {
                let key = format!("/{task}/{i}");
                let revision = put(&store, &key, &"x".repeat(500), Expect::Absent).await;
                // One call, so that lines of several tasks do not mix.
                std::io::stdout().write_all(format!("ack {key} {revision}\n").as_bytes()).unwrap();
            }
        })
    });
    join_all(writers).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let path = dir.path().join(round.to_string());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded::tests::crashing_writer", "--nocapture"])
            .env(CRASH_DIR, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(|line| line.ok());
        let mut acknowledged: Vec<String> =
            lines.by_ref().filter(|l| l.starts_with("ack ")).take(500 * round).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.filter(|line| line.starts_with("ack ")));

        let store = EmbeddedStore::open(&path).await.unwrap();
        for line in &acknowledged {
            let [_, key, revision] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let Ok(revision) = revision.parse::<Revision>() else { continue };
            let found = store.get(key, None).await.unwrap().value;
            assert_eq!(found.map(|kv| kv.mod_revision), Some(revision), "{line}");
        }
        println!("round {round}: {} acknowledged", acknowledged.len());
        // And the log has no holes.
        let current = store.current_revision().await.unwrap();
        let mut watch = store.watch("/".."0", 2).await.unwrap();
        for expected in 2..=current {
            let Some(Ok(WatchEvent::Put { current, .. })) = watch.next().await else { panic!("no put") };
            assert_eq!(current.mod_revision, expected);
        }
    }
}
