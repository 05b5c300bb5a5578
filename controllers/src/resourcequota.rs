//! Recounts what is used of ResourceQuotas: admission charges for what comes, this finds out what has gone.
//!
//! Source: `pkg/controller/resourcequota`. Kinds are watched only while a quota limits them, and of each object only
//! what it counts for is kept.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use apiserver_quota::{DeviceClasses, Requirement, Resources, requirements};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaStatus},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    controller::{Context, Controller},
    discovery::{self, ResourceKind},
    informer::{Change, Informer},
    key::Key,
    queue::{self, Queue},
};

mod monitor;

use monitor::Monitor;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "resourcequota-controller",
    alias: "resourcequota",
    service_account: "resourcequota-controller",
    event_source: "resourcequota-controller",
    run: |context| Box::pin(run(context)),
};

/// How often kinds that are not known are looked for.
const REDISCOVERY: Duration = Duration::from_secs(30);

/// Kinds with quota names of their own, and so besides `count/...`.
const NAMED: &[(&str, &str)] = &[
    ("", "pods"),
    ("", "services"),
    ("", "persistentvolumeclaims"),
    ("resource.k8s.io", "resourceclaims"),
    ("", "configmaps"),
    ("", "replicationcontrollers"),
    ("", "resourcequotas"),
    ("", "secrets"),
];

/// A group and the plural name of a resource in it.
type GroupResource = (String, String);

struct Worker {
    client: Client,
    quotas: Informer<ResourceQuota>,
    queue: Queue<Key>,
    monitors: tokio::sync::Mutex<BTreeMap<GroupResource, Arc<Monitor>>>,
    /// All kinds, and when that was found out.
    kinds: tokio::sync::Mutex<Option<(Instant, Vec<ResourceKind>)>>,
    device_classes: Mutex<DeviceClasses>,
    /// The resource version at which each quota was last counted: what is older and comes later was not counted.
    counted: Mutex<BTreeMap<Key, u64>>,
    shutdown: CancellationToken,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        quotas: context.informers.resource_quotas(),
        queue: Queue::default(),
        monitors: tokio::sync::Mutex::default(),
        kinds: tokio::sync::Mutex::default(),
        device_classes: Mutex::default(),
        counted: Mutex::default(),
        shutdown: context.shutdown.clone(),
    });
    let classes = worker.clone();
    context.informers.device_classes().subscribe(move |change| {
        let class = change.object();
        let name = class.metadata.name.clone().unwrap_or_default();
        let mut known = classes.device_classes.lock();
        match (change, &class.spec.extended_resource_name) {
            (Change::Added(_) | Change::Updated(..), Some(extended)) => known.0.insert(name, extended.clone()),
            _ => known.0.remove(&name),
        };
    });
    let queue = worker.queue.clone();
    worker.quotas.subscribe(move |change| match change {
        Change::Updated(old, new) if hard(old) == hard(new) => {}
        change => queue.add(Key::of(change.object().as_ref())),
    });
    worker.quotas.synced().await;
    let resync = worker.clone();
    let (period, shutdown) = (context.options.resource_quota_sync_period, context.shutdown.clone());
    tokio::spawn(async move {
        while !period.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = shutdown.cancelled() => return,
            }
            for quota in resync.quotas.all() {
                resync.queue.add(Key::of(quota.as_ref()));
            }
        }
    });
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_resource_quota_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

/// The version of an object, 0 where that is not a number.
fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

fn hard(quota: &ResourceQuota) -> Option<&BTreeMap<String, Quantity>> {
    quota.spec.as_ref()?.hard.as_ref()
}

impl Worker {
    async fn sync(self: &Arc<Self>, key: &Key) -> Result<()> {
        let Some(quota) = self.quotas.get(key) else {
            self.counted.lock().remove(key);
            return Ok(());
        };
        // Whatever comes while this counts is counted again.
        self.counted.lock().insert(key.clone(), u64::MAX);
        let counted_at = self.count(key, &quota).await?;
        self.counted.lock().insert(key.clone(), counted_at);
        Ok(())
    }

    /// Counts for a quota and writes what is new; gives the version of the quota that says so.
    async fn count(self: &Arc<Self>, key: &Key, quota: &ResourceQuota) -> Result<u64> {
        let tree = serde_json::to_value(quota)?;
        let limits = Resources::read(&tree["spec"]["hard"]);
        let classes = self.device_classes.lock().clone();
        let scopes = requirements(&tree["spec"]);
        let mut counted = Resources::default();
        for resource in concerned(&limits, &classes) {
            // A kind that the server does not have counts for nothing.
            let Some(monitor) = self.monitor(&resource).await? else { continue };
            counted.0.extend(monitor.count(&key.namespace, &limits, &scopes, &classes, Timestamp::now()).0);
        }
        let Some(status) = plan(&tree, &limits, &counted) else { return Ok(version(&quota.metadata)) };
        let mut changed = quota.clone();
        changed.status = Some(status);
        let api: Api<ResourceQuota> = Api::namespaced(self.client.clone(), &key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(version(&quota.metadata)),
            result => Ok(version(&result?.metadata)),
        }
    }

    /// The monitor of a resource, started and waited for if need be; none where the server does not have it.
    async fn monitor(self: &Arc<Self>, resource: &GroupResource) -> Result<Option<Arc<Monitor>>> {
        let known = self.monitors.lock().await.get(resource).cloned();
        let monitor = match known {
            Some(monitor) => monitor,
            None => {
                let Some(kind) = self.kind(resource).await? else { return Ok(None) };
                let mut monitors = self.monitors.lock().await;
                match monitors.get(resource) {
                    Some(monitor) => monitor.clone(),
                    None => {
                        let worker = self.clone();
                        let of = resource.clone();
                        let changed = move |namespace: &str, came: Option<u64>| worker.replenish(&of, namespace, came);
                        let shutdown = self.shutdown.clone();
                        let Some(monitor) = Monitor::start(self.client.clone(), &kind, shutdown, changed) else {
                            return Ok(None);
                        };
                        monitors.insert(resource.clone(), monitor.clone());
                        monitor
                    }
                }
            }
        };
        tokio::time::timeout(REDISCOVERY, monitor.synced())
            .await
            .with_context(|| format!("{} cannot be listed", resource.1))?;
        Ok(Some(monitor))
    }

    async fn kind(&self, (group, plural): &GroupResource) -> Result<Option<ResourceKind>> {
        let mut kinds = self.kinds.lock().await;
        let find = |kinds: &[ResourceKind]| {
            let listed = |kind: &&ResourceKind| kind.namespaced && kind.has("list") && kind.has("watch");
            let found = kinds.iter().find(|kind| kind.api.group == *group && kind.api.plural == *plural);
            found.filter(listed).cloned()
        };
        if let Some((at, known)) = &*kinds {
            let found = find(known);
            if found.is_some() || at.elapsed() < REDISCOVERY {
                return Ok(found);
            }
        }
        let (known, _) = discovery::kinds(&self.client).await?;
        let found = find(&known);
        *kinds = Some((Instant::now(), known));
        Ok(found)
    }

    /// Queues the quotas of a namespace that limit the resource. What came was charged when it was admitted, so that
    /// its version queues those only that were counted without it: each kind has a watch of its own, and none waits
    /// for another.
    fn replenish(&self, resource: &GroupResource, namespace: &str, came: Option<u64>) {
        let classes = self.device_classes.lock().clone();
        for quota in self.quotas.in_namespace(namespace) {
            let key = Key::of(quota.as_ref());
            let is_counted = |at: u64| self.counted.lock().get(&key).is_none_or(|counted| at > *counted);
            if came.is_some_and(is_counted) {
                continue;
            }
            let names = hard(&quota).into_iter().flatten();
            let limits: Resources = names.map(|(name, _)| (name.clone(), apiserver_quota::one())).collect();
            if concerned(&limits, &classes).contains(resource) {
                self.queue.add(key);
            }
        }
    }
}

/// The resources whose objects count for some of these limits.
fn concerned(limits: &Resources, classes: &DeviceClasses) -> Vec<GroupResource> {
    let named = NAMED.iter().copied();
    let counted = limits.keys().filter_map(|name| apiserver_quota::counted(name));
    let mut resources: Vec<GroupResource> = named
        .chain(counted)
        .filter(|(group, resource)| {
            apiserver_quota::evaluator(group, resource).is_some_and(|evaluator| {
                !evaluator.matching_resources(limits.keys().map(String::as_str), classes).is_empty()
            })
        })
        .map(|(group, resource)| (group.to_owned(), resource.to_owned()))
        .collect();
    resources.sort();
    resources.dedup();
    resources
}

/// The status that a quota should have; none where it has that.
fn plan(quota: &Value, limits: &Resources, counted: &Resources) -> Option<ResourceQuotaStatus> {
    let was = &quota["status"];
    // What nothing counts keeps what was written for it.
    let mut used = Resources::read(&was["used"]);
    used.0.extend(counted.0.clone());
    let used = used.mask(|name| limits.contains_key(name));
    let is_same = !was["hard"].is_null()
        && !was["used"].is_null()
        && Resources::read(&was["hard"]) == *limits
        && Resources::read(&was["used"]) == used;
    let list = |resources: &Resources| {
        Some(resources.iter().map(|(name, amount)| (name.clone(), Quantity(amount.to_string()))).collect())
    };
    (!is_same).then(|| ResourceQuotaStatus { hard: list(limits), used: list(&used) })
}

/// Whether an object of these facts is in all scopes of a quota.
fn in_scope(facts: &apiserver_quota::Facts, scopes: &[Requirement]) -> bool {
    scopes.iter().all(|scope| facts.meets(scope))
}

#[cfg(test)]
mod tests {
    use apiserver_quota::Evaluator;
    use kube::{
        client::Body,
        core::{DynamicObject, PartialObjectMeta},
        runtime::watcher::Event,
    };
    use serde_json::json;

    use super::*;

    /// A server that keeps the last status it was sent, and gives it version 12.
    fn server(last: Arc<Mutex<Value>>) -> Client {
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let last = last.clone();
            async move {
                let bytes = request.into_body().collect_bytes().await?;
                let mut quota: Value = serde_json::from_slice(&bytes)?;
                *last.lock() = quota["status"].clone();
                quota["metadata"]["resourceVersion"] = "12".into();
                anyhow::Ok(http::Response::new(Body::from(quota.to_string().into_bytes())))
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn what_comes_after_it_was_to_be_counted_is_counted_then() {
        let written = Arc::new(Mutex::new(Value::Null));
        let resource = (String::new(), "resourcequotas".to_owned());
        let monitor = Arc::new(Monitor::new(Evaluator::Count(vec!["resourcequotas".to_owned()])));
        let worker = Arc::new(Worker {
            client: server(written.clone()),
            quotas: Informer::default(),
            queue: Queue::default(),
            monitors: tokio::sync::Mutex::new([(resource.clone(), monitor.clone())].into()),
            kinds: tokio::sync::Mutex::default(),
            device_classes: Mutex::default(),
            counted: Mutex::default(),
            shutdown: CancellationToken::new(),
        });
        let (events, feed) = futures::channel::mpsc::unbounded();
        let told = worker.clone();
        tokio::spawn(async move {
            let shutdown = told.shutdown.clone();
            let changed = move |namespace: &str, came: Option<u64>| told.replenish(&resource, namespace, came);
            monitor.run(feed, |_| Value::Null, "resourcequotas", &shutdown, &changed).await;
        });
        let send = |event| events.unbounded_send(Ok(event)).unwrap();
        let meta = |name: &str, version: &str| json!({"namespace": "ns", "name": name, "resourceVersion": version});
        let watched = |name: &str, version: &str| -> PartialObjectMeta<DynamicObject> {
            serde_json::from_value(json!({"metadata": meta(name, version)})).unwrap()
        };
        send(Event::Init);
        send(Event::InitDone);

        // The watch that counts quotas is behind the one that tells of quotas.
        let quota = json!({"metadata": meta("self", "10"), "spec": {"hard": {"resourcequotas": "5"}}});
        let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
        worker.quotas.step(Event::Apply(quota), &mut BTreeMap::new());
        let key = Key::new("ns", "self");
        worker.sync(&key).await.unwrap();
        assert_eq!(written.lock()["used"], json!({"resourcequotas": "0"}));
        send(Event::Apply(watched("self", "10")));
        assert_eq!(worker.queue.get().await, key);
        worker.sync(&key).await.unwrap();
        assert_eq!(written.lock()["used"], json!({"resourcequotas": "1"}));
        worker.queue.done(&key);

        // What is newer than the count was charged when it was admitted; what goes is always counted.
        send(Event::Apply(watched("new", "13")));
        send(Event::Apply(watched("late", "11")));
        assert_eq!(worker.queue.get().await, key);
        worker.queue.done(&key);
        send(Event::Apply(watched("newer", "14")));
        tokio::task::yield_now().await;
        assert!(futures::FutureExt::now_or_never(worker.queue.get()).is_none());
        send(Event::Delete(watched("new", "15")));
        assert_eq!(worker.queue.get().await, key);
    }

    #[test]
    fn a_quota_names_the_resources_to_count() {
        let limits =
            Resources::read(&json!({"cpu": "1", "secrets": "2", "count/deployments.apps": "3", "nonsense": "4"}));
        let owned = |list: &[(&str, &str)]| -> Vec<GroupResource> {
            list.iter().map(|(group, resource)| ((*group).to_owned(), (*resource).to_owned())).collect()
        };
        assert_eq!(
            concerned(&limits, &DeviceClasses::default()),
            owned(&[("", "pods"), ("", "secrets"), ("apps", "deployments")])
        );
    }

    #[test]
    fn the_status_follows_the_count() {
        let limits = Resources::read(&json!({"pods": "5", "x/y": "1"}));
        let counted = Resources::read(&json!({"pods": "2", "count/pods": "2"}));
        let new = plan(&json!({}), &limits, &counted).unwrap();
        assert_eq!(
            serde_json::to_value(&new).unwrap(),
            json!({"hard": {"pods": "5", "x/y": "1"}, "used": {"pods": "2"}})
        );
        let kept = json!({"status": {"hard": {"pods": "5", "x/y": "1"}, "used": {"pods": "2", "x/y": "1"}}});
        assert_eq!(plan(&kept, &limits, &counted), None);
        let other = Resources::read(&json!({"pods": "3"}));
        assert!(plan(&kept, &limits, &other).is_some());
    }
}
