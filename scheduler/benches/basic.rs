//! How many pods per second the scheduler places on 5,000 nodes, without the API server: plain, with a spread
//! constraint, with anti-affinity, and with affinity.

use std::time::{Duration, Instant};

use scheduler::{
    node::NodeFacts,
    pod::PodInfo,
    profile::Profile,
    queue::Delays,
    scheduler::{Attempt, Change, Scheduler},
};
use serde_json::{Value, json};

const NODES: usize = 5_000;
const ZONES: usize = 10;
/// Pods that run before the measurement starts.
const INITIAL: usize = 5_000;

fn main() {
    // `cargo test` builds and runs benches, too: one quick pass is enough there.
    let measured = if std::env::args().any(|arg| arg == "--bench") { 5_000 } else { 50 };
    let term = |weight: Option<i32>, key: &str, app: &str| {
        let term = json!({"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}});
        match weight {
            Some(weight) => json!({"weight": weight, "podAffinityTerm": term}),
            None => term,
        }
    };
    let host = "kubernetes.io/hostname";
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let zone = "topology.kubernetes.io/zone";
    let cases = [
        ("basic", json!({})),
        (
            "spread over zones",
            json!({"topologySpreadConstraints": [{"maxSkew": 5, "topologyKey": zone,
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "x"}}}]}),
        ),
        ("required anti-affinity", json!({"affinity": {"podAntiAffinity": {required: [term(None, host, "none")]}}})),
        ("required affinity", json!({"affinity": {"podAffinity": {required: [term(None, zone, "x")]}}})),
        ("preferred affinity", json!({"affinity": {"podAffinity": {preferred: [term(Some(1), host, "x")]}}})),
        ("preferred anti-affinity", json!({"affinity": {"podAntiAffinity": {preferred: [term(Some(1), host, "x")]}}})),
    ];
    println!("{NODES} nodes, {INITIAL} pods before, {measured} pods measured");
    for (name, spec) in cases {
        let (per_second, slowest) = measure(&spec, measured);
        println!("{name:24} {per_second:>9.0} pods/s   slowest {slowest:?}");
    }
}

fn measure(spec: &Value, measured: usize) -> (f64, Duration) {
    let mut scheduler = Scheduler::new(vec![Profile::default_named("default-scheduler")], Delays::default(), 1);
    let now = Duration::ZERO;
    for number in 0..NODES {
        let node = json!({
            "metadata": {"name": format!("node-{number}"), "labels": {
                "kubernetes.io/hostname": format!("node-{number}"),
                "topology.kubernetes.io/zone": format!("zone-{}", number % ZONES)}},
            "status": {"allocatable": {"cpu": "32", "memory": "64Gi", "pods": "110"}},
        });
        let node = serde_json::from_value(node).expect("a node");
        scheduler.apply(Change::Node(Box::new(NodeFacts::parse(&node))), now);
    }
    let mut slowest = Duration::ZERO;
    let mut began = Instant::now();
    for number in 0..INITIAL + measured {
        if number == INITIAL {
            began = Instant::now();
            slowest = Duration::ZERO;
        }
        let mut pod = json!({
            "metadata": {"namespace": "default", "name": format!("p{number}"), "uid": format!("p{number}"),
                "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": "i",
                "resources": {"requests": {"cpu": "100m", "memory": "500Mi"}}}]},
        });
        for (field, value) in spec.as_object().into_iter().flatten() {
            pod["spec"][field] = value.clone();
        }
        let pod = serde_json::from_value(pod).expect("a pod");
        scheduler.apply(Change::Pod(Box::new(PodInfo::parse(&pod))), now);
        let tried = Instant::now();
        assert_eq!(scheduler.step(now), Some(Attempt::Scheduled));
        slowest = slowest.max(tried.elapsed());
        scheduler.take_actions();
        scheduler.apply(Change::Bound(format!("default/p{number}").into()), now);
    }
    (measured as f64 / began.elapsed().as_secs_f64(), slowest)
}
