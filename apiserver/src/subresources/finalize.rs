//! namespaces/finalize: the namespace controller takes its finalizer away, and the namespace goes.

use async_trait::async_trait;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::body::{Body, Expected};
use crate::context::{Context, Target, WriteOptions};
use crate::status::{Result, Status};
use crate::verbs::{self, Change};
use crate::{object, respond};

pub async fn finalize(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = context.write_options()?;
    let expected = Expected::of(target.resource(), &target.version);
    let namespace = context.decode(bytes, &expected, options.field_validation, &mut context.warnings.lock())?;
    verbs::update::check_name(context, target, &namespace)?;
    let change = Finalize { namespace, context, target, options: &options };
    let changed = verbs::change(context, target, &options, &change).await?;
    respond::object(context, target, changed.object, StatusCode::OK)
}

struct Finalize<'a> {
    namespace: Value,
    context: &'a Context,
    target: &'a Target,
    options: &'a WriteOptions,
}

#[async_trait]
impl Change for Finalize<'_> {
    async fn make(&self, old: Option<&Value>) -> Result<Value> {
        let old = old.ok_or_else(|| Status::not_found(self.target.group_resource(), &self.context.info.name))?;
        let mut object = self.namespace.clone();
        object::keep(&mut object, old, "status");
        verbs::track(self.context, self.target, Some(old), &mut object, self.options);
        Ok(object)
    }
}
