//! `subPath` mounts: a part of a volume, bound in a way that no symbolic link in the volume can lead out of it.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, open, openat2},
    io::Errno,
    mount::mount_bind,
};

use super::mounts;

/// Binds `sub_path` of a volume to `<pod dir>/volume-subpaths/<volume>/<container>/<index>` and returns that path;
/// directories that are missing are made.
///
/// # Errors
/// A path that leaves the volume, or a failed file operation.
pub fn bind(
    pod_dir: &Path,
    volume: &str,
    volume_path: &Path,
    sub_path: &str,
    container: &str,
    index: usize,
) -> Result<PathBuf, String> {
    let opened = resolve(volume_path, sub_path)?;
    let target = pod_dir.join("volume-subpaths").join(volume).join(container).join(index.to_string());
    let failed = |error: std::io::Error| format!("cannot prepare {}: {error}", target.display());
    // A container that starts again gets the subPath as it is now.
    mounts::unmount_below(&target)?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let status = fstat(&opened).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
        fs::create_dir_all(&target).map_err(failed)?;
    } else {
        fs::write(&target, "").map_err(failed)?;
    }
    // By descriptor, so that what was checked is what is mounted.
    mount_bind(format!("/proc/self/fd/{}", opened.as_raw_fd()), &target).map_err(|error| failed(error.into()))?;
    Ok(target)
}

fn resolve(volume_path: &Path, sub_path: &str) -> Result<OwnedFd, String> {
    let relative = Path::new(sub_path);
    if !relative.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("subPath {sub_path:?} must be relative and must not contain '..'"));
    }
    let failed = |error: Errno| match error {
        Errno::XDEV | Errno::LOOP => format!("subPath {sub_path:?} leads out of the volume"),
        error => format!("cannot open subPath {sub_path:?}: {error}"),
    };
    let root = open(volume_path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let beneath =
        |path: &Path| openat2(&root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS);
    match beneath(relative) {
        Err(Errno::NOENT) => {}
        other => return other.map_err(failed),
    }
    let mut made = PathBuf::new();
    for component in relative.components() {
        let parent =
            if made.as_os_str().is_empty() { beneath(Path::new(".")) } else { beneath(&made) }.map_err(failed)?;
        match mkdirat(&parent, component.as_os_str(), Mode::from_raw_mode(0o750)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        made.push(component);
    }
    beneath(relative).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_inside() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("v");
        fs::create_dir_all(volume.join("real")).unwrap();
        std::os::unix::fs::symlink("real", volume.join("inside")).unwrap();
        std::os::unix::fs::symlink("/etc", volume.join("absolute")).unwrap();
        std::os::unix::fs::symlink("..", volume.join("up")).unwrap();
        assert!(resolve(&volume, "real").is_ok());
        assert!(resolve(&volume, "inside").is_ok());
        assert!(resolve(&volume, "new/deep").is_ok());
        assert!(volume.join("new/deep").is_dir());
        for path in ["absolute", "absolute/x", "up", "up/x", "../v", "/etc"] {
            assert!(resolve(&volume, path).is_err(), "{path}");
        }
    }
}
