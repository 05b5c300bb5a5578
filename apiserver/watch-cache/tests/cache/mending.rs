//! Values whose keys are elsewhere: fetched before they are decoded, and tried again where that fails.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apiserver_storage::KeyValue;
use apiserver_watch_cache::*;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::support::*;

/// `LOCK` and a letter, then what [`JsonCodec`] reads: it decodes once the letter was fetched.
const LOCK: &[u8] = b"lock";

#[derive(Default)]
struct Locking {
    is_away: AtomicBool,
    known: Mutex<HashSet<u8>>,
    fetched: AtomicUsize,
}

impl Codec for Locking {
    fn decode(&self, stored: &KeyValue) -> Result<Decoded, DecodeError> {
        let Some((letter, value)) = stored.value.strip_prefix(LOCK).and_then(<[u8]>::split_first) else {
            return JsonCodec.decode(stored);
        };
        if !self.known.lock().unwrap().contains(letter) {
            return Err(DecodeError::Unavailable("no key".to_owned()));
        }
        JsonCodec.decode(&KeyValue { value: Bytes::copy_from_slice(value), ..stored.clone() })
    }

    fn prepare<'a>(&'a self, stored: &'a [KeyValue]) -> BoxFuture<'a, ()> {
        let fetch = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.is_away.load(Ordering::SeqCst) {
                return;
            }
            let letters = stored.iter().filter_map(|stored| stored.value.strip_prefix(LOCK)?.first().copied());
            for letter in letters {
                if self.known.lock().unwrap().insert(letter) {
                    self.fetched.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        fetch.boxed()
    }
}

fn locked(letter: u8, app: &str) -> Bytes {
    [LOCK, &[letter], &pod(app, "n")].concat().into()
}

struct Locked {
    codec: Arc<Locking>,
    f: Fixture,
}

impl Locked {
    /// With one object that is there before the cache.
    async fn start(is_away: bool) -> Locked {
        let codec = Arc::new(Locking::default());
        codec.is_away.store(is_away, Ordering::SeqCst);
        let store = Cuttable::new();
        store.write("d/first", locked(b'a', "a")).await;
        let feed = Feed::start(store.clone(), "/registry/");
        let cache = Cache::start(&feed, options(), codec.clone());
        cache.ready().await.unwrap();
        Locked { codec, f: Fixture { store, feed, cache } }
    }

    fn reads(&self, place: &str) -> bool {
        self.f.cache.get(&key(place)).unwrap().json().is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_and_watchers_see_every_object() {
    let Locked { codec, f } = Locked::start(false).await;
    let mut watcher = f.watch(From::Now, Scope::all()).unwrap();
    let b = f.put("d/b", locked(b'a', "a")).await;
    assert_eq!(codec.fetched.load(Ordering::SeqCst), 1);
    // Another server writes with a key of its own.
    let c = f.put("d/c", locked(b'b', "a")).await;
    let d = f.put("d/d", locked(b'b', "a")).await;
    assert_eq!(codec.fetched.load(Ordering::SeqCst), 2);
    assert_eq!(
        drain(&mut watcher),
        [format!("ADDED d/b {b}"), format!("ADDED d/c {c}"), format!("ADDED d/d {d}")],
        "as if nothing had to be fetched"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_harms_nobody_else_and_is_read_later() {
    let locked_up = Locked::start(true).await;
    let f = &locked_up.f;
    let before = f.cache.revision();
    f.put("d/open", pod("a", "n")).await;
    assert!(locked_up.reads("d/open") && !locked_up.reads("d/first"));
    let undecodable = f.cache.get(&key("d/first")).unwrap();
    assert_eq!(undecodable.json().unwrap_err().reason.to_string(), "no key");
    // One that comes meanwhile is not read either, nor are others held up by it for long.
    f.put("d/second", locked(b'b', "a")).await;
    f.put("d/third", locked(b'c', "a")).await;
    f.put("d/open", pod("b", "n")).await;
    assert!(locked_up.reads("d/open") && !locked_up.reads("d/second") && !locked_up.reads("d/third"));
    let mut watcher = f.watch(From::Now, Scope::all()).unwrap();
    let found = f.cache.snapshot().list(&Scope::all().label("app", "a"), None).count();
    assert_eq!(found, 0, "what cannot be read has no labels");

    locked_up.codec.is_away.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(locked_up.reads("d/first") && locked_up.reads("d/second") && locked_up.reads("d/third"));
    assert_eq!(f.cache.snapshot().list(&Scope::all().label("app", "a"), None).count(), 3);
    assert!(matches!(watcher.next().await, Err(WatchError::Expired(_))), "it was not told of them");
    assert!(f.watch(From::Revision(before), Scope::all()).is_err());
    // From here on all is as ever.
    let mut watcher = f.watch(From::Now, Scope::all()).unwrap();
    let again = f.put("d/first", locked(b'a', "z")).await;
    assert_eq!(drain(&mut watcher), [format!("MODIFIED d/first {again}")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_not_tried_again() {
    let locked_up = Locked::start(true).await;
    locked_up.f.delete("d/first").await;
    locked_up.codec.is_away.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(locked_up.codec.fetched.load(Ordering::SeqCst), 0);
    assert_eq!(locked_up.f.cache.snapshot().len(), 0);
}
