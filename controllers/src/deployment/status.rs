//! A Deployment's status: counts and the conditions Available, Progressing, ReplicaFailure. Pure.

use jiff::Timestamp;
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{fraction, plan::has_progress_deadline};

/// What the status is made of: the sets after the planned writes.
pub struct Sets<'a> {
    pub new: Option<&'a ReplicaSet>,
    pub old: Vec<&'a ReplicaSet>,
}

impl Sets<'_> {
    fn all(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.old.iter().copied().chain(self.new)
    }

    fn sum(&self, count: impl Fn(&ReplicaSet) -> i32) -> i32 {
        self.all().map(count).sum()
    }
}

/// The replicas a set asks for.
pub fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// The replicas a set has.
pub fn actual(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |status| status.replicas)
}

/// The available replicas of a set.
pub fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

/// Counts and the Available condition; the other conditions as they were.
pub fn counts(deployment: &Deployment, sets: &Sets, now: Timestamp) -> DeploymentStatus {
    let old = deployment.status.clone().unwrap_or_default();
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let available_replicas = sets.sum(available);
    let some = |count: i32| (count != 0).then_some(count);
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(sets.sum(actual)),
        updated_replicas: some(sets.new.map_or(0, actual)),
        ready_replicas: some(sets.sum(|set| set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0))),
        available_replicas: some(available_replicas),
        unavailable_replicas: some((sets.sum(wanted) - available_replicas).max(0)),
        terminating_replicas: terminating(sets),
        collision_count: old.collision_count,
        conditions: old.conditions,
    };
    let enough = available_replicas >= replicas - fraction::max_unavailable(deployment, replicas);
    set_condition(
        &mut status,
        if enough {
            condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
        } else {
            let text = "Deployment does not have minimum availability.";
            condition("Available", "False", "MinimumReplicasUnavailable", text, now)
        },
    );
    status
}

/// `counts` plus the progress of the rollout and the failures of its sets.
pub fn rollout(deployment: &Deployment, sets: &Sets, now: Timestamp) -> DeploymentStatus {
    let mut status = counts(deployment, sets, now);
    let old = deployment.status.clone().unwrap_or_default();
    let current = find(&old, "Progressing").cloned();
    let deadline = has_progress_deadline(deployment);
    if !deadline {
        remove_condition(&mut status, "Progressing");
    }
    let done_before = status.replicas == status.updated_replicas
        && current.as_ref().is_some_and(|current| current.reason.as_deref() == Some("NewReplicaSetAvailable"));
    if deadline && !done_before {
        let subject = match sets.new {
            Some(set) => format!("ReplicaSet {:?}", set.metadata.name.as_deref().unwrap_or_default()),
            None => format!("Deployment {:?}", deployment.metadata.name.as_deref().unwrap_or_default()),
        };
        if complete(deployment, &status) {
            let text = format!("{subject} has successfully progressed.");
            set_condition(&mut status, condition("Progressing", "True", "NewReplicaSetAvailable", &text, now));
        } else if progressed(&old, &status) {
            let text = format!("{subject} is progressing.");
            let mut progressing = condition("Progressing", "True", "ReplicaSetUpdated", &text, now);
            if let Some(current) = &current {
                if current.status == "True" {
                    progressing.last_transition_time = current.last_transition_time.clone();
                }
                // The time of the update counts for the deadline, so it is written on every progress.
                remove_condition(&mut status, "Progressing");
            }
            set_condition(&mut status, progressing);
        } else if timed_out(deployment, &status, now) {
            let text = format!("{subject} has timed out progressing.");
            set_condition(&mut status, condition("Progressing", "False", "ProgressDeadlineExceeded", &text, now));
        }
    }
    match replica_failure(sets) {
        Some(failure) => set_condition(&mut status, failure),
        None => remove_condition(&mut status, "ReplicaFailure"),
    }
    status
}

/// All wanted replicas are of the newest template and available, and no other is left.
pub fn complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    [status.updated_replicas, status.replicas, status.available_replicas]
        .iter()
        .all(|count| count.unwrap_or(0) == replicas)
        && status.observed_generation >= deployment.metadata.generation
}

/// The condition of this type.
pub fn find<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == type_)
}

pub fn condition(type_: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> DeploymentCondition {
    DeploymentCondition {
        type_: type_.to_string(),
        status: status.to_string(),
        reason: Some(reason.to_string()),
        message: Some(message.to_string()),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

/// Sets a condition; one with the same status and reason is left alone, message included, as upstream does.
pub fn set_condition(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(current) = find(status, &condition.type_).filter(|current| current.status == condition.status) {
        if current.reason == condition.reason {
            return;
        }
        condition.last_transition_time = current.last_transition_time.clone();
    }
    remove_condition(status, &condition.type_);
    status.conditions.get_or_insert_default().push(condition);
}

fn remove_condition(status: &mut DeploymentStatus, type_: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|condition| condition.type_ != type_);
    }
}

/// `None` as long as a set has not counted its terminating pods yet.
fn terminating(sets: &Sets) -> Option<i32> {
    let mut sum = 0;
    for set in sets.all() {
        let status = set.status.clone().unwrap_or_default();
        match status.terminating_replicas {
            Some(count) => sum += count,
            None if status.observed_generation.unwrap_or(0) == 0 => {}
            None => return None,
        }
    }
    Some(sum)
}

fn progressed(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let number = |count: Option<i32>| count.unwrap_or(0);
    let of_old_template = |status: &DeploymentStatus| number(status.replicas) - number(status.updated_replicas);
    number(new.updated_replicas) > number(old.updated_replicas)
        || of_old_template(new) < of_old_template(old)
        || number(new.ready_replicas) > number(old.ready_replicas)
        || number(new.available_replicas) > number(old.available_replicas)
}

fn timed_out(deployment: &Deployment, status: &DeploymentStatus, now: Timestamp) -> bool {
    let Some(progressing) = find(status, "Progressing") else { return false };
    match progressing.reason.as_deref() {
        Some("NewReplicaSetAvailable") => false,
        Some("ProgressDeadlineExceeded") => true,
        _ => {
            let seconds = deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds).unwrap_or(600);
            let since = progressing.last_update_time.as_ref().map_or(now, |time| time.0);
            now.duration_since(since).as_secs_f64() > f64::from(seconds)
        }
    }
}

/// The failure of the newest set, else of any.
fn replica_failure(sets: &Sets) -> Option<DeploymentCondition> {
    sets.new.into_iter().chain(sets.old.iter().copied()).find_map(|set| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        let failure = conditions.iter().find(|condition| condition.type_ == "ReplicaFailure")?;
        Some(DeploymentCondition {
            type_: failure.type_.clone(),
            status: failure.status.clone(),
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            last_update_time: failure.last_transition_time.clone(),
            last_transition_time: failure.last_transition_time.clone(),
        })
    })
}
