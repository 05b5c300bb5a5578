//! Watches of the API server, turned into [`Change`]s of the slim state.

use std::{collections::HashSet, fmt::Debug};

use futures::StreamExt;
use k8s_openapi::api::{
    core::v1::{Node, Service as ApiService},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::warn;

use crate::model::{NodeView, Service, ServiceKey, Slice, State};

/// Services with these labels are for other proxies, or for none.
const NOT_OURS: &str = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless";

/// Something that changed.
#[derive(Debug)]
pub enum Change {
    Service(ServiceKey, Option<Service>),
    /// A slice by namespace and name: what it says now, and of which service.
    Slice(ServiceKey, Option<(ServiceKey, Slice)>),
    Node(Option<NodeView>),
    /// The keys of all services, or slices, there are.
    ServicesListed(HashSet<ServiceKey>),
    SlicesListed(HashSet<ServiceKey>),
    NodeListed(bool),
}

/// The state with what is needed to apply changes to it.
#[derive(Default)]
pub struct Known {
    pub state: State,
    pub node: Option<NodeView>,
    /// Which service each slice belongs to.
    slices: std::collections::HashMap<ServiceKey, ServiceKey>,
    services_synced: bool,
    slices_synced: bool,
    node_synced: bool,
}

impl Known {
    /// Everything was listed once.
    pub fn is_synced(&self) -> bool {
        self.services_synced && self.slices_synced && self.node_synced
    }

    /// Takes in a change; false where it changes nothing.
    pub fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Service(key, Some(service)) => {
                let same = self.state.services.get(&key) == Some(&service);
                self.state.services.insert(key, service);
                !same
            }
            Change::Service(key, None) => self.state.services.remove(&key).is_some(),
            Change::Slice(slice, content) => self.set_slice(&slice, content),
            Change::Node(node) => std::mem::replace(&mut self.node, node) != self.node,
            Change::ServicesListed(listed) => {
                self.state.services.retain(|key, _| listed.contains(key));
                self.services_synced = true;
                true
            }
            Change::SlicesListed(listed) => {
                let gone: Vec<_> = self.slices.keys().filter(|key| !listed.contains(*key)).cloned().collect();
                for slice in &gone {
                    self.set_slice(slice, None);
                }
                self.slices_synced = true;
                true
            }
            Change::NodeListed(exists) => {
                if !exists {
                    self.node = None;
                }
                self.node_synced = true;
                true
            }
        }
    }

    fn set_slice(&mut self, slice: &ServiceKey, content: Option<(ServiceKey, Slice)>) -> bool {
        let known = self.slices.get(slice).cloned();
        if let (Some(known), Some((service, now))) = (&known, &content)
            && known == service
            && self.state.slices.get(service).and_then(|slices| slices.get(&slice.name)) == Some(now)
        {
            return false;
        }
        if let Some(service) = &known {
            self.state.remove_slice(service, &slice.name);
            self.slices.remove(slice);
        }
        let changed = known.is_some() || content.is_some();
        if let Some((service, now)) = content {
            self.slices.insert(slice.clone(), service.clone());
            self.state.set_slice(service, slice.name.clone(), now);
        }
        changed
    }
}

/// Starts all watches; `node` is the name of the proxy's own. They go on until the receiver is dropped.
pub fn start(client: &Client, node: &str, changes: &mpsc::Sender<Change>) {
    let ours = watcher::Config::default().labels(NOT_OURS);
    let services = Translation {
        apply: |service: &ApiService| Change::Service(key(service), Service::parse(service)),
        delete: |service| Change::Service(key(service), None),
        listed: Change::ServicesListed,
    };
    tokio::spawn(watch(Api::<ApiService>::all(client.clone()), ours.clone(), services, changes.clone()));
    let slices = Translation {
        apply: |slice: &EndpointSlice| Change::Slice(key(slice), Slice::parse(slice)),
        delete: |slice| Change::Slice(key(slice), None),
        listed: Change::SlicesListed,
    };
    tokio::spawn(watch(Api::<EndpointSlice>::all(client.clone()), ours, slices, changes.clone()));
    let own = watcher::Config::default().fields(&format!("metadata.name={node}"));
    let nodes = Translation {
        apply: |node: &Node| Change::Node(Some(NodeView::parse(node))),
        delete: |_| Change::Node(None),
        listed: |listed| Change::NodeListed(!listed.is_empty()),
    };
    tokio::spawn(watch(Api::<Node>::all(client.clone()), own, nodes, changes.clone()));
}

/// How objects of a kind become changes.
struct Translation<K> {
    apply: fn(&K) -> Change,
    delete: fn(&K) -> Change,
    listed: fn(HashSet<ServiceKey>) -> Change,
}

async fn watch<K>(api: Api<K>, config: watcher::Config, translation: Translation<K>, changes: mpsc::Sender<Change>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = std::pin::pin!(watcher::watcher(api, config).default_backoff());
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        let change = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(key(&object));
                (translation.apply)(&object)
            }
            Ok(Event::InitDone) => (translation.listed)(std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => (translation.apply)(&object),
            Ok(Event::Delete(object)) => (translation.delete)(&object),
            Err(error) => {
                warn!("watch of {} failed, will retry: {error}", K::plural(&()));
                continue;
            }
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

fn key(object: &impl Resource) -> ServiceKey {
    let meta = object.meta();
    ServiceKey { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> ServiceKey {
        ServiceKey { namespace: "ns".into(), name: name.into() }
    }

    #[test]
    fn slices_move_between_services_and_vanish_from_lists() {
        let mut known = Known::default();
        let slice = || Some((named("a"), Slice::default()));
        assert!(known.apply(Change::Slice(named("a-1"), slice())));
        assert!(!known.apply(Change::Slice(named("a-1"), slice())), "the same again");
        assert!(known.apply(Change::Slice(named("a-1"), Some((named("b"), Slice::default())))));
        assert_eq!(known.state.slices.keys().collect::<Vec<_>>(), [&named("b")]);
        assert!(known.apply(Change::SlicesListed(HashSet::new())));
        assert!(known.state.slices.is_empty());
        assert!(!known.apply(Change::Slice(named("b-1"), None)));
        assert!(!known.is_synced());
        known.apply(Change::ServicesListed(HashSet::new()));
        known.apply(Change::NodeListed(false));
        assert!(known.is_synced());
    }
}
