//! get: one object, as the cache holds it.

use std::time::Duration;

use http::Response;

use crate::body::Body;
use crate::context::{Context, Target};
use crate::respond;
use crate::status::{Result, Status};

/// How long a read waits for the cache to reach the revision it asks for, as upstream does.
pub const FRESH: Duration = Duration::from_secs(3);

/// A `resourceVersion`; what is wrong with it in upstream's words.
pub fn revision(text: &str) -> std::result::Result<i64, String> {
    text.parse::<u64>().ok().and_then(|revision| i64::try_from(revision).ok()).ok_or_else(|| {
        format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
    })
}

pub async fn get(context: &Context, target: &Target) -> Result<Response<Body>> {
    let objects = target.objects()?;
    match context.query.get("resourceVersion").unwrap_or_default() {
        "" => {
            objects.consistent().await?;
        }
        "0" => objects.ready().await?,
        text => {
            let revision = revision(text).map_err(Status::unclassified)?;
            objects.ready().await?;
            objects.cache.wait_until(revision, FRESH).await?;
        }
    }
    let namespace = if target.resource().namespaced { context.info.namespace.as_str() } else { "" };
    let key = objects.key(namespace, &context.info.name);
    match objects.cache.get(&key) {
        Some(object) if target.asks_webhook() => {
            let tree = objects.cached(&key)?.map(|(tree, _)| tree);
            let tree = tree.ok_or_else(|| Status::not_found(target.group_resource(), object.name()))?;
            let tree = target.judged(&context.server, tree).await?;
            respond::object(context, target, tree.into(), http::StatusCode::OK)
        }
        Some(object) => respond::cached(context, target, &object),
        None => Err(Status::not_found(target.group_resource(), &context.info.name)),
    }
}
