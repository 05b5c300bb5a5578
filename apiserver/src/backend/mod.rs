//! What requests are passed on to: kubelets, pods, endpoints of services.

mod dial;
mod html;
mod reverse_proxy;
mod rewrite;
mod url;

use std::io;
use std::sync::Arc;

use apiserver_streaming::BoxIo;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

pub use dial::{connect, lookup};
pub use reverse_proxy::{Hijacked, Peer, add_forwarded_for, pass, upgraded};
pub use url::{clean, decoded, escape_path, escape_query};

/// Where a request goes.
#[derive(Clone)]
pub struct Location {
    /// Plain HTTP without.
    pub tls: Option<Arc<ClientConfig>>,
    pub host: String,
    pub port: u16,
    /// The name in the backend's certificate, if it is not that of the host.
    pub server_name: Option<String>,
    /// The path as it is meant, not escaped; empty is the root without a slash.
    pub path: String,
    /// The query as it is sent, without its mark.
    pub query: String,
}

impl Location {
    /// `host:port`, with the brackets that IPv6 needs.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Connects, with TLS if there are settings for it.
    ///
    /// # Errors
    /// Displayed as Go displays them.
    pub async fn connect(&self) -> io::Result<BoxIo> {
        let name = self.server_name.as_deref().unwrap_or(&self.host);
        dial::connect(self.tls.as_ref(), &self.host, self.port, name).await
    }

    /// The absolute URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut url = format!("{scheme}://{}{}", self.authority(), escape_path(&self.path));
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(&self.query);
        }
        url
    }
}

/// One GET on a connection of its own, without any of a client's headers.
///
/// # Errors
/// The words that Go's client would have for it.
pub async fn get(location: &Location) -> Result<Response<Incoming>, String> {
    let mut path = escape_path(&location.path);
    if !location.query.is_empty() {
        path = format!("{path}?{}", location.query);
    }
    let request = http::Request::builder()
        .uri(path)
        .header(http::header::HOST, location.authority())
        .header(http::header::USER_AGENT, "Go-http-client/1.1")
        .body(Full::<Bytes>::default())
        .map_err(|error| error.to_string())?;
    send(location, request).await
}

/// One request on a connection of its own.
///
/// # Errors
/// As [`get`].
pub async fn send(location: &Location, request: http::Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let io = location.connect().await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| dial::exchange_words(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a backend ended");
        }
    });
    sender.send_request(request).await.map_err(|error| dial::exchange_words(&error))
}

/// Removes the headers that are about one connection only, as `httputil.ReverseProxy` does.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    const HOPS: [&str; 9] = [
        "connection",
        "proxy-connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let named: Vec<HeaderName> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOPS {
        headers.remove(name);
    }
}

/// Believes every server: what kubelets' self-signed certificates need, as upstream does without
/// `--kubelet-certificate-authority`, and what proxied pods have.
#[derive(Debug)]
pub struct AnyServer(pub Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
