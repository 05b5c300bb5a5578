//! OwnerReferencesPermissionEnforcement: an owner takes the right to delete, one that blocks deletion the right to
//! hold the owner.
//!
//! Source: `plugin/pkg/admission/gc`.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::authz::{self, Decision};
use crate::object::{self, items, text};
use crate::resources::split_api_version;
use crate::status::Result;

pub struct OwnerReferencesPermissionEnforcement;

#[async_trait]
impl Plugin for OwnerReferencesPermissionEnforcement {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        // Status may be written often, and by those who may not delete.
        let exempt = attributes.is_of("", "pods") && attributes.subresource == "status";
        matches!(attributes.operation, Operation::Create | Operation::Update) && !exempt
    }

    async fn validate(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let owners = items(&object["metadata"]["ownerReferences"]);
        let before = attributes.old.map(|old| items(&old["metadata"]["ownerReferences"])).unwrap_or_default();
        let unchanged = owners.len() == before.len() && owners.iter().zip(before).all(|(a, b)| object::same(a, b));
        if unchanged {
            return Ok(());
        }
        let resource = attributes.target.resource();
        let question = authz::Attributes {
            user: attributes.user(),
            verb: "delete",
            is_resource: true,
            group: &resource.group,
            version: "*",
            resource: &resource.plural,
            subresource: attributes.subresource,
            namespace: attributes.namespace,
            name: attributes.name,
            path: "",
            selectors: &authz::NO_SELECTORS,
        };
        let server = attributes.server();
        let ask = |question: &authz::Attributes<'_>| server.authorization.decide(server, question);
        // Go prints the error that there is not.
        let refused = |why: &str, decision: &Decision| {
            Err(attributes.forbidden(object, format_args!("{why}: {}, <nil>", decision.reason())))
        };
        if attributes.operation != Operation::Create {
            let decision = ask(&question);
            if !decision.is_allowed() {
                return refused("cannot set an ownerRef on a resource you can't delete", &decision);
            }
        }
        let blocks = |reference: &Value| reference["blockOwnerDeletion"] == Value::Bool(true);
        let blocked_before = |uid: &Value| before.iter().any(|old| old["uid"] == *uid && blocks(old));
        let new: Vec<&Value> = owners.iter().filter(|owner| blocks(owner) && !blocked_before(&owner["uid"])).collect();
        let finalize = authz::Attributes {
            verb: "update",
            group: "*",
            resource: "*",
            subresource: "finalizers",
            namespace: "",
            name: "*",
            ..question.clone()
        };
        if new.is_empty() || ask(&finalize).is_allowed() {
            return Ok(());
        }
        for owner in new {
            let (api_version, kind) = (text(&owner["apiVersion"]), text(&owner["kind"]));
            let (group, version) = split_api_version(api_version);
            let served = server
                .all()
                .iter()
                .find(|served| {
                    served.resource.group == group
                        && served.resource.kind == kind
                        && served.resource.version(version).is_some()
                })
                .cloned()
                .or_else(|| server.custom.of_kind(group, version, kind));
            let Some(served) = served else {
                return Err(attributes.forbidden(
                    object,
                    format_args!(
                        "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {api_version} Kind {kind}: no matches for kind {kind:?} in version {api_version:?}"
                    ),
                ));
            };
            let decision = ask(&authz::Attributes {
                group,
                resource: &served.resource.plural,
                namespace: if served.resource.namespaced { attributes.namespace } else { "" },
                name: text(&owner["name"]),
                ..finalize.clone()
            });
            if !decision.is_allowed() {
                let why = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on";
                return refused(why, &decision);
            }
        }
        Ok(())
    }
}
