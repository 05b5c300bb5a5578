//! The ratchet on upstream's end-to-end tests: what is in `e2e/passing.txt` stays passed.
//!
//! `e2e --binary e2e.test` runs the listed specs on the cluster of KUBECONFIG and fails where one does not pass.
//! With `--candidates FILE` it runs those instead and prints which of them pass and are not listed yet.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use conformance::e2e::{Runner, names};

#[derive(Parser)]
#[command(about = "Runs upstream's end-to-end specs that once passed.")]
struct Flags {
    /// Upstream's e2e.test, of the version that is served.
    #[arg(long, env = "E2E_TEST")]
    binary: PathBuf,
    /// The cluster to test.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,
    #[arg(long, default_value = "/usr/bin/kubectl")]
    kubectl: PathBuf,
    /// The names of the specs that pass.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/passing.txt"))]
    passing: PathBuf,
    /// Names of specs to try in place of those that pass.
    #[arg(long)]
    candidates: Option<PathBuf>,
    /// Only the specs whose names contain one of these.
    #[arg(long)]
    only: Vec<String>,
    /// Processes at a time.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Where logs and reports are kept.
    #[arg(long, default_value = "target/e2e")]
    logs: PathBuf,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every listed spec that was wanted passed.
fn run(flags: &Flags) -> Result<bool> {
    let listed = names(&flags.passing)?;
    let mut wanted = match &flags.candidates {
        Some(candidates) => names(candidates)?,
        None => listed.clone(),
    };
    wanted.retain(|name| flags.only.is_empty() || flags.only.iter().any(|part| name.contains(part)));
    let runner = Runner {
        binary: flags.binary.clone(),
        kubeconfig: flags.kubeconfig.clone(),
        kubectl: flags.kubectl.clone(),
        directory: flags.logs.clone(),
        workers: flags.workers,
    };
    let ended = runner.run(&wanted)?;
    let passed = |name: &String| ended.get(name).is_some_and(|ended| ended.state == "passed");
    let mut broken = 0;
    for name in wanted.iter().filter(|name| !passed(name)) {
        let word = if listed.contains(name) { "BROKEN" } else { "failed" };
        broken += usize::from(listed.contains(name));
        match ended.get(name) {
            Some(ended) => {
                let message: String = ended.message.split_whitespace().collect::<Vec<_>>().join(" ");
                let message: String = message.chars().take(300).collect();
                println!("{word} ({}, {:.0} s) {name}: {message}", ended.state, ended.seconds);
            }
            None => println!("{word} (not run) {name}"),
        }
    }
    for name in wanted.iter().filter(|name| passed(name) && !listed.contains(name)) {
        println!("newly passing: {name}");
    }
    let count = wanted.iter().filter(|name| passed(name)).count();
    println!("{count} of {} passed, {broken} that once passed did not", wanted.len());
    Ok(broken == 0)
}
