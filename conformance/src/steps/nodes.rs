//! Cordon, drain, taints, eviction.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::workloads::{complete, hello};
use crate::context::{Context, contains, same};
use crate::harness::{Step, skip};

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "node-drain", run: drain },
        Step { name: "node-taint", run: taint },
        Step { name: "eviction-budget", run: budget },
    ]
}

/// The only node; steps that make it unusable do not run where others' pods would have to stay elsewhere.
fn only_node(context: &Context) -> Result<String> {
    let nodes = context.get(&["nodes"])?;
    match nodes["items"].as_array().map(Vec::as_slice) {
        Some([node]) => Ok(node["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
        _ => skip("needs a cluster of one node"),
    }
}

fn drain(context: &Context) -> Result<()> {
    let node = only_node(context)?;
    hello(context, 2)?;
    let before = context.pods("app=hello")?;
    let outcome = (|| {
        context.run(&["cordon", &node])?;
        contains(&context.run(&["get", "nodes"])?, "SchedulingDisabled")?;
        context.run(&[
            "drain",
            &node,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--force",
            "--pod-selector=app=hello",
            "--timeout=60s",
        ])?;
        context.until("new pods wait", 30, || {
            let pods = context.get(&["pods", "-l", "app=hello"])?;
            let items = pods["items"].as_array().cloned().unwrap_or_default();
            same(items.len(), 2)?;
            for pod in items {
                anyhow::ensure!(
                    !before.iter().any(|name| pod["metadata"]["name"] == **name),
                    "a drained pod is still there"
                );
                same(pod["status"]["phase"].as_str(), Some("Pending"))?;
            }
            Ok(())
        })
    })();
    context.run(&["uncordon", &node])?;
    outcome?;
    context.until("the pods run again", 60, || {
        same(context.get(&["deployment", "hello"])?["status"]["readyReplicas"].as_u64(), Some(2))
    })
}

fn taint(context: &Context) -> Result<()> {
    let node = only_node(context)?;
    hello(context, 1)?;
    let before = context.pods("app=hello")?.pop().context("no pod")?;
    let tolerant = json!({"tolerations": [{"key": "acceptance", "operator": "Exists", "effect": "NoExecute"}]});
    context.start(&context.pod("tolerant", "sleep 1000", json!({}), tolerant))?;
    context.run(&["taint", "node", &node, "acceptance=yes:NoExecute"])?;
    let outcome = context.until("the pod is evicted", 60, || {
        anyhow::ensure!(!context.pods("app=hello")?.contains(&before), "it is still there");
        Ok(())
    });
    let stays = context.ready("tolerant");
    context.run(&["taint", "node", &node, "acceptance-"])?;
    outcome?;
    stays?;
    complete(context)
}

fn budget(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["create", "poddisruptionbudget", "hello", "--selector=app=hello", "--min-available=2"])?;
    std::thread::sleep(Duration::from_secs(3));
    let pod = context.pods("app=hello")?.pop().context("no pod")?;
    let metadata = json!({"name": pod, "namespace": context.namespace});
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}).to_string();
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", context.namespace);
    let refused = context.ended_with_input(&["create", "--raw", &path, "-f", "-"], &body)?;
    contains(&refused.stderr, "Cannot evict pod as it would violate the pod's disruption budget.")?;
    context.run(&["delete", "poddisruptionbudget", "hello"])?;
    let evicted = context.ended_with_input(&["create", "--raw", &path, "-f", "-"], &body)?;
    anyhow::ensure!(evicted.code == 0, "eviction: {}", evicted.stderr);
    context.until("the pod is gone", 30, || {
        anyhow::ensure!(!context.pods("app=hello")?.contains(&pod), "it is still there");
        Ok(())
    })
}
