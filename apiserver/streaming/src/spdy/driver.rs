//! The task of a SPDY connection: reads, writes, and ends both in order.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::codec::{Decoder, Encoder, Frame, FrameError};
use super::connection::{Accept, Core};
use crate::Io;
use crate::outbox::{Drain, TryNext};

/// How long the peer's remaining bytes are read, and ours written, once one side is over.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Answers that may wait for a peer that sends but does not read.
const MAX_PENDING_CONTROL: usize = 4096;
/// Bytes written to the transport at once.
const WRITE_BATCH: usize = 64 * 1024;
const READ_BATCH: usize = 32 * 1024;

/// Runs a connection to its end.
pub(super) async fn run(core: Arc<Core>, io: impl Io, drain: Drain<Frame>, accept: Accept) {
    let (read_half, write_half) = tokio::io::split(io);
    let mut reader = std::pin::pin!(read(&core, read_half, accept));
    let mut writer = std::pin::pin!(write(&core, write_half, drain));
    tokio::select! {
        result = &mut reader => {
            if let Err(error) = result {
                tracing::debug!(%error, "SPDY connection ends");
            }
            core.end();
            core.outbox.close();
            // What was written before may still be of use to a peer that only closed its side.
            let _ = timeout(CLOSE_GRACE, writer).await;
        }
        result = &mut writer => {
            if result.is_ok() {
                core.begin_close();
            }
            // If writing failed, what the peer sent before it went away is still to be read. After a close the rest is
            // read too: closing a socket with unread bytes resets it, which could cost the peer our last ones.
            tokio::select! {
                _ = &mut reader => {}
                () = core.closing_for(CLOSE_GRACE) => {}
            }
            core.end();
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("peer does not read its answers")]
    Flood,
    #[error("idle for too long")]
    Idle,
}

async fn read(core: &Core, mut io: impl AsyncRead + Unpin, accept: Accept) -> Result<(), ReadError> {
    let mut decoder = Decoder::new(core.config.limits);
    let mut buf = BytesMut::new();
    let mut tick = core.config.ping_period.map(|period| {
        let mut tick = tokio::time::interval_at(Instant::now() + period, period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick
    });
    loop {
        while let Some(frame) = decoder.decode(&mut buf)? {
            core.handle(frame, &accept).await;
            if core.outbox.pending_control() > MAX_PENDING_CONTROL {
                return Err(ReadError::Flood);
            }
        }
        buf.reserve(READ_BATCH);
        let idle_at = core.config.idle_timeout.map(|idle| *core.active.lock() + idle);
        tokio::select! {
            n = io.read_buf(&mut buf) => {
                if n? == 0 {
                    return Ok(());
                }
                core.touch();
            }
            () = sleep_until(idle_at) => {
                let idle = core.config.idle_timeout.unwrap_or_default();
                if core.active.lock().elapsed() >= idle {
                    return Err(ReadError::Idle);
                }
            }
            () = next_tick(&mut tick) => core.send_ping(None),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn next_tick(tick: &mut Option<tokio::time::Interval>) {
    match tick {
        Some(tick) => {
            tick.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn write(core: &Core, mut io: impl AsyncWrite + Unpin, mut drain: Drain<Frame>) -> Result<(), ReadError> {
    let mut encoder = Encoder::default();
    let mut out = BytesMut::new();
    let mut open = true;
    while open && let Some(first) = drain.next().await {
        encoder.encode(&first.frame, &mut out)?;
        // Their budget is given back once they are written.
        let mut batch = vec![first];
        while out.len() < WRITE_BATCH {
            match drain.try_next() {
                TryNext::Frame(taken) => {
                    encoder.encode(&taken.frame, &mut out)?;
                    batch.push(taken);
                }
                TryNext::Empty => break,
                TryNext::Closed => {
                    open = false;
                    break;
                }
            }
        }
        io.write_all(&out).await?;
        io.flush().await?;
        out.clear();
        core.touch();
    }
    // A peer that is gone already has nothing to be told.
    let _ = io.shutdown().await;
    Ok(())
}
