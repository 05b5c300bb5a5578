//! PodTopologyLabels: a pod that is bound to a node bears the labels that say where the node is.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object::{self, text};
use crate::status::Result;

pub struct PodTopologyLabels;

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

#[async_trait]
impl Plugin for PodTopologyLabels {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create
            && (attributes.is_of("", "pods") && matches!(attributes.subresource, "" | "binding"))
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let node = match attributes.subresource {
            "binding" if object["target"]["kind"] == "Node" => text(&object["target"]["name"]),
            "" => text(&object["spec"]["nodeName"]),
            _ => "",
        };
        if node.is_empty() {
            return Ok(());
        }
        let Some(node) = attributes.server().cached("", "nodes", "", node)? else { return Ok(()) };
        for label in LABELS {
            if let Some(value) = node["metadata"]["labels"][label].as_str() {
                object::set(object, &["metadata", "labels", label], value);
            }
        }
        Ok(())
    }
}
