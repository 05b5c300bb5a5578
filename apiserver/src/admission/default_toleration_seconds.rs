//! DefaultTolerationSeconds: a pod stays a while, by default five minutes, on a node that is not ready or not reachable.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Attributes, Plugin};
use crate::object;
use crate::status::Result;

pub struct DefaultTolerationSeconds;

#[async_trait]
impl Plugin for DefaultTolerationSeconds {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.writes_pod()
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        let tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
        let mut all = tolerations.clone();
        let options = &attributes.server().options;
        let taints = [
            ("node.kubernetes.io/not-ready", options.not_ready_toleration_seconds),
            ("node.kubernetes.io/unreachable", options.unreachable_toleration_seconds),
        ];
        for (taint, seconds) in taints {
            let tolerated = tolerations.iter().any(|toleration| {
                let key = toleration["key"].as_str().unwrap_or_default();
                let effect = toleration["effect"].as_str().unwrap_or_default();
                (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
            });
            if !tolerated {
                all.push(
                    json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}),
                );
            }
        }
        if all.len() > tolerations.len() {
            object::set(pod, &["spec", "tolerations"], Value::Array(all));
        }
        Ok(())
    }
}
