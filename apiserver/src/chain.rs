//! The request chain: every request passes these steps in this order.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use apiserver_audit::{Level, Record, Stage};
use futures::FutureExt;
use http::header::{CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;

use crate::audit::{self, Received};
use crate::authn::User;
use crate::authz::{Attributes, Decision};
use crate::backend::{Hijacked, Peer};
use crate::body::{self, Body};
use crate::context::Context;
use crate::listen::Leave;
use crate::metrics::requests::Asked;
use crate::request::{Query, RequestInfo};
use crate::server::Server;
use crate::status::{GroupResource, Result, Status};
use crate::{edge, fairness, impersonation, negotiate, respond, routes, warnings};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// The id of a request, among its extensions.
#[derive(Clone, Debug)]
pub struct AuditId(pub HeaderValue);

/// Serves one request of a connection whose client showed these certificates.
pub async fn serve(
    server: Arc<Server>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let started = Instant::now();
    // The identity of the request comes first: whatever happens next can be found by it.
    let audit_id = audit_id(request.headers());
    request.extensions_mut().insert(AuditId(audit_id.clone()));
    let leaves = leaves(&server, &request);
    let origin = server.edge.allowed_origin(request.headers());
    let mut response = match early(&server, &request, origin.is_some()) {
        Some(response) => response,
        None => timed(Arc::clone(&server), certificates, request, started, &audit_id).await,
    };
    // A backend's own answer is passed on as it is.
    if response.extensions().get::<Hijacked>().is_none() {
        let headers = response.headers_mut();
        headers.insert(AUDIT_ID, audit_id);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        server.edge.headers(origin, headers);
        if leaves {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

/// Whether the client is to connect anew after this request. HTTP/2 is told so here, HTTP/1.1 by a header.
fn leaves(server: &Server, request: &Request<Incoming>) -> bool {
    let chance = server.edge.goaway_chance;
    let is_http2 = request.version() == http::Version::HTTP_2;
    let is_chosen = is_http2 && chance > 0.0 && rand::random::<f64>() < chance;
    if !is_chosen && !is_refused(server, request) {
        return false;
    }
    if is_http2 && let Some(Leave(leave)) = request.extensions().get::<Leave>() {
        leave.cancel();
    }
    !is_http2
}

/// Whether the server takes no more requests; those about itself it still answers.
fn is_refused(server: &Server, request: &Request<Incoming>) -> bool {
    server.refusing.is_cancelled()
        && !["/readyz", "/livez", "/healthz", "/metrics"].iter().any(|path| request.uri().path().starts_with(path))
}

/// The answers that take no further step.
fn early(server: &Server, request: &Request<Incoming>, from_page: bool) -> Option<Response<Body>> {
    if is_refused(server, request) {
        let text = "The apiserver is shutting down, please try again later.\n";
        let mut response = body::plain(StatusCode::TOO_MANY_REQUESTS, text);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        return Some(response);
    }
    // A browser asks first whether a page may ask.
    if from_page && *request.method() == Method::OPTIONS {
        let mut response = Response::new(body::full(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Some(response);
    }
    None
}

/// Takes the steps, for as long as the request may take, and counts it.
async fn timed(
    server: Arc<Server>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
    request: Request<Incoming>,
    started: Instant,
    audit_id: &HeaderValue,
) -> Response<Body> {
    let method = request.method().clone();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    // What is asked for is read once; all that follows agrees about it.
    let info = RequestInfo::new(&method, request.uri(), &query);
    let counted = info.as_ref().ok().cloned();
    let dry_run = query.get("dryRun").is_some();
    let is_long = counted.as_ref().is_some_and(|info| info.is_long_running());
    let limit = match (is_long, server.edge.deadline(&query)) {
        (true, _) => None,
        (false, Ok(limit)) => Some(limit),
        (false, Err(status)) => return body::status(&status),
    };
    let _under_way = limit.map(|_| server.under_way.token());
    let takes_gzip = !is_long && edge::takes_gzip(request.headers());
    let asked = info.as_ref().ok().map(|info| Asked::new(info, &method, request.headers(), dry_run, started));
    // A bug in one request must not take its connection's other streams along.
    let steps = steps(Arc::clone(&server), certificates, request, info, query, audit_id);
    let steps = AssertUnwindSafe(steps).catch_unwind();
    let outcome = match limit {
        None => steps.await,
        Some(limit) => tokio::time::timeout(limit, steps).await.unwrap_or_else(|_| {
            Ok(body::status(&Status::timeout("request did not complete within the allotted timeout")))
        }),
    };
    let mut response = outcome.unwrap_or_else(|_| panicked());
    response = edge::compressed(takes_gzip, response).await;
    if method == Method::HEAD {
        // HTTP/2 takes a body after HEAD as a broken protocol.
        *response.body_mut() = body::full("");
    }
    match (counted, asked) {
        (Some(info), Some(asked)) => server.metrics.requests.answered(&server, &info, &asked, response),
        _ => response,
    }
}

/// The answer to a request that met a bug.
fn panicked() -> Response<Body> {
    let text = "This request caused apiserver to panic. Look in the logs for details.\n";
    body::plain(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// The steps until it is known who asks, and that is on record.
async fn steps(
    server: Arc<Server>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
    mut request: Request<Incoming>,
    info: Result<RequestInfo>,
    query: Query,
    audit_id: &HeaderValue,
) -> Response<Body> {
    let at = Timestamp::now();
    let uri = request.uri().clone();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
    let audit_id = String::from_utf8_lossy(audit_id.as_bytes());
    let begin = |user: Option<&User>, info: &RequestInfo, headers: &HeaderMap| {
        server.audit.begin(&Received { user, info, uri: &uri, headers, peer, audit_id: &audit_id, at })
    };
    // Authentication before all else that can say no: a stranger learns nothing else.
    let mut headers = std::mem::take(request.headers_mut());
    let attempted =
        server.audit.is_on().then(|| audit::failed_methods(&headers, uri.query(), !certificates.is_empty()));
    let began = Instant::now();
    let user = match server.authentication.authenticate(&server, &certificates, &mut headers, uri.path()).await {
        Ok(user) => {
            server.metrics.authentication.observe("success", began.elapsed());
            server.metrics.user(&user);
            if let Some(peer) = request.extensions().get::<Peer>() {
                peer.seconds_left().into_iter().for_each(|left| server.metrics.certificate(left));
            }
            user
        }
        Err(refused) => {
            server.metrics.authentication.observe("failure", began.elapsed());
            tracing::warn!(error = refused.0, "Unable to authenticate the request");
            let response = body::status(&Status::unauthorized());
            let Ok(info) = &info else { return response };
            return audit::unauthenticated(begin(None, info, &headers), attempted, response).await;
        }
    };
    let info = match info {
        Ok(info) => info,
        Err(status) => return body::status(&status),
    };
    // Audit next: whatever becomes of the request from here on is on record.
    let record = Arc::new(begin(Some(&user), &info, &headers));
    if !record.stage(Stage::RequestReceived, at).await {
        record.close();
        server.audit.rejected();
        return body::status(&Status::internal("failed to store audit event"));
    }
    *request.headers_mut() = headers;
    let answers = audit::Answers::of(&info);
    let allowed = AssertUnwindSafe(known(Arc::clone(&server), user, request, info, query, Arc::clone(&record)));
    match allowed.catch_unwind().await {
        Ok(response) => audit::answered(record, answers, response).await,
        Err(panic) => {
            record.panicked(panic.downcast_ref::<&str>().unwrap_or(&"unknown"), Timestamp::now()).await;
            panicked()
        }
    }
}

/// The steps of a request from a known user.
async fn known(
    server: Arc<Server>,
    user: User,
    mut request: Request<Incoming>,
    info: RequestInfo,
    query: Query,
    record: Arc<Record>,
) -> Response<Body> {
    let mut headers = std::mem::take(request.headers_mut());
    // Impersonation is itself authorized, as the user who asks for it.
    let asking = user.name.clone();
    let user = match impersonation::user(&server, user, &mut headers) {
        Ok(user) => user,
        Err(status) => return body::status(&status),
    };
    if user.name != asking {
        record.impersonated(|| audit::user(&user));
    }
    // A place among the requests under way, before any more work is spent on this one.
    let gate = Arc::clone(&server);
    let place = match fairness::enter(&gate, &info, &query, &user).await {
        Ok(place) => place,
        Err(response) => return response,
    };
    let is_mutating = fairness::is_mutating(&info);
    let _in_flight = (!info.is_long_running()).then(|| InFlight::new(&gate, is_mutating));
    let _executing = gate.fairness.as_ref().map(|fairness| fairness.executing(is_mutating));
    // The work of a verb keeps much at hand: on the heap, where the steps before it do not add to the stack.
    let mut response = Box::pin(allowed(server, user, headers, request, info, query, record)).await;
    place.mark(&mut response);
    response
}

/// The steps of a request that has its place.
async fn allowed(
    server: Arc<Server>,
    user: User,
    mut headers: HeaderMap,
    mut request: Request<Incoming>,
    info: RequestInfo,
    query: Query,
    record: Arc<Record>,
) -> Response<Body> {
    // Authorization last before the work, for the user that the work is done for.
    if let Err(status) = authorize(&server, &user, &info, &record).await {
        return body::status(&status);
    }
    *request.headers_mut() = headers.clone();
    if !info.prefix.is_empty() {
        negotiate::prefer_pretty(&mut headers, &query);
    }
    let context = Context { server, info, query, headers, user, warnings: Mutex::default(), audit: record };
    let mut response = match routes::route(&context, request).await {
        Ok(response) => response,
        Err(status) => respond::status(&context, &status).unwrap_or_else(|_| body::status(&status)),
    };
    for warning in warnings::headers(&context.warnings.lock()) {
        response.headers_mut().append(http::header::WARNING, warning);
    }
    response
}

/// Whether the user may do what the request asks.
async fn authorize(server: &Server, user: &User, info: &RequestInfo, record: &Record) -> Result<()> {
    let began = Instant::now();
    let attributes = Attributes::of(user, info);
    let decision = server.authorization.ask(server, &attributes).await;
    let allowed = matches!(decision, Decision::Allow(_));
    if record.level() > Level::None {
        record.annotate("authorization.k8s.io/decision", if allowed { "allow" } else { "forbid" });
        record.annotate("authorization.k8s.io/reason", decision.reason());
    }
    if allowed {
        server.metrics.authorization.observe("allowed", began.elapsed());
        return Ok(());
    }
    let outcome = if let Decision::Deny(_) = decision { "denied" } else { "no-opinion" };
    server.metrics.authorization.observe(outcome, began.elapsed());
    let mut why = attributes.forbidden_message();
    if !decision.reason().is_empty() {
        why.push_str(": ");
        why.push_str(decision.reason());
    }
    Err(Status::forbidden(GroupResource { group: &info.group, resource: &info.resource }, &info.name, why))
}

/// A request that is counted among those under way.
struct InFlight(prometheus::IntGauge);

impl InFlight {
    fn new(server: &Server, is_mutating: bool) -> InFlight {
        let metrics = &server.metrics;
        let gauge = if is_mutating { &metrics.in_flight_mutating } else { &metrics.in_flight_reading };
        gauge.inc();
        InFlight(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The client's id for the request, or a new one.
fn audit_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(&AUDIT_ID).filter(|value| !value.is_empty()) {
        Some(value) => value.clone(),
        None => HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("")),
    }
}
