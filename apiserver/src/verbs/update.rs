//! update: PUT of a whole object or of a subresource of it.

use async_trait::async_trait;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use super::write::{self, Change};
use crate::body::{Body, Expected};
use crate::context::{Context, Target, WriteOptions};
use crate::object;
use crate::object_meta;
use crate::respond;
use crate::status::{Result, Status};

pub async fn update(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = context.write_options()?;
    let expected = Expected::of(target.resource(), &target.version);
    let mut warnings = Vec::new();
    let mut object = context.decode(bytes, &expected, options.field_validation, &mut warnings)?;
    target.settle(&mut object);
    object_meta::drop_duplicate_owners(&mut object, false, &mut warnings);
    context.warnings.lock().append(&mut warnings);
    check_name(context, target, &object)?;
    let changed =
        write::change(context, target, &options, &Update { context, target, options: &options, object }).await?;
    let code = if changed.created { StatusCode::CREATED } else { StatusCode::OK };
    respond::object(context, target, changed.object, code)
}

/// The object must be the one that the path names.
pub fn check_name(context: &Context, target: &Target, object: &Value) -> Result<()> {
    let namespace = object::meta(object, "namespace");
    if target.resource().namespaced && !namespace.is_empty() && namespace != context.info.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let (name, wanted) = (object::meta(object, "name"), &context.info.name);
    if name.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        )));
    }
    if name != wanted {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({wanted})"
        )));
    }
    Ok(())
}

struct Update<'a> {
    context: &'a Context,
    target: &'a Target,
    options: &'a WriteOptions,
    object: Value,
}

#[async_trait]
impl Change for Update<'_> {
    async fn make(&self, old: Option<&Value>) -> Result<Value> {
        let mut object = self.object.clone();
        write::track_update(self.context, self.target, old, &mut object, self.options);
        Ok(object)
    }

    fn creates(&self) -> bool {
        self.target.resource().create_on_update
    }

    fn is_conditional(&self, _made: &Value) -> bool {
        !object::meta(&self.object, "resourceVersion").is_empty()
    }
}
