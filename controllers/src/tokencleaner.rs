//! Deletes bootstrap tokens whose time is over.
//!
//! Source: `pkg/controller/bootstrap/tokencleaner.go`.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, Preconditions},
};

use crate::{
    bootstrap_token,
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "token-cleaner-controller",
    alias: "tokencleaner",
    service_account: "token-cleaner",
    event_source: "token-cleaner",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    tokens: Informer<Secret>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let tokens = context.informers.bootstrap_tokens();
    let worker = Arc::new(Worker { client: context.client, tokens, queue: Queue::default() });
    let own = worker.queue.clone();
    worker.tokens.subscribe(move |change| match change {
        Change::Added(token) | Change::Updated(_, token) => own.add(Key::of(token.as_ref())),
        Change::Deleted(_) => {}
    });
    worker.tokens.synced().await;
    let queue = worker.queue.clone();
    queue::work(CONTROLLER.name, queue, 1, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: Key) -> Result<()> {
        let Some(token) = self.tokens.get(&key) else { return Ok(()) };
        let Some(left) = bootstrap_token::left(&token, Timestamp::now()) else { return Ok(()) };
        if !left.is_zero() {
            // A clock that stands still at the end of the time must not be asked at once again.
            let left = Duration::try_from(left)?.max(Duration::from_millis(10));
            self.queue.add_after(key, left);
            return Ok(());
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let same = Preconditions { uid: token.metadata.uid.clone(), resource_version: None };
        match api.delete(&key.name, &DeleteParams::default().preconditions(same)).await {
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}
