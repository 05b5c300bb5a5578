//! Signs `kube-public/cluster-info` with each bootstrap token that is for it, so that who knows a token can tell that
//! the cluster's address and authority in it are right.
//!
//! Source: `pkg/controller/bootstrap/bootstrapsigner.go`, `k8s.io/cluster-bootstrap/token/jws`.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, api::PostParams};

use crate::{
    bootstrap_token,
    controller::{Context, Controller},
    informer::Informer,
    key::Key,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "bootstrap-signer-controller",
    alias: "bootstrapsigner",
    service_account: "bootstrap-signer",
    event_source: "bootstrap-signer",
    run: |context| Box::pin(run(context)),
};

pub const NAMESPACE: &str = "kube-public";
pub const NAME: &str = "cluster-info";
const CONFIG: &str = "kubeconfig";
const SIGNATURE: &str = "jws-kubeconfig-";

struct Worker {
    client: Client,
    tokens: Informer<Secret>,
    maps: Informer<ConfigMap>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        tokens: context.informers.bootstrap_tokens(),
        maps: context.informers.cluster_info(),
    });
    let queue: Queue<Key> = Queue::default();
    let own = queue.clone();
    worker.maps.subscribe(move |_| own.add(Key::new(NAMESPACE, NAME)));
    let own = queue.clone();
    worker.tokens.subscribe(move |_| own.add(Key::new(NAMESPACE, NAME)));
    worker.maps.synced().await;
    worker.tokens.synced().await;
    queue::work(CONTROLLER.name, queue, 1, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(map) = self.maps.get(key) else { return Ok(()) };
        let tokens = self.tokens.all();
        let now = Timestamp::now();
        let signing: Vec<(&str, &str)> =
            tokens.iter().filter_map(|token| bootstrap_token::signing(token, now)).collect();
        let Some(data) = signed(map.data.as_ref(), &signing)? else { return Ok(()) };
        let mut map = map.as_ref().clone();
        map.data = Some(data);
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        match api.replace(NAME, &PostParams::default(), &map).await {
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

/// The map's data with a signature of each token and no other; `None` where it is so already.
fn signed(
    data: Option<&BTreeMap<String, String>>,
    tokens: &[(&str, &str)],
) -> Result<Option<BTreeMap<String, String>>> {
    let Some(data) = data else { return Ok(None) };
    let Some(config) = data.get(CONFIG) else { return Ok(None) };
    let mut wanted: BTreeMap<String, String> = data.clone();
    wanted.retain(|key, _| !key.starts_with(SIGNATURE));
    for (id, secret) in tokens {
        wanted.insert(format!("{SIGNATURE}{id}"), signature(config, id, secret)?);
    }
    Ok((wanted != *data).then_some(wanted))
}

/// A web signature without the contents, which are the config.
fn signature(config: &str, id: &str, secret: &str) -> Result<String> {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{id}"}}"#));
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(config));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)?;
    Ok(format!("{header}..{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_signs_once() {
        let data = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let tokens = [("abcdef", "0123456789abcdef")];
        let plain = data(&[(CONFIG, "content"), ("jws-kubeconfig-gone00", "x"), ("other", "kept")]);
        let made = signed(Some(&plain), &tokens).unwrap().unwrap();
        assert_eq!(made.keys().collect::<Vec<_>>(), ["jws-kubeconfig-abcdef", CONFIG, "other"]);
        assert_eq!(signed(Some(&made), &tokens).unwrap(), None);
        assert_eq!(signed(Some(&data(&[("other", "")])), &tokens).unwrap(), None);
        assert_eq!(signed(None, &tokens).unwrap(), None);
    }

    const CONTENT: &str = "Hello from the other side. I must have called a thousand times.";

    /// As upstream's own test has it.
    #[test]
    fn signatures_are_upstreams() {
        let made = signature(CONTENT, "joshua", "my voice is my passcode");
        let known = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8";
        assert_eq!(made.unwrap(), known);
    }
}
