//! A server of one's own, its certificates, and a client that hides nothing of the answers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use apiserver::{Flags, Running};
use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// How long anything may take before a test fails.
pub const SOON: Duration = Duration::from_secs(60);

/// What this answers at last, asked again after a short pause: for what takes effect a little later.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = ask().await {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A server that serves until it is dropped or stopped.
pub struct Server {
    pub address: SocketAddr,
    pub files: Files,
    shutdown: CancellationToken,
    running: Option<Running>,
}

/// Where certificates, keys and data lie.
pub struct Files {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    authority: String,
}

impl Files {
    pub fn new() -> Files {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let files = Files { directory, issuer: Issuer::new(params, key), authority };
        files.write("ca.crt", &files.authority);
        let (certificate, key) = files.certificate("kube-apiserver", &[], &["localhost", "127.0.0.1"]);
        files.write("server.crt", &certificate);
        files.write("server.key", &key);
        files.write("sa.key", &KeyPair::generate().unwrap().serialize_pem());
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn authority(&self) -> String {
        self.authority.clone()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A certificate and its key, both PEM.
    pub fn certificate(&self, name: &str, groups: &[&str], hosts: &[&str]) -> (String, String) {
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

impl Server {
    /// A server on a store in memory.
    pub async fn start() -> Server {
        Self::start_with(Files::new(), &["--storage=memory"]).await
    }

    pub async fn start_with(files: Files, flags: &[&str]) -> Server {
        Self::start_without_modes(files, &[&["--authorization-mode=Node,RBAC"], flags].concat()).await
    }

    /// A server whose authorizers the flags name.
    pub async fn start_without_modes(files: Files, flags: &[&str]) -> Server {
        let path = |name: &str| files.path(name).display().to_string();
        let mut arguments = vec![
            "kube-apiserver".to_owned(),
            "--secure-port=0".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--tls-cert-file={}", path("server.crt")),
            format!("--tls-private-key-file={}", path("server.key")),
            format!("--client-ca-file={}", path("ca.crt")),
            format!("--service-account-signing-key-file={}", path("sa.key")),
        ];
        if !flags.iter().any(|flag| flag.starts_with("--service-cluster-ip-range=")) {
            arguments.push("--service-cluster-ip-range=10.96.0.0/16".to_owned());
        }
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let flags = Flags::try_parse_from(arguments).unwrap();
        let shutdown = CancellationToken::new();
        let running = apiserver::start(&flags, shutdown.clone()).await.unwrap();
        let server = Server { address: running.address, files, shutdown, running: Some(running) };
        server.ready().await;
        server
    }

    async fn ready(&self) {
        let client = self.admin().await;
        until("readiness", async || (client.get("/readyz").await.code == StatusCode::OK).then_some(())).await;
    }

    /// A client that may do everything.
    pub async fn admin(&self) -> Client {
        self.user("admin", &["system:masters"]).await
    }

    /// A client that shows a certificate of this name.
    pub async fn user(&self, name: &str, groups: &[&str]) -> Client {
        let (certificate, key) = self.files.certificate(name, groups, &[]);
        self.connect(Some((certificate, key))).await
    }

    /// A client without credentials.
    pub async fn anonymous(&self) -> Client {
        self.connect(None).await
    }

    /// Begins to stop the server, as a signal would.
    pub fn tell_to_stop(&self) {
        self.shutdown.cancel();
    }

    /// The certificate that the server shows to a client of `localhost`.
    pub async fn certificate(&self) -> Vec<u8> {
        let tls = self.tls(None, b"h2").await;
        tls.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    /// A connection of HTTP/1.1 to write bytes to.
    pub async fn raw(&self, name: &str, groups: &[&str]) -> TlsStream<TcpStream> {
        self.tls(Some(self.files.certificate(name, groups, &[])), b"http/1.1").await
    }

    async fn connect(&self, identity: Option<(String, String)>) -> Client {
        let tls = self.tls(identity, b"h2").await;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
        tokio::spawn(connection);
        Client { sender, headers: HeaderMap::new(), authority: format!("https://localhost:{}", self.address.port()) }
    }

    async fn tls(&self, identity: Option<(String, String)>, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.files.authority.as_bytes()).unwrap()).unwrap();
        let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
        let mut config = match identity {
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Stops the server as a signal would, and gives its files back.
    pub async fn stop(mut self) -> Files {
        self.shutdown.cancel();
        let running = self.running.take().unwrap();
        tokio::time::timeout(SOON, running.finished()).await.expect("the server stops").unwrap();
        let unused =
            Files { directory: tempfile::tempdir().unwrap(), issuer: throwaway_issuer(), authority: String::new() };
        std::mem::replace(&mut self.files, unused)
    }
}

fn throwaway_issuer() -> Issuer<'static, KeyPair> {
    Issuer::new(CertificateParams::new(Vec::new()).unwrap(), KeyPair::generate().unwrap())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A client on one connection of its own.
#[derive(Clone)]
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    headers: HeaderMap,
    authority: String,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// The same client with one more header on every request.
    pub fn with(&self, name: &'static str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        client
    }

    pub async fn begin(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> http::Response<Incoming> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.authority).parse().unwrap();
        *request.headers_mut() = self.headers.clone();
        if !content_type.is_empty() {
            request.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        let mut sender = self.sender.clone();
        tokio::time::timeout(SOON, sender.send_request(request)).await.expect("an answer in time").unwrap()
    }

    pub async fn send(&self, method: Method, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let (parts, body) = self.begin(method, path, content_type, body).await.into_parts();
        let body = tokio::time::timeout(SOON, body.collect()).await.expect("a body in time").unwrap().to_bytes();
        Answer { code: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", "").await
    }

    pub async fn post(&self, path: &str, object: &Value) -> Answer {
        self.send(Method::POST, path, JSON, object.to_string()).await
    }

    pub async fn put(&self, path: &str, object: &Value) -> Answer {
        self.send(Method::PUT, path, JSON, object.to_string()).await
    }

    pub async fn patch(&self, path: &str, kind: &str, patch: &Value) -> Answer {
        self.send(Method::PATCH, path, kind, patch.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "", "").await
    }

    pub async fn delete_with(&self, path: &str, options: &Value) -> Answer {
        self.send(Method::DELETE, path, JSON, options.to_string()).await
    }

    /// Opens a watch.
    pub async fn watch(&self, path: &str) -> Watch {
        let response = self.begin(Method::GET, path, "", "").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        Watch { path: path.to_owned(), body: response.into_body(), buffer: Vec::new() }
    }

    /// Makes a namespace.
    pub async fn namespace(&self, name: &str) {
        self.post("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await.created();
    }

    /// Makes a config map with this data in `default`.
    pub async fn config_map(&self, name: &str, data: &Value) -> Value {
        self.post(
            "/api/v1/namespaces/default/configmaps",
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}),
        )
        .await
        .created()
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    #[track_caller]
    pub fn is(&self, code: u16) -> Value {
        assert_eq!(self.code.as_u16(), code, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub fn ok(&self) -> Value {
        self.is(200)
    }

    #[track_caller]
    pub fn created(&self) -> Value {
        self.is(201)
    }

    /// A `Status` of this code and reason; answers its message.
    #[track_caller]
    pub fn refused(&self, code: u16, reason: &str) -> String {
        let status = self.is(code);
        assert_eq!((&status["kind"], &status["reason"]), (&json!("Status"), &json!(reason)), "{status}");
        status["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// An open watch in JSON.
pub struct Watch {
    path: String,
    body: Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    /// The next event, or none once the server ended the watch.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(SOON, self.body.frame()).await;
            match frame.unwrap_or_else(|_| panic!("no event in time: {}", self.path)) {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                _ => return None,
            }
        }
    }

    /// The next event, which must be of this type; answers its object.
    pub async fn expect<'a>(&'a mut self, kind: &'a str) -> Value {
        let event = self.next().await.expect("the watch goes on");
        assert_eq!(event["type"], kind, "{event}");
        event["object"].clone()
    }
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

pub fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().into_iter().flatten().map(name).collect()
}

/// Whether a directory has anything in it.
pub fn is_used(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}
