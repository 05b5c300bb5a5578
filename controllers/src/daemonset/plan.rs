//! What a DaemonSet needs now: nodes that want a pod, pods that have to go, its status. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use controllers_component_base::events::EventType;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, DaemonSetStatus},
    core::v1::Node,
};
use kube::ResourceExt;

use super::node_fit::{Fit, fit};
use crate::{deployment::fraction::scaled, pod::Pod, revisions::LABEL};

pub const GENERATION_LABEL: &str = "pod-template-generation";
/// At most so many creations, and so many deletions, per sync.
const BURST: usize = 250;

#[derive(Debug, Default)]
pub struct Plan {
    /// Nodes to create a pod for.
    pub create: Vec<String>,
    pub delete: Vec<Arc<Pod>>,
    /// Nodes whose pod failed and is deleted for that.
    pub failed_on: Vec<String>,
    pub events: Vec<(EventType, &'static str, String)>,
    pub status: DaemonSetStatus,
    pub check_after: Option<Duration>,
}

/// The value of the annotation by which older releases counted templates.
pub fn template_generation(set: &DaemonSet) -> Option<&String> {
    set.annotations().get("deprecated.daemonset.template.generation")
}

/// `hash` is the newest revision's; `wait` tells how long a node's failed pod has to wait; `settled`: the store shows
/// what this process has done.
pub fn plan(
    set: &DaemonSet,
    nodes: &[Arc<Node>],
    pods: &[Arc<Pod>],
    hash: &str,
    settled: bool,
    wait: &dyn Fn(&str) -> Option<Duration>,
    now: Timestamp,
) -> Plan {
    let spec = set.spec.clone().unwrap_or_default();
    let template = spec.template.spec.clone().unwrap_or_default();
    let mut view = View { set, hash, now, min_ready: spec.min_ready_seconds.unwrap_or(0), nodes: BTreeMap::new() };
    for node in nodes {
        view.nodes.insert(node.name_any(), (fit(&template, node), Vec::new()));
    }
    let mut plan = Plan::default();
    for pod in pods {
        match view.nodes.get_mut(pod.target_node()) {
            Some((_, of_node)) => of_node.push(pod.clone()),
            // Made for a node that is gone: nobody would ever bind it.
            None if pod.node_name().is_empty() && !pod.terminating() => plan.delete.push(pod.clone()),
            None => {}
        }
    }
    for (_, of_node) in view.nodes.values_mut() {
        // The one to keep first.
        of_node.sort_by_key(|pod| (pod.node_name().is_empty(), pod.created(), pod.name().to_string()));
    }
    plan.status = view.status();
    if spec.min_ready_seconds.unwrap_or(0) > 0 && plan.status.number_ready != plan.status.number_available.unwrap_or(0)
    {
        plan.check_after = Some(Duration::from_secs(u64::try_from(view.min_ready).unwrap_or(0)));
    }
    if !settled {
        plan.delete.clear();
        return plan;
    }
    let strategy = spec.update_strategy.clone().unwrap_or_default();
    let rolling = strategy.type_.as_deref() != Some("OnDelete");
    let limits = strategy.rolling_update.unwrap_or_default();
    let desired = plan.status.desired_number_scheduled;
    let surge = if rolling { scaled(limits.max_surge.as_ref(), desired, true) } else { 0 };
    let one = k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(1);
    let mut unavailable = scaled(limits.max_unavailable.as_ref().or(Some(&one)), desired, true);
    if desired > 0 && unavailable == 0 && surge == 0 {
        unavailable = 1;
    }
    view.manage(&mut plan, surge > 0, wait);
    if rolling && plan.create.is_empty() && plan.delete.is_empty() {
        if surge > 0 {
            view.roll_with_surge(&mut plan, surge);
        } else {
            view.roll(&mut plan, unavailable);
        }
    }
    plan.create.truncate(BURST);
    plan.delete.truncate(BURST);
    plan
}

struct View<'a> {
    set: &'a DaemonSet,
    hash: &'a str,
    now: Timestamp,
    min_ready: i32,
    nodes: BTreeMap<String, (Fit, Vec<Arc<Pod>>)>,
}

impl View<'_> {
    fn updated(&self, pod: &Pod) -> bool {
        let label = |key: &str| pod.metadata.labels.as_ref().and_then(|labels| labels.get(key));
        label(LABEL).is_some_and(|hash| hash == self.hash)
            || template_generation(self.set).is_some_and(|generation| label(GENERATION_LABEL) == Some(generation))
    }

    fn available(&self, pod: &Pod) -> bool {
        pod.available(self.min_ready, self.now)
    }

    /// Pods for nodes without one, none where none should be, one where several are.
    fn manage(&self, plan: &mut Plan, surging: bool, wait: &dyn Fn(&str) -> Option<Duration>) {
        for (name, (fit, pods)) in &self.nodes {
            if fit.start && pods.is_empty() {
                plan.create.push(name.clone());
                continue;
            }
            let living = pods.iter().filter(|pod| !pod.terminating());
            if !fit.keep {
                plan.delete.extend(living.cloned());
                continue;
            }
            let mut running = Vec::new();
            for pod in living {
                match pod.phase() {
                    "Failed" => match wait(name) {
                        Some(left) => plan.check_after = Some(plan.check_after.map_or(left, |after| after.min(left))),
                        None => {
                            let text = format!(
                                "Found failed daemon pod {}/{} on node {name}, will try to kill it",
                                pod.namespace(),
                                pod.name()
                            );
                            plan.events.push((EventType::Warning, "FailedDaemonPod", text));
                            plan.failed_on.push(name.clone());
                            plan.delete.push(pod.clone());
                        }
                    },
                    "Succeeded" => {
                        let text = format!(
                            "Found succeeded daemon pod {}/{} on node {name}, will try to delete it",
                            pod.namespace(),
                            pod.name()
                        );
                        plan.events.push((EventType::Normal, "SucceededDaemonPod", text));
                        plan.delete.push(pod.clone());
                    }
                    _ => running.push(pod.clone()),
                }
            }
            if !surging {
                plan.delete.extend(running.into_iter().skip(1));
                continue;
            }
            if running.is_empty() && fit.start {
                plan.create.push(name.clone());
            }
            let (new, old): (Vec<_>, Vec<_>) = running.into_iter().partition(|pod| self.updated(pod));
            plan.delete.extend(new.iter().skip(1).chain(old.iter().skip(1)).cloned());
            if let (Some(new), Some(old)) = (new.first(), old.first())
                && (!old.ready() || self.available(new))
            {
                plan.delete.push(old.clone());
            }
        }
    }

    /// The newest and the oldest-template pod of each node that should have one.
    fn pairs(&self) -> impl Iterator<Item = (&String, Option<&Arc<Pod>>, Option<&Arc<Pod>>)> {
        self.nodes.iter().filter(|(_, (fit, pods))| fit.start || !pods.is_empty()).map(|(name, (_, pods))| {
            let living = || pods.iter().filter(|pod| !pod.terminating());
            (name, living().find(|pod| self.updated(pod)), living().find(|pod| !self.updated(pod)))
        })
    }

    /// Deletes old pods, as many as may be unavailable; those that are unavailable anyway at once.
    fn roll(&self, plan: &mut Plan, limit: i32) {
        let mut unavailable = 0;
        let mut candidates = Vec::new();
        for (_, new, old) in self.pairs() {
            match (new, old) {
                (None, None) | (Some(_), Some(_)) => unavailable += 1,
                (Some(new), None) => unavailable += i32::from(!self.available(new)),
                (None, Some(old)) if !self.available(old) => {
                    plan.delete.push(old.clone());
                    unavailable += 1;
                }
                (None, Some(old)) => candidates.push(old.clone()),
            }
        }
        let left = usize::try_from(limit - unavailable).unwrap_or(0);
        plan.delete.extend(candidates.into_iter().take(left));
    }

    /// Creates new pods beside old ones, as many as may be too many; old ones go when the new one is available.
    fn roll_with_surge(&self, plan: &mut Plan, limit: i32) {
        let mut surging = 0;
        let mut candidates = Vec::new();
        for (name, new, old) in self.pairs() {
            match (new, old) {
                (_, None) => {}
                (None, Some(old)) if !self.available(old) => plan.create.push(name.clone()),
                (None, Some(_)) => candidates.push(name.clone()),
                (Some(new), Some(old)) if self.available(new) => plan.delete.push(old.clone()),
                (Some(_), Some(_)) => surging += 1,
            }
        }
        let left = usize::try_from(limit - surging).unwrap_or(0);
        plan.create.extend(candidates.into_iter().take(left));
    }

    fn status(&self) -> DaemonSetStatus {
        let mut status = DaemonSetStatus {
            observed_generation: self.set.metadata.generation,
            conditions: self.set.status.as_ref().and_then(|status| status.conditions.clone()),
            ..DaemonSetStatus::default()
        };
        let (mut updated, mut available) = (0, 0);
        for (fit, pods) in self.nodes.values() {
            match (fit.start, pods.first()) {
                (true, pod) => {
                    status.desired_number_scheduled += 1;
                    let Some(pod) = pod else { continue };
                    status.current_number_scheduled += 1;
                    status.number_ready += i32::from(pod.ready());
                    available += i32::from(self.available(pod));
                    updated += i32::from(self.updated(pod));
                }
                (false, Some(_)) => status.number_misscheduled += 1,
                (false, None) => {}
            }
        }
        let some = |count: i32| (count != 0).then_some(count);
        status.updated_number_scheduled = some(updated);
        status.number_available = some(available);
        status.number_unavailable = some(status.desired_number_scheduled - available);
        status
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::{
            apps::v1::{DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet},
            core::v1::PodCondition,
        },
        apimachinery::pkg::util::intstr::IntOrString,
    };

    use super::*;

    fn nodes(count: usize) -> Vec<Arc<Node>> {
        let node = |number| {
            let mut node = Node::default();
            node.metadata.name = Some(format!("n{number}"));
            Arc::new(node)
        };
        (0..count).map(node).collect()
    }

    fn set(surge: i32, unavailable: i32) -> DaemonSet {
        let rolling_update = Some(RollingUpdateDaemonSet {
            max_surge: Some(IntOrString::Int(surge)),
            max_unavailable: Some(IntOrString::Int(unavailable)),
        });
        let update_strategy = Some(DaemonSetUpdateStrategy { type_: Some("RollingUpdate".into()), rolling_update });
        DaemonSet { spec: Some(DaemonSetSpec { update_strategy, ..DaemonSetSpec::default() }), ..DaemonSet::default() }
    }

    fn pod(name: &str, node: &str, hash: &str, ready: bool) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.into());
        pod.metadata.uid = Some(name.into());
        pod.metadata.labels = Some([(LABEL.to_string(), hash.to_string())].into());
        pod.spec.node_name = Some(node.into());
        pod.status.phase = Some("Running".into());
        pod.status.conditions = vec![PodCondition {
            type_: "Ready".into(),
            status: if ready { "True" } else { "False" }.into(),
            ..PodCondition::default()
        }];
        Arc::new(pod)
    }

    fn run(set: &DaemonSet, nodes: &[Arc<Node>], pods: &[Arc<Pod>]) -> (Vec<String>, Vec<String>) {
        let plan = plan(set, nodes, pods, "new", true, &|_| None, Timestamp::now());
        (plan.create, plan.delete.iter().map(|pod| pod.name().to_string()).collect())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    #[test]
    fn one_pod_per_node() {
        let pods = [pod("a", "n0", "new", true), pod("b", "n0", "new", true), pod("lost", "gone", "new", true)];
        assert_eq!(run(&set(0, 1), &nodes(2), &pods), (names(&["n1"]), names(&["b"])));
        let status = plan(&set(0, 1), &nodes(2), &pods, "new", true, &|_| None, Timestamp::now()).status;
        assert_eq!((status.desired_number_scheduled, status.current_number_scheduled, status.number_ready), (2, 1, 1));
        assert_eq!((status.number_available, status.number_unavailable), (Some(1), Some(1)));
    }

    #[test]
    fn rolling_update_takes_one_node_at_a_time() {
        let pods = [pod("a", "n0", "old", true), pod("b", "n1", "old", true), pod("c", "n2", "old", true)];
        assert_eq!(run(&set(0, 1), &nodes(3), &pods), (names(&[]), names(&["a"])));
        let pods = [pod("a", "n0", "new", false), pod("b", "n1", "old", true), pod("c", "n2", "old", false)];
        assert_eq!(run(&set(0, 1), &nodes(3), &pods), (names(&[]), names(&["c"])), "what is down anyway");
    }

    #[test]
    fn surge_creates_first() {
        let pods = [pod("a", "n0", "old", true), pod("b", "n1", "old", true)];
        assert_eq!(run(&set(1, 0), &nodes(2), &pods), (names(&["n0"]), names(&[])));
        let pods = [pod("a", "n0", "old", true), pod("x", "n0", "new", false), pod("b", "n1", "old", true)];
        assert_eq!(run(&set(1, 0), &nodes(2), &pods), (names(&[]), names(&[])));
        let pods = [pod("a", "n0", "old", true), pod("x", "n0", "new", true), pod("b", "n1", "old", true)];
        assert_eq!(run(&set(1, 0), &nodes(2), &pods), (names(&[]), names(&["a"])));
    }

    #[test]
    fn failed_pods_are_replaced_after_their_wait() {
        let mut failed = pod("a", "n0", "new", false).as_ref().clone();
        failed.status.phase = Some("Failed".into());
        let failed = [Arc::new(failed)];
        assert_eq!(run(&set(0, 1), &nodes(1), &failed), (names(&[]), names(&["a"])));
        let wait = |_: &str| Some(Duration::from_secs(3));
        let waiting = plan(&set(0, 1), &nodes(1), &failed, "new", true, &wait, Timestamp::now());
        assert!(waiting.failed_on.is_empty());
        assert_eq!(waiting.check_after, Some(Duration::from_secs(3)));
    }
}
