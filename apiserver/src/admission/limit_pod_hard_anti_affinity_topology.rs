//! LimitPodHardAntiAffinityTopology: a pod may keep others off its node, not off a whole zone.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Plugin};
use crate::object::{self, items, text};
use crate::status::{Result, Status};

pub struct LimitPodHardAntiAffinityTopology;

const HOST: &str = "kubernetes.io/hostname";

#[async_trait]
impl Plugin for LimitPodHardAntiAffinityTopology {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.writes_pod()
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        let anti = &pod["spec"]["affinity"]["podAntiAffinity"];
        let terms = items(&anti["requiredDuringSchedulingIgnoredDuringExecution"]);
        match terms.iter().map(|term| text(&term["topologyKey"])).find(|key| *key != HOST) {
            None => Ok(()),
            Some(key) => Err(Status::forbidden(
                attributes.target.group_resource(),
                object::meta(pod, "name"),
                format_args!(
                    "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} but only key {HOST} is allowed"
                ),
            )),
        }
    }
}
