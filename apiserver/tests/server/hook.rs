//! A webhook server of a test: reviews come in over TLS, and the test says how each is answered.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::Server;

pub struct Hook {
    address: SocketAddr,
    /// The `request` of each review.
    pub asked: Arc<Mutex<Vec<Value>>>,
    pub connections: Arc<Mutex<usize>>,
}

impl Hook {
    /// A server that answers what `answer` makes of a path and a review.
    pub async fn start(server: &Server, answer: impl Fn(&str, &Value) -> String + Send + Sync + 'static) -> Hook {
        let (certificate, key) = server.files.certificate("hook", &[], &["127.0.0.1"]);
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let hook = Hook { address, asked: Arc::clone(&asked), connections: Arc::clone(&connections) };
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(tls) = acceptor.accept(tcp).await else { continue };
                *connections.lock() += 1;
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let review: Value = serde_json::from_slice(&body).unwrap();
                        let text = answer(&path, &review);
                        asked.lock().push(review["request"].clone());
                        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), service));
            }
        });
        hook
    }

    /// A `WebhookClientConfig` that leads to a path of this server.
    pub fn client_config(&self, server: &Server, path: &str) -> Value {
        let authority = std::fs::read(server.files.path("ca.crt")).unwrap();
        json!({
            "url": format!("https://127.0.0.1:{}{path}", self.address.port()),
            "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
        })
    }
}
