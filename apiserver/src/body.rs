//! Request bodies in, response bodies out.

use std::convert::Infallible;

use apiserver_schema::{Type, defaults, json, protobuf, yaml};
use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::Value;

use crate::negotiate::{Encoding, body_encoding};
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
}

impl<'a> Expected<'a> {
    pub fn of(resource: &'a Resource, version: &'a crate::resources::Version) -> Self {
        Expected { group: &resource.group, version: &version.name, kind: &resource.kind, ty: &version.ty }
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
    let encoding = body_encoding(headers, true)?;
    let mut object = match encoding {
        Encoding::Protobuf => decode_protobuf(bytes, expected)?,
        Encoding::Json => decode_json(bytes, expected, validation, warnings)?,
        Encoding::Yaml => {
            let json = yaml::to_json(bytes).map_err(|error| Status::bad_request(error.to_string()))?;
            decode_json(&json, expected, validation, warnings)?
        }
    };
    defaults::apply(expected.ty, &mut object);
    Ok(object)
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
    let decoded = json::decode(expected.ty, bytes, json::DecodeOptions::default()).map_err(|error| refused(&error))?;
    let mut object = decoded.value;
    check_kind(&mut object, expected)?;
    if !decoded.problems.is_empty() {
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings.extend(decoded.problems.iter().map(ToString::to_string)),
            FieldValidation::Strict => {
                let problems: Vec<_> = decoded.problems.iter().map(ToString::to_string).collect();
                return Err(refused(&format_args!("strict decoding error: {}", problems.join(", "))));
            }
        }
    }
    Ok(object)
}

fn decode_protobuf(bytes: &[u8], expected: &Expected<'_>) -> Result<Value> {
    let envelope = protobuf::decode_envelope(bytes).map_err(|error| Status::bad_request(error.to_string()))?;
    let mut object =
        protobuf::decode(expected.ty, envelope.raw).map_err(|error| Status::bad_request(error.to_string()))?;
    object["apiVersion"] = envelope.api_version.into();
    object["kind"] = envelope.kind.into();
    check_kind(&mut object, expected)?;
    Ok(object)
}

/// The object must be of the kind that the path names; kind and version may be left out.
fn check_kind(object: &mut Value, expected: &Expected<'_>) -> Result<()> {
    let api_version = expected.api_version();
    let given_version = object["apiVersion"].as_str().unwrap_or_default();
    let given_kind = object["kind"].as_str().unwrap_or_default();
    if (!given_version.is_empty() && given_version != api_version)
        || (!given_kind.is_empty() && given_kind != expected.kind)
    {
        let (group, version) = crate::resources::split_api_version(given_version);
        if given_kind == expected.kind && !given_version.is_empty() {
            return Err(Status::bad_request(format!(
                "the API version in the data ({given_version}) does not match the expected API version ({api_version})"
            )));
        }
        let shown = if group.is_empty() { version.to_owned() } else { given_version.to_owned() };
        return Err(Status::bad_request(format!(
            "{given_kind} in version {:?} cannot be handled as a {}: no kind {given_kind:?} is registered for version {shown:?} in scheme",
            version, expected.kind
        )));
    }
    object["apiVersion"] = api_version.into();
    object["kind"] = expected.kind.into();
    Ok(())
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

/// Text, as health checks and version-less paths answer it.
pub fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    response(code, "text/plain; charset=utf-8", text)
}

