//! Every namespace has the ConfigMap `kube-root-ca.crt`, by which pods verify the API server.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use tracing::warn;

use crate::{
    controller::{Context, Controller},
    informer::Informer,
    key::Key,
    pod_control::namespace_terminating,
    queue::{self, Queue},
    serviceaccount::active,
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "root-ca-certificate-publisher-controller",
    alias: "root-ca-cert-publisher",
    service_account: "root-ca-cert-publisher",
    event_source: "root-ca-cert-publisher",
    run: |context| Box::pin(run(context)),
};

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                                endpoints such as the internal service IP or kubernetes.default.svc. No other usage is \
                                guaranteed across distributions of Kubernetes clusters.";

struct Worker {
    client: Client,
    namespaces: Informer<Namespace>,
    maps: Informer<ConfigMap>,
    data: BTreeMap<String, String>,
}

async fn run(context: Context) -> Result<()> {
    let Some(path) = &context.options.root_ca_file else {
        warn!("no --root-ca-file given, {NAME} is not published");
        return Ok(());
    };
    let bundle =
        std::fs::read_to_string(path).with_context(|| format!("cannot read --root-ca-file {}", path.display()))?;
    let worker = Arc::new(Worker {
        client: context.client,
        namespaces: context.informers.namespaces(),
        maps: context.informers.root_ca_config_maps(),
        data: [("ca.crt".to_string(), bundle)].into(),
    });
    let queue: Queue<Key> = Queue::default();
    worker.maps.synced().await;
    let own = queue.clone();
    worker.namespaces.subscribe(move |change| own.add(Key::of(change.object().as_ref())));
    let own = queue.clone();
    worker.maps.subscribe(move |change| own.add(Key::new("", change.object().namespace().unwrap_or_default())));
    worker.namespaces.synced().await;
    queue::work(CONTROLLER.name, queue, 1, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        if !self.namespaces.get(key).is_some_and(|namespace| active(&namespace)) {
            return Ok(());
        }
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.name);
        let result = match self.maps.get(&Key::new(&key.name, NAME)) {
            None => {
                let map = ConfigMap {
                    metadata: ObjectMeta {
                        name: Some(NAME.to_string()),
                        annotations: Some([(DESCRIPTION.to_string(), DESCRIPTION_TEXT.to_string())].into()),
                        ..ObjectMeta::default()
                    },
                    data: Some(self.data.clone()),
                    ..ConfigMap::default()
                };
                api.create(&PostParams::default(), &map).await
            }
            Some(map) if map.data.as_ref() == Some(&self.data) && map.annotations().contains_key(DESCRIPTION) => {
                return Ok(());
            }
            Some(map) => {
                let mut map = map.as_ref().clone();
                map.data = Some(self.data.clone());
                map.annotations_mut().insert(DESCRIPTION.to_string(), DESCRIPTION_TEXT.to_string());
                api.replace(NAME, &PostParams::default(), &map).await
            }
        };
        match result {
            // Its event, once the store shows it, wakes the namespace again.
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => Ok(()),
            Err(error) if namespace_terminating(&error) => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}
