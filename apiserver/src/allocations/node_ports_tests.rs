//! The stored bitmap: two servers on one store, repair, upstream's bytes.

use std::sync::Arc;

use apiserver_storage::Store;
use apiserver_storage::memory::MemoryStore;
use serde_json::{Value, json};

use super::super::bitmap::Bitmap;
use super::NodePorts;
use crate::allocations::service_ports::ports_of;

fn service(node_port: Option<u16>) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": node_port}]},
    })
}

async fn repair(ports: &NodePorts, store: &Arc<MemoryStore>, services: &[Value]) {
    ports.repair(&**store, async || Ok(services.to_vec())).await.expect("repaired");
}

#[tokio::test]
async fn two_servers_never_give_the_same_port() {
    let store = MemoryStore::new();
    let servers = [NodePorts::new((30000, 30019)).expect("made"), NodePorts::new((30000, 30019)).expect("made")];
    repair(&servers[0], &store, &[]).await;
    let mut given = Vec::new();
    for turn in 0..20 {
        let mut service = service(None);
        servers[turn % 2].assign(&*store, &mut service, None, false).await.expect("there is one");
        given.extend(ports_of(&service));
    }
    let full = servers[0].assign(&*store, &mut service(None), None, false).await.expect_err("all are taken");
    assert!(full.message.ends_with("range is full"), "{}", full.message);
    // What one gives back the other gives out, although it remembered it as taken.
    servers[1].release(&*store, &[30007]).await.expect("released");
    let mut again = service(None);
    servers[0].assign(&*store, &mut again, None, false).await.expect("one is free");
    assert_eq!(ports_of(&again), [30007]);
    given.sort_unstable();
    assert_eq!(given, (30000..=30019).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dry_run_and_a_refusal_take_nothing() {
    let store = MemoryStore::new();
    let ports = NodePorts::new((30000, 30003)).expect("made");
    assert_eq!(ports.assign(&*store, &mut service(None), None, false).await.expect_err("not there yet").code, 500);
    repair(&ports, &store, &[service(Some(30001))]).await;
    let before = store.get(&ports.key, None).await.expect("read").value;
    ports.assign(&*store, &mut service(Some(30002)), None, true).await.expect("it would do");
    ports.assign(&*store, &mut service(Some(30001)), None, false).await.expect_err("taken");
    assert_eq!(store.get(&ports.key, None).await.expect("read").value, before);
}

#[tokio::test]
async fn a_repair_takes_what_services_have_and_frees_what_none_has_at_the_third_look() {
    let store = MemoryStore::new();
    let ports = NodePorts::new((30000, 30003)).expect("made");
    repair(&ports, &store, &[]).await;
    let mut lost = service(Some(30003));
    ports.assign(&*store, &mut lost, None, false).await.expect("taken");
    let kept = service(Some(30000));
    for _ in 0..2 {
        repair(&ports, &store, std::slice::from_ref(&kept)).await;
        ports.assign(&*store, &mut lost.clone(), None, false).await.expect_err("maybe not written yet");
    }
    repair(&ports, &store, std::slice::from_ref(&kept)).await;
    ports.assign(&*store, &mut lost, None, false).await.expect("free again");
    ports.assign(&*store, &mut service(Some(30000)), None, false).await.expect_err("a service has it");
}

/// As kube-apiserver 1.36 wrote them.
#[test]
fn the_stored_bytes_are_upstreams() {
    let ports = NodePorts::new((30000, 32767)).expect("made");
    assert_eq!(ports.encode(&Bitmap::default()), UPSTREAM);
}

const UPSTREAM: &[u8] = b"k8s\0\x0a\x15\x0a\x02v1\x12\x0fRangeAllocation\x12\x21\
    \x0a\x10\x0a\0\x12\0\x1a\0\x22\0\x2a\0\x32\0\x38\0\x42\0\x12\x0b30000-32767\x1a\0\x1a\0\x22\0";
