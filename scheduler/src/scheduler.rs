//! The scheduler without I/O: changes of the cluster go in, pods are tried one by one, actions come out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::Binding;

use crate::{
    cluster::{Claim, Cluster, DisruptionBudget},
    cycle::{self, Failure, Nominations, Random},
    framework::ClusterEvent,
    labels::{Labels, Selector},
    node::NodeFacts,
    plugins::priority_sort,
    pod::{PodInfo, PodKey},
    profile::Profile,
    queue::{Counts, Delays, Queue, QueuedPod},
};

/// Something that changed in the cluster, or came of an action.
#[derive(Debug)]
pub enum Change {
    Pod(Box<PodInfo>),
    PodGone {
        key: PodKey,
        uid: Arc<str>,
    },
    /// The keys of all objects of a kind: what is not among them is gone.
    Listed(Kind, HashSet<Arc<str>>),
    Node(Box<NodeFacts>),
    NodeGone(Arc<str>),
    Namespace(Box<str>, Option<Labels>),
    Budget(Box<str>, Option<DisruptionBudget>),
    Claim(Box<str>, Option<Claim>),
    /// What an object of this kind selects, by its key.
    Selector(&'static str, Box<str>, Option<Selector>),
    Bound(PodKey),
    /// The pod could not be bound; `gone` where it no longer exists.
    BindingFailed {
        key: PodKey,
        message: String,
        gone: bool,
    },
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Budgets,
    Claims,
    Namespaces,
    Nodes,
    Pods,
    /// Objects of this kind, of which only the selector is known.
    Selectors(&'static str),
}

/// Something to be done at the API server.
#[derive(Debug, PartialEq)]
pub enum Action {
    Bind {
        pod: Arc<PodInfo>,
        binding: Box<Binding>,
    },
    /// Delete `victim`, to make room for `preemptor` on `node`.
    Evict {
        victim: Arc<PodInfo>,
        preemptor: Arc<PodInfo>,
        node: Arc<str>,
    },
    /// Say in an event and the pod's status that it was not scheduled.
    Report(Report),
}

/// Why a pod was not scheduled.
#[derive(Debug, PartialEq)]
pub struct Report {
    pub pod: Arc<PodInfo>,
    pub message: String,
    /// The reason of the condition PodScheduled; none: only an event is written.
    pub reason: Option<&'static str>,
    /// The new `nominatedNodeName`, if it changes.
    pub nominate: Option<Box<str>>,
}

/// What became of one try, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Scheduled,
    Unschedulable,
    Skipped,
}

/// The scheduler.
pub struct Scheduler {
    cluster: Cluster,
    profiles: Vec<Profile>,
    queue: Queue,
    nominations: Nominations,
    /// Pods that are assumed on a node while they are being bound.
    binding: HashMap<PodKey, QueuedPod>,
    start: usize,
    random: Random,
    actions: Vec<Action>,
}

impl Scheduler {
    pub fn new(profiles: Vec<Profile>, delays: Delays, seed: u64) -> Self {
        Scheduler {
            cluster: Cluster::default(),
            profiles,
            queue: Queue::new(priority_sort::SORT, delays),
            nominations: Nominations::default(),
            binding: HashMap::new(),
            start: 0,
            random: Random(seed),
            actions: Vec::new(),
        }
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn counts(&self) -> Counts {
        self.queue.counts()
    }

    /// When to call [`Scheduler::step`] again if nothing changes before.
    pub fn next_wakeup(&self) -> Option<Duration> {
        self.queue.next_wakeup()
    }

    /// What is to be done, in order; emptied by the call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Takes in a change.
    pub fn apply(&mut self, change: Change, now: Duration) {
        match change {
            Change::Pod(pod) => self.set_pod(Arc::from(pod), now),
            Change::PodGone { key, uid } => self.remove_pod(&key, Some(&uid), now),
            Change::Listed(kind, listed) => self.forget_unlisted(kind, &listed, now),
            Change::Node(facts) => self.set_node(*facts, now),
            Change::NodeGone(name) => self.cluster.remove_node(&name),
            Change::Namespace(name, labels) => {
                self.cluster.set_namespace(&name, labels);
                self.queue.on_event(ClusterEvent::NamespaceChanged, now);
            }
            Change::Budget(key, budget) => match budget {
                Some(budget) => drop(self.cluster.disruption_budgets.insert(key, budget)),
                None => drop(self.cluster.disruption_budgets.remove(&key)),
            },
            Change::Claim(key, claim) => {
                match claim {
                    Some(claim) => self.cluster.claims.insert(key, claim),
                    None => self.cluster.claims.remove(&key),
                };
                self.queue.on_event(ClusterEvent::VolumeChanged, now);
            }
            Change::Selector(kind, key, selector) => self.cluster.set_selector(kind, &key, selector),
            Change::Bound(key) => {
                if self.binding.remove(&key).is_some()
                    && let Some(pod) = self.cluster.placed(&key).cloned()
                {
                    self.cluster.place(pod, false);
                }
            }
            Change::BindingFailed { key, message, gone } => self.unbind(&key, message, gone, now),
        }
    }

    fn forget_unlisted(&mut self, kind: Kind, listed: &HashSet<Arc<str>>, now: Duration) {
        match kind {
            Kind::Budgets => self.cluster.disruption_budgets.retain(|key, _| listed.contains(&**key)),
            Kind::Claims => self.cluster.claims.retain(|key, _| listed.contains(&**key)),
            Kind::Namespaces => {
                let gone = self.cluster.known_namespaces().into_iter().filter(|name| !listed.contains(&**name));
                gone.for_each(|name| self.cluster.set_namespace(&name, None));
            }
            Kind::Nodes => {
                let gone = self.cluster.known_nodes().into_iter().filter(|name| !listed.contains(name));
                gone.for_each(|name| self.cluster.remove_node(&name));
            }
            Kind::Selectors(kind) => self.cluster.retain_selectors(kind, listed),
            Kind::Pods => {
                let known = self.cluster.known_pods().into_iter().chain(self.queue.keys());
                let gone: Vec<_> = known.filter(|key| !listed.contains(key)).collect();
                gone.iter().for_each(|key| self.remove_pod(key, None, now));
            }
        }
    }

    fn set_pod(&mut self, pod: Arc<PodInfo>, now: Duration) {
        let key = pod.key.clone();
        let known = self.cluster.placed(&key).cloned();
        if pod.node_name.is_empty() {
            match known {
                // It is being bound, and an older event came late: binding cannot be undone.
                Some(known) if known.uid == pod.uid => return,
                Some(_) => self.remove_pod(&key, None, now),
                None => {}
            }
            let Some(pending) = &pod.pending else { return };
            let Some(profile) = self.profile_of(&pod) else {
                self.queue.delete(&key);
                return;
            };
            let gated = profile.pre_enqueue.iter().any(|plugin| plugin.pre_enqueue(&pod).is_err());
            if !pending.nominated_node.is_empty() {
                self.nominations.set(&pod, &pending.nominated_node);
            }
            self.queue.set(pod, gated, now);
            return;
        }
        self.queue.delete(&key);
        self.nominations.remove(&key);
        let was_assumed = self.cluster.is_assumed(&key);
        self.cluster.place(pod.clone(), false);
        match known {
            Some(old) if !was_assumed && old.uid == pod.uid => {
                if old.requests != pod.requests || old.class != pod.class {
                    self.queue.on_event(ClusterEvent::AssignedPodUpdated { old: &old, new: &pod }, now);
                }
            }
            _ => self.queue.on_event(ClusterEvent::PodAssigned(&pod), now),
        }
    }

    fn remove_pod(&mut self, key: &str, uid: Option<&str>, now: Duration) {
        self.nominations.remove(key);
        if let Some(pod) = self.cluster.placed(key).cloned()
            && uid.is_none_or(|uid| *pod.uid == *uid)
        {
            self.cluster.displace(key);
            self.queue.on_event(ClusterEvent::AssignedPodDeleted(&pod), now);
        }
        if let Some(pod) = self.queue.delete(key)
            && pod.pending.as_ref().is_some_and(|pending| !pending.nominated_node.is_empty())
        {
            // The room that was kept for it is free.
            self.queue.on_event(ClusterEvent::AssignedPodDeleted(&pod), now);
        }
        self.binding.remove(key);
    }

    fn set_node(&mut self, facts: NodeFacts, now: Duration) {
        let old = self.cluster.find_node(&facts.name).and_then(|index| self.cluster.node(index).facts.clone());
        self.cluster.set_node(facts.clone());
        match old {
            None => self.queue.on_event(ClusterEvent::NodeAdded(&facts), now),
            Some(old) if *old == facts => {}
            Some(old) => self.queue.on_event(ClusterEvent::NodeUpdated { old: &old, new: &facts }, now),
        }
    }

    fn profile_of(&self, pod: &PodInfo) -> Option<&Profile> {
        let pending = pod.pending.as_ref()?;
        self.profiles.iter().find(|profile| profile.name == pending.scheduler_name)
    }

    /// Tries the next pod. None: no pod is to be tried now.
    pub fn step(&mut self, now: Duration) -> Option<Attempt> {
        let queued = self.queue.pop(now)?;
        let pod = queued.pod.clone();
        if pod.terminating {
            let message = format!("skip schedule deleting pod: {}", pod.key);
            self.actions.push(Action::Report(Report { pod, message, reason: None, nominate: None }));
            return Some(Attempt::Skipped);
        }
        let profile = pod.pending.as_ref().map(|pending| &*pending.scheduler_name).unwrap_or_default();
        let Some(profile) = self.profiles.iter().find(|known| *known.name == *profile) else {
            return Some(Attempt::Skipped);
        };
        self.cluster.refresh();
        let (start, random) = (&mut self.start, &mut self.random);
        match cycle::schedule(&self.cluster, profile, &self.nominations, &pod, start, random) {
            Ok(placement) => {
                let node = self.cluster.node(placement.node).name.clone();
                for (position, plugin) in profile.reserve.iter().enumerate() {
                    if let Err(rejection) = plugin.reserve(&mut self.cluster, &pod, &node) {
                        let taken = profile.reserve.iter().take(position + 1).rev();
                        taken.for_each(|plugin| plugin.unreserve(&mut self.cluster, &pod, &node));
                        self.fail(queued, rejection.message(), rejection.plugin, None, now);
                        return Some(Attempt::Unschedulable);
                    }
                }
                let binding = Box::new(profile.bind.bind(&pod, &node));
                let assumed = PodInfo { node_name: node, pending: None, ..(*pod).clone() };
                self.cluster.place(Arc::new(assumed), true);
                self.nominations.remove(&pod.key);
                self.binding.insert(pod.key.clone(), queued);
                self.actions.push(Action::Bind { pod, binding });
                Some(Attempt::Scheduled)
            }
            Err(Failure::NoNodes) => {
                let message = "no nodes available to schedule pods".to_string();
                self.fail(queued, message, Default::default(), None, now);
                Some(Attempt::Unschedulable)
            }
            Err(Failure::Unfit(diagnosis, result)) => {
                if let Some(node) = &result.nominate {
                    self.nominations.set(&pod, node);
                }
                let node: Arc<str> = result.nominate.as_deref().unwrap_or_default().into();
                let victims = result.victims.iter().filter_map(|key| self.cluster.placed(key));
                let victims: Vec<_> = victims.filter(|victim| !victim.terminating).cloned().collect();
                let evict = victims.into_iter().map(|victim| Action::Evict {
                    victim,
                    preemptor: pod.clone(),
                    node: node.clone(),
                });
                self.actions.extend(evict);
                self.fail(queued, diagnosis.message(), diagnosis.plugins, result.nominate, now);
                Some(Attempt::Unschedulable)
            }
        }
    }

    fn fail(
        &mut self,
        queued: QueuedPod,
        message: String,
        plugins: crate::framework::PluginSet,
        nominate: Option<Box<str>>,
        now: Duration,
    ) {
        let pod = queued.pod.clone();
        let current = pod.pending.as_ref().map(|pending| &*pending.nominated_node).unwrap_or_default();
        let nominate = nominate.filter(|node| **node != *current);
        self.actions.push(Action::Report(Report { pod, message, reason: Some("Unschedulable"), nominate }));
        self.queue.put_back_unschedulable(queued, plugins, now);
    }

    fn unbind(&mut self, key: &PodKey, message: String, gone: bool, now: Duration) {
        let Some(queued) = self.binding.remove(key) else { return };
        if let Some(pod) = self.cluster.placed(key).cloned()
            && self.cluster.is_assumed(key)
        {
            if let Some(profile) = self.profile_of(&queued.pod).map(|profile| profile.reserve.clone()) {
                profile.iter().rev().for_each(|plugin| plugin.unreserve(&mut self.cluster, &pod, &pod.node_name));
            }
            self.cluster.displace(key);
            self.queue.on_event(ClusterEvent::AssignedPodDeleted(&pod), now);
            if !gone {
                let pod = queued.pod.clone();
                let reason = Some("SchedulerError");
                self.actions.push(Action::Report(Report { pod, message, reason, nominate: None }));
                self.queue.put_back_after_error(queued, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
