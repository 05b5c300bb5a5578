//! Rollouts played through: the sets follow the plans at once, or as far as a test lets them.

use k8s_openapi::{
    api::{
        apps::v1::{DeploymentSpec, DeploymentStrategy, ReplicaSetStatus, RollingUpdateDeployment},
        core::v1::{Container, PodSpec},
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn template(image: &str) -> PodTemplateSpec {
    let container = Container { name: "c".into(), image: Some(image.into()), ..Container::default() };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some([("app".to_string(), "x".to_string())].into()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec { containers: vec![container], ..PodSpec::default() }),
    }
}

/// A small cluster: the Deployment and its sets, whose pods are created at once and become available on `settle`.
struct World {
    deployment: Deployment,
    sets: Vec<Arc<ReplicaSet>>,
    time: i64,
    log: Vec<String>,
}

impl World {
    fn new(replicas: i32, surge: i32, unavailable: i32) -> Self {
        let strategy = DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(IntOrString::Int(surge)),
                max_unavailable: Some(IntOrString::Int(unavailable)),
            }),
        };
        let mut deployment = Deployment {
            spec: Some(DeploymentSpec {
                replicas: Some(replicas),
                selector: LabelSelector {
                    match_labels: Some([("app".into(), "x".into())].into()),
                    ..LabelSelector::default()
                },
                strategy: Some(strategy),
                template: template("v1"),
                progress_deadline_seconds: Some(600),
                revision_history_limit: Some(2),
                ..DeploymentSpec::default()
            }),
            ..Deployment::default()
        };
        deployment.metadata.name = Some("web".into());
        deployment.metadata.namespace = Some("ns".into());
        deployment.metadata.uid = Some("uid".into());
        deployment.metadata.generation = Some(1);
        World { deployment, sets: Vec::new(), time: 1, log: Vec::new() }
    }

    fn edit(&mut self, change: impl FnOnce(&mut DeploymentSpec)) {
        change(self.deployment.spec.as_mut().unwrap());
        *self.deployment.metadata.generation.as_mut().unwrap() += 1;
    }

    /// Plans and does one step; the actions in short.
    fn step(&mut self) -> Vec<String> {
        self.time += 1;
        let plan = plan(&self.deployment, &self.sets, &|set| actual(set) > 0, at(self.time));
        let mut did = Vec::new();
        for action in plan.actions {
            match action {
                Action::Create(set) => {
                    did.push(format!("create {}", wanted(&set)));
                    let mut set = *set;
                    set.metadata.creation_timestamp = Some(Time(at(self.time)));
                    set.metadata.uid = set.metadata.name.clone();
                    set.metadata.generation = Some(1);
                    self.sets.push(Arc::new(set));
                }
                Action::Update(set) => {
                    did.push(format!("update {}", annotations::revision(&set)));
                    self.put(*set);
                }
                Action::Scale { set, from, to } => {
                    did.push(format!("scale {} {from}->{to}", annotations::revision(&set)));
                    self.put(*set);
                }
                Action::Delete(name) => {
                    did.push("delete".into());
                    self.sets.retain(|set| set.metadata.name.as_ref() != Some(&name));
                }
            }
        }
        if let Some(deployment) = plan.deployment {
            self.deployment = deployment;
        }
        self.log.extend(did.clone());
        did
    }

    fn put(&mut self, set: ReplicaSet) {
        let place = self.sets.iter_mut().find(|old| old.metadata.name == set.metadata.name).unwrap();
        *place = Arc::new(set);
    }

    /// Each set gets the pods it asks for, all available.
    fn settle(&mut self) {
        for set in &mut self.sets {
            let mut settled = set.as_ref().clone();
            let size = wanted(set);
            settled.status = Some(ReplicaSetStatus {
                replicas: size,
                ready_replicas: Some(size),
                available_replicas: Some(size),
                terminating_replicas: Some(0),
                observed_generation: settled.metadata.generation,
                ..ReplicaSetStatus::default()
            });
            *set = Arc::new(settled);
        }
    }

    /// Steps and settles until nothing happens any more; no step may break the limits.
    fn roll_out(&mut self, max_total: i32, min_available: i32) {
        for _ in 0..50 {
            let before = self.deployment.clone();
            let did = self.step();
            let total: i32 = self.sets.iter().map(|set| wanted(set)).sum();
            assert!(total <= max_total, "{total} pods, {:?}", self.log);
            let left: i32 = self.sets.iter().map(|set| wanted(set).min(available(set))).sum();
            assert!(left >= min_available, "{left} available, {:?}", self.log);
            self.settle();
            if did.is_empty() && before == self.deployment {
                return;
            }
        }
        panic!("no end: {:?}", self.log);
    }

    fn reason(&self, type_: &str) -> String {
        let status = self.deployment.status.clone().unwrap();
        status::find(&status, type_).unwrap().reason.clone().unwrap()
    }

    fn message(&self, type_: &str) -> String {
        let status = self.deployment.status.clone().unwrap();
        status::find(&status, type_).unwrap().message.clone().unwrap()
    }
}

#[test]
fn first_rollout() {
    let mut world = World::new(3, 1, 0);
    assert_eq!(world.step(), ["create 3"]);
    assert_eq!(world.reason("Progressing"), "NewReplicaSetCreated");
    assert_eq!(world.reason("Available"), "MinimumReplicasUnavailable");
    world.settle();
    assert!(world.step().is_empty());
    assert_eq!(world.reason("Progressing"), "NewReplicaSetAvailable");
    let name = world.sets[0].metadata.name.clone().unwrap();
    assert_eq!(world.message("Progressing"), format!("ReplicaSet {name:?} has successfully progressed."));
    assert_eq!(world.reason("Available"), "MinimumReplicasAvailable");
    assert_eq!(world.deployment.metadata.annotations.as_ref().unwrap()[annotations::REVISION], "1");
    assert!(name.starts_with("web-") && world.sets[0].metadata.labels.as_ref().unwrap().contains_key(hash::LABEL));
}

#[test]
fn rolling_update_keeps_the_limits_and_undo_brings_the_old_set_back() {
    let mut world = World::new(4, 1, 1);
    world.roll_out(5, 0);
    world.log.clear();
    world.edit(|spec| spec.template = template("v2"));
    world.roll_out(5, 3);
    assert_eq!(world.log[..2], ["create 1".to_string(), "scale 1 4->3".to_string()]);
    let sizes: Vec<i32> = world.sets.iter().map(|set| wanted(set)).collect();
    assert_eq!(sizes, [0, 4]);
    world.edit(|spec| spec.template = template("v1"));
    world.roll_out(5, 3);
    let sizes: Vec<(i64, i32)> = world.sets.iter().map(|set| (annotations::revision(set), wanted(set))).collect();
    assert_eq!(sizes, [(3, 4), (2, 0)]);
    assert_eq!(world.deployment.metadata.annotations.as_ref().unwrap()[annotations::REVISION], "3");
}

#[test]
fn history_is_limited() {
    let mut world = World::new(1, 1, 0);
    for version in 1..=6 {
        world.edit(|spec| spec.template = template(&format!("v{version}")));
        world.roll_out(2, 0);
    }
    assert_eq!(world.sets.iter().map(|set| annotations::revision(set)).collect::<Vec<_>>(), [4, 5, 6]);
}

#[test]
fn scaling_in_the_middle_is_proportional() {
    let mut world = World::new(10, 3, 2);
    world.roll_out(13, 0);
    world.edit(|spec| spec.template = template("v2"));
    assert_eq!(world.step(), ["create 3", "scale 1 10->8"]);
    assert_eq!(world.step(), ["scale 2 3->5"]);
    let sizes: Vec<i32> = world.sets.iter().map(|set| wanted(set)).collect();
    assert_eq!(sizes, [8, 5]);
    world.edit(|spec| spec.replicas = Some(15));
    world.step();
    // 15 + 3 pods in all, in the proportion of 8 to 5.
    let sizes: Vec<i32> = world.sets.iter().map(|set| wanted(set)).collect();
    assert_eq!(sizes, [11, 7]);
}

#[test]
fn paused_scales_but_does_not_roll() {
    let mut world = World::new(2, 1, 0);
    world.roll_out(3, 0);
    world.edit(|spec| {
        spec.paused = Some(true);
        spec.template = template("v2");
        spec.replicas = Some(3);
    });
    assert_eq!(world.step(), ["scale 1 2->3"]);
    assert_eq!(world.message("Progressing"), "Deployment is paused");
    assert_eq!(world.sets.len(), 1);
    world.edit(|spec| spec.paused = None);
    world.settle();
    assert_eq!(world.step(), ["create 1"]);
}

#[test]
fn recreate_waits_for_the_old_pods() {
    let mut world = World::new(2, 1, 0);
    world
        .edit(|spec| spec.strategy = Some(DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None }));
    assert_eq!(world.step(), ["create 2"]);
    world.settle();
    world.edit(|spec| spec.template = template("v2"));
    assert_eq!(world.step(), ["scale 1 2->0"]);
    assert!(world.step().is_empty(), "old pods still run");
    world.settle();
    assert_eq!(world.step(), ["create 2"]);
}

#[test]
fn a_rollout_that_does_not_move_times_out() {
    let mut world = World::new(1, 1, 0);
    world.step();
    world.time += 599;
    let waiting = plan(&world.deployment, &world.sets, &|_| false, at(world.time));
    assert!(waiting.check_after.is_some());
    world.time += 10;
    world.step();
    assert_eq!(world.reason("Progressing"), "ProgressDeadlineExceeded");
}

#[test]
fn failing_pods_of_an_old_set_go_first() {
    let mut world = World::new(2, 1, 0);
    world.step();
    // Nothing of v1 ever becomes available.
    let mut broken = world.sets[0].as_ref().clone();
    broken.status = Some(ReplicaSetStatus { replicas: 2, observed_generation: Some(1), ..ReplicaSetStatus::default() });
    world.sets[0] = Arc::new(broken);
    world.edit(|spec| spec.template = template("v2"));
    assert_eq!(world.step(), ["create 1"]);
}
