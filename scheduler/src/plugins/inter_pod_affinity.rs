//! InterPodAffinity: pods that must, must not, should or should not share a topology with others.
//!
//! Pods are looked at by class (see `cluster`): each term is matched once per class instead of once per pod.

use std::sync::Arc;

use super::{CycleState, NOTHING, Plugin};
use crate::{
    cluster::{ClassCounts, Cluster, TopologySums},
    framework::{
        ClusterEvent, Context, Filter, MAX_NODE_SCORE, PreFilter, PreFilterResult, PreScore, QueueingHint, Rejection,
        Score,
    },
    labels::Selector,
    node::{FastMap, NodeIndex, NodeInfo, Symbol, Symbols},
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

/// More sums than this are added up into one, so that asking about a node stays cheap.
const MAX_SHARED: usize = 8;

/// How many pods match, by topology key and value: sums shared with the cluster, and what is added to them.
#[derive(Clone, Default)]
struct Counts {
    shared: Vec<(Symbol, Arc<TopologySums>)>,
    added: FastMap<(Symbol, Symbol), i64>,
    total: i64,
}

impl Counts {
    fn share(&mut self, key: Symbol, sums: Arc<TopologySums>) {
        self.total += sums.total;
        if sums.by_value.is_empty() {
            return;
        }
        if self.shared.len() < MAX_SHARED {
            return self.shared.push((key, sums));
        }
        for (value, count) in &sums.by_value {
            *self.added.entry((key, *value)).or_default() += count;
        }
    }

    fn add(&mut self, pair: (Symbol, Symbol), count: i64) {
        self.total += count;
        *self.added.entry(pair).or_default() += count;
    }

    fn get(&self, pair: (Symbol, Symbol)) -> i64 {
        let shared = self.shared.iter().filter(|(key, _)| *key == pair.0);
        let shared: i64 = shared.filter_map(|(_, sums)| sums.by_value.get(&pair.1)).sum();
        shared + if self.added.is_empty() { 0 } else { self.added.get(&pair).copied().unwrap_or(0) }
    }

    /// Does any label of the node have a count?
    fn touches(&self, node: &NodeInfo) -> bool {
        let by_key = |key: Symbol| node.label(key).is_some_and(|value| self.get((key, value)) > 0);
        self.shared.iter().any(|(key, _)| by_key(*key))
            || !self.added.is_empty() && node.labels().iter().any(|pair| self.get(*pair) > 0)
    }

    /// No pod matches anywhere.
    fn is_empty(&self) -> bool {
        self.total == 0
    }
}

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

/// Weights by topology key and value: weighted sums shared with the cluster, and others added up.
#[derive(Clone, Default)]
pub struct ScoreState {
    shared: Vec<(Symbol, i64, Arc<TopologySums>)>,
    added: FastMap<(Symbol, Symbol), i64>,
}

impl ScoreState {
    fn add(&mut self, cluster: &Cluster, term: &AffinityTerm, weight: i64, class: &ClassCounts) {
        let Some(key) = cluster.symbols.get(&term.topology_key) else { return };
        let sums = class.sums(cluster, key);
        if sums.by_value.is_empty() {
            return;
        }
        if self.shared.len() < MAX_SHARED {
            return self.shared.push((key, weight, sums));
        }
        for (value, count) in &sums.by_value {
            *self.added.entry((key, *value)).or_default() += weight * count;
        }
    }
}

static NO_AFFINITY: PodAffinity =
    PodAffinity { required: Vec::new(), anti_required: Vec::new(), preferred: Vec::new(), anti_preferred: Vec::new() };

fn affinity_of(class: &PodClass) -> &PodAffinity {
    class.affinity.as_deref().unwrap_or(&NO_AFFINITY)
}

impl PreFilter for InterPodAffinity {
    fn pre_filter(&self, cx: Context, state: &mut CycleState) -> Result<PreFilterResult, Rejection> {
        let own = affinity_of(&cx.pod.class);
        let state = &mut state.inter_pod_affinity;
        for (class, counts) in cx.cluster.classes_with_affinity() {
            visit_existing_anti(cx, class, |term| share(&mut state.existing_anti, cx.cluster, term, counts));
        }
        for_each_candidate(cx.cluster, own.required.iter().chain(&own.anti_required), |class, counts| {
            visit_own(cx, class, |term, anti| {
                share(if anti { &mut state.anti } else { &mut state.affinity }, cx.cluster, term, counts);
            });
        });
        if state.existing_anti.is_empty() && own.required.is_empty() && own.anti_required.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        Ok(PreFilterResult::AllNodes)
    }

    fn account(&self, cx: Context, state: &mut CycleState, pod: &PodInfo, node: &NodeInfo, sign: i64) {
        let state = &mut state.inter_pod_affinity;
        let symbols = &cx.cluster.symbols;
        visit_existing_anti(cx, &pod.class, |term| {
            if let Some(pair) = pair(term, node, symbols) {
                state.existing_anti.add(pair, sign);
            }
        });
        visit_own(cx, &pod.class, |term, anti| {
            if let Some(pair) = pair(term, node, symbols) {
                if anti { &mut state.anti } else { &mut state.affinity }.add(pair, sign);
            }
        });
    }
}

/// Visits the terms by which pods of `class` reject the pod.
fn visit_existing_anti<'a>(cx: Context, class: &'a PodClass, visit: impl FnMut(&'a AffinityTerm)) {
    let labels = cx.cluster.namespace_labels(cx.pod.namespace());
    affinity_of(class).anti_required.iter().filter(|term| term.matches(&cx.pod.class, labels)).for_each(visit);
}

/// Visits the pod's own terms that speak of pods of `class`; true for anti-affinity.
fn visit_own(cx: Context, class: &PodClass, mut visit: impl FnMut(&AffinityTerm, bool)) {
    let own = affinity_of(&cx.pod.class);
    let labels = cx.cluster.namespace_labels(&class.namespace);
    if own.required.iter().all(|term| term.matches(class, labels)) {
        own.required.iter().for_each(|term| visit(term, false));
    }
    own.anti_required.iter().filter(|term| term.matches(class, labels)).for_each(|term| visit(term, true));
}

fn share(counts: &mut Counts, cluster: &Cluster, term: &AffinityTerm, class: &ClassCounts) {
    if let Some(key) = cluster.symbols.get(&term.topology_key) {
        counts.share(key, class.sums(cluster, key));
    }
}

/// Visits each class that one of the terms may speak of, once.
fn for_each_candidate<'a>(
    cluster: &'a Cluster,
    terms: impl Iterator<Item = &'a AffinityTerm>,
    mut visit: impl FnMut(&'a PodClass, &'a ClassCounts),
) {
    let mut namespaces: Vec<&str> = Vec::new();
    for term in terms {
        if term.namespace_selector != Selector::Nothing {
            return cluster.classes().for_each(|(class, counts)| visit(class, counts));
        }
        namespaces.extend(term.namespaces.iter().map(|name| &**name));
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        cluster.classes_in(namespace).for_each(|(class, counts)| visit(class, counts));
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
        let avoided = |term: &AffinityTerm| pair(term, node, symbols).is_some_and(|pair| state.anti.get(pair) > 0);
        if !state.anti.is_empty() && own.anti_required.iter().any(avoided) {
            return Err(Rejection::unschedulable("node(s) didn't match pod anti-affinity rules"));
        }
        if !state.existing_anti.is_empty() && state.existing_anti.touches(node) {
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
        all_present &= state.affinity.get(pair) > 0;
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
        let scores = &mut state.inter_pod_affinity_score;
        for (class, counts) in cx.cluster.classes_with_affinity() {
            let theirs = affinity_of(class);
            let labels = cx.cluster.namespace_labels(cx.pod.namespace());
            let required = theirs.required.iter().map(|term| (args.hard_pod_affinity_weight, term));
            let preferred = theirs.preferred.iter().map(|(weight, term)| (i64::from(*weight), term));
            let anti = theirs.anti_preferred.iter().map(|(weight, term)| (-i64::from(*weight), term));
            for (weight, term) in required.chain(preferred).chain(anti) {
                if weight != 0 && term.matches(&cx.pod.class, labels) {
                    scores.add(cx.cluster, term, weight, counts);
                }
            }
        }
        let preferred = || own.preferred.iter().map(|(weight, term)| (i64::from(*weight), term));
        let anti = || own.anti_preferred.iter().map(|(weight, term)| (-i64::from(*weight), term));
        for_each_candidate(cx.cluster, preferred().chain(anti()).map(|(_, term)| term), |class, counts| {
            let labels = cx.cluster.namespace_labels(&class.namespace);
            for (weight, term) in preferred().chain(anti()).filter(|(_, term)| term.matches(class, labels)) {
                scores.add(cx.cluster, term, weight, counts);
            }
        });
        !scores.shared.is_empty() || !scores.added.is_empty()
    }
}

impl Score for InterPodAffinity {
    fn score(&self, _cx: Context, state: &CycleState, _index: NodeIndex, node: &NodeInfo) -> i64 {
        let state = &state.inter_pod_affinity_score;
        let weighted = |(key, weight, sums): &(Symbol, i64, Arc<TopologySums>)| {
            Some(weight * sums.by_value.get(&node.label(*key)?)?)
        };
        let shared: i64 = state.shared.iter().filter_map(weighted).sum();
        if state.added.is_empty() {
            return shared;
        }
        shared + node.labels().iter().filter_map(|pair| state.added.get(pair)).sum::<i64>()
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
