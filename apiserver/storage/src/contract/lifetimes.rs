//! The contract of endings: compaction of history and expiry of keys.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;

use super::{Fixture, assert_quiet, conflict, done, next, next_change};
use crate::{Error, Expect, Outcome, Revision, Watch, WatchEvent};

fn is_compacted<T>(result: crate::Result<T>) -> bool {
    matches!(result, Err(Error::Compacted { .. }))
}

/// Whether watching fails, at once or as its only item.
async fn watch_is_compacted(f: &Fixture, from: Revision) -> bool {
    match f.store.watch(f.range(), from).await {
        Err(error) => matches!(error, Error::Compacted { .. }),
        Ok(mut watch) => is_compacted(next(&mut watch).await) && ends(&mut watch).await,
    }
}

async fn ends(watch: &mut Watch) -> bool {
    matches!(tokio::time::timeout(super::PATIENCE, watch.next()).await, Ok(None))
}

pub(super) async fn compaction(f: Fixture) {
    let quiet = f.create("quiet", "1").await;
    let gone = f.create("gone", "1").await;
    let gone = f.delete("gone", gone).await;
    let mut revisions = vec![f.create("a", "0").await];
    for i in 1..6 {
        let expect = Expect::ModRevision(revisions[i - 1]);
        revisions.push(f.put("a", i.to_string(), expect).await);
    }
    let mut open = f.watch(revisions[0]).await;
    let at = revisions[3];
    f.store.compact(at).await.expect("compact");

    for old in [quiet, gone, revisions[0], at - 1] {
        assert!(is_compacted(f.store.get(&f.key("a"), Some(old)).await), "get at {old}");
        assert!(is_compacted(f.store.list(f.range(), 0, Some(old)).await), "list at {old}");
        assert!(watch_is_compacted(&f, old).await, "watch from {old}");
        assert!(is_compacted(f.store.compact(old).await), "compact again at {old}");
    }
    assert!(is_compacted(f.store.compact(at).await), "the same compaction again");

    let value = |i: usize| Some(f.key_value("a", &i.to_string(), revisions[0], revisions[i]));
    for (i, kept) in revisions.iter().enumerate().skip(3) {
        assert_eq!(f.get("a", Some(*kept)).await, value(i));
    }
    assert_eq!(f.get("quiet", Some(at)).await, Some(f.key_value("quiet", "1", quiet, quiet)), "what is current stays");
    assert_eq!(f.get("gone", Some(at)).await, None);
    let page = f.store.list(f.range(), 0, Some(at)).await.expect("list").value;
    assert_eq!((page.items.len(), page.count), (2, 2));

    let mut watch = f.watch(at + 1).await;
    for i in 4..6 {
        let Some(current) = value(i) else { panic!("no value") };
        assert_eq!(next_change(&mut watch).await, WatchEvent::Put { current, previous: value(i - 1) });
    }
    // A watch that was open has either kept up or says so; it never skips silently.
    let mut expected = 0;
    loop {
        match next(&mut open).await {
            Ok(WatchEvent::Put { current, .. }) => {
                assert_eq!(current.mod_revision, revisions[expected]);
                expected += 1;
                if expected == revisions.len() {
                    break;
                }
            }
            Ok(WatchEvent::Progress(_)) => (),
            Err(Error::Compacted { .. }) => {
                assert!(ends(&mut open).await, "an error is the last item");
                break;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

pub(super) async fn compaction_keeps_previous(f: Fixture) {
    let first = f.create("a", "1").await;
    let at = f.create("b", "1").await;
    f.store.compact(at).await.expect("compact");
    let second = f.put("a", "2", Expect::ModRevision(first)).await;
    let third = f.delete("a", second).await;
    let mut watch = f.watch(at).await;
    let (one, two) = (f.key_value("a", "1", first, first), f.key_value("a", "2", first, second));
    assert_eq!(
        next_change(&mut watch).await,
        WatchEvent::Put { current: f.key_value("b", "1", at, at), previous: None }
    );
    assert_eq!(next_change(&mut watch).await, WatchEvent::Put { current: two.clone(), previous: Some(one) });
    let deleted = WatchEvent::Delete { key: f.key("a"), revision: third, previous: Some(two) };
    assert_eq!(next_change(&mut watch).await, deleted);
    f.store.compact(third).await.expect("compact");
    assert_eq!(f.get("a", None).await, None);
    let again = f.create("a", "3").await;
    assert_eq!(f.get("a", None).await, Some(f.key_value("a", "3", again, again)));
}

pub(super) async fn time_to_live(f: Fixture) {
    const TTL: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    let mut kept = Vec::new();
    for name in ["a", "b"] {
        let key = f.key(name);
        let revision = done(f.store.put(&key, "x".into(), Expect::Absent, Some(TTL)).await);
        kept.push(f.key_value(name, "x", revision, revision));
    }
    f.create("stays", "x").await;
    let mut watch = f.watch(kept[0].mod_revision + 1).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match next_change(&mut watch).await {
            WatchEvent::Put { .. } => (),
            WatchEvent::Delete { key, revision, previous } => {
                assert!(begun.elapsed() >= TTL, "{key} expired after {:?}", begun.elapsed());
                assert!(previous.as_ref().is_some_and(|kv| kv.key == key && kv.mod_revision < revision));
                seen.extend(previous);
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    seen.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(seen, kept);
    assert_eq!(f.get("a", None).await, None);
    assert!(f.get("stays", None).await.is_some());
}

pub(super) async fn time_to_live_replaced(f: Fixture) {
    let mut ttl = Duration::from_secs(2);
    while !replaced_in_time(&f, ttl).await {
        ttl *= 2;
    }
}

/// Whether the store was fast enough to replace the keys before they expired.
async fn replaced_in_time(f: &Fixture, ttl: Duration) -> bool {
    let [forever, longer, short] = ["forever", "longer", "short"].map(|name| format!("{name}-{}", ttl.as_secs()));
    let put = async |name: &str, expect, ttl| f.store.put(&f.key(name), "x".into(), expect, ttl).await;
    let first = done(put(&forever, Expect::Absent, Some(ttl)).await);
    let second = done(put(&longer, Expect::Absent, Some(ttl)).await);
    let third = done(put(&short, Expect::Absent, Some(ttl)).await);
    for outcome in [
        put(&forever, Expect::ModRevision(first), None).await,
        put(&longer, Expect::ModRevision(second), Some(ttl * 30)).await,
    ] {
        if !matches!(outcome, Ok(Outcome::Done(_))) {
            assert!(conflict(outcome).is_none(), "what is gone is absent");
            return false;
        }
    }
    let mut watch = f.watch(third + 1).await;
    loop {
        match next_change(&mut watch).await {
            WatchEvent::Put { current, .. } => assert_ne!(current.key, f.key(&short)),
            WatchEvent::Delete { key, previous, .. } => {
                assert_eq!((key, previous.map(|kv| kv.mod_revision)), (f.key(&short), Some(third)));
                break;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_quiet(&mut watch).await;
    assert!(f.get(&forever, None).await.is_some() && f.get(&longer, None).await.is_some());
    true
}
