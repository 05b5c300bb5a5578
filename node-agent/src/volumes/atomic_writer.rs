//! Replaces the files of a volume all at once, so that a reader never sees a mix of old and new.
//!
//! Layout, as upstream has it: `name -> ..data/name`, `..data -> ..<time>`, `..<time>/name`. An update writes a new
//! timed directory and renames a new `..data` link over the old one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Component, Path},
};

/// A file of a volume.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub data: Vec<u8>,
    pub mode: u32,
    /// Owner, where it is not root.
    pub owner: Option<u32>,
}

/// Relative path to file.
pub type Payload = BTreeMap<String, File>;

const DATA: &str = "..data";

/// Makes the volume's directory hold exactly the payload. Returns whether anything was written.
///
/// # Errors
/// One line: a path that leaves the volume, or a failed file operation.
pub fn write(directory: &Path, payload: &Payload) -> Result<bool, String> {
    if let Some(path) = payload.keys().find(|path| !is_inside(path)) {
        return Err(format!("invalid path {path:?}: must be relative and must not contain '..'"));
    }
    replace(directory, payload).map_err(|error| format!("cannot write {}: {error}", directory.display()))
}

fn replace(directory: &Path, payload: &Payload) -> io::Result<bool> {
    let data = directory.join(DATA);
    let old = fs::read_link(&data).ok();
    if let Some(old) = &old
        && same(&directory.join(old), payload)
    {
        // The visible links may be missing after a crash between the two steps.
        link_names(directory, payload)?;
        return Ok(false);
    }
    let timed = format!("..{}", jiff::Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S.%9f"));
    let new = directory.join(&timed);
    fs::create_dir_all(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    for (path, file) in payload {
        let path = new.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.data)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        if let Some(owner) = file.owner {
            chown(&path, Some(owner), None)?;
        }
    }
    let link = directory.join("..data_tmp");
    let _ = fs::remove_file(&link);
    symlink(&timed, &link)?;
    fs::rename(&link, &data)?;
    link_names(directory, payload)?;
    for entry in fs::read_dir(directory)? {
        // Also what a crash left behind.
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() && name.to_string_lossy().starts_with("..") && name != timed.as_str() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(true)
}

/// Makes the links users see, one per first path component, and removes those of files that are gone.
fn link_names(directory: &Path, payload: &Payload) -> io::Result<()> {
    let names: BTreeSet<&str> = payload.keys().filter_map(|path| path.split('/').next()).collect();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !names.contains(name.as_ref()) && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    for name in names {
        match symlink(Path::new(DATA).join(name), directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn same(current: &Path, payload: &Payload) -> bool {
    let mut found = 0;
    let mut pending = vec![current.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { return false };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let expected = path.strip_prefix(current).ok().and_then(|path| payload.get(path.to_str()?));
            let Some(expected) = expected else { return false };
            if fs::read(&path).ok().as_deref() != Some(&expected.data) {
                return false;
            }
            found += 1;
        }
    }
    found == payload.len()
}

fn is_inside(path: &str) -> bool {
    let path = Path::new(path);
    path.components().next().is_some()
        && path.components().all(|component| matches!(component, Component::Normal(_)))
        && !path.to_string_lossy().starts_with("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        files
            .iter()
            .map(|(path, data)| (path.to_string(), File { data: data.as_bytes().to_vec(), mode: 0o644, owner: None }))
            .collect()
    }

    fn read(directory: &Path, name: &str) -> Option<String> {
        fs::read_to_string(directory.join(name)).ok()
    }

    #[test]
    fn updates_swap_and_clean() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        assert!(write(at, &payload(&[("a", "1"), ("sub/b", "2")])).unwrap());
        assert_eq!((read(at, "a").unwrap(), read(at, "sub/b").unwrap()), ("1".into(), "2".into()));
        assert!(!write(at, &payload(&[("a", "1"), ("sub/b", "2")])).unwrap(), "unchanged");
        let before = fs::read_link(at.join(DATA)).unwrap();
        assert!(write(at, &payload(&[("a", "3"), ("c", "4")])).unwrap());
        assert_ne!(fs::read_link(at.join(DATA)).unwrap(), before);
        assert_eq!((read(at, "a").unwrap(), read(at, "c").unwrap(), read(at, "sub/b")), ("3".into(), "4".into(), None));
        assert!(!at.join(before).exists());
        assert!(fs::symlink_metadata(at.join("sub")).is_err());
        assert!(write(at, &Payload::new()).unwrap());
        assert_eq!(read(at, "a"), None);
    }

    #[test]
    fn paths_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["../x", "/x", "a/../../x", "", "..x", "."] {
            assert!(write(dir.path(), &payload(&[(path, "x")])).is_err(), "{path}");
        }
    }
}
