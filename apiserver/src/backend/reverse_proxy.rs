//! Passing a request on to a backend and its answer back, upgrades included.
//!
//! Source: apimachinery `pkg/util/proxy/upgradeaware.go`, Go's `httputil.ReverseProxy`.

use std::net::IpAddr;

use apiserver_streaming::{proxy, upgrade};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HOST, LOCATION, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::rewrite::Rewriter;
use super::url::{clean, decoded, escape_path};
use super::{Location, dial, remove_hop_by_hop};
use crate::body::{self, Body};
use crate::status::{Result, Status};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// A connection's client, among the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: IpAddr,
    /// Until when its certificate is valid, in seconds since 1970.
    pub certified_until: Option<i64>,
}

impl Peer {
    /// How long its certificate is still valid.
    pub fn seconds_left(&self) -> Option<f64> {
        self.certified_until.map(|until| (until - jiff::Timestamp::now().as_second()) as f64)
    }
}

/// Among the extensions of an answer that is a backend's own: nothing is added to it.
#[derive(Clone, Copy, Debug)]
pub struct Hijacked;

/// Passes a request on, with its body as it comes, and the answer back with links and redirects led through the proxy.
///
/// # Errors
/// The backend cannot be reached or does not answer.
pub async fn pass(mut request: Request<Incoming>, mut location: Location) -> Result<Response<Body>> {
    let host = host_of(&request);
    let peer = request.extensions().get::<Peer>().copied();
    if upgrade::is_upgrade(request.headers()) {
        add_forwarded_for(&mut request);
        let uri: Uri = location.url().parse().map_err(Status::internal)?;
        return upgraded(proxy::upgrade(request, uri, dialled(location)).await);
    }
    let asked = decoded(request.uri().path());
    let mut suffix = location.path.clone();
    if asked.ends_with('/') && !suffix.ends_with('/') {
        suffix.push('/');
    }
    location.path.clone_from(&suffix);
    location.query = request.uri().query().unwrap_or_default().to_owned();
    if location.path.is_empty() {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return to_root(&asked, &location.query);
        }
        location.path.push('/');
    }
    // Where the path was changed on the way here, what is left is no prefix, and upstream does not mind either.
    let prefix = asked.strip_suffix(suffix.as_str()).unwrap_or(&asked).to_owned();
    let onward = onward(request, &location, &prefix, &host, peer)?;
    let unreachable =
        |why: &dyn std::fmt::Display| Status::unavailable(format!("error trying to reach service: {why}"));
    let io = location.connect().await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| unreachable(&dial::exchange_words(&error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a backend ended");
        }
    });
    let mut response = sender.send_request(onward).await.map_err(|error| unreachable(&dial::exchange_words(&error)))?;
    let headers = response.headers_mut();
    remove_hop_by_hop(headers);
    if headers.contains_key(CACHE_CONTROL) {
        // Upstream adds the backend's to its own.
        headers.append(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    }
    Ok(Rewriter { prefix, backend_host: location.authority(), request_host: host }.answer(response).await)
}

/// The request as the backend gets it.
fn onward(
    request: Request<Incoming>,
    location: &Location,
    prefix: &str,
    host: &str,
    peer: Option<Peer>,
) -> Result<Request<Incoming>> {
    let (mut parts, incoming) = request.into_parts();
    let escaped = escape_path(&location.path);
    let target = match location.query.as_str() {
        "" => escaped.clone(),
        query => format!("{escaped}?{query}"),
    };
    parts.uri = target.parse().map_err(|error| Status::bad_request(format!("invalid path: {error}")))?;
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    let takes_trailers = headers.get_all(TE).iter().any(|value| value.to_str().is_ok_and(|te| te.contains("trailers")));
    remove_hop_by_hop(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    forwarded_for(headers, peer);
    let mut forwarded_uri = clean(&format!("{prefix}/{escaped}"));
    if location.path.ends_with('/') {
        forwarded_uri.push('/');
    }
    if let Ok(value) = HeaderValue::from_bytes(forwarded_uri.as_bytes()) {
        headers.insert(X_FORWARDED_URI, value);
    }
    headers.insert(HOST, HeaderValue::from_str(host).map_err(Status::internal)?);
    if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) && incoming.is_end_stream() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(Request::from_parts(parts, incoming))
}

/// The host that the client asked for.
fn host_of<B>(request: &Request<B>) -> String {
    let header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    header.or_else(|| request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default().to_owned()
}

/// Says in the request itself whom it comes from.
pub fn add_forwarded_for<B>(request: &mut Request<B>) {
    let peer = request.extensions().get::<Peer>().copied();
    forwarded_for(request.headers_mut(), peer);
}

/// Adds the client's address to those that the request came through.
fn forwarded_for(headers: &mut HeaderMap, peer: Option<Peer>) {
    let Some(Peer { address: peer, .. }) = peer else { return };
    let before: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let all = if before.is_empty() { peer.to_string() } else { format!("{}, {peer}", before.join(", ")) };
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}

/// A backend's root without its slash is found at the one with it.
fn to_root(asked: &str, query: &str) -> Result<Response<Body>> {
    let mark = if query.is_empty() { "" } else { "?" };
    let target = HeaderValue::from_bytes(format!("{asked}/{mark}{query}").as_bytes())
        .map_err(|error| Status::bad_request(error.to_string()))?;
    let mut response = Response::new(body::full(""));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(LOCATION, target);
    Ok(response)
}

/// The connection that an upgrade goes over.
async fn dialled(location: Location) -> std::io::Result<apiserver_streaming::BoxIo> {
    location.connect().await
}

/// Turns the outcome of a passed-on upgrade into an answer.
///
/// # Errors
/// In upstream's words.
pub fn upgraded(
    outcome: std::result::Result<Response<apiserver_streaming::Body>, proxy::Error>,
) -> Result<Response<Body>> {
    let own = |mut response: Response<apiserver_streaming::Body>| {
        response.extensions_mut().insert(Hijacked);
        response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
    };
    match outcome {
        Ok(response) => Ok(own(response)),
        Err(proxy::Error::UpgradeRequired) => Err(Status::bad_request("Upgrade request required")),
        Err(proxy::Error::Rejected(rejection)) => Ok(own(rejection.into_response())),
        Err(proxy::Error::Dial(upgrade::DialError::Http(error))) => {
            Err(Status::unclassified(match dial::exchange_words(&error).as_str() {
                "EOF" => "unexpected EOF".to_owned(),
                words => words.to_owned(),
            }))
        }
        Err(error) => Err(Status::unclassified(error.to_string())),
    }
}
