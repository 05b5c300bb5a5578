//! What etcd holds: upstream's keys, upstream's encodings.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::workloads::hello;
use crate::context::{Context, contains, ended};
use crate::harness::{Step, skip};
use crate::machine;

pub fn steps() -> Vec<Step> {
    vec![Step { name: "etcd-keys", run: keys }]
}

/// etcdctl at the etcd of this machine's cluster, its address read from the command line of the process.
fn etcdctl(data: &Path) -> Result<Command> {
    let Some(pid) = machine::pids(data)?.get("etcd").copied() else {
        return skip("the cluster's storage is not an etcd of its own");
    };
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    let url =
        line.split('\0').find_map(|flag| flag.strip_prefix("--listen-client-urls=")).context("etcd has no address")?;
    let pki = data.join("pki");
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").arg(format!("--endpoints={url}"));
    command.arg("--cacert").arg(pki.join("etcd/ca.crt"));
    command
        .arg("--cert")
        .arg(pki.join("apiserver-etcd-client.crt"))
        .arg("--key")
        .arg(pki.join("apiserver-etcd-client.key"));
    command.stdin(Stdio::null());
    Ok(command)
}

fn keys(context: &Context) -> Result<()> {
    let Some(data) = &context.data else { return skip("needs --data-dir") };
    if Command::new("etcdctl").arg("version").output().is_err() {
        return skip("needs etcdctl (Debian: etcd-client)");
    }
    let mut list = etcdctl(data)?;
    hello(context, 1)?;
    context.run(&["expose", "deployment", "hello", "--port=80"])?;
    context.run(&["create", "secret", "generic", "hidden", "--from-literal=word=quiet"])?;
    let namespace = &context.namespace;
    context.until("the service has endpoints", 20, || context.run(&["get", "endpoints", "hello"]).map(drop))?;
    list.args(["get", "--prefix", "--keys-only", "/registry"]);
    let listed = ended(list, None)?;
    for key in [
        format!("/registry/deployments/{namespace}/hello\n"),
        format!("/registry/replicasets/{namespace}/hello-"),
        format!("/registry/pods/{namespace}/hello-"),
        format!("/registry/services/specs/{namespace}/hello\n"),
        format!("/registry/services/endpoints/{namespace}/hello\n"),
        format!("/registry/endpointslices/{namespace}/hello-"),
        format!("/registry/secrets/{namespace}/hidden\n"),
        format!("/registry/serviceaccounts/{namespace}/default\n"),
        format!("/registry/configmaps/{namespace}/kube-root-ca.crt\n"),
        format!("/registry/namespaces/{namespace}\n"),
        "/registry/minions/".to_owned(),
        "/registry/leases/kube-node-lease/".to_owned(),
        "/registry/clusterroles/cluster-admin\n".to_owned(),
        "/registry/clusterrolebindings/cluster-admin\n".to_owned(),
        "/registry/ipaddresses/".to_owned(),
        "/registry/ranges/servicenodeports\n".to_owned(),
        "/registry/priorityclasses/system-node-critical\n".to_owned(),
    ] {
        anyhow::ensure!(listed.stdout.contains(&key), "no key {key:?} {}", listed.stderr);
    }
    let mut get = etcdctl(data)?;
    get.args(["get", "--print-value-only", &format!("/registry/deployments/{namespace}/hello")]);
    let value = get.output()?.stdout;
    // Four bytes say protobuf; then runtime.Unknown, whose first field is the type: apiVersion 1, kind 2.
    anyhow::ensure!(value.starts_with(b"k8s\0"), "the value begins with {:?}", &value[..value.len().min(8)]);
    let type_meta = [&[0x0a, 0x15, 0x0a, 0x07][..], b"apps/v1", &[0x12, 0x0a], b"Deployment"].concat();
    anyhow::ensure!(value[4..].starts_with(&type_meta), "the type is encoded as {:?}", &value[4..value.len().min(30)]);
    if Command::new("protoc").arg("--version").output().is_err() {
        return Ok(());
    }
    // Protobuf's own reader takes the rest, but for the line feed that etcdctl puts at its end.
    let file = std::env::temp_dir().join(format!("kybern-value-{}", std::process::id()));
    std::fs::write(&file, &value[4..value.len() - 1])?;
    let output = Command::new("protoc").arg("--decode_raw").stdin(std::fs::File::open(&file)?).output();
    std::fs::remove_file(&file)?;
    let output = output?;
    anyhow::ensure!(output.status.success(), "protoc: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    contains(&text, "\"Deployment\"")?;
    contains(&text, &context.v1())
}
