//! Subresources, and resources that only answer. [`route`] and [`review`] are the lists.

use http::{Method, Request, Response};
use hyper::body::{Bytes, Incoming};

use crate::admission;
use crate::body::{self, Body};
use crate::context::{Context, Target};
use crate::status::{Result, Status};
use crate::verbs;

mod access_review;
mod binding;
mod eviction;
mod finalize;
mod pod_streams;
mod proxy;
mod scale;
mod token;

/// Serves a subresource.
pub async fn route(context: &Context, target: &Target, request: Request<Incoming>) -> Result<Response<Body>> {
    let info = &context.info;
    let resource = target.resource();
    let subresource = resource.subresource(&info.subresource).ok_or_else(Status::no_such_path)?;
    let is_proxy = subresource.name == "proxy";
    if !info.rest.is_empty() && !is_proxy {
        return Err(Status::no_such_path());
    }
    let is_allowed = match is_proxy {
        true => proxy::takes(request.method()),
        false => *request.method() != Method::HEAD && subresource.verbs.contains(&info.verb),
    };
    if !is_allowed {
        return Err(Status::method_not_allowed());
    }
    match (resource.plural.as_str(), subresource.name) {
        (_, "status") | ("pods", "ephemeralcontainers" | "resize") | ("certificatesigningrequests", "approval") => {
            whole(context, target, request).await
        }
        (_, "scale") => scale::serve(context, target, request).await,
        ("namespaces", "finalize") => {
            let bytes = body::read(request.into_body()).await?;
            finalize::finalize(context, target, &bytes).await
        }
        ("pods", "binding") => {
            let bytes = body::read(request.into_body()).await?;
            binding::bind(context, target, &bytes).await
        }
        ("pods", "eviction") => {
            let bytes = body::read(request.into_body()).await?;
            eviction::evict(context, target, &bytes).await
        }
        ("serviceaccounts", "token") => {
            let bytes = body::read(request.into_body()).await?;
            token::request(context, target, &bytes).await
        }
        ("pods", "log") => pod_streams::log(context, request).await,
        ("pods", "exec" | "attach" | "portforward") => {
            admission::connect(context, target).await?;
            pod_streams::stream(context, request).await
        }
        ("pods" | "services" | "nodes", "proxy") => {
            admission::connect(context, target).await?;
            proxy::proxy(context, target, request).await
        }
        _ => Err(Status::no_such_path()),
    }
}

/// A subresource that is the whole object with other rules.
async fn whole(context: &Context, target: &Target, request: Request<Incoming>) -> Result<Response<Body>> {
    if *request.method() == Method::GET {
        return verbs::get::get(context, target).await;
    }
    let bytes = body::read(request.into_body()).await?;
    match context.info.verb {
        "update" => verbs::update::update(context, target, &bytes).await,
        _ => verbs::patch::patch(context, target, &bytes).await,
    }
}

/// Serves a resource that is not stored.
pub async fn review(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    match target.resource().plural.as_str() {
        "bindings" => binding::bind(context, target, bytes).await,
        "tokenreviews" => token::review(context, target, bytes).await,
        "selfsubjectreviews" => access_review::self_review(context, target, bytes),
        "selfsubjectrulesreviews" => access_review::rules(context, target, bytes),
        "subjectaccessreviews" | "localsubjectaccessreviews" | "selfsubjectaccessreviews" => {
            access_review::access(context, target, bytes)
        }
        _ => Err(Status::no_such_path()),
    }
}
