//! Admission: what is checked and filled in between decoding and storing, in upstream's order.
//!
//! [`plugins`] is the list. A plugin is one file: its doc, its code, its tests.

use apiserver_apply::managed_fields;
use async_trait::async_trait;
use serde_json::Value;

use crate::context::{Context, Target};
use crate::status::Result;

mod default_toleration_seconds;
mod namespace_lifecycle;
mod priority;
mod service_account;
mod taint_nodes_by_condition;

pub use service_account::suffix as random_suffix;

/// Plugins of kube-apiserver that are not built yet; naming them is no error, so that kubeadm manifests start.
pub const NOT_YET: &[&str] = &[
    "AlwaysPullImages",
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ClusterTrustBundleAttest",
    "DefaultIngressClass",
    "DefaultStorageClass",
    "LimitRanger",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "NodeRestriction",
    "OwnerReferencesPermissionEnforcement",
    "PersistentVolumeClaimResize",
    "PodSecurity",
    "ResourceQuota",
    "RuntimeClass",
    "StorageObjectInUseProtection",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
];

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// A write on its way to the store.
pub struct Attributes<'a> {
    pub context: &'a Context,
    pub target: &'a Target,
    pub operation: Operation,
    pub namespace: &'a str,
    pub name: &'a str,
    pub subresource: &'a str,
    /// The object before; absent on create.
    pub old: Option<&'a Value>,
}

impl Attributes<'_> {
    /// Whether the write is of this resource itself, not of a subresource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        let served = self.target.resource();
        served.group == group && served.plural == resource && self.subresource.is_empty()
    }
}

/// One admission plugin.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// The name in `--enable-admission-plugins`.
    fn name(&self) -> &'static str;

    /// Fills in, or refuses.
    async fn admit(&self, _attributes: &Attributes<'_>, _object: &mut Value) -> Result<()> {
        Ok(())
    }

    /// Refuses, once nothing changes the object any more.
    async fn validate(&self, _attributes: &Attributes<'_>, _object: &Value) -> Result<()> {
        Ok(())
    }
}

/// All plugins in the order in which they run.
pub fn plugins() -> Vec<Box<dyn Plugin>> {
    vec![
        Box::new(namespace_lifecycle::NamespaceLifecycle),
        Box::new(service_account::ServiceAccount),
        Box::new(taint_nodes_by_condition::TaintNodesByCondition),
        Box::new(priority::Priority),
        Box::new(default_toleration_seconds::DefaultTolerationSeconds),
    ]
}

/// Runs every plugin's mutating half.
pub async fn admit(attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
    let owners = object["metadata"].get("managedFields").cloned();
    for plugin in &attributes.context.server.admission {
        plugin.admit(attributes, object).await?;
    }
    // No plugin may leave ownership in a state that the next write could not read.
    if let Err(problem) = managed_fields::validate(object["metadata"].get("managedFields")) {
        attributes.context.warn(format!(
            ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: {problem}"
        ));
        crate::object::set_meta(object, "managedFields", owners);
    }
    Ok(())
}

/// Runs every plugin's validating half.
pub async fn validate(attributes: &Attributes<'_>, object: &Value) -> Result<()> {
    for plugin in &attributes.context.server.admission {
        plugin.validate(attributes, object).await?;
    }
    Ok(())
}
