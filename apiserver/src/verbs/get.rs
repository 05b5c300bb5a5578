//! get: one object, as the cache holds it.

use std::time::Duration;

use http::Response;

use crate::body::Body;
use crate::context::{Context, Target};
use crate::respond;
use crate::status::{Result, Status};

/// How long a read waits for the cache to reach the revision it asks for, as upstream does.
pub const FRESH: Duration = Duration::from_secs(3);

pub async fn get(context: &Context, target: &Target) -> Result<Response<Body>> {
    let objects = target.objects()?;
    match context.query.get("resourceVersion").unwrap_or_default() {
        "" => {
            objects.cache.consistent().await?;
        }
        "0" => objects.cache.ready().await?,
        text => {
            let revision = text.parse().map_err(|_| {
                Status::bad_request(format!("invalid resource version {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"))
            })?;
            objects.cache.ready().await?;
            objects.cache.wait_until(revision, FRESH).await?;
        }
    }
    let namespace = if target.resource().namespaced { context.info.namespace.as_str() } else { "" };
    let key = objects.key(namespace, &context.info.name);
    match objects.cache.get(&key) {
        Some(object) => respond::cached(context, target, &object),
        None => Err(Status::not_found(target.group_resource(), &context.info.name)),
    }
}
