//! The one watch of the store, and its distribution to the caches.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use apiserver_storage::{Error as StoreError, Revision, Store, WatchEvent, prefix_end};
use futures::StreamExt;
use parking_lot::Mutex;
use smol_str::SmolStr;
use tokio::task::AbortHandle;

use crate::cache::Cache;
use crate::error::Error;
use crate::forms::FormBudget;
use crate::freshness::{CurrentRevision, Nudge, Position};
use crate::waves::Waves;

/// Follows everything under one prefix of a store, so that any write's revision brings every cache up to date.
///
/// It ends when the last of its holders lets go: the server and the caches.
pub struct Feed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) position: Position,
    pub(crate) nudge: Nudge,
    pub(crate) forms: Arc<FormBudget>,
    pub(crate) frames: Arc<FormBudget>,
    current: Arc<CurrentRevision>,
    registry: Mutex<Registry>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Registry {
    /// How many times the feed has begun anew. Zero before it has begun at all.
    epoch: u64,
    caches: HashMap<SmolStr, Weak<Cache>>,
}

/// How much memory encodings made on demand may keep, over all caches of a feed.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// Bytes of objects' further encodings (protobuf, tables).
    pub forms: usize,
    /// Bytes of framed events. A frame is mostly needed in the moment it is made.
    pub frames: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        FeedOptions { forms: 32 << 20, frames: 8 << 20 }
    }
}

impl Feed {
    /// Starts following `prefix` (`/registry/`) of the store, in a task of the current runtime.
    pub fn start(store: Arc<dyn Store>, prefix: &str) -> Arc<Self> {
        Feed::start_with(store, prefix, FeedOptions::default())
    }

    pub fn start_with(store: Arc<dyn Store>, prefix: &str, options: FeedOptions) -> Arc<Self> {
        let feed = Arc::new(Feed {
            current: CurrentRevision::new(store.clone()),
            position: Position::default(),
            nudge: Nudge::default(),
            forms: Arc::new(FormBudget::of_rounds(options.forms)),
            frames: Arc::new(FormBudget::new(options.frames)),
            registry: Mutex::default(),
            task: Mutex::new(None),
            store: store.clone(),
        });
        let follower = Follower { feed: Arc::downgrade(&feed), store, prefix: prefix.to_owned() };
        *feed.task.lock() = Some(tokio::spawn(follower.run()).abort_handle());
        feed
    }

    /// Every cache that is not listing holds everything up to this revision.
    pub fn revision(&self) -> Revision {
        self.position.get()
    }

    /// The store's current revision, read after this call began. Concurrent callers share one read.
    pub async fn store_revision(&self) -> Result<Revision, Error> {
        self.current.get().await
    }

    /// The cache of exactly this prefix, if it is running.
    pub fn cache(&self, prefix: &str) -> Option<Arc<Cache>> {
        self.registry.lock().caches.get(prefix)?.upgrade()
    }

    /// Ends the feed and stops all its caches.
    pub fn stop(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        let caches: Vec<_> = self.registry.lock().caches.drain().collect();
        for cache in caches.iter().filter_map(|(_, cache)| cache.upgrade()) {
            cache.stop();
        }
    }

    pub(crate) fn register(&self, cache: &Arc<Cache>) {
        let mut registry = self.registry.lock();
        registry.caches.insert(cache.prefix().clone(), Arc::downgrade(cache));
        // From here on the cache is given every event. What happened before is in the list it makes now, or, where
        // the feed has not begun, when it begins.
        if registry.epoch > 0 {
            cache.begin_list(registry.epoch);
        }
    }

    /// Forgets the cache, unless another took its prefix.
    pub(crate) fn unregister(&self, cache: &Cache) {
        let mut registry = self.registry.lock();
        if registry.caches.get(cache.prefix()).is_some_and(|known| std::ptr::eq(known.as_ptr(), cache)) {
            registry.caches.remove(cache.prefix());
        }
    }

    /// The watch begins after `revision` and nothing is known of what happened before.
    fn begin(&self, revision: Revision) {
        let caches: Vec<_>;
        {
            let mut registry = self.registry.lock();
            registry.epoch += 1;
            // Kept until after the lock: dropping a cache unregisters it.
            caches = registry.caches.values().filter_map(Weak::upgrade).collect();
            for cache in &caches {
                cache.begin_list(registry.epoch);
            }
        }
        self.position.set(revision);
    }

    /// Hands events to their caches, then moves on. Returns the error that ended the watch, if one did.
    fn dispatch(&self, chunk: Vec<Result<WatchEvent, StoreError>>, waves: &mut Waves) -> Option<StoreError> {
        let mut batches: Vec<(Arc<Cache>, Vec<WatchEvent>)> = Vec::new();
        let mut reached = self.position.get();
        let mut failed = None;
        {
            let registry = self.registry.lock();
            for item in chunk {
                let event = match item {
                    Ok(event) => event,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                let (key, revision) = match &event {
                    WatchEvent::Put { current, .. } => (&current.key, current.mod_revision),
                    WatchEvent::Delete { key, revision, .. } => (key, *revision),
                    WatchEvent::Progress(revision) => {
                        reached = reached.max(*revision);
                        continue;
                    }
                };
                reached = reached.max(revision);
                if let Some((_, batch)) = batches.iter_mut().find(|(cache, _)| key.starts_with(cache.prefix().as_str()))
                {
                    batch.push(event);
                } else if let Some(cache) = registry.responsible(key) {
                    batches.push((cache, vec![event]));
                }
            }
        }
        let mut wake = Vec::new();
        for (cache, events) in batches {
            wake.extend(cache.apply(events));
        }
        // Readers first: they wait for an answer.
        self.position.set(reached);
        waves.wake(wake);
        failed
    }

    fn trim(&self) {
        let caches: Vec<_> = self.registry.lock().caches.values().filter_map(Weak::upgrade).collect();
        for cache in caches {
            cache.trim();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
    }
}

impl Registry {
    /// The cache whose prefix the key has. Prefixes end in a slash, so only those need trying.
    fn responsible(&self, key: &str) -> Option<Arc<Cache>> {
        key.rmatch_indices('/').find_map(|(slash, _)| self.caches.get(&key[..=slash])?.upgrade())
    }
}

/// The task that reads the watch. It holds the feed only while it hands something to it.
struct Follower {
    feed: Weak<Feed>,
    store: Arc<dyn Store>,
    prefix: String,
}

/// How a watch ended.
enum End {
    /// Nobody holds the feed any more.
    Unused,
    /// To be taken up again after the last revision read.
    Broken(StoreError),
    /// To be begun anew.
    Lost(StoreError),
}

impl Follower {
    /// How many events to hand over together at most: few enough to decode in a few milliseconds.
    const CHUNK: usize = 128;
    const TRIM: Duration = Duration::from_secs(15);
    const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);

    async fn run(self) {
        let mut begun = false;
        let mut waves = Waves::default();
        let mut pause = Self::SHORTEST_PAUSE;
        loop {
            let before = self.feed.upgrade().map(|feed| feed.revision());
            match self.follow(&mut begun, &mut waves).await {
                End::Unused => return,
                End::Broken(error) => tracing::warn!(%error, "the watch of the store broke, taking it up again"),
                End::Lost(error) => {
                    tracing::warn!(%error, "the watch of the store lost its place, listing again");
                    begun = false;
                }
            }
            // Nobody waits for a wave while the store is away.
            waves.finish();
            let progressed = self.feed.upgrade().map(|feed| feed.revision()) != before;
            pause = if progressed { Self::SHORTEST_PAUSE } else { (pause * 2).min(Self::LONGEST_PAUSE) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow(&self, begun: &mut bool, waves: &mut Waves) -> End {
        let current = match self.store.current_revision().await {
            Ok(revision) => revision,
            Err(error) => return End::Broken(error),
        };
        let Some(reached) = self.feed.upgrade().map(|feed| feed.revision()) else { return End::Unused };
        if *begun && current < reached {
            // Another store, or an older copy: its watch would be silent until it came to our revision.
            return End::Lost(StoreError::Future { asked: reached, current: Some(current) });
        }
        let after = if *begun { reached } else { current };
        let end = prefix_end(&self.prefix);
        let mut chunks = match self.store.watch(self.prefix.as_str()..end.as_str(), after + 1).await {
            Ok(watch) => watch.ready_chunks(Self::CHUNK),
            Err(error) => return ended(error),
        };
        if !*begun {
            let Some(feed) = self.feed.upgrade() else { return End::Unused };
            feed.begin(after);
            *begun = true;
        }
        let mut trim = tokio::time::interval(Self::TRIM);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = waves.due() => {
                    waves.run();
                    continue;
                }
                _ = trim.tick() => {
                    let Some(feed) = self.feed.upgrade() else { return End::Unused };
                    feed.trim();
                    continue;
                }
            };
            let Some(chunk) = chunk else {
                return End::Broken(StoreError::Unavailable("the watch ended".to_owned()));
            };
            let Some(feed) = self.feed.upgrade() else { return End::Unused };
            if let Some(error) = feed.dispatch(chunk, waves) {
                return ended(error);
            }
            drop(feed);
            // A store in memory always has more ready: let others run.
            tokio::task::yield_now().await;
        }
    }
}

fn ended(error: StoreError) -> End {
    match error {
        // Both say that our revision means nothing to this store any more.
        StoreError::Compacted { .. } | StoreError::Future { .. } => End::Lost(error),
        error => End::Broken(error),
    }
}
