//! Node ports given, kept, refused and let go.

use serde_json::{Value, json};

use super::super::bitmap::Bitmap;
use super::{Operation, PortChange, keep, ports_of};
use crate::status::Result;

const RANGE: (u16, u16) = (30000, 30009);

fn service(kind: &str, ports: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"type": kind, "ports": ports}})
}

/// Assigns with these ports taken; the service, and what changed.
fn assign(taken: &[u16], mut service: Value, old: Option<&Value>, dry_run: bool) -> Result<(Value, PortChange)> {
    let mut bits = Bitmap::default();
    for port in taken {
        bits.insert(usize::from(port - RANGE.0));
    }
    let mut operation = Operation { range: RANGE, taken: &mut bits, dry_run, change: PortChange::default() };
    operation.assign(&mut service, old)?;
    Ok((service, operation.change))
}

#[test]
fn a_free_port_is_found_and_one_number_serves_two_protocols() {
    let ports = json!([{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]);
    let taken: Vec<u16> = (30000..30009).collect();
    let (given, change) = assign(&taken, service("NodePort", ports), None, false).expect("one is free");
    assert_eq!(ports_of(&given), [30009]);
    assert_eq!(given["spec"]["ports"][1]["nodePort"], 30009);
    assert_eq!(change, PortChange { taken: vec![30009], freed: vec![] });
}

#[test]
fn what_cannot_be_given_is_refused_in_upstreams_words() {
    let ask = |port: u64| service("NodePort", json!([{"port": 80, "nodePort": port}]));
    let refused = assign(&[30001], ask(30001), None, false).expect_err("taken");
    assert!(
        refused.message.ends_with("spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated"),
        "{}",
        refused.message
    );
    let refused = assign(&[], ask(1), None, true).expect_err("out of range");
    assert!(refused.message.ends_with("The range of valid ports is 30000-30009"), "{}", refused.message);
    let all: Vec<u16> = (30000..=30009).collect();
    let refused = assign(&all, service("NodePort", json!([{"port": 80}])), None, false).expect_err("full");
    assert_eq!(refused.code, 500);
    assert!(refused.message.ends_with("failed to allocate a nodePort: range is full"), "{}", refused.message);
}

#[test]
fn a_balancer_may_do_without_ports_and_needs_one_for_its_health() {
    let mut balancer = service("LoadBalancer", json!([{"port": 80}]));
    balancer["spec"]["allocateLoadBalancerNodePorts"] = false.into();
    balancer["spec"]["externalTrafficPolicy"] = "Local".into();
    let (given, change) = assign(&[], balancer, None, false).expect("given");
    assert!(given["spec"]["ports"][0]["nodePort"].is_null());
    assert_eq!(change.taken.len(), 1);
    assert_eq!(given["spec"]["healthCheckNodePort"], change.taken[0]);
    let mut changed = given.clone();
    changed["spec"]["externalTrafficPolicy"] = "Cluster".into();
    let (_, freed) = assign(&change.taken, changed, Some(&given), false).expect("changed");
    assert_eq!(freed, PortChange { taken: vec![], freed: change.taken });
}

#[test]
fn an_update_keeps_takes_and_lets_go() {
    let old = service(
        "NodePort",
        json!([{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]),
    );
    let mut new =
        service("NodePort", json!([{"name": "a", "port": 8080}, {"name": "c", "port": 82, "nodePort": 30003}]));
    keep(&mut new, &old);
    let (new, change) = assign(&[30001, 30002], new, Some(&old), false).expect("updated");
    assert_eq!(ports_of(&new), [30001, 30003]);
    assert_eq!(change, PortChange { taken: vec![30003], freed: vec![30002] });
    let plain = service("ClusterIP", json!([{"name": "a", "port": 80}]));
    let (_, change) = assign(&[30001, 30003], plain, Some(&new), false).expect("updated");
    assert_eq!(change, PortChange { taken: vec![], freed: vec![30001, 30003] });
}

#[test]
fn a_dry_run_answers_a_number_that_nobody_gets() {
    let (given, _) = assign(&[], service("NodePort", json!([{"port": 80}, {"port": 81}])), None, true).expect("given");
    assert_eq!(ports_of(&given), [32769, 32770]);
}
