//! One stream of a SPDY connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::codec::{Frame, RstStatus};
use super::connection::{Handle, StreamState};
use super::headers::Headers;
use crate::outbox::DataWriter;

/// Bytes read before the peer is told so; half of the initial window of SPDY/3.1.
const WINDOW_STEP: u32 = 32 * 1024;
/// Past so many waiting control frames window updates are put off: the peer is not reading.
const MAX_PENDING_UPDATES: usize = 256;

/// A two-way byte stream. `shutdown` half-closes it; dropping it unfinished resets it after what was written.
pub struct Stream {
    state: Arc<StreamState>,
    writer: DataWriter<Frame>,
    connection: Arc<Handle>,
}

impl Stream {
    pub(super) fn new(state: Arc<StreamState>, connection: Arc<Handle>) -> Self {
        Self { writer: connection.0.outbox.writer(), state, connection }
    }

    /// The number of the stream, unique on its connection.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.state.id
    }

    /// The headers it was opened with.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.state.headers
    }

    /// Half-closes the stream after what was written; the same as `shutdown`, without waiting.
    pub fn finish(&self) {
        if self.state.local_done.swap(true, Ordering::AcqRel) {
            return;
        }
        let core = &self.connection.0;
        core.outbox.control(Frame::Data { stream: self.state.id, fin: true, data: Bytes::new() });
        if self.state.remote_done.load(Ordering::Acquire) {
            core.remove(self.state.id);
        }
    }

    /// Ends both directions after what was written; what the peer still sends is dropped.
    pub fn reset(&self) {
        self.reset_with(RstStatus::CANCEL);
    }

    /// Answers the peer that opened it.
    pub(super) fn reply(&self) {
        let headers = Headers::default();
        self.connection.0.outbox.control(Frame::SynReply { stream: self.state.id, fin: false, headers });
    }

    fn reset_with(&self, status: RstStatus) {
        let local_done = self.state.local_done.swap(true, Ordering::AcqRel);
        let remote_done = self.state.remote_done.swap(true, Ordering::AcqRel);
        self.state.inbox.discard();
        if !(local_done && remote_done) {
            self.connection.0.outbox.control(Frame::RstStream { stream: self.state.id, status });
        }
        self.connection.0.remove(self.state.id);
    }

    fn acknowledge(&self, read: usize) {
        if !self.connection.0.peer_has_windows.load(Ordering::Relaxed) {
            return;
        }
        let total = self.state.unacknowledged.fetch_add(read as u32, Ordering::AcqRel) + read as u32;
        let outbox = &self.connection.0.outbox;
        if total < WINDOW_STEP || outbox.pending_control() > MAX_PENDING_UPDATES {
            return;
        }
        let delta = self.state.unacknowledged.swap(0, Ordering::AcqRel);
        if !self.state.remote_done.load(Ordering::Acquire) {
            outbox.control(Frame::WindowUpdate { stream: self.state.id, delta });
        }
        // Stream 0 is the window of the whole connection.
        outbox.control(Frame::WindowUpdate { stream: 0, delta });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reset();
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.state.inbox.poll_read(cx, buf))?;
        if read > 0 {
            self.acknowledge(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let state = self.state.clone();
        if state.local_done.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // Looked at again once there is budget: the stream may have been reset while it waited.
        self.writer.poll_write(cx, data, |piece| {
            (!state.local_done.load(Ordering::Acquire)).then(|| Frame::Data {
                stream: state.id,
                fin: false,
                data: Bytes::copy_from_slice(piece),
            })
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}
