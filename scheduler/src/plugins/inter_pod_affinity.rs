//! InterPodAffinity: pods that must, must not, should or should not share a topology with others.
//!
//! Pods are looked at by class (see `cluster`): each term is matched once per class instead of once per pod.

use std::collections::HashMap;

use super::{CycleState, NOTHING, Plugin};
use crate::{
    cluster::Cluster,
    framework::{
        ClusterEvent, Context, Filter, MAX_NODE_SCORE, PreFilter, PreFilterResult, PreScore, QueueingHint, Rejection,
        Score,
    },
    labels::Selector,
    node::{NodeIndex, NodeInfo, Symbol, Symbols},
    pod::{AffinityTerm, PodAffinity, PodClass, PodInfo},
};

pub const PLUGIN: Plugin = Plugin {
    name: "InterPodAffinity",
    weight: 2,
    pre_filter: Some(&InterPodAffinity),
    filter: Some(&InterPodAffinity),
    pre_score: Some(&InterPodAffinity),
    score: Some(&InterPodAffinity),
    hint: Some(&InterPodAffinity),
    ..NOTHING
};

struct InterPodAffinity;

/// `InterPodAffinityArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// What a required term of another pod that matches this one is worth in scoring.
    pub hard_pod_affinity_weight: i64,
    pub ignore_preferred_terms_of_existing_pods: bool,
}

impl Default for Args {
    fn default() -> Self {
        Args { hard_pod_affinity_weight: 1, ignore_preferred_terms_of_existing_pods: false }
    }
}

/// How many pods match, by topology key and value.
type Counts = HashMap<(Symbol, Symbol), i64>;

/// What Filter needs.
#[derive(Clone, Default)]
pub struct State {
    /// Pods whose anti-affinity rejects this one.
    existing_anti: Counts,
    /// Pods that match all of this one's required terms.
    affinity: Counts,
    /// Pods that match one of this one's required anti-affinity terms.
    anti: Counts,
}

/// Weights by topology key and value.
#[derive(Clone, Default)]
pub struct ScoreState(HashMap<Symbol, HashMap<Symbol, i64>>);

static NO_AFFINITY: PodAffinity =
    PodAffinity { required: Vec::new(), anti_required: Vec::new(), preferred: Vec::new(), anti_preferred: Vec::new() };

fn affinity_of(class: &PodClass) -> &PodAffinity {
    class.affinity.as_deref().unwrap_or(&NO_AFFINITY)
}

impl PreFilter for InterPodAffinity {
    fn pre_filter(&self, cx: Context, state: &mut CycleState) -> Result<PreFilterResult, Rejection> {
        let own = affinity_of(&cx.pod.class);
        let state = &mut state.inter_pod_affinity;
        for (class, nodes) in cx.cluster.classes_with_affinity() {
            count_existing_anti(cx, state, class, nodes.iter().map(|(index, count)| (*index, i64::from(*count))));
        }
        for_each_candidate(cx.cluster, own.required.iter().chain(&own.anti_required), |class, nodes| {
            count_own(cx, state, class, || nodes.iter().map(|(index, count)| (*index, i64::from(*count))));
        });
        if state.existing_anti.is_empty() && own.required.is_empty() && own.anti_required.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        Ok(PreFilterResult::AllNodes)
    }

    fn account(&self, cx: Context, state: &mut CycleState, pod: &PodInfo, node: &NodeInfo, sign: i64) {
        let Some(index) = cx.cluster.find_node(&node.name) else { return };
        let state = &mut state.inter_pod_affinity;
        count_existing_anti(cx, state, &pod.class, std::iter::once((index, sign)));
        count_own(cx, state, &pod.class, || std::iter::once((index, sign)));
    }
}

/// Adds pods of `class` on nodes to what rejects the pod.
fn count_existing_anti(
    cx: Context,
    state: &mut State,
    class: &PodClass,
    nodes: impl Iterator<Item = (NodeIndex, i64)> + Clone,
) {
    let labels = cx.cluster.namespace_labels(cx.pod.namespace());
    for term in affinity_of(class).anti_required.iter().filter(|term| term.matches(&cx.pod.class, labels)) {
        add(&mut state.existing_anti, cx.cluster, term, nodes.clone());
    }
}

/// Adds pods of `class` on nodes to what the pod's own terms find.
fn count_own<I: Iterator<Item = (NodeIndex, i64)>>(
    cx: Context,
    state: &mut State,
    class: &PodClass,
    nodes: impl Fn() -> I,
) {
    let own = affinity_of(&cx.pod.class);
    let labels = cx.cluster.namespace_labels(&class.namespace);
    if !own.required.is_empty() && own.required.iter().all(|term| term.matches(class, labels)) {
        for term in &own.required {
            add(&mut state.affinity, cx.cluster, term, nodes());
        }
    }
    for term in own.anti_required.iter().filter(|term| term.matches(class, labels)) {
        add(&mut state.anti, cx.cluster, term, nodes());
    }
}

fn add(counts: &mut Counts, cluster: &Cluster, term: &AffinityTerm, nodes: impl Iterator<Item = (NodeIndex, i64)>) {
    let Some(key) = cluster.symbols.get(&term.topology_key) else { return };
    for (index, count) in nodes {
        if let Some(value) = cluster.node(index).label(key) {
            let sum = counts.entry((key, value)).or_default();
            *sum += count;
            if *sum == 0 {
                counts.remove(&(key, value));
            }
        }
    }
}

/// Visits each class that one of the terms may speak of, once.
fn for_each_candidate<'a>(
    cluster: &'a Cluster,
    terms: impl Iterator<Item = &'a AffinityTerm>,
    mut visit: impl FnMut(&'a PodClass, &'a HashMap<NodeIndex, u32>),
) {
    let mut namespaces: Vec<&str> = Vec::new();
    for term in terms {
        if term.namespace_selector != Selector::Nothing {
            return cluster.classes().for_each(|(class, nodes)| visit(class, nodes));
        }
        namespaces.extend(term.namespaces.iter().map(|name| &**name));
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        cluster.classes_in(namespace).for_each(|(class, nodes)| visit(class, nodes));
    }
}

impl Filter for InterPodAffinity {
    fn filter(&self, cx: Context, state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        let state = &state.inter_pod_affinity;
        let own = affinity_of(&cx.pod.class);
        let symbols = &cx.cluster.symbols;
        if !has_wanted_company(cx, state, own, node, symbols) {
            return Err(Rejection::unresolvable("node(s) didn't match pod affinity rules"));
        }
        let avoided = |term: &AffinityTerm| {
            pair(term, node, symbols).is_some_and(|pair| state.anti.get(&pair).is_some_and(|count| *count > 0))
        };
        if !state.anti.is_empty() && own.anti_required.iter().any(avoided) {
            return Err(Rejection::unschedulable("node(s) didn't match pod anti-affinity rules"));
        }
        let rejects = |pair: &(Symbol, Symbol)| state.existing_anti.get(pair).is_some_and(|count| *count > 0);
        if !state.existing_anti.is_empty() && node.labels().iter().any(rejects) {
            return Err(Rejection::unschedulable("node(s) didn't satisfy existing pods anti-affinity rules"));
        }
        Ok(())
    }
}

fn pair(term: &AffinityTerm, node: &NodeInfo, symbols: &Symbols) -> Option<(Symbol, Symbol)> {
    let key = symbols.get(&term.topology_key)?;
    Some((key, node.label(key)?))
}

fn has_wanted_company(cx: Context, state: &State, own: &PodAffinity, node: &NodeInfo, symbols: &Symbols) -> bool {
    let mut all_present = true;
    for term in &own.required {
        let Some(pair) = pair(term, node, symbols) else { return false };
        all_present &= state.affinity.get(&pair).is_some_and(|count| *count > 0);
    }
    // The first of a series of pods that want each other's company must be able to start.
    let labels = cx.cluster.namespace_labels(cx.pod.namespace());
    all_present || state.affinity.is_empty() && own.required.iter().all(|term| term.matches(&cx.pod.class, labels))
}

impl PreScore for InterPodAffinity {
    fn pre_score(&self, cx: Context, state: &mut CycleState, _nodes: &[NodeIndex]) -> bool {
        let own = affinity_of(&cx.pod.class);
        let has_preferences = !own.preferred.is_empty() || !own.anti_preferred.is_empty();
        let args = &cx.args.inter_pod_affinity;
        if args.ignore_preferred_terms_of_existing_pods && !has_preferences {
            return false;
        }
        let scores = &mut state.inter_pod_affinity_score.0;
        for (class, nodes) in cx.cluster.classes_with_affinity() {
            let theirs = affinity_of(class);
            let labels = cx.cluster.namespace_labels(cx.pod.namespace());
            let required = theirs.required.iter().map(|term| (args.hard_pod_affinity_weight, term));
            let preferred = theirs.preferred.iter().map(|(weight, term)| (i64::from(*weight), term));
            let anti = theirs.anti_preferred.iter().map(|(weight, term)| (-i64::from(*weight), term));
            for (weight, term) in required.chain(preferred).chain(anti) {
                if weight != 0 && term.matches(&cx.pod.class, labels) {
                    add_score(scores, cx.cluster, term, weight, nodes);
                }
            }
        }
        let preferred = || own.preferred.iter().map(|(weight, term)| (i64::from(*weight), term));
        let anti = || own.anti_preferred.iter().map(|(weight, term)| (-i64::from(*weight), term));
        for_each_candidate(cx.cluster, preferred().chain(anti()).map(|(_, term)| term), |class, nodes| {
            let labels = cx.cluster.namespace_labels(&class.namespace);
            for (weight, term) in preferred().chain(anti()).filter(|(_, term)| term.matches(class, labels)) {
                add_score(scores, cx.cluster, term, weight, nodes);
            }
        });
        !scores.is_empty()
    }
}

fn add_score(
    scores: &mut HashMap<Symbol, HashMap<Symbol, i64>>,
    cluster: &Cluster,
    term: &AffinityTerm,
    weight: i64,
    nodes: &HashMap<NodeIndex, u32>,
) {
    let Some(key) = cluster.symbols.get(&term.topology_key) else { return };
    for (index, count) in nodes {
        if let Some(value) = cluster.node(*index).label(key) {
            *scores.entry(key).or_default().entry(value).or_default() += weight * i64::from(*count);
        }
    }
}

impl Score for InterPodAffinity {
    fn score(&self, _cx: Context, state: &CycleState, _index: NodeIndex, node: &NodeInfo) -> i64 {
        let values = state.inter_pod_affinity_score.0.iter();
        values.filter_map(|(key, values)| values.get(&node.label(*key)?)).sum()
    }

    fn normalize(&self, _cx: Context, _state: &CycleState, _nodes: &[NodeIndex], scores: &mut [i64]) {
        let (Some(least), Some(most)) = (scores.iter().copied().min(), scores.iter().copied().max()) else { return };
        for score in scores {
            let share = if most > least { (*score - least) as f64 / (most - least) as f64 } else { 0.0 };
            *score = (MAX_NODE_SCORE as f64 * share) as i64;
        }
    }
}

impl QueueingHint for InterPodAffinity {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool {
        let own = affinity_of(&pod.class);
        // Namespaces' labels are not at hand here: a term with a namespace selector may speak of any namespace.
        let speaks_of = |term: &AffinityTerm, class: &PodClass| {
            let named = term.namespaces.iter().any(|name| **name == *class.namespace);
            (named || term.namespace_selector != Selector::Nothing) && term.selector.matches(&class.labels)
        };
        let wanted = |class: &PodClass| own.required.iter().any(|term| speaks_of(term, class));
        let avoided = |class: &PodClass| {
            own.anti_required.iter().any(|term| speaks_of(term, class))
                || affinity_of(class).anti_required.iter().any(|term| speaks_of(term, &pod.class))
        };
        match event {
            ClusterEvent::PodAssigned(new) => wanted(&new.class),
            ClusterEvent::AssignedPodUpdated { old, new } => {
                !wanted(&old.class) && wanted(&new.class) || avoided(&old.class) && !avoided(&new.class)
            }
            ClusterEvent::AssignedPodDeleted(gone) => avoided(&gone.class),
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::NodeUpdated { old, new } => old.labels != new.labels,
            ClusterEvent::NamespaceChanged => true,
            ClusterEvent::VolumeChanged => false,
        }
    }
}
