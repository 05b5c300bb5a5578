//! Runs the `nft` tool: transactions by its standard input, as the kernel's own interface is no stable contract.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    model::Family,
    ruleset::{Existing, TABLE},
};

/// Applies a transaction: all of it, or nothing.
///
/// # Errors
/// What nft says first, in one line.
pub async fn run(transaction: &str) -> Result<()> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run nft, is the package nftables installed?")?;
    let input = child.stdin.take();
    let write = async {
        if let Some(mut input) = input {
            // Where nft stops reading, its exit status says why.
            let _ = input.write_all(transaction.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.context("cannot run nft")?;
    if !output.status.success() {
        bail!("nft: {}", first_line(&output.stderr));
    }
    Ok(())
}

/// What is in our table.
///
/// # Errors
/// nft cannot be run. That there is no table is none.
pub async fn list(family: Family) -> Result<Existing> {
    let output = Command::new("nft")
        .args(["-t", "list", "table", family.ip(), TABLE])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run nft, is the package nftables installed?")?;
    if output.status.success() {
        return Ok(Existing::parse(&String::from_utf8_lossy(&output.stdout)));
    }
    let message = String::from_utf8_lossy(&output.stderr);
    if message.contains("No such file or directory") {
        return Ok(Existing::default());
    }
    bail!("nft: {}", first_line(&output.stderr))
}

fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or("failed").to_string()
}
