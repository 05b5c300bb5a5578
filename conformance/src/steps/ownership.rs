//! Deletion: cascades, finalizers, namespaces.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::workloads::hello;
use crate::context::{Context, contains, same};
use crate::harness::Step;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "delete-background", run: background },
        Step { name: "delete-foreground", run: foreground },
        Step { name: "delete-orphan", run: orphan },
        Step { name: "delete-finalizer", run: finalizer },
        Step { name: "delete-namespace", run: namespace },
    ]
}

/// How many ReplicaSets and pods there are.
fn counts(context: &Context) -> Result<(usize, usize)> {
    let sets = context.get(&["replicasets"])?["items"].as_array().map_or(0, Vec::len);
    Ok((sets, context.pods("app=hello")?.len()))
}

fn background(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["delete", "deployment", "hello"])?;
    context.until("ReplicaSet and pods are gone", 60, || same(counts(context)?, (0, 0)))
}

fn foreground(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["delete", "deployment", "hello", "--cascade=foreground", "--timeout=60s"])?;
    same(counts(context)?, (0, 0))
}

fn orphan(context: &Context) -> Result<()> {
    hello(context, 2)?;
    let before = context.pods("app=hello")?;
    context.run(&["delete", "deployment", "hello", "--cascade=orphan"])?;
    std::thread::sleep(Duration::from_secs(3));
    same(counts(context)?, (1, 2))?;
    same(context.pods("app=hello")?, before)?;
    let owners = context.get(&["replicasets"])?["items"][0]["metadata"]["ownerReferences"].clone();
    same(owners, Value::Null)?;
    context.run(&["delete", "replicasets", "--all", "--cascade=orphan"])?;
    std::thread::sleep(Duration::from_secs(2));
    same(counts(context)?, (0, 2))
}

fn finalizer(context: &Context) -> Result<()> {
    let metadata = json!({"name": "kept", "finalizers": ["example.com/keep"]});
    context.apply(&[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})])?;
    context.run(&["delete", "configmap", "kept", "--wait=false"])?;
    anyhow::ensure!(
        context.get(&["configmap", "kept"])?["metadata"]["deletionTimestamp"].is_string(),
        "no deletion time"
    );
    context.run(&["patch", "configmap", "kept", "-p", r#"{"metadata": {"finalizers": null}}"#])?;
    contains(&context.ended(&["get", "configmap", "kept"])?.stderr, "not found")
}

fn namespace(context: &Context) -> Result<()> {
    hello(context, 2)?;
    context.run(&["expose", "deployment", "hello", "--port=80"])?;
    context.run(&["create", "configmap", "settings"])?;
    let name = &context.namespace;
    context.run(&["delete", "namespace", name, "--wait=false"])?;
    contains(&context.ended(&["create", "configmap", "late"])?.stderr, "because it is being terminated")?;
    context.run(&["wait", "--for=delete", &format!("namespace/{name}"), "--timeout=80s"])?;
    for kind in ["pods", "deployments", "replicasets", "services", "configmaps", "secrets", "serviceaccounts", "events"]
    {
        let left = context.get(&[kind])?;
        same(left["items"].as_array().map_or(0, Vec::len), 0)?;
    }
    Ok(())
}
