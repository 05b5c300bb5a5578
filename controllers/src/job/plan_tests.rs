//! Jobs played through: pods follow the plans, statuses are stored, finalizers go.

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
        for index in &plan.create {
            let mut pod = Pod::default();
            pod.metadata.name = Some(format!("p{}", self.made));
            pod.metadata.uid = pod.metadata.name.clone();
            pod.metadata.finalizers = Some(vec![FINALIZER.into()]);
            pod.metadata.annotations = index.map(|index| [(INDEX.to_string(), index.to_string())].into());
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
