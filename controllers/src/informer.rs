//! A shared informer: one list and watch per kind, one store, any number of controllers told of changes.
//!
//! Guarantees: a handler is told of every object that exists when it subscribes and of every later change of its
//! resourceVersion, in order per object; the store shows a change before handlers hear of it. Non-guarantees: the
//! store lags the API server; intermediate versions may be skipped. Failure: the watch is resumed or listed again
//! with back-off, forever.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::key::Key;

/// What happened to an object.
#[derive(Debug)]
pub enum Change<K> {
    Added(Arc<K>),
    /// Before and after.
    Updated(Arc<K>, Arc<K>),
    Deleted(Arc<K>),
}

impl<K> Change<K> {
    /// The object as it is now, or was last.
    pub fn object(&self) -> &Arc<K> {
        match self {
            Change::Added(object) | Change::Updated(_, object) | Change::Deleted(object) => object,
        }
    }
}

type Handler<K> = Box<dyn Fn(&Change<K>) + Send + Sync>;

/// A kind's store and its subscribers. Clones share them.
pub struct Informer<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    objects: RwLock<BTreeMap<Key, Arc<K>>>,
    handlers: Mutex<Vec<Handler<K>>>,
    synced: watch::Sender<bool>,
}

impl<K> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Informer { inner: self.inner.clone() }
    }
}

impl<K> Default for Informer<K> {
    fn default() -> Self {
        let (synced, _) = watch::channel(false);
        Informer { inner: Arc::new(Inner { objects: RwLock::default(), handlers: Mutex::default(), synced }) }
    }
}

impl<K> Informer<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    /// Starts listing and watching what `api` and `config` select, until `shutdown`.
    pub fn start(api: Api<K>, config: watcher::Config, shutdown: CancellationToken) -> Self {
        let informer = Self::default();
        let fed = informer.clone();
        tokio::spawn(async move {
            let mut events = watcher(api, config).default_backoff().boxed();
            let mut listed = BTreeMap::new();
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = shutdown.cancelled() => return,
                };
                match event {
                    None => return,
                    Some(Ok(event)) => fed.step(event, &mut listed),
                    Some(Err(error)) => debug!("watch of {}: {error}", K::plural(&())),
                }
            }
        });
        informer
    }

    /// Applies one watch event; `listed` collects a running list.
    pub(crate) fn step(&self, event: watcher::Event<K>, listed: &mut BTreeMap<Key, Arc<K>>) {
        match event {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(object) => {
                let object = strip(object);
                listed.insert(Key::of(&object), Arc::new(object));
            }
            watcher::Event::InitDone => {
                let gone: Vec<Key> =
                    self.inner.objects.read().keys().filter(|key| !listed.contains_key(key)).cloned().collect();
                for key in gone {
                    self.delete(&key);
                }
                for object in std::mem::take(listed).into_values() {
                    self.apply(object);
                }
                self.inner.synced.send_replace(true);
            }
            watcher::Event::Apply(object) => self.apply(Arc::new(strip(object))),
            watcher::Event::Delete(object) => self.delete(&Key::of(&object)),
        }
    }

    fn apply(&self, object: Arc<K>) {
        let old = self.inner.objects.write().insert(Key::of(object.as_ref()), object.clone());
        let change = match old {
            None => Change::Added(object),
            Some(old) if old.meta().resource_version == object.meta().resource_version => return,
            // The object was deleted and created again while the watch was down.
            Some(old) if old.meta().uid != object.meta().uid => {
                self.tell(&Change::Deleted(old));
                Change::Added(object)
            }
            Some(old) => Change::Updated(old, object),
        };
        self.tell(&change);
    }

    fn delete(&self, key: &Key) {
        let old = self.inner.objects.write().remove(key);
        if let Some(old) = old {
            self.tell(&Change::Deleted(old));
        }
    }
}

impl<K> Informer<K> {
    fn tell(&self, change: &Change<K>) {
        for handler in self.inner.handlers.lock().iter() {
            handler(change);
        }
    }

    /// Tells `handler` of every object there is, then of every change. Handlers run on the watch's task: they
    /// only look things up and enqueue. They must not subscribe.
    pub fn subscribe(&self, handler: impl Fn(&Change<K>) + Send + Sync + 'static) {
        let mut handlers = self.inner.handlers.lock();
        let objects: Vec<Arc<K>> = self.inner.objects.read().values().cloned().collect();
        for object in objects {
            handler(&Change::Added(object));
        }
        handlers.push(Box::new(handler));
    }

    /// Waits until the first list is in the store.
    pub async fn synced(&self) {
        let mut synced = self.inner.synced.subscribe();
        // The sender lives in `self`.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.inner.objects.read().get(key).cloned()
    }

    /// The objects of one namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let objects = self.inner.objects.read();
        let range = objects.range(Key::new(namespace, "")..);
        range.take_while(|(key, _)| key.namespace == namespace).map(|(_, object)| object.clone()).collect()
    }

    /// All objects, by namespace and name.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.inner.objects.read().values().cloned().collect()
    }
}

/// Drops what no controller reads: managed fields are often half of an object.
fn strip<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::watcher::Event;

    use super::*;

    fn object(name: &str, version: &str, uid: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some("ns".into());
        object.metadata.name = Some(name.into());
        object.metadata.resource_version = Some(version.into());
        object.metadata.uid = Some(uid.into());
        object
    }

    #[test]
    fn handlers_hear_each_change_once_and_lists_delete_what_is_gone() {
        let informer = Informer::<ConfigMap>::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut listed = BTreeMap::new();
        informer.step(Event::Init, &mut listed);
        informer.step(Event::InitApply(object("a", "1", "ua")), &mut listed);
        informer.step(Event::InitApply(object("b", "2", "ub")), &mut listed);
        informer.step(Event::InitDone, &mut listed);
        let log = heard.clone();
        informer.subscribe(move |change| {
            let what = match change {
                Change::Added(_) => "added",
                Change::Updated(..) => "updated",
                Change::Deleted(_) => "deleted",
            };
            log.lock().push(format!("{what} {}", Key::of(change.object().as_ref())));
        });
        informer.step(Event::Apply(object("a", "3", "ua")), &mut listed);
        informer.step(Event::Init, &mut listed);
        informer.step(Event::InitApply(object("a", "3", "ua")), &mut listed);
        informer.step(Event::InitApply(object("c", "4", "uc")), &mut listed);
        informer.step(Event::InitDone, &mut listed);
        informer.step(Event::Apply(object("c", "5", "uc2")), &mut listed);
        let expected =
            ["added ns/a", "added ns/b", "updated ns/a", "deleted ns/b", "added ns/c", "deleted ns/c", "added ns/c"];
        assert_eq!(*heard.lock(), expected);
        assert_eq!(informer.in_namespace("ns").len(), 2);
        assert!(informer.in_namespace("n").is_empty());
    }
}
