//! A resource of small JSON objects, and a store that can be cut off.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apiserver_storage::{
    Error, Expect, KeyValue, Outcome, Page, Read, Result, Revision, Store, Watch, memory::MemoryStore,
};
use apiserver_watch_cache::*;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use smol_str::SmolStr;
use tokio::sync::watch;

pub const PREFIX: &str = "/registry/pods/";

/// A value that makes the codec panic.
pub const PANIC: &[u8] = b"\xffpanic";

/// Stored: JSON. `spec.nodeName` is the selectable field. Anything that is not JSON does not decode.
pub struct JsonCodec;

impl Codec for JsonCodec {
    fn decode(&self, stored: &KeyValue) -> std::result::Result<Decoded, DecodeError> {
        assert_ne!(stored.value, PANIC, "a bug in the codec");
        let mut object: Value =
            serde_json::from_slice(&stored.value).map_err(|error| DecodeError::Damaged(error.to_string()))?;
        object["metadata"]["resourceVersion"] = json!(stored.mod_revision.to_string());
        let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
        let labels = labels.map(|(key, value)| (key.into(), value.as_str().unwrap_or_default().into())).collect();
        let node = object["spec"]["nodeName"].as_str();
        let (_, place) = stored.key.split_at(PREFIX.len());
        let (namespace, name) = place.rsplit_once('/').unwrap_or(("", place));
        Ok(Decoded {
            namespace: namespace.into(),
            name: name.into(),
            labels,
            fields: node.map(|node| (SmolStr::new_static("spec.nodeName"), node.into())).into_iter().collect(),
            json: object.to_string().into(),
        })
    }
}

pub fn pod(app: &str, node: &str) -> Bytes {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"nodeName": node}}).to_string().into()
}

pub fn key(place: &str) -> String {
    format!("{PREFIX}{place}")
}

pub fn resource_version(object: &Object) -> Revision {
    let json: Value = serde_json::from_slice(&object.json().unwrap()).unwrap();
    json["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

pub struct Fixture {
    pub store: Arc<Cuttable>,
    pub feed: Arc<Feed>,
    pub cache: Arc<Cache>,
}

pub fn options() -> CacheOptions {
    CacheOptions::new(PREFIX).index(["spec.nodeName"])
}

impl Fixture {
    pub async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub async fn start_with(options: CacheOptions) -> Self {
        let store = Cuttable::new();
        let feed = Feed::start(store.clone(), "/registry/");
        let cache = Cache::start(&feed, options, Arc::new(JsonCodec));
        cache.ready().await.unwrap();
        Fixture { store, feed, cache }
    }

    /// Writes and waits until the cache shows it.
    pub async fn put(&self, place: &str, value: Bytes) -> Revision {
        let revision = self.store.write(place, value).await;
        self.cache.wait_until(revision, Duration::from_secs(3)).await.unwrap();
        revision
    }

    pub async fn delete(&self, place: &str) -> Revision {
        let revision = self.store.erase(place).await;
        self.cache.wait_until(revision, Duration::from_secs(3)).await.unwrap();
        revision
    }

    pub fn watch(&self, from: From, scope: Scope) -> std::result::Result<Watcher, Expired> {
        self.cache.watch(WatchOptions { from, scope, filter: None, bookmarks: false, deadline: None })
    }
}

/// What there is to read of a watch now, as `ADDED default/a 7`, `initial`, `end` or `bookmark`.
pub fn drain(watcher: &mut Watcher) -> Vec<String> {
    let mut items = Vec::new();
    while let Some(result) = watcher.next_batch(&mut items, 3).now_or_never() {
        result.unwrap();
    }
    items.iter().map(describe).collect()
}

pub fn describe(item: &WatchItem) -> String {
    let of = |object: &Object| {
        assert_eq!(resource_version(object), object.revision());
        format!("{} {}", &object.key()[PREFIX.len()..], object.revision())
    };
    match item {
        WatchItem::Initial(object) => format!("initial {}", of(object)),
        WatchItem::InitialEventsEnd(revision) => format!("end {revision}"),
        WatchItem::Event(event) => {
            assert_eq!(event.object().revision(), event.revision());
            format!("{} {}", event.kind().as_str(), of(event.object()))
        }
        WatchItem::Bookmark(revision) => format!("bookmark {revision}"),
    }
}

/// A store in memory whose watches and reads can be made to fail.
pub struct Cuttable {
    inner: Mutex<Arc<MemoryStore>>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    /// Watches end, and what they missed can be read later.
    Broken,
    /// Watches end, and what they missed is compacted.
    Lost,
}

impl Cuttable {
    pub fn new() -> Arc<Self> {
        Arc::new(Cuttable { inner: Mutex::new(MemoryStore::new()), state: watch::Sender::new(State::Up) })
    }

    pub fn inner(&self) -> Arc<MemoryStore> {
        self.inner.lock().unwrap().clone()
    }

    /// Puts another store in the place of this one, as when a backup is restored.
    pub fn restore(&self, store: Arc<MemoryStore>) {
        *self.inner.lock().unwrap() = store;
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    pub async fn write(&self, place: &str, value: Bytes) -> Revision {
        let key = key(place);
        let expect = match self.inner().get(&key, None).await.unwrap().value {
            Some(found) => Expect::ModRevision(found.mod_revision),
            None => Expect::Absent,
        };
        done(self.inner().put(&key, value, expect, None).await.unwrap())
    }

    pub async fn erase(&self, place: &str) -> Revision {
        let key = key(place);
        let found = self.inner().get(&key, None).await.unwrap().value.unwrap();
        done(self.inner().delete(&key, found.mod_revision).await.unwrap())
    }

    fn up(&self) -> Result<()> {
        match *self.state.borrow() {
            State::Up => Ok(()),
            _ => Err(Error::Unavailable("cut off".to_owned())),
        }
    }
}

fn done(outcome: Outcome) -> Revision {
    match outcome {
        Outcome::Done(revision) => revision,
        Outcome::Conflict(found) => panic!("unexpected conflict with {found:?}"),
    }
}

#[async_trait]
impl Store for Cuttable {
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>> {
        self.up()?;
        self.inner().get(key, at).await
    }
    async fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>> {
        self.up()?;
        self.inner().list(range, limit, at).await
    }
    async fn count(&self, range: Range<&str>) -> Result<Read<i64>> {
        self.up()?;
        self.inner().count(range).await
    }
    async fn put(&self, key: &str, value: Bytes, expect: Expect, ttl: Option<Duration>) -> Result<Outcome> {
        self.up()?;
        self.inner().put(key, value, expect, ttl).await
    }
    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome> {
        self.up()?;
        self.inner().delete(key, mod_revision).await
    }
    async fn watch(&self, range: Range<&str>, from: Revision) -> Result<Watch> {
        self.up()?;
        let (mut until, state) = (self.state.subscribe(), self.state.subscribe());
        let cut = async move {
            let _ = until.wait_for(|state| *state != State::Up).await;
        };
        let last = async move {
            Err(match *state.borrow() {
                State::Lost => Error::Compacted { oldest: None },
                _ => Error::Unavailable("cut off".to_owned()),
            })
        };
        let events = self.inner().watch(range, from).await?;
        Ok(events.take_until(cut).chain(last.into_stream()).boxed())
    }
    async fn current_revision(&self) -> Result<Revision> {
        self.up()?;
        self.inner().current_revision().await
    }
    async fn request_progress(&self) -> Result<()> {
        self.up()?;
        self.inner().request_progress().await
    }
    async fn compact(&self, revision: Revision) -> Result<()> {
        self.inner().compact(revision).await
    }
    async fn ping(&self) -> Result<()> {
        self.up()
    }
}
