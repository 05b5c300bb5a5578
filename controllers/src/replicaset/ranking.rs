//! Which pods go first when a ReplicaSet shrinks.

use std::{
    cmp::{Ordering, Reverse},
    collections::HashMap,
    sync::Arc,
};

use jiff::Timestamp;

use crate::pod::Pod;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods to delete first: the smallest [`Rank`]s. All pods when all have to go, unsorted.
pub fn first_to_delete(active: &[Arc<Pod>], related: &[Arc<Pod>], count: usize) -> Vec<Arc<Pod>> {
    let mut pods = active.to_vec();
    if count < pods.len() {
        let mut on_node: HashMap<&str, usize> = HashMap::new();
        for pod in related.iter().filter(|pod| pod.active()) {
            *on_node.entry(pod.node_name()).or_default() += 1;
        }
        let now = Timestamp::now();
        pods.sort_by_cached_key(|pod| Rank::of(pod, on_node.get(pod.node_name()).copied().unwrap_or(0), now));
    }
    pods.truncate(count);
    pods
}

/// Smaller goes first; the fields in order of weight.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    assigned: bool,
    phase: u8,
    ready: bool,
    deletion_cost: i32,
    /// More pods of the family on its node go first.
    neighbours: Reverse<usize>,
    /// Ready for a shorter time goes first; compared only among ready pods, since `ready` stands above.
    ready_for: LogarithmicAge,
    restarts: Reverse<i32>,
    age: LogarithmicAge,
    uid: String,
}

impl Rank {
    fn of(pod: &Pod, neighbours: usize, now: Timestamp) -> Self {
        let cost = pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(DELETION_COST));
        Rank {
            assigned: !pod.node_name().is_empty(),
            phase: match pod.phase() {
                "Pending" => 0,
                "Unknown" => 1,
                _ => 2,
            },
            ready: pod.ready(),
            deletion_cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or(0),
            neighbours: Reverse(neighbours),
            ready_for: LogarithmicAge::new(pod.ready_since(), now),
            restarts: Reverse(pod.max_restarts()),
            age: LogarithmicAge::new(pod.created(), now),
            uid: pod.uid().to_string(),
        }
    }
}

/// How long something lasts, on a scale of powers of two: among pods of about the same age the choice is by UID, so
/// that the newest pods of one zone or node are not always the ones that go.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LogarithmicAge(Option<i64>);

impl LogarithmicAge {
    /// An unknown time is the youngest.
    fn new(since: Option<Timestamp>, now: Timestamp) -> Self {
        LogarithmicAge(since.map(|since| {
            let nanoseconds = now.duration_since(since).as_nanos();
            match nanoseconds.cmp(&0) {
                Ordering::Greater => i64::from(nanoseconds.ilog2()),
                _ => -1,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::core::v1::PodCondition, apimachinery::pkg::apis::meta::v1::Time};

    use super::*;
    use crate::pod::ContainerStatus;

    fn pod(name: &str, node: &str, phase: &str, ready_seconds_ago: Option<i64>) -> Pod {
        let now = Timestamp::now();
        let ago = |seconds: i64| Some(Time(Timestamp::from_second(now.as_second() - seconds).unwrap()));
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.into());
        pod.metadata.uid = Some(name.into());
        pod.metadata.creation_timestamp = ago(10_000);
        pod.spec.node_name = (!node.is_empty()).then(|| node.into());
        pod.status.phase = Some(phase.into());
        if let Some(seconds) = ready_seconds_ago {
            pod.status.conditions = vec![PodCondition {
                type_: "Ready".into(),
                status: "True".into(),
                last_transition_time: ago(seconds),
                ..PodCondition::default()
            }];
        }
        pod
    }

    fn order(pods: Vec<Pod>) -> Vec<String> {
        let pods: Vec<_> = pods.into_iter().map(Arc::new).collect();
        let mut extended = pods.clone();
        extended.push(Arc::new(pod("z", "n", "Running", Some(100_000_000))));
        first_to_delete(&extended, &pods, pods.len()).iter().map(|pod| pod.name().to_string()).collect()
    }

    #[test]
    fn unassigned_then_pending_then_not_ready_then_young() {
        let pods = vec![
            pod("old", "n", "Running", Some(9000)),
            pod("young", "n", "Running", Some(10)),
            pod("not-ready", "n", "Running", None),
            pod("pending", "n", "Pending", None),
            pod("unassigned", "", "Pending", None),
        ];
        assert_eq!(order(pods), ["unassigned", "pending", "not-ready", "young", "old"]);
    }

    #[test]
    fn cost_then_neighbours_then_restarts() {
        let mut cheap = pod("cheap", "n1", "Running", Some(9000));
        cheap.metadata.annotations = Some([(DELETION_COST.to_string(), "-5".to_string())].into());
        let mut restarted = pod("restarted", "n2", "Running", Some(9000));
        restarted.status.container_statuses = vec![ContainerStatus { restart_count: 3, ..ContainerStatus::default() }];
        let calm = pod("calm", "n2", "Running", Some(9000));
        let alone = pod("alone", "n3", "Running", Some(9000));
        assert_eq!(order(vec![alone, calm, restarted, cheap]), ["cheap", "restarted", "calm", "alone"]);
    }
}
