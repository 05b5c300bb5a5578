//! NamespaceAutoProvision: a namespace that is missing is made when something is created in it.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::{Result, Status};
use crate::storage::Created;

pub struct NamespaceAutoProvision;

#[async_trait]
impl Plugin for NamespaceAutoProvision {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create
            && !attributes.dry_run
            && !attributes.namespace.is_empty()
            && !attributes.is_of("", "namespaces")
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let server = attributes.server();
        let name = attributes.namespace;
        if server.find_uid("", "namespaces", "", name).await?.is_some() {
            return Ok(());
        }
        if let Some(problem) = crate::resources::names::dns1123_label(name) {
            return Err(attributes.forbidden(object, format_args!("namespace {name:?}: {problem}")));
        }
        let served = server.served("", "namespaces").ok_or_else(|| Status::internal("namespaces are not served"))?;
        let namespaces = server.objects("", "namespaces")?;
        let mut namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "uid": uuid::Uuid::new_v4().to_string(),
                "creationTimestamp": object::now(),
                "labels": {"kubernetes.io/metadata.name": name},
            },
        });
        let system = crate::authn::User::default();
        let warnings = &attributes.context.warnings;
        let request = crate::resources::hooks::Request { user: &system, subresource: "", group: "", warnings };
        served.resource.hooks.prepare_for_create(&mut namespace, &request);
        match namespaces.create(&namespaces.key("", name), &namespace).await? {
            Created::Done(_) | Created::Exists => Ok(()),
        }
    }
}
