//! The objects of a custom resource, cached from when they are first asked for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apiserver_encryption::Keys;
use apiserver_storage::Store;
use apiserver_watch_cache::Feed;

use crate::metrics::storage::Operations;
use crate::resources::{Resource, Storage};
use crate::storage::ObjectStore;

/// An [`ObjectStore`] that is made when it is first used.
pub struct LazyStore {
    feed: Arc<Feed>,
    store: Arc<dyn Store>,
    resource: Resource,
    storage: Storage,
    operations: Operations,
    keys: Option<Arc<Keys>>,
    made: OnceLock<ObjectStore>,
}

impl LazyStore {
    pub fn new(
        feed: Arc<Feed>,
        store: Arc<dyn Store>,
        resource: Resource,
        storage: Storage,
        operations: Operations,
        keys: Option<Arc<Keys>>,
    ) -> Self {
        LazyStore { feed, store, resource, storage, operations, keys, made: OnceLock::new() }
    }

    pub fn get(&self) -> &ObjectStore {
        self.made.get_or_init(|| {
            ObjectStore::start(
                &self.feed,
                Arc::clone(&self.store),
                &self.resource,
                &self.storage,
                Duration::ZERO,
                self.operations.clone(),
                self.keys.clone(),
            )
        })
    }

    /// The objects, if somebody has asked for them.
    pub fn made(&self) -> Option<&ObjectStore> {
        self.made.get()
    }

    /// Ends watches and forgets what is cached, because the definition changed or is gone.
    pub fn stop(&self) {
        if let Some(made) = self.made.get() {
            made.cache.stop();
        }
    }
}

impl Drop for LazyStore {
    fn drop(&mut self) {
        self.stop();
    }
}
