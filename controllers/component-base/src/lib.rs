//! What every component starts with: flags, logging, client, health and metrics endpoints, leader election.
//!
//! A component's `main` reads top-down like this:
//!
//! ```no_run
//! # use std::{ffi::OsString, process::ExitCode};
//! use controllers_component_base::{client, flags, run};
//!
//! #[derive(clap::Parser)]
//! #[command(name = "kube-example")]
//! struct Flags {
//!     #[command(flatten)]
//!     logging: flags::Logging,
//!     #[arg(long)]
//!     kubeconfig: Option<std::path::PathBuf>,
//! }
//!
//! pub fn run(args: Vec<OsString>) -> ExitCode {
//!     let flags: Flags = match flags::parse(args) {
//!         Ok(flags) => flags,
//!         Err(code) => return code,
//!     };
//!     run::run(flags.logging.v, |shutdown| async move {
//!         let config = client::config(flags.kubeconfig.as_deref(), "kube-example").await?;
//!         let client = client::build(config)?;
//!         shutdown.cancelled().await;
//!         drop(client);
//!         Ok(())
//!     })
//! }
//! ```

pub mod client;
pub mod events;
pub mod flags;
pub mod leader_election;
pub mod logging;
pub mod run;
pub mod serving;

/// The Kubernetes release whose behaviour every component has, as `GitVersion`.
pub const KUBERNETES_VERSION: &str = "v1.36.2";

/// This machine's host name, as `os.Hostname` has it; `localhost` where the kernel does not say.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_lowercase())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_string())
}
