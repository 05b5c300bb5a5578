//! What the objects of one resource count for, kept up to date by a watch.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use apiserver_quota::{DeviceClasses, Evaluator, Facts, Requirement, Resources, Surroundings};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource,
    core::{DynamicObject, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{in_scope, version};
use crate::{discovery::ResourceKind, key::Key};

/// The objects of one resource.
pub struct Monitor {
    evaluator: Evaluator,
    objects: RwLock<BTreeMap<Key, Arc<Measured>>>,
    synced: watch::Sender<bool>,
}

/// What one object counts for.
#[derive(Debug, PartialEq)]
struct Measured {
    usage: Resources,
    facts: Facts,
    /// From then on it counts for the other amounts.
    until: Option<(Timestamp, Resources)>,
    /// Kept where what it counts for depends on device classes.
    object: Option<Value>,
}

impl Monitor {
    /// Starts watching; `changed` is told of namespaces where something came, with its resource version, or where
    /// something counts for less, or may. None for a resource that no quota counts.
    pub fn start(
        client: Client,
        kind: &ResourceKind,
        shutdown: CancellationToken,
        changed: impl Fn(&str, Option<u64>) + Send + Sync + 'static,
    ) -> Option<Arc<Monitor>> {
        let evaluator = apiserver_quota::evaluator(&kind.api.group, &kind.api.plural)?;
        let counts_only = matches!(evaluator, Evaluator::Count(_));
        let monitor = Arc::new(Monitor::new(evaluator));
        let (feed, name) = (monitor.clone(), kind.name());
        let config = watcher::Config::default();
        if counts_only {
            let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &kind.api);
            let events = watcher(api, config).default_backoff();
            let tree = |_: &PartialObjectMeta<DynamicObject>| Value::Null;
            tokio::spawn(async move { feed.run(events, tree, &name, &shutdown, &changed).await });
        } else {
            let api: Api<DynamicObject> = Api::all_with(client, &kind.api);
            let events = watcher(api, config).default_backoff();
            // An object that came as JSON goes as JSON.
            let tree = |object: &DynamicObject| serde_json::to_value(object).unwrap_or_default();
            tokio::spawn(async move { feed.run(events, tree, &name, &shutdown, &changed).await });
        }
        Some(monitor)
    }

    pub(super) fn new(evaluator: Evaluator) -> Monitor {
        let (synced, _) = watch::channel(false);
        Monitor { evaluator, objects: RwLock::default(), synced }
    }

    pub(super) async fn run<K: Resource>(
        &self,
        events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
        tree: impl Fn(&K) -> Value + Send,
        name: &str,
        shutdown: &CancellationToken,
        changed: &(dyn Fn(&str, Option<u64>) + Send + Sync),
    ) {
        let mut events = std::pin::pin!(events);
        let mut listed: HashMap<Key, Arc<Measured>> = HashMap::new();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = shutdown.cancelled() => return,
            };
            match event {
                None => return,
                Some(Err(error)) => debug!("watch of {name}: {error}"),
                Some(Ok(watcher::Event::Init)) => listed.clear(),
                Some(Ok(watcher::Event::InitApply(object))) => {
                    listed.insert(Key::of(&object), Arc::new(self.measure(tree(&object))));
                }
                Some(Ok(watcher::Event::InitDone)) => {
                    let now: BTreeMap<_, _> = std::mem::take(&mut listed).into_iter().collect();
                    let mut namespaces: BTreeSet<String> = now.keys().map(|key| key.namespace.clone()).collect();
                    let before = std::mem::replace(&mut *self.objects.write(), now);
                    namespaces.extend(before.into_keys().map(|key| key.namespace));
                    let is_first = !self.synced.send_replace(true);
                    // What a gap in the watch hid may have come or gone anywhere; who asks first waits for the list.
                    for namespace in namespaces.iter().filter(|_| !is_first) {
                        changed(namespace, None);
                    }
                }
                Some(Ok(watcher::Event::Apply(object))) => {
                    let key = Key::of(&object);
                    let measured = Arc::new(self.measure(tree(&object)));
                    let before = self.objects.write().insert(key.clone(), measured.clone());
                    match before {
                        None => changed(&key.namespace, Some(version(object.meta()))),
                        Some(before) if before != measured => changed(&key.namespace, None),
                        Some(_) => {}
                    }
                }
                Some(Ok(watcher::Event::Delete(object))) => {
                    let key = Key::of(&object);
                    self.objects.write().remove(&key);
                    changed(&key.namespace, None);
                }
            }
        }
    }

    fn measure(&self, object: Value) -> Measured {
        let none = DeviceClasses::default();
        let usage =
            |now: Timestamp| self.evaluator.usage(&object, Surroundings { now, device_classes: &none, owner: None });
        let until = match self.evaluator {
            Evaluator::Pods => apiserver_quota::changes_at(&object).map(|at| (at, usage(Timestamp::MAX))),
            _ => None,
        };
        Measured {
            usage: usage(Timestamp::MIN),
            facts: self.evaluator.facts(&object),
            until,
            object: (self.evaluator == Evaluator::ResourceClaims).then_some(object),
        }
    }

    /// Waits until the first list is in.
    pub async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        // The sender lives in `self`.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// What the objects of a namespace in these scopes count for, under the names of the limits.
    pub fn count(
        &self,
        namespace: &str,
        limits: &Resources,
        scopes: &[Requirement],
        classes: &DeviceClasses,
        now: Timestamp,
    ) -> Resources {
        let names = self.evaluator.matching_resources(limits.keys().map(String::as_str), classes);
        let mut sum: Resources = names.iter().map(|name| ((*name).to_owned(), apiserver_quota::nothing())).collect();
        let objects = self.objects.read();
        let range = objects.range(Key::new(namespace, "")..).take_while(|(key, _)| key.namespace == namespace);
        for (_, measured) in range.filter(|(_, measured)| in_scope(&measured.facts, scopes)) {
            let of_classes = measured
                .object
                .as_ref()
                .map(|object| self.evaluator.usage(object, Surroundings { now, device_classes: classes, owner: None }));
            let usage = match (&of_classes, &measured.until) {
                (Some(usage), _) => usage,
                (None, Some((at, after))) if now > *at => after,
                _ => &measured.usage,
            };
            sum.add(&usage.mask(|name| names.contains(&name)));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_summed_up_by_namespace_and_scope() {
        let monitor = Monitor::new(Evaluator::Pods);
        let pod = |cpu: &str, deadline: Option<i64>| {
            Arc::new(monitor.measure(json!({"spec": {
                "activeDeadlineSeconds": deadline,
                "containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}],
            }})))
        };
        let pods = [("ns", "a", pod("1", None)), ("ns", "b", pod("500m", Some(5))), ("other", "c", pod("4", None))];
        *monitor.objects.write() =
            pods.into_iter().map(|(namespace, name, pod)| (Key::new(namespace, name), pod)).collect();
        let limits = Resources::read(&json!({"cpu": "9", "pods": "9", "secrets": "9"}));
        let count = |spec: Value| {
            let scopes = apiserver_quota::requirements(&spec);
            monitor.count("ns", &limits, &scopes, &DeviceClasses::default(), Timestamp::UNIX_EPOCH).to_json()
        };
        assert_eq!(count(json!({})), json!({"cpu": "1500m", "pods": "2"}));
        assert_eq!(count(json!({"scopes": ["Terminating"]})), json!({"cpu": "500m", "pods": "1"}));
    }
}
