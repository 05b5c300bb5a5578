//! Plans of services of every sort, as the nft text they become.

use std::fmt::Write;

use serde_json::{Value, json};

use super::*;
use crate::{
    model::{ServiceKey, Slice},
    ruleset,
};

fn config() -> Config {
    Config {
        masquerade_mark: 0x4000,
        masquerade_all: false,
        cluster_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
        node_port_addresses: NodePortAddresses::Primary,
    }
}

fn node() -> NodeView {
    NodeView { name: "here".into(), zone: "a".into(), ips: vec!["192.168.0.2".parse().unwrap()], leaving: false }
}

/// A service `ns/svc` with its spec over a plain one of port 80.
fn service(spec: Value) -> State {
    let mut whole = json!({
        "clusterIPs": ["172.30.0.41"],
        "ports": [{"name": "p80", "port": 80, "protocol": "TCP", "targetPort": 80}],
    });
    let mut status = json!({});
    for (field, value) in spec.as_object().unwrap() {
        if field == "ingress" {
            status = json!({"loadBalancer": {"ingress": value}});
        } else {
            whole[field] = value.clone();
        }
    }
    let service = serde_json::from_value(json!({"spec": whole, "status": status})).unwrap();
    let mut state = State::default();
    state.services.extend(Service::parse(&service).map(|service| (key(), service)));
    state
}

fn key() -> ServiceKey {
    ServiceKey { namespace: "ns".into(), name: "svc".into() }
}

/// Adds a slice of endpoints: address, node, and further fields.
fn with(mut state: State, endpoints: &[(&str, &str, Value)]) -> State {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(ip, node, fields)| {
            let mut endpoint = json!({"addresses": [ip], "nodeName": node});
            for (field, value) in fields.as_object().unwrap() {
                endpoint[field] = value.clone();
            }
            endpoint
        })
        .collect();
    let slice = json!({
        "metadata": {"namespace": "ns", "name": "svc-1", "labels": {"kubernetes.io/service-name": "svc"}},
        "addressType": "IPv4", "ports": [{"name": "p80", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
    });
    let (service, slice) = Slice::parse(&serde_json::from_value(slice).unwrap()).unwrap();
    state.set_slice(service, "svc-1".into(), slice);
    state
}

fn two() -> Vec<(&'static str, &'static str, Value)> {
    vec![("10.180.0.1", "here", json!({})), ("10.180.0.2", "there", json!({}))]
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for (chain, rules) in &plan.rules.chains {
        for rule in rules {
            writeln!(text, "{chain}: {rule}").unwrap();
        }
    }
    for (set, seconds) in &plan.rules.affinity_sets {
        writeln!(text, "{set}: {seconds}s").unwrap();
    }
    for (container, elements) in &plan.rules.elements {
        for (key, element) in elements {
            let comment = element.comment.as_ref().map(|comment| format!(" ({comment})")).unwrap_or_default();
            let value = element.value.as_ref().map(|value| format!(" : {value}")).unwrap_or_default();
            writeln!(text, "@{container}: {key}{value}{comment}").unwrap();
        }
    }
    text
}

fn planned(state: &State) -> String {
    text(&plan(state, &node(), &config(), Family::V4))
}

#[test]
fn cluster_ip() {
    insta::assert_snapshot!(planned(&with(service(json!({})), &two())));
}

#[test]
fn no_endpoints() {
    insta::assert_snapshot!(planned(&service(json!({"ports": [{"name": "p80", "port": 80, "nodePort": 30080}]}))));
}

#[test]
fn node_port_and_external_ip() {
    let spec =
        json!({"ports": [{"name": "p80", "port": 80, "nodePort": 30080}], "externalIPs": ["1.2.3.4", "fd00::4"]});
    insta::assert_snapshot!(planned(&with(service(spec), &two())));
}

#[test]
fn load_balancer_with_policy_local() {
    let spec = json!({
        "type": "LoadBalancer", "ports": [{"name": "p80", "port": 80, "nodePort": 30080}],
        "externalTrafficPolicy": "Local", "healthCheckNodePort": 30999,
        "loadBalancerSourceRanges": ["192.168.0.0/16", "203.0.113.0/25"],
        "ingress": [{"ip": "5.6.7.8"}, {"ip": "5.6.7.9", "ipMode": "Proxy"}],
    });
    let state = with(service(spec), &two());
    insta::assert_snapshot!(planned(&state));
    let here = plan(&state, &node(), &config(), Family::V4);
    assert_eq!(here.health_checks, BTreeMap::from([(key(), (30999, 1))]));
    let elsewhere = NodeView { name: "elsewhere".into(), ..node() };
    let none_here = plan(&state, &elsewhere, &config(), Family::V4);
    assert_eq!(none_here.without_local_endpoints, (0, 1));
    assert_eq!(none_here.health_checks[&key()], (30999, 0));
    assert!(text(&none_here).contains("@no-endpoint-nodeports: tcp . 30080 : drop (ns/svc:p80)"));
}

#[test]
fn internal_policy_local() {
    let state = with(service(json!({"internalTrafficPolicy": "Local"})), &two());
    assert!(planned(&state).contains("@service-ips: 172.30.0.41 . tcp . 80 : goto local-"));
    let elsewhere = NodeView { name: "elsewhere".into(), ..node() };
    let plan = plan(&state, &elsewhere, &config(), Family::V4);
    assert!(text(&plan).contains("@no-endpoint-services: 172.30.0.41 . tcp . 80 : drop"));
    assert_eq!(plan.without_local_endpoints, (1, 0));
}

#[test]
fn session_affinity() {
    let spec = json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}});
    insta::assert_snapshot!(planned(&with(service(spec), &two())));
}

#[test]
fn which_endpoints_are_used() {
    let not_ready = json!({"conditions": {"ready": false, "serving": false}});
    let leaving = json!({"conditions": {"ready": false, "serving": true, "terminating": true}});
    let zone = |zone: &str| json!({"hints": {"forZones": [{"name": zone}]}});
    for (endpoints, used) in [
        (vec![("10.0.0.1", "n", json!({})), ("10.0.0.2", "n", not_ready.clone())], vec!["10.0.0.1"]),
        (vec![("10.0.0.1", "n", json!({})), ("10.0.0.2", "n", leaving.clone())], vec!["10.0.0.1"]),
        (vec![("10.0.0.1", "n", not_ready), ("10.0.0.2", "n", leaving)], vec!["10.0.0.2"]),
        (vec![("10.0.0.1", "n", zone("a")), ("10.0.0.2", "n", zone("b"))], vec!["10.0.0.1"]),
        (vec![("10.0.0.1", "n", zone("a")), ("10.0.0.2", "n", json!({}))], vec!["10.0.0.1", "10.0.0.2"]),
        (vec![("10.0.0.1", "n", zone("c")), ("10.0.0.2", "n", zone("b"))], vec!["10.0.0.1", "10.0.0.2"]),
    ] {
        let state = with(service(json!({})), &endpoints);
        let port = &state.services[&key()].ports[0];
        let all = state.endpoints(&key(), port, Family::V4);
        let chosen = choose(&all, &state.services[&key()], port, &node());
        let ips: Vec<String> = chosen.cluster.iter().map(|each| each.endpoint.ip.to_string()).collect();
        assert_eq!(ips, used, "{endpoints:?}");
    }
}

#[test]
fn dual_stack_and_what_is_not_proxied() {
    let state = with(service(json!({"clusterIPs": ["172.30.0.41", "fd00:30::1"]})), &two());
    let six = plan(&state, &node(), &config(), Family::V6);
    assert!(text(&six).contains("@no-endpoint-services: fd00:30::1 . tcp . 80 : goto reject-chain"), "{}", text(&six));
    assert!(service(json!({"clusterIP": "None", "clusterIPs": ["None"]})).services.is_empty());
    assert!(service(json!({"type": "ExternalName", "externalName": "x"})).services.is_empty());
}

#[test]
fn udp_flows() {
    let mut state =
        with(service(json!({"ports": [{"name": "p80", "port": 53, "protocol": "UDP", "nodePort": 30053}]})), &two());
    if let Some(slice) = state.slices.get_mut(&key()).and_then(|slices| slices.get_mut("svc-1")) {
        slice.ports[0].protocol = "udp".into();
    }
    let udp = plan(&state, &node(), &config(), Family::V4).udp;
    assert_eq!(udp.services[&("172.30.0.41".parse().unwrap(), 53)].len(), 2);
    assert_eq!(udp.node_ports[&30053].len(), 2);
}

#[test]
fn a_whole_table() {
    let state = with(service(json!({"ports": [{"name": "p80", "port": 80, "nodePort": 30080}]})), &two());
    let rules = plan(&state, &node(), &config(), Family::V4).rules;
    let full = ruleset::full(&rules, &config(), &node().ips, Family::V4, &Default::default());
    assert_eq!(full.text.matches("add chain").count(), crate::base::CHAIN_COUNT + 2);
    insta::assert_snapshot!(full.text);
}
