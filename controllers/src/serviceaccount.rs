//! Every namespace has a ServiceAccount `default`.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    pod_control::namespace_terminating,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "serviceaccount-controller",
    alias: "serviceaccount",
    service_account: "service-account-controller",
    event_source: "service-account-controller",
    run: |context| Box::pin(run(context)),
};

const NAME: &str = "default";

struct Worker {
    client: Client,
    namespaces: Informer<Namespace>,
    accounts: Informer<ServiceAccount>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        namespaces: context.informers.namespaces(),
        accounts: context.informers.service_accounts(),
    });
    let queue: Queue<Key> = Queue::default();
    worker.accounts.synced().await;
    let own = queue.clone();
    worker.namespaces.subscribe(move |change| own.add(Key::of(change.object().as_ref())));
    let own = queue.clone();
    worker.accounts.subscribe(move |change| {
        if let Change::Deleted(account) = change
            && account.metadata.name.as_deref() == Some(NAME)
        {
            own.add(Key::new("", account.metadata.namespace.clone().unwrap_or_default()));
        }
    });
    worker.namespaces.synced().await;
    let workers = context.options.concurrent_serviceaccount_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let live = self.namespaces.get(key).is_some_and(|namespace| active(&namespace));
        if !live || self.accounts.get(&Key::new(&key.name, NAME)).is_some() {
            return Ok(());
        }
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some(NAME.to_string()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &key.name);
        match api.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) if namespace_terminating(&error) => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

/// Not being deleted.
pub fn active(namespace: &Namespace) -> bool {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    namespace.metadata.deletion_timestamp.is_none() && phase != Some("Terminating")
}
