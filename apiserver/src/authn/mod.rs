//! Who a request comes from.
//!
//! [`Authentication::authenticate`] asks each authenticator in upstream's order: front proxy, client certificate, the
//! kinds of bearer tokens ([`Authentication::token`]), and last the anonymous one. The first that knows its credential
//! decides; a credential that is there and that nobody believes is a 401.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;

use self::configuration::Anonymous;
use crate::flags::Flags;
use crate::server::Server;

mod bearer;
mod bootstrap_token;
mod configuration;
mod jwt;
mod legacy_token;
mod request_header;
pub mod service_account;
mod signing_keys;
mod token_file;
pub mod version_one;
mod webhook_token;
pub mod x509;

/// Who a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

pub const ANONYMOUS: &str = "system:anonymous";
pub const AUTHENTICATED: &str = "system:authenticated";
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
pub const MASTERS: &str = "system:masters";

impl User {
    /// The server itself.
    pub fn of_server() -> User {
        User { name: "system:apiserver".to_owned(), groups: vec![MASTERS.to_owned()], ..User::default() }
    }

    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    fn anonymous() -> User {
        User { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..User::default() }
    }
}

/// The credential is there and does not prove what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl Refused {
    /// All reasons in one, as upstream joins them.
    fn all(reasons: Vec<Refused>) -> Refused {
        let mut texts: Vec<String> = Vec::new();
        for Refused(text) in reasons {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        match texts.as_slice() {
            [one] => Refused(one.clone()),
            several => Refused(format!("[{}]", several.join(", "))),
        }
    }
}

/// What a token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    pub user: User,
    /// Those of the audiences wanted that it is for.
    pub audiences: Vec<String>,
}

/// What one kind of token is found to be: nothing where it is of another kind.
pub type Judged = Result<Option<Proven>, Refused>;

/// All authenticators.
pub struct Authentication {
    /// Whom tokens must be for that say whom they are for.
    pub audiences: Vec<String>,
    /// The issuers of service account tokens.
    own_issuers: Vec<String>,
    client_certificates: Option<x509::Watched>,
    request_header: Option<request_header::RequestHeader>,
    tokens: token_file::Tokens,
    pub service_accounts: Option<Arc<service_account::Tokens>>,
    /// Of whom web tokens are believed besides.
    issuers: ArcSwap<jwt::Issuers>,
    /// The file that names them, with its contents when it was last looked at.
    configuration: Option<(PathBuf, Mutex<Vec<u8>>)>,
    webhook: Option<webhook_token::WebhookTokens>,
    anonymous: configuration::Anonymous,
    bootstrap_tokens: bool,
    authority_data: Option<serde_json::Value>,
}

impl Authentication {
    pub fn new(flags: &Flags) -> anyhow::Result<Authentication> {
        let roots = |path: &Path| x509::Watched::read(path);
        let audiences = match flags.api_audiences.as_slice() {
            [] => flags.service_account_issuer.clone(),
            audiences => audiences.to_vec(),
        };
        let (configuration, algorithms) = configuration::of_flags(flags)?;
        Ok(Authentication {
            own_issuers: flags.service_account_issuer.clone(),
            audiences,
            client_certificates: flags.client_ca_file.as_deref().map(roots).transpose()?,
            request_header: request_header::RequestHeader::new(flags)?,
            tokens: match &flags.token_auth_file {
                Some(path) => token_file::Tokens::read(path).context("--token-auth-file")?,
                None => token_file::Tokens::default(),
            },
            service_accounts: service_account::Tokens::new(flags)?.map(Arc::new),
            issuers: ArcSwap::from_pointee(jwt::Issuers::new(
                &configuration,
                &algorithms,
                &flags.service_account_issuer,
            )?),
            configuration: flags
                .authentication_config
                .as_ref()
                .map(|path| (path.clone(), Mutex::new(std::fs::read(path).unwrap_or_default()))),
            webhook: webhook_token::WebhookTokens::new(flags)?,
            anonymous: configuration
                .anonymous
                .unwrap_or(configuration::Anonymous { enabled: flags.anonymous_auth, conditions: Vec::new() }),
            bootstrap_tokens: flags.enable_bootstrap_token_auth,
            authority_data: authority_data(flags)?,
        })
    }

    /// Reads the authorities of client certificates again where their files changed.
    pub fn reload(&self) {
        let proxy = self.request_header.as_ref().map(request_header::RequestHeader::roots);
        for roots in self.client_certificates.iter().chain(proxy) {
            roots.reload();
        }
        if let Some((path, seen)) = &self.configuration {
            self.reload_configuration(path, &mut seen.lock());
        }
    }

    /// Takes a changed configuration; one that is wrong leaves the old one.
    fn reload_configuration(&self, path: &Path, seen: &mut Vec<u8>) {
        let Ok(bytes) = std::fs::read(path) else { return };
        if bytes == *seen {
            return;
        }
        let outcome = configuration::parse(&bytes).and_then(|configuration| {
            let anonymous = configuration.anonymous.as_ref();
            anyhow::ensure!(
                anonymous.is_none_or(|anonymous| *anonymous == self.anonymous),
                "anonymous: Forbidden: changed from initial configuration file"
            );
            jwt::Issuers::new(&configuration, &[], &self.own_issuers)
        });
        *seen = bytes;
        match outcome {
            Ok(issuers) => {
                self.issuers.store(Arc::new(issuers));
                tracing::info!(file = %path.display(), "reloaded authentication config");
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "failed to load authentication config"),
        }
    }

    /// Whether who has no credential may ask for a path.
    fn lets_anonymous(&self, path: &str) -> bool {
        let Anonymous { enabled, conditions } = &self.anonymous;
        *enabled && (conditions.is_empty() || conditions.iter().any(|condition| condition.path == path))
    }

    /// What `kube-system/extension-apiserver-authentication` says: whom other servers may believe.
    pub fn authority_data(&self) -> Option<&serde_json::Value> {
        self.authority_data.as_ref()
    }

    /// Finds out who a request comes from; removes the credentials that no one after needs.
    pub async fn authenticate(
        &self,
        server: &Server,
        certificates: &[CertificateDer<'static>],
        headers: &mut HeaderMap,
        path: &str,
    ) -> Result<User, Refused> {
        let found = self.find(server, certificates, headers).await?;
        headers.remove(AUTHORIZATION);
        let Some(mut user) = found else {
            return if self.lets_anonymous(path) {
                Ok(User::anonymous())
            } else {
                Err(Refused("no credentials".to_owned()))
            };
        };
        if !user.is_in(AUTHENTICATED) && !user.is_in(UNAUTHENTICATED) {
            user.groups.push(AUTHENTICATED.to_owned());
        }
        Ok(user)
    }

    async fn find(
        &self,
        server: &Server,
        certificates: &[CertificateDer<'static>],
        headers: &mut HeaderMap,
    ) -> Result<Option<User>, Refused> {
        if let Some(front_proxy) = &self.request_header
            && let Some(user) = front_proxy.user(certificates, headers)
        {
            return Ok(Some(user));
        }
        // A credential that is not believed does not keep another one from being.
        let mut reasons = Vec::new();
        if let Some(roots) = &self.client_certificates
            && !certificates.is_empty()
        {
            match roots.current().user(certificates) {
                Ok(user) => return Ok(Some(user)),
                Err(refused) => reasons.push(refused),
            }
        }
        if let Some(token) = bearer::of_header(headers) {
            match self.token(server, &token, &self.audiences).await {
                Ok(proven) => return Ok(Some(proven.user)),
                Err(refused) => reasons.push(refused),
            }
        }
        match bearer::of_protocol(headers) {
            Ok(Some((token, left))) => match self.token(server, &token, &self.audiences).await {
                Ok(proven) => {
                    headers.insert(SEC_WEBSOCKET_PROTOCOL, left);
                    return Ok(Some(proven.user));
                }
                Err(refused) => reasons.push(refused),
            },
            Ok(None) => {}
            Err(refused) => reasons.push(refused),
        }
        if reasons.is_empty() { Ok(None) } else { Err(Refused::all(reasons)) }
    }

    /// What a bearer token proves to those audiences.
    ///
    /// # Errors
    /// No kind of token believes it.
    pub fn token<'a>(
        &'a self,
        server: &'a Server,
        token: &'a str,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<Proven, Refused>> {
        Box::pin(self.judged(server, token, wanted))
    }

    async fn judged(&self, server: &Server, token: &str, wanted: &[String]) -> Result<Proven, Refused> {
        // Tokens that name no audience are for the API.
        let matched: Vec<String> =
            self.audiences.iter().filter(|audience| wanted.contains(audience)).cloned().collect();
        let for_api = !matched.is_empty() || wanted.is_empty();
        // Upstream's own token, of which there is none here, is asked for first, and this is what it says.
        let mut reasons = vec![Refused("invalid bearer token".to_owned())];
        if for_api && let Some(user) = self.tokens.user(token) {
            return Ok(Proven { user, audiences: matched });
        }
        if let Some(tokens) = &self.service_accounts {
            match tokens.user(server, token, &self.audiences, wanted).await {
                Ok(Some(proven)) => return Ok(proven),
                Ok(None) => {}
                Err(refused) => reasons.push(refused),
            }
        }
        if for_api
            && self.bootstrap_tokens
            && let Some(user) = bootstrap_token::user(server, token)
        {
            return Ok(Proven { user, audiences: matched });
        }
        if for_api {
            let issuers = self.issuers.load_full();
            match issuers.user(token).await {
                Ok(Some(user)) => return Ok(Proven { user, audiences: matched }),
                Ok(None) => {}
                Err(refused) => reasons.push(refused),
            }
        }
        if let Some(webhook) = &self.webhook {
            match webhook.user(token, &self.audiences, wanted).await {
                Ok(Some(proven)) => return Ok(proven),
                Ok(None) => {}
                Err(refused) => reasons.push(refused),
            }
        }
        Err(Refused::all(reasons))
    }
}

fn authority_data(flags: &Flags) -> anyhow::Result<Option<serde_json::Value>> {
    let mut data = serde_json::Map::new();
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    if let Some(path) = &flags.client_ca_file {
        data.insert("client-ca-file".to_owned(), read(path)?.into());
    }
    if let Some(path) = &flags.requestheader_client_ca_file {
        let list = |values: &[String]| serde_json::Value::from(serde_json::json!(values).to_string());
        data.insert("requestheader-client-ca-file".to_owned(), read(path)?.into());
        data.insert("requestheader-allowed-names".to_owned(), list(&flags.requestheader_allowed_names));
        data.insert("requestheader-username-headers".to_owned(), list(&flags.requestheader_username_headers));
        if !flags.requestheader_uid_headers.is_empty() {
            data.insert("requestheader-uid-headers".to_owned(), list(&flags.requestheader_uid_headers));
        }
        data.insert("requestheader-group-headers".to_owned(), list(&flags.requestheader_group_headers));
        data.insert("requestheader-extra-headers-prefix".to_owned(), list(&flags.requestheader_extra_headers_prefix));
    }
    Ok((!data.is_empty()).then(|| data.into()))
}
