//! The extension points of a scheduling cycle, and what a cycle says about nodes that do not fit.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, time::Duration};

use crate::{
    cluster::Cluster,
    node::{NodeFacts, NodeIndex, NodeInfo},
    plugins::{self, CycleState},
    pod::PodInfo,
};

/// The best score a node can have from one plugin.
pub const MAX_NODE_SCORE: i64 = 100;

/// What plugins are given: the cluster as it stands, their arguments, the pod that needs a node.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub cluster: &'a Cluster,
    pub args: &'a plugins::Args,
    pub pod: &'a PodInfo,
}

/// In which order pods leave the queue: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    pub priority: Reverse<i32>,
    pub queued_at: Duration,
    /// The tie-break.
    pub sequence: u64,
}

/// Orders the queue.
pub trait QueueSort: Sync {
    fn key(&self, pod: &PodInfo, queued_at: Duration, sequence: u64) -> SortKey;
}

/// Keeps pods out of the active queue.
pub trait PreEnqueue: Sync {
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection>;
}

/// What PreFilter found.
pub enum PreFilterResult {
    /// The plugin's filter has nothing to say about this pod.
    Skip,
    AllNodes,
    /// Only nodes of these names can fit.
    Nodes(Vec<Box<str>>),
}

/// Computes once per cycle what Filter needs.
pub trait PreFilter: Sync {
    fn pre_filter(&self, cx: Context, state: &mut CycleState) -> Result<PreFilterResult, Rejection>;
    /// A pod is added to a node hypothetically (`sign` 1), or taken from it (-1): brings the state up to that.
    fn account(&self, _cx: Context, _state: &mut CycleState, _pod: &PodInfo, _node: &NodeInfo, _sign: i64) {}
}

/// Says whether a node fits.
pub trait Filter: Sync {
    fn filter(&self, cx: Context, state: &CycleState, node: &NodeInfo) -> Result<(), Rejection>;
}

/// What to do about a pod that fits nowhere.
pub trait PostFilter: Sync {
    fn post_filter(&self, cycle: &crate::cycle::Cycle, diagnosis: &Diagnosis) -> PostFilterResult;
}

/// What PostFilter decided.
#[derive(Debug, Default, PartialEq)]
pub struct PostFilterResult {
    /// The node to nominate, or with an empty name, the nomination to clear; none leaves it.
    pub nominate: Option<Box<str>>,
    /// Pods to evict from that node.
    pub victims: Vec<crate::pod::PodKey>,
    /// For the FailedScheduling message.
    pub message: String,
}

/// Computes once per cycle what Score needs. False: the plugin's scores would all be the same.
pub trait PreScore: Sync {
    fn pre_score(&self, cx: Context, state: &mut CycleState, nodes: &[NodeIndex]) -> bool;
}

/// Scores a node from 0 to [`MAX_NODE_SCORE`], at the latest after `normalize`.
pub trait Score: Sync {
    fn score(&self, cx: Context, state: &CycleState, index: NodeIndex, node: &NodeInfo) -> i64;
    fn normalize(&self, _cx: Context, _state: &CycleState, _nodes: &[NodeIndex], _scores: &mut [i64]) {}
}

/// Takes what a pod needs beside the node, before it is bound; a rejection frees what others took.
pub trait Reserve: Sync {
    fn reserve(&self, cluster: &mut Cluster, pod: &PodInfo, node: &str) -> Result<(), Rejection>;
    fn unreserve(&self, cluster: &mut Cluster, pod: &PodInfo, node: &str);
}

/// Makes the request that binds a pod to a node.
pub trait Bind: Sync {
    fn bind(&self, pod: &PodInfo, node: &str) -> k8s_openapi::api::core::v1::Binding;
}

/// Something that happened in the cluster and may make pods schedulable.
#[derive(Clone, Copy)]
pub enum ClusterEvent<'a> {
    NodeAdded(&'a NodeFacts),
    NodeUpdated {
        old: &'a NodeFacts,
        new: &'a NodeFacts,
    },
    /// A pod with a node appeared, or got one.
    PodAssigned(&'a PodInfo),
    AssignedPodUpdated {
        old: &'a PodInfo,
        new: &'a PodInfo,
    },
    AssignedPodDeleted(&'a PodInfo),
    /// A namespace's labels changed.
    NamespaceChanged,
    /// A claim or volume appeared or changed.
    VolumeChanged,
}

/// Says whether an event can make a pod schedulable that the plugin rejected.
pub trait QueueingHint: Sync {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool;
}

/// Why a plugin rejected a pod on a node, or everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// Evicting other pods would not help.
    pub unresolvable: bool,
    pub reasons: Reasons,
    /// Filled in by whoever called the plugin.
    pub plugin: PluginSet,
}

/// Mostly one constant sentence; allocated only where there are more.
#[derive(Clone, Debug, PartialEq)]
pub enum Reasons {
    One(Cow<'static, str>),
    Many(Vec<Cow<'static, str>>),
}

impl Rejection {
    /// Evicting pods might help.
    pub fn unschedulable(reason: impl Into<Cow<'static, str>>) -> Self {
        Rejection { unresolvable: false, reasons: Reasons::One(reason.into()), plugin: PluginSet::default() }
    }

    pub fn unresolvable(reason: impl Into<Cow<'static, str>>) -> Self {
        Rejection { unresolvable: true, ..Rejection::unschedulable(reason) }
    }

    pub fn reasons(&self) -> &[Cow<'static, str>] {
        match &self.reasons {
            Reasons::One(reason) => std::slice::from_ref(reason),
            Reasons::Many(reasons) => reasons,
        }
    }

    pub fn message(&self) -> String {
        self.reasons().join(", ")
    }
}

/// A set of plugins, by their place in [`plugins::TABLE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginSet(u32);

impl PluginSet {
    pub fn of(index: usize) -> Self {
        PluginSet(1 << index)
    }

    pub fn insert(&mut self, other: PluginSet) {
        self.0 |= other.0;
    }

    pub fn contains(self, other: PluginSet) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = &'static plugins::Plugin> {
        plugins::TABLE.iter().enumerate().filter(move |(index, _)| self.0 >> index & 1 == 1).map(|(_, plugin)| plugin)
    }
}

/// Why a pod fits nowhere.
#[derive(Debug, Default, PartialEq)]
pub struct Diagnosis {
    pub all_nodes: usize,
    pub nodes: Vec<(NodeIndex, Rejection)>,
    /// What holds for every node that is not in `nodes`.
    pub absent: Option<Cow<'static, str>>,
    /// PreFilter's word, if the pod came no further.
    pub pre_filter: Option<String>,
    pub post_filter: String,
    pub plugins: PluginSet,
}

impl Diagnosis {
    /// The words of upstream's FitError, which tools and people read.
    pub fn message(&self) -> String {
        let mut message = format!("0/{} nodes are available:", self.all_nodes);
        if let Some(pre_filter) = &self.pre_filter {
            message += &format!(" {pre_filter}.");
        } else {
            let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
            for reason in self.nodes.iter().flat_map(|(_, rejection)| rejection.reasons()) {
                *reasons.entry(reason).or_default() += 1;
            }
            if let Some(absent) = &self.absent
                && self.nodes.len() < self.all_nodes
            {
                *reasons.entry(absent).or_default() += self.all_nodes - self.nodes.len();
            }
            let mut counted: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            counted.sort();
            if !counted.is_empty() {
                message += &format!(" {}.", counted.join(", "));
            }
        }
        if !self.post_filter.is_empty() {
            message += &format!(" {}", self.post_filter);
        }
        message
    }
}

/// Scales scores so that the highest becomes [`MAX_NODE_SCORE`]; `reverse` makes it the lowest.
pub fn default_normalize(reverse: bool, scores: &mut [i64]) {
    let highest = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        if highest == 0 {
            *score = if reverse { MAX_NODE_SCORE } else { *score };
            continue;
        }
        let scaled = MAX_NODE_SCORE * *score / highest;
        *score = if reverse { MAX_NODE_SCORE - scaled } else { scaled };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_upstreams() {
        let taint = Rejection::unresolvable("node(s) had untolerated taint(s)");
        let cpu = Rejection::unschedulable("Insufficient cpu");
        let nodes = vec![(NodeIndex(0), taint), (NodeIndex(1), cpu.clone()), (NodeIndex(2), cpu)];
        let mut diagnosis = Diagnosis { all_nodes: 3, nodes, ..Diagnosis::default() };
        assert_eq!(
            diagnosis.message(),
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu."
        );
        diagnosis.post_filter = "preemption: 0/3 nodes are available: 3 x.".to_string();
        assert!(diagnosis.message().ends_with("2 Insufficient cpu. preemption: 0/3 nodes are available: 3 x."));
        let absent = Some(Cow::Borrowed("Preemption is not helpful for scheduling"));
        let diagnosis = Diagnosis { all_nodes: 2, absent, ..Diagnosis::default() };
        assert_eq!(diagnosis.message(), "0/2 nodes are available: 2 Preemption is not helpful for scheduling.");
        let pre_filter = Some("pod has unbound immediate PersistentVolumeClaims".to_string());
        let diagnosis = Diagnosis { all_nodes: 2, pre_filter, ..Diagnosis::default() };
        assert_eq!(diagnosis.message(), "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.");
    }

    #[test]
    fn normalizing() {
        let run = |reverse, scores: &[i64]| {
            let mut scores = scores.to_vec();
            default_normalize(reverse, &mut scores);
            scores
        };
        assert_eq!(run(false, &[0, 5, 10]), [0, 50, 100]);
        assert_eq!(run(true, &[0, 1, 3]), [100, 67, 0]);
        assert_eq!(run(true, &[0, 0]), [100, 100]);
        assert_eq!(run(false, &[0, 0]), [0, 0]);
    }
}
