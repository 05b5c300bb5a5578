//! Variables that a container reads from a file in a volume (`fileKeyRef`): lines `NAME='value'`, where a value may span
//! lines and is taken literally, `#` begins a remark.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

/// A file that is longer is none of variables.
const MAX_BYTES: u64 = 1 << 20;

/// The value of a variable; `None` where the file does not have it or has it empty.
///
/// # Errors
/// Why the file cannot be read, or what is wrong with it.
pub fn read(volume: &Path, path: &str, name: &str) -> Result<Option<String>, String> {
    let shown = shown(volume, path);
    let failed = |error: &dyn std::fmt::Display| {
        format!("failed to open environment variable file {:?}: {error}", shown.display().to_string())
    };
    let file = open_within(volume, path).map_err(|error| failed(&error))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(failed(&"not a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(&"file too large"));
    }
    value(&text, name).map(|value| value.filter(|value| !value.is_empty()))
}

/// The path in messages.
pub fn shown(volume: &Path, path: &str) -> PathBuf {
    volume.join(path.trim_start_matches('/'))
}

/// Opens a file below the volume, which is the root of every link on the way; without waiting for a pipe's writer.
fn open_within(volume: &Path, path: &str) -> std::io::Result<File> {
    let root: OwnedFd = open(volume, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?;
    Ok(File::from(file))
}

/// The value of `name` in the text of a file. What comes after it is not looked at.
fn value(text: &str, name: &str) -> Result<Option<String>, String> {
    let wrong = |line: usize, what: &str| Err(format!("invalid environment variable format at line {line}: {what}"));
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((variable, assigned)) = line.split_once('=') else { return wrong(number, "missing '='") };
        if variable.is_empty() {
            return wrong(number, "empty variable name");
        }
        if variable.ends_with([' ', '\t']) {
            return wrong(number, "whitespace before '=' is not allowed");
        }
        if assigned.starts_with([' ', '\t']) {
            // As in a shell: nothing is assigned.
            if variable == name {
                return Ok(None);
            }
            continue;
        }
        let Some(mut rest) = assigned.strip_prefix('\'') else {
            return wrong(number, "value must be enclosed in single quotes");
        };
        let (mut value, mut last) = (String::new(), number);
        let after = loop {
            if let Some((end, after)) = rest.split_once('\'') {
                value.push_str(end);
                break after.trim_start_matches([' ', '\t']);
            }
            value.push_str(rest);
            value.push('\n');
            let Some((next, number_of_next)) = lines.next() else {
                return Err(format!(
                    "invalid environment variable format starting at line {number}: unclosed single quote"
                ));
            };
            (rest, last) = (next, number_of_next);
        };
        if !after.is_empty() && !after.starts_with('#') {
            return wrong(last, "unexpected content after closing quote");
        }
        if variable == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let text = "# remark\n\n  A='a b' # why\nB='one\n'\nC= 'x'\nD=''\n";
        let get = |name: &str| value(text, name).unwrap();
        assert_eq!(get("A").as_deref(), Some("a b"));
        assert_eq!(get("B").as_deref(), Some("one\n"));
        assert_eq!((get("C"), get("D"), get("E")), (None, Some(String::new()), None));
        for (text, message) in [
            ("A", "at line 1: missing '='"),
            ("\n='a'", "at line 2: empty variable name"),
            ("A ='a'", "at line 1: whitespace before '=' is not allowed"),
            ("A=a", "at line 1: value must be enclosed in single quotes"),
            ("A='a'b", "at line 1: unexpected content after closing quote"),
            ("A='a\nb", "starting at line 1: unclosed single quote"),
        ] {
            assert_eq!(value(text, "A"), Err(format!("invalid environment variable format {message}")));
        }
    }

    #[test]
    fn stays_in_the_volume() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        std::fs::write(dir.path().join("out"), "A='secret'").unwrap();
        std::fs::write(volume.join("in"), "A='x'\nB=''").unwrap();
        std::os::unix::fs::symlink("../out", volume.join("link")).unwrap();
        assert_eq!(read(&volume, "in", "A"), Ok(Some("x".into())));
        assert_eq!(read(&volume, "in", "B"), Ok(None));
        assert!(read(&volume, "link", "A").unwrap_err().contains("No such file"), "a link's root is the volume's");
        assert!(read(&volume, ".", "A").is_err());
    }
}
