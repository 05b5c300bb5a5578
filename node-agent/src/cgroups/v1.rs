//! cgroup v1: one hierarchy per controller.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Limits, write};

/// Makes the group in the hierarchies that carry limits; the runtime makes it in the others.
pub fn make(roots: &[PathBuf], path: &str, limits: &Limits) -> Result<(), String> {
    let mut limited = false;
    for root in roots {
        let group = root.join(path);
        let has = |file: &str| root.join(file).exists();
        let (cpu, memory) = (has("cpu.shares"), has("memory.limit_in_bytes"));
        if !cpu && !memory {
            continue;
        }
        limited = true;
        fs::create_dir_all(&group).map_err(|error| format!("cannot create cgroup {}: {error}", group.display()))?;
        if cpu {
            set_cpu(&group, limits)?;
        }
        if memory {
            // v1 needs this in every group, so that a pod's limit holds for its containers.
            let hierarchy = group.join("memory.use_hierarchy");
            if fs::read_to_string(&hierarchy).is_ok_and(|value| value.trim() == "0") {
                write(&hierarchy, 1)?;
            }
            if let Some(memory) = limits.memory {
                write(&group.join("memory.limit_in_bytes"), memory)?;
            }
        }
    }
    if limited { Ok(()) } else { Err("neither cgroup v2 nor v1's cpu and memory controllers are mounted".into()) }
}

fn set_cpu(group: &Path, limits: &Limits) -> Result<(), String> {
    write(&group.join("cpu.shares"), limits.shares)?;
    let quota = group.join("cpu.cfs_quota_us");
    match limits.quota {
        Some(value) if quota.exists() => write(&quota, value),
        _ => Ok(()),
    }
}
