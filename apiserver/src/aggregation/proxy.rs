//! Requests that are passed on to a server behind this one.
//!
//! Source: kube-aggregator `pkg/apiserver/handler_proxy.go`.

use std::time::Duration;

use http::header::{HOST, LOCATION, UPGRADE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::client::{location, name_user};
use super::remote::Remote;
use crate::backend;
use crate::body::{self, Body};
use crate::chain::AuditId;
use crate::context::Context;
use crate::status::Result;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// How long a server may take to say what it serves: clients ask all of them in a row.
const DISCOVERY: Duration = Duration::from_secs(5);

/// Passes a request on, upgrades included.
///
/// # Errors
/// None: what goes wrong is the answer, as upstream words it.
pub async fn pass(context: &Context, remote: &Remote, mut request: Request<Incoming>) -> Result<Response<Body>> {
    if !remote.available {
        return Ok(refused(StatusCode::SERVICE_UNAVAILABLE, "service unavailable"));
    }
    if let Err(why) = &remote.tls {
        return Ok(refused(StatusCode::INTERNAL_SERVER_ERROR, why));
    }
    let mut location = match location(&context.server, remote) {
        Ok(location) => location,
        Err(error) => {
            tracing::warn!(service = remote.service.host(), error, "an aggregated API has no address");
            return Ok(refused(StatusCode::SERVICE_UNAVAILABLE, "service unavailable"));
        }
    };
    location.path = backend::decoded(request.uri().path());
    location.query = request.uri().query().unwrap_or_default().to_owned();
    let authority = location.authority();
    let audit_id = request.extensions().get::<AuditId>().cloned();
    let headers = request.headers_mut();
    if let Ok(authority) = HeaderValue::from_str(&authority) {
        headers.insert(HOST, authority.clone());
        // Upstream says so of its own request to the server, and not of upgrades.
        if !headers.contains_key(UPGRADE) {
            headers.insert(X_FORWARDED_HOST, authority);
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        }
    }
    if let Some(AuditId(id)) = audit_id {
        headers.insert(AUDIT_ID, id);
    }
    name_user(headers, &context.user);
    let is_discovery = !context.info.is_resource && context.info.path.trim_matches('/').split('/').count() == 3;
    let passed = backend::pass(request, location);
    let answer = if is_discovery {
        match tokio::time::timeout(DISCOVERY, passed).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = "error trying to reach service: context deadline exceeded";
                return Ok(refused(StatusCode::SERVICE_UNAVAILABLE, why));
            }
        }
    } else {
        passed.await
    };
    match answer {
        Ok(answer) if answer.status().is_redirection() && answer.headers().contains_key(LOCATION) => {
            // A server could lead a client's credentials elsewhere.
            let mut response =
                Response::new(body::full("the backend attempted to redirect this request, which is not permitted"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
        Ok(answer) => Ok(answer),
        Err(status) => Ok(refused(StatusCode::SERVICE_UNAVAILABLE, &status.message)),
    }
}

fn refused(code: StatusCode, why: &str) -> Response<Body> {
    body::plain(code, format!("{why}\n"))
}
