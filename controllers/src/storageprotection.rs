//! Lets claims, volumes and attributes classes go once nothing uses them any more: three controllers of one shape.
//!
//! Source: `pkg/controller/volume/{pvcprotection,pvprotection,vacprotection}`. Admission puts a finalizer on each new
//! object; here it is put on objects from before that, and taken away from deleted ones that are free.

use std::{fmt::Debug, sync::Arc};

use anyhow::Result;
use k8s_openapi::api::{
    core::v1::{PersistentVolume, PersistentVolumeClaim},
    storage::v1::VolumeAttributesClass,
};
use kube::{Api, Resource, api::PostParams};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    pod::Pod,
    queue::{self, Queue},
};

pub(crate) const CLAIMS: Controller = Controller {
    name: "persistentvolumeclaim-protection-controller",
    alias: "pvc-protection",
    service_account: "pvc-protection-controller",
    event_source: "pvc-protection-controller",
    run: |context| Box::pin(claims(context)),
};

pub(crate) const VOLUMES: Controller = Controller {
    name: "persistentvolume-protection-controller",
    alias: "pv-protection",
    service_account: "pv-protection-controller",
    event_source: "pv-protection-controller",
    run: |context| Box::pin(volumes(context)),
};

pub(crate) const ATTRIBUTES_CLASSES: Controller = Controller {
    name: "volumeattributesclass-protection-controller",
    alias: "vac-protection",
    service_account: "volumeattributesclass-protection-controller",
    event_source: "volumeattributesclass-protection-controller",
    run: |context| Box::pin(attributes_classes(context)),
};

async fn claims(context: Context) -> Result<()> {
    let (claims, pods) = (context.informers.persistent_volume_claims(), context.informers.pods());
    let queue: Queue<Key> = Queue::default();
    let queued = queue.clone();
    pods.subscribe(move |change| {
        if matches!(change, Change::Added(_)) {
            return;
        }
        for name in claims_of(change.object()) {
            queued.add(Key::new(change.object().namespace(), name));
        }
    });
    pods.synced().await;
    let live = context.client.clone();
    let api = {
        let client = context.client.clone();
        move |namespace: &str| Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace)
    };
    let is_used = move |claim: Arc<PersistentVolumeClaim>| {
        let (pods, live) = (pods.clone(), live.clone());
        async move {
            let key = Key::of(claim.as_ref());
            let uses = |pod: &Pod| pod.namespace() == key.namespace && uses(pod, &key.name);
            if pods.in_namespace(&key.namespace).iter().any(|pod| uses(pod)) {
                return anyhow::Ok(true);
            }
            // The store may not show yet that a pod was bound to a node.
            let live: Api<Pod> = Api::namespaced(live, &key.namespace);
            let pods = live.list(&kube::api::ListParams::default()).await?;
            Ok(pods.items.iter().any(uses))
        }
    };
    protect(CLAIMS.name, "kubernetes.io/pvc-protection", context, claims, queue, api, is_used).await
}

async fn volumes(context: Context) -> Result<()> {
    let volumes = context.informers.persistent_volumes();
    let api = {
        let client = context.client.clone();
        move |_: &str| Api::<PersistentVolume>::all(client.clone())
    };
    let is_used = |volume: Arc<PersistentVolume>| async move {
        anyhow::Ok(volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound"))
    };
    protect(VOLUMES.name, "kubernetes.io/pv-protection", context, volumes, Queue::default(), api, is_used).await
}

async fn attributes_classes(context: Context) -> Result<()> {
    let (claims, volumes) = (context.informers.persistent_volume_claims(), context.informers.persistent_volumes());
    let queue: Queue<Key> = Queue::default();
    let of_class = |name: &str| Key::new("", name);
    let queued = queue.clone();
    claims.subscribe(move |change| {
        if let Change::Updated(old, _) | Change::Deleted(old) = change {
            classes_of(old).into_iter().for_each(|name| queued.add(of_class(name)));
        }
    });
    let queued = queue.clone();
    volumes.subscribe(move |change| {
        if let Change::Updated(old, _) | Change::Deleted(old) = change
            && let Some(name) = class_of(old)
        {
            queued.add(of_class(name));
        }
    });
    claims.synced().await;
    volumes.synced().await;
    let api = {
        let client = context.client.clone();
        move |_: &str| Api::<VolumeAttributesClass>::all(client.clone())
    };
    let is_used = move |class: Arc<VolumeAttributesClass>| {
        let name = class.metadata.name.clone().unwrap_or_default();
        let used = claims.all().iter().any(|claim| classes_of(claim).contains(&name.as_str()))
            || volumes.all().iter().any(|volume| class_of(volume) == Some(&name));
        async move { anyhow::Ok(used) }
    };
    let classes = context.informers.volume_attributes_classes();
    protect(ATTRIBUTES_CLASSES.name, "kubernetes.io/vac-protection", context, classes, queue, api, is_used).await
}

/// Runs one of the controllers: queues its objects and what the caller queues, and settles each.
async fn protect<K, F, Fut>(
    name: &'static str,
    finalizer: &'static str,
    context: Context,
    objects: Informer<K>,
    queue: Queue<Key>,
    api: impl Fn(&str) -> Api<K> + Send + Sync + 'static,
    is_used: F,
) -> Result<()>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
    F: Fn(Arc<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<bool>> + Send,
{
    let queued = queue.clone();
    objects.subscribe(move |change| {
        if let Change::Added(object) | Change::Updated(_, object) = change
            && next(object.as_ref(), finalizer).is_some()
        {
            queued.add(Key::of(object.as_ref()));
        }
    });
    objects.synced().await;
    let shared = Arc::new((objects, api, is_used));
    queue::work(name, queue, 1, context.shutdown, move |key| {
        let shared = shared.clone();
        async move {
            let (objects, api, is_used) = &*shared;
            let Some(object) = objects.get(&key) else { return Ok(()) };
            let Some(next) = next(object.as_ref(), finalizer) else { return Ok(()) };
            if object.meta().deletion_timestamp.is_some() && is_used(object.clone()).await? {
                return Ok(());
            }
            match api(&key.namespace).replace(&key.name, &PostParams::default(), &next).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                result => result.map(drop).map_err(Into::into),
            }
        }
    })
    .await;
    Ok(())
}

/// The object with the finalizer put on, or taken away because it is being deleted; none where it is as it should be.
fn next<K: Resource + Clone>(object: &K, finalizer: &str) -> Option<K> {
    let has = object.meta().finalizers.iter().flatten().any(|own| own == finalizer);
    let deleted = object.meta().deletion_timestamp.is_some();
    if has != deleted {
        return None;
    }
    let mut next = object.clone();
    let finalizers = next.meta_mut().finalizers.get_or_insert_default();
    if deleted {
        finalizers.retain(|own| own != finalizer);
    } else {
        finalizers.push(finalizer.to_owned());
    }
    Some(next)
}

/// The claims that a pod names, and those that are made for it.
fn claims_of(pod: &Pod) -> impl Iterator<Item = String> {
    let own = pod.name().to_owned();
    pod.spec.volumes.iter().map(move |volume| match &volume.persistent_volume_claim {
        Some(claim) => claim.claim_name.clone(),
        None => format!("{own}-{}", volume.name),
    })
}

/// Whether a pod keeps a claim from going: one that no node has yet does not.
fn uses(pod: &Pod, claim: &str) -> bool {
    let named = |volume: &crate::pod::Volume| {
        volume.persistent_volume_claim.as_ref().is_some_and(|own| own.claim_name == claim)
            || volume.ephemeral.is_some() && !pod.finished() && format!("{}-{}", pod.name(), volume.name) == claim
    };
    !pod.node_name().is_empty() && pod.spec.volumes.iter().any(named)
}

/// The attributes classes that a claim has, wants or is being changed to.
fn classes_of(claim: &PersistentVolumeClaim) -> Vec<&str> {
    let status = claim.status.as_ref();
    let classes = [
        claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref()),
        status.and_then(|status| status.current_volume_attributes_class_name.as_deref()),
        status
            .and_then(|status| status.modify_volume_status.as_ref())
            .and_then(|modify| modify.target_volume_attributes_class_name.as_deref()),
    ];
    classes.into_iter().flatten().filter(|class| !class.is_empty()).collect()
}

fn class_of(volume: &PersistentVolume) -> Option<&String> {
    volume.spec.as_ref()?.volume_attributes_class_name.as_ref()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn the_finalizer_comes_and_goes() {
        let mut claim = PersistentVolumeClaim::default();
        let with = next(&claim, "f").unwrap();
        assert_eq!(with.metadata.finalizers.as_deref(), Some(&["f".to_owned()][..]));
        assert!(next(&with, "f").is_none());
        claim.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        assert!(next(&claim, "f").is_none());
        claim.metadata.finalizers = Some(vec!["g".into(), "f".into()]);
        assert_eq!(next(&claim, "f").unwrap().metadata.finalizers.as_deref(), Some(&["g".to_owned()][..]));
    }

    #[test]
    fn pods_use_claims_once_they_are_on_a_node() {
        let pod = |node: &str| -> Pod {
            serde_json::from_value(serde_json::json!({
                "metadata": {"name": "p", "namespace": "ns"},
                "spec": {"nodeName": node, "volumes": [
                    {"name": "a", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "b", "ephemeral": {}},
                ]},
            }))
            .unwrap()
        };
        assert!(uses(&pod("n"), "c") && uses(&pod("n"), "p-b"));
        assert!(!uses(&pod(""), "c") && !uses(&pod("n"), "p-a"));
    }
}
