//! Takes every pod of this node's runtime away: what is left to do when the whole cluster goes.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::cri::Runtime;
use crate::cri::remote::Remote;

/// Stops and removes every pod sandbox, with its containers and network, and unmounts the pods' volumes below
/// `root_dir`. Gives the number of sandboxes.
///
/// # Errors
/// The runtime does not answer, or a sandbox cannot be removed.
pub async fn clear(socket: &Path, root_dir: &Path) -> Result<usize> {
    let runtime = Remote::new(socket)?;
    let sandboxes = runtime.list_sandboxes().await.context("cannot list pods")?;
    for sandbox in &sandboxes {
        runtime.stop_sandbox(&sandbox.id).await.with_context(|| format!("cannot stop the pod {}", sandbox.id))?;
        runtime.remove_sandbox(&sandbox.id).await.with_context(|| format!("cannot remove the pod {}", sandbox.id))?;
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|at| Path::new(at).starts_with(root_dir));
    for mount in below.collect::<Vec<_>>().into_iter().rev() {
        if let Err(error) = rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH) {
            tracing::warn!(mount, %error, "cannot unmount");
        }
    }
    Ok(sandboxes.len())
}
