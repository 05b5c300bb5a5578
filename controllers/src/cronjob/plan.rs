//! What a CronJob needs now: a Job to start, old ones to delete, its status. Pure.

use std::{sync::Arc, time::Duration};

use controllers_component_base::events::EventType;
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus, Job};
use kube::{ResourceExt, api::ObjectMeta};

use super::schedule::Schedule;
use crate::{job, owner::controller_reference, pod::seconds};

const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// The writes, in order: deletions, the creation, the status.
#[derive(Debug, Default)]
pub struct Plan {
    /// The Job and the time it was scheduled for.
    pub create: Option<(Job, Timestamp)>,
    pub delete: Vec<String>,
    /// Without the Job to be created.
    pub status: CronJobStatus,
    pub events: Vec<(EventType, &'static str, String)>,
    pub check_after: Option<Duration>,
}

/// `jobs` are the CronJob's own; `missing` the UIDs of active ones that are gone.
pub fn plan(cron_job: &CronJob, jobs: &[Arc<Job>], missing: &[String], now: Timestamp) -> Plan {
    let mut plan = Plan { status: cron_job.status.clone().unwrap_or_default(), ..Plan::default() };
    track(&mut plan, jobs, missing);
    let spec = &cron_job.spec;
    if cron_job.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    prune(&mut plan, jobs, true, spec.successful_jobs_history_limit);
    prune(&mut plan, jobs, false, spec.failed_jobs_history_limit);
    if spec.suspend == Some(true) {
        return plan;
    }
    let zone = match &spec.time_zone {
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
        Some(name) => match TimeZone::get(name) {
            Ok(zone) => zone,
            Err(error) => {
                plan.events.push((
                    EventType::Warning,
                    "UnknownTimeZone",
                    format!("invalid timeZone: {name:?}: {error}"),
                ));
                return plan;
            }
        },
    };
    let schedule = match Schedule::parse(&spec.schedule, zone.clone()) {
        Ok(schedule) => schedule,
        Err(error) => {
            let text = format!("unparseable schedule: {:?} : {error}", spec.schedule);
            plan.events.push((EventType::Warning, "UnparseableSchedule", text));
            return plan;
        }
    };
    plan.check_after = schedule.next(now).map(|next| Duration::from_secs_f64(seconds(now, next).max(0.0)));
    let Some((due, missed)) = last_due(cron_job, &schedule, now) else { return plan };
    if missed > 100 {
        let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        plan.events.push((EventType::Warning, "TooManyMissedTimes", text.to_string()));
    }
    let job = new_job(cron_job, due, &zone);
    let active = plan.status.active.clone().unwrap_or_default();
    let name = job.name_any();
    let done = plan.status.last_schedule_time.as_ref().is_some_and(|last| last.0 == due);
    if done || active.iter().any(|reference| reference.name.as_deref() == Some(&name)) {
        return plan;
    }
    match spec.concurrency_policy.as_deref() {
        Some("Forbid") if !active.is_empty() => {
            let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
            plan.events.push((EventType::Normal, "JobAlreadyActive", text.to_string()));
            return plan;
        }
        Some("Replace") => {
            plan.delete.extend(active.into_iter().filter_map(|reference| reference.name));
            plan.status.active = None;
        }
        _ => {}
    }
    plan.create = Some((job, due));
    plan
}

/// Brings the list of active Jobs and the time of the last success up to date.
fn track(plan: &mut Plan, jobs: &[Arc<Job>], missing: &[String]) {
    let mut active = plan.status.active.clone().unwrap_or_default();
    for child in jobs {
        let uid = child.uid();
        let listed = active.iter().any(|reference| reference.uid == uid);
        if !job::finished(child) {
            if !listed {
                let text = format!("Saw a job that the controller did not create or forgot: {}", child.name_any());
                plan.events.push((EventType::Warning, "UnexpectedJob", text));
            }
            continue;
        }
        let succeeded = job::condition(child.status.as_ref(), "Complete").is_some();
        if listed {
            active.retain(|reference| reference.uid != uid);
            let condition = if succeeded { "Complete" } else { "Failed" };
            let text = format!("Saw completed job: {}, condition: {condition}", child.name_any());
            plan.events.push((EventType::Normal, "SawCompletedJob", text));
        }
        let completed = child.status.as_ref().and_then(|status| status.completion_time.clone()).filter(|_| succeeded);
        if let Some(completed) = completed
            && plan.status.last_successful_time.as_ref().is_none_or(|last| last.0 < completed.0)
        {
            plan.status.last_successful_time = Some(completed);
        }
    }
    active.retain(|reference| {
        let gone = reference.uid.as_ref().is_some_and(|uid| missing.contains(uid));
        if gone {
            let text = format!("Active job went missing: {}", reference.name.as_deref().unwrap_or_default());
            plan.events.push((EventType::Normal, "MissingJob", text));
        }
        !gone
    });
    plan.status.active = Some(active).filter(|active| !active.is_empty());
}

/// Deletes the oldest finished Jobs of one kind of end beyond the limit.
fn prune(plan: &mut Plan, jobs: &[Arc<Job>], succeeded: bool, limit: Option<i32>) {
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return };
    let end = if succeeded { "Complete" } else { "Failed" };
    let mut finished: Vec<&Arc<Job>> =
        jobs.iter().filter(|child| job::condition(child.status.as_ref(), end).is_some()).collect();
    finished.sort_by_key(|child| {
        let started = child.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
        (started, child.name_any())
    });
    let excess = finished.len().saturating_sub(limit);
    plan.delete.extend(finished.into_iter().take(excess).map(|child| child.name_any()));
}

/// The latest time that is due and not processed, and how many were missed up to it.
fn last_due(cron_job: &CronJob, schedule: &Schedule, now: Timestamp) -> Option<(Timestamp, usize)> {
    let spec = &cron_job.spec;
    let created = cron_job.metadata.creation_timestamp.as_ref().map(|time| time.0)?;
    let last = cron_job.status.as_ref().and_then(|status| status.last_schedule_time.as_ref()).map(|time| time.0);
    let mut from = last.unwrap_or(created);
    if let Some(deadline) = spec.starting_deadline_seconds {
        let earliest = now - jiff::SignedDuration::from_secs(deadline.clamp(0, 10_000_000_000));
        from = from.max(earliest);
    }
    let first = schedule.next(from).filter(|first| *first <= now)?;
    // A controller that was away for long must not walk through every minute of it.
    let second = schedule.next(first)?;
    let between = seconds(first, second).max(60.0);
    let steps = (seconds(first, now) / between).floor();
    let mut due = first;
    if steps > 2.0 {
        let jump = first + jiff::SignedDuration::from_secs(((steps - 2.0) * between) as i64);
        if let Some(later) = schedule.next(jump).filter(|later| *later <= now) {
            due = later;
        }
    }
    while let Some(next) = schedule.next(due).filter(|next| *next <= now) {
        due = next;
    }
    Some((due, steps as usize + 1))
}

fn new_job(cron_job: &CronJob, scheduled: Timestamp, zone: &TimeZone) -> Job {
    let template = cron_job.spec.job_template.clone();
    let meta = template.metadata.unwrap_or_default();
    let mut annotations = meta.annotations.unwrap_or_default();
    let local = scheduled.to_zoned(zone.clone());
    let offset = local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let text = offset.strip_suffix("+00:00").map_or(offset.clone(), |utc| format!("{utc}Z"));
    annotations.insert(SCHEDULED_AT.to_string(), text);
    Job {
        metadata: ObjectMeta {
            name: Some(format!("{}-{}", cron_job.name_any(), scheduled.as_second() / 60)),
            namespace: cron_job.metadata.namespace.clone(),
            labels: meta.labels.filter(|labels| !labels.is_empty()),
            annotations: Some(annotations),
            owner_references: Some(vec![controller_reference(cron_job)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::{
            batch::v1::{CronJobSpec, JobCondition, JobStatus},
            core::v1::ObjectReference,
        },
        apimachinery::pkg::apis::meta::v1::Time,
    };

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron_job() -> CronJob {
        let mut cron_job = CronJob {
            spec: CronJobSpec {
                schedule: "*/10 * * * *".into(),
                time_zone: Some("Etc/UTC".into()),
                successful_jobs_history_limit: Some(1),
                ..CronJobSpec::default()
            },
            ..CronJob::default()
        };
        cron_job.metadata.name = Some("c".into());
        cron_job.metadata.creation_timestamp = Some(Time(at("2026-01-01T00:05:00Z")));
        cron_job
    }

    fn finished(name: &str, start: &str) -> Arc<Job> {
        let condition = JobCondition { type_: "Complete".into(), status: "True".into(), ..JobCondition::default() };
        let status = JobStatus {
            conditions: Some(vec![condition]),
            start_time: Some(Time(at(start))),
            completion_time: Some(Time(at(start))),
            ..JobStatus::default()
        };
        let mut job = Job { status: Some(status), ..Job::default() };
        job.metadata.name = Some(name.into());
        job.metadata.uid = Some(name.into());
        Arc::new(job)
    }

    #[test]
    fn starts_what_is_due_once() {
        let mut cron_job = cron_job();
        let early = plan(&cron_job, &[], &[], at("2026-01-01T00:09:30Z"));
        assert!(early.create.is_none());
        assert_eq!(early.check_after, Some(Duration::from_secs(30)));
        let due = plan(&cron_job, &[], &[], at("2026-01-01T00:10:01Z"));
        let (job, scheduled) = due.create.unwrap();
        assert_eq!(scheduled, at("2026-01-01T00:10:00Z"));
        assert_eq!(job.name_any(), format!("c-{}", scheduled.as_second() / 60));
        assert_eq!(job.annotations()[SCHEDULED_AT], "2026-01-01T00:10:00Z");
        cron_job.status.get_or_insert_default().last_schedule_time = Some(Time(scheduled));
        assert!(plan(&cron_job, &[], &[], at("2026-01-01T00:10:02Z")).create.is_none());
    }

    #[test]
    fn many_missed_times_start_one_job() {
        let late = plan(&cron_job(), &[], &[], at("2026-02-01T00:13:00Z"));
        assert_eq!(late.create.unwrap().1, at("2026-02-01T00:10:00Z"));
        assert_eq!(late.events[0].1, "TooManyMissedTimes");
        let mut deadline = cron_job();
        deadline.spec.starting_deadline_seconds = Some(60);
        assert!(plan(&deadline, &[], &[], at("2026-02-01T00:13:00Z")).create.is_none());
    }

    #[test]
    fn concurrency() {
        let mut cron_job = cron_job();
        let active = ObjectReference { name: Some("x".into()), uid: Some("x".into()), ..ObjectReference::default() };
        cron_job.status.get_or_insert_default().active = Some(vec![active]);
        let now = at("2026-01-01T00:10:01Z");
        assert!(plan(&cron_job, &[], &[], now).create.is_some());
        cron_job.spec.concurrency_policy = Some("Forbid".into());
        assert!(plan(&cron_job, &[], &[], now).create.is_none());
        assert!(plan(&cron_job, &[], &["x".into()], now).create.is_some());
        cron_job.spec.concurrency_policy = Some("Replace".into());
        let replaced = plan(&cron_job, &[], &[], now);
        assert_eq!(replaced.delete, ["x"]);
        assert!(replaced.create.is_some());
    }

    #[test]
    fn finished_jobs_are_tracked_and_pruned() {
        let mut cron_job = cron_job();
        let active = ObjectReference { name: Some("b".into()), uid: Some("b".into()), ..ObjectReference::default() };
        cron_job.status.get_or_insert_default().active = Some(vec![active]);
        let jobs = [finished("a", "2026-01-01T00:01:00Z"), finished("b", "2026-01-01T00:02:00Z")];
        let plan = plan(&cron_job, &jobs, &[], at("2026-01-01T00:06:00Z"));
        assert_eq!(plan.delete, ["a"]);
        assert_eq!(plan.status.active, None);
        assert_eq!(plan.status.last_successful_time, Some(Time(at("2026-01-01T00:02:00Z"))));
        assert_eq!(plan.events[0].2, "Saw completed job: b, condition: Complete");
    }
}
