//! NodeAffinity: `nodeSelector`, required and preferred node affinity.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{
        ClusterEvent, Context, Filter, PreFilter, PreFilterResult, PreScore, QueueingHint, Rejection, Score,
        default_normalize,
    },
    node::{NodeFacts, NodeIndex, NodeInfo, Symbols},
    node_selector::{Compiled, CompiledTerm, RequiredNodes},
    pod::PodInfo,
};

pub const PLUGIN: Plugin = Plugin {
    name: "NodeAffinity",
    weight: 2,
    pre_filter: Some(&NodeAffinity),
    filter: Some(&NodeAffinity),
    pre_score: Some(&NodeAffinity),
    score: Some(&NodeAffinity),
    hint: Some(&NodeAffinity),
    ..NOTHING
};

struct NodeAffinity;

/// What the pod asks for, compiled.
#[derive(Clone, Default)]
pub struct State {
    required: Compiled,
    preferred: Vec<(i32, CompiledTerm)>,
}

impl PreFilter for NodeAffinity {
    fn pre_filter(&self, cx: Context, state: &mut CycleState) -> Result<PreFilterResult, Rejection> {
        let Some(required) = required(cx.pod) else { return Ok(PreFilterResult::Skip) };
        state.node_affinity.required = Compiled::new(required, &cx.cluster.symbols);
        let terms = required.terms.as_deref().unwrap_or_default();
        let mut names = Vec::new();
        for term in terms {
            match term.node_names() {
                // This term leaves the name open.
                None => return Ok(PreFilterResult::AllNodes),
                Some(these) => names.extend(these.into_iter().map(Box::from)),
            }
        }
        match (terms.is_empty(), names.is_empty()) {
            (true, _) => Ok(PreFilterResult::AllNodes),
            (false, true) => Err(Rejection::unresolvable("pod affinity terms conflict")),
            (false, false) => Ok(PreFilterResult::Nodes(names)),
        }
    }
}

impl Filter for NodeAffinity {
    fn filter(&self, cx: Context, state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        if state.node_affinity.required.matches(node, &cx.cluster.symbols) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match Pod's node affinity/selector"))
    }
}

impl PreScore for NodeAffinity {
    fn pre_score(&self, cx: Context, state: &mut CycleState, _nodes: &[NodeIndex]) -> bool {
        let preferred = cx.pod.pending.iter().flat_map(|pending| &pending.preferred_nodes);
        // A preference without a condition is none.
        let preferred =
            preferred.filter(|(weight, term)| *weight != 0 && !(term.expressions.is_empty() && term.fields.is_empty()));
        let compile = |(weight, term): &(i32, _)| (*weight, CompiledTerm::new(term, &cx.cluster.symbols));
        state.node_affinity.preferred = preferred.map(compile).collect();
        !state.node_affinity.preferred.is_empty()
    }
}

impl Score for NodeAffinity {
    fn score(&self, cx: Context, state: &CycleState, _index: NodeIndex, node: &NodeInfo) -> i64 {
        let preferred = state.node_affinity.preferred.iter();
        preferred
            .filter(|(_, term)| term.matches(node, &cx.cluster.symbols))
            .map(|(weight, _)| i64::from(*weight))
            .sum()
    }

    fn normalize(&self, _cx: Context, _state: &CycleState, _nodes: &[NodeIndex], scores: &mut [i64]) {
        default_normalize(false, scores);
    }
}

impl QueueingHint for NodeAffinity {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => fits(pod, node),
            ClusterEvent::NodeUpdated { old, new } => old.labels != new.labels && !fits(pod, old) && fits(pod, new),
            _ => false,
        }
    }
}

fn required(pod: &PodInfo) -> Option<&RequiredNodes> {
    pod.pending.as_ref()?.required_nodes.as_ref()
}

/// The pod's required nodes, compiled: nothing required matches every node.
pub fn compiled(pod: &PodInfo, symbols: &Symbols) -> Compiled {
    required(pod).map(|required| Compiled::new(required, symbols)).unwrap_or_default()
}

fn fits(pod: &PodInfo, facts: &NodeFacts) -> bool {
    let mut symbols = Symbols::default();
    let mut node = NodeInfo::named(&facts.name);
    node.set_facts(std::sync::Arc::new(facts.clone()), &mut symbols);
    compiled(pod, &symbols).matches(&node, &symbols)
}
