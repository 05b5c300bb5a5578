//! Container logs in CRI's format: reading, following, rotating.

pub mod read;
pub mod rotate;

use jiff::Timestamp;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// One line of a CRI log: `<RFC 3339 time> <stream> <tag>[:<tag>] <content>`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    pub time: Timestamp,
    /// As it stands in the file.
    pub time_text: &'a str,
    pub stream: Stream,
    /// A piece of a longer line: no line end follows its content.
    pub partial: bool,
    pub content: &'a [u8],
}

impl<'a> Line<'a> {
    /// Parses a line without its line end; `None` where it is not one.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (time_text, rest) = split(line)?;
        let (stream, rest) = split(rest)?;
        // A line without content may end at the tag.
        let (tag, content) = split(rest).unwrap_or((rest, &[]));
        let time_text = std::str::from_utf8(time_text).ok()?;
        Some(Line {
            time: time_text.parse().ok()?,
            time_text,
            stream: match stream {
                b"stdout" => Stream::Stdout,
                b"stderr" => Stream::Stderr,
                _ => return None,
            },
            partial: tag.split(|byte| *byte == b':').next() == Some(b"P"),
            content,
        })
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b' ')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line = Line::parse(b"2016-10-06T00:17:09.669794202Z stdout F log content 1").unwrap();
        assert_eq!((line.stream, line.partial, line.content), (Stream::Stdout, false, &b"log content 1"[..]));
        let line = Line::parse(b"2016-10-06T00:17:09.669794203+02:00 stderr P part").unwrap();
        assert_eq!((line.stream, line.partial), (Stream::Stderr, true));
        assert_eq!(Line::parse(b"2016-10-06T00:17:09Z stdout F ").unwrap().content, b"");
        assert_eq!(Line::parse(b"2016-10-06T00:17:09Z stdout F").unwrap().content, b"");
        for bad in [&b""[..], b"x", b"2016 stdout F x", b"2016-10-06T00:17:09Z stdin F x", b"\xff \xff \xff \xff"] {
            assert_eq!(Line::parse(bad), None);
        }
    }
}
