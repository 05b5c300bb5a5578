//! Compares what kubectl and helm print against a server with a recording, or with another server's answers.
//!
//! `kubectl-walks --server PROGRAM` starts the server itself and compares with the recording of this kubectl's version;
//! `--against PROGRAM` compares with a second server; `--record` writes what `--server` answered.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use conformance::server::{Etcd, Keys, Server, program};
use conformance::walks::{self, Outcome, Tools, Walk};

#[derive(Parser)]
#[command(about = "Compares what kubectl prints against a server with what it prints against upstream's.")]
struct Flags {
    /// The kube-apiserver to walk, or a program that is one when called so.
    #[arg(long)]
    server: PathBuf,
    /// Compare with this kube-apiserver in place of the recording.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Write what was seen as the recording.
    #[arg(long)]
    record: bool,
    /// Only the walks of these names.
    #[arg(long)]
    only: Vec<String>,
    #[arg(long, default_value = "kubectl")]
    kubectl: PathBuf,
    #[arg(long, default_value = "helm")]
    helm: PathBuf,
    #[arg(long, default_value = "etcd")]
    etcd: PathBuf,
    /// Where the walks, their manifests and the recordings are.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/kubectl"))]
    directory: PathBuf,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<usize> {
    let tools = Tools { kubectl: program(&flags.kubectl)?, helm: program(&flags.helm).unwrap_or_default() };
    let version = walks::kubectl_version(&tools.kubectl)?;
    let has_helm = program(&flags.helm).is_ok();
    let recordings = flags.directory.join("recorded").join(&version);
    if flags.against.is_none() && !flags.record && !recordings.is_dir() {
        bail!("kubectl {version} has no recording in {}", recordings.display());
    }
    let mut wanted = walks::read(&flags.directory.join("walks"))?;
    wanted.retain(|walk| flags.only.is_empty() || flags.only.contains(&walk.name));
    wanted.retain(|walk| has_helm || walk.name != "helm");
    let found = answers(flags, &flags.server, &tools, &wanted)?;
    if flags.record {
        std::fs::create_dir_all(&recordings)?;
        for (walk, outcomes) in wanted.iter().zip(&found) {
            std::fs::write(recordings.join(format!("{}.txt", walk.name)), walks::write(outcomes))?;
        }
        println!("recorded {} walks of kubectl {version}", wanted.len());
        return Ok(0);
    }
    let expected: Vec<Vec<Outcome>> = match &flags.against {
        Some(other) => answers(flags, other, &tools, &wanted)?,
        None => wanted.iter().map(|walk| recorded(&recordings, walk)).collect::<Result<_>>()?,
    };
    let mut differing = 0;
    for ((walk, expected), found) in wanted.iter().zip(&expected).zip(&found) {
        let differences = walks::differences(expected, found);
        println!("kubectl {version}, {}: {} commands, {} differ", walk.name, found.len(), differences.len());
        differences.iter().for_each(|difference| println!("{difference}"));
        differing += differences.len();
    }
    Ok(differing)
}

/// Walks a server of its own, each walk in a thread.
fn answers(flags: &Flags, program: &Path, tools: &Tools, wanted: &[Walk]) -> Result<Vec<Vec<Outcome>>> {
    let scratch = tempfile::tempdir()?;
    let keys = Keys::make(&scratch.path().join("keys"))?;
    let etcd = Etcd::start(&flags.etcd, &scratch.path().join("etcd"))?;
    let server = Server::start(program, &keys, &etcd, &scratch.path().join("server"), &tools.kubectl)?;
    // kubectl asks for the old documents where the new ones are made too slowly.
    for path in ["/openapi/v3", "/openapi/v2"] {
        (0..5).find_map(|_| server.raw(&tools.kubectl, path).ok()).with_context(|| format!("no {path}"))?;
    }
    let manifests = flags.directory.join("manifests");
    std::thread::scope(|scope| {
        let (server, manifests) = (&server, &manifests);
        let running: Vec<_> = wanted
            .iter()
            .map(|walk| scope.spawn(move || walks::run(walk, tools, &server.kubeconfig, manifests)))
            .collect();
        running.into_iter().map(|walk| walk.join().unwrap_or_else(|_| bail!("a walk's thread panicked"))).collect()
    })
}

fn recorded(directory: &Path, walk: &Walk) -> Result<Vec<Outcome>> {
    let path = directory.join(format!("{}.txt", walk.name));
    Ok(walks::parse(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?))
}
