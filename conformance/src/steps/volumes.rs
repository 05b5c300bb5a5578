//! What a container finds: volumes of every kind, and its environment.

use anyhow::Result;
use serde_json::{Value, json};

use crate::context::{Context, contains, same};
use crate::harness::Step;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "volume-config", run: config },
        Step { name: "volume-updates", run: updates },
        Step { name: "volume-empty-dir", run: empty_dir },
        Step { name: "volume-host-path", run: host_path },
        Step { name: "volume-projected", run: projected },
        Step { name: "environment", run: environment },
    ]
}

fn sources(context: &Context) -> Result<()> {
    context.run(&["create", "configmap", "settings", "--from-literal=colour=blue", "--from-literal=size=7"])?;
    context.run(&["create", "secret", "generic", "hidden", "--from-literal=word=quiet"])?;
    Ok(())
}

fn config(context: &Context) -> Result<()> {
    sources(context)?;
    let mounts = json!({"volumeMounts": [
        {"name": "settings", "mountPath": "/settings"},
        {"name": "one", "mountPath": "/one/colour", "subPath": "colour"},
        {"name": "hidden", "mountPath": "/hidden", "readOnly": true},
        {"name": "about", "mountPath": "/about"},
    ]});
    let volumes = json!({"volumes": [
        {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "size", "path": "deep/size"}]}},
        {"name": "one", "configMap": {"name": "settings"}},
        {"name": "hidden", "secret": {"secretName": "hidden", "defaultMode": 0o400}},
        {"name": "about", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]});
    context.start(&context.pod("reader", "sleep 1000", mounts, volumes))?;
    let read = context.shell("reader", "cat /settings/deep/size; echo; cat /one/colour; echo; cat /hidden/word")?;
    same(read.as_str(), "7\nblue\nquiet")?;
    contains(&context.shell("reader", "ls -lL /hidden/word")?, "-r--------")?;
    contains(&context.shell("reader", "cat /about/labels")?, "app=\"reader\"")?;
    contains(&context.shell("reader", "cat /proc/mounts")?, " /hidden tmpfs ro")
}

fn updates(context: &Context) -> Result<()> {
    sources(context)?;
    let mounts = json!({"volumeMounts": [{"name": "settings", "mountPath": "/settings"}]});
    let volumes = json!({"volumes": [{"name": "settings", "configMap": {"name": "settings"}}]});
    context.start(&context.pod("reader", "sleep 1000", mounts, volumes))?;
    context.run(&["patch", "configmap", "settings", "-p", r#"{"data": {"colour": "green", "new": "one"}}"#])?;
    // As with the kubelet, within its period of a minute or so.
    context.until("the volume shows the change", 120, || {
        same(context.shell("reader", "cat /settings/colour /settings/new")?.as_str(), "greenone")
    })
}

fn empty_dir(context: &Context) -> Result<()> {
    let mounts =
        json!({"volumeMounts": [{"name": "disk", "mountPath": "/disk"}, {"name": "memory", "mountPath": "/memory"}]});
    let volumes = json!({"volumes": [
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    ]});
    // The second container finds what the first one left.
    let script = "[ -e /disk/kept ] && sleep 1000; touch /disk/kept; exit 1";
    context.apply(&[context.pod("box", script, mounts, volumes)])?;
    context.until("the second container runs", 60, || {
        let pod = context.get(&["pod", "box"])?;
        let status = &pod["status"]["containerStatuses"][0];
        anyhow::ensure!(status["restartCount"] == 1 && status["state"]["running"].is_object(), "{status}");
        Ok(())
    })?;
    contains(&context.shell("box", "cat /proc/mounts")?, " /memory tmpfs rw")?;
    context.shell("box", "echo x > /memory/file").map(drop)
}

fn host_path(context: &Context) -> Result<()> {
    let dir = format!("/tmp/kybern-host-path-{}", std::process::id());
    std::fs::create_dir_all(&dir)?;
    std::fs::write(format!("{dir}/from-host"), "host")?;
    let mounts = json!({"volumeMounts": [{"name": "host", "mountPath": "/host"}]});
    let volumes = json!({"volumes": [{"name": "host", "hostPath": {"path": dir, "type": "Directory"}}]});
    let outcome = context.start(&context.pod("box", "sleep 1000", mounts, volumes)).and_then(|()| {
        same(context.shell("box", "cat /host/from-host; echo pod > /host/from-pod")?.as_str(), "host")?;
        same(std::fs::read_to_string(format!("{dir}/from-pod"))?.as_str(), "pod\n")
    });
    std::fs::remove_dir_all(&dir)?;
    outcome
}

fn projected(context: &Context) -> Result<()> {
    sources(context)?;
    let mounts = json!({"volumeMounts": [{"name": "all", "mountPath": "/all"}]});
    let volumes = json!({"volumes": [{"name": "all", "projected": {"sources": [
        {"configMap": {"name": "settings"}},
        {"secret": {"name": "hidden", "items": [{"key": "word", "path": "secret/word"}]}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "elsewhere", "expirationSeconds": 600}},
    ]}}]});
    context.start(&context.pod("reader", "sleep 1000", mounts, volumes))?;
    same(context.shell("reader", "cat /all/colour /all/secret/word /all/name")?.as_str(), "bluequietreader")?;
    same(context.shell("reader", "cat /all/token")?.split('.').count(), 3)
}

fn environment(context: &Context) -> Result<()> {
    sources(context)?;
    context.run(&["create", "service", "clusterip", "front", "--tcp=81:8080"])?;
    let env = json!({
        "env": [
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
            {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "word"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "BOTH", "value": "$(COLOUR)-$(WORD)-$$(KEPT)"},
        ],
        "envFrom": [{"prefix": "FROM_", "configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"cpu": "250m", "memory": "64Mi"}},
    });
    // The node learns of the Service by its watch.
    std::thread::sleep(std::time::Duration::from_secs(1));
    context.start(&context.pod("reader", "sleep 1000", env, json!({})))?;
    let found = context.shell("reader", "env")?;
    let pod = context.get(&["pod", "reader"])?;
    let service = context.get(&["service", "front"])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for line in [
        "COLOUR=blue".to_owned(),
        "WORD=quiet".to_owned(),
        "POD=reader".to_owned(),
        format!("IP={}", text(&pod["status"]["podIP"])),
        format!("NODE={}", text(&pod["spec"]["nodeName"])),
        "CPU=250".to_owned(),
        "BOTH=blue-quiet-$(KEPT)".to_owned(),
        "FROM_size=7".to_owned(),
        format!("FRONT_SERVICE_HOST={}", text(&service["spec"]["clusterIP"])),
        "FRONT_SERVICE_PORT=81".to_owned(),
        "KUBERNETES_SERVICE_PORT=443".to_owned(),
    ] {
        anyhow::ensure!(found.lines().any(|have| have == line), "{line:?} is not in the environment: {found:?}");
    }
    same(text(&pod["status"]["qosClass"]).as_str(), "Guaranteed")?;
    // A missing source keeps the container from starting, and is said.
    let missing = json!({"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x"}}}]});
    context.apply(&[context.pod("missing", "true", missing, json!({}))])?;
    context.until("the missing ConfigMap is said", 30, || {
        let waiting = context.get(&["pod", "missing"])?["status"]["containerStatuses"][0]["state"]["waiting"].clone();
        same(waiting["reason"].as_str(), Some("CreateContainerConfigError"))?;
        contains(waiting["message"].as_str().unwrap_or_default(), "configmap \"none\" not found")
    })
}
