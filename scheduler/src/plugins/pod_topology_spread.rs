//! PodTopologySpread: pods spread evenly over zones, nodes or any other topology.
//!
//! Pods without constraints of their own are spread, softly, among those that their Services and their owner select.

use std::collections::HashSet;

use super::{CycleState, NOTHING, Plugin, node_affinity, taint_toleration};
use crate::{
    framework::{
        ClusterEvent, Context, Filter, MAX_NODE_SCORE, PreFilter, PreFilterResult, PreScore, QueueingHint, Rejection,
        Score,
    },
    node::{FastMap, NodeIndex, NodeInfo, Symbol},
    node_selector::Compiled,
    pod::{PodClass, PodInfo, SpreadConstraint},
};

pub const PLUGIN: Plugin = Plugin {
    name: "PodTopologySpread",
    weight: 2,
    pre_filter: Some(&PodTopologySpread),
    filter: Some(&PodTopologySpread),
    pre_score: Some(&PodTopologySpread),
    score: Some(&PodTopologySpread),
    hint: Some(&PodTopologySpread),
    ..NOTHING
};

const HOSTNAME: &str = "kubernetes.io/hostname";
/// What pods without constraints of their own are spread over, and how unevenly they may be.
const DEFAULT_CONSTRAINTS: [(&str, i64); 2] = [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)];

struct PodTopologySpread;

/// What Filter needs: one entry per hard constraint, in the pod's order.
#[derive(Clone, Default)]
pub struct State(Vec<Domains>);

/// The domains of one constraint.
#[derive(Clone)]
struct Domains {
    /// None: no node has the topology label.
    key: Option<Symbol>,
    counts: FastMap<Symbol, i64>,
    /// The smallest count, 0 where there are fewer domains than the constraint asks for.
    least: i64,
}

impl Domains {
    fn update_least(&mut self, min_domains: usize) {
        let least = self.counts.values().copied().min().unwrap_or(0);
        self.least = if self.counts.len() < min_domains { 0 } else { least };
    }
}

/// What Score needs.
#[derive(Clone, Default)]
pub struct ScoreState {
    constraints: Vec<SoftConstraint>,
    /// Nodes without all topology labels.
    ignored: HashSet<NodeIndex>,
}

#[derive(Clone)]
struct SoftConstraint {
    key: Option<Symbol>,
    max_skew: i64,
    weight: f64,
    counts: SoftCounts,
}

#[derive(Clone)]
enum SoftCounts {
    PerNode(FastMap<NodeIndex, i64>),
    PerValue(FastMap<Symbol, i64>),
}

fn constraints(pod: &PodInfo, hard: bool) -> Vec<&SpreadConstraint> {
    let all = pod.pending.iter().flat_map(|pending| &pending.spread);
    all.filter(|constraint| constraint.hard == hard).collect()
}

/// The soft constraints of a pod that has none of its own.
fn default_constraints(cx: Context) -> Vec<SpreadConstraint> {
    let Some(selector) = cx.cluster.companions(cx.pod).filter(|selector| !selector.is_everything()) else {
        return Vec::new();
    };
    let constraint = |(key, max_skew): (&str, i64)| SpreadConstraint {
        max_skew,
        topology_key: key.into(),
        hard: false,
        selector: selector.clone(),
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
    };
    DEFAULT_CONSTRAINTS.into_iter().map(constraint).collect()
}

/// Which nodes a constraint counts.
struct Inclusion<'a> {
    cx: Context<'a>,
    required: Compiled,
    keys: Vec<Option<Symbol>>,
}

impl<'a> Inclusion<'a> {
    fn new(cx: Context<'a>, constraints: &[&SpreadConstraint]) -> Self {
        let symbols = &cx.cluster.symbols;
        let keys = constraints.iter().map(|constraint| symbols.get(&constraint.topology_key)).collect();
        Inclusion { cx, required: node_affinity::compiled(cx.pod, symbols), keys }
    }

    fn has_all_labels(&self, node: &NodeInfo) -> bool {
        self.keys.iter().all(|key| key.is_some_and(|key| node.label(key).is_some()))
    }

    /// Nothing but the constraint's own key decides whether a node counts.
    fn counts_every_node(&self, constraint: &SpreadConstraint) -> bool {
        let required = self.cx.pod.pending.as_ref().and_then(|pending| pending.required_nodes.as_ref());
        self.keys.iter().all(|key| *key == self.keys[0])
            && (!constraint.honor_affinity || required.is_none())
            && !constraint.honor_taints
    }

    /// How many pods each domain has, on the nodes that count.
    fn totals(&self, constraint: &SpreadConstraint, key: Symbol) -> FastMap<Symbol, i64> {
        let cluster = self.cx.cluster;
        let mut values: FastMap<NodeIndex, Symbol> = FastMap::default();
        for index in cluster.order() {
            let node = cluster.node(*index);
            if self.has_all_labels(node)
                && self.includes(constraint, node)
                && let Some(value) = node.label(key)
            {
                values.insert(*index, value);
            }
        }
        let mut totals: FastMap<Symbol, i64> = values.values().map(|value| (*value, 0)).collect();
        for (class, of_class) in cluster.classes_in(self.cx.pod.namespace()) {
            if counts(constraint, class) {
                for (index, count) in of_class.nodes() {
                    if let Some(sum) = values.get(index).and_then(|value| totals.get_mut(value)) {
                        *sum += i64::from(*count);
                    }
                }
            }
        }
        totals
    }

    fn includes(&self, constraint: &SpreadConstraint, node: &NodeInfo) -> bool {
        (!constraint.honor_affinity || self.required.matches(node, &self.cx.cluster.symbols))
            && (!constraint.honor_taints || taint_toleration::fits(&node.taints, self.cx.pod))
    }
}

/// How many pods each domain has, where every node with the key counts.
fn totals(cx: Context, constraint: &SpreadConstraint, key: Symbol) -> FastMap<Symbol, i64> {
    let mut totals: FastMap<Symbol, i64> = cx.cluster.domains(key).keys().map(|value| (*value, 0)).collect();
    for (class, of_class) in cx.cluster.classes_in(cx.pod.namespace()) {
        if counts(constraint, class) {
            for (value, count) in &of_class.sums(cx.cluster, key).by_value {
                *totals.entry(*value).or_default() += count;
            }
        }
    }
    totals
}

/// Is a pod of this class one that the constraint counts?
fn counts(constraint: &SpreadConstraint, class: &PodClass) -> bool {
    !class.terminating && !constraint.selector.is_everything() && constraint.selector.matches(&class.labels)
}

impl PreFilter for PodTopologySpread {
    fn pre_filter(&self, cx: Context, state: &mut CycleState) -> Result<PreFilterResult, Rejection> {
        let constraints = constraints(cx.pod, true);
        if constraints.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        let inclusion = Inclusion::new(cx, &constraints);
        let mut domains = Vec::with_capacity(constraints.len());
        for (constraint, key) in constraints.iter().zip(&inclusion.keys) {
            let counts = match key {
                Some(key) if inclusion.counts_every_node(constraint) => totals(cx, constraint, *key),
                Some(key) => inclusion.totals(constraint, *key),
                None => FastMap::default(),
            };
            let mut domain = Domains { key: *key, counts, least: 0 };
            domain.update_least(constraint.min_domains);
            domains.push(domain);
        }
        state.pod_topology_spread = State(domains);
        Ok(PreFilterResult::AllNodes)
    }

    fn account(&self, cx: Context, state: &mut CycleState, pod: &PodInfo, node: &NodeInfo, sign: i64) {
        let constraints = constraints(cx.pod, true);
        let inclusion = Inclusion::new(cx, &constraints);
        if pod.namespace() != cx.pod.namespace() || !inclusion.has_all_labels(node) {
            return;
        }
        for (constraint, domains) in constraints.iter().zip(&mut state.pod_topology_spread.0) {
            if counts(constraint, &pod.class)
                && inclusion.includes(constraint, node)
                && let Some(value) = domains.key.and_then(|key| node.label(key))
            {
                *domains.counts.entry(value).or_default() += sign;
                domains.update_least(constraint.min_domains);
            }
        }
    }
}

impl Filter for PodTopologySpread {
    fn filter(&self, cx: Context, state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        let hard = cx.pod.pending.iter().flat_map(|pending| &pending.spread).filter(|constraint| constraint.hard);
        for (constraint, domains) in hard.zip(&state.pod_topology_spread.0) {
            let Some(value) = domains.key.and_then(|key| node.label(key)) else {
                let reason = "node(s) didn't match pod topology spread constraints (missing required label)";
                return Err(Rejection::unresolvable(reason));
            };
            let with = domains.counts.get(&value).copied().unwrap_or(0)
                + i64::from(constraint.selector.matches(&cx.pod.class.labels));
            if with - domains.least > constraint.max_skew {
                return Err(Rejection::unschedulable("node(s) didn't match pod topology spread constraints"));
            }
        }
        Ok(())
    }
}

impl PreScore for PodTopologySpread {
    fn pre_score(&self, cx: Context, state: &mut CycleState, nodes: &[NodeIndex]) -> bool {
        let has_own = cx.pod.pending.as_ref().is_some_and(|pending| !pending.spread.is_empty());
        let default = if has_own { Vec::new() } else { default_constraints(cx) };
        let constraints = if has_own { constraints(cx.pod, false) } else { default.iter().collect() };
        if constraints.is_empty() {
            return false;
        }
        let inclusion = Inclusion::new(cx, &constraints);
        // A cluster without zones is still spread over nodes by default.
        let without = |index: &NodeIndex| has_own && !inclusion.has_all_labels(cx.cluster.node(*index));
        let ignored: HashSet<NodeIndex> = nodes.iter().copied().filter(without).collect();
        let scored = || nodes.iter().filter(|index| !ignored.contains(index));
        let soft = constraints.iter().zip(&inclusion.keys).map(|(constraint, key)| {
            let classes = cx.cluster.classes_in(cx.pod.namespace()).filter(|(class, _)| counts(constraint, class));
            let (counts, domains) = if &*constraint.topology_key == HOSTNAME {
                let mut counts: FastMap<NodeIndex, i64> = FastMap::default();
                for (index, count) in classes.flat_map(|(_, counts)| counts.nodes()) {
                    *counts.entry(*index).or_default() += i64::from(*count);
                }
                (SoftCounts::PerNode(counts), nodes.len() - ignored.len())
            } else {
                let value = |index: &NodeIndex| key.and_then(|key| cx.cluster.node(*index).label(key));
                let mut counts: FastMap<Symbol, i64> = scored().filter_map(|index| Some((value(index)?, 0))).collect();
                for (index, count) in classes.flat_map(|(_, counts)| counts.nodes()) {
                    let node = cx.cluster.node(*index);
                    if let Some(sum) = value(index).and_then(|value| counts.get_mut(&value))
                        && (!has_own || inclusion.has_all_labels(node))
                        && inclusion.includes(constraint, node)
                    {
                        *sum += i64::from(*count);
                    }
                }
                let domains = counts.len();
                (SoftCounts::PerValue(counts), domains)
            };
            SoftConstraint { key: *key, max_skew: constraint.max_skew, weight: ((domains + 2) as f64).ln(), counts }
        });
        let soft = soft.collect();
        state.pod_topology_spread_score = ScoreState { constraints: soft, ignored };
        true
    }
}

impl Score for PodTopologySpread {
    fn score(&self, _cx: Context, state: &CycleState, index: NodeIndex, node: &NodeInfo) -> i64 {
        let state = &state.pod_topology_spread_score;
        if state.ignored.contains(&index) {
            return 0;
        }
        let mut score = 0.0;
        for constraint in &state.constraints {
            let Some(value) = constraint.key.and_then(|key| node.label(key)) else { continue };
            let count = match &constraint.counts {
                SoftCounts::PerNode(counts) => counts.get(&index).copied().unwrap_or(0),
                SoftCounts::PerValue(counts) => counts.get(&value).copied().unwrap_or(0),
            };
            score += count as f64 * constraint.weight + (constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    }

    fn normalize(&self, _cx: Context, state: &CycleState, nodes: &[NodeIndex], scores: &mut [i64]) {
        let ignored = &state.pod_topology_spread_score.ignored;
        let counted = || nodes.iter().zip(&*scores).filter(|(index, _)| !ignored.contains(index));
        let least = counted().map(|(_, score)| *score).min().unwrap_or(0);
        let most = counted().map(|(_, score)| *score).max().unwrap_or(0);
        for (index, score) in nodes.iter().zip(scores) {
            *score = match (ignored.contains(index), most) {
                (true, _) => 0,
                (false, 0) => MAX_NODE_SCORE,
                (false, _) => MAX_NODE_SCORE * (most + least - *score) / most,
            };
        }
    }
}

impl QueueingHint for PodTopologySpread {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool {
        let hard = constraints(pod, true);
        let counted = |other: &PodInfo| {
            other.namespace() == pod.namespace() && hard.iter().any(|constraint| counts(constraint, &other.class))
        };
        match event {
            ClusterEvent::PodAssigned(other) | ClusterEvent::AssignedPodDeleted(other) => counted(other),
            ClusterEvent::AssignedPodUpdated { old, new } => counted(old) != counted(new),
            // Domains may appear, vanish, or become eligible.
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::NodeUpdated { old, new } => old.labels != new.labels || old.taints != new.taints,
            ClusterEvent::NamespaceChanged | ClusterEvent::VolumeChanged => false,
        }
    }
}
