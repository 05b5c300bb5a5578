//! Sends the same scripted requests to two servers, or to one and to what another was seen to answer, and tells how
//! the answers differ: `differential compare|record|check`.
//!
//! The last line is `N answers, N differ (N known), N differences accepted`.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use conformance::differential::corpus::{Corpus, Tally};
use conformance::differential::kubeconfig::Server;

#[derive(Parser)]
#[command(about = "Tells how two API servers differ.")]
struct Flags {
    #[command(subcommand)]
    mode: Mode,
    /// Only the scripts, or rows of them (SCRIPT/ROW), whose names begin so.
    #[arg(long, global = true)]
    only: Vec<String>,
    /// Where scripts, recordings and the list of accepted differences are.
    #[arg(long, global = true, default_value = "conformance/differential")]
    directory: PathBuf,
}

#[derive(Subcommand)]
enum Mode {
    /// Compares two servers.
    Compare {
        /// Kubeconfig of the one that is right.
        #[arg(long)]
        left: PathBuf,
        /// Kubeconfig of the other.
        #[arg(long)]
        right: PathBuf,
    },
    /// Writes a server's answers as what is expected.
    Record {
        #[arg(long, env = "KUBECONFIG")]
        kubeconfig: PathBuf,
    },
    /// Compares what was recorded with what a server answers; fails where more differs than is known to.
    Check {
        #[arg(long, env = "KUBECONFIG")]
        kubeconfig: PathBuf,
        /// Write what differs now as what is known to.
        #[arg(long)]
        settle: bool,
    },
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<bool> {
    let corpus = Corpus { directory: flags.directory, only: flags.only };
    match flags.mode {
        Mode::Compare { left, right } => corpus.compare(&Server::load(&left)?, &Server::load(&right)?).map(shown),
        Mode::Record { kubeconfig } => {
            println!("{} answers recorded", corpus.record(&Server::load(&kubeconfig)?)?);
            Ok(true)
        }
        Mode::Check { kubeconfig, settle } => corpus.check(&Server::load(&kubeconfig)?, settle).map(shown),
    }
}

fn shown(tally: Tally) -> bool {
    println!(
        "{} answers, {} differ ({} known), {} differences accepted",
        tally.answers, tally.differ, tally.open, tally.accepted
    );
    tally.differ == tally.open
}
