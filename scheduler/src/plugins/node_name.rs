//! NodeName: a pod that names its node fits only there.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{ClusterEvent, Context, Filter, QueueingHint, Rejection},
    node::NodeInfo,
    pod::PodInfo,
};

pub const PLUGIN: Plugin = Plugin { name: "NodeName", filter: Some(&NodeName), hint: Some(&NodeName), ..NOTHING };

struct NodeName;

impl Filter for NodeName {
    fn filter(&self, cx: Context, _state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        let wanted = &cx.pod.node_name;
        if wanted.is_empty() || *wanted == node.name {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match the requested node name"))
    }
}

impl QueueingHint for NodeName {
    fn queue(&self, _pod: &PodInfo, event: ClusterEvent) -> bool {
        matches!(event, ClusterEvent::NodeAdded(_))
    }
}
