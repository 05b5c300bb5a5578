//! Empties a namespace that is being deleted, then lets it go.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    core::{DynamicObject, PartialObjectMeta},
};
use tracing::info;

use crate::{
    controller::{Context, Controller},
    discovery::{self, ResourceKind},
    informer::{Change, Informer},
    key::Key,
    pod_control::message,
    queue::{self, Queue},
};

mod conditions;

use conditions::Findings;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "namespace-controller",
    alias: "namespace",
    service_account: "namespace-controller",
    event_source: "namespace-controller",
    run: |context| Box::pin(run(context)),
};

/// The finalizer in `spec.finalizers` that is this controller's.
const FINALIZER: &str = "kubernetes";
/// From the deletion to the first look: creations that were admitted just before it should be there by then.
const START_DELAY: Duration = Duration::from_secs(1);
/// How long objects with finalizers are given before the next look.
const FINALIZER_SECONDS: i64 = 15;
/// Kinds of one namespace that are emptied at the same time.
const PARALLEL: usize = 8;

struct Worker {
    client: Client,
    namespaces: Informer<Namespace>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        namespaces: context.informers.namespaces(),
        queue: Queue::default(),
    });
    let queue = worker.queue.clone();
    worker.namespaces.subscribe(move |change| {
        let namespace = change.object();
        let begins = match change {
            Change::Added(_) => true,
            Change::Updated(old, _) => old.metadata.deletion_timestamp.is_none(),
            Change::Deleted(_) => false,
        };
        if begins && namespace.metadata.deletion_timestamp.is_some() {
            queue.add_after(Key::of(namespace.as_ref()), START_DELAY);
        }
    });
    // The last pod is what a namespace mostly waits for.
    let own = worker.clone();
    context.informers.pods().subscribe(move |change| {
        if let Change::Deleted(pod) = change {
            let key = Key::new("", pod.namespace());
            if own.namespaces.get(&key).is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some()) {
                own.queue.add(key);
            }
        }
    });
    worker.namespaces.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_namespace_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

/// What one kind still has in the namespace.
#[derive(Debug, Default)]
struct Remaining {
    objects: usize,
    finalizers: BTreeMap<String, usize>,
    /// Seconds until the objects should be gone.
    estimate: i64,
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let Some(mut namespace) = api.get_opt(&key.name).await? else { return Ok(()) };
        if namespace.metadata.deletion_timestamp.is_none() || !has_finalizer(&namespace) {
            return Ok(());
        }
        if namespace.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Terminating") {
            namespace.status.get_or_insert_default().phase = Some("Terminating".to_string());
            namespace = api.replace_status(&key.name, &PostParams::default(), &namespace).await?;
        }
        let (findings, estimate) = self.empty(&key.name).await?;
        let mut updated = namespace.clone();
        let status = updated.status.get_or_insert_default();
        if conditions::update(status.conditions.get_or_insert_default(), &findings, Timestamp::now()) {
            namespace = match api.replace_status(&key.name, &PostParams::default(), &updated).await {
                Ok(namespace) => namespace,
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(error) => return Err(error.into()),
            };
        }
        if !findings.failures.is_empty() || !findings.discovery.is_empty() {
            let first = findings.failures.first().or(findings.discovery.first()).cloned().unwrap_or_default();
            anyhow::bail!("unable to delete all content: {first}");
        }
        if findings.remaining() {
            self.queue.add_after(key.clone(), Duration::from_secs(u64::try_from(estimate / 2 + 1).unwrap_or(1)));
            return Ok(());
        }
        self.finalize(namespace).await
    }

    /// Deletes what is in the namespace, pods before everything else, and looks what is left.
    async fn empty(&self, namespace: &str) -> Result<(Findings, i64)> {
        let (kinds, failures) = discovery::kinds(&self.client).await?;
        let mut findings = Findings::of_discovery(failures);
        let mut estimate = 0;
        let deletable = kinds.into_iter().filter(|kind| kind.namespaced && kind.has("delete"));
        let (pods, others): (Vec<_>, Vec<_>) =
            deletable.partition(|kind| kind.api.group.is_empty() && kind.api.plural == "pods");
        for step in [pods, others] {
            let results: Vec<_> = stream::iter(step)
                .map(|kind| async move { (kind.name(), self.empty_kind(&kind, namespace).await) })
                .buffer_unordered(PARALLEL)
                .collect()
                .await;
            for (kind, result) in results {
                match result {
                    Ok(remaining) => {
                        estimate = estimate.max(remaining.estimate);
                        findings.add(kind, remaining.objects, remaining.finalizers);
                    }
                    Err(error) => findings.failures.push(message(&error)),
                }
            }
            // Pods may need the rest (a Secret, a NetworkPolicy) until they are gone.
            if findings.remaining() {
                break;
            }
        }
        Ok((findings, estimate))
    }

    async fn empty_kind(&self, kind: &ResourceKind, namespace: &str) -> kube::Result<Remaining> {
        let api: Api<PartialObjectMeta<DynamicObject>> =
            Api::namespaced_with(self.client.clone(), namespace, &kind.api);
        if !kind.has("list") {
            // A virtual kind, such as a review.
            return Ok(Remaining::default());
        }
        let before = match api.list(&ListParams::default().limit(500)).await {
            Ok(list) => list,
            Err(error) if unsupported(&error) => return Ok(Remaining::default()),
            Err(error) => return Err(error),
        };
        if before.items.is_empty() {
            return Ok(Remaining::default());
        }
        info!("deleting {} in namespace {namespace}", kind.name());
        let background = DeleteParams::background();
        let objects: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind.api);
        if kind.has("deletecollection") {
            match objects.delete_collection(&background, &ListParams::default()).await {
                Err(error) if !unsupported(&error) => return Err(error),
                _ => {}
            }
        } else {
            for object in before.items {
                match objects.delete(&object.name_any(), &background).await {
                    Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => {}
                    result => drop(result?),
                }
            }
        }
        let left = api.list(&ListParams::default()).await?;
        let mut remaining = Remaining { objects: left.items.len(), ..Remaining::default() };
        for object in &left.items {
            for finalizer in object.finalizers() {
                *remaining.finalizers.entry(finalizer.clone()).or_default() += 1;
            }
            remaining.estimate = remaining.estimate.max(object.metadata.deletion_grace_period_seconds.unwrap_or(0));
        }
        if !remaining.finalizers.is_empty() {
            remaining.estimate = remaining.estimate.max(FINALIZER_SECONDS);
        }
        Ok(remaining)
    }

    /// Removes this controller's finalizer; without any, the API server deletes the namespace.
    async fn finalize(&self, mut namespace: Namespace) -> Result<()> {
        let name = namespace.name_any();
        if let Some(finalizers) = namespace.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let result = api.replace_subresource("finalize", &name, &PostParams::default(), &namespace).await;
        match result {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

fn has_finalizer(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
    finalizers.is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == FINALIZER))
}

/// The kind does not know the verb, or is gone (a custom resource definition deleted meanwhile).
fn unsupported(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 405))
}
