//! Gathers what HTTP/2 writes in small pieces, so that a burst becomes few TLS records and few system calls.
//!
//! h2 flushes after every frame of data. With a thousand watches of one event, or a list in frames of 16 kB, each frame
//! would be encrypted and written alone. Here a flush that follows a write only asks for another turn of the
//! connection's task; what comes until then goes out together.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is gathered at most: four TLS records.
const LIMIT: usize = 64 * 1024;

/// A stream whose writes are gathered, if `gathers`. The task that flushes it must do so again when woken, as the tasks
/// of HTTP connections do: what takes a connection over after an upgrade may not.
pub struct Gathering<S> {
    inner: S,
    gathers: bool,
    /// Released whenever it is empty: most connections are idle most of the time.
    buffer: Vec<u8>,
    /// How much of the buffer is written already.
    written: usize,
    /// Whether something came since the last flush was asked for.
    fresh: bool,
}

impl<S> Gathering<S> {
    pub fn new(inner: S, gathers: bool) -> Self {
        Gathering { inner, gathers, buffer: Vec::new(), written: 0, fresh: false }
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.buffer.len() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &self.buffer[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.written = 0;
        self.buffer = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(from)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.gathers {
            return Pin::new(&mut self.inner).poll_write_vectored(cx, from);
        }
        if self.buffer.len() >= LIMIT {
            ready!(self.poll_empty(cx))?;
        }
        let before = self.buffer.len();
        for part in from {
            let room = LIMIT - self.buffer.len();
            self.buffer.extend_from_slice(&part[..part.len().min(room)]);
        }
        self.fresh = true;
        Poll::Ready(Ok(self.buffer.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.gathers || self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.fresh) {
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn writes_go_out_together_at_the_second_flush() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut stream = Gathering::new(near, true);
        let mut cx = Context::from_waker(noop_waker_ref());
        for text in ["one ", "two "] {
            assert!(matches!(Pin::new(&mut stream).poll_write(&mut cx, text.as_bytes()), Poll::Ready(Ok(4))));
            assert!(Pin::new(&mut stream).poll_flush(&mut cx).is_ready());
        }
        let mut read = [0; 16];
        let mut into = ReadBuf::new(&mut read);
        assert!(Pin::new(&mut far).poll_read(&mut cx, &mut into).is_pending(), "nothing was written yet");
        assert!(Pin::new(&mut stream).poll_flush(&mut cx).is_ready());
        assert!(Pin::new(&mut far).poll_read(&mut cx, &mut into).is_ready());
        assert_eq!(into.filled(), b"one two ");
        assert_eq!(stream.buffer.capacity(), 0, "an idle connection keeps no buffer");
    }

    #[tokio::test]
    async fn more_than_fits_comes_through_whole() {
        let (near, mut far) = tokio::io::duplex(1000);
        let mut stream = Gathering::new(near, true);
        let sent: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            stream.write_all(&copy).await?;
            stream.shutdown().await
        });
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap().unwrap();
        assert_eq!(received, sent);
    }
}
