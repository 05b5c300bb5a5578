//! Nodes, Deployments and their rollouts.

use anyhow::Result;
use serde_json::{Value, json};

use crate::context::{Context, contains, same};
use crate::harness::Step;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "node-ready", run: node_ready },
        Step { name: "apply", run: apply },
        Step { name: "deployment", run: deployment },
        Step { name: "rollout", run: rollout },
        Step { name: "rollout-pause", run: rollout_pause },
        Step { name: "scale", run: scale },
    ]
}

/// Makes the Deployment `hello`, with the container `web`, and waits until it is complete.
pub fn hello(context: &Context, replicas: u32) -> Result<()> {
    let image = format!("--image={}", context.v1());
    context.run(&["create", "deployment", "hello", &image, &format!("--replicas={replicas}"), "--port=8080"])?;
    complete(context)
}

pub fn complete(context: &Context) -> Result<()> {
    context.run(&["rollout", "status", "deployment/hello", "--timeout=80s"]).map(drop)
}

fn node_ready(context: &Context) -> Result<()> {
    context.run(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=60s"])?;
    let table = context.run(&["get", "nodes"])?;
    contains(&table, "STATUS")?;
    contains(&table, " Ready ")?;
    let nodes = context.get(&["nodes"])?;
    let node = &nodes["items"][0];
    for resource in ["cpu", "memory", "pods", "ephemeral-storage"] {
        anyhow::ensure!(node["status"]["allocatable"][resource].is_string(), "the node has no allocatable {resource}");
    }
    let taints = &node["spec"]["taints"];
    anyhow::ensure!(taints.is_null(), "no pod can start on a tainted node: {taints}");
    contains(&context.run(&["describe", "node", node["metadata"]["name"].as_str().unwrap_or_default()])?, "Allocatable")
}

fn apply(context: &Context) -> Result<()> {
    let pod = context.pod("typo", "sleep 1000", json!({"imagePullPolice": "Never"}), json!({}));
    let refused = context.ended_with_input(&["apply", "-f", "-"], &pod.to_string())?;
    anyhow::ensure!(refused.code != 0, "a misspelt field was taken");
    contains(&refused.stderr, "imagePullPolice")?;
    let mut pod = context.pod("right", "sleep 1000", json!({}), json!({}));
    for (label, said) in [("one", "created"), ("one", "unchanged"), ("two", "configured")] {
        pod["metadata"]["labels"]["number"] = json!(label);
        let applied = context.ended_with_input(&["apply", "-f", "-"], &pod.to_string())?;
        contains(&applied.stdout, said).map_err(|error| error.context(applied.stderr))?;
    }
    contains(&context.run(&["explain", "pod.spec.containers.image"])?, "FIELD: image")
}

fn deployment(context: &Context) -> Result<()> {
    hello(context, 3)?;
    let pods = context.pods("app=hello")?;
    same(pods.len(), 3)?;
    contains(&context.run(&["get", "deployment", "hello"])?, "3/3")?;
    contains(&context.run(&["get", "pods"])?, "Running")?;
    for pod in &pods {
        contains(&context.run(&["logs", pod])?, "listening on port 8080")?;
    }
    Ok(())
}

fn rollout(context: &Context) -> Result<()> {
    hello(context, 3)?;
    context.run(&["set", "image", "deployment/hello", &format!("web={}", context.v2())])?;
    complete(context)?;
    context.until("all pods have the second image", 20, || images(context, &context.v2()))?;
    contains(&context.run(&["rollout", "history", "deployment/hello"])?, "REVISION")?;
    context.run(&["rollout", "undo", "deployment/hello"])?;
    complete(context)?;
    context.until("all pods have the first image again", 20, || images(context, &context.v1()))?;
    context.run(&["rollout", "restart", "deployment/hello"])?;
    complete(context)
}

fn rollout_pause(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["rollout", "pause", "deployment/hello"])?;
    context.run(&["set", "image", "deployment/hello", &format!("web={}", context.v2())])?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    images(context, &context.v1())?;
    context.run(&["rollout", "resume", "deployment/hello"])?;
    complete(context)?;
    context.until("all pods have the second image", 20, || images(context, &context.v2()))
}

/// Fails unless all pods that stay have an image.
fn images(context: &Context, image: &str) -> Result<()> {
    let pods = context.get(&["pods", "-l", "app=hello"])?;
    for pod in pods["items"].as_array().into_iter().flatten() {
        if pod["metadata"]["deletionTimestamp"] == Value::Null {
            same(pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default(), image)?;
        }
    }
    Ok(())
}

fn scale(context: &Context) -> Result<()> {
    hello(context, 1)?;
    for replicas in [5, 2, 0, 1] {
        context.run(&["scale", "deployment/hello", &format!("--replicas={replicas}")])?;
        context.until(&format!("{replicas} pods"), 60, || {
            same(context.pods("app=hello")?.len(), replicas)?;
            let status = context.get(&["deployment", "hello"])?["status"].clone();
            same(status["readyReplicas"].as_u64().unwrap_or(0), replicas as u64)
        })?;
    }
    Ok(())
}
