//! Watches of the API server, turned into [`Change`]s: each object is parsed into its slim form and let go.

use std::{collections::HashSet, fmt::Debug, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, StatefulSet},
    core::v1::{Namespace, Node, PersistentVolumeClaim, Pod, ReplicationController, Service},
    policy::v1::PodDisruptionBudget,
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

use crate::{
    cluster::{Claim, DisruptionBudget},
    labels::{Labels, Selector},
    node::NodeFacts,
    pod::PodInfo,
    scheduler::{Change, Kind},
};

/// How many kinds are watched: the scheduler waits until each was listed once.
pub const KINDS: usize = 9;

/// What a watch says.
#[derive(Debug)]
pub enum Notice {
    Change(Change),
    /// One kind is known completely, for the first time.
    Synced,
}

/// Starts all watches. They go on until the receiver is dropped.
pub fn start(client: &Client, notices: &mpsc::Sender<Notice>) {
    // Pods that ended need no node and hold none.
    let running = watcher::Config::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods = Translation {
        apply: |pod: &Pod| Change::Pod(Box::new(PodInfo::parse(pod))),
        delete: |pod| Change::PodGone {
            key: key(pod).into(),
            uid: pod.metadata.uid.as_deref().unwrap_or_default().into(),
        },
        kind: Kind::Pods,
    };
    tokio::spawn(watch(Api::<Pod>::all(client.clone()), running, pods, notices.clone()));
    let nodes = Translation {
        apply: |node: &Node| Change::Node(Box::new(NodeFacts::parse(node))),
        delete: |node| Change::NodeGone(name(node).into()),
        kind: Kind::Nodes,
    };
    tokio::spawn(watch(Api::<Node>::all(client.clone()), watcher::Config::default(), nodes, notices.clone()));
    let namespaces = Translation {
        apply: |namespace: &Namespace| {
            Change::Namespace(name(namespace).into(), Some(Labels::from(namespace.metadata.labels.as_ref())))
        },
        delete: |namespace| Change::Namespace(name(namespace).into(), None),
        kind: Kind::Namespaces,
    };
    tokio::spawn(watch(Api::<Namespace>::all(client.clone()), watcher::Config::default(), namespaces, notices.clone()));
    let budgets = Translation {
        apply: |budget: &PodDisruptionBudget| Change::Budget(key(budget).into(), Some(parse_budget(budget))),
        delete: |budget| Change::Budget(key(budget).into(), None),
        kind: Kind::Budgets,
    };
    let api = Api::<PodDisruptionBudget>::all(client.clone());
    tokio::spawn(watch(api, watcher::Config::default(), budgets, notices.clone()));
    let claims = Translation {
        apply: |claim: &PersistentVolumeClaim| Change::Claim(key(claim).into(), Some(parse_claim(claim))),
        delete: |claim| Change::Claim(key(claim).into(), None),
        kind: Kind::Claims,
    };
    let api = Api::<PersistentVolumeClaim>::all(client.clone());
    tokio::spawn(watch(api, watcher::Config::default(), claims, notices.clone()));
    start_selectors(client, notices);
}

/// Starts the watches of what says which pods belong together.
fn start_selectors(client: &Client, notices: &mpsc::Sender<Notice>) {
    let all = watcher::Config::default;
    let services = Translation {
        apply: |service: &Service| {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            // A service without a selector selects nothing.
            let selector = selector.filter(|selector| !selector.is_empty()).map(Selector::of_labels);
            Change::Selector("Service", key(service).into(), selector)
        },
        delete: |service| Change::Selector("Service", key(service).into(), None),
        kind: Kind::Selectors("Service"),
    };
    tokio::spawn(watch(Api::<Service>::all(client.clone()), all(), services, notices.clone()));
    let controllers = Translation {
        apply: |controller: &ReplicationController| {
            let selector = controller.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            Change::Selector("ReplicationController", key(controller).into(), selector.map(Selector::of_labels))
        },
        delete: |controller| Change::Selector("ReplicationController", key(controller).into(), None),
        kind: Kind::Selectors("ReplicationController"),
    };
    tokio::spawn(watch(Api::<ReplicationController>::all(client.clone()), all(), controllers, notices.clone()));
    let sets = Translation {
        apply: |set: &ReplicaSet| {
            let selector = set.spec.as_ref().map(|spec| Selector::parse(Some(&spec.selector)));
            Change::Selector("ReplicaSet", key(set).into(), selector)
        },
        delete: |set| Change::Selector("ReplicaSet", key(set).into(), None),
        kind: Kind::Selectors("ReplicaSet"),
    };
    tokio::spawn(watch(Api::<ReplicaSet>::all(client.clone()), all(), sets, notices.clone()));
    let sets = Translation {
        apply: |set: &StatefulSet| {
            let selector = set.spec.as_ref().map(|spec| Selector::parse(Some(&spec.selector)));
            Change::Selector("StatefulSet", key(set).into(), selector)
        },
        delete: |set| Change::Selector("StatefulSet", key(set).into(), None),
        kind: Kind::Selectors("StatefulSet"),
    };
    tokio::spawn(watch(Api::<StatefulSet>::all(client.clone()), all(), sets, notices.clone()));
}

/// How objects of a kind become changes.
struct Translation<K> {
    apply: fn(&K) -> Change,
    delete: fn(&K) -> Change,
    kind: Kind,
}

async fn watch<K>(api: Api<K>, config: watcher::Config, translation: Translation<K>, notices: mpsc::Sender<Notice>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = std::pin::pin!(watcher::watcher(api, config).default_backoff());
    let mut listed: HashSet<Arc<str>> = HashSet::new();
    let mut synced = false;
    while let Some(event) = events.next().await {
        let mut out = Vec::new();
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(key(&object).into());
                out.push(Notice::Change((translation.apply)(&object)));
            }
            Ok(Event::InitDone) => {
                out.push(Notice::Change(Change::Listed(translation.kind, std::mem::take(&mut listed))));
                if !std::mem::replace(&mut synced, true) {
                    out.push(Notice::Synced);
                }
            }
            Ok(Event::Apply(object)) => out.push(Notice::Change((translation.apply)(&object))),
            Ok(Event::Delete(object)) => out.push(Notice::Change((translation.delete)(&object))),
            Err(error) => warn!("watch of {} failed, will retry: {error}", K::plural(&())),
        }
        for notice in out {
            if notices.send(notice).await.is_err() {
                return;
            }
        }
    }
}

fn name(object: &impl Resource) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// Namespace and name, joined by a slash; the name alone where there is no namespace.
fn key(object: &impl Resource) -> String {
    match &object.meta().namespace {
        Some(namespace) => format!("{namespace}/{}", name(object)),
        None => name(object).to_string(),
    }
}

fn parse_budget(budget: &PodDisruptionBudget) -> DisruptionBudget {
    let status = budget.status.as_ref();
    let disrupted = status.and_then(|status| status.disrupted_pods.as_ref()).into_iter().flatten();
    DisruptionBudget {
        namespace: budget.metadata.namespace.as_deref().unwrap_or_default().into(),
        selector: Selector::parse(budget.spec.as_ref().and_then(|spec| spec.selector.as_ref())),
        allowed: status.and_then(|status| status.disruptions_allowed).unwrap_or(0),
        disrupted: disrupted.map(|(name, _)| name.as_str().into()).collect(),
    }
}

fn parse_claim(claim: &PersistentVolumeClaim) -> Claim {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
    let completed = claim.metadata.annotations.as_ref();
    let completed = completed.is_some_and(|map| map.contains_key("pv.kubernetes.io/bind-completed"));
    Claim {
        bound: !volume.is_empty() && completed,
        lost: phase == Some("Lost"),
        deleting: claim.metadata.deletion_timestamp.is_some(),
    }
}
