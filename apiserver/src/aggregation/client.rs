//! Speaking to servers behind this one: the certificate that vouches for users, and the headers that name them.

use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::remote::Remote;
use super::resolve;
use crate::authn::{MASTERS, User};
use crate::backend::{self, AnyServer, Location};
use crate::flags::Flags;
use crate::server::Server;

const REMOTE_USER: HeaderName = HeaderName::from_static("x-remote-user");
const REMOTE_UID: HeaderName = HeaderName::from_static("x-remote-uid");
const REMOTE_GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const REMOTE_EXTRA: &str = "x-remote-extra-";
/// How large a document that a server sends may be.
const MAX_DOCUMENT: usize = 64 << 20;

/// The front proxy's certificate, by which servers know that users are who the headers say.
pub struct Identity(Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>);

impl Identity {
    /// # Errors
    /// A file cannot be read, or only one of the two is given.
    pub fn read(flags: &Flags) -> anyhow::Result<Identity> {
        Ok(Identity(match (&flags.proxy_client_cert_file, &flags.proxy_client_key_file) {
            (Some(certificate), Some(key)) => {
                let chain = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .with_context(|| format!("--proxy-client-cert-file: cannot read {}", certificate.display()))?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .with_context(|| format!("--proxy-client-key-file: cannot read {}", key.display()))?;
                Some((chain, key))
            }
            (None, None) => None,
            _ => anyhow::bail!("--proxy-client-cert-file and --proxy-client-key-file must be given together"),
        }))
    }

    /// The settings for a server that is known by an authority (base64 of PEM), or believed whoever it is.
    ///
    /// # Errors
    /// The authority is no certificate.
    pub fn tls(&self, bundle: &str, insecure: bool) -> anyhow::Result<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        } else {
            let mut roots = rustls::RootCertStore::empty();
            let bundle = base64::engine::general_purpose::STANDARD.decode(bundle)?;
            for certificate in CertificateDer::pem_slice_iter(&bundle) {
                roots.add(certificate?).context("unable to load root certificates")?;
            }
            builder.with_root_certificates(roots)
        };
        let mut config = match &self.0 {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Names the user in a request; what the client said of this kind itself is removed.
pub fn name_user(headers: &mut HeaderMap, user: &User) {
    let claimed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            **name == REMOTE_USER
                || **name == REMOTE_UID
                || **name == REMOTE_GROUP
                || name.as_str().starts_with(REMOTE_EXTRA)
        })
        .cloned()
        .collect();
    for name in claimed {
        headers.remove(name);
    }
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    };
    add(REMOTE_USER, &user.name);
    if !user.uid.is_empty() {
        add(REMOTE_UID, &user.uid);
    }
    for group in &user.groups {
        add(REMOTE_GROUP, group);
    }
    for (key, values) in &user.extra {
        let Ok(name) = HeaderName::from_bytes(format!("{REMOTE_EXTRA}{}", escaped(key)).as_bytes()) else { continue };
        values.iter().for_each(|value| add(name.clone(), value));
    }
}

/// A key as a part of a header's name: what may not stand there, and the percent sign, as percent and two digits.
fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The user as whom this server asks on its own behalf; may see everything.
pub fn aggregator() -> User {
    User { name: "system:kube-aggregator".to_owned(), groups: vec![MASTERS.to_owned()], ..User::default() }
}

/// Where a server is.
///
/// # Errors
/// Its service leads nowhere.
pub fn location(server: &Server, remote: &Remote) -> Result<Location, String> {
    let (host, port) = resolve::resolve(server, &remote.service)?;
    let tls = Some(Arc::clone(remote.tls.as_ref().map_err(Clone::clone)?));
    let server_name = Some(remote.service.host());
    Ok(Location { tls, host, port, server_name, path: String::new(), query: String::new() })
}

/// An answer that was read whole.
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Asks a server for a path, which may have a query, on a connection of its own.
///
/// # Errors
/// There is no answer; why, as Go's client has it.
pub async fn get(
    server: &Server,
    remote: &Remote,
    user: &User,
    target: &str,
    headers: &[(HeaderName, &str)],
) -> Result<Answer, String> {
    let location = location(server, remote)?;
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let authority = HeaderValue::from_str(&location.authority()).map_err(|error| error.to_string())?;
    let own = request.headers_mut();
    own.insert(HOST, authority);
    own.insert(USER_AGENT, HeaderValue::from_static("kube-aggregator"));
    for (name, value) in headers {
        own.insert(name.clone(), HeaderValue::from_str(value).map_err(|error| error.to_string())?);
    }
    name_user(own, user);
    let response = backend::send(&location, request).await?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_DOCUMENT).collect().await.map_err(|error| error.to_string())?;
    Ok(Answer { code: parts.status, headers: parts.headers, body: body.to_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_and_claims_removed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-remote-user", HeaderValue::from_static("admin"));
        headers.append("x-remote-group", HeaderValue::from_static("system:masters"));
        headers.insert("x-remote-extra-scopes", HeaderValue::from_static("all"));
        headers.insert("x-remote-uid", HeaderValue::from_static("7"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        let mut user = User { name: "joe".to_owned(), groups: vec!["a".to_owned(), "b".to_owned()], ..User::default() };
        user.extra.insert("example.com/scope%".to_owned(), vec!["view".to_owned()]);
        name_user(&mut headers, &user);
        let all = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-remote-user"), ["joe"]);
        assert_eq!(all("x-remote-group"), ["a", "b"]);
        assert_eq!(all("x-remote-extra-scopes"), Vec::<&str>::new());
        assert_eq!(all("x-remote-uid"), Vec::<&str>::new());
        assert_eq!(all("x-remote-extra-example.com%2fscope%25"), ["view"]);
        assert_eq!(all("accept"), ["*/*"]);
    }
}
