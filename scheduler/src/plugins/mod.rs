//! All plugins, their order in a cycle, their arguments and their state within a cycle.

pub mod default_binder;
pub mod default_preemption;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_balanced_allocation;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod pod_topology_spread;
pub mod priority_sort;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod volume_binding;

use crate::framework::{
    Bind, Filter, PostFilter, PreEnqueue, PreFilter, PreScore, QueueSort, QueueingHint, Reserve, Score,
};

/// One plugin: its name, its weight by default, and what it implements.
#[derive(Clone, Copy)]
pub struct Plugin {
    pub name: &'static str,
    pub weight: i64,
    pub queue_sort: Option<&'static dyn QueueSort>,
    pub pre_enqueue: Option<&'static dyn PreEnqueue>,
    pub pre_filter: Option<&'static dyn PreFilter>,
    pub filter: Option<&'static dyn Filter>,
    pub post_filter: Option<&'static dyn PostFilter>,
    pub pre_score: Option<&'static dyn PreScore>,
    pub score: Option<&'static dyn Score>,
    pub reserve: Option<&'static dyn Reserve>,
    pub bind: Option<&'static dyn Bind>,
    /// None: the plugin never makes a pod wait.
    pub hint: Option<&'static dyn QueueingHint>,
}

/// A plugin that does nothing yet, to be filled by each file.
const NOTHING: Plugin = Plugin {
    name: "",
    weight: 0,
    queue_sort: None,
    pre_enqueue: None,
    pre_filter: None,
    filter: None,
    post_filter: None,
    pre_score: None,
    score: None,
    reserve: None,
    bind: None,
    hint: None,
};

/// Every plugin, by name.
pub static TABLE: &[Plugin] = &[
    default_binder::PLUGIN,
    default_preemption::PLUGIN,
    image_locality::PLUGIN,
    inter_pod_affinity::PLUGIN,
    node_affinity::PLUGIN,
    node_name::PLUGIN,
    node_ports::PLUGIN,
    node_resources_balanced_allocation::PLUGIN,
    node_resources_fit::PLUGIN,
    node_unschedulable::PLUGIN,
    pod_topology_spread::PLUGIN,
    priority_sort::PLUGIN,
    scheduling_gates::PLUGIN,
    taint_toleration::PLUGIN,
    volume_binding::PLUGIN,
];

/// What runs by default, in upstream's order: the first to reject a node gives the reason.
pub const DEFAULT_ORDER: &[&str] = &[
    "SchedulingGates",
    "PrioritySort",
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeBinding",
    "PodTopologySpread",
    "InterPodAffinity",
    "DefaultPreemption",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
    "DefaultBinder",
];

/// Upstream's plugins that this scheduler does not have: a configuration may switch them off, not on.
pub const MISSING: &[&str] = &["DynamicResources", "NodeVolumeLimits", "VolumeRestrictions", "VolumeZone"];

/// Arguments of plugins (`pluginConfig`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    pub default_preemption: default_preemption::Args,
    pub inter_pod_affinity: inter_pod_affinity::Args,
    pub node_resources_balanced_allocation: node_resources_balanced_allocation::Args,
    pub node_resources_fit: node_resources_fit::Args,
}

/// What plugins computed for the pod of this cycle. Cloned where a cycle asks "what if".
#[derive(Clone, Default)]
pub struct CycleState {
    pub image_locality: image_locality::State,
    pub inter_pod_affinity: inter_pod_affinity::State,
    pub inter_pod_affinity_score: inter_pod_affinity::ScoreState,
    pub node_affinity: node_affinity::State,
    pub pod_topology_spread: pod_topology_spread::State,
    pub pod_topology_spread_score: pod_topology_spread::ScoreState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        let names: Vec<_> = TABLE.iter().map(|plugin| plugin.name).collect();
        assert!(names.is_sorted() && names.len() <= 32, "{names:?}");
        let mut ordered = DEFAULT_ORDER.to_vec();
        ordered.sort_unstable();
        assert_eq!(names, ordered);
    }

    #[test]
    fn what_rejects_pods_can_be_asked_about_events() {
        for plugin in TABLE {
            let rejects = plugin.filter.is_some() || plugin.pre_filter.is_some();
            assert!(!rejects || plugin.hint.is_some(), "{}", plugin.name);
        }
    }
}
