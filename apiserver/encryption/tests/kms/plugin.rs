//! A KMS plugin, made of HTTP/2 alone so that it can also answer what no plugin should.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

/// A plugin that listens until it is dropped.
pub struct Plugin {
    socket: PathBuf,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// How it answers.
#[derive(Clone)]
pub struct Behaviour {
    pub key_id: String,
    pub is_hanging: bool,
    pub refuses_to_decrypt: bool,
    /// The body of all answers.
    pub body: Option<Vec<u8>>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    /// Calls of Status, Encrypt and Decrypt, and open connections.
    seen: [AtomicUsize; 4],
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(string, tag = "2")]
    healthz: String,
    #[prost(string, tag = "3")]
    key_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DecryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    annotations: BTreeMap<String, Vec<u8>>,
}

/// The request of Encrypt, and the answer of Decrypt.
#[derive(Clone, PartialEq, prost::Message)]
struct Plain {
    #[prost(bytes = "vec", tag = "1")]
    plaintext: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    annotations: BTreeMap<String, Vec<u8>>,
}

impl Plugin {
    /// Listens at a socket with the key `1`. A name that begins with a NUL is one of an abstract socket.
    pub fn start(socket: impl Into<PathBuf>) -> Plugin {
        let socket = socket.into();
        let behaviour = Behaviour { key_id: "1".to_owned(), is_hanging: false, refuses_to_decrypt: false, body: None };
        let shared = Arc::new(Shared { behaviour: Mutex::new(behaviour), seen: Default::default() });
        let listener = UnixListener::bind(&socket).unwrap();
        Plugin { socket, listening: tokio::spawn(listen(listener, Arc::clone(&shared))), shared }
    }

    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
    }

    /// Calls of Status, Encrypt and Decrypt so far, and connections that are open now.
    pub fn seen(&self) -> [usize; 4] {
        self.shared.seen.each_ref().map(|seen| seen.load(Ordering::SeqCst))
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.listening.abort();
        // An abstract one has no file.
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn listen(listener: UnixListener, shared: Arc<Shared>) {
    // They end with the task that has them.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: UnixStream, shared: Arc<Shared>) {
    shared.seen[3].fetch_add(1, Ordering::SeqCst);
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // A client that goes away is no failure.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
    shared.seen[3].fetch_sub(1, Ordering::SeqCst);
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let message = &body[5..];
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let count = |call: usize| shared.seen[call].fetch_add(1, Ordering::SeqCst);
    let answer = match path.as_str() {
        "/v2.KeyManagementService/Status" => {
            count(0);
            let (version, healthz) = ("v2".to_owned(), "ok".to_owned());
            Ok(StatusResponse { version, healthz, key_id: behaviour.key_id }.encode_to_vec())
        }
        "/v2.KeyManagementService/Encrypt" => {
            count(1);
            let ciphertext = turned(&behaviour.key_id, Plain::decode(message).unwrap().plaintext);
            let annotations = BTreeMap::from([("keys.example.com".to_owned(), b"local".to_vec())]);
            Ok(EncryptResponse { ciphertext, key_id: behaviour.key_id, annotations }.encode_to_vec())
        }
        "/v2.KeyManagementService/Decrypt" => {
            count(2);
            let request = DecryptRequest::decode(message).unwrap();
            let is_ours = request.annotations.get("keys.example.com").is_some_and(|value| value == b"local");
            if is_ours && !request.uid.is_empty() && !behaviour.refuses_to_decrypt {
                Ok(Plain { plaintext: turned(&request.key_id, request.ciphertext) }.encode_to_vec())
            } else {
                Err((3, "no such key"))
            }
        }
        _ => Err((12, "unknown method")),
    };
    if behaviour.is_hanging {
        std::future::pending::<()>().await;
    }
    let mut response = match answer {
        Ok(message) => {
            let framed = [&[0], (message.len() as u32).to_be_bytes().as_slice(), &message].concat();
            let framed = Full::from(behaviour.body.unwrap_or(framed));
            Response::new(framed.with_trailers(async { Some(Ok(status(0))) }).boxed())
        }
        Err((code, why)) => {
            let mut response = Response::new(Empty::new().boxed());
            response.headers_mut().extend(status(code));
            response.headers_mut().insert("grpc-message", HeaderValue::from_static(why));
            response
        }
    };
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

fn status(code: u16) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(code))])
}

/// Encrypts, and decrypts what it encrypted: enough for a test.
fn turned(key_id: &str, bytes: Vec<u8>) -> Vec<u8> {
    let key = key_id.bytes().cycle();
    bytes.into_iter().zip(key).map(|(byte, key)| byte ^ key).collect()
}
