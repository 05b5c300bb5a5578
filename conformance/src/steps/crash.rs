//! Ends each process at its worst moment: while a Deployment rolls. All come back, nothing is started twice or lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::services::address;
use crate::context::{Context, same};
use crate::harness::{Step, skip};
use crate::{http, machine};

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "crash-apiserver", run: |context| crash(context, "apiserver") },
        Step { name: "crash-node-agent", run: |context| crash(context, "node-agent") },
        Step { name: "crash-etcd", run: |context| crash(context, "etcd") },
        Step { name: "crash-containerd", run: |context| crash(context, "containerd") },
        Step { name: "crash-controllers", run: |context| crash(context, "controllers") },
        Step { name: "crash-scheduler", run: |context| crash(context, "scheduler") },
        Step { name: "crash-proxy", run: |context| crash(context, "proxy") },
    ]
}

/// A Deployment whose pods never leave the Service before another takes their place, nor before their requests end.
fn deployment(context: &Context) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hello"},
        "spec": {
            "replicas": 6,
            "selector": {"matchLabels": {"app": "hello"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 2}},
            "template": {
                "metadata": {"labels": {"app": "hello"}},
                "spec": {
                    "terminationGracePeriodSeconds": 3,
                    "containers": [{
                        "name": "web", "image": context.v1(),
                        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                    }],
                },
            },
        },
    })
}

/// What a Service's clients see while others do their worst.
#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    wrong: AtomicUsize,
    failed: AtomicUsize,
    end: AtomicBool,
}

fn ask(address: &str, seen: &Seen) {
    while !seen.end.load(Ordering::Relaxed) {
        let counter = match http::get(address, "/") {
            Ok(body) if body.starts_with("hello from hello-") => &seen.answers,
            Ok(_) => &seen.wrong,
            Err(_) => &seen.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn crash(context: &Context, victim: &str) -> Result<()> {
    let Some(data) = context.data.clone() else { return skip("needs --data-dir") };
    if !machine::pids(&data)?.contains_key(victim) {
        return skip(format!("there is no {victim} of this cluster's"));
    }
    context.apply(&[deployment(context)])?;
    complete(context)?;
    context.run(&["expose", "deployment", "hello", "--port=80", "--target-port=8080"])?;
    // Not part of the rollout: it must go on as it is.
    context.start(&context.pod("bystander", "sleep 1000", json!({}), json!({})))?;
    let bystander = container_ids(context, "app=bystander")?;
    let address = address(&context.get(&["service", "hello"])?)?;
    context.until("the service answers", 20, || http::get(&address, "/").map(drop))?;
    let seen = Seen::default();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| ask(&address, &seen));
        let outcome = [context.v2(), context.v1()].iter().try_for_each(|image| roll(context, &data, victim, image));
        seen.end.store(true, Ordering::Relaxed);
        outcome
    });
    outcome?;
    same(container_ids(context, "app=bystander")?, bystander)?;
    let (answers, wrong, failed) = (seen.answers.into_inner(), seen.wrong.into_inner(), seen.failed.into_inner());
    println!("        {victim}: {answers} answers, {failed} refused, {wrong} wrong");
    same(wrong, 0)?;
    // The image's server ends at once when told, so that a request on its way to it fails.
    anyhow::ensure!(failed * 20 <= answers, "{failed} of {} requests failed", failed + answers);
    Ok(())
}

/// Rolls to an image, and ends the victim in the middle.
fn roll(context: &Context, data: &Path, victim: &str, image: &str) -> Result<()> {
    let before = machine::pids(data)?[victim];
    context.run(&["set", "image", "deployment/hello", &format!("web={image}")])?;
    std::thread::sleep(Duration::from_millis(1500));
    let killed = Instant::now();
    machine::kill(before, Signal::KILL)?;
    context.until(&format!("{victim} runs again"), 30, || {
        let pid = *machine::pids(data)?.get(victim).context("no process id")?;
        anyhow::ensure!(pid != before && Path::new(&format!("/proc/{pid}")).exists(), "not yet");
        Ok(())
    })?;
    context.until("the API answers again", 60, || context.run(&["get", "--raw", "/readyz"]).map(drop))?;
    let back = killed.elapsed();
    context.until("the rollout is complete", 120, || complete(context))?;
    println!(
        "        {victim} was back after {:.1} s, the rollout complete after {:.1} s",
        back.as_secs_f32(),
        killed.elapsed().as_secs_f32()
    );
    context.until("six pods with the image, each started once", 60, || {
        let pods = context.get(&["pods", "-l", "app=hello"])?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        same(pods.len(), 6)?;
        for pod in &pods {
            let status = &pod["status"]["containerStatuses"][0];
            // A node agent that ends between creating a container and starting it makes another one, as the kubelet
            // does: that counts as a restart, but nothing has run twice.
            same(&status["lastState"], &json!({}))?;
            same(status["ready"].as_bool(), Some(true))?;
            same(pod["spec"]["containers"][0]["image"].as_str(), Some(image))?;
        }
        Ok(())
    })?;
    once_each(context, data)
}

/// Each container that the API shows runs, and each that runs in the step's pods is shown: none twice, none lost.
fn once_each(context: &Context, data: &Path) -> Result<()> {
    context.until("containers and pods agree", 60, || {
        let shown: BTreeSet<String> = container_ids(context, "app in (hello,bystander)")?.into_values().collect();
        same(shown.len(), 7)?;
        let run = machine::pod_containers(data, &context.namespace)?;
        same(run, shown)
    })
}

/// The id of each pod's container, by the pod's uid.
fn container_ids(context: &Context, selector: &str) -> Result<BTreeMap<String, String>> {
    let pods = context.get(&["pods", "-l", selector])?;
    let pods = pods["items"].as_array().into_iter().flatten();
    pods.map(|pod| {
        let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().context("no container id")?;
        let id = id.rsplit('/').next().unwrap_or_default();
        Ok((pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned(), id.to_owned()))
    })
    .collect()
}

fn complete(context: &Context) -> Result<()> {
    context.run(&["rollout", "status", "deployment/hello", "--timeout=80s"]).map(drop)
}
