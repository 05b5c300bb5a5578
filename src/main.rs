//! The one executable: picks the component by its first argument, or by the name of the link it was called by.

mod down;
mod kubeconfig;
mod pki;
mod supervisor;
mod up;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A component's entry: takes its arguments, the first of which is its name, and runs to its end.
type Entry = fn(Vec<OsString>) -> ExitCode;

/// Every component: what it is called as `kybern NAME`, the upstream program it stands in for, and its entry.
const COMPONENTS: &[(&str, &str, Entry)] = &[
    ("apiserver", "kube-apiserver", apiserver::run),
    ("controllers", "kube-controller-manager", controllers::run),
    ("dns", "kybern-dns", node_agent_dns::run),
    ("down", "kybern-down", down::run),
    ("node-agent", "kubelet", node_agent::run),
    ("proxy", "kube-proxy", node_agent_proxy::run),
    ("scheduler", "kube-scheduler", scheduler::run),
    ("up", "kybern-up", up::run),
];

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let called = args.first().map(Path::new).and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let by_link = COMPONENTS.iter().find(|(_, upstream, _)| called.as_deref() == Some(upstream));
    if let Some((_, _, entry)) = by_link {
        return entry(args);
    }
    let named = args.get(1).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match COMPONENTS.iter().find(|(name, upstream, _)| named == *name || named == *upstream) {
        Some((_, upstream, entry)) => {
            args.remove(0);
            args[0] = OsString::from(upstream);
            entry(args)
        }
        None => usage(&named),
    }
}

fn usage(named: &str) -> ExitCode {
    let names: Vec<&str> = COMPONENTS.iter().map(|(name, ..)| *name).collect();
    let text = format!("usage: kybern {} [flags]", names.join("|"));
    if matches!(named, "" | "help" | "--help" | "-h") {
        println!("{text}");
        return ExitCode::SUCCESS;
    }
    eprintln!("Error: unknown command {named:?} for \"kybern\"; {text}");
    ExitCode::FAILURE
}
