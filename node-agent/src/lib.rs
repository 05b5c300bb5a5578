//! The node agent: kubelet's work on one node.

mod admission;
mod agent;
mod backoff;
mod cgroups;
mod clear;
mod client_certificate;
mod config;
mod container_log;
mod cri;
mod field_ref;
mod flags;
mod go_duration;
mod grpc_health;
mod handlers;
mod host;
mod images;
mod node;
mod objects;
mod pod;
mod pod_worker;
mod pods;
mod probes;
mod quantity;
mod room;
mod server;
mod static_pods;
mod status;
mod volumes;

pub use clear::clear;

use std::{ffi::OsString, process::ExitCode};

/// Runs the node agent as `kubelet` with upstream's flags; `args` begin with the program's name. Returns when a
/// signal stops it: pods run on, and the next start adopts them.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let flags: flags::Flags = match controllers_component_base::flags::parse(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    controllers_component_base::run::run(flags.logging.v, |shutdown| agent::run(flags, shutdown))
}
