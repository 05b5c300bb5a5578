//! What a StatefulSet needs now: one pod after the other, or all at once. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};

use super::{identity, until_available};
use crate::{
    deployment::fraction::scaled,
    pod::{Pod, seconds},
    revisions::LABEL,
};

/// One write.
#[derive(Debug)]
pub enum Action {
    /// `updated`: of the newest template, else of the current one.
    Create {
        ordinal: i32,
        updated: bool,
    },
    Delete(Arc<Pod>),
    Label(Arc<Pod>),
}

#[derive(Debug, Default)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub status: StatefulSetStatus,
    /// When a pod becomes available by time alone.
    pub check_after: Option<Duration>,
}

/// `pods` are the set's own; `current` and `update` the names of its revisions.
pub fn plan(set: &StatefulSet, pods: &[Arc<Pod>], current: &str, update: &str, now: Timestamp) -> Plan {
    let spec = set.spec.clone().unwrap_or_default();
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
    let view = View {
        set,
        current,
        update,
        now,
        min_ready: spec.min_ready_seconds.unwrap_or(0),
        start,
        end: start.saturating_add(spec.replicas.unwrap_or(1)),
        monotonic: spec.pod_management_policy.as_deref() != Some("Parallel"),
        pods: pods.iter().filter_map(|pod| Some((identity::ordinal(set, pod.name())?, pod.clone()))).collect(),
    };
    let mut plan = Plan { status: view.status(), ..Plan::default() };
    plan.check_after = view.next_available();
    if !view.fill(&mut plan) && !view.shrink(&mut plan) {
        view.roll(&mut plan);
    }
    view.complete(&mut plan.status);
    plan
}

struct View<'a> {
    set: &'a StatefulSet,
    current: &'a str,
    update: &'a str,
    now: Timestamp,
    min_ready: i32,
    start: i32,
    /// The first number that is not wanted any more.
    end: i32,
    monotonic: bool,
    pods: BTreeMap<i32, Arc<Pod>>,
}

impl View<'_> {
    /// Goes through the wanted numbers in order; whether to stop here and wait.
    fn fill(&self, plan: &mut Plan) -> bool {
        let mut acted = false;
        for ordinal in self.start..self.end {
            let Some(pod) = self.pods.get(&ordinal) else {
                plan.actions.push(Action::Create { ordinal, updated: self.starts_updated(ordinal) });
                acted = true;
                if self.monotonic {
                    return true;
                }
                continue;
            };
            if pod.finished() {
                if !pod.terminating() {
                    plan.actions.push(Action::Delete(pod.clone()));
                }
                acted = true;
                if self.monotonic {
                    return true;
                }
                continue;
            }
            if self.monotonic && (pod.terminating() || !self.is_available(pod)) {
                return true;
            }
            let labels = pod.metadata.labels.clone().unwrap_or_default();
            let known =
                identity::labels(self.set, ordinal).into_iter().all(|(key, value)| labels.get(&key) == Some(&value));
            if !known && !pod.terminating() {
                plan.actions.push(Action::Label(pod.clone()));
            }
        }
        acted
    }

    /// Takes the numbers that are not wanted any more, highest first; whether to stop here and wait.
    fn shrink(&self, plan: &mut Plan) -> bool {
        let condemned: Vec<&Arc<Pod>> = self
            .pods
            .iter()
            .rev()
            .filter(|(ordinal, _)| **ordinal < self.start || **ordinal >= self.end)
            .map(|(_, pod)| pod)
            .collect();
        let wanted = self.pods.range(self.start..self.end.max(self.start)).map(|(_, pod)| pod);
        let first_unhealthy =
            wanted.chain(condemned.iter().rev().copied()).find(|pod| !self.is_available(pod) || pod.terminating());
        let mut acted = false;
        for pod in condemned {
            if pod.terminating() {
                if self.monotonic {
                    return true;
                }
                continue;
            }
            let is_first = first_unhealthy.is_some_and(|first| first.name() == pod.name());
            if self.monotonic && !self.is_available(pod) && !is_first {
                return true;
            }
            plan.actions.push(Action::Delete(pod.clone()));
            acted = true;
            if self.monotonic {
                return true;
            }
        }
        acted
    }

    /// Replaces pods of an older template, highest number first, as many as may be unavailable.
    fn roll(&self, plan: &mut Plan) {
        let strategy = self.set.spec.as_ref().and_then(|spec| spec.update_strategy.clone()).unwrap_or_default();
        if strategy.type_.as_deref() == Some("OnDelete") {
            return;
        }
        let rolling = strategy.rolling_update.unwrap_or_default();
        let partition = self.start.saturating_add(rolling.partition.unwrap_or(0));
        let limit = rolling
            .max_unavailable
            .as_ref()
            .map_or(1, |value| scaled(Some(value), self.end - self.start, false).max(1));
        let wanted = || self.pods.range(self.start..self.end.max(self.start));
        let unavailable = wanted().filter(|(_, pod)| !self.is_available(pod) || pod.terminating()).count();
        let left = usize::try_from(limit).unwrap_or(1).saturating_sub(unavailable);
        let old = wanted().rev().filter(|(ordinal, pod)| {
            **ordinal >= partition && !pod.terminating() && self.revision(pod) != Some(self.update)
        });
        for (_, pod) in old.take(left) {
            plan.actions.push(Action::Delete(pod.clone()));
            plan.status.current_replicas =
                plan.status.current_replicas.map(|count| count - 1).filter(|count| *count > 0);
        }
    }

    /// Whether a new pod of this number is of the newest template.
    fn starts_updated(&self, ordinal: i32) -> bool {
        let strategy = self.set.spec.as_ref().and_then(|spec| spec.update_strategy.clone()).unwrap_or_default();
        if strategy.type_.as_deref() == Some("OnDelete") {
            return true;
        }
        let kept = match strategy.rolling_update {
            Some(rolling) => rolling.partition.unwrap_or(0),
            None => self.set.status.as_ref().and_then(|status| status.current_replicas).unwrap_or(0),
        };
        ordinal >= self.start.saturating_add(kept)
    }

    fn is_ready(&self, pod: &Pod) -> bool {
        pod.phase() == "Running" && pod.ready()
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pod.phase() == "Running" && pod.available(self.min_ready, self.now)
    }

    fn revision<'p>(&self, pod: &'p Pod) -> Option<&'p str> {
        pod.metadata.labels.as_ref()?.get(LABEL).map(String::as_str)
    }

    fn status(&self) -> StatefulSetStatus {
        let count = |wanted: &dyn Fn(&Pod) -> bool| {
            i32::try_from(self.pods.values().filter(|pod| wanted(pod)).count()).unwrap_or(i32::MAX)
        };
        let some = |count: i32| (count != 0).then_some(count);
        let living = |pod: &Pod, revision: &str| !pod.terminating() && self.revision(pod) == Some(revision);
        StatefulSetStatus {
            observed_generation: self.set.metadata.generation,
            replicas: count(&|_| true),
            ready_replicas: some(count(&|pod| self.is_ready(pod))),
            available_replicas: Some(count(&|pod| self.is_available(pod))),
            current_replicas: some(count(&|pod| living(pod, self.current))),
            updated_replicas: some(count(&|pod| living(pod, self.update))),
            current_revision: Some(self.current.to_string()),
            update_revision: Some(self.update.to_string()),
            conditions: self.set.status.as_ref().and_then(|status| status.conditions.clone()),
            ..StatefulSetStatus::default()
        }
    }

    /// Once all pods are of the newest template and ready, it is the current one.
    fn complete(&self, status: &mut StatefulSetStatus) {
        let strategy = self.set.spec.as_ref().and_then(|spec| spec.update_strategy.clone()).unwrap_or_default();
        let replicas = self.end - self.start;
        let all = [status.updated_replicas.unwrap_or(0), status.ready_replicas.unwrap_or(0), status.replicas];
        if strategy.type_.as_deref() != Some("OnDelete") && all.iter().all(|count| *count == replicas) {
            status.current_replicas = status.updated_replicas;
            status.current_revision = status.update_revision.clone();
        }
    }

    fn next_available(&self) -> Option<Duration> {
        let waiting = self.pods.values().filter(|pod| self.is_ready(pod) && !self.is_available(pod));
        waiting
            .filter_map(|pod| pod.ready_since())
            .map(|since| until_available(seconds(since, self.now), self.min_ready))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        apps::v1::{RollingUpdateStatefulSetStrategy, StatefulSetSpec, StatefulSetUpdateStrategy},
        core::v1::PodCondition,
    };

    use super::*;

    /// A set whose pods follow its plans at once.
    struct World {
        set: StatefulSet,
        pods: Vec<Arc<Pod>>,
        revision: (String, String),
    }

    impl World {
        fn new(replicas: i32) -> Self {
            let mut set = StatefulSet::default();
            set.metadata.name = Some("web".into());
            set.spec = Some(StatefulSetSpec { replicas: Some(replicas), ..StatefulSetSpec::default() });
            World { set, pods: Vec::new(), revision: ("web-1".into(), "web-1".into()) }
        }

        fn step(&mut self) -> Vec<String> {
            let plan = plan(&self.set, &self.pods, &self.revision.0, &self.revision.1, Timestamp::now());
            let mut did = Vec::new();
            for action in plan.actions {
                match action {
                    Action::Create { ordinal, updated } => {
                        let revision = if updated { &self.revision.1 } else { &self.revision.0 };
                        did.push(format!("create {ordinal} {revision}"));
                        let mut pod = Pod::default();
                        pod.metadata.name = Some(format!("web-{ordinal}"));
                        let mut labels = identity::labels(&self.set, ordinal);
                        labels.insert(LABEL.to_string(), revision.clone());
                        pod.metadata.labels = Some(labels);
                        self.pods.push(Arc::new(pod));
                    }
                    Action::Delete(pod) => {
                        did.push(format!("delete {}", pod.name()));
                        self.pods.retain(|other| other.name() != pod.name());
                    }
                    Action::Label(pod) => did.push(format!("label {}", pod.name())),
                }
            }
            if let Some(current) = plan.status.current_revision.clone() {
                self.revision.0 = current;
            }
            self.set.status = Some(plan.status);
            did
        }

        fn ready(&mut self) {
            for pod in &mut self.pods {
                let mut ready = pod.as_ref().clone();
                ready.status.phase = Some("Running".into());
                ready.status.conditions =
                    vec![PodCondition { type_: "Ready".into(), status: "True".into(), ..PodCondition::default() }];
                *pod = Arc::new(ready);
            }
        }

        fn all(&mut self) -> Vec<String> {
            let mut log = Vec::new();
            for _ in 0..20 {
                log.extend(self.step());
                self.ready();
            }
            log
        }

        fn spec(&mut self) -> &mut StatefulSetSpec {
            self.set.spec.get_or_insert_default()
        }
    }

    #[test]
    fn in_order_up_and_down() {
        let mut world = World::new(2);
        assert_eq!(world.step(), ["create 0 web-1"]);
        assert!(world.step().is_empty(), "waits for the first");
        world.ready();
        assert_eq!(world.all(), ["create 1 web-1"]);
        world.spec().replicas = Some(0);
        assert_eq!(world.all(), ["delete web-1", "delete web-0"]);
    }

    #[test]
    fn rolls_from_the_highest_number_and_takes_the_new_revision_over() {
        let mut world = World::new(3);
        world.all();
        world.revision.1 = "web-2".into();
        let expected =
            ["delete web-2", "create 2 web-2", "delete web-1", "create 1 web-2", "delete web-0", "create 0 web-2"];
        assert_eq!(world.all(), expected);
        let status = world.set.status.clone().unwrap();
        assert_eq!((status.current_revision.as_deref(), status.updated_replicas), (Some("web-2"), Some(3)));
    }

    #[test]
    fn partition_keeps_the_lower_numbers() {
        let mut world = World::new(3);
        world.all();
        let rolling_update = Some(RollingUpdateStatefulSetStrategy { partition: Some(2), max_unavailable: None });
        world.spec().update_strategy =
            Some(StatefulSetUpdateStrategy { type_: Some("RollingUpdate".into()), rolling_update });
        world.revision.1 = "web-2".into();
        assert_eq!(world.all(), ["delete web-2", "create 2 web-2"]);
        world.pods.retain(|pod| pod.name() != "web-0");
        assert_eq!(world.step(), ["create 0 web-1"]);
    }

    #[test]
    fn parallel_creates_and_deletes_all_at_once() {
        let mut world = World::new(3);
        world.spec().pod_management_policy = Some("Parallel".into());
        assert_eq!(world.step().len(), 3);
        world.spec().replicas = Some(1);
        assert_eq!(world.step(), ["delete web-2", "delete web-1"]);
    }

    #[test]
    fn failed_pods_are_made_again() {
        let mut world = World::new(1);
        world.all();
        let mut failed = world.pods[0].as_ref().clone();
        failed.status.phase = Some("Failed".into());
        world.pods[0] = Arc::new(failed);
        assert_eq!(world.step(), ["delete web-0"]);
        assert_eq!(world.step(), ["create 0 web-1"]);
    }
}
