//! Which code serves which path.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::aggregation::{self, Remote};
use crate::body::{self, Body};
use crate::context::{Context, Target};
use crate::negotiate::{Encoding, Form};
use crate::status::{GroupResource, Result, Status};
use crate::{discovery, fairness, health, negotiate, openapi, respond, subresources, verbs, zpages};

/// Serves a request that is allowed.
pub async fn route(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    // What another server serves is its own, down to the paths that would not be found here.
    if let Some(remote) = elsewhere(context) {
        return aggregation::pass(context, &remote, request).await;
    }
    if context.info.is_resource {
        return resource(context, request).await;
    }
    let path = context.info.path.trim_end_matches('/');
    let is_health = ["/healthz", "/livez", "/readyz"]
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    // Only what describes versions looks at the method, and does without minding a slash at the end.
    let describes = path == "/version" || context.info.prefix == "api" || !context.info.version.is_empty();
    if describes && is_group(context) && *request.method() != Method::GET {
        return Err(Status::method_not_allowed());
    }
    let is_identity = ["/.well-known/openid-configuration", "/openid/v1/jwks"].contains(&path);
    let minds_slash = !describes && !is_identity && context.info.prefix.is_empty() && path.len() > 1;
    if minds_slash && context.info.path.ends_with('/') {
        return Ok(body::page_not_found());
    }
    match path {
        "" | "/index.html" => Ok(discovery::index(context)),
        "/api" => {
            negotiate::produced(&context.headers, false)?;
            discovery::legacy_versions(context)
        }
        "/apis" => discovery::groups(context),
        "/version" => {
            negotiate::produced_only(&context.headers, negotiate::JSON)?;
            Ok(discovery::version())
        }
        "/metrics" => Ok(body::response(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            context.server.metrics.text(&context.server).await,
        )),
        "/statusz" => zpages::statusz(context),
        "/flagz" => zpages::flagz(context),
        _ if is_identity => identity_document(context, path, request.method()),
        "/metrics/slis" => Ok(body::response(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            context.server.metrics.health.text(),
        )),
        _ if is_health => Ok(health::check(context, path).await),
        _ if path.starts_with("/debug/") => Ok(fairness::dump(context, path).unwrap_or_else(body::page_not_found)),
        _ if path.starts_with("/openapi/") => openapi::serve(context, path).await,
        _ if path.starts_with("/apis/") && !(is_group(context) || has_group_elsewhere(context)) => {
            Ok(body::page_not_found())
        }
        _ if path.starts_with("/api/") || path.starts_with("/apis/") => {
            if !context.info.version.is_empty() {
                negotiate::produced(&context.headers, false)?;
            }
            discovery::group_or_version(context)
        }
        _ => Ok(body::page_not_found()),
    }
}

/// By which others verify service account tokens.
fn identity_document(context: &Context, path: &str, method: &Method) -> Result<Response<Body>> {
    let tokens = context.server.authentication.service_accounts.as_ref();
    let Some(documents) = tokens.and_then(|tokens| tokens.discovery.as_ref()) else {
        return Ok(body::page_not_found());
    };
    if *method != Method::GET {
        return Err(Status::method_not_allowed());
    }
    let mut response = if path.ends_with("/jwks") {
        negotiate::produced_only(&context.headers, "application/jwk-set+json")?;
        body::response(StatusCode::OK, "application/jwk-set+json", documents.keys.clone())
    } else {
        negotiate::produced_only(&context.headers, negotiate::JSON)?;
        body::response(StatusCode::OK, negotiate::JSON, documents.configuration.clone())
    };
    let kept = http::HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(http::header::CACHE_CONTROL, kept);
    Ok(response)
}

/// The server behind this one that serves the group and version of the path.
fn elsewhere(context: &Context) -> Option<Arc<Remote>> {
    let info = &context.info;
    match info.prefix {
        "apis" if !info.group.is_empty() => context.server.aggregation.serving(&info.group, &info.version),
        // The core group is passed on as a whole.
        "api" => context.server.aggregation.serving("", "v1"),
        _ => None,
    }
}

/// Whether the path is that of a group which other servers serve.
fn has_group_elsewhere(context: &Context) -> bool {
    context.info.version.is_empty() && context.server.aggregation.has_group(&context.info.group)
}

/// Whether the group of the path is served here in any version.
fn is_group(context: &Context) -> bool {
    let group = &context.info.group;
    context.server.all().iter().any(|served| served.resource.group == *group) || context.server.custom.has_group(group)
}

/// Serves a request about a resource.
async fn resource(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    let info = &context.info;
    if !is_group(context) {
        return Ok(body::page_not_found());
    }
    let Some(served) = context.server.serving(&info.group, &info.version, &info.resource) else {
        if context.server.custom.has_group(&info.group) {
            return Ok(body::page_not_found());
        }
        return Err(Status::no_such_path());
    };
    let version = served.resource.version(&info.version).ok_or_else(Status::no_such_path)?.clone();
    let is_core = info.prefix == "api";
    if is_core != info.group.is_empty() {
        return Err(Status::no_such_path());
    }
    let target = Target { served, version };
    if !target.resource().namespaced && !info.namespace.is_empty() && info.resource != "namespaces" {
        return Err(Status::no_such_path());
    }
    if let Some(custom) = target.custom() {
        // They have no form in protobuf, which is said in protobuf.
        if let Ok(accepted) = negotiate::accept(&context.headers, respond::OBJECTS)
            && (accepted.encoding, accepted.form) == (Encoding::Protobuf, Form::Object)
            && info.subresource != "scale"
        {
            return Ok(respond::encoded_status(accepted, &Status::not_acceptable(negotiate::OBJECT_TYPES)));
        }
        let across = matches!(info.verb, "list" | "watch");
        if target.resource().namespaced && info.namespace.is_empty() && !across {
            return Ok(body::page_not_found());
        }
        if let Some(warning) = &custom.version().deprecation {
            context.warn(warning.as_str());
        }
        if !info.subresource.is_empty() && target.resource().subresource(&info.subresource).is_none() {
            return Err(Status::not_found(target.group_resource(), &info.name));
        }
    }
    if !info.subresource.is_empty() {
        return subresources::route(context, &target, request).await;
    }
    let not_allowed = Status::method_not_allowed;
    let own = target.resource();
    // A resource that only answers has no objects to name.
    if !info.name.is_empty() && own.storage.is_none() && !own.verbs.contains("get") {
        return Err(Status::no_such_path());
    }
    // Across all namespaces there is only reading.
    let everywhere = own.namespaced && info.namespace.is_empty();
    // A list or watch has a name by its field selector.
    let across = matches!(info.verb, "list" | "watch");
    if everywhere && !info.name.is_empty() && !across {
        return Err(Status::no_such_path());
    }
    // Discovery shows a definition that is being deleted with fewer verbs, but only creating is refused.
    let ending = target.custom().is_some_and(|custom| custom.definition.terminating);
    if ending && info.verb == "create" {
        let mut refused = not_allowed();
        refused.message = "create not allowed while custom resource definition is terminating".to_owned();
        return Err(refused);
    }
    if !(own.verbs.contains(info.verb) || ending) || *request.method() == Method::HEAD || (everywhere && !across) {
        return Err(not_allowed());
    }
    if target.custom().is_none() {
        negotiate::produced(&context.headers, matches!(info.verb, "list" | "watch"))?;
    }
    if target.served.objects().is_some() && matches!(info.verb, "create" | "update" | "patch" | "delete") {
        // What cannot be answered is not done.
        negotiate::accept(&context.headers, respond::OBJECTS)?;
    }
    if own.plural == "endpoints" && own.group.is_empty() {
        context.server.metrics.requests.deprecated(info);
        context.warn("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
    }
    if own.plural == "componentstatuses" && own.group.is_empty() {
        // There is nothing to probe: the other components are not at known addresses.
        context.server.metrics.requests.deprecated(info);
        context.warn("v1 ComponentStatus is deprecated in v1.19+");
        return match info.verb {
            "list" => respond::list(context, &target, std::iter::empty(), respond::ListMeta::default()).await,
            _ => {
                let one = GroupResource { group: "", resource: "componentstatus" };
                Err(Status::not_found(one, &info.name))
            }
        };
    }
    match info.verb {
        "get" => verbs::get::get(context, &target).await,
        "list" => verbs::list::list(context, &target).await,
        "watch" => verbs::watch::watch(context, &target).await,
        "create" if !info.name.is_empty() => Err(not_allowed()),
        "create" => {
            let bytes = body::read(request.into_body()).await?;
            if target.served.objects().is_none() {
                return subresources::review(context, &target, &bytes).await;
            }
            verbs::create::create(context, &target, &bytes).await
        }
        "update" | "patch" | "delete" if info.name.is_empty() => Err(not_allowed()),
        "update" => {
            let bytes = body::read(request.into_body()).await?;
            verbs::update::update(context, &target, &bytes).await
        }
        "patch" => {
            let bytes = body::read(request.into_body()).await?;
            verbs::patch::patch(context, &target, &bytes).await
        }
        "delete" => {
            let bytes = body::read(request.into_body()).await?;
            verbs::delete::delete(context, &target, &bytes).await
        }
        "deletecollection" => {
            let bytes = body::read(request.into_body()).await?;
            verbs::delete::delete_collection(context, &target, &bytes).await
        }
        _ => Err(not_allowed()),
    }
}
