//! Watches of the API server that keep the zone up to date.

use std::{
    collections::HashSet,
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::StreamExt;
use k8s_openapi::api::{
    core::v1::{Namespace, Service as ApiService},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::zone::{Service, Slice, Zone};

/// How many kinds are watched.
const KINDS: usize = 3;

/// Whether everything was listed once. Clones share it.
#[derive(Clone, Default)]
pub struct Synced(Arc<AtomicUsize>);

impl Synced {
    pub fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire) >= KINDS
    }
}

/// Starts all watches, in tasks of their own.
pub fn start(client: &Client, zone: &Arc<RwLock<Zone>>) -> Synced {
    let synced = Synced::default();
    let services = Translation {
        apply: |zone: &mut Zone, service: &ApiService| zone.set_service(&key(service), Some(Service::parse(service))),
        delete: |zone, service| zone.set_service(&key(service), None),
        listed: |zone, listed| zone.retain_services(listed),
    };
    tokio::spawn(watch(Api::all(client.clone()), services, zone.clone(), synced.clone()));
    let slices = Translation {
        apply: |zone: &mut Zone, slice: &EndpointSlice| zone.set_slice(&key(slice), Slice::parse(slice)),
        delete: |zone, slice| zone.set_slice(&key(slice), None),
        listed: |zone, listed| zone.retain_slices(listed),
    };
    tokio::spawn(watch(Api::all(client.clone()), slices, zone.clone(), synced.clone()));
    let namespaces = Translation {
        apply: |zone: &mut Zone, namespace: &Namespace| zone.set_namespace(&key(namespace), true),
        delete: |zone, namespace| zone.set_namespace(&key(namespace), false),
        listed: |zone, listed| zone.retain_namespaces(listed),
    };
    tokio::spawn(watch(Api::all(client.clone()), namespaces, zone.clone(), synced.clone()));
    synced
}

/// How objects of a kind change the zone.
struct Translation<K> {
    apply: fn(&mut Zone, &K),
    delete: fn(&mut Zone, &K),
    listed: fn(&mut Zone, &HashSet<String>),
}

async fn watch<K>(api: Api<K>, translation: Translation<K>, zone: Arc<RwLock<Zone>>, synced: Synced)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
    let mut listed = HashSet::new();
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(key(&object));
                (translation.apply)(&mut zone.write(), &object);
            }
            Ok(Event::InitDone) => {
                (translation.listed)(&mut zone.write(), &std::mem::take(&mut listed));
                if std::mem::replace(&mut first, false) {
                    synced.0.fetch_add(1, Ordering::Release);
                }
            }
            Ok(Event::Apply(object)) => (translation.apply)(&mut zone.write(), &object),
            Ok(Event::Delete(object)) => (translation.delete)(&mut zone.write(), &object),
            Err(error) => warn!("watch of {} failed, will retry: {error}", K::plural(&())),
        }
    }
}

/// Namespace and name, joined by a slash; the name alone where there is no namespace.
fn key(object: &impl Resource) -> String {
    let name = object.meta().name.as_deref().unwrap_or_default();
    match &object.meta().namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_string(),
    }
}
