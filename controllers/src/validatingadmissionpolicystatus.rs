//! Checks the expressions of validating admission policies against the types of the objects that they are about, and
//! writes what it finds into their status.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    queue::{self, Queue},
};

mod schemas;
mod typechecking;

const NAME: &str = "validatingadmissionpolicy-status-controller";
/// As whom it owns the status.
const MANAGER: &str = "validatingadmissionpolicy-status";

pub(crate) const CONTROLLER: Controller = Controller {
    name: NAME,
    alias: "validatingadmissionpolicy-status",
    service_account: NAME,
    event_source: NAME,
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    policies: Informer<ValidatingAdmissionPolicy>,
}

async fn run(context: Context) -> Result<()> {
    let policies = context.informers.validating_admission_policies();
    let worker = Arc::new(Worker { client: context.client, policies });
    let workers = context.options.concurrent_validating_admission_policy_status_syncs;
    let queue: Queue<Key> = Queue::default();
    worker.policies.synced().await;
    let own = queue.clone();
    worker.policies.subscribe(move |change| match change {
        Change::Added(policy) | Change::Updated(_, policy) => own.add(Key::of(policy.as_ref())),
        Change::Deleted(_) => {}
    });
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(policy) = self.policies.get(key) else { return Ok(()) };
        let observed = policy.status.as_ref().and_then(|status| status.observed_generation).unwrap_or_default();
        let generation = policy.metadata.generation.unwrap_or_default();
        if generation <= observed {
            return Ok(());
        }
        let warnings: Vec<_> = typechecking::check(&self.client, &policy)
            .await?
            .into_iter()
            .map(|(field, warning)| json!({"fieldRef": field, "warning": warning}))
            .collect();
        let mut checking = json!({});
        if !warnings.is_empty() {
            checking["expressionWarnings"] = warnings.into();
        }
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": key.name},
            "status": {"observedGeneration": generation, "typeChecking": checking},
        });
        let api: Api<ValidatingAdmissionPolicy> = Api::all(self.client.clone());
        match api.patch_status(&key.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(configuration)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}
