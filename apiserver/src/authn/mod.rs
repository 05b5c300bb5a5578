//! Who a request comes from.
//!
//! [`Authentication::authenticate`] asks each authenticator in upstream's order: front proxy, client
//! certificate, static token, service account token, and last the anonymous one. The first that
//! recognises its credential decides; a credential that is there and wrong is a 401 for all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls::pki_types::CertificateDer;

use crate::flags::Flags;
use crate::server::Server;

mod request_header;
pub mod service_account;
mod token_file;
pub mod version_one;
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
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// All authenticators.
pub struct Authentication {
    client_certificates: Option<x509::Roots>,
    request_header: Option<request_header::RequestHeader>,
    tokens: token_file::Tokens,
    pub service_accounts: Option<Arc<service_account::Tokens>>,
    anonymous: bool,
    authority_data: Option<serde_json::Value>,
}

impl Authentication {
    pub fn new(flags: &Flags) -> anyhow::Result<Authentication> {
        let roots = |path: &Path| x509::Roots::read(path);
        Ok(Authentication {
            client_certificates: flags.client_ca_file.as_deref().map(roots).transpose()?,
            request_header: request_header::RequestHeader::new(flags)?,
            tokens: match &flags.token_auth_file {
                Some(path) => token_file::Tokens::read(path).context("--token-auth-file")?,
                None => token_file::Tokens::default(),
            },
            service_accounts: service_account::Tokens::new(flags)?.map(Arc::new),
            anonymous: flags.anonymous_auth,
            authority_data: authority_data(flags)?,
        })
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
    ) -> Result<User, Refused> {
        let found = self.find(server, certificates, headers).await?;
        headers.remove(AUTHORIZATION);
        let Some(mut user) = found else {
            return if self.anonymous { Ok(User::anonymous()) } else { Err(Refused("no credentials".to_owned())) };
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
        if let Some(roots) = &self.client_certificates
            && !certificates.is_empty()
        {
            return roots.user(certificates).map(Some);
        }
        let Some(token) = bearer(headers) else { return Ok(None) };
        self.token(server, &token, &[]).await.map(|(user, _)| Some(user))
    }

    /// The user that a bearer token proves, and which of the audiences asked for it is for.
    pub async fn token(
        &self,
        server: &Server,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), Refused> {
        if let Some(user) = self.tokens.user(token) {
            return Ok((user, Vec::new()));
        }
        match &self.service_accounts {
            Some(tokens) => tokens.user(server, token, audiences).await,
            None => Err(Refused("invalid bearer token".to_owned())),
        }
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
        data.insert("requestheader-group-headers".to_owned(), list(&flags.requestheader_group_headers));
        data.insert("requestheader-extra-headers-prefix".to_owned(), list(&flags.requestheader_extra_headers_prefix));
    }
    Ok((!data.is_empty()).then(|| data.into()))
}

/// The bearer token of a request: a header, or a WebSocket subprotocol where browsers cannot set headers.
fn bearer(headers: &mut HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim();
        return (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned());
    }
    None
}
