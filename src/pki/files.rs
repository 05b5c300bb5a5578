//! Reading and writing the files of the PKI.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::Error;

/// Makes the directory, which only its owner can enter.
///
/// # Errors
/// The directory cannot be made.
pub fn make_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Error::new(dir, format!("cannot make the directory: {error}")))
}

/// The text of a file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(path, format!("cannot be read: {error}"))),
    }
}

/// Replaces a file as a whole: readers, and a machine that loses power, see the old or the new one.
///
/// # Errors
/// The file cannot be written.
pub fn write_file(path: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
    let written = || -> std::io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".new-{}", std::process::id()));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
            _ => Ok(()),
        }
    };
    written().map_err(|error| Error::new(path, format!("cannot be written: {error}")))
}
