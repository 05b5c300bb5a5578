//! What a ReplicaSet needs: pods to create or delete, and its status. Pure.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::apps::v1::{ReplicaSetCondition, ReplicaSetStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{Replicator, condition, ranking};
use crate::pod::{Pod, seconds};

/// At most so many creations or deletions per sync.
const BURST: usize = 500;

/// What to do about the number of pods.
#[derive(Debug)]
pub enum Action {
    Nothing,
    Create(usize),
    Delete(Vec<Arc<Pod>>),
}

/// Compares the wanted number with the active pods. `related` are the pods of the whole family, for ranking.
pub fn replicas(wanted: i32, active: &[Arc<Pod>], related: &[Arc<Pod>]) -> Action {
    let wanted = usize::try_from(wanted).unwrap_or(0);
    match active.len().cmp(&wanted) {
        Ordering::Equal => Action::Nothing,
        Ordering::Less => Action::Create((wanted - active.len()).min(BURST)),
        Ordering::Greater => {
            Action::Delete(ranking::first_to_delete(active, related, (active.len() - wanted).min(BURST)))
        }
    }
}

/// The new status; `failure` is why creating or deleting failed.
pub fn status<K: Replicator>(
    set: &K,
    active: &[Arc<Pod>],
    terminating: usize,
    failure: Option<String>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let count = |pods: usize| i32::try_from(pods).unwrap_or(i32::MAX);
    let template_labels = set.template().metadata.and_then(|meta| meta.labels).unwrap_or_default();
    let fully_labeled = active
        .iter()
        .filter(|pod| {
            let labels = pod.metadata.labels.as_ref();
            template_labels.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
        })
        .count();
    let ready = active.iter().filter(|pod| pod.ready()).count();
    let available = active.iter().filter(|pod| pod.available(set.min_ready_seconds(), now)).count();
    let optional = |pods: usize| (pods > 0).then(|| count(pods));
    let mut conditions = set.status().conditions.unwrap_or_default();
    match (&failure, condition(&conditions, "ReplicaFailure").is_some()) {
        (Some(message), false) => {
            let short = active.len() < usize::try_from(set.replicas()).unwrap_or(0);
            conditions.push(ReplicaSetCondition {
                type_: "ReplicaFailure".to_string(),
                status: "True".to_string(),
                reason: Some(if short { "FailedCreate" } else { "FailedDelete" }.to_string()),
                message: Some(message.clone()),
                last_transition_time: Some(Time(now)),
            });
        }
        (None, true) => conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
        _ => {}
    }
    ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: optional(fully_labeled),
        ready_replicas: optional(ready),
        available_replicas: optional(available),
        terminating_replicas: K::COUNTS_TERMINATING.then(|| count(terminating)),
        observed_generation: set.meta().generation,
        conditions: Some(conditions).filter(|conditions| !conditions.is_empty()),
    }
}

/// When the next pod becomes available by time alone.
pub fn next_availability_check(active: &[Arc<Pod>], min_ready_seconds: i32, now: Timestamp) -> Option<Duration> {
    if min_ready_seconds == 0 {
        return None;
    }
    active
        .iter()
        .filter(|pod| pod.ready() && !pod.available(min_ready_seconds, now))
        .filter_map(|pod| pod.ready_since())
        .map(|since| Duration::from_secs_f64((f64::from(min_ready_seconds) - seconds(since, now)).max(0.001)))
        .min()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        apps::v1::{ReplicaSet, ReplicaSetSpec},
        core::v1::PodCondition,
    };

    use super::*;

    fn set(replicas: i32, min_ready_seconds: i32) -> ReplicaSet {
        let spec = ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: Some(min_ready_seconds),
            ..ReplicaSetSpec::default()
        };
        ReplicaSet { spec: Some(spec), ..ReplicaSet::default() }
    }

    fn pod(name: &str, ready_since: Option<i64>) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.into());
        pod.status.conditions = ready_since
            .map(|second| PodCondition {
                type_: "Ready".into(),
                status: "True".into(),
                last_transition_time: Some(Time(Timestamp::from_second(second).unwrap())),
                ..PodCondition::default()
            })
            .into_iter()
            .collect();
        Arc::new(pod)
    }

    #[test]
    fn counts() {
        assert!(matches!(replicas(2, &[pod("a", None), pod("b", None)], &[]), Action::Nothing));
        assert!(matches!(replicas(3, &[pod("a", None)], &[]), Action::Create(2)));
        assert!(matches!(replicas(3000, &[], &[]), Action::Create(500)));
        let Action::Delete(pods) = replicas(1, &[pod("ready", Some(1)), pod("not", None)], &[]) else { panic!() };
        assert_eq!(pods[0].name(), "not");
    }

    #[test]
    fn status_counts_ready_and_available_pods() {
        let now = Timestamp::from_second(100).unwrap();
        let pods = [pod("a", Some(95)), pod("b", Some(60)), pod("c", None)];
        let status = status(&set(3, 30), &pods, 1, None, now);
        assert_eq!((status.replicas, status.ready_replicas, status.available_replicas), (3, Some(2), Some(1)));
        assert_eq!((status.fully_labeled_replicas, status.terminating_replicas), (Some(3), Some(1)));
        assert_eq!(next_availability_check(&pods, 30, now), Some(Duration::from_secs(25)));
    }

    #[test]
    fn failures_become_a_condition_that_goes_with_them() {
        let now = Timestamp::from_second(100).unwrap();
        let mut set = set(1, 0);
        let failed = status(&set, &[], 0, Some("no quota".into()), now);
        let condition = failed.conditions.as_ref().and_then(|conditions| conditions.first()).cloned().unwrap();
        assert_eq!(
            (condition.reason.as_deref(), condition.message.as_deref()),
            (Some("FailedCreate"), Some("no quota"))
        );
        set.set_status(failed);
        assert_eq!(status(&set, &[], 0, None, now).conditions, None);
    }
}
