//! What a Deployment needs now: one step of its rollout. Pure.
//!
//! A step ends where upstream waits for the result to show in its store: after scaling up, after scaling down. The
//! next change of a ReplicaSet wakes the Deployment for the next step.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::api::ObjectMeta;

use super::{
    annotations::{self, DESIRED_REPLICAS, MAX_REPLICAS},
    fraction,
    status::{self, Sets, actual, available, wanted},
    until,
};
use crate::{owner::controller_reference, template_hash as hash};

/// One write.
#[derive(Debug)]
pub enum Action {
    Create(Box<ReplicaSet>),
    /// Annotations or minReadySeconds of the newest set.
    Update(Box<ReplicaSet>),
    /// `set` is already as it should be written; the numbers are for the event.
    Scale {
        set: Box<ReplicaSet>,
        from: i32,
        to: i32,
    },
    Delete(String),
}

/// The writes of one step, in order.
#[derive(Debug, Default)]
pub struct Plan {
    pub actions: Vec<Action>,
    /// The Deployment with its new status and revision, where they change.
    pub deployment: Option<Deployment>,
    /// When to look again without an event: the progress deadline.
    pub check_after: Option<Duration>,
}

/// `sets` are the Deployment's own. `old_pods` tells whether a set still has pods that are not finished.
pub fn plan(
    deployment: &Deployment,
    sets: &[Arc<ReplicaSet>],
    old_pods: &dyn Fn(&ReplicaSet) -> bool,
    now: Timestamp,
) -> Plan {
    let mut step = Step::new(deployment, sets, now);
    if deployment.metadata.deletion_timestamp.is_some() {
        return step.finish(false);
    }
    step.check_paused();
    if deployment.spec.as_ref().and_then(|spec| spec.paused) == Some(true) {
        step.sync_revision();
        step.scale();
        step.clean_up();
        return step.finish(false);
    }
    if step.is_scaling() {
        step.sync_revision();
        step.scale();
        return step.finish(false);
    }
    if fraction::is_rolling(deployment) {
        step.roll();
    } else {
        step.recreate(old_pods);
    }
    step.finish(true)
}

/// Whether the Deployment has a deadline for its progress.
pub fn has_progress_deadline(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds).is_some_and(|seconds| seconds != i32::MAX)
}

/// Whether the set is of the Deployment's template, the hash label aside.
pub fn same_template(deployment: &Deployment, set: &ReplicaSet) -> bool {
    let template = |template: &PodTemplateSpec| {
        let mut template = template.clone();
        let meta = template.metadata.get_or_insert_default();
        if let Some(labels) = &mut meta.labels {
            labels.remove(hash::LABEL);
        }
        meta.labels = meta.labels.take().filter(|labels| !labels.is_empty());
        meta.creation_timestamp = None;
        template
    };
    let (Some(spec), Some(set)) = (&deployment.spec, &set.spec) else { return false };
    set.template.as_ref().is_some_and(|of_set| template(&spec.template) == template(of_set))
}

/// A set and what the step makes of it.
#[derive(Clone, Debug)]
struct Set {
    was: Arc<ReplicaSet>,
    becomes: ReplicaSet,
    created: bool,
}

impl Set {
    fn changed(&self) -> bool {
        *self.was != self.becomes
    }
}

struct Step<'a> {
    deployment: &'a Deployment,
    now: Timestamp,
    replicas: i32,
    surge: i32,
    new: Option<Set>,
    /// Oldest first.
    old: Vec<Set>,
    delete: Vec<String>,
    revision: Option<String>,
    /// The status as the Deployment has it, with what this step sets on the way.
    status: DeploymentStatus,
}

impl<'a> Step<'a> {
    fn new(deployment: &'a Deployment, sets: &[Arc<ReplicaSet>], now: Timestamp) -> Self {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let mut all: Vec<Set> =
            sets.iter().map(|set| Set { was: set.clone(), becomes: set.as_ref().clone(), created: false }).collect();
        all.sort_by_key(|set| (created(&set.was), set.was.metadata.name.clone()));
        // Of several sets of the same template (upstream made such once) the oldest is the newest.
        let position = all.iter().position(|set| same_template(deployment, &set.was));
        let new = position.map(|position| all.remove(position));
        Step {
            deployment,
            now,
            replicas,
            surge: fraction::max_surge(deployment, replicas),
            new,
            old: all,
            delete: Vec::new(),
            revision: None,
            status: deployment.status.clone().unwrap_or_default(),
        }
    }

    /// Notes a pause and its end in Progressing, so that the time of the pause does not count for the deadline.
    fn check_paused(&mut self) {
        if !has_progress_deadline(self.deployment) {
            return;
        }
        let reason = status::find(&self.status, "Progressing").and_then(|current| current.reason.clone());
        if reason.as_deref() == Some("ProgressDeadlineExceeded") {
            return;
        }
        let paused = self.deployment.spec.as_ref().and_then(|spec| spec.paused) == Some(true);
        let noted = reason.as_deref() == Some("DeploymentPaused");
        let (reason, text) = match (paused, noted) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return,
        };
        let condition = status::condition("Progressing", "Unknown", reason, text, self.now);
        status::set_condition(&mut self.status, condition);
    }

    /// Brings the newest set's annotations and the Deployment's revision up to date, where there is a newest set.
    fn sync_revision(&mut self) {
        let newest = self.next_revision();
        let Some(set) = &mut self.new else { return };
        let annotations = annotations::of_newest(self.deployment, &set.becomes, newest);
        set.becomes.metadata.annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
        let ready_seconds = self.deployment.spec.as_ref().and_then(|spec| spec.min_ready_seconds);
        if let Some(spec) = &mut set.becomes.spec
            && spec.min_ready_seconds.unwrap_or(0) != ready_seconds.unwrap_or(0)
        {
            spec.min_ready_seconds = ready_seconds;
        }
        self.revision =
            set.becomes.metadata.annotations.as_ref().and_then(|all| all.get(annotations::REVISION).cloned());
        let name = set.becomes.metadata.name.clone().unwrap_or_default();
        if has_progress_deadline(self.deployment) && status::find(&self.status, "Progressing").is_none() {
            let text = format!("Found new replica set {name:?}");
            let condition = status::condition("Progressing", "True", "FoundNewReplicaSet", &text, self.now);
            status::set_condition(&mut self.status, condition);
        }
    }

    fn next_revision(&self) -> i64 {
        self.old.iter().map(|set| annotations::revision(&set.was)).max().unwrap_or(0) + 1
    }

    fn sync_revision_or_create(&mut self) {
        if self.new.is_some() {
            return self.sync_revision();
        }
        let created = self.new_set();
        let name = created.metadata.name.clone().unwrap_or_default();
        if has_progress_deadline(self.deployment) {
            let text = format!("Created new replica set {name:?}");
            let condition = status::condition("Progressing", "True", "NewReplicaSetCreated", &text, self.now);
            status::set_condition(&mut self.status, condition);
        }
        self.revision = Some(self.next_revision().to_string());
        self.new = Some(Set { was: Arc::new(created.clone()), becomes: created, created: true });
    }

    fn new_set(&self) -> ReplicaSet {
        let spec = self.deployment.spec.clone().unwrap_or_default();
        let mut template = spec.template;
        let hash = hash::template_hash(&template, self.status.collision_count);
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(hash::LABEL.to_string(), hash.clone());
        let labels = labels.clone();
        let mut selector = spec.selector;
        selector.match_labels.get_or_insert_default().insert(hash::LABEL.to_string(), hash.clone());
        let name = self.deployment.metadata.name.clone().unwrap_or_default();
        let mut set = ReplicaSet {
            metadata: ObjectMeta {
                name: Some(hash::set_name(&name, &hash)),
                namespace: self.deployment.metadata.namespace.clone(),
                labels: Some(labels),
                owner_references: Some(vec![controller_reference(self.deployment)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(self.size_of_new(0)),
                min_ready_seconds: spec.min_ready_seconds,
                selector,
                template: Some(template),
            }),
            status: None,
        };
        let mut annotations = annotations::of_newest(self.deployment, &set, self.next_revision());
        annotations::note_replicas(&mut annotations, self.replicas, self.replicas + self.surge);
        set.metadata.annotations = Some(annotations);
        set
    }

    /// How large the newest set, now of `size`, may be.
    fn size_of_new(&self, size: i32) -> i32 {
        if !fraction::is_rolling(self.deployment) {
            return self.replicas;
        }
        let total: i32 = self.old.iter().map(|set| wanted(&set.becomes)).sum::<i32>() + size;
        let room = self.replicas + self.surge - total;
        if room <= 0 { size } else { size + room.min(self.replicas - size) }
    }

    /// Whether the wanted number changed since the sets were last scaled.
    fn is_scaling(&self) -> bool {
        let mut active = self.old.iter().chain(&self.new).filter(|set| wanted(&set.was) > 0);
        active.any(|set| annotations::noted(&set.was, DESIRED_REPLICAS).is_some_and(|desired| desired != self.replicas))
    }

    /// Brings the sets to a changed number without moving the rollout on.
    fn scale(&mut self) {
        let (replicas, surge) = (self.replicas, self.surge);
        let resize = |set: &mut Set, size| resize(set, size, replicas, surge, false);
        // The newest first, then the latest of the old ones.
        let mut sets: Vec<&mut Set> = self.new.iter_mut().chain(self.old.iter_mut().rev()).collect();
        if sets.is_empty() {
            return;
        }
        let active: Vec<usize> = (0..sets.len()).filter(|i| wanted(&sets[*i].was) > 0).collect();
        if active.len() <= 1 {
            return resize(sets[active.first().copied().unwrap_or(0)], replicas);
        }
        if let Some(new) = &self.new
            && wanted(&new.was) == replicas
            && annotations::noted(&new.was, DESIRED_REPLICAS) == Some(replicas)
            && available(&new.was) == replicas
        {
            return self.old.iter_mut().filter(|set| wanted(&set.was) > 0).for_each(|set| resize(set, 0));
        }
        if fraction::is_rolling(self.deployment) {
            self.scale_in_proportion();
        }
    }

    /// Several sets share the change in proportion to their sizes: of more pods the largest gets what rounding
    /// leaves over, newer ones first; of fewer the older ones.
    fn scale_in_proportion(&mut self) {
        let (replicas, surge) = (self.replicas, self.surge);
        let known = self.deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
        let mut sets: Vec<&mut Set> =
            self.old.iter_mut().chain(self.new.as_mut()).filter(|set| wanted(&set.was) > 0).collect();
        let total: i32 = sets.iter().map(|set| wanted(&set.was)).sum();
        let allowed = if replicas > 0 { replicas + surge } else { 0 };
        let to_add = allowed - total;
        if to_add > 0 {
            sets.sort_by_key(|set| (Reverse(wanted(&set.was)), Reverse(created(&set.was))));
        } else {
            sets.sort_by_key(|set| (Reverse(wanted(&set.was)), created(&set.was)));
        }
        let mut added = 0;
        let mut sizes: Vec<i32> = Vec::with_capacity(sets.len());
        for set in &sets {
            let share = proportion(&set.was, replicas, surge, known, to_add, added);
            sizes.push(wanted(&set.was) + share);
            added += share;
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + to_add - added).max(0);
        }
        for (set, size) in sets.into_iter().zip(sizes) {
            resize(set, size, replicas, surge, true);
        }
    }

    fn roll(&mut self) {
        self.sync_revision_or_create();
        let (replicas, surge) = (self.replicas, self.surge);
        let size = self.new.as_ref().map_or(0, |set| wanted(&set.becomes));
        let target = if size > replicas { replicas } else { self.size_of_new(size) };
        if let Some(new) = &mut self.new
            && target != size
        {
            return resize(new, target, replicas, surge, false);
        }
        if !self.shrink_old() && status::complete(self.deployment, &self.status) {
            self.clean_up();
        }
    }

    /// Takes pods off the old sets, as many as availability allows, unhealthy ones first; whether it did.
    fn shrink_old(&mut self) -> bool {
        let (replicas, surge) = (self.replicas, self.surge);
        let min_available = replicas - fraction::max_unavailable(self.deployment, replicas);
        let (new_size, new_available) =
            self.new.as_ref().map_or((0, 0), |set| (wanted(&set.becomes), available(&set.was)));
        let old_size: i32 = self.old.iter().map(|set| wanted(&set.becomes)).sum();
        let most = old_size + new_size - min_available - (new_size - new_available);
        if old_size == 0 || most <= 0 {
            return false;
        }
        let mut unhealthy = 0;
        for set in self.old.iter_mut() {
            let size = wanted(&set.becomes);
            let down = (most - unhealthy).min(size - available(&set.was));
            if size > 0 && down > 0 {
                resize(set, size - down, replicas, surge, false);
                unhealthy += down;
            }
        }
        let all_available: i32 = self.old.iter().map(|set| available(&set.was)).sum::<i32>() + new_available;
        let mut left = all_available - min_available;
        let mut healthy = 0;
        for set in self.old.iter_mut() {
            let size = wanted(&set.becomes);
            let down = left.min(size);
            if down > 0 {
                resize(set, size - down, replicas, surge, false);
                left -= down;
                healthy += down;
            }
        }
        unhealthy + healthy > 0
    }

    /// All old pods go before the first new one comes.
    fn recreate(&mut self, old_pods: &dyn Fn(&ReplicaSet) -> bool) {
        self.sync_revision();
        let (replicas, surge) = (self.replicas, self.surge);
        let mut scaled = false;
        for set in self.old.iter_mut().filter(|set| wanted(&set.was) > 0) {
            resize(set, 0, replicas, surge, false);
            scaled = true;
        }
        if scaled || self.old.iter().any(|set| actual(&set.was) > 0 || old_pods(&set.was)) {
            return;
        }
        self.sync_revision_or_create();
        if let Some(new) = &mut self.new {
            resize(new, replicas, replicas, surge, false);
        }
        if status::complete(self.deployment, &self.status) {
            self.clean_up();
        }
    }

    /// Deletes the oldest empty sets beyond the history limit.
    fn clean_up(&mut self) {
        let limit = self.deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit);
        let Some(limit) = limit.filter(|limit| *limit != i32::MAX) else { return };
        let mut alive: Vec<&Set> =
            self.old.iter().filter(|set| set.was.metadata.deletion_timestamp.is_none()).collect();
        alive.sort_by_key(|set| (annotations::revision(&set.was), created(&set.was)));
        let excess = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for set in alive.into_iter().take(excess) {
            let observed = set.was.status.as_ref().and_then(|status| status.observed_generation);
            if actual(&set.was) == 0 && wanted(&set.was) == 0 && set.was.metadata.generation <= observed {
                self.delete.extend(set.was.metadata.name.clone());
            }
        }
    }

    /// The step as writes. `rollout`: whether the status tells of progress too.
    fn finish(self, rollout: bool) -> Plan {
        let mut plan = Plan::default();
        let mut current = self.deployment.clone();
        current.status = Some(self.status.clone());
        let sets = Sets {
            new: self.new.as_ref().map(|set| &set.becomes),
            old: self.old.iter().map(|set| &set.becomes).collect(),
        };
        let status = if rollout {
            status::rollout(&current, &sets, self.now)
        } else {
            status::counts(&current, &sets, self.now)
        };
        if rollout && let Some(progressing) = status::find(&status, "Progressing") {
            let waiting = has_progress_deadline(self.deployment)
                && !status::complete(self.deployment, &status)
                && progressing.reason.as_deref() != Some("ProgressDeadlineExceeded");
            let seconds = self.deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds).unwrap_or(600);
            let since = progressing.last_update_time.as_ref().map_or(self.now, |time| time.0);
            plan.check_after = waiting.then(|| until(since, seconds, self.now));
        }
        let old_revision = self.deployment.metadata.annotations.as_ref().and_then(|all| all.get(annotations::REVISION));
        let revision = self.revision.filter(|revision| Some(revision) != old_revision);
        if Some(&status) != self.deployment.status.as_ref() || revision.is_some() {
            let mut updated = self.deployment.clone();
            if let Some(revision) = revision {
                updated
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(annotations::REVISION.to_string(), revision);
            }
            updated.status = Some(status);
            plan.deployment = Some(updated);
        }
        let mut scaled_down = Vec::new();
        for set in self.new.into_iter().chain(self.old) {
            let (from, to) = (wanted(&set.was), wanted(&set.becomes));
            if set.created {
                plan.actions.push(Action::Create(Box::new(set.becomes)));
            } else if from != to {
                let scale = Action::Scale { set: Box::new(set.becomes), from, to };
                if from < to { plan.actions.push(scale) } else { scaled_down.push(scale) }
            } else if set.changed() {
                plan.actions.push(Action::Update(Box::new(set.becomes)));
            }
        }
        plan.actions.extend(scaled_down);
        plan.actions.extend(self.delete.into_iter().map(Action::Delete));
        plan
    }
}

/// Sets a size and notes the numbers behind it; with the size unchanged only where `force`d.
fn resize(set: &mut Set, size: i32, replicas: i32, surge: i32, force: bool) {
    if !force && wanted(&set.becomes) == size {
        return;
    }
    if let Some(spec) = &mut set.becomes.spec {
        spec.replicas = Some(size);
    }
    annotations::note_replicas(set.becomes.metadata.annotations.get_or_insert_default(), replicas, replicas + surge);
}

/// A set's share of a change by `to_add`, of which `added` is given away already.
fn proportion(set: &ReplicaSet, replicas: i32, surge: i32, known: i32, to_add: i32, added: i32) -> i32 {
    let size = wanted(set);
    if size == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = if replicas == 0 {
        -size
    } else {
        // The largest number before the change; where it was not noted, what the Deployment last counted.
        let before = annotations::noted(set, MAX_REPLICAS).filter(|before| *before > 0).unwrap_or(known);
        if before == 0 {
            0
        } else {
            let scaled = f64::from(size) * f64::from(replicas + surge) / f64::from(before);
            // Sizes are far below 2^31, so the cast is exact.
            scaled.round() as i32 - size
        }
    };
    let allowed = to_add - added;
    if to_add > 0 { fraction.min(allowed) } else { fraction.max(allowed) }
}

fn created(set: &ReplicaSet) -> Timestamp {
    set.metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |Time(time)| *time)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
