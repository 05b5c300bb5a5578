//! HTTP/1.1 upgrades to SPDY/3.1 and WebSocket: negotiating as a server, dialling as a client.

use std::io;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{Body, Io};

/// The token of SPDY in the Upgrade header.
pub const SPDY_31: &str = "SPDY/3.1";
/// Asks for, and answers with, the protocol inside SPDY.
pub const STREAM_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// Tells a client which protocols it could have asked for.
pub const ACCEPTED_STREAM_PROTOCOL_VERSIONS: HeaderName =
    HeaderName::from_static("x-accepted-stream-protocol-versions");
/// Asks for, and answers with, the protocol inside WebSocket.
pub const SEC_WEBSOCKET_PROTOCOL: HeaderName = HeaderName::from_static("sec-websocket-protocol");

const SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const SEC_WEBSOCKET_VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const SEC_WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
/// Longest error body taken from a backend that does not upgrade.
const MAX_ERROR_BODY: usize = 1 << 20;

/// An upgraded connection.
pub type UpgradedIo = TokioIo<Upgraded>;

/// Whether the request asks for any upgrade.
#[must_use]
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| contains(value, "upgrade"))
}

/// Whether the request asks for WebSocket.
#[must_use]
pub fn is_websocket(headers: &HeaderMap) -> bool {
    is_upgrade(headers) && headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The WebSocket subprotocols a request offers, in its order.
#[must_use]
pub fn websocket_protocols(headers: &HeaderMap) -> Vec<String> {
    list(headers, &SEC_WEBSOCKET_PROTOCOL)
}

fn contains(value: &HeaderValue, token: &str) -> bool {
    value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains(token))
}

fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|p| !p.is_empty()).map(String::from).collect()
}

/// A refused upgrade, in the words and codes of upstream.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Rejection {
    pub status: StatusCode,
    pub message: String,
    headers: Box<HeaderMap>,
}

impl Rejection {
    /// A refusal with a plain message.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), headers: Box::default() }
    }

    /// The answer to send.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let body = if self.message.is_empty() { String::new() } else { format!("{}\n", self.message) };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// An accepted upgrade: send the response, then await the connection.
pub struct Accepted {
    pub response: Response<Body>,
    /// The protocol that was chosen; empty when the client asked for none.
    pub protocol: String,
    pub connection: OnUpgrade,
}

/// Accepts an upgrade to SPDY/3.1 with the first protocol of the client that is among `protocols`.
///
/// # Errors
/// 400 when headers are missing, 403 when no protocol is shared.
pub fn accept_spdy<B>(request: &mut Request<B>, protocols: &[&str]) -> Result<Accepted, Rejection> {
    let headers = request.headers();
    if !headers.contains_key(&STREAM_PROTOCOL_VERSION) {
        return Err(Rejection::new(
            StatusCode::BAD_REQUEST,
            format!(
                "unable to upgrade: header X-Stream-Protocol-Version does not exist in request with {} headers",
                headers.keys_len()
            ),
        ));
    }
    let offered = list(headers, &STREAM_PROTOCOL_VERSION);
    if offered.is_empty() {
        let message = "unable to upgrade: header X-Stream-Protocol-Version contains [], but no valid protocols";
        return Err(Rejection::new(StatusCode::BAD_REQUEST, message));
    }
    let Some(protocol) = offered.iter().find(|offer| protocols.contains(&offer.as_str())).cloned() else {
        let mut rejection = Rejection::new(
            StatusCode::FORBIDDEN,
            format!(
                "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
                offered.join(" "),
                protocols.join(" ")
            ),
        );
        for protocol in protocols {
            if let Ok(value) = HeaderValue::from_str(protocol) {
                rejection.headers.append(ACCEPTED_STREAM_PROTOCOL_VERSIONS, value);
            }
        }
        return Err(rejection);
    };
    let upgrade = headers.get(UPGRADE).is_some_and(|value| contains(value, "spdy/3.1"));
    if !upgrade || !headers.get(CONNECTION).is_some_and(|value| contains(value, "upgrade")) {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "unable to upgrade: missing upgrade headers in request"));
    }
    let mut response = switching(SPDY_31);
    if let Ok(value) = HeaderValue::from_str(&protocol) {
        response.headers_mut().insert(STREAM_PROTOCOL_VERSION, value);
    }
    Ok(Accepted { response, protocol, connection: hyper::upgrade::on(request) })
}

/// Accepts an upgrade to WebSocket with the first protocol of the client that is among `protocols`. A client that
/// offers none gets none if `protocols` has the empty string.
///
/// # Errors
/// 405 when the method is not GET, 400 when headers are missing, 403 when no protocol is shared.
pub fn accept_websocket<B>(request: &mut Request<B>, protocols: &[&str]) -> Result<Accepted, Rejection> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "bad method"));
    }
    if !is_websocket(headers) {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "not websocket protocol"));
    }
    let Some(accept) = headers.get(&SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes())) else {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "mismatch challenge/response"));
    };
    if headers.get(&SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut rejection = Rejection::new(StatusCode::BAD_REQUEST, "missing or bad WebSocket Version");
        rejection.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(rejection);
    }
    let mut offered = websocket_protocols(headers);
    if offered.is_empty() {
        offered.push(String::new());
    }
    let Some(protocol) = offered.into_iter().find(|offer| protocols.contains(&offer.as_str())) else {
        return Err(Rejection::new(StatusCode::FORBIDDEN, ""));
    };
    let mut response = switching("websocket");
    if let Ok(value) = HeaderValue::from_str(&accept) {
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, value);
    }
    if let Ok(value) = HeaderValue::from_str(&protocol)
        && !protocol.is_empty()
    {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    Ok(Accepted { response, protocol, connection: hyper::upgrade::on(request) })
}

fn switching(token: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(token));
    response
}

/// Why a backend did not upgrade.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("error dialing backend: {0}")]
    Connect(#[source] io::Error),
    #[error("error sending request: {0}")]
    Http(#[from] hyper::Error),
    /// The backend answered otherwise.
    #[error("unable to upgrade connection: {}", error_message(.0.body()))]
    Refused(Box<Response<Bytes>>),
    #[error("bad request to backend: {0}")]
    Request(#[from] http::Error),
}

/// The message of a backend's error: of its Status, else the body as it is.
fn error_message(body: &Bytes) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = |key: &str| status.as_ref()?.get(key)?.as_str().map(|text| text.trim().to_owned());
    let message = text("message")
        .filter(|message| !message.is_empty())
        .or_else(|| text("error"))
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    if message.is_empty() { "empty server response".to_owned() } else { message }
}

/// Sends an upgrade request over `io` and takes the connection over. The request's URI may be absolute; its path and
/// query are sent, and its authority becomes the Host header if there is none.
///
/// # Errors
/// The connection breaks, or the backend answers with anything but 101 (`Refused`, with up to 1 MiB of body).
pub async fn dial(io: impl Io, request: Request<()>) -> Result<(Response<()>, UpgradedIo), DialError> {
    let (mut parts, ()) = request.into_parts();
    if let Some(authority) = parts.uri.authority()
        && !parts.headers.contains_key(http::header::HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(http::header::HOST, host);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse::<http::Uri>().map_err(http::Error::from)?;
    if parts.method == Method::POST {
        parts.headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut builder = hyper::client::conn::http1::Builder::new();
    let (mut sender, connection) = builder.title_case_headers(true).handshake(TokioIo::new(io)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to backend ends");
        }
    });
    let response = sender.send_request(Request::from_parts(parts, Empty::<Bytes>::new())).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let (parts, body) = response.into_parts();
        let mut response = Response::from_parts(parts, body);
        let upgraded = hyper::upgrade::on(&mut response).await?;
        return Ok((response.map(drop), TokioIo::new(upgraded)));
    }
    let (parts, body) = response.into_parts();
    // A body that breaks off or is too long says nothing; the code still does.
    let body = Limited::new(body, MAX_ERROR_BODY).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Err(DialError::Refused(Box::new(Response::from_parts(parts, body))))
}

/// The headers of a request for SPDY with any of `protocols`, best first.
pub fn ask_spdy(headers: &mut HeaderMap, protocols: &[&str]) {
    for name in [&SEC_WEBSOCKET_KEY, &SEC_WEBSOCKET_PROTOCOL, &SEC_WEBSOCKET_VERSION, &STREAM_PROTOCOL_VERSION] {
        headers.remove(name);
    }
    headers.remove("sec-websocket-extensions");
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(SPDY_31));
    for protocol in protocols {
        if let Ok(value) = HeaderValue::from_str(protocol) {
            headers.append(STREAM_PROTOCOL_VERSION, value);
        }
    }
}

/// The headers of a request for WebSocket with any of `protocols`, best first.
pub fn ask_websocket(headers: &mut HeaderMap, protocols: &[&str]) {
    let key = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Ok(value) = HeaderValue::from_str(&key) {
        headers.insert(SEC_WEBSOCKET_KEY, value);
    }
    if let Ok(value) = HeaderValue::from_str(&protocols.join(", "))
        && !protocols.is_empty()
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
}
