//! Rolls a Deployment's pod template out: one ReplicaSet per template, scaled by the rollout's rules.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::ObjectReference,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, PostParams},
};
use tracing::debug;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    owner::{self, Matcher, controller_of, controller_reference},
    pod::Pod,
    pod_control::{message, namespace_terminating},
    queue::{self, Queue},
    replicaset::recheck,
};

mod annotations;
pub mod fraction;
mod plan;
mod status;

use plan::{Action, Plan};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "deployment-controller",
    alias: "deployment",
    service_account: "deployment-controller",
    event_source: "deployment-controller",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    recorder: Recorder,
    deployments: Informer<Deployment>,
    sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        deployments: context.informers.deployments(),
        sets: context.informers.replica_sets(),
        pods: context.informers.pods(),
        queue: Queue::default(),
    });
    let queue = worker.queue.clone();
    worker.deployments.subscribe(move |change| queue.add(Key::of(change.object().as_ref())));
    let own = worker.clone();
    worker.sets.subscribe(move |change| own.set_changed(change));
    let own = worker.clone();
    worker.pods.subscribe(move |change| own.pod_changed(change));
    worker.deployments.synced().await;
    worker.sets.synced().await;
    worker.pods.synced().await;
    let queue = worker.queue.clone();
    let workers = context.options.concurrent_deployment_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    fn set_changed(&self, change: &Change<ReplicaSet>) {
        if let Change::Updated(old, new) = change
            && controller_of(&old.metadata) != controller_of(&new.metadata)
        {
            self.enqueue_controller(old);
        }
        let set = change.object();
        if controller_of(&set.metadata).is_some() {
            self.enqueue_controller(set);
        } else if !matches!(change, Change::Deleted(_)) {
            for deployment in self.deployments.in_namespace(&set.namespace().unwrap_or_default()) {
                if selector(&deployment).matches(&set.metadata) {
                    self.queue.add(Key::of(deployment.as_ref()));
                }
            }
        }
    }

    /// A Recreate rollout waits for the last old pod to be gone.
    fn pod_changed(&self, change: &Change<Pod>) {
        let Change::Deleted(pod) = change else { return };
        let Some(reference) = controller_of(&pod.metadata).filter(|reference| reference.kind == "ReplicaSet") else {
            return;
        };
        if let Some(set) = self.sets.get(&Key::new(pod.namespace(), &reference.name)) {
            self.enqueue_controller(&set);
        }
    }

    fn enqueue_controller(&self, set: &ReplicaSet) {
        let Some(reference) = controller_of(&set.metadata).filter(|reference| reference.kind == "Deployment") else {
            return;
        };
        let key = Key::new(set.namespace().unwrap_or_default(), &reference.name);
        if self.deployments.get(&key).is_some_and(|found| found.metadata.uid.as_ref() == Some(&reference.uid)) {
            self.queue.add(key);
        }
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(deployment) = self.deployments.get(key) else { return Ok(()) };
        if deployment.spec.as_ref().is_some_and(|spec| spec.selector == LabelSelector::default()) {
            let text = "This deployment is selecting all pods. A non-empty selector is required.";
            self.recorder.event(&deployment.object_ref(&()), EventType::Warning, "SelectingAll", text);
            return Ok(());
        }
        let sets = self.claimed_sets(&deployment).await?;
        let old_pods = |set: &ReplicaSet| self.has_unfinished_pods(set);
        let plan = plan::plan(&deployment, &sets, &old_pods, Timestamp::now());
        self.execute(key, &deployment, plan).await
    }

    async fn claimed_sets(&self, deployment: &Deployment) -> Result<Vec<Arc<ReplicaSet>>> {
        let namespace = deployment.namespace().unwrap_or_default();
        let claims = owner::claim(&deployment.metadata, &selector(deployment), self.sets.in_namespace(&namespace));
        let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &namespace);
        owner::execute(&sets, &controller_reference(deployment), claims, async || {
            let fresh =
                Api::<Deployment>::namespaced(self.client.clone(), &namespace).get(&deployment.name_any()).await?;
            recheck(&deployment.metadata, &fresh.metadata)
        })
        .await
    }

    fn has_unfinished_pods(&self, set: &ReplicaSet) -> bool {
        let pods = self.pods.in_namespace(&set.namespace().unwrap_or_default());
        pods.iter().any(|pod| {
            !pod.finished() && controller_of(&pod.metadata).map(|reference| &reference.uid) == set.metadata.uid.as_ref()
        })
    }

    async fn execute(&self, key: &Key, deployment: &Deployment, plan: Plan) -> Result<()> {
        let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
        let subject = deployment.object_ref(&());
        for action in plan.actions {
            match action {
                Action::Create(set) => {
                    if !self.create(deployment, &subject, &sets, *set).await? {
                        return Ok(());
                    }
                }
                Action::Update(set) => {
                    sets.replace(&set.name_any(), &PostParams::default(), &set).await?;
                }
                Action::Scale { set, from, to } => {
                    let name = set.name_any();
                    sets.replace(&name, &PostParams::default(), &set).await?;
                    if from != to {
                        let direction = if from < to { "up" } else { "down" };
                        let text = format!("Scaled {direction} replica set {name} from {from} to {to}");
                        self.recorder.event(&subject, EventType::Normal, "ScalingReplicaSet", &text);
                    }
                }
                Action::Delete(name) => match sets.delete(&name, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    result => drop(result?),
                },
            }
        }
        if let Some(updated) = plan.deployment {
            self.write_status(&updated).await?;
        }
        if let Some(after) = plan.check_after {
            self.queue.add_after(key.clone(), after);
        }
        Ok(())
    }

    /// Creates the ReplicaSet of the newest template. `Ok(false)`: not made, and nothing more to do now.
    async fn create(
        &self,
        deployment: &Deployment,
        subject: &ObjectReference,
        sets: &Api<ReplicaSet>,
        set: ReplicaSet,
    ) -> Result<bool> {
        let name = set.name_any();
        let replicas = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
        match sets.create(&PostParams::default(), &set).await {
            Ok(_) => {
                if replicas > 0 {
                    let text = format!("Scaled up replica set {name} from 0 to {replicas}");
                    self.recorder.event(subject, EventType::Normal, "ScalingReplicaSet", &text);
                }
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                self.collision(deployment, sets, &name).await?;
                Ok(false)
            }
            Err(error) if namespace_terminating(&error) => Ok(false),
            Err(error) => {
                let text = format!("Failed to create new replica set {name:?}: {}", message(&error));
                self.recorder.event(subject, EventType::Warning, "ReplicaSetCreateError", &text);
                if plan::has_progress_deadline(deployment) {
                    let mut failed = deployment.clone();
                    let mut status = failed.status.take().unwrap_or_default();
                    let progressing =
                        status::condition("Progressing", "False", "ReplicaSetCreateError", &text, Timestamp::now());
                    status::set_condition(&mut status, progressing);
                    failed.status = Some(status);
                    self.write_status(&failed).await?;
                }
                Err(error.into())
            }
        }
    }

    /// The new set's name is taken: by itself, where the store was behind, or by another template of the same hash.
    async fn collision(&self, deployment: &Deployment, sets: &Api<ReplicaSet>, name: &str) -> Result<()> {
        let Some(taken) = sets.get_opt(name).await? else { anyhow::bail!("replica set {name} came and went") };
        let ours = owner::controlled_by(&taken.metadata, &deployment.metadata);
        if ours && plan::same_template(deployment, &taken) {
            // Its own event wakes this deployment again.
            return Ok(());
        }
        let mut bumped = deployment.clone();
        let status = bumped.status.get_or_insert_default();
        status.collision_count = Some(status.collision_count.unwrap_or(0).saturating_add(1));
        debug!("hash collision for deployment {}: collisionCount {:?}", deployment.name_any(), status.collision_count);
        self.write_status(&bumped).await
    }

    async fn write_status(&self, deployment: &Deployment) -> Result<()> {
        let namespace = deployment.namespace().unwrap_or_default();
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &namespace);
        match api.replace_status(&deployment.name_any(), &PostParams::default(), deployment).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

fn selector(deployment: &Deployment) -> Matcher {
    Matcher::new(&deployment.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default())
}

/// How long until `seconds` after `since`, at least a second.
fn until(since: Timestamp, seconds: i32, now: Timestamp) -> Duration {
    let left = f64::from(seconds) - now.duration_since(since).as_secs_f64();
    Duration::from_secs_f64(left.max(0.0) + 1.0)
}
