//! ExtendedResourceToleration: a pod that asks for an extended resource may run where nodes are kept for it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Attributes, Plugin};
use crate::object::{self, items, text};
use crate::resources::names;
use crate::status::Result;

pub struct ExtendedResourceToleration;

#[async_trait]
impl Plugin for ExtendedResourceToleration {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.writes_pod()
    }

    async fn admit(&self, _attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        let containers = ["containers", "initContainers"].iter().flat_map(|list| items(&pod["spec"][*list]));
        let requests = containers.flat_map(|container| object::entries(&container["resources"]["requests"]));
        let resources: BTreeSet<String> =
            requests.map(|(name, _)| name.to_owned()).filter(|name| is_extended(name)).collect();
        if resources.is_empty() {
            return Ok(());
        }
        let mut tolerations = items(&pod["spec"]["tolerations"]).to_vec();
        for resource in resources {
            let wanted = json!({"key": resource, "operator": "Exists", "effect": "NoSchedule"});
            let same = |toleration: &Value| {
                ["key", "operator", "effect", "value"]
                    .iter()
                    .all(|field| text(&toleration[*field]) == text(&wanted[*field]))
            };
            match tolerations.iter_mut().find(|toleration| same(toleration)) {
                Some(toleration) => *toleration = wanted,
                None => tolerations.push(wanted),
            }
        }
        object::set(pod, &["spec", "tolerations"], tolerations);
        Ok(())
    }
}

/// Whether a resource is not one of Kubernetes' own.
fn is_extended(name: &str) -> bool {
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_none()
}
