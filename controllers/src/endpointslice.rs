//! Lists the pods behind each Service with a selector in EndpointSlices.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use k8s_openapi::api::{
    core::v1::{Node, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, PostParams},
};
use parking_lot::Mutex;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    pod::Pod,
    pod_control::{message, namespace_terminating},
    queue::{self, Queue},
    service_pods::{self, TriggerTimes},
};

mod plan;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "endpointslice-controller",
    alias: "endpointslice",
    service_account: "endpointslice-controller",
    event_source: "endpoint-slice-controller",
    run: |context| Box::pin(run(context)),
};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The value of the managed-by label of this controller's slices.
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Changes of one Service within this time are written together.
const BATCH: Duration = Duration::from_millis(100);

struct Worker {
    client: Client,
    recorder: Recorder,
    services: Informer<Service>,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    slices: Informer<EndpointSlice>,
    queue: Queue<Key>,
    trigger_times: TriggerTimes,
    written: Written,
    max_endpoints: usize,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        services: context.informers.services(),
        pods: context.informers.pods(),
        nodes: context.informers.nodes(),
        slices: context.informers.endpoint_slices(),
        queue: Queue::default(),
        trigger_times: TriggerTimes::default(),
        written: Written::default(),
        max_endpoints: usize::from(context.options.max_endpoints_per_slice),
    });
    service_pods::enqueue_on_changes(&worker.services, &worker.pods, &worker.queue);
    let queue = worker.queue.clone();
    worker.slices.subscribe(move |change| {
        let slice = change.object();
        if let Some(service) = managed(slice).then(|| slice.labels().get(SERVICE_NAME)).flatten() {
            queue.add_after(Key::new(slice.namespace().unwrap_or_default(), service), BATCH);
        }
    });
    let own = worker.clone();
    worker.nodes.subscribe(move |change| {
        // A pod waits for its node's zone; a node that comes or changes its zone matters to every Service on it.
        let zone = |node: &Node| node.labels().get(plan::ZONE).cloned();
        let matters = match change {
            Change::Added(_) => true,
            Change::Updated(old, new) => zone(old) != zone(new),
            Change::Deleted(_) => false,
        };
        if matters {
            own.services.all().iter().for_each(|service| own.queue.add_after(Key::of(service.as_ref()), BATCH));
        }
    });
    worker.services.synced().await;
    worker.pods.synced().await;
    worker.nodes.synced().await;
    worker.slices.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_service_endpoint_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

fn managed(slice: &EndpointSlice) -> bool {
    slice.labels().get(MANAGED_BY).map(String::as_str) == Some(MANAGER)
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(service) = self.services.get(key) else {
            // The garbage collector deletes the slices: they are owned by the Service.
            self.trigger_times.forget(key);
            self.written.forget(key);
            return Ok(());
        };
        if service_pods::selector(&service).is_none() {
            return Ok(());
        }
        let mut slices = self.slices.in_namespace(&key.namespace);
        slices.retain(|slice| managed(slice) && slice.labels().get(SERVICE_NAME) == Some(&key.name));
        if !self.written.shown_by(key, &slices) {
            // The store is behind this controller's own writes. Their events wake the Service; this is for lost ones.
            self.queue.add_after(key.clone(), Duration::from_secs(1));
            return Ok(());
        }
        let pods = service_pods::pods_of(&service, &self.pods);
        let trigger = self.trigger_times.earliest(key, &service, &pods);
        let node = |name: &str| self.nodes.get(&Key::new("", name));
        let plan = plan::plan(&service, &pods, &node, &slices, self.max_endpoints, trigger);
        self.execute(key, &service, plan).await
    }

    async fn execute(&self, key: &Key, service: &Service, plan: plan::Plan) -> Result<()> {
        let result = self.write(key, plan).await;
        if let Err(error) = &result
            && !matches!(error, kube::Error::Api(status) if status.code == 409)
        {
            let text = format!("Error updating Endpoint Slices for Service {key}: {}", message(error));
            self.recorder.event(&service.object_ref(&()), EventType::Warning, "FailedToUpdateEndpointSlices", &text);
        }
        Ok(result?)
    }

    async fn write(&self, key: &Key, plan: plan::Plan) -> kube::Result<()> {
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &key.namespace);
        for slice in plan.create {
            match api.create(&PostParams::default(), &slice).await {
                Ok(created) => self.written.wrote(key, &created),
                Err(error) if namespace_terminating(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        for slice in plan.update {
            let updated = api.replace(&slice.name_any(), &PostParams::default(), &slice).await?;
            self.written.wrote(key, &updated);
        }
        for name in plan.delete {
            match api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                result => drop(result?),
            }
            self.written.deleted(key, &name);
        }
        Ok(())
    }
}

/// By slice: the version that was written, `None` for a deletion, and when.
type Writes = HashMap<String, (Option<u64>, Instant)>;

/// This controller's latest writes per Service, until the store shows them: planning on older slices would fill
/// the same endpoints into new ones.
#[derive(Default)]
struct Written {
    services: Mutex<HashMap<Key, Writes>>,
}

impl Written {
    /// Writes are waited for at most this long.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn wrote(&self, key: &Key, slice: &EndpointSlice) {
        let version = slice.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0);
        self.note(key, slice.name_any(), Some(version));
    }

    fn deleted(&self, key: &Key, name: &str) {
        self.note(key, name.to_string(), None);
    }

    fn note(&self, key: &Key, name: String, version: Option<u64>) {
        self.services.lock().entry(key.clone()).or_default().insert(name, (version, Instant::now()));
    }

    fn shown_by(&self, key: &Key, slices: &[Arc<EndpointSlice>]) -> bool {
        let mut services = self.services.lock();
        let Some(writes) = services.get_mut(key) else { return true };
        writes.retain(|name, (version, at)| {
            let stored = slices.iter().find(|slice| slice.metadata.name.as_ref() == Some(name));
            let stored = stored.and_then(|slice| slice.resource_version()?.parse::<u64>().ok());
            let shown = match version {
                None => stored.is_none(),
                Some(version) => stored.is_some_and(|stored| stored >= *version),
            };
            !shown && at.elapsed() < Self::PATIENCE
        });
        let all = writes.is_empty();
        if all {
            services.remove(key);
        }
        all
    }

    fn forget(&self, key: &Key) {
        self.services.lock().remove(key);
    }
}
