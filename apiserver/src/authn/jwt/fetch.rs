//! Documents of an issuer, by HTTPS.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CACHE_CONTROL, HOST};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::backend;

/// How much of a document is read.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Where systems keep the authorities that everybody believes, as Go looks for them.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A document and how long it may be kept.
pub struct Document {
    pub code: StatusCode,
    pub bytes: Bytes,
    pub max_age: Duration,
}

/// The authorities in a PEM text.
pub fn roots(pem: &str) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.context("data does not contain any valid RSA or ECDSA certificates")?)?;
    }
    anyhow::ensure!(!roots.is_empty(), "data does not contain any valid RSA or ECDSA certificates");
    Ok(roots)
}

/// The settings for an issuer: its own authorities, or those of the system.
pub fn tls(authority: &str) -> anyhow::Result<Arc<ClientConfig>> {
    let roots = if authority.is_empty() { system_roots() } else { roots(authority)? };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Those that can be read of the first file that is there.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let named = std::env::var("SSL_CERT_FILE").ok();
    let files = named.iter().map(String::as_str).chain(SYSTEM_ROOTS.iter().copied());
    let pem = files.map(std::fs::read).find_map(Result::ok).unwrap_or_default();
    for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
        let _ = roots.add(certificate);
    }
    roots
}

/// Gets a document. The future owns all it needs, so that it is the same for whoever waits for it.
pub fn get(tls: &Arc<ClientConfig>, url: &str) -> BoxFuture<'static, Result<Document, String>> {
    let (tls, url) = (Arc::clone(tls), url.to_owned());
    Box::pin(async move {
        let failed = |why: &dyn std::fmt::Display| format!("Get {url:?}: {why}");
        match tokio::time::timeout(TIMEOUT, exchange(&tls, &url)).await {
            Ok(Ok(document)) => Ok(document),
            Ok(Err(error)) => Err(failed(&format_args!("{error:#}"))),
            Err(_) => Err(failed(&"context deadline exceeded")),
        }
    })
}

async fn exchange(tls: &Arc<ClientConfig>, url: &str) -> anyhow::Result<Document> {
    let uri: Uri = url.parse().context("the URL cannot be read")?;
    let secure = match uri.scheme_str() {
        Some("https") => Some(tls),
        Some("http") => None,
        _ => anyhow::bail!("unsupported protocol scheme"),
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if secure.is_some() { 443 } else { 80 });
    let stream = backend::connect(secure, &host, port, &host).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let request = Request::get(path).header(HOST, authority).header(ACCEPT, "*/*").body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let (parts, mut body) = response.into_parts();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        anyhow::ensure!(read.len() + data.len() <= MAX_DOCUMENT, "the document is too large");
        read.extend_from_slice(&data);
    }
    connection.abort();
    Ok(Document { code: parts.status, bytes: read.into(), max_age: max_age(&parts.headers) })
}

/// How long an answer may be kept.
fn max_age(headers: &HeaderMap) -> Duration {
    let text = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let clauses: Vec<&str> = text.split(',').map(str::trim).collect();
    if clauses.iter().any(|clause| ["no-store", "no-cache"].contains(clause)) {
        return Duration::ZERO;
    }
    let seconds = clauses.iter().find_map(|clause| clause.strip_prefix("max-age=")?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}
