//! Calls to what a `WebhookClientConfig` names: connections to services and URLs, kept for the next call.
//!
//! Source: apiserver `pkg/util/webhook/client.go`, `pkg/util/proxy/proxy.go`.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use apiserver_schema::yaml;
use base64::Engine;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::aggregation::{self, Service};
use crate::object::text;
use crate::server::Server;

/// How much of an answer is read: a review has at most one object in it, or few.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// Idle connections kept to one place.
const MAX_IDLE: usize = 25;
/// Places whose connections are kept.
const MAX_PLACES: usize = 200;

/// Why there is no answer, in the words of Go's client.
#[derive(Debug)]
pub struct Failure {
    pub why: String,
    pub code: u16,
    pub is_timeout: bool,
}

impl Failure {
    fn new(why: impl Display) -> Failure {
        Failure { why: why.to_string(), code: 503, is_timeout: false }
    }
}

/// Open connections by what clients are configured with.
#[derive(Default)]
pub struct Clients {
    places: Mutex<HashMap<String, Arc<Place>>>,
}

/// Where a webhook is, and the idle connections to it.
struct Place {
    /// For messages and the `Host` header.
    authority: String,
    path: String,
    tls: Option<Arc<ClientConfig>>,
    server_name: String,
    target: Target,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// What a webhook answered.
struct Answer {
    code: StatusCode,
    is_text: bool,
    body: Bytes,
}

enum Target {
    Address { host: String, port: u16 },
    Service(Service),
}

impl Clients {
    /// Sends a review to where a `WebhookClientConfig` says, and reads the answer.
    pub async fn post(
        &self,
        server: &Server,
        client: &Value,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Value, Failure> {
        let place = self.place(client)?;
        let scheme = if place.tls.is_some() { "https" } else { "http" };
        let query = format!("timeout={}s", timeout.as_secs());
        let separator = if place.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}{query}", place.path);
        let url = format!("{scheme}://{}{path}", place.authority);
        let posted = |why: &dyn Display| Failure::new(format_args!("Post {url:?}: {why}"));
        match tokio::time::timeout(timeout, place.exchange(server, &path, body)).await {
            Err(_) => Err(Failure { is_timeout: true, ..posted(&"context deadline exceeded") }),
            Ok(Err(error)) => Err(posted(&error)),
            Ok(Ok(answer)) if !answer.code.is_success() => Err(not_ok(&answer)),
            Ok(Ok(answer)) => decoded(&answer.body).map_err(Failure::new),
        }
    }

    fn place(&self, client: &Value) -> Result<Arc<Place>, Failure> {
        let key = client.to_string();
        let mut places = self.places.lock();
        if let Some(place) = places.get(&key) {
            return Ok(Arc::clone(place));
        }
        let place = Arc::new(Place::new(client)?);
        if places.len() >= MAX_PLACES {
            places.clear();
        }
        places.insert(key, Arc::clone(&place));
        Ok(place)
    }
}

impl Place {
    fn new(client: &Value) -> Result<Place, Failure> {
        let could_not = |why: &dyn Display| Failure {
            why: format!("could not get REST client: {why}"),
            code: 500,
            is_timeout: false,
        };
        let tls = || -> Result<Arc<ClientConfig>, Failure> {
            let bundle = base64::engine::general_purpose::STANDARD
                .decode(text(&client["caBundle"]))
                .map_err(|error| could_not(&error))?;
            tls(&bundle).map_err(|error| could_not(&error))
        };
        let service = &client["service"];
        if service.is_object() {
            let (namespace, name) = (text(&service["namespace"]).to_owned(), text(&service["name"]).to_owned());
            let port = service["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(443);
            let service_of = Service { namespace, name, port };
            let server_name = service_of.host();
            let path = text(&service["path"]);
            return Ok(Place {
                authority: format!("{server_name}:{port}"),
                path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
                tls: Some(tls()?),
                server_name,
                target: Target::Service(service_of),
                idle: Mutex::default(),
            });
        }
        let url = text(&client["url"]);
        if url.is_empty() {
            return Err(could_not(&"webhook configuration must have either service or URL"));
        }
        let uri: Uri = url.parse().map_err(|error| could_not(&format_args!("Unparsable URL: {error}")))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let secure = uri.scheme_str() != Some("http");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Place {
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            tls: if secure { Some(tls()?) } else { None },
            server_name: host.clone(),
            target: Target::Address { host, port },
            idle: Mutex::default(),
        })
    }

    async fn exchange(&self, server: &Server, path: &str, body: Bytes) -> Result<Answer, String> {
        // A kept connection may have been closed meanwhile: then a new one is made.
        loop {
            let Some(mut sender) = self.idle.lock().pop() else { break };
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.send_request(self.request(path, body.clone())?).await {
                Ok(response) => return self.finish(sender, response).await,
                Err(error) if error.is_canceled() || error.is_closed() || error.is_incomplete_message() => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut sender = self.connect(server).await?;
        let response = sender.send_request(self.request(path, body)?).await.map_err(|error| {
            // Go says so of a server that closes without an answer.
            if error.is_incomplete_message() { "EOF".to_owned() } else { error.to_string() }
        })?;
        self.finish(sender, response).await
    }

    fn request(&self, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        let headers = request.headers_mut();
        let authority = HeaderValue::from_str(&self.authority).map_err(|error| error.to_string())?;
        headers.insert(HOST, authority);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
        headers.insert(USER_AGENT, HeaderValue::from_static("kube-apiserver-admission"));
        Ok(request)
    }

    async fn finish(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: http::Response<hyper::body::Incoming>,
    ) -> Result<Answer, String> {
        let code = response.status();
        let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|ty| ty.as_bytes().starts_with(b"text/"));
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| error.to_string())?;
        let mut idle = self.idle.lock();
        if !sender.is_closed() && idle.len() < MAX_IDLE {
            idle.push(sender);
        }
        Ok(Answer { code, is_text, body: body.to_bytes() })
    }

    async fn connect(&self, server: &Server) -> Result<SendRequest<Full<Bytes>>, String> {
        let (host, port) = match &self.target {
            Target::Address { host, port } => (host.clone(), *port),
            Target::Service(service) => aggregation::resolve(server, service)?,
        };
        let tcp = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| format!("dial tcp {host}:{port}: {}", dialing(&error)))?;
        // Reviews are small, and the answer is waited for.
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else { return handshake(TokioIo::new(tcp)).await };
        let name = ServerName::try_from(self.server_name.clone()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(|error| untrusted(&error))?;
        handshake(TokioIo::new(stream)).await
    }
}

async fn handshake(
    io: impl hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let (sender, connection) = http1::handshake(io).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a webhook ended");
        }
    });
    Ok(sender)
}

fn tls(bundle: &[u8]) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A failed connection as Go words it.
fn dialing(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// A failed TLS handshake as Go words it.
fn untrusted(error: &io::Error) -> String {
    use rustls::CertificateError;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer => "x509: certificate signed by unknown authority".to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "x509: certificate has expired or is not yet valid".to_owned()
            }
            other => format!("x509: {other}"),
        },
        _ => return format!("tls: {error}"),
    };
    format!("tls: failed to verify certificate: {why}")
}

/// An answer, which may be YAML as everything that Go's client reads.
fn decoded(answer: &[u8]) -> Result<Value, String> {
    if answer.is_empty() {
        return Err("0-length response with status code: 200 and content type: application/json".to_owned());
    }
    let unparsable = |why: &dyn Display| format!("couldn't get version/kind; json parse error: {why}");
    let tree: Value =
        serde_json::from_slice(answer).or_else(|error| yaml::to_value(answer).map_err(|_| unparsable(&error)))?;
    let found = match &tree {
        Value::Object(_) | Value::Null => return Ok(tree),
        other => json_type(other),
    };
    let ty = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    Err(unparsable(&format_args!("json: cannot unmarshal {found} into Go value of type {ty}")))
}

/// What Go's decoder calls a JSON value that it cannot decode.
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    }
}

/// An answer with a code that is no success, as client-go words it.
fn not_ok(answer: &Answer) -> Failure {
    let code = answer.code;
    let text = String::from_utf8_lossy(&answer.body);
    let body = if answer.is_text { text.trim() } else { "unknown" };
    // A `Status` in the body says it better.
    if let Ok(status) = decoded(&answer.body)
        && status["kind"] == "Status"
        && status["apiVersion"] == "v1"
        && status["status"] == "Failure"
    {
        return Failure {
            why: crate::object::text(&status["message"]).to_owned(),
            code: code.as_u16(),
            is_timeout: false,
        };
    }
    let why = match code.as_u16() {
        400 => "the server rejected our request for an unknown reason".to_owned(),
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 => body.to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        405 => "the server does not allow this method on the requested resource".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        code if code >= 500 => format!("an error on the server ({body:?}) has prevented the request from succeeding"),
        code => format!("the server responded with the status code {code} but did not return more information"),
    };
    Failure { why, code: code.as_u16(), is_timeout: false }
}
