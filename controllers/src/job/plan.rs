//! What a Job needs now: pods to create, delete and count, and its status. Pure.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use controllers_component_base::events::EventType;
use jiff::Timestamp;
use k8s_openapi::{
    api::batch::v1::{Job, JobCondition, JobSpec, JobStatus, UncountedTerminatedPods},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{FAILURES, FINALIZER, IGNORED_FAILURES, INDEX, JobEvent, indexes, policy};
use crate::pod::{Pod, seconds};

/// At most so many pods are created or deleted per sync.
const BURST: usize = 500;
/// The wait after the first failure; it doubles with each further one, up to the maximum.
const BACKOFF_SECONDS: f64 = 10.0;
const MAX_BACKOFF_SECONDS: f64 = 600.0;

/// A pod to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPod {
    /// Of an Indexed Job.
    pub index: Option<usize>,
    /// How often the index has failed and how often that was ignored, where each index has a limit of its own.
    pub failures: Option<(u32, u32)>,
}

/// What to do: first the pods, then the status, then the finalizers.
#[derive(Debug, Default)]
pub struct Plan {
    pub create: Vec<NewPod>,
    pub delete: Vec<Arc<Pod>>,
    /// Pods too many, or of a suspended Job: deleted without being counted, so their finalizer goes first.
    pub discard: Vec<Arc<Pod>>,
    pub status: Option<JobStatus>,
    /// Pods that are in the status by UID now, so that their finalizer can go.
    pub free: Vec<Arc<Pod>>,
    pub events: Vec<JobEvent>,
    pub check_after: Option<Duration>,
}

pub fn has_finalizer(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Whether the Job has ended.
pub fn finished(job: &Job) -> bool {
    condition(job.status.as_ref(), "Complete").is_some() || condition(job.status.as_ref(), "Failed").is_some()
}

/// The true condition of this type.
pub fn condition<'a>(status: Option<&'a JobStatus>, type_: &str) -> Option<&'a JobCondition> {
    status?.conditions.iter().flatten().find(|condition| condition.type_ == type_ && condition.status == "True")
}

/// How a Job ends, or is about to.
#[derive(Clone, Debug)]
struct End {
    succeeded: bool,
    reason: String,
    message: String,
}

/// `settled`: the store shows all pods this process has created and deleted.
pub fn plan(job: &Job, pods: &[Arc<Pod>], settled: bool, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if finished(job) {
        // Pods that came too late to be counted must not hang on their finalizer.
        plan.free =
            pods.iter().filter(|pod| has_finalizer(pod) && (pod.finished() || pod.terminating())).cloned().collect();
        return plan;
    }
    let spec = job.spec.clone().unwrap_or_default();
    let old = job.status.clone().unwrap_or_default();
    let mut count = Count::new(job, &spec, &old, pods);
    let suspended = spec.suspend == Some(true);
    let mut status = old.clone();
    if status.start_time.is_none() && !suspended {
        status.start_time = Some(Time(now));
    }
    let mut end = announced_end(&old)
        .or_else(|| failed(job, &spec, &status, pods, &count, now))
        .or_else(|| count.has_failed_by_index(&spec));
    if end.is_none()
        && let Some(message) =
            spec.success_policy.as_ref().and_then(|p| policy::success(p, count.completions, &count.indexes))
    {
        end = Some(End { succeeded: true, reason: "SuccessPolicy".into(), message });
    }
    let mut active: Vec<Arc<Pod>> = pods.iter().filter(|pod| pod.active()).cloned().collect();
    let mut terminating = pods.iter().filter(|pod| pod.terminating() && !pod.finished()).count();
    let deleting = job.metadata.deletion_timestamp.is_some();
    if end.is_some() {
        if settled {
            terminating += active.len();
            plan.delete = std::mem::take(&mut active);
        } else {
            end = None;
        }
    } else if settled && !deleting {
        let wanted = wanted(&spec, &count, active.len(), suspended);
        if active.len() > wanted {
            active.sort_by_key(|pod| (pod.ready(), std::cmp::Reverse(pod.created())));
            let cut = (active.len() - wanted).min(BURST);
            plan.discard = active.drain(..cut).collect();
            terminating += cut;
        } else {
            let held = if spec.pod_replacement_policy.as_deref() == Some("Failed") { terminating } else { 0 };
            let missing = wanted.saturating_sub(active.len() + held).min(BURST);
            // Where each index has a limit of its own, each waits for itself.
            match backoff(pods, now).filter(|_| missing > 0 && count.failed_indexes.is_none()) {
                Some(wait) => plan.check_after = Some(wait),
                None => {
                    let only_failed = spec.pod_replacement_policy.as_deref() == Some("Failed");
                    let leaving = pods.iter().filter(|pod| only_failed && pod.terminating() && !pod.finished());
                    let held = active.iter().chain(leaving).filter_map(|pod| index(pod)).collect();
                    (plan.create, plan.check_after) = count.next(job, missing, &held, now);
                }
            }
        }
    }
    let running = active.len() + plan.create.len();
    if end.is_none() && running == 0 && plan.discard.is_empty() && settled && count.is_complete(&spec) {
        let message = "Reached expected number of succeeded pods".to_string();
        end = Some(End { succeeded: true, reason: "CompletionsReached".into(), message });
    }
    if end.is_none() && settled && !deleting {
        plan.events.extend(set_suspended(&mut status, suspended, now));
    }
    if let (Some(limit), Some(start), false) = (spec.active_deadline_seconds, &status.start_time, suspended) {
        let left = Duration::from_secs_f64((limit as f64 - seconds(start.0, now)).max(0.0) + 0.01);
        plan.check_after = Some(plan.check_after.map_or(left, |after| after.min(left)));
    }

    plan.free = count.take(job, pods, end.as_ref());
    status.active = some(running);
    status.ready = Some(number(active.iter().filter(|pod| pod.ready()).count()));
    status.terminating = Some(number(terminating));
    count.write(&mut status);
    if let Some(end) = end {
        let pending = terminating > 0 || !count.is_settled();
        plan.events.extend(set_end(&mut status, &end, pending, now));
    }
    plan.status = Some(status);
    plan
}

/// The number of pods that should run.
fn wanted(spec: &JobSpec, count: &Count, active: usize, suspended: bool) -> usize {
    let parallelism = usize::try_from(spec.parallelism.unwrap_or(1)).unwrap_or(0);
    match spec.completions {
        _ if suspended => 0,
        None if count.succeeded() > 0 => active,
        None => parallelism,
        Some(_) => count.completions.saturating_sub(count.succeeded()).min(parallelism),
    }
}

/// What the status says already about how the Job is to end.
fn announced_end(status: &JobStatus) -> Option<End> {
    let success = condition(Some(status), "SuccessCriteriaMet").map(|condition| (true, condition));
    let end = success.or_else(|| condition(Some(status), "FailureTarget").map(|condition| (false, condition)));
    end.map(|(succeeded, condition)| End {
        succeeded,
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
    })
}

fn failed(
    job: &Job,
    spec: &JobSpec,
    status: &JobStatus,
    pods: &[Arc<Pod>],
    count: &Count,
    now: Timestamp,
) -> Option<End> {
    let end = |reason: &str, message: String| Some(End { succeeded: false, reason: reason.into(), message });
    for pod in pods.iter().filter(|pod| is_failed(spec, pod)) {
        if let policy::Verdict::FailJob(message) = policy::failure(job, pod) {
            return end("PodFailurePolicy", message);
        }
    }
    let limit = usize::try_from(spec.backoff_limit.unwrap_or(6)).unwrap_or(0);
    let restarts = || -> usize {
        let live = pods.iter().filter(|pod| matches!(pod.phase(), "Running" | "Pending"));
        let statuses =
            live.flat_map(|pod| pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses));
        statuses.map(|status| usize::try_from(status.restart_count).unwrap_or(0)).sum()
    };
    let restarting = spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("OnFailure");
    if count.failed(job, pods) > limit || restarting && restarts() > 0 && restarts() >= limit {
        return end("BackoffLimitExceeded", "Job has reached the specified backoff limit".into());
    }
    let deadline = spec.active_deadline_seconds.filter(|_| spec.suspend != Some(true))?;
    let start = status.start_time.as_ref()?;
    if seconds(start.0, now) >= deadline as f64 {
        return end("DeadlineExceeded", "Job was active longer than specified deadline".into());
    }
    None
}

/// Failed, or on the way out without having succeeded (unless only failed pods are replaced).
fn is_failed(spec: &JobSpec, pod: &Pod) -> bool {
    let only_failed = spec.pod_replacement_policy.as_deref() == Some("Failed");
    pod.phase() == "Failed" || !only_failed && pod.terminating() && pod.phase() != "Succeeded"
}

/// How long to wait with new pods after the failures since the last success.
fn backoff(pods: &[Arc<Pod>], now: Timestamp) -> Option<Duration> {
    let ended = |phase: &'static str| {
        pods.iter().filter(move |pod| pod.phase() == phase).map(|pod| finish_time(pod)).collect::<Vec<_>>()
    };
    let success = ended("Succeeded").into_iter().max();
    let failures: Vec<Timestamp> =
        ended("Failed").into_iter().filter(|time| success.is_none_or(|last| *time > last)).collect();
    left_to_wait(failures.len(), *failures.iter().max()?, now)
}

/// How long to wait still after so many failures in a row.
fn left_to_wait(failures: usize, last: Timestamp, now: Timestamp) -> Option<Duration> {
    let doublings = i32::try_from(failures.saturating_sub(1)).unwrap_or(10).min(10);
    let wait = (BACKOFF_SECONDS * 2f64.powi(doublings)).min(MAX_BACKOFF_SECONDS) - seconds(last, now);
    (wait > 0.0).then(|| Duration::from_secs_f64(wait))
}

fn finish_time(pod: &Pod) -> Timestamp {
    let statuses = pod.status.container_statuses.iter();
    let finished =
        statuses.filter_map(|status| Some(status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0));
    let ready =
        || pod.condition("Ready").and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    finished.max().or_else(ready).or_else(|| pod.created()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The books: what is counted, what is noted by UID, what is new.
#[derive(Debug)]
struct Count {
    completions: usize,
    indexed: bool,
    counted: (usize, usize),
    /// UIDs of succeeded and of failed pods that are noted and not counted yet.
    noted: (Vec<String>, Vec<String>),
    /// Succeeded indexes, of an Indexed Job.
    indexes: BTreeSet<usize>,
    /// Failed indexes, where each has a limit of its own.
    failed_indexes: Option<BTreeSet<usize>>,
    /// The last failed pod of each index that is to be tried again: it keeps its finalizer, and so is not gone, until
    /// the pod that takes its place knows of its failures.
    awaiting: HashMap<usize, Arc<Pod>>,
    /// Pods that succeeded and are neither noted nor counted.
    fresh: usize,
}

impl Count {
    fn new(job: &Job, spec: &JobSpec, status: &JobStatus, pods: &[Arc<Pod>]) -> Self {
        let completions = usize::try_from(spec.completions.unwrap_or(0)).unwrap_or(0);
        let indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let held: HashSet<&str> = pods.iter().filter(|pod| has_finalizer(pod)).map(|pod| pod.uid()).collect();
        let noted = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let split = |uids: Option<Vec<String>>| -> (Vec<String>, usize) {
            let uids = uids.unwrap_or_default();
            let before = uids.len();
            let still: Vec<String> = uids.into_iter().filter(|uid| held.contains(uid.as_str())).collect();
            let counted = before - still.len();
            (still, counted)
        };
        // What was noted and has lost its finalizer becomes a number.
        let (noted_succeeded, succeeded) = split(noted.succeeded);
        let (noted_failed, failed) = split(noted.failed);
        let mut indexes = BTreeSet::new();
        let mut fresh = 0;
        if indexed {
            indexes = indexes::parse(status.completed_indexes.as_deref().unwrap_or_default(), completions);
        }
        for pod in pods.iter().filter(|pod| pod.phase() == "Succeeded" && has_finalizer(pod)) {
            if indexed {
                indexes.extend(index(pod).filter(|index| *index < completions));
            } else if !noted_succeeded.iter().any(|uid| uid == pod.uid()) {
                fresh += 1;
            }
        }
        let number = |count: Option<i32>| usize::try_from(count.unwrap_or(0)).unwrap_or(0);
        let mut count = Count {
            completions,
            indexed,
            counted: (number(status.succeeded) + succeeded, number(status.failed) + failed),
            noted: (noted_succeeded, noted_failed),
            indexes,
            failed_indexes: None,
            awaiting: HashMap::new(),
            fresh,
        };
        if let Some(limit) = spec.backoff_limit_per_index.filter(|_| indexed) {
            count.count_by_index(job, spec, status, pods, limit);
        }
        count
    }

    /// Which indexes have failed, and which pods wait to be replaced.
    fn count_by_index(&mut self, job: &Job, spec: &JobSpec, status: &JobStatus, pods: &[Arc<Pod>], limit: i32) {
        let mut failed = indexes::parse(status.failed_indexes.as_deref().unwrap_or_default(), self.completions);
        let uncounted: Vec<(usize, &Arc<Pod>)> = pods
            .iter()
            .filter(|pod| has_finalizer(pod) && is_failed(spec, pod))
            .filter_map(|pod| Some((index(pod).filter(|index| *index < self.completions)?, pod)))
            .collect();
        let limit = u32::try_from(limit).unwrap_or(0);
        let ends_index = |pod: &Pod| match policy::failure(job, pod) {
            policy::Verdict::FailIndex => true,
            policy::Verdict::Ignore => false,
            policy::Verdict::Count | policy::Verdict::FailJob(_) => failures(pod, FAILURES) >= limit,
        };
        failed.extend(uncounted.iter().filter(|(_, pod)| ends_index(pod)).map(|(index, _)| index));
        let active: HashSet<usize> = pods.iter().filter(|pod| pod.active()).filter_map(|pod| index(pod)).collect();
        for (index, pod) in uncounted {
            if self.indexes.contains(&index) || failed.contains(&index) || active.contains(&index) {
                continue;
            }
            let age = |pod: &Pod| (all_failures(pod), finish_time(pod));
            if self.awaiting.get(&index).is_none_or(|other| age(other) <= age(pod)) {
                self.awaiting.insert(index, pod.clone());
            }
        }
        self.failed_indexes = Some(failed);
    }

    /// The end of a Job of whose indexes too many have failed, or some once all have ended.
    fn has_failed_by_index(&self, spec: &JobSpec) -> Option<End> {
        let failed = self.failed_indexes.as_ref()?.len();
        let end = |reason: &str, message: &str| {
            Some(End { succeeded: false, reason: reason.into(), message: message.into() })
        };
        if spec.max_failed_indexes.is_some_and(|most| failed > usize::try_from(most).unwrap_or(0)) {
            return end("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
        }
        if failed > 0 && failed + self.indexes.len() >= self.completions {
            return end("FailedIndexes", "Job has failed indexes");
        }
        None
    }

    fn succeeded(&self) -> usize {
        if self.indexed { self.indexes.len() } else { self.counted.0 + self.noted.0.len() + self.fresh }
    }

    fn failed(&self, job: &Job, pods: &[Arc<Pod>]) -> usize {
        let spec = job.spec.clone().unwrap_or_default();
        let new = pods.iter().filter(|pod| {
            let noted = self.noted.1.iter().any(|uid| uid == pod.uid());
            has_finalizer(pod)
                && !noted
                && is_failed(&spec, pod)
                && policy::failure(job, pod) != policy::Verdict::Ignore
        });
        self.counted.1 + self.noted.1.len() + new.count()
    }

    fn is_complete(&self, spec: &JobSpec) -> bool {
        match spec.completions {
            Some(_) => self.succeeded() >= self.completions,
            None => self.succeeded() > 0,
        }
    }

    /// Notes the pods that have ended (all of them, where the Job ends); gives those whose finalizer can go.
    fn take(&mut self, job: &Job, pods: &[Arc<Pod>], end: Option<&End>) -> Vec<Arc<Pod>> {
        let spec = job.spec.clone().unwrap_or_default();
        let deleting = job.metadata.deletion_timestamp.is_some();
        let mut free = Vec::new();
        for pod in pods.iter().filter(|pod| has_finalizer(pod)) {
            let failed = is_failed(&spec, pod);
            if !(failed || pod.phase() == "Succeeded" || deleting || end.is_some()) {
                continue;
            }
            let awaits =
                index(pod).and_then(|index| self.awaiting.get(&index)).is_some_and(|own| own.uid() == pod.uid());
            if awaits && !deleting && end.is_none() {
                continue;
            }
            free.push(pod.clone());
            let noted = |uids: &[String]| uids.iter().any(|uid| uid == pod.uid());
            if pod.phase() == "Succeeded" && !noted(&self.noted.1) {
                if !self.indexed && !noted(&self.noted.0) {
                    self.noted.0.push(pod.uid().to_string());
                    self.fresh = self.fresh.saturating_sub(1);
                }
            } else if (failed || end.is_some_and(|end| !end.succeeded))
                && !noted(&self.noted.1)
                && policy::failure(job, pod) != policy::Verdict::Ignore
            {
                self.noted.1.push(pod.uid().to_string());
            }
        }
        free
    }

    /// Nothing is left to be counted.
    fn is_settled(&self) -> bool {
        self.noted.0.is_empty() && self.noted.1.is_empty()
    }

    /// The next pods, of an Indexed Job those of the next indexes without a pod, and when to look again for those
    /// whose index has failed and waits.
    fn next(
        &self,
        job: &Job,
        missing: usize,
        held: &HashSet<usize>,
        now: Timestamp,
    ) -> (Vec<NewPod>, Option<Duration>) {
        if !self.indexed {
            return (vec![NewPod::default(); missing], None);
        }
        let failed = |index: &usize| self.failed_indexes.as_ref().is_some_and(|failed| failed.contains(index));
        let free = (0..self.completions)
            .filter(|index| !self.indexes.contains(index) && !held.contains(index) && !failed(index));
        let (mut create, mut check_after) = (Vec::new(), None::<Duration>);
        for index in free.take(missing) {
            let before = self.awaiting.get(&index);
            let waits = before.and_then(|pod| {
                left_to_wait(usize::try_from(all_failures(pod)).unwrap_or(usize::MAX) + 1, finish_time(pod), now)
            });
            if let Some(wait) = waits {
                check_after = Some(check_after.map_or(wait, |after| after.min(wait)));
                continue;
            }
            let failures = self.failed_indexes.is_some().then(|| before.map_or((0, 0), |pod| failures_after(job, pod)));
            create.push(NewPod { index: Some(index), failures });
        }
        (create, check_after)
    }

    fn write(&self, status: &mut JobStatus) {
        let list = |uids: &[String]| (!uids.is_empty()).then(|| uids.to_vec());
        status.uncounted_terminated_pods =
            Some(UncountedTerminatedPods { succeeded: list(&self.noted.0), failed: list(&self.noted.1) });
        status.failed = some(self.counted.1);
        if self.indexed {
            status.succeeded = some(self.indexes.len());
            status.completed_indexes = Some(indexes::format(&self.indexes)).filter(|text| !text.is_empty());
            status.failed_indexes = self.failed_indexes.as_ref().map(indexes::format);
        } else {
            status.succeeded = some(self.counted.0);
        }
    }
}

fn index(pod: &Pod) -> Option<usize> {
    pod.metadata.annotations.as_ref()?.get(INDEX)?.parse().ok()
}

/// How many pods of this one's index failed before it, by one of the two annotations.
fn failures(pod: &Pod, annotation: &str) -> u32 {
    let text = pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(annotation));
    text.and_then(|text| text.parse::<i32>().ok()).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn all_failures(pod: &Pod) -> u32 {
    failures(pod, FAILURES).saturating_add(failures(pod, IGNORED_FAILURES))
}

/// The failures of an index, this pod's among them.
fn failures_after(job: &Job, pod: &Pod) -> (u32, u32) {
    let (counted, ignored) = (failures(pod, FAILURES), failures(pod, IGNORED_FAILURES));
    match policy::failure(job, pod) {
        policy::Verdict::Ignore => (counted, ignored + 1),
        _ => (counted + 1, ignored),
    }
}

fn set_suspended(status: &mut JobStatus, suspended: bool, now: Timestamp) -> Option<JobEvent> {
    let conditions = status.conditions.get_or_insert_default();
    let current = conditions.iter().find(|condition| condition.type_ == "Suspended");
    let is = current.is_some_and(|condition| condition.status == "True");
    if suspended == is || !suspended && current.is_none() {
        return None;
    }
    conditions.retain(|condition| condition.type_ != "Suspended");
    let (value, reason, message, event) = match suspended {
        true => ("True", "JobSuspended", "Job suspended", "Suspended"),
        false => ("False", "JobResumed", "Job resumed", "Resumed"),
    };
    conditions.push(new_condition("Suspended", value, reason, message, now));
    status.start_time = (!suspended).then_some(Time(now));
    Some((EventType::Normal, event, message.to_string()))
}

/// Announces the end, and, when nothing is pending any more, ends.
fn set_end(status: &mut JobStatus, end: &End, pending: bool, now: Timestamp) -> Option<JobEvent> {
    let (announced, terminal) =
        if end.succeeded { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") };
    let known = condition(Some(status), announced).is_some();
    let conditions = status.conditions.get_or_insert_default();
    if !known {
        conditions.push(new_condition(announced, "True", &end.reason, &end.message, now));
    }
    if pending {
        return None;
    }
    conditions.push(new_condition(terminal, "True", &end.reason, &end.message, now));
    if !end.succeeded {
        let reason = match end.reason.as_str() {
            "BackoffLimitExceeded" => "BackoffLimitExceeded",
            "DeadlineExceeded" => "DeadlineExceeded",
            "FailedIndexes" => "FailedIndexes",
            "MaxFailedIndexesExceeded" => "MaxFailedIndexesExceeded",
            _ => "PodFailurePolicy",
        };
        return Some((EventType::Warning, reason, end.message.clone()));
    }
    status.completion_time = Some(Time(now));
    Some((EventType::Normal, "Completed", "Job completed".to_string()))
}

fn new_condition(type_: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> JobCondition {
    JobCondition {
        type_: type_.to_string(),
        status: status.to_string(),
        reason: Some(reason.to_string()),
        message: Some(message.to_string()),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn some(count: usize) -> Option<i32> {
    (count > 0).then(|| number(count))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
