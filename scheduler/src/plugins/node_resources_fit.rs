//! NodeResourcesFit: what the pod asks for must be free; nodes with more (or, packing, less) left are preferred.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{ClusterEvent, Context, Filter, MAX_NODE_SCORE, QueueingHint, Reasons, Rejection, Score},
    node::{NodeFacts, NodeIndex, NodeInfo},
    pod::PodInfo,
    resources::Resources,
};

pub const PLUGIN: Plugin = Plugin {
    name: "NodeResourcesFit",
    weight: 1,
    filter: Some(&NodeResourcesFit),
    score: Some(&NodeResourcesFit),
    hint: Some(&NodeResourcesFit),
    ..NOTHING
};

struct NodeResourcesFit;

/// `NodeResourcesFitArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    pub strategy: Strategy,
    /// Names and weights.
    pub resources: Vec<(Box<str>, i64)>,
}

/// How to score what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    LeastAllocated,
    MostAllocated,
}

impl Default for Args {
    fn default() -> Self {
        Args { strategy: Strategy::LeastAllocated, resources: vec![("cpu".into(), 1), ("memory".into(), 1)] }
    }
}

impl Filter for NodeResourcesFit {
    fn filter(&self, cx: Context, _state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        let wanted = &cx.pod.requests;
        let (has, used) = (&node.allocatable, &node.requested);
        let crowded = node.pods.len() as i64 + 1 > node.allowed_pods;
        // The common case first: no allocation, no names.
        let lacks = |wanted: i64, has: i64, used: i64| wanted > 0 && wanted > has - used;
        let fits = !crowded
            && !lacks(wanted.milli_cpu, has.milli_cpu, used.milli_cpu)
            && !lacks(wanted.memory, has.memory, used.memory)
            && !lacks(wanted.ephemeral_storage, has.ephemeral_storage, used.ephemeral_storage)
            && wanted.scalar.iter().all(|(name, wanted)| !lacks(*wanted, has.scalar(name), used.scalar(name)));
        if fits { Ok(()) } else { Err(insufficient(wanted, crowded, node)) }
    }
}

fn insufficient(wanted: &Resources, crowded: bool, node: &NodeInfo) -> Rejection {
    let (has, used) = (&node.allocatable, &node.requested);
    let mut reasons = Vec::new();
    let mut unresolvable = false;
    if crowded {
        reasons.push("Too many pods".into());
    }
    let mut check = |reason: std::borrow::Cow<'static, str>, wanted: i64, has: i64, used: i64| {
        if wanted > 0 && wanted > has - used {
            reasons.push(reason);
            unresolvable |= wanted > has;
        }
    };
    check("Insufficient cpu".into(), wanted.milli_cpu, has.milli_cpu, used.milli_cpu);
    check("Insufficient memory".into(), wanted.memory, has.memory, used.memory);
    let (wanted_storage, has_storage) = (wanted.ephemeral_storage, has.ephemeral_storage);
    check("Insufficient ephemeral-storage".into(), wanted_storage, has_storage, used.ephemeral_storage);
    for (name, amount) in &wanted.scalar {
        check(format!("Insufficient {name}").into(), *amount, has.scalar(name), used.scalar(name));
    }
    let reasons = match (reasons.pop(), reasons.is_empty()) {
        (Some(one), true) => Reasons::One(one),
        (last, _) => {
            reasons.extend(last);
            Reasons::Many(reasons)
        }
    };
    Rejection { unresolvable, reasons, ..Rejection::unschedulable("") }
}

impl Score for NodeResourcesFit {
    fn score(&self, cx: Context, _state: &CycleState, _index: NodeIndex, node: &NodeInfo) -> i64 {
        let args = &cx.args.node_resources_fit;
        let (mut sum, mut weights) = (0, 0);
        for (name, weight) in &args.resources {
            let pod = &cx.pod.requests;
            let (requested, allocatable) = match &**name {
                "cpu" => (node.scored_requested.0 + cx.pod.scored_requests.0, node.allocatable.milli_cpu),
                "memory" => (node.scored_requested.1 + cx.pod.scored_requests.1, node.allocatable.memory),
                name => match amounts(name, node, pod) {
                    Some(amounts) => amounts,
                    None => continue,
                },
            };
            if allocatable == 0 {
                continue;
            }
            sum += weight
                * match args.strategy {
                    Strategy::LeastAllocated if requested > allocatable => 0,
                    Strategy::LeastAllocated => share(allocatable - requested, allocatable),
                    Strategy::MostAllocated => share(requested.min(allocatable), allocatable),
                };
            weights += weight;
        }
        if weights == 0 { 0 } else { sum / weights }
    }
}

/// Hundredths; in 128 bits, for bytes times a hundred may be many.
fn share(part: i64, whole: i64) -> i64 {
    (i128::from(part) * i128::from(MAX_NODE_SCORE) / i128::from(whole)) as i64
}

/// Requested with the pod, and allocatable, of a resource other than CPU and memory; none where the pod wants none.
pub fn amounts(name: &str, node: &NodeInfo, pod: &Resources) -> Option<(i64, i64)> {
    if name == "ephemeral-storage" {
        return Some((node.requested.ephemeral_storage + pod.ephemeral_storage, node.allocatable.ephemeral_storage));
    }
    let wanted = pod.scalar(name);
    (wanted != 0).then(|| (node.requested.scalar(name) + wanted, node.allocatable.scalar(name)))
}

impl QueueingHint for NodeResourcesFit {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool {
        let frees = |freed: &Resources| {
            let wanted = &pod.requests;
            wanted.milli_cpu > 0 && freed.milli_cpu > 0
                || wanted.memory > 0 && freed.memory > 0
                || wanted.ephemeral_storage > 0 && freed.ephemeral_storage > 0
                || wanted.scalar.iter().any(|(name, wanted)| *wanted > 0 && freed.scalar(name) > 0)
        };
        match event {
            ClusterEvent::NodeAdded(node) => could_hold(node, pod),
            ClusterEvent::NodeUpdated { old, new } => {
                let mut more = new.allocatable.clone();
                more.add(&old.allocatable, -1);
                could_hold(new, pod) && (new.allowed_pods > old.allowed_pods || frees(&more))
            }
            // One pod less is always a place in the count of pods.
            ClusterEvent::AssignedPodDeleted(_) => true,
            ClusterEvent::AssignedPodUpdated { old, new } => {
                let mut freed = old.requests.clone();
                freed.add(&new.requests, -1);
                frees(&freed)
            }
            _ => false,
        }
    }
}

/// Would the pod fit if the node were empty?
fn could_hold(node: &NodeFacts, pod: &PodInfo) -> bool {
    let (wanted, has) = (&pod.requests, &node.allocatable);
    node.allowed_pods >= 1
        && wanted.milli_cpu <= has.milli_cpu
        && wanted.memory <= has.memory
        && wanted.ephemeral_storage <= has.ephemeral_storage
        && wanted.scalar.iter().all(|(name, wanted)| *wanted <= has.scalar(name))
}
