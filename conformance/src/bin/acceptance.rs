//! Walks a cluster as its users do, with the real kubectl: `acceptance [--only NAME]... [--data-dir DIR] [--kybern PATH]`.
//!
//! The cluster is that of KUBECONFIG or of `--data-dir`. The last line is `N passed, N failed, N skipped`.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use conformance::context::Context;
use conformance::{harness, steps};

#[derive(Parser)]
#[command(about = "Walks a cluster as its users do.")]
struct Flags {
    /// Only the steps whose names begin so.
    #[arg(long)]
    only: Vec<String>,
    /// Print the names of the steps and end.
    #[arg(long)]
    list: bool,
    /// The cluster to walk.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The data directory of `kybern up` on this machine, for what looks behind the API and what ends processes.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The executable under test, for what starts it.
    #[arg(long)]
    kybern: Option<PathBuf>,
    /// The image of `conformance/images`, without its tag.
    #[arg(long, default_value = "registry.kybern.local/web")]
    image: String,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let steps = steps::all();
    if flags.list {
        steps.iter().for_each(|step| println!("{}", step.name));
        return ExitCode::SUCCESS;
    }
    let kubeconfig = match (&flags.kubeconfig, &flags.data_dir) {
        (_, Some(data)) => data.join("kubeconfig/admin.conf"),
        (Some(kubeconfig), None) => kubeconfig.clone(),
        (None, None) => {
            eprintln!("error: neither KUBECONFIG nor --data-dir says which cluster");
            return ExitCode::FAILURE;
        }
    };
    let context = Context {
        kubeconfig,
        namespace: "default".to_owned(),
        image: flags.image,
        data: flags.data_dir,
        kybern: flags.kybern,
    };
    let tally = harness::run(&steps, &flags.only, &context);
    println!("{tally}");
    if tally.failed == 0 && tally.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
