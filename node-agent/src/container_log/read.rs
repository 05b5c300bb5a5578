//! Reading a container's log: the last lines, since a time, and on as it grows, across rotations.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use inotify::{Inotify, WatchMask};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Line, Stream};

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub follow: bool,
    /// Only so many last lines.
    pub tail_lines: Option<u64>,
    pub since: Option<Timestamp>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Only so many bytes.
    pub limit_bytes: Option<u64>,
    /// Only this stream.
    pub stream: Option<Stream>,
}

const BLOCK: u64 = 64 * 1024;
/// How long lines are gathered before they are sent.
const CHUNK: usize = 16 * 1024;
/// Also without news from inotify (a missed event, an overlay), the file is looked at so often.
const POLL: Duration = Duration::from_secs(1);

/// The last lines of a log as a text of at most `max_bytes`, for a termination message.
pub fn last(path: &Path, lines: u64, max_bytes: usize) -> io::Result<String> {
    let mut reader = Reader::open(path, &Options { tail_lines: Some(lines), ..Options::default() })?;
    let mut text = vec![];
    while let Some(chunk) = reader.next_chunk()? {
        text.extend_from_slice(&chunk);
    }
    let from = text.len().saturating_sub(max_bytes);
    Ok(String::from_utf8_lossy(&text[from..]).into_owned())
}

/// Sends the wanted part of the log, piece by piece, until its end, or, with `follow`, until `alive` says that the
/// container is dead and everything was read. Ends at once when the receiver is dropped.
///
/// # Errors
/// The file cannot be opened or read.
pub async fn send<F, Fut>(path: PathBuf, options: Options, sender: mpsc::Sender<Bytes>, alive: F) -> io::Result<()>
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = bool> + Send,
{
    let mut reader = Reader::open(&path, &options)?;
    let mut news = if options.follow { watch(&path) } else { None };
    loop {
        while let Some(chunk) = reader.next_chunk()? {
            if sender.send(chunk).await.is_err() {
                return Ok(());
            }
        }
        if reader.remaining == Some(0) || !options.follow {
            return Ok(());
        }
        if reader.rotated(&path) {
            // All of the old file was read: go on with the new one from its start.
            if let Ok(file) = File::open(&path) {
                reader.file = BufReader::new(file);
                reader.line.clear();
                continue;
            }
        } else if !alive().await {
            // What was written between the last read and the death.
            while let Some(chunk) = reader.next_chunk()? {
                if sender.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
            return Ok(());
        }
        let waited = async {
            match &mut news {
                Some(news) => drop(news.next().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waited => {}
            () = tokio::time::sleep(POLL) => {}
            () = sender.closed() => return Ok(()),
        }
    }
}

/// Events of the file's directory, so that a rotation is seen too; `None` where the machine has no watch left.
fn watch(path: &Path) -> Option<inotify::EventStream<Vec<u8>>> {
    let inotify = Inotify::init().ok()?;
    inotify.watches().add(path.parent()?, WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO).ok()?;
    inotify.into_event_stream(vec![0; 1024]).ok()
}

struct Reader {
    file: BufReader<File>,
    /// A line that is not complete yet.
    line: Vec<u8>,
    options: Options,
    remaining: Option<u64>,
    /// The last sent piece did not end its line.
    within_line: bool,
}

impl Reader {
    fn open(path: &Path, options: &Options) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let start = match options.tail_lines {
            Some(lines) => tail_start(&mut file, lines)?,
            None => 0,
        };
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            file: BufReader::new(file),
            line: vec![],
            options: options.clone(),
            remaining: options.limit_bytes,
            within_line: false,
        })
    }

    /// The next piece of text; `None` at the end of what is there.
    fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let mut chunk = BytesMut::new();
        while chunk.len() < CHUNK && self.remaining != Some(0) {
            self.file.by_ref().take(CHUNK as u64 * 4).read_until(b'\n', &mut self.line)?;
            if self.line.last() != Some(&b'\n') {
                if self.line.len() >= CHUNK * 64 {
                    self.line.clear();
                    continue;
                }
                break;
            }
            self.append(&mut chunk);
            self.line.clear();
        }
        Ok((!chunk.is_empty()).then(|| chunk.freeze()))
    }

    fn append(&mut self, chunk: &mut BytesMut) {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let Some(line) = Line::parse(line) else { return };
        let wanted = self.options.stream.is_none_or(|stream| stream == line.stream)
            && self.options.since.is_none_or(|since| line.time >= since);
        if !wanted {
            return;
        }
        let before = chunk.len();
        if self.options.timestamps && !self.within_line {
            chunk.put_slice(line.time_text.as_bytes());
            chunk.put_u8(b' ');
        }
        chunk.put_slice(line.content);
        if !line.partial {
            chunk.put_u8(b'\n');
        }
        self.within_line = line.partial;
        if let Some(remaining) = &mut self.remaining {
            let added = (chunk.len() - before) as u64;
            if added > *remaining {
                chunk.truncate(before + usize::try_from(*remaining).unwrap_or(0));
            }
            *remaining = remaining.saturating_sub(added);
        }
    }

    /// Whether the path names another file now, or this one was cut.
    fn rotated(&mut self, path: &Path) -> bool {
        let (Ok(open), Ok(named)) = (self.file.get_ref().metadata(), std::fs::metadata(path)) else { return false };
        open.ino() != named.ino() || open.len() < self.file.stream_position().unwrap_or(0)
    }
}

/// The offset at which the last `lines` lines begin.
fn tail_start(file: &mut File, lines: u64) -> io::Result<u64> {
    let size = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        return Ok(size);
    }
    let mut found = 0;
    let mut end = size;
    let mut block = vec![];
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        for (index, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let next_line = start + index as u64 + 1;
            // The last line's own end does not begin another line.
            if next_line < size {
                found += 1;
                if found == lines {
                    return Ok(next_line);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    fn line(second: u32, stream: &str, tag: &str, content: &str) -> String {
        format!("2020-01-01T00:00:{second:02}.5Z {stream} {tag} {content}\n")
    }

    fn fixture() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let text: String = [
            line(1, "stdout", "F", "one"),
            line(2, "stderr", "F", "two"),
            line(3, "stdout", "P", "thr"),
            line(4, "stdout", "F", "ee"),
        ]
        .concat();
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn read(path: &Path, options: Options) -> String {
        let mut reader = Reader::open(path, &options).unwrap();
        let mut text = vec![];
        while let Some(chunk) = reader.next_chunk().unwrap() {
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn options() {
        let (_dir, path) = fixture();
        let with = |options| read(&path, options);
        assert_eq!(with(Options::default()), "one\ntwo\nthree\n");
        assert_eq!(with(Options { tail_lines: Some(3), ..Options::default() }), "two\nthree\n");
        assert_eq!(with(Options { tail_lines: Some(0), ..Options::default() }), "");
        assert_eq!(with(Options { tail_lines: Some(99), ..Options::default() }), "one\ntwo\nthree\n");
        assert_eq!(with(Options { limit_bytes: Some(5), ..Options::default() }), "one\nt");
        assert_eq!(with(Options { stream: Some(Stream::Stderr), ..Options::default() }), "two\n");
        assert_eq!(with(Options { since: "2020-01-01T00:00:02Z".parse().ok(), ..Options::default() }), "two\nthree\n");
        assert!(with(Options { timestamps: true, ..Options::default() }).starts_with("2020-01-01T00:00:01.5Z one\n"));
        assert_eq!(last(&path, 80, 4).unwrap(), "ree\n");
    }

    #[test]
    fn long_files_are_read_from_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let text: String = (0..20_000).map(|index| line(1, "stdout", "F", &format!("line {index}"))).collect();
        std::fs::write(&path, text).unwrap();
        let tail = read(&path, Options { tail_lines: Some(5000), ..Options::default() });
        assert_eq!(tail.lines().count(), 5000);
        assert!(tail.starts_with("line 15000\n"));
    }

    #[tokio::test]
    async fn follows_across_rotation_until_the_container_is_dead() {
        let (dir, path) = fixture();
        let (sender, mut receiver) = mpsc::channel(16);
        let alive = Arc::new(AtomicBool::new(true));
        let task = {
            let (alive, path) = (alive.clone(), path.clone());
            tokio::spawn(send(
                path,
                Options { follow: true, tail_lines: Some(0), ..Options::default() },
                sender,
                move || {
                    let alive = alive.clone();
                    async move { alive.load(Ordering::SeqCst) }
                },
            ))
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(line(5, "stdout", "F", "four").as_bytes())
            .unwrap();
        assert_eq!(receiver.recv().await.unwrap(), "four\n");
        std::fs::rename(&path, dir.path().join("0.log.1")).unwrap();
        std::fs::write(&path, line(6, "stdout", "F", "five")).unwrap();
        assert_eq!(receiver.recv().await.unwrap(), "five\n");
        alive.store(false, Ordering::SeqCst);
        assert_eq!(receiver.recv().await, None);
        task.await.unwrap().unwrap();
    }
}
