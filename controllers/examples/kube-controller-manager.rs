//! The controllers alone, for trying them against any API server.

use std::process::ExitCode;

fn main() -> ExitCode {
    controllers::run(std::env::args_os().collect())
}
