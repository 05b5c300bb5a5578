//! Counts how many pods of each PodDisruptionBudget may be evicted.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    core::v1::ReplicationController,
    policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    owner::{Matcher, controller_of},
    pod::Pod,
    queue::{self, Queue},
};

mod plan;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "disruption-controller",
    alias: "disruption",
    service_account: "disruption-controller",
    event_source: "controllermanager",
    run: |context| Box::pin(run(context)),
};

/// How long a pod may take from its eviction to its deletion.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);

struct Worker {
    client: Client,
    recorder: Recorder,
    budgets: Informer<PodDisruptionBudget>,
    pods: Informer<Pod>,
    deployments: Informer<Deployment>,
    replica_sets: Informer<ReplicaSet>,
    replication_controllers: Informer<ReplicationController>,
    stateful_sets: Informer<StatefulSet>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        budgets: context.informers.pod_disruption_budgets(),
        pods: context.informers.pods(),
        deployments: context.informers.deployments(),
        replica_sets: context.informers.replica_sets(),
        replication_controllers: context.informers.replication_controllers(),
        stateful_sets: context.informers.stateful_sets(),
        queue: Queue::default(),
    });
    let queue = worker.queue.clone();
    worker.budgets.subscribe(move |change| queue.add(Key::of(change.object().as_ref())));
    let own = worker.clone();
    worker.pods.subscribe(move |change| {
        if let Change::Updated(old, _) = change {
            own.enqueue_budgets_of(old);
        }
        own.enqueue_budgets_of(change.object());
    });
    worker.budgets.synced().await;
    worker.pods.synced().await;
    worker.deployments.synced().await;
    worker.replica_sets.synced().await;
    worker.replication_controllers.synced().await;
    worker.stateful_sets.synced().await;
    let queue = worker.queue.clone();
    queue::work(CONTROLLER.name, queue, 1, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    fn enqueue_budgets_of(&self, pod: &Pod) {
        for budget in self.budgets.in_namespace(pod.namespace()) {
            if selector(&budget).is_some_and(|selector| selector.matches(&pod.metadata)) {
                self.queue.add(Key::of(budget.as_ref()));
            }
        }
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(budget) = self.budgets.get(key) else { return Ok(()) };
        let mut pods = self.pods.in_namespace(&key.namespace);
        let selector = selector(&budget);
        pods.retain(|pod| selector.as_ref().is_some_and(|selector| selector.matches(&pod.metadata)));
        let subject = budget.object_ref(&());
        if pods.is_empty() {
            self.recorder.event(&subject, EventType::Normal, "NoPods", "No matching pods found");
        }
        let scale = self.scale(&pods);
        if let Err(error) = &scale
            && plan::needs_scale(&budget)
        {
            let text = format!("Failed to calculate the number of expected pods: {error}");
            self.recorder.event(&subject, EventType::Warning, "CalculateExpectedPodCountFailed", &text);
        }
        let plan = plan::plan(&budget, &pods, scale, Timestamp::now());
        for name in &plan.not_deleted {
            let text = format!("Pod was expected by PDB {key} to be deleted but it wasn't");
            if let Some(pod) = pods.iter().find(|pod| pod.name() == name) {
                self.recorder.event(&pod.object_ref(&()), EventType::Warning, "NotDeleted", &text);
            }
        }
        self.write_status(&budget, plan.status).await?;
        if let Some(after) = plan.check_after {
            self.queue.add_after(key.clone(), after);
        }
        Ok(())
    }

    /// How many pods the controllers of these pods want together; pods without a controller do not count.
    fn scale(&self, pods: &[Arc<Pod>]) -> Result<i32, String> {
        let mut controllers: HashMap<String, i32> = HashMap::new();
        for pod in pods {
            let Some(reference) = controller_of(&pod.metadata) else { continue };
            if controllers.contains_key(&reference.uid) {
                continue;
            }
            let key = Key::new(pod.namespace(), &reference.name);
            let found = match reference.kind.as_str() {
                "ReplicaSet" => self.replica_set(&key),
                "ReplicationController" => self
                    .replication_controllers
                    .get(&key)
                    .and_then(|set| Some((set.uid()?, set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)))),
                "StatefulSet" => self
                    .stateful_sets
                    .get(&key)
                    .and_then(|set| Some((set.uid()?, set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)))),
                kind => {
                    return Err(format!("{kind}.{} does not implement the scale subresource", reference.api_version));
                }
            };
            let Some((uid, replicas)) = found else {
                return Err(format!("found no controllers for pod {:?}", pod.name()));
            };
            controllers.insert(uid, replicas);
        }
        Ok(controllers.values().sum())
    }

    /// UID and scale of a ReplicaSet, or of the Deployment behind it.
    fn replica_set(&self, key: &Key) -> Option<(String, i32)> {
        let set = self.replica_sets.get(key)?;
        if let Some(reference) = controller_of(&set.metadata).filter(|reference| reference.kind == "Deployment") {
            let deployment = self.deployments.get(&Key::new(&key.namespace, &reference.name))?;
            return Some((deployment.uid()?, deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)));
        }
        Some((set.uid()?, set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)))
    }

    async fn write_status(&self, budget: &PodDisruptionBudget, status: PodDisruptionBudgetStatus) -> Result<()> {
        if budget.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<PodDisruptionBudget> =
            Api::namespaced(self.client.clone(), &budget.namespace().unwrap_or_default());
        let mut updated = budget.clone();
        updated.status = Some(status);
        // The API server writes this status too, when it lets an eviction through: on a conflict all is counted anew.
        match api.replace_status(&budget.name_any(), &PostParams::default(), &updated).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

/// The budget's selector; one that is missing selects nothing, an empty one everything.
fn selector(budget: &PodDisruptionBudget) -> Option<Matcher> {
    budget.spec.as_ref()?.selector.as_ref().map(Matcher::new)
}
