//! Two API servers, one etcd: what one stored, the other serves; and both store the same bytes for the same requests.
//!
//! `same-etcd --one kube-apiserver --other kybern`: each makes an object of every kind on an etcd of its own. The etcds are
//! compared key by key and value by value; then each server starts on the other's etcd, and what is served is compared.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Parser;
use conformance::server::{Etcd, Keys, Server, free_port, program};
use conformance::stored;
use serde_json::Value;

#[derive(Parser)]
#[command(about = "Compares what two API servers store and serve of each other.")]
struct Flags {
    /// A kube-apiserver, or a program that is one when called so.
    #[arg(long)]
    one: PathBuf,
    /// The other.
    #[arg(long)]
    other: PathBuf,
    #[arg(long, default_value = "kubectl")]
    kubectl: PathBuf,
    #[arg(long, default_value = "etcd")]
    etcd: PathBuf,
    #[arg(long, default_value = "etcdctl")]
    etcdctl: PathBuf,
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/kubectl/manifests"))]
    manifests: PathBuf,
}

/// Where the objects live.
const NAMESPACE: &str = "walk-etcd";

/// What is made, and how it is changed then, so that every way to write has written.
const CHANGES: &[&[&str]] = &[
    &["create", "-f", "every-other-kind.yaml"],
    &["create", "-f", "kinds.yaml"],
    &["create", "-f", "deployment.yaml", "-f", "configmap.yaml", "-f", "pod.yaml", "-f", "csr.yaml"],
    &["apply", "--server-side", "-f", "applied.yaml"],
    &["apply", "--server-side", "--field-manager=second", "--force-conflicts", "-f", "applied-2.yaml"],
    &["replace", "-f", "configmap-2.yaml"],
    &["label", "configmap", "settings", "a=b"],
    &["annotate", "deployment", "web", "note=two words"],
    &["scale", "deployment", "web", "--replicas=4"],
    &[
        "patch",
        "pod",
        "alone",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"phase":"Running","podIP":"10.244.0.3","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}"#,
    ],
    &["patch", "configmap", "settings", "--type=merge", "-p", r#"{"metadata":{"finalizers":["example.com/wait"]}}"#],
    &["delete", "configmap", "settings", "--wait=false"],
    &["certificate", "approve", "walk-csr"],
    &["delete", "pod", "alone", "--wait=false"],
    &["taint", "node", "walk-node", "more=x:NoSchedule"],
];

fn main() -> ExitCode {
    let mut flags = Flags::parse();
    // kubectl runs among the manifests.
    if let Ok(kubectl) = program(&flags.kubectl) {
        flags.kubectl = kubectl;
    }
    match run(&flags) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The number of differences.
fn run(flags: &Flags) -> Result<usize> {
    let scratch = tempfile::tempdir()?;
    let keys = Keys::make(&scratch.path().join("keys"))?;
    // It is stored with the API server's own service: the same for all.
    let port = free_port()?;
    let mut differences = 0;
    let mut stores = Vec::new();
    for (name, maker, other) in [("one", &flags.one, &flags.other), ("other", &flags.other, &flags.one)] {
        let place = scratch.path().join(name);
        let etcd = Etcd::start(&flags.etcd, &place.join("etcd"))?;
        let server = Server::start_on(port, maker, &keys, &etcd, &place.join("maker"), &flags.kubectl)?;
        make(flags, &server)?;
        let by_maker = served(flags, &server)?;
        drop(server);
        stores.push(stored::normalised(etcd.dump(&flags.etcdctl)?));
        let reader = Server::start_on(port, other, &keys, &etcd, &place.join("reader"), &flags.kubectl)?;
        let by_reader = served(flags, &reader)?;
        let differing = compare(&by_maker, &by_reader);
        println!(
            "made by {}, served by {}: {} objects, {} differ",
            maker.display(),
            other.display(),
            by_maker.len(),
            differing.len()
        );
        differing.iter().for_each(|line| println!("{line}"));
        differences += differing.len();
    }
    let (one, other) = (&stores[0], &stores[1]);
    let differing = compare(one, other);
    println!("stored: {} keys by one, {} by the other, {} differ", one.len(), other.len(), differing.len());
    differing.iter().for_each(|line| println!("{line}"));
    Ok(differences + differing.len())
}

fn make(flags: &Flags, server: &Server) -> Result<()> {
    kubectl(flags, server, &["create", "namespace", NAMESPACE])?;
    for change in CHANGES {
        // Managers are in the order of their times, which have whole seconds: each change has one of its own.
        let within = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_millis();
        std::thread::sleep(Duration::from_millis(1000 - u64::from(within)));
        if let Err(error) = kubectl(flags, server, change) {
            println!("{error:#}");
        }
    }
    Ok(())
}

fn kubectl(flags: &Flags, server: &Server, args: &[&str]) -> Result<String> {
    let output = Command::new(&flags.kubectl)
        .arg("--kubeconfig")
        .arg(&server.kubeconfig)
        .args(["--namespace", NAMESPACE])
        .args(args)
        .current_dir(&flags.manifests)
        .output()?;
    if !output.status.success() {
        bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Every object of every resource that can be listed, by its path, as JSON.
fn served(flags: &Flags, server: &Server) -> Result<BTreeMap<String, String>> {
    let names = kubectl(flags, server, &["api-resources", "--verbs=list", "--no-headers", "-o", "name"])?;
    let names: BTreeSet<&str> = names.lines().filter(|name| !name.starts_with("componentstatuses")).collect();
    let mut objects = BTreeMap::new();
    for name in names {
        let list: Value = serde_json::from_str(&kubectl(
            flags,
            server,
            &["get", "-A", name, "-o", "json", "--show-managed-fields"],
        )?)?;
        for item in list["items"].as_array().into_iter().flatten() {
            let meta = &item["metadata"];
            let key = format!(
                "{name} {}/{}",
                meta["namespace"].as_str().unwrap_or_default(),
                meta["name"].as_str().unwrap_or_default()
            );
            objects.insert(key, serde_json::to_string_pretty(item)?);
        }
    }
    Ok(objects)
}

/// What is not the same on both sides, as lines.
fn compare(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let mut lines = Vec::new();
    for key in keys.into_iter().filter(|key| !is_the_servers_own(key)) {
        match (one.get(key), other.get(key)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                let changed = |from: &str, to: &str, sign: &str| {
                    let to: BTreeSet<&str> = to.lines().collect();
                    let lines = from.lines().filter(|line| !to.contains(line)).take(12);
                    lines.map(|line| format!("    {sign} {line}\n")).collect::<String>()
                };
                lines.push(format!("  {key}\n{}{}", changed(one, other, "-"), changed(other, one, "+")));
            }
            (one, _) => lines.push(format!("  {key}: only in {}", if one.is_some() { "one" } else { "the other" })),
        }
    }
    lines
}

/// What each server writes about itself and renews, and what one vendor's build adds.
fn is_the_servers_own(key: &str) -> bool {
    const OWN: &[&str] = &[
        "kube-system/apiserver-",
        "/masterleases/",
        "endpoints default/kubernetes",
        "endpointslices.discovery.k8s.io default/kubernetes",
        "openshift",
        "service-ca-cert-publisher",
    ];
    OWN.iter().any(|own| key.contains(own))
}
