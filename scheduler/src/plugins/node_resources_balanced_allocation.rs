//! NodeResourcesBalancedAllocation: prefers nodes whose resources the pod makes more evenly used.

use super::{CycleState, NOTHING, Plugin, node_resources_fit::amounts};
use crate::{
    framework::{Context, MAX_NODE_SCORE, PreScore, Score},
    node::{NodeIndex, NodeInfo},
    resources::Resources,
};

pub const PLUGIN: Plugin = Plugin {
    name: "NodeResourcesBalancedAllocation",
    weight: 1,
    pre_score: Some(&BalancedAllocation),
    score: Some(&BalancedAllocation),
    ..NOTHING
};

struct BalancedAllocation;

/// `NodeResourcesBalancedAllocationArgs`: which resources to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    pub resources: Vec<Box<str>>,
}

impl Default for Args {
    fn default() -> Self {
        Args { resources: vec!["cpu".into(), "memory".into()] }
    }
}

impl PreScore for BalancedAllocation {
    fn pre_score(&self, cx: Context, _state: &mut CycleState, _nodes: &[NodeIndex]) -> bool {
        let wanted = &cx.pod.requests;
        let asks = |name: &str| match name {
            "cpu" => wanted.milli_cpu > 0,
            "memory" => wanted.memory > 0,
            "ephemeral-storage" => wanted.ephemeral_storage > 0,
            name => wanted.scalar(name) > 0,
        };
        // A pod that asks for nothing balances nothing.
        cx.args.node_resources_balanced_allocation.resources.iter().any(|name| asks(name))
    }
}

impl Score for BalancedAllocation {
    fn score(&self, cx: Context, _state: &CycleState, _index: NodeIndex, node: &NodeInfo) -> i64 {
        let mut with = Fractions::default();
        let mut without = Fractions::default();
        let pod = &cx.pod.requests;
        for name in &cx.args.node_resources_balanced_allocation.resources {
            let (requested, allocatable, own) = match &**name {
                "cpu" => (node.requested.milli_cpu + pod.milli_cpu, node.allocatable.milli_cpu, pod.milli_cpu),
                "memory" => (node.requested.memory + pod.memory, node.allocatable.memory, pod.memory),
                name => match amounts(name, node, pod) {
                    Some((requested, allocatable)) => (requested, allocatable, own_amount(name, pod)),
                    None => continue,
                },
            };
            if allocatable > 0 {
                with.push(requested as f64 / allocatable as f64);
                without.push((requested - own) as f64 / allocatable as f64);
            }
        }
        let half = MAX_NODE_SCORE / 2;
        half + (half + with.balance() - without.balance()) / 2
    }
}

fn own_amount(name: &str, pod: &Resources) -> i64 {
    if name == "ephemeral-storage" { pod.ephemeral_storage } else { pod.scalar(name) }
}

/// Sums over how full each resource is, at most 1, for the standard deviation of them.
#[derive(Default)]
struct Fractions {
    count: f64,
    sum: f64,
    squares: f64,
    first_two: (f64, f64),
}

impl Fractions {
    fn push(&mut self, fraction: f64) {
        let fraction = fraction.min(1.0);
        self.count += 1.0;
        self.sum += fraction;
        self.squares += fraction * fraction;
        self.first_two = (self.first_two.1, fraction);
    }

    /// 100 where all are equally full.
    fn balance(&self) -> i64 {
        let deviation = if self.count == 2.0 {
            // The same as below, without its rounding errors.
            ((self.first_two.0 - self.first_two.1) / 2.0).abs()
        } else if self.count > 2.0 {
            let mean = self.sum / self.count;
            (self.squares / self.count - mean * mean).max(0.0).sqrt()
        } else {
            0.0
        };
        ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balance() {
        let balance = |fractions: &[f64]| {
            let mut sums = Fractions::default();
            fractions.iter().for_each(|fraction| sums.push(*fraction));
            sums.balance()
        };
        assert_eq!(balance(&[0.5, 0.5]), 100);
        assert_eq!(balance(&[0.0, 1.0]), 50);
        assert_eq!(balance(&[0.3]), 100);
        assert_eq!(balance(&[0.0, 0.5, 7.0]), 59);
    }
}
