//! The clients of the controllers: with `--use-service-account-credentials` each acts as a service account of its own.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use jiff::Timestamp;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    client::Body,
    config::AuthInfo,
};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

const NAMESPACE: &str = "kube-system";
/// The asked life time of a token; it is renewed after four fifths of what the API server gives.
const TOKEN_SECONDS: i64 = 3600;

/// Makes the controllers' clients.
pub enum Identities {
    /// All controllers act as the manager.
    Manager(Client),
    /// Each with a token of its service account, all over the connections of one client without credentials.
    ServiceAccounts { manager: Client, anonymous: Client },
}

impl Identities {
    /// `config` is the manager's.
    ///
    /// # Errors
    /// A configuration from which no client can be made.
    pub fn new(config: &Config, manager: Client, service_accounts: bool) -> Result<Self> {
        if !service_accounts {
            return Ok(Identities::Manager(manager));
        }
        let mut config = config.clone();
        config.auth_info = AuthInfo::default();
        let anonymous = controllers_component_base::client::build(config)?;
        Ok(Identities::ServiceAccounts { manager, anonymous })
    }

    /// The client that acts as `service_account`, whose token is kept fresh until `shutdown`. Waits for the API
    /// server as long as it takes.
    pub async fn client(&self, service_account: &str, shutdown: &CancellationToken) -> Result<Client> {
        let (manager, anonymous) = match self {
            Identities::Manager(client) => return Ok(client.clone()),
            Identities::ServiceAccounts { manager, anonymous } => (manager, anonymous),
        };
        let mut delay = Duration::from_millis(200);
        let (header, lifetime) = loop {
            match token(manager, service_account).await {
                Ok(token) => break token,
                Err(error) => {
                    info!("waiting for a token of service account {service_account}: {error:#}");
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(Duration::from_secs(10));
                }
            }
        };
        let current = Arc::new(RwLock::new(header));
        let fresh = current.clone();
        let shared = anonymous.clone();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            request.headers_mut().insert(AUTHORIZATION, fresh.read().clone());
            let shared = shared.clone();
            async move { shared.send(request).await }
        });
        tokio::spawn(renew(manager.clone(), service_account.to_string(), current, lifetime, shutdown.clone()));
        Ok(Client::new(service, "default"))
    }
}

async fn renew(
    manager: Client,
    service_account: String,
    current: Arc<RwLock<HeaderValue>>,
    mut lifetime: Duration,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(lifetime.mul_f64(0.8)) => {}
            () = shutdown.cancelled() => return,
        }
        match token(&manager, &service_account).await {
            Ok((header, seconds)) => {
                *current.write() = header;
                lifetime = seconds;
            }
            Err(error) => {
                warn!("cannot renew the token of service account {service_account}: {error:#}");
                lifetime = Duration::from_secs(10);
            }
        }
    }
}

/// A token as a header value, and how long it is valid. Makes the service account where it is missing.
async fn token(manager: &Client, name: &str) -> Result<(HeaderValue, Duration)> {
    let accounts: Api<ServiceAccount> = Api::namespaced(manager.clone(), NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() }),
        ..TokenRequest::default()
    };
    let answer = match accounts.create_token_request(name, &PostParams::default(), &request).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let account = ServiceAccount {
                metadata: ObjectMeta { name: Some(name.to_string()), ..ObjectMeta::default() },
                ..ServiceAccount::default()
            };
            match accounts.create(&PostParams::default(), &account).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                result => drop(result.with_context(|| format!("cannot create service account {NAMESPACE}/{name}"))?),
            }
            accounts.create_token_request(name, &PostParams::default(), &request).await
        }
        answer => answer,
    };
    let status = answer.context("token request failed")?.status.context("token request without an answer")?;
    let bearer = format!("Bearer {}", status.token.unwrap_or_default());
    let mut header = HeaderValue::from_str(&bearer).context("token cannot be a header")?;
    header.set_sensitive(true);
    let expires = status.expiration_timestamp.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let left = expires.duration_since(Timestamp::now()).as_secs_f64();
    Ok((header, Duration::from_secs_f64(left.clamp(60.0, 86_400.0))))
}
