//! `metav1.Status`: the one shape of every error answer, with upstream's codes, reasons and messages.
//!
//! Source: apimachinery `pkg/api/errors`. Only this module and the HTTP edge know about status codes.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde::Serialize;

use crate::field::ErrorList;

/// An answer that is not an object: an error, or the result of a delete.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub code: StatusCode,
    pub reason: Cow<'static, str>,
    pub message: String,
    pub details: Option<Details>,
    /// `metadata.continue`: how to go on with a list whose token is too old.
    pub list_continue: Option<String>,
}

/// What a [`Status`] is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource (errors about an object) or kind (errors about its contents).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

/// One reason among several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cause {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

pub type Result<T> = std::result::Result<T, Status>;

/// A resource as error messages name it: `deployments.apps`, or `pods` in the core group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupResource<'a> {
    pub group: &'a str,
    pub resource: &'a str,
}

impl fmt::Display for GroupResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(self.resource) } else { write!(f, "{}.{}", self.resource, self.group) }
    }
}

impl Status {
    pub fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Status { code, reason: reason.into(), message: message.into(), details: None, list_continue: None }
    }

    fn about(mut self, of: GroupResource<'_>, name: &str) -> Self {
        self.details = Some(Details {
            name: name.to_owned(),
            group: of.group.to_owned(),
            kind: of.resource.to_owned(),
            ..Details::default()
        });
        self
    }

    pub fn not_found(of: GroupResource<'_>, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("{of} {name:?} not found")).about(of, name)
    }

    /// The path names nothing that this server serves.
    pub fn no_such_path() -> Self {
        let mut status =
            Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
        status.details = Some(Details::default());
        status
    }

    pub fn already_exists(of: GroupResource<'_>, name: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "AlreadyExists", format!("{of} {name:?} already exists")).about(of, name)
    }

    /// A generated name was taken, and so were the further tries.
    pub fn generate_name_conflict(of: GroupResource<'_>, name: &str) -> Self {
        let message =
            format!("{of} {name:?} already exists, the server was not able to generate a unique name for the object");
        let mut status = Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(of, name);
        if let Some(details) = &mut status.details {
            details.retry_after_seconds = 1;
        }
        status
    }

    pub fn conflict(of: GroupResource<'_>, name: &str, why: impl fmt::Display) -> Self {
        let message = format!("Operation cannot be fulfilled on {of} {name:?}: {why}");
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(of, name)
    }

    /// The object changed between the client's read and its write.
    pub fn modified(of: GroupResource<'_>, name: &str) -> Self {
        Self::conflict(
            of,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// Server-side apply met fields owned by others.
    pub fn apply_conflict(message: String, causes: Vec<Cause>) -> Self {
        let mut status = Self::new(StatusCode::CONFLICT, "Conflict", message);
        status.details = Some(Details { causes, ..Details::default() });
        status
    }

    pub fn forbidden(of: GroupResource<'_>, name: &str, why: impl fmt::Display) -> Self {
        let message = match (of.resource.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {why}"),
            (false, true) => format!("{of} is forbidden: {why}"),
            (false, false) => format!("{of} {name:?} is forbidden: {why}"),
        };
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(of, name)
    }

    /// Not an error: something was done and there is no object to answer with.
    pub fn success(details: Details) -> Self {
        Status {
            code: StatusCode::OK,
            reason: "".into(),
            message: String::new(),
            details: Some(details),
            list_continue: None,
        }
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The object breaks validation rules.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &ErrorList) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut status = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("{qualified} {name:?} is invalid: {}", errors.aggregate()),
        );
        status.details = Some(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes: errors.causes(),
            ..Details::default()
        });
        status
    }

    /// A refused patch, by the code, reason and message that upstream gives it.
    pub fn of_patch(code: u16, reason: &'static str, message: String) -> Self {
        let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut status = Self::new(code, reason, message);
        status.details = (code == StatusCode::UNPROCESSABLE_ENTITY).then(Details::default);
        status
    }

    /// A patched object that does not decode, with the patched object in the message as upstream shows it.
    pub fn undecodable_patch(patched: &str, why: impl fmt::Display) -> Self {
        let message = format!("Invalid value: {patched:?}: {why}");
        let mut status =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", format!(" \"\" is invalid: patch: {message}"));
        let cause = Cause { reason: "FieldValueInvalid".to_owned(), message, field: "patch".to_owned() };
        status.details = Some(Details { causes: vec![cause], ..Details::default() });
        status
    }

    /// An error without a reason, which upstream answers for mistakes that it does not classify.
    pub fn unclassified(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// Options of a request that are wrong.
    pub fn invalid_options(kind: &str, reason: &str, field: &str, detail: &str) -> Self {
        let mut status = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {detail}"),
        );
        status.details = Some(Details {
            group: "meta.k8s.io".to_owned(),
            kind: kind.to_owned(),
            causes: vec![Cause { reason: reason.to_owned(), message: detail.to_owned(), field: field.to_owned() }],
            ..Details::default()
        });
        status
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let mut status = Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        status.details = Some(Details::default());
        status
    }

    pub fn not_acceptable(accepted: &str) -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            format!("only the following media types are accepted: {accepted}"),
        )
    }

    /// What is there has not the form that the client accepts.
    pub fn wrong_form(message: String) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// Custom resources have no protobuf form.
    pub fn not_marshalable(go_type: &str) -> Self {
        let message = format!(
            "object {go_type} does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message"
        );
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// No route answers in what the client accepts.
    pub fn no_representation(available: &str) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        let mut status = Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message);
        status.details = Some(Details::default());
        status
    }

    /// No route takes the media type of the body.
    pub fn unknown_patch_type() -> Self {
        let mut status =
            Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "415: Unsupported Media Type");
        status.details = Some(Details::default());
        status
    }

    pub fn unsupported_media_type(accepted: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}"),
        )
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// The history asked for is gone (410).
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// The watch cache does not reach the revision asked for in time (504).
    pub fn too_large_resource_version(asked: i64, current: i64) -> Self {
        let mut status = Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        );
        status.details = Some(Details {
            causes: vec![Cause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            }],
            retry_after_seconds: 1,
            ..Details::default()
        });
        status
    }

    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut status = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        status.details = Some(Details { retry_after_seconds, ..Details::default() });
        status
    }

    pub fn internal(why: impl fmt::Display) -> Self {
        let message = format!("Internal error occurred: {why}");
        let mut status = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message);
        status.details = Some(Details {
            causes: vec![Cause { message: why.to_string(), ..Cause::default() }],
            ..Details::default()
        });
        status
    }

    /// The request took longer than it may.
    pub fn timeout(why: &str) -> Self {
        let mut status = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", format!("Timeout: {why}"));
        status.details = Some(Details::default());
        status
    }

    /// A backend's refusal, which a client may or may not be to blame for.
    ///
    /// Source: apimachinery `NewGenericServerResponse`.
    pub fn of_backend(code: StatusCode, of: GroupResource<'_>, name: &str, text: String) -> Self {
        let (reason, message) = match code.as_u16() {
            401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_owned()),
            403 => ("Forbidden", text),
            404 => ("NotFound", "the server could not find the requested resource".to_owned()),
            405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned()),
            406 => ("NotAcceptable", text),
            409 => ("Conflict", "the server reported a conflict".to_owned()),
            410 => ("Gone", "the server could not find the requested resource".to_owned()),
            413 => ("RequestEntityTooLarge", text),
            415 => ("UnsupportedMediaType", text),
            422 => ("Invalid", "the server rejected our request due to an error in our request".to_owned()),
            429 => (
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later".to_owned(),
            ),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_owned()),
            504 => (
                "Timeout",
                "the server was unable to return a response in the time allotted, but may still be processing the request"
                    .to_owned(),
            ),
            code if code >= 500 => (
                "InternalError",
                format!("an error on the server ({text:?}) has prevented the request from succeeding"),
            ),
            _ => ("", "the server responded with the status code but did not return more information".to_owned()),
        };
        Self::new(code, reason, format!("{message} ( {of} {name})")).about(of, name)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// The canonical JSON of the error, as upstream writes it.
    pub fn to_json(&self) -> Vec<u8> {
        let body = Body {
            kind: "Status",
            api_version: "v1",
            metadata: self.list_continue.iter().map(|token| ("continue", token.as_str())).collect(),
            status: if self.code.is_success() { "Success" } else { "Failure" },
            message: &self.message,
            reason: &self.reason,
            details: self.details.as_ref(),
            code: self.code.as_u16(),
        };
        // Only strings, numbers and maps: serialising them cannot fail.
        let json = serde_json::to_vec(&body).unwrap_or_default();
        if !json.iter().any(|byte| matches!(byte, b'<' | b'>' | b'&')) {
            return json;
        }
        // Go's encoder keeps what HTML would read out of strings, the only place that it can be in.
        let mut escaped = Vec::with_capacity(json.len() + 32);
        for byte in json {
            match byte {
                b'<' => escaped.extend_from_slice(b"\\u003c"),
                b'>' => escaped.extend_from_slice(b"\\u003e"),
                b'&' => escaped.extend_from_slice(b"\\u0026"),
                byte => escaped.push(byte),
            }
        }
        escaped
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: std::collections::BTreeMap<&'static str, &'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
    #[serde(skip_serializing_if = "is_ok")]
    code: u16,
}

/// The status of a delete carries no code.
fn is_ok(code: &u16) -> bool {
    *code == 200
}

impl From<apiserver_watch_cache::Error> for Status {
    fn from(error: apiserver_watch_cache::Error) -> Self {
        use apiserver_watch_cache::Error::*;
        match error {
            Timeout { asked, current } | TooLarge { asked, current } => {
                Status::too_large_resource_version(asked, current)
            }
            Expired(expired) => expired.into(),
            Closed => Status::unavailable("the server is shutting down"),
            Store(error) => Status::internal(error),
        }
    }
}

impl From<apiserver_storage::Error> for Status {
    fn from(error: apiserver_storage::Error) -> Self {
        use apiserver_storage::Error::*;
        match error {
            Compacted { .. } => Status::expired("The resourceVersion for the provided watch is too old."),
            Future { asked, current } => Status::too_large_resource_version(asked, current.unwrap_or_default()),
            error => Status::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_found_reads_as_upstream_writes_it() {
        let status = Status::not_found(GroupResource { group: "apps", resource: "deployments" }, "web");
        assert_eq!(
            String::from_utf8(status.to_json()).unwrap(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"web\" not found","reason":"NotFound","details":{"name":"web","group":"apps","kind":"deployments"},"code":404}"#
        );
    }
}
