//! NodeUnschedulable: cordoned nodes take no pods, except those that tolerate it.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{ClusterEvent, Context, Filter, QueueingHint, Rejection},
    node::{NodeInfo, Taint},
    pod::PodInfo,
};

pub const PLUGIN: Plugin =
    Plugin { name: "NodeUnschedulable", filter: Some(&NodeUnschedulable), hint: Some(&NodeUnschedulable), ..NOTHING };

struct NodeUnschedulable;

impl Filter for NodeUnschedulable {
    fn filter(&self, cx: Context, _state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        if !node.unschedulable {
            return Ok(());
        }
        let taint =
            Taint { key: "node.kubernetes.io/unschedulable".into(), value: "".into(), effect: "NoSchedule".into() };
        if cx.pod.pending.as_ref().is_some_and(|pending| taint.is_tolerated(&pending.tolerations)) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) were unschedulable"))
    }
}

impl QueueingHint for NodeUnschedulable {
    fn queue(&self, _pod: &PodInfo, event: ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => !node.unschedulable,
            ClusterEvent::NodeUpdated { old, new } => old.unschedulable && !new.unschedulable,
            _ => false,
        }
    }
}
