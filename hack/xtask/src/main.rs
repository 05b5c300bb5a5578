//! Project chores, one subcommand each.

mod codegen;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Project chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make the schema tables of the built-in types from a Kubernetes source tree.
    Codegen(codegen::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Codegen(arguments) => codegen::run(&arguments),
    }
}
