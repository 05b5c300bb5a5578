//! One scheduling cycle: which node is best for a pod, or why none fits. Pure: it reads the cluster and decides.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{
    cluster::Cluster,
    framework::{Context, Diagnosis, Filter, PluginSet, PostFilterResult, PreFilter, PreFilterResult, Rejection},
    node::{NodeIndex, NodeInfo},
    plugins::CycleState,
    pod::{PodInfo, PodKey},
    profile::Profile,
};

/// At least so many fitting nodes are looked for.
const MIN_FEASIBLE_NODES: usize = 100;
/// The adaptive percentage goes no lower than this.
const MIN_FEASIBLE_PERCENTAGE: usize = 5;

/// What a cycle works on.
pub struct Cycle<'a> {
    pub cx: Context<'a>,
    pub profile: &'a Profile,
    pub nominations: &'a Nominations,
    pub state: CycleState,
    /// For ties, and for where preemption starts.
    pub random: u32,
    filters: Vec<(PluginSet, &'static dyn Filter)>,
    accounts: Vec<&'static dyn PreFilter>,
}

/// Where a pod goes.
#[derive(Debug, PartialEq)]
pub struct Placement {
    pub node: NodeIndex,
    pub evaluated: usize,
    pub feasible: usize,
}

/// Why a pod goes nowhere.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// There is no node at all.
    NoNodes,
    Unfit(Box<Diagnosis>, PostFilterResult),
}

/// A node's claim to the pod. The largest wins; the last field is the tie-break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    total: i64,
    random: u64,
    node: NodeIndex,
}

/// Pods that were promised room on a node where pods are being evicted for them.
#[derive(Debug, Default)]
pub struct Nominations {
    nodes: HashMap<PodKey, Box<str>>,
    pods: HashMap<Box<str>, Vec<Arc<PodInfo>>>,
}

impl Nominations {
    /// Nominates a node for a pod, in place of any other; an empty name takes the nomination back.
    pub fn set(&mut self, pod: &Arc<PodInfo>, node: &str) {
        self.remove(&pod.key);
        if !node.is_empty() {
            self.nodes.insert(pod.key.clone(), node.into());
            self.pods.entry(node.into()).or_default().push(pod.clone());
        }
    }

    pub fn remove(&mut self, key: &str) {
        if let Some(node) = self.nodes.remove(key)
            && let Some(pods) = self.pods.get_mut(&node)
        {
            pods.retain(|pod| *pod.key != *key);
            if pods.is_empty() {
                self.pods.remove(&node);
            }
        }
    }

    pub fn of(&self, key: &str) -> Option<&str> {
        self.nodes.get(key).map(|node| &**node)
    }

    fn on(&self, node: &str) -> &[Arc<PodInfo>] {
        self.pods.get(node).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A small generator of pseudo-random numbers (splitmix64): ties need no better.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Finds the best node for `pod`. `start` is where the round over the nodes goes on, for all of them to have a turn.
pub fn schedule(
    cluster: &Cluster,
    profile: &Profile,
    nominations: &Nominations,
    pod: &PodInfo,
    start: &mut usize,
    random: &mut Random,
) -> Result<Placement, Failure> {
    if cluster.order().is_empty() {
        return Err(Failure::NoNodes);
    }
    let mut cycle = Cycle {
        cx: Context { cluster, args: &profile.args, pod },
        profile,
        nominations,
        state: CycleState::default(),
        random: random.draw() as u32,
        filters: Vec::new(),
        accounts: Vec::new(),
    };
    let mut diagnosis = Diagnosis { all_nodes: cluster.order().len(), ..Diagnosis::default() };
    let feasible = cycle.find_feasible(&mut diagnosis, start);
    if feasible.is_empty() {
        let mut result = PostFilterResult::default();
        for post_filter in &profile.post_filters {
            result = post_filter.post_filter(&cycle, &diagnosis);
            if !result.victims.is_empty() {
                break;
            }
        }
        diagnosis.post_filter = result.message.clone();
        return Err(Failure::Unfit(Box::new(diagnosis), result));
    }
    let evaluated = feasible.len() + diagnosis.nodes.len();
    let node = if feasible.len() == 1 { feasible[0] } else { cycle.best(&feasible, random) };
    Ok(Placement { node, evaluated, feasible: feasible.len() })
}

impl Cycle<'_> {
    /// The nodes that fit, as many as are wanted; what rejects the others goes into the diagnosis.
    fn find_feasible(&mut self, diagnosis: &mut Diagnosis, start: &mut usize) -> Vec<NodeIndex> {
        let cluster = self.cx.cluster;
        let candidates = match self.pre_filter(diagnosis) {
            Ok(candidates) => candidates,
            Err(rejection) => {
                diagnosis.pre_filter = Some(rejection.message());
                diagnosis.plugins.insert(rejection.plugin);
                return Vec::new();
            }
        };
        // Room was made there for this pod: likely the only node that fits.
        let status = self.cx.pod.pending.as_ref().map(|pending| &*pending.nominated_node).unwrap_or_default();
        let nominated = self.nominations.of(&self.cx.pod.key).unwrap_or(status);
        if let Some(index) = cluster.find_node(nominated)
            && self.fits(&self.state, cluster.node(index)).is_ok()
        {
            return vec![index];
        }
        let all;
        let nodes: &[NodeIndex] = match candidates {
            None => cluster.order(),
            Some(some) => {
                all = some;
                &all
            }
        };
        let wanted = if self.profile.scores.is_empty() {
            1
        } else {
            feasible_nodes_to_find(nodes.len(), self.profile.percentage_of_nodes_to_score)
        };
        let mut feasible = Vec::with_capacity(wanted);
        let mut processed = 0;
        while processed < nodes.len() && feasible.len() < wanted {
            let index = nodes[(*start + processed) % nodes.len()];
            processed += 1;
            match self.fits(&self.state, cluster.node(index)) {
                Ok(()) => feasible.push(index),
                Err(rejection) => {
                    diagnosis.plugins.insert(rejection.plugin);
                    diagnosis.nodes.push((index, rejection));
                }
            }
        }
        *start = (*start + processed) % cluster.order().len();
        feasible
    }

    /// Runs PreFilter; gives the nodes to look at where not all are to be.
    fn pre_filter(&mut self, diagnosis: &mut Diagnosis) -> Result<Option<Vec<NodeIndex>>, Rejection> {
        let mut skipped = PluginSet::default();
        let mut names: Option<Vec<Box<str>>> = None;
        let mut restricting: Vec<&'static str> = Vec::new();
        for (plugin, name, pre_filter) in &self.profile.pre_filters {
            let result = pre_filter.pre_filter(self.cx, &mut self.state);
            match result.map_err(|rejection| Rejection { plugin: *plugin, ..rejection })? {
                PreFilterResult::Skip => skipped.insert(*plugin),
                PreFilterResult::AllNodes => self.accounts.push(*pre_filter),
                PreFilterResult::Nodes(these) => {
                    self.accounts.push(*pre_filter);
                    diagnosis.plugins.insert(*plugin);
                    restricting.push(name);
                    restricting.sort_unstable();
                    let both = match names {
                        None => these,
                        Some(names) => names.into_iter().filter(|name| these.contains(name)).collect(),
                    };
                    if both.is_empty() {
                        let message = match &restricting[..] {
                            [one] => format!("node(s) didn't satisfy plugin {one}"),
                            more => format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", more.join(" ")),
                        };
                        return Err(Rejection { plugin: diagnosis.plugins, ..Rejection::unresolvable(message) });
                    }
                    names = Some(both);
                }
            }
        }
        let filters = self.profile.filters.iter().copied();
        self.filters = filters.filter(|(plugin, _)| !skipped.contains(*plugin)).collect();
        Ok(names.map(|names| {
            let reason = format!("node(s) didn't satisfy plugin(s) [{}]", restricting.join(" "));
            diagnosis.absent = Some(reason.into());
            let mut nodes: Vec<_> = names.iter().filter_map(|name| self.cx.cluster.find_node(name)).collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        }))
    }

    /// Does the pod fit, also when pods of the same or a higher priority come to the node that were promised room?
    pub fn fits(&self, state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        let nominated = self.nominations.on(&node.name).iter();
        let mut coming =
            nominated.filter(|other| other.priority >= self.cx.pod.priority && other.key != self.cx.pod.key).peekable();
        if coming.peek().is_some() {
            let mut node = node.clone();
            let mut state = state.clone();
            for pod in coming {
                node.add_pod(pod.clone());
                self.account(&mut state, pod, &node, 1);
            }
            self.filter(&state, &node)?;
        }
        // Without them, too: the pod may want the company of pods that are not there yet.
        self.filter(state, node)
    }

    fn filter(&self, state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        for (plugin, filter) in &self.filters {
            if let Err(rejection) = filter.filter(self.cx, state, node) {
                return Err(Rejection { plugin: *plugin, ..rejection });
            }
        }
        Ok(())
    }

    /// Brings the state up to a pod that is hypothetically added (1) or taken off (-1).
    pub fn account(&self, state: &mut CycleState, pod: &PodInfo, node: &NodeInfo, sign: i64) {
        for plugin in &self.accounts {
            plugin.account(self.cx, state, pod, node, sign);
        }
    }

    /// The node of the highest weighted sum of scores.
    fn best(&mut self, nodes: &[NodeIndex], random: &mut Random) -> NodeIndex {
        let mut totals = vec![0; nodes.len()];
        let mut scores = vec![0; nodes.len()];
        for scorer in &self.profile.scores {
            if let Some(pre_score) = scorer.pre_score
                && !pre_score.pre_score(self.cx, &mut self.state, nodes)
            {
                continue;
            }
            for (score, index) in scores.iter_mut().zip(nodes) {
                *score = scorer.score.score(self.cx, &self.state, *index, self.cx.cluster.node(*index));
            }
            scorer.score.normalize(self.cx, &self.state, nodes, &mut scores);
            for (total, score) in totals.iter_mut().zip(&scores) {
                *total += score * scorer.weight;
            }
        }
        let scores = totals.into_iter().zip(nodes);
        let best = scores.map(|(total, node)| Score { total, random: random.draw(), node: *node }).max();
        best.map_or(nodes[0], |best| best.node)
    }
}

/// How many fitting nodes are enough: all of few; of many, the percentage, or one that falls as the cluster grows.
fn feasible_nodes_to_find(nodes: usize, percentage: u8) -> usize {
    if nodes < MIN_FEASIBLE_NODES {
        return nodes;
    }
    let percentage = match usize::from(percentage) {
        0 => 50_usize.saturating_sub(nodes / 125).max(MIN_FEASIBLE_PERCENTAGE),
        percentage => percentage.min(100),
    };
    (nodes * percentage / 100).max(MIN_FEASIBLE_NODES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_nodes_are_tried_in_larger_clusters() {
        for (nodes, percentage, wanted) in [
            (99, 0, 99),
            (100, 0, 100),
            (1000, 0, 420),
            (5000, 0, 500),
            (10000, 0, 500),
            (5000, 30, 1500),
            (500, 100, 500),
        ] {
            assert_eq!(feasible_nodes_to_find(nodes, percentage), wanted, "{nodes} nodes, {percentage} %");
        }
    }
}
