//! Sizes of the client's terminal, as JSON objects one after the other.

use bytes::{Buf, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::BoxRead;

/// Longest unfinished object that is waited for.
const MAX_OBJECT: usize = 4096;

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    #[serde(rename = "Width", alias = "width", default)]
    pub width: u16,
    #[serde(rename = "Height", alias = "height", default)]
    pub height: u16,
}

/// The sizes a client sends.
pub struct Resizes {
    stream: BoxRead,
    buf: BytesMut,
}

impl Resizes {
    pub(super) fn new(stream: BoxRead) -> Self {
        Self { stream, buf: BytesMut::new() }
    }

    /// Waits for the next size; `None` when the client is gone or sends anything else. Safe to cancel.
    pub async fn next(&mut self) -> Option<TerminalSize> {
        loop {
            let mut sizes = serde_json::Deserializer::from_slice(&self.buf).into_iter::<TerminalSize>();
            match sizes.next() {
                Some(Ok(size)) => {
                    let used = sizes.byte_offset();
                    self.buf.advance(used);
                    return Some(size);
                }
                Some(Err(error)) if error.is_eof() && self.buf.len() < MAX_OBJECT => {}
                Some(Err(_)) => return None,
                None => self.buf.clear(),
            }
            if self.stream.read_buf(&mut self.buf).await.ok()? == 0 {
                return None;
            }
        }
    }
}
