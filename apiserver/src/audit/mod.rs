//! The audit of requests: what of a request and its answer is put on record.
//!
//! Source: apiserver `pkg/endpoints/filters/audit.go`, `pkg/audit/request.go`.

use std::net::IpAddr;
use std::sync::Arc;

use apiserver_audit::{
    self as audit, Attributes, Event, Level, Metrics, ObjectNames, ObjectReference, Policy, Record, Sink, Stage,
};
use apiserver_schema::{json, protobuf, yaml};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::authn::User;
use crate::backend::Hijacked;
use crate::body::{self, Body, Expected};
use crate::object;
use crate::request::RequestInfo;
use crate::resources::split_api_version;

mod flags;
mod webhook;

pub use flags::AuditFlags;

/// How much of a user agent is recorded.
const MAX_USER_AGENT: usize = 1024;

/// The policy of one server, and where its events go.
pub struct Audit {
    policy: Option<Policy>,
    sink: Arc<Sink>,
    metrics: Metrics,
}

/// What is known of a request before it is served.
pub struct Received<'a> {
    /// None of a request that nobody is known to have sent.
    pub user: Option<&'a User>,
    pub info: &'a RequestInfo,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    pub peer: Option<IpAddr>,
    pub audit_id: &'a str,
    pub at: Timestamp,
}

impl Audit {
    /// Begins the record of a request, if the policy wants one.
    pub fn begin(&self, received: &Received<'_>) -> Record {
        let Some(policy) = self.policy.as_ref().filter(|_| self.is_on()) else { return Record::none() };
        let info = received.info;
        let decision = policy.decide(&Attributes {
            user: received.user.map(|user| user.name.as_str()),
            groups: received.user.map(|user| user.groups.as_slice()).unwrap_or_default(),
            verb: info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: &info.path,
        });
        self.metrics.level(decision.level);
        Record::new(decision, &self.sink, || event(received))
    }

    /// Whether anything may be recorded.
    pub fn is_on(&self) -> bool {
        self.policy.is_some() && !self.sink.is_empty()
    }

    /// Notes that a request was refused because it could not be recorded.
    pub fn rejected(&self) {
        self.metrics.rejected();
    }

    /// Waits until all events are where they belong.
    pub async fn flush(&self) {
        self.sink.flush().await;
    }
}

fn event(received: &Received<'_>) -> Event {
    let info = received.info;
    let object_ref = info.is_resource.then(|| ObjectReference {
        resource: info.resource.clone(),
        namespace: info.namespace.clone(),
        name: info.name.clone(),
        api_group: info.group.clone(),
        api_version: info.version.clone(),
        subresource: info.subresource.clone(),
        ..ObjectReference::default()
    });
    let text = |name| received.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut user_agent: String = text(USER_AGENT).unwrap_or_default();
    if user_agent.len() > MAX_USER_AGENT {
        let end = (0..=MAX_USER_AGENT).rev().find(|at| user_agent.is_char_boundary(*at)).unwrap_or_default();
        user_agent.truncate(end);
        user_agent.push_str("...TRUNCATED");
    }
    Event {
        level: Level::None,
        audit_id: received.audit_id.to_owned(),
        stage: Stage::RequestReceived,
        request_uri: received.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned(),
        verb: info.verb.to_owned(),
        user: received.user.map(user).unwrap_or_default(),
        impersonated_user: None,
        impersonation_constraint: String::new(),
        source_ips: source_ips(received.headers, received.peer),
        user_agent,
        object_ref,
        response_status: None,
        request_object: None,
        response_object: None,
        request_received: received.at,
        stage_time: received.at,
        annotations: Default::default(),
    }
}

/// A user as events show it.
pub fn user(user: &User) -> audit::User {
    audit::User {
        username: user.name.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.clone(),
    }
}

/// The addresses that a request came by: what proxies say, and the connection's own end.
fn source_ips(headers: &HeaderMap, peer: Option<IpAddr>) -> Vec<IpAddr> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut found: Vec<IpAddr> =
        text("x-forwarded-for").split(',').filter_map(|part| part.trim().parse().ok()).collect();
    if let Ok(real) = text("x-real-ip").parse()
        && !found.contains(&real)
    {
        found.push(real);
    }
    match peer {
        Some(peer) if found.last() != Some(&peer) => found.push(peer),
        _ => {}
    }
    found
}

/// Why nobody is known to have sent a request: how it tried to say who did.
pub fn failed_methods(headers: &HeaderMap, query: Option<&str>, has_certificate: bool) -> String {
    let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let scheme = header.trim().split_once(' ').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    let has_parameter = query.is_some_and(|query| crate::request::Query::parse(query).get("access_token").is_some());
    let methods: Vec<&str> = [
        (scheme == "basic", "basic"),
        (scheme == "bearer", "bearer"),
        (has_parameter, "access_token"),
        (has_certificate, "x509"),
    ]
    .into_iter()
    .filter_map(|(tried, name)| tried.then_some(name))
    .collect();
    match methods.as_slice() {
        [] => "Authentication failed, no credentials provided".to_owned(),
        methods => format!("Authentication failed, attempted: {}", methods.join(", ")),
    }
}

/// Notes the object that a request brings, as it was decoded.
pub fn request_object(record: &Record, expected: &Expected<'_>, object: &Value) {
    if record.level() == Level::None {
        return;
    }
    let meta = |field| object::meta(object, field);
    let names = ObjectNames {
        namespace: meta("namespace"),
        name: meta("name"),
        uid: meta("uid"),
        resource_version: meta("resourceVersion"),
    };
    record.request_object(names, || {
        let mut named = object.clone();
        let api_version = crate::resources::api_version(expected.group, expected.version);
        object::set(&mut named, &["apiVersion"], api_version);
        object::set(&mut named, &["kind"], expected.kind);
        let mut out = Vec::new();
        json::encode(expected.ty, &named, &mut out);
        out
    });
}

/// Records a request that nobody is known to have sent; its one event is that its answer began.
pub async fn unauthenticated(record: Record, attempted: Option<String>, response: Response<Body>) -> Response<Body> {
    if !record.close() {
        return response;
    }
    record.response_message(|| attempted.unwrap_or_default());
    record.response_code(response.status().as_u16());
    let (parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => Bytes::new(),
    };
    note(&record, Content::Json, &bytes, false);
    record.stage(Stage::ResponseStarted, Timestamp::now()).await;
    Response::from_parts(parts, body::full(bytes))
}

/// What is known of the answers to a request before there is one.
#[derive(Clone, Copy)]
pub struct Answers {
    /// They go on after they have begun.
    lasts: bool,
    /// They are objects also where they say yes.
    are_objects: bool,
}

impl Answers {
    pub fn of(info: &RequestInfo) -> Answers {
        Answers { lasts: info.is_long_running(), are_objects: info.is_resource || info.path.starts_with("/api") }
    }
}

/// Notes a request's answer, at once where it is there, else when it ends.
pub async fn answered(record: Arc<Record>, answers: Answers, response: Response<Body>) -> Response<Body> {
    if record.level() == Level::None {
        return response;
    }
    let code = response.status();
    let lasts = answers.lasts;
    record.response_code(code.as_u16());
    let (parts, mut body) = response.into_parts();
    let is_own = parts.extensions.get::<Hijacked>().is_none();
    // What upstream writes past its encoders is not on record there.
    let is_object = is_own && code != StatusCode::NOT_ACCEPTABLE && (answers.are_objects || !code.is_success());
    let content = if is_object { Content::of(&parts.headers) } else { Content::Other };
    if body.size_hint().exact().is_some() {
        if is_own && let Ok(whole) = body.collect().await {
            let bytes = whole.to_bytes();
            note(&record, content, &bytes, lasts && code.is_success());
            body = body::full(bytes);
        } else {
            body = body::full("");
        }
        if lasts {
            record.stage(Stage::ResponseStarted, Timestamp::now()).await;
        }
        record.complete(Timestamp::now()).await;
        return Response::from_parts(parts, body);
    }
    if lasts {
        record.stage(Stage::ResponseStarted, Timestamp::now()).await;
    }
    let keeps = !lasts && content != Content::Other && record.level() == Level::RequestResponse;
    let recorded = Recorded { record, content, kept: keeps.then(BytesMut::new) };
    Response::from_parts(parts, body::observed(body, recorded))
}

/// Notes what an answer says.
fn note(record: &Record, content: Content, bytes: &[u8], is_stream: bool) {
    if content == Content::Other || is_stream {
        return;
    }
    let keeps = record.level() == Level::RequestResponse;
    let is_status = match content {
        Content::Json => bytes.starts_with(br#"{"kind":"Status""#),
        Content::Protobuf => protobuf::decode_envelope(bytes).is_ok_and(|envelope| envelope.kind == "Status"),
        _ => bytes.windows(12).any(|line| line == b"kind: Status"),
    };
    if !(keeps || is_status) {
        return;
    }
    let Some(json) = content.json(bytes) else { return };
    if is_status {
        record.response_status(&json);
    }
    if keeps {
        record.response_object(&json);
    }
}

/// How an answered object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Json,
    Yaml,
    Protobuf,
    /// No object.
    Other,
}

impl Content {
    fn of(headers: &HeaderMap) -> Content {
        let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match header.split(';').next().unwrap_or_default() {
            crate::negotiate::JSON => Content::Json,
            crate::negotiate::PROTOBUF => Content::Protobuf,
            "application/yaml" => Content::Yaml,
            _ => Content::Other,
        }
    }

    /// An answer as JSON.
    fn json(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Content::Json => Some(bytes.to_vec()),
            Content::Yaml => yaml::to_json(bytes).ok(),
            Content::Protobuf => {
                let envelope = protobuf::decode_envelope(bytes).ok()?;
                let (group, version) = split_api_version(envelope.api_version);
                let ty = apiserver_schema::builtin(group, version, envelope.kind)?;
                let mut tree = protobuf::decode(ty, envelope.raw).ok()?;
                object::set(&mut tree, &["apiVersion"], envelope.api_version);
                object::set(&mut tree, &["kind"], envelope.kind);
                let mut out = Vec::new();
                json::encode(ty, &tree, &mut out);
                Some(out)
            }
            Content::Other => None,
        }
    }
}

/// A body that is made while it is sent: its end is the end of the record.
struct Recorded {
    record: Arc<Record>,
    content: Content,
    /// What was sent so far, where the level asks for it.
    kept: Option<BytesMut>,
}

impl body::Observer for Recorded {
    fn sent(&mut self, data: &Bytes) {
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(data);
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            note(&self.record, self.content, &kept, false);
        }
        // The record ends with the last who holds it.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_addresses_are_in_the_order_of_the_way() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "10.1.2.3, nonsense, 10.1.2.4".parse().unwrap());
        headers.insert("x-real-ip", "10.1.2.4".parse().unwrap());
        let peer = IpAddr::from([127, 0, 0, 1]);
        let found: Vec<String> = source_ips(&headers, Some(peer)).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["10.1.2.3", "10.1.2.4", "127.0.0.1"]);
        assert_eq!(source_ips(&HeaderMap::new(), Some(peer)), [peer]);
    }

    #[test]
    fn failed_credentials_are_named_not_shown() {
        let mut headers = HeaderMap::new();
        assert_eq!(failed_methods(&headers, None, false), "Authentication failed, no credentials provided");
        headers.insert("authorization", "Bearer secret".parse().unwrap());
        let said = failed_methods(&headers, Some("access_token=secret"), true);
        assert_eq!(said, "Authentication failed, attempted: bearer, access_token, x509");
    }
}
