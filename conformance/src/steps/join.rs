//! Another node joins with a bootstrap token, and may see no more than its own pods need.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::context::{Context, contains, same};
use crate::harness::{Step, skip};
use crate::machine;
use crate::server::free_port;

const NODE: &str = "second";
const TOKEN: (&str, &str) = ("joiner", "0123456789abcdef");
const GROUP: &str = "system:bootstrappers:acceptance";
/// The roles that a node which joins needs, as kubeadm gives them.
const ROLES: [&str; 2] =
    ["system:node-bootstrapper", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"];

pub fn steps() -> Vec<Step> {
    vec![Step { name: "join", run: join }]
}

/// A second node on this machine: its own containerd and node agent in a directory of its own, without a pod network.
struct Second {
    directory: tempfile::TempDir,
    processes: Vec<Child>,
}

impl Second {
    /// Starts containerd with the images that the step runs.
    fn start(context: &Context, first: &Path, images: &[String]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let at = directory.path();
        std::fs::create_dir_all(at.join("containerd"))?;
        std::fs::create_dir_all(at.join("cni"))?;
        let config = std::fs::read_to_string(first.join("containerd/config.toml"))?;
        let config = config.replace(&*first.to_string_lossy(), &at.to_string_lossy());
        std::fs::write(at.join("containerd/config.toml"), config)?;
        let mut containerd = Command::new("containerd");
        containerd.arg("--config").arg(at.join("containerd/config.toml"));
        let mut second = Second { processes: Vec::new(), directory };
        second.spawn(containerd, "containerd")?;
        let archive = second.path("images.tar");
        let mut export = vec!["images", "export"];
        let archive = archive.to_string_lossy();
        export.push(&archive);
        export.extend(images.iter().map(String::as_str));
        machine::ctr(first, &export)?;
        context.until("containerd takes images", 10, || {
            machine::ctr(second.directory.path(), &["images", "import", &archive])
        })?;
        Ok(second)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a program whose words go into a file.
    fn spawn(&mut self, mut command: Command, name: &str) -> Result<()> {
        let log = std::fs::File::create(self.path(&format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.processes.push(command.spawn().with_context(|| format!("cannot start {name}"))?);
        Ok(())
    }

    /// The last words of the node agent, for an error's text.
    fn words(&self) -> String {
        let log = std::fs::read_to_string(self.path("node-agent.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let at = self.directory.path();
        for container in machine::containers(at).unwrap_or_default() {
            let _ = machine::ctr(at, &["tasks", "delete", "--force", &container]);
        }
        for process in self.processes.iter_mut().rev() {
            let _ = machine::kill(process.id(), Signal::TERM);
            let _ = process.wait();
        }
        for mount in machine::mounts(at).unwrap_or_default() {
            let place = mount.split(' ').nth(1).unwrap_or_default();
            let _ = Command::new("umount").args(["--lazy", place]).status();
        }
    }
}

/// A kubeconfig of the same cluster with a token in place of the administrator.
fn bootstrap_kubeconfig(context: &Context) -> Result<String> {
    let admin: Value = serde_json::from_str(&context.run(&["config", "view", "--raw", "--output=json"])?)?;
    let (id, secret) = TOKEN;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "join",
        "clusters": [{"name": "cluster", "cluster": admin["clusters"][0]["cluster"]}],
        "users": [{"name": "joining", "user": {"token": format!("{id}.{secret}")}}],
        "contexts": [{"name": "join", "context": {"cluster": "cluster", "user": "joining"}}],
    });
    Ok(config.to_string())
}

fn join(context: &Context) -> Result<()> {
    let (Some(data), Some(kybern)) = (&context.data, &context.kybern) else {
        return skip("needs --data-dir and --kybern");
    };
    let outcome = joined(context, data, kybern);
    let _ = context.run(&["delete", "node", NODE, "--ignore-not-found"]);
    for role in ROLES {
        let _ = context.run(&["delete", "clusterrolebinding", &binding(role), "--ignore-not-found"]);
    }
    let secret = format!("bootstrap-token-{}", TOKEN.0);
    let _ = context.in_namespace("kube-system").run(&["delete", "secret", &secret, "--ignore-not-found"]);
    outcome
}

fn binding(role: &str) -> String {
    format!("acceptance:{role}")
}

fn joined(context: &Context, data: &Path, kybern: &Path) -> Result<()> {
    let (id, secret) = TOKEN;
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": format!("bootstrap-token-{id}"), "namespace": "kube-system"},
        "stringData": {
            "token-id": id, "token-secret": secret, "usage-bootstrap-authentication": "true", "auth-extra-groups": GROUP,
        },
    })];
    objects.extend(ROLES.map(|role| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": binding(role)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}],
        })
    }));
    context.in_namespace("kube-system").apply(&objects)?;

    let images = machine::ctr(data, &["images", "list", "--quiet"])?;
    let pause = images.into_iter().find(|image| image.contains("/pause:")).context("no pause image")?;
    let mut second = Second::start(context, data, &[context.v1(), pause])?;
    let (bootstrap, own) = (second.path("bootstrap.conf"), second.path("kubelet.conf"));
    std::fs::write(&bootstrap, bootstrap_kubeconfig(context)?)?;
    let mut agent = Command::new(kybern);
    let place = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
    agent.arg("node-agent").args([
        place("bootstrap-kubeconfig", bootstrap),
        place("kubeconfig", own.clone()),
        place("root-dir", second.path("kubelet")),
        place("cert-dir", second.path("kubelet/pki")),
        place("pod-logs-dir", second.path("logs")),
        place("cni-conf-dir", second.path("cni")),
        format!("--container-runtime-endpoint=unix://{}", second.path("containerd/containerd.sock").display()),
    ]);
    let (name, port) = (format!("--hostname-override={NODE}"), format!("--port={}", free_port()?));
    agent.args([&name, &port, "--healthz-port=0", "--read-only-port=0", "--fail-swap-on=false"]);
    second.spawn(agent, "node-agent")?;
    context
        .until("the node joins", 30, || context.run(&["get", "node", NODE]).map(drop))
        .with_context(|| second.words())?;

    let node = Context { kubeconfig: own, ..context.clone() };
    let identity = node.run(&["auth", "whoami", "--output=json"])?;
    let identity: Value = serde_json::from_str(&identity)?;
    same(identity["status"]["userInfo"]["username"].as_str(), Some("system:node:second"))?;
    same(&identity["status"]["userInfo"]["groups"], &json!(["system:nodes", "system:authenticated"]))?;

    // A pod of each node reads its own secret.
    for name in ["mine", "others"] {
        context.run(&["create", "secret", "generic", name, &format!("--from-literal=word={name}")])?;
    }
    let pod = |name: &str, spec: Value| {
        let mut pod =
            context.pod(name, "", json!({"volumeMounts": [{"name": "secret", "mountPath": "/secret"}]}), spec);
        pod["spec"]["volumes"] = json!([{"name": "secret", "secret": {"secretName": name}}]);
        pod["spec"]["restartPolicy"] = "Never".into();
        let script = format!("test \"$(cat /secret/word)\" = {name}");
        pod["spec"]["containers"][0]["command"] = json!(["sh", "-c", script]);
        pod
    };
    context.apply(&[
        pod("mine", json!({"nodeName": NODE, "hostNetwork": true})),
        pod("others", json!({"tolerations": [], "hostNetwork": true})),
    ])?;
    for name in ["mine", "others"] {
        context
            .until("the pod reads its secret", 40, || {
                same(context.get(&["pod", name])?["status"]["phase"].as_str(), Some("Succeeded"))
            })
            .with_context(|| second.words())?;
    }
    anyhow::ensure!(context.get(&["pod", "others"])?["spec"]["nodeName"] != NODE, "both pods are on the second node");

    // What has ended needs nothing any more: a pod that goes on shows what a node may read.
    context.apply(&[json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stays"},
        "spec": {
            "nodeName": NODE, "hostNetwork": true, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": context.v1(), "command": ["sh", "-c", "sleep 1000"]}],
            "volumes": [{"name": "secret", "secret": {"secretName": "mine"}}],
        },
    })])?;
    context.until("the node may read its pod's secret", 20, || node.run(&["get", "secret", "mine"]).map(drop))?;
    let refusals: [&[&str]; 6] = [
        &["get", "secret", "others"],
        &["get", "secrets"],
        &["get", "secrets", "--all-namespaces"],
        &["get", "pods", "--all-namespaces"],
        &["delete", "pod", "others"],
        &["label", "node", NODE, "node-role.kubernetes.io/control-plane="],
    ];
    for refused in refusals {
        let ended = node.ended(refused)?;
        anyhow::ensure!(ended.code != 0, "a node may {}", refused.join(" "));
        contains(&ended.stderr, "orbidden")?;
    }
    node.run(&["get", "pods", &format!("--field-selector=spec.nodeName={NODE}")])?;
    // Its containers end while their node is there to end them.
    context.run(&["delete", "pod", "mine", "stays", "others", "--timeout=30s"])?;
    Ok(())
}
