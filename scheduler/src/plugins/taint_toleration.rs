//! TaintToleration: nodes with taints that the pod does not tolerate do not fit, or are less preferred.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{ClusterEvent, Context, Filter, QueueingHint, Rejection, Score, default_normalize},
    node::{NodeIndex, NodeInfo, Taint},
    pod::{PodInfo, Toleration},
};

pub const PLUGIN: Plugin = Plugin {
    name: "TaintToleration",
    weight: 3,
    filter: Some(&TaintToleration),
    score: Some(&TaintToleration),
    hint: Some(&TaintToleration),
    ..NOTHING
};

struct TaintToleration;

impl Filter for TaintToleration {
    fn filter(&self, cx: Context, _state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        if fits(&node.taints, cx.pod) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) had untolerated taint(s)"))
    }
}

impl Score for TaintToleration {
    fn score(&self, cx: Context, _state: &CycleState, _index: NodeIndex, node: &NodeInfo) -> i64 {
        let soft = node.taints.iter().filter(|taint| &*taint.effect == "PreferNoSchedule");
        soft.filter(|taint| !taint.is_tolerated(tolerations(cx.pod))).count() as i64
    }

    fn normalize(&self, _cx: Context, _state: &CycleState, _nodes: &[NodeIndex], scores: &mut [i64]) {
        default_normalize(true, scores);
    }
}

impl QueueingHint for TaintToleration {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => fits(&node.taints, pod),
            ClusterEvent::NodeUpdated { old, new } => !fits(&old.taints, pod) && fits(&new.taints, pod),
            _ => false,
        }
    }
}

fn tolerations(pod: &PodInfo) -> &[Toleration] {
    pod.pending.as_ref().map(|pending| &pending.tolerations[..]).unwrap_or_default()
}

/// Does the pod tolerate every taint that keeps pods off?
pub fn fits(taints: &[Taint], pod: &PodInfo) -> bool {
    taints.iter().all(|taint| !taint.is_hard() || taint.is_tolerated(tolerations(pod)))
}
