//! The API server alone, for work on it without building the other components.

use std::process::ExitCode;

fn main() -> ExitCode {
    apiserver::run(std::env::args_os().collect())
}
