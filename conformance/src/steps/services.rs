//! Services: by address, by node port, by name, from a node and from pods.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::workloads::hello;
use crate::context::{Context, contains};
use crate::harness::Step;
use crate::http;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "service-cluster-ip", run: cluster_ip },
        Step { name: "service-node-port", run: node_port },
        Step { name: "service-dns", run: dns },
        Step { name: "service-hairpin", run: hairpin },
        Step { name: "service-headless", run: headless },
        Step { name: "service-readiness", run: readiness },
    ]
}

/// Where a Service answers: its address and first port.
pub fn address(service: &Value) -> Result<String> {
    let spec = &service["spec"];
    let ip = spec["clusterIP"].as_str().context("the service has no address")?;
    Ok(format!("{ip}:{}", spec["ports"][0]["port"]))
}

/// Asks until every one of so many pods has answered.
fn all_answer(context: &Context, address: &str, pods: usize) -> Result<()> {
    let mut seen = BTreeSet::new();
    context.until(&format!("{pods} pods answer at {address}"), 30, || {
        for _ in 0..20 {
            seen.insert(http::get(address, "/")?);
        }
        anyhow::ensure!(seen.len() == pods, "{} pods answered", seen.len());
        Ok(())
    })
}

fn cluster_ip(context: &Context) -> Result<()> {
    hello(context, 3)?;
    context.run(&["expose", "deployment", "hello", "--port=80", "--target-port=8080"])?;
    all_answer(context, &address(&context.get(&["service", "hello"])?)?, 3)?;
    let endpoints = context.get(&["endpoints", "hello"])?;
    anyhow::ensure!(
        endpoints["subsets"][0]["addresses"].as_array().is_some_and(|list| list.len() == 3),
        "Endpoints: {endpoints}"
    );
    Ok(())
}

fn node_port(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["expose", "deployment", "hello", "--port=80", "--target-port=8080", "--type=NodePort"])?;
    let port = context.get(&["service", "hello"])?["spec"]["ports"][0]["nodePort"].clone();
    let nodes = context.get(&["nodes"])?;
    let addresses = nodes["items"][0]["status"]["addresses"].as_array().cloned().unwrap_or_default();
    let internal =
        addresses.iter().find(|address| address["type"] == "InternalIP").context("the node has no address")?;
    let address = format!("{}:{port}", internal["address"].as_str().unwrap_or_default());
    all_answer(context, &address, 2)?;
    context.start(&context.pod("client", "sleep 1000", json!({}), json!({})))?;
    contains(&context.shell("client", &format!("busybox timeout 5 wget -q -O - http://{address}/"))?, "hello from")
}

fn dns(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["expose", "deployment", "hello", "--port=80", "--target-port=8080"])?;
    context.start(&context.pod("client", "sleep 1000", json!({}), json!({})))?;
    let namespace = &context.namespace;
    for name in ["hello".to_owned(), format!("hello.{namespace}"), format!("hello.{namespace}.svc.cluster.local")] {
        context.until(&format!("http://{name} answers"), 20, || {
            contains(
                &context.shell("client", &format!("busybox timeout 5 wget -q -O - http://{name}/"))?,
                "hello from hello-",
            )
        })?;
    }
    let found = context.shell("client", "nslookup kubernetes.default.svc.cluster.local")?;
    contains(
        &found,
        &context.run(&["get", "service", "-n", "default", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"])?,
    )?;
    contains(
        &context.shell("client", "cat /etc/resolv.conf")?,
        &format!("search {namespace}.svc.cluster.local svc.cluster.local cluster.local"),
    )
}

fn hairpin(context: &Context) -> Result<()> {
    hello(context, 1)?;
    context.run(&["expose", "deployment", "hello", "--port=80", "--target-port=8080"])?;
    let pod = context.pods("app=hello")?.pop().context("no pod")?;
    context.until("a pod reaches itself by its service", 20, || {
        contains(&context.shell(&pod, "busybox timeout 5 wget -q -O - http://hello/")?, &pod)
    })
}

fn headless(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["expose", "deployment", "hello", "--port=8080", "--cluster-ip=None"])?;
    let pod = context.pods("app=hello")?.pop().context("no pod")?;
    let pods = context.get(&["pods", "-l", "app=hello"])?;
    context.until("the name has the pods' addresses", 20, || {
        let found = context.shell(&pod, &format!("nslookup hello.{}.svc.cluster.local", context.namespace))?;
        for pod in pods["items"].as_array().into_iter().flatten() {
            contains(&found, pod["status"]["podIP"].as_str().unwrap_or("no address"))?;
        }
        Ok(())
    })
}

fn readiness(context: &Context) -> Result<()> {
    let probe = json!({"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1});
    let web = context.pod("hello", "", json!({"readinessProbe": probe, "ports": [{"containerPort": 8080}]}), json!({}));
    context.apply(&[web])?;
    context.run(&["expose", "pod", "hello", "--port=80", "--target-port=8080"])?;
    let address = address(&context.get(&["service", "hello"])?)?;
    context.until("the container runs", 30, || context.shell("hello", "true").map(drop))?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    anyhow::ensure!(http::get(&address, "/").is_err(), "a service answers with a pod that is not ready");
    context.shell("hello", "touch /tmp/ready")?;
    context.until("the service answers once the pod is ready", 20, || {
        contains(&http::get(&address, "/")?, "hello from")
    })?;
    context.shell("hello", "rm /tmp/ready")?;
    context.until("the service stops answering", 20, || {
        anyhow::ensure!(http::get(&address, "/").is_err(), "it answers still");
        Ok(())
    })
}
