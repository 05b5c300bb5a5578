//! cgroup v2: the unified hierarchy.

use std::{fs, path::Path};

use super::{Limits, write};

/// Makes the group and hands the controllers down to it.
pub fn make(root: &Path, path: &str, limits: &Limits) -> Result<(), String> {
    let mut group = root.to_path_buf();
    for part in path.split('/') {
        // Controllers that the kernel does not have are not worth an error; those we set are written below.
        for controller in ["+cpu", "+memory", "+pids", "+cpuset", "+io"] {
            let _ = fs::write(group.join("cgroup.subtree_control"), controller);
        }
        group.push(part);
        if !group.is_dir() {
            fs::create_dir_all(&group).map_err(|error| format!("cannot create cgroup {}: {error}", group.display()))?;
        }
    }
    write(&group.join("cpu.weight"), weight(limits.shares))?;
    if let Some(quota) = limits.quota {
        write(&group.join("cpu.max"), format!("{quota} 100000"))?;
    }
    if let Some(memory) = limits.memory {
        write(&group.join("memory.max"), memory)?;
    }
    Ok(())
}

/// v1's shares (2..262144) on v2's scale (1..10000).
fn weight(shares: i64) -> i64 {
    (1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142).clamp(1, 10_000)
}
