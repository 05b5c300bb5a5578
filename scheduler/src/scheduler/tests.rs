//! Whole tries, from changes to actions.

use serde_json::{Value, json};

use super::*;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

struct Test {
    scheduler: Scheduler,
    now: Duration,
}

impl Test {
    fn new(nodes: impl IntoIterator<Item = NodeBuilder>) -> Self {
        let profiles = vec![Profile::default_named("default-scheduler")];
        let mut test = Test { scheduler: Scheduler::new(profiles, Delays::default(), 1), now: Duration::ZERO };
        for node in nodes {
            test.apply(Change::Node(Box::new(node.facts())));
        }
        test
    }

    fn apply(&mut self, change: Change) {
        self.scheduler.apply(change, self.now);
    }

    fn add(&mut self, pod: PodBuilder) {
        self.apply(Change::Pod(Box::new(pod.info())));
    }

    fn gone(&mut self, name: &str) {
        self.apply(Change::PodGone { key: format!("default/{name}").into(), uid: name.into() });
    }

    /// Tries all that is to be tried; what was done, as text.
    fn run(&mut self) -> Vec<String> {
        while self.scheduler.step(self.now).is_some() {}
        let actions = self.scheduler.take_actions();
        let texts = actions.iter().map(|action| match action {
            Action::Bind { pod, binding } => {
                format!("bind {} to {}", pod.name(), binding.target.name.as_deref().unwrap())
            }
            Action::Evict { victim, preemptor, node } => {
                format!("evict {} for {} on {node}", victim.name(), preemptor.name())
            }
            Action::Report(report) => format!("{}: {}", report.pod.name(), report.message),
        });
        texts.collect()
    }

    /// The message of one pod that does not fit.
    fn message(nodes: impl IntoIterator<Item = NodeBuilder>, pod: PodBuilder) -> String {
        let mut test = Test::new(nodes);
        test.add(pod);
        test.run().join("\n")
    }

    /// Where one pod goes.
    fn place(&mut self, pod: PodBuilder) -> String {
        self.add(pod);
        let done = self.run().join("\n");
        done.rsplit_once(" to ").map_or(done.clone(), |(_, node)| node.to_string())
    }
}

const UNHELPFUL: &str = "Preemption is not helpful for scheduling";

#[test]
fn messages_of_each_plugin() {
    let required = |key: &str, value: &str| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}]}}})
    };
    let named = |name: &str| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]}}})
    };
    let company = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}]}});
    let spread = json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}}}]);
    let claim = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    for (node, pod, reason) in [
        (node("n").taint("k", "NoSchedule"), pod("p"), "1 node(s) had untolerated taint(s)"),
        (node("n").spec("unschedulable", json!(true)), pod("p"), "1 node(s) were unschedulable"),
        (
            node("n"),
            pod("p").spec("nodeSelector", json!({"a": "b"})),
            "1 node(s) didn't match Pod's node affinity/selector",
        ),
        (
            node("n"),
            pod("p").spec("affinity", required("a", "b")),
            "1 node(s) didn't match Pod's node affinity/selector",
        ),
        (node("n"), pod("p").spec("affinity", named("m")), "1 node(s) didn't satisfy plugin(s) [NodeAffinity]"),
        (node("n"), pod("p").cpu("5"), "1 Insufficient cpu"),
        (node("n"), pod("p").cpu("5").request("memory", "1Ti"), "1 Insufficient cpu, 1 Insufficient memory"),
        (node("n"), pod("p").request("example.com/gpu", "1"), "1 Insufficient example.com/gpu"),
        (node("n"), pod("p").spec("affinity", company), "1 node(s) didn't match pod affinity rules"),
        (
            node("n"),
            pod("p").spec("topologySpreadConstraints", spread),
            "1 node(s) didn't match pod topology spread constraints (missing required label)",
        ),
        (node("n"), pod("p").spec("volumes", claim), "persistentvolumeclaim \"data\" not found"),
    ] {
        let wanted =
            format!("p: 0/1 nodes are available: {reason}. preemption: 0/1 nodes are available: 1 {UNHELPFUL}.");
        assert_eq!(Test::message([node], pod), wanted);
    }
    assert_eq!(Test::message([], pod("p")), "p: no nodes available to schedule pods");
}

#[test]
fn no_victims_and_never_preempting() {
    let full = || {
        let mut test = Test::new([node("n")]);
        test.add(pod("old").cpu("3").on("n"));
        test
    };
    let mut test = full();
    test.add(pod("p").cpu("2"));
    let wanted = "p: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
                  1 No preemption victims found for incoming pod.";
    assert_eq!(test.run(), [wanted]);
    let mut test = full();
    test.add(pod("p").cpu("2").priority(9).spec("preemptionPolicy", json!("Never")));
    let wanted =
        "p: 0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.";
    assert_eq!(test.run(), [wanted]);
}

#[test]
fn fills_nodes_evenly_and_waits_for_room() {
    let mut test = Test::new([node("a"), node("b")]);
    for name in ["p1", "p2", "p3", "p4"] {
        test.add(pod(name).cpu("2"));
    }
    let done = test.run();
    assert_eq!(done.iter().filter(|done| done.ends_with("to a")).count(), 2, "{done:?}");
    assert_eq!(done.iter().filter(|done| done.ends_with("to b")).count(), 2, "{done:?}");
    test.add(pod("p5").cpu("1"));
    assert!(test.run()[0].contains("2 Insufficient cpu"));
    test.now += Duration::from_secs(60);
    assert!(test.run().is_empty(), "nothing happened");
    test.gone("p1");
    assert!(test.run()[0].starts_with("bind p5"));
}

#[test]
fn failed_bindings_are_tried_again() {
    let mut test = Test::new([node("a")]);
    test.add(pod("p").cpu("4"));
    assert_eq!(test.run(), ["bind p to a"]);
    let failed = |gone| Change::BindingFailed { key: "default/p".into(), message: "no".into(), gone };
    test.apply(failed(false));
    assert_eq!(test.run(), ["p: no"]);
    test.now += Duration::from_secs(2);
    assert_eq!(test.run(), ["bind p to a"]);
    test.apply(Change::Bound("default/p".into()));
    test.apply(failed(false));
    test.add(pod("p").cpu("4"));
    assert!(test.run().is_empty(), "a late event of a bound pod changes nothing");
    test.add(pod("q").cpu("1"));
    assert!(test.run()[0].contains("Insufficient cpu"));
}

#[test]
fn a_namesake_is_another_pod() {
    let mut test = Test::new([node("a")]);
    test.add(pod("p").cpu("4").on("a"));
    test.add(pod("p").cpu("4").uid("other"));
    assert_eq!(test.run(), ["bind p to a"]);
}

#[test]
fn gates_and_deletion() {
    let mut test = Test::new([node("a")]);
    test.add(pod("p").spec("schedulingGates", json!([{"name": "g"}])));
    assert!(test.run().is_empty());
    test.add(pod("p"));
    assert_eq!(test.run(), ["bind p to a"]);
    test.add(pod("q").terminating());
    assert_eq!(test.run(), ["q: skip schedule deleting pod: default/q"]);
    test.add(pod("r").spec("schedulerName", json!("other")));
    assert!(test.run().is_empty());
}

#[test]
fn preempts_the_least_important_pods() {
    let mut test = Test::new([node("a"), node("b")]);
    test.add(pod("a1").cpu("2").priority(1).on("a"));
    test.add(pod("a2").cpu("2").priority(3).on("a"));
    test.add(pod("b1").cpu("2").priority(2).on("b"));
    test.add(pod("b2").cpu("2").priority(2).on("b"));
    test.add(pod("p").cpu("2").priority(10));
    let done = test.run();
    assert_eq!(done[0], "evict a1 for p on a");
    assert_eq!(done[1], "p: 0/2 nodes are available: 2 Insufficient cpu.");
    // The room is promised: a pod of lower priority does not get it, the preemptor does.
    test.gone("a1");
    test.add(pod("thief").cpu("2").priority(5));
    let done = test.run();
    assert!(done.contains(&"bind p to a".to_string()), "{done:?}");
    assert!(!done.iter().any(|done| done.starts_with("bind thief")), "{done:?}");
}

#[test]
fn preemption_respects_disruption_budgets_if_it_can() {
    let mut test = Test::new([node("a"), node("b")]);
    test.add(pod("a1").cpu("4").label("app", "db").on("a"));
    test.add(pod("b1").cpu("4").priority(1).on("b"));
    let budget = DisruptionBudget {
        namespace: "default".into(),
        selector: crate::labels::Selector::All(Vec::new()).and("app", "db"),
        allowed: 0,
        disrupted: Vec::new(),
    };
    test.apply(Change::Budget("default/db".into(), Some(budget)));
    test.add(pod("p").cpu("4").priority(10));
    assert_eq!(test.run()[0], "evict b1 for p on b");
}

fn zoned(name: &str, zone: &str) -> NodeBuilder {
    node(name).label("zone", zone)
}

#[test]
fn spreads_hard_and_soft() {
    let constraint = |when: &str| {
        json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": when,
            "labelSelector": {"matchLabels": {"app": "x"}}}])
    };
    for when in ["DoNotSchedule", "ScheduleAnyway"] {
        let mut test = Test::new([zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b")]);
        let mut zones = Vec::new();
        for name in ["p1", "p2", "p3", "p4"] {
            let pod = pod(name).cpu("100m").label("app", "x").spec("topologySpreadConstraints", constraint(when));
            zones.push(test.place(pod)[..1].to_string());
        }
        zones.sort();
        assert_eq!(zones, ["a", "a", "b", "b"], "{when}");
    }
}

#[test]
fn pods_of_a_service_are_spread_by_default() {
    let labelled = |name: &str| pod(name).label("app", "x");
    let place = |selector: bool| {
        let mut test = Test::new([node("a").cpu("500m"), node("b").cpu("64")]);
        if selector {
            let selects = crate::labels::Selector::All(Vec::new()).and("app", "x");
            test.apply(Change::Selector("Service", "default/x".into(), Some(selects)));
        }
        for name in ["1", "2", "3"] {
            test.add(labelled(name).cpu("100m").on("b"));
        }
        test.place(labelled("p").cpu("100m"))
    };
    assert_eq!((place(true), place(false)), ("a".to_string(), "b".to_string()));
}

#[test]
fn affinity_among_pods() {
    let terms = |kind: &str, app: &str, key: &str| -> Value {
        json!({kind: {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}]}})
    };
    let host = "kubernetes.io/hostname";
    let mut test = Test::new([zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b")]);
    test.add(pod("db").label("app", "db").on("b1"));
    // With the db in its zone.
    assert_eq!(test.place(pod("near").spec("affinity", terms("podAffinity", "db", "zone"))), "b1");
    // Never on a node with its like; the first of a kind that wants its own company starts anywhere.
    let shy = |name: &str| pod(name).label("app", "shy").spec("affinity", terms("podAntiAffinity", "shy", host));
    let mut places = vec![test.place(shy("s1")), test.place(shy("s2")), test.place(shy("s3"))];
    places.sort();
    assert_eq!(places, ["a1", "a2", "b1"]);
    assert!(test.place(shy("s4")).contains("3 node(s) didn't match pod anti-affinity rules"));
    // Pods that are there reject others, too.
    test.add(pod("hermit").label("app", "hermit").spec("affinity", terms("podAntiAffinity", "guest", "zone")).on("a1"));
    assert_eq!(test.place(pod("guest").label("app", "guest")), "b1");
    let gregarious = pod("g").label("app", "g").spec("affinity", terms("podAffinity", "g", "zone"));
    assert!(!test.place(gregarious).contains("nodes are available"));
    // Deleting one of them makes room for the waiting one.
    test.now += Duration::from_secs(60);
    test.gone("s2");
    assert!(test.run()[0].starts_with("bind s4"));
}

#[test]
fn preferences() {
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}}]}});
    let mut test = Test::new([zoned("a", "a"), zoned("b", "b"), zoned("c", "c").taint("k", "PreferNoSchedule")]);
    assert_eq!(test.place(pod("p").spec("affinity", preferred)), "b");
    let avoid = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100,
        "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}}]}});
    let mut test = Test::new([zoned("a", "a"), zoned("b", "b")]);
    test.add(pod("x").label("app", "x").on("a"));
    assert_eq!(test.place(pod("p").spec("affinity", avoid)), "b");
    let mut test = Test::new([node("a"), node("b").image("i:latest", 500 << 20), node("c")]);
    assert_eq!(test.place(pod("p")), "b", "has the image");
}

#[test]
fn what_a_new_list_leaves_out_is_gone() {
    let mut test = Test::new([node("a"), node("b")]);
    test.add(pod("old").cpu("4").on("a"));
    test.add(pod("p").cpu("4").on("b"));
    test.apply(Change::Listed(Kind::Pods, ["default/p".into()].into()));
    assert_eq!(test.place(pod("q").cpu("4")), "a");
    test.apply(Change::Listed(Kind::Nodes, ["b".into()].into()));
    assert!(test.place(pod("r")).ends_with("b"));
}

#[test]
fn claims_must_be_bound() {
    let volume = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    let mut test = Test::new([node("a")]);
    let claim = |bound| Change::Claim("default/data".into(), Some(Claim { bound, lost: false, deleting: false }));
    test.apply(claim(false));
    test.add(pod("p").spec("volumes", volume));
    assert!(test.run()[0].contains("pod has unbound immediate PersistentVolumeClaims."));
    test.now += Duration::from_secs(60);
    test.apply(claim(true));
    assert_eq!(test.run(), ["bind p to a"]);
}
