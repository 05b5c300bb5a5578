//! What a custom resource definition costs: memory, and the time until its objects can be listed.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::process::memory;
use super::super::{Goal, Load, Row};

pub const LOAD: Load = Load {
    name: "crds",
    rows: &[
        Row { name: "memory per CRD", unit: "kB", goal: Goal::AtMost(100.0) },
        Row { name: "CRD served after", unit: "ms", goal: Goal::AtMost(100.0) },
    ],
    objects: false,
    once: true,
    run: |setting| {
        Box::pin(async move {
            let (client, pid) = (setting.client, setting.subject.pid());
            let before = memory(pid)?.anonymous;
            let mut waits = Vec::new();
            for number in 0..setting.sizes.crds {
                let started = Instant::now();
                client
                    .must(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd(number))
                    .await?;
                let path = format!("/apis/bench.example.com/v1/namespaces/default/widget{number}s");
                while client.call(Method::GET, &path, "").await?.status != StatusCode::OK {
                    if started.elapsed() > Duration::from_secs(10) {
                        return Ok(vec![None, None]);
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                waits.push(started.elapsed().as_secs_f64() * 1e3);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            waits.sort_by(f64::total_cmp);
            let each = (memory(pid)?.anonymous - before) * 1e3 / setting.sizes.crds.max(1) as f64;
            Ok(vec![Some(each), waits.get(waits.len() / 2).copied()])
        })
    },
};

/// A definition with a schema of a size that operators' have.
fn crd(number: usize) -> String {
    let fields: serde_json::Map<String, Value> = (0..60)
        .map(|n| {
            let field = json!({
                "type": "object", "description": "What this part of the widget is to be like, in a sentence of some length.",
                "properties": {
                    "name": {"type": "string", "maxLength": 63, "description": "The name of the part."},
                    "size": {"type": "integer", "minimum": 0, "description": "How large it is."},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            });
            (format!("part{n}"), field)
        })
        .collect();
    let kind = format!("Widget{number}");
    let plural = format!("widget{number}s");
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.bench.example.com")},
        "spec": {
            "group": "bench.example.com", "scope": "Namespaced",
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
