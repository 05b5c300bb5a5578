//! NamespaceExists: nothing in a namespace that is missing. NamespaceLifecycle does the same and more.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::status::{GroupResource, Result, Status};

pub struct NamespaceExists;

#[async_trait]
impl Plugin for NamespaceExists {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation != Operation::Connect
            && !attributes.namespace.is_empty()
            && !attributes.is_of("", "namespaces")
    }

    async fn validate(&self, attributes: &Attributes<'_>, _object: &Value) -> Result<()> {
        match attributes.server().find_uid("", "namespaces", "", attributes.namespace).await? {
            Some(_) => Ok(()),
            None => Err(Status::not_found(GroupResource { group: "", resource: "namespaces" }, attributes.namespace)),
        }
    }
}
