fn main() -> std::process::ExitCode {
    node_agent_proxy::run(std::env::args_os().collect())
}
