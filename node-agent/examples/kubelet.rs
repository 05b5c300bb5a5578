//! The node agent as a program of its own, for working on it without the rest: `cargo run -p node-agent --example kubelet -- --help`.

fn main() -> std::process::ExitCode {
    node_agent::run(std::env::args_os().collect())
}
