//! DefaultStorageClass: a claim without a class gets the default one.

use async_trait::async_trait;
use serde_json::Value;

use super::default_ingress_class::newest_default;
use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::Result;

pub struct DefaultStorageClass;

const DEFAULT: &[&str] =
    &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
pub const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

#[async_trait]
impl Plugin for DefaultStorageClass {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is("", "persistentvolumeclaims")
    }

    async fn admit(&self, attributes: &Attributes<'_>, claim: &mut Value) -> Result<()> {
        let annotated = !claim["metadata"]["annotations"][BETA_CLASS].is_null();
        // No class at all is not the same as the class without a name, which asks for a volume without one.
        if annotated || !claim["spec"]["storageClassName"].is_null() {
            return Ok(());
        }
        let classes = attributes.server().list_cached("storage.k8s.io", "storageclasses")?;
        if let Some(class) = newest_default(classes, DEFAULT) {
            object::set(claim, &["spec", "storageClassName"], object::meta(&class, "name"));
        }
        Ok(())
    }
}
