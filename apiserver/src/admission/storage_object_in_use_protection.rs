//! StorageObjectInUseProtection: volumes, claims and attribute classes stay until nothing uses them any more.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::Result;

pub struct StorageObjectInUseProtection;

/// The finalizer that each resource gets.
fn finalizer(attributes: &Attributes<'_>) -> Option<&'static str> {
    let resource = attributes.target.resource();
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "persistentvolumes") => Some("kubernetes.io/pv-protection"),
        ("", "persistentvolumeclaims") => Some("kubernetes.io/pvc-protection"),
        ("storage.k8s.io", "volumeattributesclasses") => Some("kubernetes.io/vac-protection"),
        _ => None,
    }
}

#[async_trait]
impl Plugin for StorageObjectInUseProtection {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create
            && attributes.subresource.is_empty()
            && finalizer(attributes).is_some()
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let Some(finalizer) = finalizer(attributes) else { return Ok(()) };
        let mut finalizers: Vec<String> = object::finalizers(object).into_iter().map(str::to_owned).collect();
        if !finalizers.iter().any(|own| own == finalizer) {
            finalizers.push(finalizer.to_owned());
            object::set_meta(object, "finalizers", Some(finalizers.into()));
        }
        Ok(())
    }
}
