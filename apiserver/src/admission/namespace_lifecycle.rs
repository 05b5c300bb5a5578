//! NamespaceLifecycle: nothing new in a namespace that is missing or going; the system's namespaces stay.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::{GroupResource, Result, Status};

pub struct NamespaceLifecycle;

const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

#[async_trait]
impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    async fn admit(&self, attributes: &Attributes<'_>, _object: &mut Value) -> Result<()> {
        let resource = attributes.target.resource();
        if resource.group.is_empty() && resource.plural == "namespaces" {
            if attributes.operation == Operation::Delete && IMMORTAL.contains(&attributes.name) {
                return Err(Status::forbidden(
                    resource.group_resource(),
                    attributes.name,
                    "this namespace may not be deleted",
                ));
            }
            return Ok(());
        }
        // Deletes and updates go on while a namespace goes, and reviews are about no object.
        let stored = resource.storage.is_some();
        if attributes.operation != Operation::Create || !resource.namespaced || !stored {
            return Ok(());
        }
        let namespaces = GroupResource { group: "", resource: "namespaces" };
        let server = &attributes.context.server;
        let found = server.find("", "namespaces", "", attributes.namespace).await?;
        let Some(namespace) = found else { return Err(Status::not_found(namespaces, attributes.namespace)) };
        if object::is_terminating(&namespace) || namespace["status"]["phase"] == "Terminating" {
            let mut status = Status::forbidden(
                resource.group_resource(),
                attributes.name,
                format_args!(
                    "unable to create new content in namespace {} because it is being terminated",
                    attributes.namespace
                ),
            );
            if let Some(details) = &mut status.details {
                details.causes.push(crate::status::Cause {
                    reason: "NamespaceTerminating".to_owned(),
                    message: format!("namespace {} is being terminated", attributes.namespace),
                    field: "metadata.namespace".to_owned(),
                });
            }
            return Err(status);
        }
        Ok(())
    }
}
