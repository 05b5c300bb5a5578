//! Which code serves which path.

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::body::{self, Body};
use crate::context::{Context, Target};
use crate::status::{Result, Status};
use crate::{discovery, health, subresources, verbs};

/// Serves a request that is allowed.
pub async fn route(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    if context.info.is_resource {
        return resource(context, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Status::no_such_path());
    }
    let path = context.info.path.trim_end_matches('/');
    match path {
        "" => Ok(discovery::index(context)),
        "/api" => discovery::legacy_versions(context),
        "/apis" => discovery::groups(context),
        "/version" => Ok(discovery::version()),
        "/metrics" => Ok(body::response(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            context.server.metrics.text(),
        )),
        "/openid/v1/jwks" | "/.well-known/openid-configuration" => Err(Status::no_such_path()),
        _ if path.starts_with("/healthz") || path.starts_with("/livez") || path.starts_with("/readyz") => {
            health::check(context, path).await
        }
        _ if path.starts_with("/api/") || path.starts_with("/apis/") => discovery::group_or_version(context),
        _ => Err(Status::no_such_path()),
    }
}

/// Serves a request about a resource.
async fn resource(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    let info = &context.info;
    let served = context.server.served(&info.group, &info.resource).ok_or_else(Status::no_such_path)?;
    let version = served.resource.version(&info.version).ok_or_else(Status::no_such_path)?;
    let is_core = info.prefix == "api";
    if is_core != info.group.is_empty() {
        return Err(Status::no_such_path());
    }
    let target = Target { served: std::sync::Arc::clone(served), version: version.clone() };
    if !target.resource().namespaced && !info.namespace.is_empty() && info.resource != "namespaces" {
        return Err(Status::no_such_path());
    }
    if !info.subresource.is_empty() {
        return subresources::route(context, &target, request).await;
    }
    let not_allowed = || Status::method_not_allowed(target.group_resource(), info.verb);
    if !target.resource().verbs.contains(info.verb) {
        return Err(not_allowed());
    }
    match info.verb {
        "get" => verbs::get::get(context, &target).await,
        "list" => verbs::list::list(context, &target).await,
        "watch" => verbs::watch::watch(context, &target).await,
        "create" if !info.name.is_empty() => Err(not_allowed()),
        "create" => {
            let bytes = body::read(request.into_body()).await?;
            if target.served.objects.is_none() {
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
