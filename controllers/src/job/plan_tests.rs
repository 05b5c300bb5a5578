//! Jobs played through: pods follow the plans, statuses are stored, finalizers go.

use k8s_openapi::api::{
    batch::v1::{PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule},
    core::v1::{ContainerState, ContainerStateTerminated},
};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

struct World {
    job: Job,
    pods: Vec<Arc<Pod>>,
    time: i64,
    made: usize,
    events: Vec<&'static str>,
}

impl World {
    fn new(spec: JobSpec) -> Self {
        World {
            job: Job { spec: Some(spec), ..Job::default() },
            pods: Vec::new(),
            time: 1000,
            made: 0,
            events: Vec::new(),
        }
    }

    /// One sync; what was created and deleted.
    fn step(&mut self) -> (usize, usize) {
        self.time += 1;
        let plan = plan(&self.job, &self.pods, true, at(self.time));
        for new in &plan.create {
            let mut pod = Pod::default();
            pod.metadata.name = Some(format!("p{}", self.made));
            pod.metadata.uid = pod.metadata.name.clone();
            pod.metadata.finalizers = Some(vec![FINALIZER.into()]);
            let index = new.index.map(|index| (INDEX.to_string(), index.to_string()));
            let failures = new.failures.into_iter().flat_map(|(counted, ignored)| {
                [(FAILURES.to_string(), counted.to_string()), (IGNORED_FAILURES.to_string(), ignored.to_string())]
            });
            pod.metadata.annotations = Some(index.into_iter().chain(failures).collect());
            pod.metadata.creation_timestamp = Some(Time(at(self.time)));
            pod.status.phase = Some("Running".into());
            self.made += 1;
            self.pods.push(Arc::new(pod));
        }
        for discarded in &plan.discard {
            self.change(discarded.name(), |pod| pod.metadata.finalizers = None);
        }
        for deleted in plan.delete.iter().chain(&plan.discard) {
            self.change(deleted.name(), |pod| pod.metadata.deletion_timestamp = Some(Time(at(1))));
        }
        self.job.status = plan.status.or(self.job.status.take());
        for freed in &plan.free {
            self.change(freed.name(), |pod| pod.metadata.finalizers = None);
        }
        self.pods.retain(|pod| !pod.terminating() || has_finalizer(pod));
        self.events.extend(plan.events.iter().map(|(_, reason, _)| *reason));
        (plan.create.len(), plan.delete.len() + plan.discard.len())
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Pod)) {
        let pod = self.pods.iter_mut().find(|pod| pod.name() == name).unwrap();
        let mut changed = pod.as_ref().clone();
        change(&mut changed);
        *pod = Arc::new(changed);
    }

    /// All running pods end like this.
    fn end_pods(&mut self, phase: &str) {
        let now = Time(at(self.time));
        let names: Vec<String> =
            self.pods.iter().filter(|pod| pod.active()).map(|pod| pod.name().to_string()).collect();
        for name in names {
            self.change(&name, |pod| {
                pod.status.phase = Some(phase.into());
                pod.status.conditions = vec![k8s_openapi::api::core::v1::PodCondition {
                    type_: "Ready".into(),
                    status: "False".into(),
                    last_transition_time: Some(now.clone()),
                    ..Default::default()
                }];
            });
        }
    }

    /// The running pod of an index ends with this exit code.
    fn end_index(&mut self, at_index: usize, exit_code: i32) {
        let now = Time(at(self.time));
        let found = self.pods.iter().find(|pod| pod.active() && index(pod) == Some(at_index)).unwrap();
        let name = found.name().to_string();
        self.change(&name, |pod| {
            pod.status.phase = Some(if exit_code == 0 { "Succeeded" } else { "Failed" }.into());
            let terminated = ContainerStateTerminated { exit_code, finished_at: Some(now), ..Default::default() };
            let state = Some(ContainerState { terminated: Some(terminated), ..Default::default() });
            pod.status.container_statuses =
                vec![crate::pod::ContainerStatus { name: "c".into(), state, ..Default::default() }];
        });
    }

    fn settle(&mut self) {
        for _ in 0..5 {
            self.step();
        }
    }

    fn status(&self) -> JobStatus {
        self.job.status.clone().unwrap()
    }

    fn conditions(&self) -> Vec<String> {
        let conditions = self.status().conditions.unwrap_or_default();
        conditions
            .iter()
            .map(|c| format!("{}={}:{}", c.type_, c.status, c.reason.as_deref().unwrap_or_default()))
            .collect()
    }
}

fn spec(parallelism: i32, completions: Option<i32>) -> JobSpec {
    JobSpec { parallelism: Some(parallelism), completions, backoff_limit: Some(1), ..JobSpec::default() }
}

#[test]
fn completes_and_counts_each_pod_once() {
    let mut world = World::new(spec(2, Some(3)));
    assert_eq!(world.step(), (2, 0));
    assert_eq!(world.step(), (0, 0));
    world.end_pods("Succeeded");
    assert_eq!(world.step(), (1, 0), "one is left to do");
    world.settle();
    assert_eq!(world.status().succeeded, Some(2));
    world.end_pods("Succeeded");
    world.settle();
    let status = world.status();
    assert_eq!((status.succeeded, status.failed, status.active), (Some(3), None, None));
    assert!(status.completion_time.is_some());
    assert_eq!(world.conditions(), ["SuccessCriteriaMet=True:CompletionsReached", "Complete=True:CompletionsReached"]);
    assert_eq!(world.events, ["Completed"]);
    assert!(world.pods.iter().all(|pod| !has_finalizer(pod)));
}

#[test]
fn failures_back_off_and_then_fail_the_job() {
    let mut world = World::new(spec(1, Some(1)));
    world.step();
    world.end_pods("Failed");
    assert_eq!(world.step(), (0, 0), "waits ten seconds");
    world.time += 10;
    assert_eq!(world.step(), (1, 0));
    world.end_pods("Failed");
    world.settle();
    assert_eq!(world.status().failed, Some(2));
    assert_eq!(world.conditions(), ["FailureTarget=True:BackoffLimitExceeded", "Failed=True:BackoffLimitExceeded"]);
    assert_eq!(world.events, ["BackoffLimitExceeded"]);
}

#[test]
fn indexed_jobs_fill_their_indexes() {
    let mut world = World::new(JobSpec { completion_mode: Some("Indexed".into()), ..spec(2, Some(3)) });
    assert_eq!(world.step(), (2, 0));
    world.end_pods("Succeeded");
    assert_eq!(world.step(), (1, 0));
    assert_eq!(index(&world.pods[2]), Some(2));
    world.settle();
    assert_eq!(world.status().completed_indexes.as_deref(), Some("0,1"));
    world.end_pods("Succeeded");
    world.settle();
    assert_eq!(world.status().completed_indexes.as_deref(), Some("0-2"));
    assert_eq!(world.status().succeeded, Some(3));
    assert!(finished(&world.job));
}

#[test]
fn suspended_jobs_have_no_pods() {
    let mut world = World::new(spec(2, Some(2)));
    world.step();
    world.job.spec.as_mut().unwrap().suspend = Some(true);
    assert_eq!(world.step(), (0, 2));
    assert_eq!(world.conditions(), ["Suspended=True:JobSuspended"]);
    world.settle();
    world.job.spec.as_mut().unwrap().suspend = None;
    world.job.spec.as_mut().unwrap().backoff_limit = Some(6);
    assert_eq!(world.step().0, 2);
    assert_eq!(world.events, ["Suspended", "Resumed"]);
}

#[test]
fn deadline() {
    let mut world = World::new(JobSpec { active_deadline_seconds: Some(30), ..spec(2, Some(2)) });
    world.step();
    world.time += 31;
    assert_eq!(world.step(), (0, 2));
    world.settle();
    assert_eq!(world.conditions(), ["FailureTarget=True:DeadlineExceeded", "Failed=True:DeadlineExceeded"]);
}

fn by_index(completions: i32, limit: i32, action: Option<&str>) -> JobSpec {
    let rule = action.map(|action| PodFailurePolicyRule {
        action: action.into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            operator: "In".into(),
            values: vec![42],
            container_name: None,
        }),
        ..Default::default()
    });
    JobSpec {
        completion_mode: Some("Indexed".into()),
        backoff_limit: Some(i32::MAX),
        backoff_limit_per_index: Some(limit),
        pod_failure_policy: rule.map(|rule| PodFailurePolicy { rules: vec![rule] }),
        ..spec(completions, Some(completions))
    }
}

#[test]
fn an_index_fails_for_itself_and_the_others_go_on() {
    let mut world = World::new(by_index(2, 1, None));
    world.step();
    world.end_index(0, 0);
    world.end_index(1, 1);
    assert_eq!(world.step(), (0, 0), "waits ten seconds");
    let failed = |world: &World| world.pods.iter().filter(|pod| pod.phase() == "Failed" && has_finalizer(pod)).count();
    assert_eq!(failed(&world), 1, "kept until the next pod knows of it");
    world.time += 10;
    assert_eq!(world.step(), (1, 0));
    assert_eq!(failures(world.pods.last().unwrap(), FAILURES), 1);
    world.settle();
    assert_eq!(failed(&world), 0);
    assert_eq!((world.status().failed, world.status().failed_indexes.as_deref()), (Some(1), Some("")));
    world.end_index(1, 1);
    world.settle();
    let status = world.status();
    assert_eq!((status.failed, status.succeeded), (Some(2), Some(1)));
    assert_eq!((status.completed_indexes.as_deref(), status.failed_indexes.as_deref()), (Some("0"), Some("1")));
    assert_eq!(world.conditions(), ["FailureTarget=True:FailedIndexes", "Failed=True:FailedIndexes"]);
    assert_eq!(world.events, ["FailedIndexes"]);
}

#[test]
fn a_rule_fails_an_index_at_once_or_does_not_count() {
    let mut world = World::new(by_index(2, 3, Some("FailIndex")));
    world.step();
    world.end_index(0, 42);
    world.settle();
    assert_eq!(world.status().failed_indexes.as_deref(), Some("0"));
    assert!(!finished(&world.job));
    world.end_index(1, 0);
    world.settle();
    assert_eq!(world.conditions(), ["FailureTarget=True:FailedIndexes", "Failed=True:FailedIndexes"]);

    let mut world = World::new(by_index(1, 0, Some("Ignore")));
    world.step();
    world.end_index(0, 42);
    world.time += 11;
    assert_eq!(world.step(), (1, 0));
    assert_eq!(failures(world.pods.last().unwrap(), FAILURES), 0);
    assert_eq!(failures(world.pods.last().unwrap(), IGNORED_FAILURES), 1);
    world.end_index(0, 42);
    assert_eq!(world.step(), (0, 0));
    world.time += 15;
    assert_eq!(world.step(), (0, 0), "twice as long for the second one");
    world.time += 5;
    assert_eq!(world.step(), (1, 0));
}

#[test]
fn too_many_failed_indexes_end_the_job() {
    let mut world = World::new(JobSpec { max_failed_indexes: Some(0), ..by_index(4, 0, None) });
    world.step();
    world.end_index(2, 1);
    assert_eq!(world.step(), (0, 3), "the others are stopped");
    world.settle();
    assert_eq!(world.status().failed_indexes.as_deref(), Some("2"));
    let reason = "MaxFailedIndexesExceeded";
    assert_eq!(world.conditions(), [format!("FailureTarget=True:{reason}"), format!("Failed=True:{reason}")]);
    assert_eq!(world.events, [reason]);
}
