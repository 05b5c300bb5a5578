//! Whole lives of pods on the runtime in memory.

use super::*;
use crate::{
    cgroups::Cgroups,
    config::Config,
    cri::fake::FakeRuntime,
    images::Images,
    objects::testing::FakeObjects,
    pod::testing::pod as pod_of,
    probes::Prober,
    room::Room,
    status::manager::{StatusManager, testing::FakePods},
    volumes::TokenCache,
};
use clap::Parser;
use controllers_component_base::events::Recorder;
use k8s_openapi::{api::core::v1::Event, apimachinery::pkg::apis::meta::v1::Time};
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};

struct World {
    runtime: Arc<FakeRuntime>,
    api: Arc<FakePods>,
    host: Arc<Host>,
    events: mpsc::Receiver<Event>,
    desired: watch::Sender<Desired>,
    wake: Arc<Notify>,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(spec: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap();
        let resolv = dir.path().join("resolv.conf");
        std::fs::write(&resolv, "").unwrap();
        let args = ["kubelet", "--node-ip=10.0.0.1", "--hostname-override=n", "--cgroups-per-qos=false"];
        let own = [
            format!("--root-dir={root}"),
            format!("--pod-logs-dir={root}/logs"),
            format!("--resolv-conf={}", resolv.display()),
        ];
        let flags = crate::flags::Flags::parse_from(args.iter().map(|arg| arg.to_string()).chain(own));
        let config = Config::new(&flags).unwrap();
        let runtime = Arc::new(FakeRuntime::default());
        runtime.add_image("i:1");
        let (recorder, events) = Recorder::capturing("kubelet");
        let api = Arc::new(FakePods::default());
        let host = Arc::new(Host {
            cgroups: Cgroups::new(&config.cgroups),
            config,
            runtime: runtime.clone(),
            runtime_name: "fake".into(),
            objects: Arc::new(FakeObjects::default()),
            images: Images::new(runtime.clone(), recorder.clone()),
            recorder,
            tokens: TokenCache::default(),
            statuses: Arc::new(StatusManager::new(api.clone())),
            probes: Prober::default(),
            memory: 1 << 30,
            allocatable: Default::default(),
            room: Room::new(&[("cpu".to_string(), "1".to_string())].into()),
            host_ips: vec!["10.0.0.1".into()],
            started: Timestamp::now(),
            network_error: Mutex::new(None),
        });
        let pod = Arc::new(pod_of(spec));
        let (desired, receiver) = watch::channel(Desired { pod, gone: false });
        let wake = Arc::new(Notify::new());
        let task = tokio::spawn(Worker::new(host.clone(), receiver, wake.clone()).run());
        Self { runtime, api, host, events, desired, wake, task, _dir: dir }
    }

    fn delete(&self, grace: i64) {
        self.desired.send_modify(|desired| {
            let mut pod = (*desired.pod).clone();
            pod.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
            pod.metadata.deletion_grace_period_seconds = Some(grace);
            desired.pod = Arc::new(pod);
        });
    }

    fn change_spec(&self, spec: &str) {
        self.desired.send_modify(|desired| desired.pod = Arc::new(pod_of(spec)));
    }

    /// Lets the worker run until it waits.
    async fn settle(&self) {
        self.wake.notify_one();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn phase(&self) -> String {
        self.host.statuses.get("u1").and_then(|status| status.phase).unwrap_or_default()
    }

    fn reasons(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok()).filter_map(|event| event.reason).collect()
    }
}

const ONE: &str = "{terminationGracePeriodSeconds: 7, containers: [{name: a, image: 'i:1'}]}";

#[tokio::test(start_paused = true)]
async fn runs_and_ends() {
    let mut world = World::new(ONE);
    world.settle().await;
    assert_eq!(world.runtime.calls(), ["sandbox 0", "start a 0"]);
    assert_eq!(world.phase(), "Running");
    assert_eq!(world.reasons(), ["MissingClusterDNS", "Pulled", "Created", "Started"]);
    world.settle().await;
    assert!(world.runtime.calls().is_empty(), "nothing is started twice");
    world.delete(7);
    world.task.await.unwrap();
    assert_eq!(world.runtime.calls(), ["stop a 7"]);
    assert!(world.runtime.is_empty(), "no container and no sandbox is left");
    assert_eq!(world.api.deleted.lock().as_slice(), ["p"]);
    let last = world.api.patches.lock().last().unwrap().to_string();
    assert!(last.contains("terminated"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn adopts_what_runs_already() {
    let world = World::new(ONE);
    world.settle().await;
    world.runtime.calls();
    // The agent is killed; a new worker finds the pod running.
    world.task.abort();
    let task = tokio::spawn(Worker::new(world.host.clone(), world.desired.subscribe(), world.wake.clone()).run());
    world.settle().await;
    assert!(world.runtime.calls().is_empty());
    assert_eq!(world.phase(), "Running");
    world.delete(1);
    task.await.unwrap();
    assert!(world.runtime.is_empty());
}

#[tokio::test]
async fn crash_loop_backs_off() {
    let mut world = World::new(ONE);
    world.settle().await;
    world.runtime.exit("a", 1);
    world.settle().await;
    assert_eq!(world.runtime.calls(), ["sandbox 0", "start a 0", "start a 1"]);
    world.runtime.exit("a", 1);
    world.settle().await;
    assert!(world.runtime.calls().is_empty(), "the second restart waits");
    let status = world.host.statuses.get("u1").unwrap().container_statuses.unwrap().remove(0);
    let waiting = status.state.unwrap().waiting.unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
    assert_eq!(waiting.message.as_deref(), Some("back-off 10s restarting failed container=a pod=p_default(u1)"));
    assert_eq!((status.restart_count, status.last_state.unwrap().terminated.unwrap().exit_code), (1, 1));
    assert!(world.reasons().contains(&"BackOff".to_string()));
}

#[tokio::test(start_paused = true)]
async fn completed_pods_keep_their_records_until_deleted() {
    let world = World::new("{restartPolicy: Never, containers: [{name: a, image: 'i:1'}]}");
    world.settle().await;
    world.runtime.exit("a", 0);
    world.settle().await;
    assert_eq!(world.phase(), "Succeeded");
    assert!(!world.runtime.is_empty(), "its logs can still be read");
    assert!(world.api.deleted.lock().is_empty());
    world.delete(1);
    world.task.await.unwrap();
    assert!(world.runtime.is_empty());
}

#[tokio::test(start_paused = true)]
async fn missing_image() {
    let mut world = World::new("containers: [{name: a, image: 'none:1', imagePullPolicy: IfNotPresent}]");
    world.settle().await;
    let waiting = |world: &World| {
        let status = world.host.statuses.get("u1").unwrap().container_statuses.unwrap().remove(0);
        status.state.unwrap().waiting.unwrap().reason.unwrap()
    };
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&waiting(&world).as_str()));
    let reasons = world.reasons();
    assert!(reasons.contains(&"Pulling".to_string()) && reasons.contains(&"Failed".to_string()), "{reasons:?}");
    world.runtime.add_image("none:1");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(world.phase(), "Running");
}

#[tokio::test(start_paused = true)]
async fn failed_sandbox_is_tried_again() {
    let mut world = World::new(ONE);
    world.runtime.refuse_sandboxes(true);
    world.settle().await;
    assert!(world.reasons().contains(&"FailedCreatePodSandBox".to_string()));
    world.runtime.refuse_sandboxes(false);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.phase(), "Running");
}

#[tokio::test(start_paused = true)]
async fn volumes_that_cannot_be_made_are_said() {
    let mut world = World::new(
        "{volumes: [{name: v, configMap: {name: cm}}], containers: [{name: a, image: 'i:1', volumeMounts: [{name: v, mountPath: /v}]}]}",
    );
    world.settle().await;
    assert!(world.reasons().contains(&"FailedMount".to_string()));
    assert_eq!(world.phase(), "Pending");
    assert!(world.runtime.calls().is_empty());
}

#[test]
fn our_own_status_is_no_news() {
    let desired = Desired { pod: Arc::new(pod_of(ONE)), gone: false };
    let with = |change: fn(&mut Pod)| {
        let mut pod = (*desired.pod).clone();
        change(&mut pod);
        desired.differs(&Desired { pod: Arc::new(pod), gone: false })
    };
    assert!(!with(|pod| pod.metadata.resource_version = Some("2".into())));
    assert!(!with(|pod| pod.status = Some(PodStatus { phase: Some("Running".into()), ..Default::default() })));
    assert!(with(|pod| pod.metadata.labels = Some([("a".to_string(), "b".to_string())].into())));
    assert!(with(|pod| {
        let gate = PodCondition { type_: "x.io/gate".into(), status: "True".into(), ..Default::default() };
        pod.status = Some(PodStatus { conditions: Some(vec![gate]), ..Default::default() });
    }));
    assert!(desired.differs(&Desired { gone: true, ..desired.clone() }));
}

#[tokio::test(start_paused = true)]
async fn resizes_in_place_where_there_is_room() {
    let spec = |cpu: &str| format!("containers: [{{name: a, image: 'i:1', resources: {{requests: {{cpu: {cpu}}}}}}}]");
    let mut world = World::new(&spec("100m"));
    world.settle().await;
    world.runtime.calls();
    world.reasons();
    let cpu = |world: &World| {
        let container = world.host.statuses.get("u1").unwrap().container_statuses.unwrap().remove(0);
        let resources = container.resources.unwrap().requests.unwrap();
        assert_eq!(container.allocated_resources.unwrap(), resources);
        resources["cpu"].0.clone()
    };
    let resizing = |world: &World| -> Vec<String> {
        let conditions = world.host.statuses.get("u1").unwrap().conditions.unwrap();
        let kinds = conditions.into_iter().filter(|condition| condition.type_.starts_with("PodResize"));
        kinds.map(|condition| format!("{} {}", condition.type_, condition.reason.unwrap_or_default())).collect()
    };
    world.change_spec(&spec("500m"));
    world.settle().await;
    assert_eq!(world.runtime.calls(), ["update a to 512 shares"]);
    assert_eq!(world.reasons(), ["ResizeStarted", "ResizeCompleted"]);
    assert_eq!((cpu(&world).as_str(), resizing(&world)), ("500m", vec![]));
    // The node has one CPU.
    world.change_spec(&spec("'2'"));
    world.settle().await;
    assert!(world.runtime.calls().is_empty());
    assert_eq!(world.reasons(), ["ResizeDeferred"]);
    assert_eq!((cpu(&world).as_str(), resizing(&world)), ("500m", vec!["PodResizePending Deferred".to_string()]));
    world.change_spec(&spec("500m"));
    world.settle().await;
    assert!(resizing(&world).is_empty(), "withdrawn");
}

#[tokio::test(start_paused = true)]
async fn gone_from_the_api() {
    let world = World::new(ONE);
    world.settle().await;
    world.desired.send_modify(|desired| desired.gone = true);
    world.task.await.unwrap();
    assert!(world.runtime.is_empty());
    assert!(world.api.deleted.lock().is_empty(), "there is nothing to delete any more");
}
