//! Mounts made and removed by the agent.

use std::{
    ffi::CString,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Mounts a tmpfs, limited to `size` bytes where given.
///
/// # Errors
/// One line with the path.
pub fn tmpfs(path: &Path, size: Option<i64>) -> Result<(), String> {
    let options = size.filter(|size| *size > 0).map(|size| format!("size={size}")).unwrap_or_default();
    let options = CString::new(options).map_err(|error| error.to_string())?;
    mount("tmpfs", path, "tmpfs", MountFlags::empty(), options.as_c_str())
        .map_err(|error| format!("cannot mount a tmpfs on {}: {error}", path.display()))
}

/// Whether something is mounted exactly there.
///
/// # Errors
/// The mount table cannot be read.
pub fn is_mount(path: &Path) -> Result<bool, String> {
    Ok(list()?.iter().any(|mounted| mounted == path))
}

/// Unmounts everything at or below a path, the innermost first.
///
/// # Errors
/// A mount that cannot be removed.
pub fn unmount_below(path: &Path) -> Result<(), String> {
    // The newest mounts stand last, and lie upon the others.
    for mounted in list()?.iter().rev().filter(|mounted| mounted.starts_with(path)) {
        unmount(mounted.as_path(), UnmountFlags::DETACH)
            .map_err(|error| format!("cannot unmount {}: {error}", mounted.display()))?;
    }
    Ok(())
}

/// The mount points of this process.
fn list() -> Result<Vec<PathBuf>, String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| format!("cannot read the mount table: {error}"))?;
    Ok(text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect())
}

/// Spaces and such stand as `\040` in the mount table.
fn unescape(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = field.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = field
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        result.push(octal.unwrap_or(bytes[at]));
        at += if octal.is_some() { 4 } else { 1 };
    }
    std::ffi::OsString::from_vec(result).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        assert_eq!(unescape("/a\\040b"), Path::new("/a b"));
        assert_eq!(unescape("/a\\"), Path::new("/a\\"));
        assert!(is_mount(Path::new("/proc")).unwrap());
        assert!(!is_mount(Path::new("/nonexistent")).unwrap());
    }
}
