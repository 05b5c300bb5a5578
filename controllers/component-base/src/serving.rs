//! A component's own HTTP(S) endpoint: health, readiness, metrics, and the component's further paths.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use kube::Client;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

mod access;
mod health;

pub use health::Health;

/// A response body of any kind.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Answers the paths that are not the endpoint's own. Streams and upgrades are the handler's to make.
pub type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How the endpoint speaks.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Plain http: loopback and tests.
    None,
    /// https with a certificate made at start and kept in memory, as upstream does without certificate flags.
    SelfSigned,
    /// https with these PEM files.
    Files { certificate: PathBuf, key: PathBuf },
    /// https as the caller configured it (client certificates, reloading).
    Config(Arc<rustls::ServerConfig>),
}

/// Who may read the paths other than `/healthz`, `/livez` and `/readyz`.
#[derive(Clone)]
pub enum Access {
    /// Anyone who can connect. The handler does its own checks.
    Open,
    /// Nobody: what upstream does without `--authorization-kubeconfig`.
    HealthOnly,
    /// Who the API server allows, by TokenReview and SubjectAccessReview.
    Delegated(Client),
}

/// What to serve.
pub struct Options {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    pub tls: Tls,
    pub access: Access,
    pub health: Health,
    /// What `/metrics` shows; usually `prometheus::default_registry().clone()`.
    pub metrics: prometheus::Registry,
    pub handler: Option<Handler>,
}

/// Binds and serves until `shutdown`, in tasks of its own. Gives the bound address at once.
///
/// # Errors
/// A taken port or unusable certificate files, in one line.
pub async fn serve(options: Options, shutdown: CancellationToken) -> Result<SocketAddr> {
    let acceptor = acceptor(&options.tls)?;
    let listener =
        TcpListener::bind(options.address).await.with_context(|| format!("failed to listen on {}", options.address))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let endpoint = Arc::new(Endpoint {
        access: options.access,
        health: options.health,
        metrics: options.metrics,
        handler: options.handler,
    });
    tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of file descriptors, mostly: connections in progress will free some.
                        warn!("accept failed: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = shutdown.cancelled() => return,
            };
            let (endpoint, acceptor, shutdown) = (endpoint.clone(), acceptor.clone(), shutdown.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = connection(endpoint, acceptor, stream) => {}
                    () = shutdown.cancelled() => {}
                }
            });
        }
    });
    Ok(address)
}

/// A whole body in memory.
pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A response of plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

struct Endpoint {
    access: Access,
    health: Health,
    metrics: prometheus::Registry,
    handler: Option<Handler>,
}

impl Endpoint {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_string();
        if let Some(response) = self.health.answer(&path, request.uri().query().unwrap_or_default()) {
            return response;
        }
        if let Err(refused) = access::check(&self.access, &request).await {
            return refused;
        }
        if path == "/metrics" {
            return match prometheus::TextEncoder::new().encode_to_string(&self.metrics.gather()) {
                Ok(metrics) => {
                    let mut response = text(StatusCode::OK, metrics);
                    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                    response.headers_mut().insert(CONTENT_TYPE, format);
                    response
                }
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            };
        }
        match &self.handler {
            Some(handler) => handler(request).await,
            None => text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}

async fn connection(endpoint: Arc<Endpoint>, acceptor: Option<TlsAcceptor>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let endpoint = endpoint.clone();
        async move { Ok::<_, Infallible>(endpoint.answer(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let result = match acceptor {
        None => builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await,
            Ok(Err(error)) => return debug!("TLS handshake failed: {error}"),
            Err(_) => return debug!("TLS handshake timed out"),
        },
    };
    if let Err(error) = result {
        debug!("connection ended: {error}");
    }
}

fn acceptor(tls: &Tls) -> Result<Option<TlsAcceptor>> {
    crate::client::install_crypto_provider();
    let (chain, key) = match tls {
        Tls::None => return Ok(None),
        Tls::Config(config) => return Ok(Some(TlsAcceptor::from(config.clone()))),
        Tls::SelfSigned => self_signed()?,
        Tls::Files { certificate, key } => {
            let named = |path: &PathBuf| format!("unusable TLS file {}", path.display());
            let chain = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect)
                .with_context(|| named(certificate))?;
            (chain, PrivateKeyDer::from_pem_file(key).with_context(|| named(key))?)
        }
    };
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("unusable serving certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let names = vec![crate::hostname(), "localhost".to_string(), "127.0.0.1".to_string()];
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a serving certificate")?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    Ok((vec![made.cert.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn options(access: Access) -> Options {
        let metrics = prometheus::Registry::new();
        let counter = prometheus::IntCounter::new("things_total", "Things.").unwrap();
        counter.inc();
        metrics.register(Box::new(counter)).unwrap();
        let health = Health::default();
        Options { address: ([127, 0, 0, 1], 0).into(), tls: Tls::None, access, health, metrics, handler: None }
    }

    #[tokio::test]
    async fn serves_health_and_metrics_on_a_free_port() {
        let shutdown = CancellationToken::new();
        let address = serve(options(Access::Open), shutdown.clone()).await.unwrap();
        for path in ["/healthz", "/livez", "/readyz"] {
            let answer = get(address, path).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok"), "{answer}");
        }
        assert!(get(address, "/metrics").await.contains("things_total 1"));
        assert!(get(address, "/else").await.starts_with("HTTP/1.1 404"));
        shutdown.cancel();
    }

    #[tokio::test]
    async fn health_only_hides_metrics() {
        let address = serve(options(Access::HealthOnly), CancellationToken::new()).await.unwrap();
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/metrics").await.starts_with("HTTP/1.1 403"));
    }

    #[tokio::test]
    async fn self_signed_https_and_taken_port() {
        let mut https = options(Access::Open);
        https.tls = Tls::SelfSigned;
        let address = serve(https, CancellationToken::new()).await.unwrap();
        let mut taken = options(Access::Open);
        taken.address = address;
        let error = serve(taken, CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().starts_with("failed to listen on 127.0.0.1:"));
    }
}
