//! NamespaceLifecycle: nothing in a namespace that is missing, nothing new in one that is going; the system's
//! namespaces stay.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::status::{Cause, GroupResource, Result, Status};

pub struct NamespaceLifecycle;

const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

#[async_trait]
impl Plugin for NamespaceLifecycle {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        if attributes.is_of("", "namespaces") {
            return attributes.operation == Operation::Delete;
        }
        // Deletes go on while a namespace goes. A review of access must not tell which namespaces there are.
        matches!(attributes.operation, Operation::Create | Operation::Update)
            && !attributes.namespace.is_empty()
            && !attributes.is_of("authorization.k8s.io", "localsubjectaccessreviews")
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let server = attributes.server();
        if attributes.is_of("", "namespaces") {
            if IMMORTAL.contains(&attributes.name) {
                let why = "this namespace may not be deleted";
                return Err(Status::forbidden(attributes.target.group_resource(), attributes.name, why));
            }
            return Ok(());
        }
        if attributes.operation == Operation::Update {
            if server.is_cached("", "namespaces", "", attributes.namespace)?
                || server.find_uid("", "namespaces", "", attributes.namespace).await?.is_some()
            {
                return Ok(());
            }
            return Err(not_found(attributes.namespace));
        }
        let found = server.find("", "namespaces", "", attributes.namespace).await?;
        let Some(namespace) = found else { return Err(not_found(attributes.namespace)) };
        if crate::object::is_terminating(&namespace) || namespace["status"]["phase"] == "Terminating" {
            let mut status = attributes.forbidden(
                object,
                format_args!(
                    "unable to create new content in namespace {} because it is being terminated",
                    attributes.namespace
                ),
            );
            if let Some(details) = &mut status.details {
                details.causes.push(Cause {
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

fn not_found(namespace: &str) -> Status {
    Status::not_found(GroupResource { group: "", resource: "namespaces" }, namespace)
}
