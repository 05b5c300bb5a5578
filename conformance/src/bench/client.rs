//! A client that costs little: HTTP/2 over TLS on a fixed number of connections, bodies counted and not kept.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::process;

pub const JSON: &str = "application/json";
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
pub const MERGE_PATCH: &str = "application/merge-patch+json";
pub const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";

/// Where a server is, and as whom it is spoken to.
#[derive(Clone)]
pub struct Endpoint {
    pub port: u16,
    tls: TlsConnector,
}

impl Endpoint {
    /// The administrator, with the certificates that [`super::pki`] wrote.
    pub fn new(port: u16, directory: &Path) -> Result<Endpoint> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(directory.join("ca.crt"))?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(directory.join("admin.crt"))?],
                PrivateKeyDer::from_pem_file(directory.join("admin.key"))?,
            )?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Endpoint { port, tls: TlsConnector::from(Arc::new(config)) })
    }
}

/// The whole of an answer that is not an object to look at.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub bytes: usize,
}

/// Connections to one server, used in turn.
pub struct Client {
    connections: Vec<SendRequest<Full<Bytes>>>,
    next: AtomicUsize,
    origin: String,
}

impl Client {
    pub async fn connect(endpoint: &Endpoint, connections: usize) -> Result<Client> {
        let mut made = Vec::with_capacity(connections);
        for _ in 0..connections {
            made.push(open(endpoint).await?);
        }
        let origin = format!("https://127.0.0.1:{}", endpoint.port);
        Ok(Client { connections: made, next: AtomicUsize::new(0), origin })
    }

    /// A request for a path, to be given its headers and body.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.origin))
    }

    /// Sends a request and returns with the head of the answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let mut connection = self.connections[at].clone();
        connection.ready().await?;
        Ok(connection.send_request(request).await?)
    }

    /// Sends a request and reads the answer to its end, counting.
    pub async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let response = self.send(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(Answer { status, bytes })
    }

    /// A request with a JSON body, or none where it is empty.
    pub async fn call(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<Answer> {
        let request = self.request(method, path).header(CONTENT_TYPE, JSON).header(ACCEPT, JSON);
        self.exchange(request.body(Full::new(body.into()))?).await
    }

    /// [`Client::call`] that must succeed.
    pub async fn must(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<()> {
        let answer = self.call(method.clone(), path, body).await?;
        if !answer.status.is_success() {
            bail!("{method} {path}: {}", answer.status);
        }
        Ok(())
    }

    /// The body of a GET.
    pub async fn read(&self, path: &str) -> Result<Bytes> {
        let request = self.request(Method::GET, path).header(ACCEPT, JSON).body(Full::default())?;
        Ok(self.send(request).await?.into_body().collect().await?.to_bytes())
    }
}

/// Opens one connection. Its windows are those of Go's client.
async fn open(endpoint: &Endpoint) -> Result<SendRequest<Full<Bytes>>> {
    let tcp = TcpStream::connect(("127.0.0.1", endpoint.port)).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").context("a name")?;
    let tls = endpoint.tls.connect(name, tcp).await?;
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .initial_connection_window_size(1 << 30)
        .initial_stream_window_size(4 << 20)
        .handshake(TokioIo::new(tls))
        .await?;
    tokio::spawn(async move {
        // It ends with the server or with the last sender.
        let _ = connection.await;
    });
    Ok(sender)
}

/// What a stretch of work took.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    pub done: usize,
    pub bytes: usize,
    pub seconds: f64,
    /// The server's processor time.
    pub cpu: f64,
}

impl Spent {
    pub fn per_second(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Milliseconds of the server's processor time for each.
    pub fn cpu_ms(&self) -> f64 {
        self.cpu * 1e3 / self.done.max(1) as f64
    }
}

/// When [`drive`] ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Done(usize),
    Elapsed(Duration),
}

/// Sends requests, `in_flight` at a time, numbered from 0. All must succeed.
pub async fn drive(
    client: &Arc<Client>,
    pid: u32,
    in_flight: usize,
    until: Until,
    make: impl Fn(&Client, usize) -> Result<Request<Full<Bytes>>> + Send + Sync + 'static,
) -> Result<Spent> {
    let next = Arc::new(AtomicUsize::new(0));
    let make = Arc::new(make);
    let (cpu, started) = (process::cpu(pid)?, Instant::now());
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (client, next, make) = (Arc::clone(client), Arc::clone(&next), Arc::clone(&make));
        workers.spawn(async move {
            let (mut done, mut bytes) = (0, 0);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let over = match until {
                    Until::Done(count) => number >= count,
                    Until::Elapsed(time) => started.elapsed() >= time,
                };
                if over {
                    return anyhow::Ok((done, bytes));
                }
                let request = make(&client, number)?;
                let path = request.uri().path().to_owned();
                let answer = client.exchange(request).await?;
                if !answer.status.is_success() {
                    bail!("{path} was answered with {}", answer.status);
                }
                done += 1;
                bytes += answer.bytes;
            }
        });
    }
    let (mut done, mut bytes) = (0, 0);
    while let Some(worker) = workers.join_next().await {
        let (more, size) = worker??;
        done += more;
        bytes += size;
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = process::cpu(pid)?.saturating_sub(cpu).as_secs_f64();
    Ok(Spent { done, bytes, seconds, cpu })
}
