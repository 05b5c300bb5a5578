//! PersistentVolumeClaimResize: a claim grows where its class allows it.

use apiserver_quota::Resources;
use async_trait::async_trait;
use serde_json::Value;

use super::default_storage_class::BETA_CLASS;
use super::{Attributes, Operation, Plugin};
use crate::object::text;
use crate::status::Result;

pub struct PersistentVolumeClaimResize;

#[async_trait]
impl Plugin for PersistentVolumeClaimResize {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update && attributes.is("", "persistentvolumeclaims")
    }

    async fn validate(&self, attributes: &Attributes<'_>, claim: &Value) -> Result<()> {
        let Some(old) = attributes.old else { return Ok(()) };
        let size = |claim: &Value| Resources::read(&claim["spec"]["resources"]["requests"]).get("storage").cloned();
        let grows = match (size(claim), size(old)) {
            (Some(new), Some(old)) => new > old,
            (Some(new), None) => new.sign() > 0,
            (None, _) => false,
        };
        if !grows {
            return Ok(());
        }
        if old["status"]["phase"] != "Bound" {
            return Err(attributes.forbidden(claim, "Only bound persistent volume claims can be expanded"));
        }
        let (class, old_class) = (class(claim), class(old));
        let server = attributes.server();
        let allowed = !class.is_empty()
            && class == old_class
            && server
                .cached("storage.k8s.io", "storageclasses", "", class)?
                .is_some_and(|class| class["allowVolumeExpansion"] == Value::Bool(true));
        if allowed {
            return Ok(());
        }
        Err(attributes.forbidden(
            claim,
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
        ))
    }
}

/// The storage class of a claim, by the annotation of old or by its field.
fn class(claim: &Value) -> &str {
    let annotated = claim["metadata"]["annotations"][BETA_CLASS].as_str();
    annotated.unwrap_or_else(|| text(&claim["spec"]["storageClassName"]))
}
