//! ConfigMaps, Secrets, Services and tokens that pods refer to, read from the API when they are needed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};

/// Why an object could not be read.
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum Error {
    /// In the API's words: `configmap "x" not found`.
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Other(String),
}

/// What a pod's environment and volumes read.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    async fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, Error>;
    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, Error>;
    /// The services of a namespace.
    async fn services(&self, namespace: &str) -> Result<Vec<Service>, Error>;
    /// A token of the service account.
    async fn token(&self, namespace: &str, service_account: &str, request: TokenRequest)
    -> Result<TokenRequest, Error>;
}

/// Reads from the API server.
#[derive(Clone)]
pub struct ApiObjects {
    client: Client,
}

impl ApiObjects {
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

/// The kubelet names what is missing by its cache's own word for it, which is singular.
fn missing(kind: &str, name: &str, cause: kube::Error) -> Error {
    match error(cause) {
        Error::NotFound(_) => Error::NotFound(format!("{kind} \"{name}\" not found")),
        other => other,
    }
}

fn error(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if status.code == 404 => Error::NotFound(status.message.clone()),
        kube::Error::Api(status) => Error::Other(status.message.clone()),
        other => Error::Other(other.to_string()),
    }
}

#[async_trait]
impl Objects for ApiObjects {
    async fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, Error> {
        let found = Api::namespaced(self.client.clone(), namespace).get(name).await;
        found.map_err(|cause| missing("configmap", name, cause))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, Error> {
        let found = Api::namespaced(self.client.clone(), namespace).get(name).await;
        found.map_err(|cause| missing("secret", name, cause))
    }

    async fn services(&self, namespace: &str) -> Result<Vec<Service>, Error> {
        // A cached read: a pod may see services of a moment ago, as with upstream's informer.
        let params = ListParams::default().match_any();
        Ok(Api::namespaced(self.client.clone(), namespace).list(&params).await.map_err(error)?.items)
    }

    async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        request: TokenRequest,
    ) -> Result<TokenRequest, Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        api.create_token_request(service_account, &PostParams::default(), &request).await.map_err(error)
    }
}

/// A Secret's values as bytes.
pub fn secret_data(secret: Secret) -> BTreeMap<String, Vec<u8>> {
    secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()
}

/// A ConfigMap's values, texts and binaries together, as bytes.
pub fn config_map_data(map: ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let texts = map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binaries = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    texts.chain(binaries).collect()
}

#[cfg(test)]
pub mod testing {
    use super::*;
    use parking_lot::Mutex;

    /// Objects held in memory; tokens are `token-<n>`.
    #[derive(Default)]
    pub struct FakeObjects {
        pub config_maps: Mutex<BTreeMap<String, ConfigMap>>,
        pub secrets: Mutex<BTreeMap<String, Secret>>,
        pub services: Mutex<Vec<Service>>,
        pub tokens: Mutex<u32>,
    }

    #[async_trait]
    impl Objects for FakeObjects {
        async fn config_map(&self, _: &str, name: &str) -> Result<ConfigMap, Error> {
            self.config_maps
                .lock()
                .get(name)
                .cloned()
                .ok_or_else(|| Error::NotFound(format!("configmap \"{name}\" not found")))
        }

        async fn secret(&self, _: &str, name: &str) -> Result<Secret, Error> {
            self.secrets
                .lock()
                .get(name)
                .cloned()
                .ok_or_else(|| Error::NotFound(format!("secret \"{name}\" not found")))
        }

        async fn services(&self, namespace: &str) -> Result<Vec<Service>, Error> {
            Ok(self
                .services
                .lock()
                .iter()
                .filter(|service| service.metadata.namespace.as_deref() == Some(namespace))
                .cloned()
                .collect())
        }

        async fn token(&self, _: &str, _: &str, mut request: TokenRequest) -> Result<TokenRequest, Error> {
            let mut count = self.tokens.lock();
            *count += 1;
            let expiry = jiff::Timestamp::now()
                + std::time::Duration::from_secs(
                    request.spec.as_ref().and_then(|spec| spec.expiration_seconds).unwrap_or(3600).unsigned_abs(),
                );
            request.status = Some(k8s_openapi::api::authentication::v1::TokenRequestStatus {
                token: Some(format!("token-{count}")),
                expiration_timestamp: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(expiry)),
            });
            Ok(request)
        }
    }
}
