//! Request bodies in, response bodies out.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use apiserver_schema::structural::Node;
use apiserver_schema::{Type, defaults, json, protobuf, yaml};
use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming, SizeHint};
use serde_json::Value;

use crate::negotiate::{Encoding, body_encoding};
use crate::object;
use crate::resources::Resource;
use crate::status::{Result, Status};

/// The largest body of a request, in bytes: upstream's limit for objects and patches.
pub const MAX_BODY: usize = 3 * 1024 * 1024;

/// The body of a response: bytes, or bytes still being made.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A body that is there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body that is made while it is sent.
pub fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    use futures::StreamExt;
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync()
}

/// Sees a body as it is sent; dropped when the body ends or is given up.
pub trait Observer: Send + Unpin + 'static {
    fn sent(&mut self, data: &Bytes);
}

/// A body that is seen by an observer.
pub fn observed(body: Body, observer: impl Observer) -> Body {
    Observed { body, observer }.boxed_unsync()
}

struct Observed<O> {
    body: Body,
    observer: O,
}

impl<O: Observer> http_body::Body for Observed<O> {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.observer.sent(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response with a body that is there.
pub fn response(code: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = code;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// Reads a whole body of at most [`MAX_BODY`] bytes.
pub async fn read(body: Incoming) -> Result<Bytes> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Status::too_large(format!("Request entity too large: limit is {MAX_BODY}")))
        }
        Err(error) => Err(Status::bad_request(format!("unable to read the body: {error}"))),
    }
}

/// What to do about fields that the type does not have, and repeated ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// An object in the form a request names it by.
pub struct Expected<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
    pub ty: &'a Type,
    /// Versions that look the same and are taken as this one.
    pub older: &'a [&'a str],
}

impl<'a> Expected<'a> {
    pub fn of(resource: &'a Resource, version: &'a crate::resources::Version) -> Self {
        Expected { group: &resource.group, version: &version.name, kind: &resource.kind, ty: &version.ty, older: &[] }
    }

    fn api_version(&self) -> String {
        crate::resources::api_version(self.group, self.version)
    }
}

/// Decodes a request's object, fills in defaults, and collects warnings about its fields.
pub fn decode(
    bytes: &[u8],
    headers: &HeaderMap,
    expected: &Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value> {
    let unrecognized = |why: &dyn std::fmt::Display| {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {why} ({})",
            expected.kind,
            summary(bytes)
        ))
    };
    let mut object = match body_encoding(headers, true)? {
        Encoding::Protobuf => {
            let envelope = protobuf::decode_envelope(bytes).map_err(|error| unrecognized(&error))?;
            if envelope.is_empty() {
                return Err(unrecognized(&"empty body"));
            }
            if expected.ty.structural.is_some() {
                let why = Status::not_marshalable("*unstructured.Unstructured").message;
                return Err(Status::bad_request(format!(
                    "{} in version {:?} cannot be handled as a {}: {why}",
                    expected.kind, expected.version, expected.kind
                )));
            }
            decode_protobuf(&envelope, expected)?
        }
        encoding => {
            let json = match encoding {
                Encoding::Yaml => Cow::Owned(yaml::to_json(bytes).map_err(|error| unrecognized(&error))?),
                _ => Cow::Borrowed(bytes),
            };
            json::type_meta(&json).map_err(|error| unrecognized(&error))?;
            decode_json(&json, expected, validation, warnings)?
        }
    };
    defaults::apply(expected.ty, &mut object);
    Ok(object)
}

/// The beginning of a body, as messages show it.
fn summary(bytes: &[u8]) -> String {
    const LENGTH: usize = 30;
    let shown = bytes.get(..LENGTH).unwrap_or(bytes);
    let more = if bytes.len() > LENGTH { " ..." } else { "" };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + more,
    }
}

/// Decodes an object's JSON strictly; defaults are left to the caller.
pub fn decode_json(
    bytes: &[u8],
    expected: &Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value> {
    let refused = |why: &dyn std::fmt::Display| {
        Status::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: {why}",
            expected.kind, expected.version, expected.kind
        ))
    };
    decode_fields(bytes, expected, validation, warnings).map_err(|error| match error {
        Undecoded::Fields(why) => refused(&why),
        Undecoded::Kind(status) => status,
    })
}

/// Why a body is no object of the kind expected.
pub enum Undecoded {
    /// Its fields do not fit.
    Fields(String),
    /// It is of another kind.
    Kind(Status),
}

/// [`decode_json`], whose refusal the caller words.
pub fn decode_fields(
    bytes: &[u8],
    expected: &Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> std::result::Result<Value, Undecoded> {
    if let Some(node) = &expected.ty.structural {
        return decode_custom(node, bytes, expected, validation, warnings);
    }
    if let Ok(meta) = json::type_meta(bytes) {
        check_kind(&meta.api_version, &meta.kind, expected)
            .map_err(|status| Undecoded::Kind(undecodable_as(bytes, &meta, expected).unwrap_or(status)))?;
    }
    let decoded = json::decode(expected.ty, bytes, json::DecodeOptions::default())
        .map_err(|error| Undecoded::Fields(error.to_string()))?;
    let mut object = decoded.value;
    if !decoded.problems.is_empty() {
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings.extend(decoded.problems.iter().map(ToString::to_string)),
            FieldValidation::Strict => {
                let problems: Vec<_> = decoded.problems.iter().map(ToString::to_string).collect();
                return Err(Undecoded::Fields(format!("strict decoding error: {}", problems.join(", "))));
            }
        }
    }
    object::set(&mut object, &["apiVersion"], expected.api_version());
    object::set(&mut object, &["kind"], expected.kind);
    if resets_owners(bytes) {
        object::set(&mut object, &["metadata", "managedFields"], Vec::<Value>::new());
    }
    Ok(object)
}

/// What is wrong with a body as an object of the kind that it says it is of: upstream decodes it so first.
fn undecodable_as(bytes: &[u8], meta: &json::TypeMeta, expected: &Expected<'_>) -> Option<Status> {
    let (group, version) = crate::resources::split_api_version(&meta.api_version);
    let ty = apiserver_schema::builtin(group, version, &meta.kind)?;
    let why = json::decode(ty, bytes, json::DecodeOptions::default()).err()?;
    let kind = &meta.kind;
    Some(Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {}: {why}", expected.kind)))
}

/// [`decode_fields`] of a custom resource.
fn decode_custom(
    node: &Node,
    bytes: &[u8],
    expected: &Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> std::result::Result<Value, Undecoded> {
    let meta = json::type_meta(bytes).map_err(|error| Undecoded::Fields(error.to_string()))?;
    let wanted = expected.api_version();
    let (object, problems) =
        crate::apiextensions::decode(node, expected.group, expected.kind, bytes).map_err(Undecoded::Fields)?;
    if meta.kind.is_empty() {
        let body = String::from_utf8_lossy(bytes);
        return Err(Undecoded::Kind(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{body}' ({})",
            expected.kind,
            summary(bytes)
        ))));
    }
    if !problems.is_empty() {
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings.extend(problems),
            FieldValidation::Strict => {
                return Err(Undecoded::Fields(format!("strict decoding error: {}", problems.join(", "))));
            }
        }
    }
    if meta.api_version != wanted {
        return Err(Undecoded::Kind(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({wanted})",
            meta.api_version
        ))));
    }
    Ok(object)
}

/// Whether the body says `managedFields: []`, the request to forget all owners. Decoding leaves empty lists out.
fn resets_owners(json: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Shell<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata<'a> {
        #[serde(borrow)]
        managed_fields: &'a serde_json::value::RawValue,
    }
    if !std::str::from_utf8(json).is_ok_and(|json| json.contains("\"managedFields\"")) {
        return false;
    }
    let Ok(shell) = serde_json::from_slice::<Shell<'_>>(json) else { return false };
    let list = shell.metadata.managed_fields.get();
    list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inner| inner.trim().is_empty())
}

fn decode_protobuf(envelope: &protobuf::Envelope<'_>, expected: &Expected<'_>) -> Result<Value> {
    check_kind(envelope.api_version, envelope.kind, expected)?;
    let mut object =
        protobuf::decode(expected.ty, envelope.raw).map_err(|error| Status::bad_request(error.to_string()))?;
    object::set(&mut object, &["apiVersion"], expected.api_version());
    object::set(&mut object, &["kind"], expected.kind);
    Ok(object)
}

/// The object must be of the kind that the path names; kind and version may be left out.
fn check_kind(api_version: &str, kind: &str, expected: &Expected<'_>) -> Result<()> {
    let wanted = expected.api_version();
    if (api_version.is_empty() || api_version == wanted) && (kind.is_empty() || kind == expected.kind) {
        return Ok(());
    }
    let api_version = if api_version.is_empty() { wanted.as_str() } else { api_version };
    let kind = if kind.is_empty() { expected.kind } else { kind };
    let (group, version) = crate::resources::split_api_version(api_version);
    // Kinds of `meta/v1` are found in every version; only those of the version itself count here.
    let is_known = apiserver_schema::builtins()
        .iter()
        .any(|builtin| builtin.group == group && builtin.version == version && builtin.kind == kind);
    if is_known && group == expected.group && kind == expected.kind {
        if expected.older.contains(&version) {
            return Ok(());
        }
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    let why = if is_known {
        let package = match expected.group.split('.').next().unwrap_or_default() {
            "" => "core",
            first => first,
        };
        format!("converting ({version}.{kind}) to ({package}.{}): unknown conversion", expected.kind)
    } else {
        format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        )
    };
    Err(Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {}: {why}", expected.kind)))
}

/// A status as a response.
pub fn status(status: &Status) -> Response<Body> {
    let mut bytes = status.to_json();
    bytes.push(b'\n');
    let mut response = response(status.code, crate::negotiate::JSON, bytes);
    if let Some(seconds) = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|s| *s > 0) {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// What a path that is no part of the API is answered with.
pub fn page_not_found() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Text that must not be taken for anything else, as health checks answer it.
pub fn plain(code: StatusCode, shown: impl Into<Bytes>) -> Response<Body> {
    let mut response = text(code, shown);
    let nosniff = http::HeaderValue::from_static("nosniff");
    response.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Text.
pub fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    response(code, "text/plain; charset=utf-8", text)
}
