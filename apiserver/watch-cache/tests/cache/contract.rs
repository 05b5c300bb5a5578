//! The store's contract holds for reads and watches served from the cache.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::contract::{CASES, Fixture};
use apiserver_storage::memory::MemoryStore;
use apiserver_storage::{Error, Expect, KeyValue, Outcome, Page, Read, Result, Revision, Store, Watch, WatchEvent};
use apiserver_watch_cache::{
    Cache, CacheOptions, Codec, DecodeError, Decoded, EventKind, Feed, From, Object, Scope, Snapshot, WatchError,
    WatchItem, WatchOptions, Watcher,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

/// What the cases of compaction say is about the store's history; the cache has its own.
const OF_THE_STORE_ONLY: &[&str] = &["compaction", "compaction_keeps_previous"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_and_watches_from_the_cache_keep_the_contract() {
    for case in CASES.iter().filter(|case| !OF_THE_STORE_ONLY.contains(&case.name)) {
        println!("{}", case.name);
        (case.run)(Fixture::new(Through::start().await)).await;
    }
}

/// Keeps stored bytes as they are.
struct Verbatim;

impl Codec for Verbatim {
    fn decode(&self, stored: &KeyValue) -> std::result::Result<Decoded, DecodeError> {
        Ok(Decoded {
            json: stored.value.clone(),
            namespace: Default::default(),
            name: Default::default(),
            labels: Box::default(),
            fields: Box::default(),
        })
    }

    fn restamp(&self, json: &Bytes, _: Revision) -> Bytes {
        json.clone()
    }
}

/// Writes to a store, reads from a cache of it.
struct Through {
    store: Arc<MemoryStore>,
    cache: Arc<Cache>,
    progress: watch::Sender<u64>,
}

impl Through {
    async fn start() -> Arc<Self> {
        let store = MemoryStore::new();
        let feed = Feed::start(store.clone(), "/registry/");
        let cache = Cache::start(&feed, CacheOptions::new("/registry/"), Arc::new(Verbatim));
        cache.ready().await.unwrap();
        Arc::new(Through { store, cache, progress: watch::Sender::new(0) })
    }

    async fn snapshot(&self, at: Option<Revision>) -> Result<Snapshot> {
        self.cache.consistent().await.unwrap();
        match at.filter(|at| *at > 0).map(|at| self.cache.snapshot_at(at)) {
            None => Ok(self.cache.snapshot()),
            Some(Ok(snapshot)) => Ok(snapshot),
            Some(Err(apiserver_watch_cache::Error::TooLarge { asked, current })) => {
                Err(Error::Future { asked, current: Some(current) })
            }
            Some(Err(apiserver_watch_cache::Error::Expired(expired))) => {
                Err(Error::Compacted { oldest: Some(expired.oldest) })
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

fn stored(object: &Object) -> KeyValue {
    KeyValue {
        key: object.key().to_string(),
        value: object.json().unwrap(),
        create_revision: object.create_revision(),
        mod_revision: object.revision(),
    }
}

fn event(item: WatchItem) -> Option<WatchEvent> {
    let WatchItem::Event(event) = item else { return None };
    let previous = event.previous().map(|object| stored(object));
    Some(match event.kind() {
        EventKind::Deleted => {
            WatchEvent::Delete { key: event.object().key().to_string(), revision: event.revision(), previous }
        }
        EventKind::Added | EventKind::Modified => WatchEvent::Put { current: stored(event.object()), previous },
    })
}

struct Open {
    cache: Arc<Cache>,
    watcher: Watcher,
    from: Revision,
    requests: watch::Receiver<u64>,
    promise: Option<Revision>,
}

impl Open {
    async fn next(&mut self) -> Result<WatchEvent> {
        loop {
            let item = match self.promise {
                None => tokio::select! {
                    item = self.watcher.next() => Some(item),
                    _ = self.requests.changed() => {
                        self.promise = Some(self.cache.consistent().await.unwrap());
                        continue;
                    }
                },
                // What there is to read now includes everything up to the promised revision.
                Some(_) => self.watcher.next().now_or_never(),
            };
            match item {
                Some(Ok(item)) => {
                    if let Some(event) = event(item) {
                        return Ok(event);
                    }
                }
                Some(Err(WatchError::Expired(expired))) => {
                    return Err(Error::Compacted { oldest: Some(expired.oldest) });
                }
                Some(Err(WatchError::Closed)) => return Err(Error::Unavailable("closed".to_owned())),
                None => match self.promise.take() {
                    Some(promise) if promise >= self.from => return Ok(WatchEvent::Progress(promise)),
                    _ => {}
                },
            }
        }
    }
}

#[async_trait]
impl Store for Through {
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>> {
        let snapshot = self.snapshot(at).await?;
        let value = snapshot.get(key).map(|object| stored(object));
        Ok(Read { value, revision: snapshot.revision() })
    }

    async fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>> {
        let snapshot = self.snapshot(at).await?;
        let objects = snapshot.list(&Scope::all(), Some(range.start));
        let mut items: Vec<_> =
            objects.take_while(|object| object.key().as_str() < range.end).map(|object| stored(&object)).collect();
        let count = i64::try_from(items.len()).unwrap();
        let more = limit > 0 && items.len() > limit;
        if limit > 0 {
            items.truncate(limit);
        }
        Ok(Read { value: Page { items, more, count }, revision: snapshot.revision() })
    }

    async fn count(&self, range: Range<&str>) -> Result<Read<i64>> {
        let read = self.list(range, 0, None).await?;
        Ok(Read { value: read.value.count, revision: read.revision })
    }

    async fn put(&self, key: &str, value: Bytes, expect: Expect, ttl: Option<Duration>) -> Result<Outcome> {
        self.store.put(key, value, expect, ttl).await
    }

    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome> {
        self.store.delete(key, mod_revision).await
    }

    async fn watch(&self, range: Range<&str>, from: Revision) -> Result<Watch> {
        if range.start >= range.end {
            return Err(Error::Fatal("cannot watch an empty range".to_owned()));
        }
        let requests = self.progress.subscribe();
        self.cache.consistent().await.unwrap();
        let (start, end) = (range.start.to_owned(), range.end.to_owned());
        let options = WatchOptions {
            from: if from > 0 { From::Revision(from - 1) } else { From::Now },
            scope: Scope::all(),
            filter: Some(Arc::new(move |object| (start.as_str()..end.as_str()).contains(&object.key().as_str()))),
            bookmarks: false,
            deadline: None,
        };
        let watcher = self.cache.watch(options).map_err(|expired| Error::Compacted { oldest: Some(expired.oldest) })?;
        let open = Open { cache: self.cache.clone(), watcher, from, requests, promise: None };
        Ok(futures::stream::unfold(Some(open), |open| async {
            let mut open = open?;
            match open.next().await {
                Ok(event) => Some((Ok(event), Some(open))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed())
    }

    async fn current_revision(&self) -> Result<Revision> {
        self.store.current_revision().await
    }

    async fn request_progress(&self) -> Result<()> {
        self.progress.send_modify(|requests| *requests += 1);
        Ok(())
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.store.compact(revision).await
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }
}
