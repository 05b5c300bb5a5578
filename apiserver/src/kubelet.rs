//! Connections to kubelets: logs, exec, attach, port-forward and the node proxy go through here.

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use apiserver_streaming::proxy;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::body::Body;
use crate::flags::Flags;
use crate::server::Server;
use crate::status::{GroupResource, Result, Status};

/// How to reach every node's kubelet.
pub struct Kubelets {
    tls: Arc<ClientConfig>,
    preferred: Vec<String>,
}

/// Where one node's kubelet listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Kubelets {
    pub fn new(flags: &Flags) -> anyhow::Result<Kubelets> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match &flags.kubelet_certificate_authority {
            Some(path) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                    .with_context(|| format!("--kubelet-certificate-authority: cannot read {}", path.display()))?
                {
                    roots.add(certificate)?;
                }
                builder.with_root_certificates(roots)
            }
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider))),
        };
        let tls = match (&flags.kubelet_client_certificate, &flags.kubelet_client_key) {
            (Some(certificate), Some(key)) => {
                let chain = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect)
                    .with_context(|| format!("--kubelet-client-certificate: cannot read {}", certificate.display()))?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .with_context(|| format!("--kubelet-client-key: cannot read {}", key.display()))?;
                builder.with_client_auth_cert(chain, key)?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => anyhow::bail!("--kubelet-client-certificate and --kubelet-client-key must be given together"),
        };
        Ok(Kubelets { tls: Arc::new(tls), preferred: flags.kubelet_preferred_address_types.clone() })
    }

    /// Where a node's kubelet listens, by the node's own record.
    pub async fn address(&self, server: &Server, node: &str) -> Result<Address> {
        let found = server.find("", "nodes", "", node).await?;
        let found = found.ok_or_else(|| Status::not_found(GroupResource { group: "", resource: "nodes" }, node))?;
        let addresses = found["status"]["addresses"].as_array().cloned().unwrap_or_default();
        let host = self
            .preferred
            .iter()
            .find_map(|kind| addresses.iter().find(|address| address["type"] == kind.as_str()))
            .and_then(|address| address["address"].as_str())
            .ok_or_else(|| Status::internal(format!("no preferred addresses found; known addresses: {addresses:?}")))?;
        let port = found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
        Ok(Address { host: host.to_owned(), port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(10250) })
    }

    async fn connect(&self, address: &Address) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await
    }

    /// Sends a request and gives the answer, whose body goes on as long as the kubelet writes.
    pub async fn request(
        &self,
        address: &Address,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>> {
        let failed = |error: &dyn std::fmt::Display| {
            Status::internal(format!("Get \"https://{}:{}{path}\": {error}", address.host, address.port))
        };
        let io = self.connect(address).await.map_err(|error| failed(&error))?;
        http1(TokioIo::new(io), &address.host, method, path, headers, body).await.map_err(|error| failed(&error))
    }

    /// Passes an upgrade through.
    pub async fn upgrade(&self, address: &Address, request: Request<Incoming>, path: &str) -> Result<Response<Body>> {
        let uri: Uri = format!("https://{}:{}{path}", address.host, address.port).parse().map_err(Status::internal)?;
        upgraded(proxy::upgrade(request, uri, self.connect(address)).await)
    }
}

/// Turns the outcome of a passed-through upgrade into an answer.
pub fn upgraded(
    outcome: std::result::Result<Response<apiserver_streaming::Body>, proxy::Error>,
) -> Result<Response<Body>> {
    match outcome {
        Ok(response) => Ok(response.map(|body| body.map_err(|never| match never {}).boxed_unsync())),
        Err(proxy::Error::UpgradeRequired) => Err(Status::bad_request("Upgrade request required")),
        Err(proxy::Error::Rejected(rejection)) => {
            Ok(rejection.into_response().map(|body| body.map_err(|never| match never {}).boxed_unsync()))
        }
        Err(error) => Err(Status::internal(format!("error dialing backend: {error}"))),
    }
}

/// One HTTP/1.1 exchange on a connection of its own.
pub async fn http1(
    io: impl hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    host: &str,
    method: Method,
    path: &str,
    mut headers: HeaderMap,
    body: Bytes,
) -> anyhow::Result<Response<Body>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a backend ended");
        }
    });
    for name in
        [http::header::HOST, http::header::CONNECTION, http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING]
    {
        headers.remove(name);
    }
    let mut request = Request::builder().method(method).uri(path).body(Full::new(body))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_str(host)?);
    let mut response = sender.send_request(request).await?;
    for name in [http::header::CONNECTION, http::header::TRANSFER_ENCODING] {
        response.headers_mut().remove(name);
    }
    Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
}

/// Believes every server: what kubelets' self-signed certificates need, as upstream does without
/// `--kubelet-certificate-authority`.
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
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
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
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
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

/// A pod's node and the facts of the pod that its kubelet needs.
pub async fn pod(server: &Server, namespace: &str, name: &str) -> Result<Value> {
    let found = server.find("", "pods", namespace, name).await?;
    found.ok_or_else(|| Status::not_found(GroupResource { group: "", resource: "pods" }, name))
}
