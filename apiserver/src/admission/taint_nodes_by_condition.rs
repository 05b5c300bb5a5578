//! TaintNodesByCondition: a new node takes no pods until it is known to be ready.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::Result;

pub struct TaintNodesByCondition;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

#[async_trait]
impl Plugin for TaintNodesByCondition {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.is("", "nodes") && attributes.operation == Operation::Create
    }

    async fn admit(&self, _attributes: &Attributes<'_>, node: &mut Value) -> Result<()> {
        let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        if !taints.iter().any(|taint| taint["key"] == NOT_READY && taint["effect"] == "NoSchedule") {
            taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
            object::set(node, &["spec", "taints"], Value::Array(taints));
        }
        Ok(())
    }
}
