//! What a thousand custom resource definitions cost: time until they are served and shown, memory, discovery, OpenAPI.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::super::client::{Client, JSON, Until, drive};
use super::super::process::memory;
use super::super::{Figure, Goal, Load, Row, Setting};

const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// Definitions that are made one after the other, each waited for.
const SINGLE: usize = 20;
/// How many groups the others share.
const GROUPS: usize = 50;
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

pub const LOAD: Load = Load {
    name: "crds",
    rows: &[
        Row { name: "CRD served after", unit: "ms", goal: Goal::AtMost(100.0) },
        Row { name: "CRD in discovery after", unit: "ms", goal: Goal::AtMost(100.0) },
        Row { name: "all CRDs served after", unit: "s", goal: Goal::AtMost(10.0) },
        Row { name: "CPU per CRD", unit: "ms", goal: Goal::Fraction(5.0) },
        Row { name: "memory per CRD", unit: "kB", goal: Goal::AtMost(100.0) },
        Row { name: "discovery of all CRDs, first time", unit: "ms", goal: Goal::Fraction(1.0) },
        Row { name: "discovery of all CRDs, again", unit: "ms", goal: Goal::Fraction(1.0) },
        Row { name: "OpenAPI v3 index, first time", unit: "ms", goal: Goal::Fraction(1.0) },
        Row { name: "OpenAPI v3 of one group, first time", unit: "ms", goal: Goal::Fraction(1.0) },
        Row { name: "OpenAPI v3 index after one more CRD", unit: "ms", goal: Goal::Fraction(1.0) },
        Row { name: "OpenAPI v2 of all CRDs, first time", unit: "ms", goal: Goal::Fraction(1.0) },
        Row { name: "memory per CRD, with all documents made", unit: "kB", goal: Goal::AtMost(100.0) },
    ],
    objects: false,
    once: true,
    run: |setting| Box::pin(run(setting)),
};

async fn run(setting: &Setting<'_>) -> Result<Vec<Figure>> {
    let (client, pid, count) = (setting.client, setting.subject.pid(), setting.sizes.crds.max(1));
    let before = memory(pid)?.anonymous;
    let (mut served, mut shown) = (Vec::new(), Vec::new());
    let single = SINGLE.min(count);
    for number in 0..single {
        let started = Instant::now();
        client.must(Method::POST, PATH, crd(number)).await?;
        until_served(client, number).await?;
        served.push(started.elapsed().as_secs_f64() * 1e3);
        until_shown(client, number).await?;
        shown.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let started = Instant::now();
    let installed = drive(client, pid, 16, Until::Done(count - single), move |client, number| {
        let body = Full::new(crd(single + number).into());
        Ok(client.request(Method::POST, PATH).header(CONTENT_TYPE, JSON).body(body)?)
    })
    .await?;
    for number in single..count {
        until_served(client, number).await?;
    }
    let installed_after = started.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let each = |megabytes: f64| (megabytes - before) * 1e3 / count as f64;
    let at_rest = each(memory(pid)?.anonymous);
    let (discovery, _) = timed(client, "/apis", AGGREGATED).await?;
    let (again, _) = timed(client, "/apis", AGGREGATED).await?;
    let (index, _) = timed(client, "/openapi/v3", JSON).await?;
    let (group, _) = timed(client, &format!("/openapi/v3/apis/{}/v1", group_of(0)), JSON).await?;
    client.must(Method::POST, PATH, crd(count)).await?;
    until_served(client, count).await?;
    let (next_index, _) = timed(client, "/openapi/v3", JSON).await?;
    let (v2, bytes) = timed(client, "/openapi/v2", JSON).await?;
    ensure!(bytes > 1_000_000, "the OpenAPI v2 document has {bytes} bytes only");
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(vec![
        median(served),
        median(shown),
        Some(installed_after),
        Some(installed.cpu_ms()),
        Some(at_rest),
        Some(discovery),
        Some(again),
        Some(index),
        Some(group),
        Some(next_index),
        Some(v2),
        Some(each(memory(pid)?.anonymous)),
    ])
}

fn median(mut values: Vec<f64>) -> Figure {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Waits until the objects of a definition can be listed.
async fn until_served(client: &Client, number: usize) -> Result<()> {
    let started = Instant::now();
    let path = format!("/apis/{}/v1/namespaces/default/widget{number}s", group_of(number));
    while client.call(Method::GET, &path, "").await?.status != StatusCode::OK {
        ensure!(started.elapsed() < PATIENCE, "{path} is not served");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Waits until aggregated discovery shows a definition.
async fn until_shown(client: &Client, number: usize) -> Result<()> {
    let started = Instant::now();
    let name = format!("\"widget{number}s\"");
    loop {
        let request = client.request(Method::GET, "/apis").header(ACCEPT, AGGREGATED).body(Full::default())?;
        let body = client.send(request).await?.into_body().collect().await?.to_bytes();
        if std::str::from_utf8(&body)?.contains(&name) {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "discovery does not show {name}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How many milliseconds a GET takes, and how many bytes it answers.
async fn timed(client: &Arc<Client>, path: &str, accept: &str) -> Result<(f64, usize)> {
    let started = Instant::now();
    let request = client.request(Method::GET, path).header(ACCEPT, accept).body(Full::default())?;
    let answer = client.exchange(request).await?;
    ensure!(answer.status == StatusCode::OK, "{path}: {}", answer.status);
    Ok((started.elapsed().as_secs_f64() * 1e3, answer.bytes))
}

fn group_of(number: usize) -> String {
    format!("group{}.bench.example.com", number % GROUPS)
}

/// A definition with a schema of a size that operators' have, 24 kB. Half of it is what others have too, as there is a
/// pod's specification in many.
fn crd(number: usize) -> String {
    let fields: serde_json::Map<String, Value> = (0..60)
        .map(|n| {
            let own = if n % 2 == 0 { String::new() } else { format!("Of{number}") };
            let field = json!({
                "type": "object",
                "description": format!("What this part{own} of the widget is to be like, in a sentence of some length."),
                "properties": {
                    "name": {"type": "string", "maxLength": 63, "description": "The name of the part."},
                    "size": {"type": "integer", "minimum": 0, "description": "How large it is."},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    format!("note{own}"): {"type": "string", "description": format!("What else is to be said of {own}.")},
                },
            });
            (format!("part{n}{own}"), field)
        })
        .collect();
    let kind = format!("Widget{number}");
    let (plural, group) = (format!("widget{number}s"), group_of(number));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": fields},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }],
        },
    })
    .to_string()
}
