//! DefaultPreemption: makes room for a pod by evicting pods of lower priority from one node.

use std::cmp::Reverse;

use super::{NOTHING, Plugin};
use crate::{
    cluster::DisruptionBudget,
    cycle::Cycle,
    framework::{Diagnosis, PostFilter, PostFilterResult, Rejection},
    node::{NodeIndex, NodeInfo},
    pod::PodInfo,
};
use std::sync::Arc;

pub const PLUGIN: Plugin = Plugin { name: "DefaultPreemption", post_filter: Some(&DefaultPreemption), ..NOTHING };

struct DefaultPreemption;

/// `DefaultPreemptionArgs`: how many nodes to look at before the best of them is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    pub min_candidate_nodes_percentage: usize,
    pub min_candidate_nodes_absolute: usize,
}

impl Default for Args {
    fn default() -> Self {
        Args { min_candidate_nodes_percentage: 10, min_candidate_nodes_absolute: 100 }
    }
}

/// A node where evicting these pods makes room. The smallest is the best; the last field is the tie-break.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    budget_violations: usize,
    highest_priority: i32,
    sum_of_priorities: i64,
    victims: usize,
    /// When the longest running of the victims of highest priority started.
    started: Reverse<i64>,
    position: usize,
}

struct Candidate {
    cost: Cost,
    node: NodeIndex,
    victims: Vec<Arc<PodInfo>>,
}

impl PostFilter for DefaultPreemption {
    fn post_filter(&self, cycle: &Cycle, diagnosis: &Diagnosis) -> PostFilterResult {
        let refused = |why: &str| PostFilterResult { message: format!("preemption: {why}"), ..Default::default() };
        if let Err(why) = is_eligible(cycle, diagnosis) {
            return refused(why);
        }
        match find_best(cycle, diagnosis) {
            Ok(best) => PostFilterResult {
                nominate: Some((*cycle.cx.cluster.node(best.node).name).into()),
                victims: best.victims.iter().map(|victim| victim.key.clone()).collect(),
                message: String::new(),
            },
            Err(nodes) => {
                let absent = Some("Preemption is not helpful for scheduling".into());
                let all_nodes = diagnosis.all_nodes;
                let message = Diagnosis { all_nodes, nodes, absent, ..Diagnosis::default() }.message();
                PostFilterResult { nominate: Some("".into()), ..refused(&message) }
            }
        }
    }
}

fn is_eligible(cycle: &Cycle, diagnosis: &Diagnosis) -> Result<(), &'static str> {
    let pod = cycle.cx.pod;
    let Some(pending) = &pod.pending else { return Ok(()) };
    if pending.never_preempts {
        return Err("not eligible due to preemptionPolicy=Never.");
    }
    let Some(nominated) = cycle.cx.cluster.find_node(&pending.nominated_node) else { return Ok(()) };
    // A node that cannot fit whatever is evicted is no reason to wait.
    let status = diagnosis.nodes.iter().find(|(index, _)| *index == nominated);
    if status.is_none_or(|(_, rejection)| rejection.unresolvable) {
        return Ok(());
    }
    let leaving = |victim: &Arc<PodInfo>| victim.priority < pod.priority && victim.terminating && victim.preempted;
    if cycle.cx.cluster.node(nominated).pods.iter().any(leaving) {
        return Err("not eligible due to a terminating pod on the nominated node.");
    }
    Ok(())
}

/// The best candidate, or why each node that was tried is none.
fn find_best(cycle: &Cycle, diagnosis: &Diagnosis) -> Result<Candidate, Vec<(NodeIndex, Rejection)>> {
    let resolvable = diagnosis.nodes.iter().filter(|(_, rejection)| !rejection.unresolvable);
    let nodes: Vec<NodeIndex> = resolvable.map(|(index, _)| *index).collect();
    let args = &cycle.cx.args.default_preemption;
    let enough = (nodes.len() * args.min_candidate_nodes_percentage / 100).max(args.min_candidate_nodes_absolute);
    let budgets: Vec<&DisruptionBudget> = cycle.cx.cluster.disruption_budgets.values().collect();
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut rejections = Vec::new();
    let offset = cycle.random as usize;
    for position in 0..nodes.len() {
        let index = nodes[(offset + position) % nodes.len()];
        match victims_on(cycle, index, &budgets) {
            Ok((victims, violations)) => {
                if let Some(cost) = Cost::new(&victims, violations, position) {
                    candidates.push(Candidate { cost, node: index, victims });
                }
            }
            Err(rejection) => rejections.push((index, rejection)),
        }
        let harmless = candidates.iter().any(|candidate| candidate.cost.budget_violations == 0);
        if harmless && candidates.len() >= enough {
            break;
        }
    }
    candidates.into_iter().min_by(|a, b| a.cost.cmp(&b.cost)).ok_or(rejections)
}

impl Cost {
    /// `victims` are sorted by importance. None where there are none.
    fn new(victims: &[Arc<PodInfo>], budget_violations: usize, position: usize) -> Option<Self> {
        let highest_priority = victims.first()?.priority;
        let most_important = victims.iter().filter(|victim| victim.priority == highest_priority);
        Some(Cost {
            budget_violations,
            highest_priority,
            // Shifted, so that fewer pods of negative priority are less than more of them.
            sum_of_priorities: victims.iter().map(|victim| i64::from(victim.priority) + (1 << 31)).sum(),
            victims: victims.len(),
            started: Reverse(most_important.map(started).min().unwrap_or(i64::MAX)),
            position,
        })
    }
}

/// A pod that did not start yet counts as started last.
fn started(pod: &Arc<PodInfo>) -> i64 {
    pod.start_time.unwrap_or(i64::MAX)
}

/// More important pods first.
fn importance(pod: &Arc<PodInfo>) -> (Reverse<i32>, i64) {
    (Reverse(pod.priority), started(pod))
}

/// The fewest, least important pods to evict so that the pod fits, and how many of them their budgets protect.
fn victims_on(
    cycle: &Cycle,
    index: NodeIndex,
    budgets: &[&DisruptionBudget],
) -> Result<(Vec<Arc<PodInfo>>, usize), Rejection> {
    let pod = cycle.cx.pod;
    let mut node = cycle.cx.cluster.node(index).clone();
    let mut state = cycle.state.clone();
    let mut potential: Vec<_> = node.pods.iter().filter(|victim| victim.priority < pod.priority).cloned().collect();
    if potential.is_empty() {
        return Err(Rejection::unresolvable("No preemption victims found for incoming pod"));
    }
    let take = |node: &mut NodeInfo, state: &mut _, victim: &Arc<PodInfo>| {
        node.remove_pod(&victim.uid);
        cycle.account(state, victim, node, -1);
    };
    for victim in &potential {
        take(&mut node, &mut state, victim);
    }
    cycle.fits(&state, &node)?;
    potential.sort_by_key(importance);
    let (protected, others) = split_by_budget(potential, budgets);
    let mut victims = Vec::new();
    let mut violations = 0;
    let protected_count = protected.len();
    for (position, victim) in protected.into_iter().chain(others).enumerate() {
        node.add_pod(victim.clone());
        cycle.account(&mut state, &victim, &node, 1);
        if cycle.fits(&state, &node).is_err() {
            take(&mut node, &mut state, &victim);
            violations += usize::from(position < protected_count);
            victims.push(victim);
        }
    }
    victims.sort_by_key(importance);
    Ok((victims, violations))
}

/// Those whose eviction would violate a PodDisruptionBudget, and the others, both in the order given.
fn split_by_budget(pods: Vec<Arc<PodInfo>>, budgets: &[&DisruptionBudget]) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
    let mut allowed: Vec<i32> = budgets.iter().map(|budget| budget.allowed).collect();
    pods.into_iter().partition(|pod| {
        let mut violates = false;
        for (budget, allowed) in budgets.iter().zip(&mut allowed) {
            let applies = *budget.namespace == *pod.namespace()
                && !budget.selector.is_everything()
                && budget.selector.matches(&pod.class.labels)
                && !budget.disrupted.iter().any(|name| **name == *pod.name());
            if applies {
                *allowed -= 1;
                violates |= *allowed < 0;
            }
        }
        violates
    })
}
