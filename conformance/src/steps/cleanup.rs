//! Nothing stays behind on the machine.

use anyhow::Result;
use serde_json::json;

use super::workloads::hello;
use crate::context::{Context, same};
use crate::harness::{Step, skip};
use crate::machine;

pub fn steps() -> Vec<Step> {
    vec![Step { name: "delete-leaves-nothing", run: leaves_nothing }]
}

fn leaves_nothing(context: &Context) -> Result<()> {
    let Some(data) = context.data.clone() else { return skip("needs --data-dir") };
    // Containers, links, mounts, pods' directories.
    let counts = || -> Result<_> {
        let pods = data.join("kubelet/pods");
        Ok((
            machine::containers(&data)?.len(),
            machine::links()?.len(),
            machine::mounts(&pods)?.len(),
            std::fs::read_dir(&pods)?.count(),
        ))
    };
    // Other steps' pods may still be on their way out.
    context.until("the machine is quiet", 60, || {
        let namespaces = context.run(&["get", "namespaces"])?;
        anyhow::ensure!(!namespaces.contains("Terminating"), "{namespaces}");
        Ok(())
    })?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let before = counts()?;
    let settings =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}});
    let mounts = json!({"volumeMounts": [
        {"name": "memory", "mountPath": "/memory"},
        {"name": "settings", "mountPath": "/settings", "subPath": "a"},
    ]});
    let volumes = json!({"volumes": [
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "settings", "configMap": {"name": "settings"}},
    ]});
    context.apply(&[settings])?;
    hello(context, 2)?;
    context.run(&["expose", "deployment", "hello", "--port=80", "--target-port=8080", "--type=NodePort"])?;
    context.start(&context.pod("box", "sleep 1000", mounts, volumes))?;
    let during = counts()?;
    same((during.0, during.1, during.3), (before.0 + 6, before.1 + 3, before.3 + 3))?;
    anyhow::ensure!(during.2 > before.2, "no mounts for volumes in memory");
    let service = format!("{}/hello", context.namespace);
    context.until("the rules are there", 20, || {
        anyhow::ensure!(!machine::rules(&service)?.is_empty(), "no rule of {service}");
        Ok(())
    })?;
    context.run(&["delete", "deployment,service,pod,configmap", "--all", "--timeout=60s"])?;
    context.until("the machine is as before", 60, || {
        same(counts()?, before)?;
        same(machine::rules(&service)?, Vec::new())
    })
}
