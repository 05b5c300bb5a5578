//! The file that events are written to, put aside when it is full.
//!
//! Source: `gopkg.in/natefinch/lumberjack.v2`, by which upstream rotates: names, times and limits are its.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Legacy,
}

/// An open log.
#[derive(Debug)]
pub struct LogFile {
    out: Out,
    rotation: Rotation,
}

#[derive(Debug)]
enum Out {
    /// Standard output.
    Standard,
    File {
        path: PathBuf,
        file: File,
        size: u64,
    },
}

/// When a log is put aside, and what becomes of it then. Each limit of 0 is none.
#[derive(Clone, Copy, Debug, Default)]
struct Rotation {
    max_size: u64,
    max_backups: usize,
    max_age_days: i64,
    compress: bool,
}

impl LogFile {
    /// Opens a log for appending, and its directory where there is none; `-` is standard output. The size is in bytes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(
        path: &Path,
        max_size: u64,
        max_backups: usize,
        max_age_days: i64,
        compress: bool,
    ) -> io::Result<LogFile> {
        let rotation = Rotation { max_size, max_backups, max_age_days, compress };
        if path == Path::new("-") {
            return Ok(LogFile { out: Out::Standard, rotation: Rotation::default() });
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(LogFile { out: Out::File { path: path.to_owned(), file, size }, rotation })
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// The disk is full, or the lines are longer than a file may be.
    pub fn write(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()> {
        let Out::File { path, file, size } = &mut self.out else {
            let mut out = io::stdout().lock();
            return out.write_all(lines).and_then(|()| out.flush());
        };
        let (length, limit) = (lines.len() as u64, self.rotation.max_size);
        if limit > 0 && length > limit {
            let why = format!("write length {length} exceeds maximum file size {limit}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        if limit > 0 && *size + length > limit {
            std::fs::rename(&*path, backup_name(path, now))?;
            *file = append(path)?;
            *size = 0;
            let (path, rotation) = (path.clone(), self.rotation);
            // What was put aside is no concern of the requests that wait here.
            std::thread::spawn(move || {
                if let Err(error) = rotation.clean(&path, now) {
                    tracing::warn!(%error, path = %path.display(), "old audit logs could not be put in order");
                }
            });
        }
        file.write_all(lines)?;
        *size += length;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// `audit-2006-01-02T15-04-05.000.log` for `audit.log`.
fn backup_name(path: &Path, now: Timestamp) -> PathBuf {
    let (stem, extension) = parts(path);
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H-%M-%S%.3f").to_string();
    path.with_file_name(format!("{stem}-{time}{extension}"))
}

/// The name without its extension, and the extension with its dot.
fn parts(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.rfind('.') {
        Some(dot) => (name[..dot].to_owned(), name[dot..].to_owned()),
        None => (name, String::new()),
    }
}

impl Rotation {
    /// Removes the logs that are too many or too old, and compresses the others.
    fn clean(self, path: &Path, now: Timestamp) -> io::Result<()> {
        let (stem, extension) = parts(path);
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut aside = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?.path();
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let time = name.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('-'));
            let time = time.and_then(|rest| rest.strip_suffix(".gz").unwrap_or(rest).strip_suffix(&extension));
            if let Some(time) = time.and_then(put_aside_at) {
                aside.push((time, entry));
            }
        }
        // The newest first.
        aside.sort_by(|a, b| b.cmp(a));
        let oldest = now.checked_sub((24 * self.max_age_days).hours()).unwrap_or(Timestamp::MIN);
        for (index, (time, entry)) in aside.iter().enumerate() {
            let too_many = self.max_backups > 0 && index >= self.max_backups;
            let too_old = self.max_age_days > 0 && *time < oldest;
            if too_many || too_old {
                std::fs::remove_file(entry)?;
            } else if self.compress && entry.extension().is_none_or(|extension| extension != "gz") {
                compress(entry)?;
            }
        }
        Ok(())
    }
}

fn put_aside_at(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    format!("{date}T{}Z", time.replace('-', ":")).parse().ok()
}

fn compress(path: &Path) -> io::Result<()> {
    let compressed = PathBuf::from(format!("{}.gz", path.display()));
    let mut from = File::open(path)?;
    let to = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&compressed)?;
    let mut encoder = GzEncoder::new(to, Compression::default());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            length => encoder.write_all(&buffer[..length])?,
        }
    }
    encoder.finish()?.sync_all()?;
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_logs_are_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut log = LogFile::open(&path, 10, 0, 0, false).unwrap();
        let now = Timestamp::new(86_400, 7_000_000).unwrap();
        log.write(b"12345\n", now).unwrap();
        log.write(b"678\n", now).unwrap();
        log.write(b"9\n", now).unwrap();
        assert!(log.write(b"longer than a file", now).is_err());
        let aside = directory.path().join("audit-1970-01-02T00-00-00.007.log");
        assert_eq!(std::fs::read(&aside).unwrap(), b"12345\n678\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"9\n");
        // An open log goes on where it ended.
        let mut again = LogFile::open(&path, 10, 0, 0, false).unwrap();
        again.write(b"10\n", now).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"9\n10\n");
    }

    #[test]
    fn old_logs_are_compressed_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        for day in 1..=4 {
            std::fs::write(file(&format!("audit-1970-01-0{day}T00-00-00.000.log")), "x").unwrap();
        }
        std::fs::write(file("audit-other.log"), "x").unwrap();
        let now = "1970-01-05T00:00:00Z".parse().unwrap();
        let rotation = Rotation { max_size: 1, max_backups: 3, max_age_days: 2, compress: true };
        rotation.clean(&file("audit.log"), now).unwrap();
        let mut left: Vec<String> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let expected =
            ["audit-1970-01-03T00-00-00.000.log.gz", "audit-1970-01-04T00-00-00.000.log.gz", "audit-other.log"];
        assert_eq!(left, expected);
    }

    #[test]
    fn a_full_disk_is_an_error_and_no_more() {
        let mut log = LogFile::open(Path::new("/dev/full"), 0, 0, 0, false).unwrap();
        assert!(log.write(b"x\n", Timestamp::UNIX_EPOCH).is_err());
    }
}
