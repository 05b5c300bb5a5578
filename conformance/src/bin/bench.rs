//! Measures an API server, and upstream's beside it: `bench [--upstream kube-apiserver] [--only NAME]...`.
//!
//! Prints a Markdown table. The exit code is 0 where everything could be measured, whether or not goals are met.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use conformance::bench::client::Client;
use conformance::bench::loads;
use conformance::bench::objects::{NAMESPACE, Sizes};
use conformance::bench::report::{HEAD, Measured};
use conformance::bench::subject::{Program, Subject};
use conformance::bench::{Load, Setting};
use http::Method;

#[derive(Parser)]
#[command(about = "Measures an API server, and upstream's beside it.")]
struct Flags {
    /// The kybern executable.
    #[arg(long, default_value = "target/release/kybern")]
    kybern: PathBuf,
    /// Upstream's kube-apiserver. Without it only ours is measured.
    #[arg(long, env = "UPSTREAM_APISERVER")]
    upstream: Option<PathBuf>,
    /// Only the loads whose names begin so.
    #[arg(long)]
    only: Vec<String>,
    /// Print the names of the loads and end.
    #[arg(long)]
    list: bool,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each round of a load.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// ConfigMaps, and as many Pods.
    #[arg(long, default_value_t = 10_000)]
    objects: usize,
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    #[arg(long, default_value_t = 50)]
    watch_connections: usize,
    #[arg(long, default_value_t = 1_000)]
    crds: usize,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests under way at a time.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Where data and logs go; in memory, so that the disk is not what is measured.
    #[arg(long, default_value = "/dev/shm")]
    directory: PathBuf,
    /// Leave data and logs there.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    if flags.list {
        loads::ALL.iter().for_each(|load| println!("{}", load.name));
        return Ok(());
    }
    let directory = flags.directory.join(format!("kybern-bench-{}", std::process::id()));
    let outcome = measure(&flags, &directory).await;
    if !flags.keep {
        let _ = std::fs::remove_dir_all(&directory);
    }
    outcome
}

async fn measure(flags: &Flags, directory: &std::path::Path) -> Result<()> {
    let ours = Program { name: "ours", binary: flags.kybern.clone(), arguments: vec!["kube-apiserver".to_owned()] };
    let upstream = flags.upstream.as_ref().map(|binary| Program {
        name: "upstream",
        binary: binary.clone(),
        arguments: vec!["--requestheader-allowed-names=front-proxy".to_owned()],
    });
    let sizes = Sizes {
        objects: flags.objects,
        watchers: flags.watchers,
        watch_connections: flags.watch_connections,
        crds: flags.crds,
        seconds: flags.seconds,
        in_flight: flags.in_flight,
    };
    let wanted = |load: &Load| flags.only.is_empty() || flags.only.iter().any(|name| load.name.starts_with(name));
    let objects = loads::ALL.iter().any(|load| wanted(load) && load.objects);
    let mut subjects = Vec::new();
    for program in upstream.iter().chain([&ours]) {
        let subject = Subject::start(program, &directory.join(program.name)).await?;
        let client = Arc::new(Client::connect(&subject.endpoint, flags.connections).await?);
        prepare(&client).await.with_context(|| format!("preparing {}", program.name))?;
        subjects.push((subject, client));
    }
    println!("{HEAD}");
    for load in loads::ALL.iter().filter(|load| wanted(load) || (objects && load.name == "creates")) {
        let mut measured: Vec<Measured> =
            load.rows.iter().map(|row| Measured { row: *row, upstream: Vec::new(), ours: Vec::new() }).collect();
        let rounds = if load.once { 1 } else { flags.rounds.max(1) };
        for round in 0..rounds {
            for (subject, client) in &subjects {
                let setting = Setting { subject, client, sizes: &sizes, round, rounds };
                let figures = (load.run)(&setting)
                    .await
                    .with_context(|| format!("load {} on {}", load.name, subject.program.name))?;
                for (measured, figure) in measured.iter_mut().zip(figures) {
                    let values =
                        if subject.program.name == "ours" { &mut measured.ours } else { &mut measured.upstream };
                    values.extend(figure);
                }
            }
        }
        measured.iter().for_each(|measured| println!("{}", measured.line()));
    }
    for (subject, _) in subjects {
        subject.stop().await;
    }
    Ok(())
}

/// The namespace of the loads, with the service account that pods need: no controller makes it here.
async fn prepare(client: &Client) -> Result<()> {
    let namespace = serde_json::json!({"metadata": {"name": NAMESPACE}}).to_string();
    client.must(Method::POST, "/api/v1/namespaces", namespace).await?;
    let account = serde_json::json!({"metadata": {"name": "default"}}).to_string();
    client.must(Method::POST, &format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts"), account).await
}
