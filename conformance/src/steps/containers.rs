//! The life of containers: init containers, restarts, probes, termination.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::context::{Context, contains, same};
use crate::harness::Step;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "init-containers", run: init_containers },
        Step { name: "init-failure", run: init_failure },
        Step { name: "sidecar", run: sidecar },
        Step { name: "restart-policy", run: restart_policy },
        Step { name: "crash-loop", run: crash_loop },
        Step { name: "image-missing", run: image_missing },
        Step { name: "liveness", run: liveness },
        Step { name: "startup-probe", run: startup_probe },
        Step { name: "lifecycle-hooks", run: lifecycle_hooks },
        Step { name: "termination-grace", run: termination_grace },
        Step { name: "memory-limit", run: memory_limit },
        Step { name: "security-context", run: security_context },
        Step { name: "status-kept", run: status_kept },
    ]
}

/// The status of a pod's only container.
fn status(context: &Context, pod: &str) -> Result<Value> {
    Ok(context.get(&["pod", pod])?["status"]["containerStatuses"][0].clone())
}

fn phase(context: &Context, pod: &str, phase: &str) -> Result<()> {
    context.until(&format!("pod {pod} is {phase}"), 60, || {
        same(context.get(&["pod", pod])?["status"]["phase"].as_str(), Some(phase))
    })
}

fn init_containers(context: &Context) -> Result<()> {
    let mount = json!([{"name": "shared", "mountPath": "/shared"}]);
    let init = |name: &str, script: &str| json!({"name": name, "image": context.v1(), "command": ["sh", "-c", script], "volumeMounts": mount});
    let spec = json!({
        "initContainers": [init("first", "sleep 1; echo first >> /shared/order"), init("second", "echo second >> /shared/order")],
        "volumes": [{"name": "shared", "emptyDir": {}}],
    });
    context.start(&context.pod("initial", "cat /shared/order; sleep 1000", json!({"volumeMounts": mount}), spec))?;
    same(context.run(&["logs", "initial", "-c", "main"])?.as_str(), "first\nsecond\n")?;
    let condition = "jsonpath={.status.conditions[?(@.type==\"Initialized\")].status}";
    same(context.run(&["get", "pod", "initial", "-o", condition])?.as_str(), "True")
}

fn init_failure(context: &Context) -> Result<()> {
    let init = json!([{"name": "first", "image": context.v1(), "command": ["sh", "-c", "exit 4"]}]);
    context.apply(&[context.pod(
        "never",
        "echo ran",
        json!({}),
        json!({"initContainers": init, "restartPolicy": "Never"}),
    )])?;
    phase(context, "never", "Failed")?;
    let pod = context.get(&["pod", "never"])?;
    same(pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"].as_i64(), Some(4))?;
    same(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str(), Some("PodInitializing"))?;
    contains(&context.run(&["get", "pod", "never"])?, "Init:Error")
}

fn sidecar(context: &Context) -> Result<()> {
    let script = "trap 'exit 0' TERM; while true; do sleep 0.2; done";
    let init =
        json!([{"name": "beside", "image": context.v1(), "restartPolicy": "Always", "command": ["sh", "-c", script]}]);
    context.apply(&[context.pod(
        "job",
        "sleep 1; echo done",
        json!({}),
        json!({"initContainers": init, "restartPolicy": "Never"}),
    )])?;
    phase(context, "job", "Succeeded")?;
    contains(&context.run(&["logs", "job", "-c", "main"])?, "done")
}

fn restart_policy(context: &Context) -> Result<()> {
    let pods = [
        ("never", "Never", "exit 3"),
        ("ok", "OnFailure", "exit 0"),
        ("again", "OnFailure", "exit 2"),
        ("always", "Always", "exit 0"),
    ];
    for (name, policy, script) in pods {
        context.apply(&[context.pod(name, script, json!({}), json!({"restartPolicy": policy}))])?;
    }
    phase(context, "never", "Failed")?;
    phase(context, "ok", "Succeeded")?;
    same(status(context, "never")?["restartCount"].as_u64(), Some(0))?;
    same(status(context, "never")?["state"]["terminated"]["exitCode"].as_i64(), Some(3))?;
    for name in ["again", "always"] {
        context.until(&format!("{name} is started again"), 60, || {
            let count = status(context, name)?["restartCount"].as_u64().unwrap_or(0);
            anyhow::ensure!(count >= 1, "{count} restarts");
            Ok(())
        })?;
    }
    Ok(())
}

fn crash_loop(context: &Context) -> Result<()> {
    context.apply(&[context.pod("crash", "exit 1", json!({}), json!({}))])?;
    context.until("the container waits", 60, || {
        let state = status(context, "crash")?["state"]["waiting"].clone();
        same(state["reason"].as_str(), Some("CrashLoopBackOff"))?;
        contains(state["message"].as_str().unwrap_or_default(), "restarting failed container=main pod=crash_")
    })?;
    context.until("kubectl shows it", 30, || contains(&context.run(&["get", "pod", "crash"])?, "CrashLoopBackOff"))?;
    context.until("an event says so", 20, || {
        contains(&context.run(&["get", "events"])?, "Back-off restarting failed container")
    })
}

fn image_missing(context: &Context) -> Result<()> {
    let image = json!({"image": "registry.kybern.local/none:v1", "imagePullPolicy": "Never"});
    context.apply(&[context.pod("none", "true", image, json!({}))])?;
    context.until("the container waits for its image", 30, || {
        same(status(context, "none")?["state"]["waiting"]["reason"].as_str(), Some("ErrImageNeverPull"))
    })?;
    let image = json!({"image": "127.0.0.1:9/none:v1"});
    context.apply(&[context.pod("pulled", "true", image, json!({}))])?;
    context.until("the pull fails", 60, || {
        let reason = status(context, "pulled")?["state"]["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
        anyhow::ensure!(["ErrImagePull", "ImagePullBackOff"].contains(&reason.as_str()), "{reason:?}");
        Ok(())
    })
}

fn liveness(context: &Context) -> Result<()> {
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2});
    let dead =
        json!({"exec": {"command": ["test", "!", "-e", "/tmp/dead"]}, "periodSeconds": 1, "failureThreshold": 1});
    context.start(&context.pod("alive", "", json!({"livenessProbe": probe}), json!({})))?;
    context.start(&context.pod("dying", "sleep 1000", json!({"livenessProbe": dead}), json!({})))?;
    context.shell("dying", "touch /tmp/dead")?;
    context.until("the container is started again", 60, || {
        same(status(context, "dying")?["restartCount"].as_u64(), Some(1))
    })?;
    same(status(context, "alive")?["restartCount"].as_u64(), Some(0))?;
    context.until("an event says why", 20, || contains(&context.run(&["get", "events"])?, "Liveness probe failed"))
}

fn startup_probe(context: &Context) -> Result<()> {
    let probes = json!({
        "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 20},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
    });
    context.start(&context.pod("slow", "sleep 3; exec /bin/web", probes, json!({})))?;
    same(status(context, "slow")?["started"].as_bool(), Some(true))?;
    same(status(context, "slow")?["restartCount"].as_u64(), Some(0))
}

fn lifecycle_hooks(context: &Context) -> Result<()> {
    let hooks = json!({
        "lifecycle": {
            "postStart": {"exec": {"command": ["sh", "-c", "echo begun > /shared/begun"]}},
            "preStop": {"exec": {"command": ["sh", "-c", "echo ended > /shared/ended"]}},
        },
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
    });
    let dir = format!("/tmp/kybern-hooks-{}", std::process::id());
    let volume = json!([{"name": "shared", "hostPath": {"path": dir, "type": "DirectoryOrCreate"}}]);
    let spec = json!({"volumes": volume, "terminationGracePeriodSeconds": 5});
    context.start(&context.pod("hooks", "sleep 1000", hooks, spec))?;
    same(context.shell("hooks", "cat /shared/begun")?.as_str(), "begun\n")?;
    context.run(&["delete", "pod", "hooks", "--timeout=30s"])?;
    let ended = std::fs::read_to_string(format!("{dir}/ended")).unwrap_or_default();
    std::fs::remove_dir_all(&dir)?;
    same(ended.as_str(), "ended\n")
}

fn termination_grace(context: &Context) -> Result<()> {
    let patient = "trap 'echo told; sleep 1; exit 0' TERM; while true; do sleep 0.1; done";
    let deaf = "trap '' TERM; while true; do sleep 0.1; done";
    context.start(&context.pod("patient", patient, json!({}), json!({"terminationGracePeriodSeconds": 20})))?;
    context.start(&context.pod("deaf", deaf, json!({}), json!({"terminationGracePeriodSeconds": 4})))?;
    let took = |pod: &str| -> Result<Duration> {
        let started = Instant::now();
        context.run(&["delete", "pod", pod, "--timeout=60s"])?;
        Ok(started.elapsed())
    };
    let patient = took("patient")?;
    anyhow::ensure!(
        patient > Duration::from_secs(1) && patient < Duration::from_secs(12),
        "a pod that ends when told took {patient:?}"
    );
    let deaf = took("deaf")?;
    anyhow::ensure!(
        deaf >= Duration::from_secs(4) && deaf < Duration::from_secs(16),
        "a pod that does not end took {deaf:?} of its 4 s"
    );
    Ok(())
}

fn memory_limit(context: &Context) -> Result<()> {
    // A variable that grows until the kernel ends the shell.
    let script = "x=0123456789abcdef; while true; do x=$x$x; done";
    let limit = json!({"resources": {"limits": {"memory": "32Mi"}}});
    context.apply(&[context.pod("greedy", script, limit, json!({"restartPolicy": "Never"}))])?;
    phase(context, "greedy", "Failed")?;
    same(status(context, "greedy")?["state"]["terminated"]["reason"].as_str(), Some("OOMKilled"))
}

fn security_context(context: &Context) -> Result<()> {
    let security = json!({"securityContext": {
        "runAsUser": 1234, "runAsGroup": 2345, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    }});
    context.start(&context.pod("plain", "sleep 1000", security, json!({"securityContext": {"fsGroup": 3456}})))?;
    let id = context.shell("plain", "id")?;
    contains(&id, "uid=1234 gid=2345")?;
    contains(&id, "3456")?;
    anyhow::ensure!(context.shell("plain", "touch /tmp/new").is_err(), "a read-only file system was written to");
    let refused = json!({"securityContext": {"runAsNonRoot": true}});
    context.apply(&[context.pod("root", "sleep 1000", refused, json!({}))])?;
    context.until("root is refused", 30, || {
        same(status(context, "root")?["state"]["waiting"]["reason"].as_str(), Some("CreateContainerConfigError"))
    })
}

/// What others write over a status that the node owns, the node writes again; what is theirs stays.
fn status_kept(context: &Context) -> Result<()> {
    context.start(&context.pod("kept", "sleep 1000", json!({}), json!({})))?;
    let conditions = json!([{"type": "Ready", "status": "False"}, {"type": "example.com/theirs", "status": "True"}]);
    let patch = json!({"status": {"conditions": conditions}}).to_string();
    context.run(&["patch", "pod", "kept", "--subresource=status", "-p", &patch])?;
    context.run(&["wait", "--for=condition=Ready", "pod/kept", "--timeout=30s"])?;
    context.run(&["wait", "--for=condition=example.com/theirs", "pod/kept", "--timeout=1s"]).map(drop)
}
