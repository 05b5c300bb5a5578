//! The contract of reads: ranges, pages, old and future revisions.

use super::{Fixture, PATIENCE};
use crate::{Error, Expect, Page, Revision};

async fn names(f: &Fixture, start: &str, end: &str, limit: usize, at: Option<Revision>) -> (Vec<String>, bool, i64) {
    let (start, end) = (f.key(start), f.key(end));
    let Page { items, more, count } = f.store.list(&start..&end, limit, at).await.expect("list").value;
    let names = items.iter().map(|kv| kv.key.trim_start_matches(&f.prefix).to_owned()).collect();
    (names, more, count)
}

pub(super) async fn ranges(f: Fixture) {
    // Written out of order, with neighbours that a prefix must not catch and characters of every width.
    for name in ["c", "a/b", "a", "a/é", "a0", "a/b/c", "a/\u{10348}", "b"] {
        f.create(name, "v").await;
    }
    let all = ["a", "a/b", "a/b/c", "a/é", "a/\u{10348}", "a0", "b", "c"];
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();

    let read = f.store.list(f.range(), 0, None).await.expect("list");
    assert!(read.revision >= read.value.items.iter().map(|kv| kv.mod_revision).max().unwrap_or(0));
    assert_eq!(names(&f, "", "~", 0, None).await, (owned(&all), false, 8));
    assert_eq!(names(&f, "a/", "a0", 0, None).await, (owned(&all[1..5]), false, 4));
    assert_eq!(names(&f, "a", "c", 0, None).await, (owned(&all[..7]), false, 7), "the end is exclusive");
    assert_eq!(names(&f, "c", "c0", 0, None).await, (owned(&["c"]), false, 1), "the start is inclusive");

    assert_eq!(names(&f, "", "~", 3, None).await, (owned(&all[..3]), true, 8));
    assert_eq!(names(&f, "", "~", 8, None).await, (owned(&all), false, 8), "exactly full");
    assert_eq!(names(&f, "", "~", 9, None).await, (owned(&all), false, 8));

    for (start, end) in [("x", "y"), ("b", "b"), ("c", "a")] {
        assert_eq!(names(&f, start, end, 0, None).await, (vec![], false, 0), "{start}..{end}");
        assert_eq!(names(&f, start, end, 1, None).await, (vec![], false, 0), "{start}..{end}");
        let (start, end) = (f.key(start), f.key(end));
        assert_eq!(f.store.count(&start..&end).await.expect("count").value, 0);
    }
    for (start, end) in [("", ""), ("a", ""), ("", "\0")] {
        assert_eq!(f.store.list(start..end, 0, None).await.expect("list").value, Page::default(), "{start:?}..{end:?}");
        assert_eq!(f.store.count(start..end).await.expect("count").value, 0, "{start:?}..{end:?}");
    }
    let everything = f.store.list("".."\u{10ffff}", 0, None).await.expect("list").value;
    assert!(everything.count >= 8 && everything.items.len() as i64 == everything.count);

    let count = f.store.count(f.range()).await.expect("count");
    assert_eq!(count.value, 8);
    assert!(count.revision >= read.revision);
}

pub(super) async fn old_revisions(f: Fixture) {
    let a1 = f.create("a", "1").await;
    let b1 = f.create("b", "1").await;
    let a2 = f.put("a", "2", Expect::ModRevision(a1)).await;
    let b2 = f.delete("b", b1).await;
    let b3 = f.create("b", "3").await;

    let state = |at| {
        let f = f.clone();
        async move { (f.get("a", Some(at)).await, f.get("b", Some(at)).await) }
    };
    let (a_first, a_second) = (f.key_value("a", "1", a1, a1), f.key_value("a", "2", a1, a2));
    let (b_first, b_third) = (f.key_value("b", "1", b1, b1), f.key_value("b", "3", b3, b3));
    assert_eq!(state(a1 - 1).await, (None, None));
    assert_eq!(state(a1).await, (Some(a_first.clone()), None));
    assert_eq!(state(b1).await, (Some(a_first.clone()), Some(b_first.clone())));
    assert_eq!(state(a2).await, (Some(a_second.clone()), Some(b_first.clone())));
    assert_eq!(state(b2).await, (Some(a_second.clone()), None));
    assert_eq!(state(b3).await, (Some(a_second.clone()), Some(b_third.clone())));
    assert_eq!(state(0).await, (Some(a_second.clone()), Some(b_third.clone())), "0 is now");

    for (at, items) in [
        (a1, vec![a_first.clone()]),
        (b1, vec![a_first, b_first.clone()]),
        (a2, vec![a_second.clone(), b_first]),
        (b2, vec![a_second.clone()]),
        (b3, vec![a_second, b_third]),
    ] {
        let read = f.store.list(f.range(), 0, Some(at)).await.expect("list");
        assert_eq!(read.value.count, items.len() as i64, "at {at}");
        assert_eq!(read.value.items, items, "at {at}");
        assert_eq!(read.revision, at, "a read at a revision is of that revision");
    }
}

pub(super) async fn pagination_at_an_old_revision(f: Fixture) {
    let mut created = Vec::new();
    for i in 0..25 {
        created.push(f.create(&format!("{i:02}"), "old").await);
    }
    let at = *created.last().expect("created some");

    let mut seen = Vec::new();
    let mut start = f.prefix.clone();
    loop {
        let page = f.store.list(&start..&f.end, 10, Some(at)).await.expect("list").value;
        assert_eq!(page.count, 25 - seen.len() as i64);
        let Some(last) = page.items.last() else { panic!("an empty page though more was promised") };
        start = format!("{}\0", last.key);
        seen.extend(page.items);
        // What happens between two pages must not show.
        let i = seen.len() - 1;
        f.put(&format!("{i:02}"), "new", Expect::ModRevision(created[i])).await;
        f.create(&format!("{i:02}-later"), "new").await;
        if i + 2 < 25 {
            f.delete(&format!("{:02}", i + 2), created[i + 2]).await;
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.iter().zip(&created).all(|(kv, revision)| kv.mod_revision == *revision && kv.value == "old"));
}

pub(super) async fn future_revisions(f: Fixture) {
    let current = f.create("a", "1").await;
    let asked = current + 1_000_000;
    let is_future = |error: Error| matches!(error, Error::Future { asked: a, .. } if a == asked);
    assert!(is_future(f.store.get(&f.key("a"), Some(asked)).await.expect_err("get")));
    assert!(is_future(f.store.list(f.range(), 0, Some(asked)).await.expect_err("list")));
    assert!(is_future(f.store.compact(asked).await.expect_err("compact")));
}

pub(super) async fn ping(f: Fixture) {
    tokio::time::timeout(PATIENCE, f.store.ping()).await.expect("in time").expect("ping");
}
