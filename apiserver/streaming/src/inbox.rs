//! The bounded buffer between a connection's reader and the user of one of its streams.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::ReadBuf;
use tokio::sync::Notify;

/// What a queued chunk costs besides its bytes, so that many tiny chunks are bounded too.
const CHUNK_COST: usize = 64;

/// How the incoming half of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer finished it.
    Eof,
    /// The connection went away first.
    Lost,
}

/// Bytes that arrived for a stream and have not been read yet.
///
/// `push` waits while more than `limit` bytes are buffered: the connection's reader stops and the transport pushes
/// back on the peer. Once the stream's user is gone, bytes are dropped and nothing waits.
pub(crate) struct Inbox {
    state: Mutex<State>,
    space: Notify,
    limit: usize,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    cost: usize,
    end: Option<End>,
    discard: bool,
    waker: Option<Waker>,
}

impl Inbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), space: Notify::new(), limit }
    }

    /// Queues `data`, waiting for space. Dropped silently when the stream ended or nobody will read it.
    pub(crate) async fn push(&self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        loop {
            let space = self.space.notified();
            {
                let mut state = self.state.lock();
                if state.discard || state.end.is_some() {
                    return;
                }
                if state.cost < self.limit {
                    state.cost += data.len() + CHUNK_COST;
                    state.chunks.push_back(data);
                    if let Some(waker) = state.waker.take() {
                        waker.wake();
                    }
                    return;
                }
            }
            space.await;
        }
    }

    /// Ends the stream after what is buffered. Only the first end counts.
    pub(crate) fn finish(&self, end: End) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        drop(state);
        self.space.notify_one();
    }

    /// Drops what is buffered and all that comes.
    pub(crate) fn discard(&self) {
        let mut state = self.state.lock();
        state.discard = true;
        state.chunks.clear();
        state.cost = 0;
        drop(state);
        self.space.notify_one();
    }

    /// Fills `buf` and returns how many bytes were put there; 0 is the end.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock();
        let mut read = 0;
        while buf.remaining() > 0
            && let Some(chunk) = state.chunks.front_mut()
        {
            let n = chunk.len().min(buf.remaining());
            buf.put_slice(&chunk[..n]);
            chunk.advance(n);
            let emptied = chunk.is_empty();
            read += n;
            state.cost = state.cost.saturating_sub(n);
            if emptied {
                state.chunks.pop_front();
                state.cost = state.cost.saturating_sub(CHUNK_COST);
            }
        }
        if read > 0 {
            drop(state);
            self.space.notify_one();
            return Poll::Ready(Ok(read));
        }
        match state.end {
            _ if buf.remaining() == 0 => Poll::Ready(Ok(0)),
            Some(End::Eof) => Poll::Ready(Ok(0)),
            Some(End::Lost) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "connection lost before the stream ended",
            ))),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
