//! Events that wait for a backend, so that requests do not.
//!
//! Source: apiserver `plugin/pkg/audit/buffered`.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The settings of `--audit-*-batch-*`.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// How many events wait; those that come when the buffer is full are lost.
    pub buffer_size: usize,
    pub max_size: usize,
    /// How long an event waits for others to go with.
    pub max_wait: Duration,
    /// Batches per second, and how many at once; none for as many as there are.
    pub throttle: Option<(f32, usize)>,
}

/// What waits for a backend.
pub enum Message {
    Event(Bytes),
    /// Answered once all that came before is with the backend.
    Flush(oneshot::Sender<()>),
}

/// The end of a buffer that events are put into.
#[derive(Debug)]
pub struct Buffer(mpsc::Sender<Message>);

impl Buffer {
    pub fn new(size: usize) -> (Buffer, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(size.max(1));
        (Buffer(sender), receiver)
    }

    /// Puts an event into the buffer; says why it cannot.
    pub fn put(&self, event: Bytes) -> Result<(), &'static str> {
        match self.0.try_send(Message::Event(event)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err("audit buffer queue blocked"),
            Err(TrySendError::Closed(_)) => Err("audit backend shut down"),
        }
    }

    /// Waits until what is in the buffer now is with the backend.
    pub async fn flush(&self) {
        let (sender, done) = oneshot::channel();
        if self.0.send(Message::Flush(sender)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// One batch, and who waits for it to be gone.
#[derive(Default)]
pub struct Batch {
    pub events: Vec<Bytes>,
    pub flushed: Option<oneshot::Sender<()>>,
}

impl Batching {
    /// The next batch; none once there will be no more.
    pub async fn next(&self, receiver: &mut mpsc::Receiver<Message>) -> Option<Batch> {
        let mut batch = Batch::default();
        // What has nobody to wait for goes when the time is over that began with the first of them.
        let mut deadline = None;
        while batch.events.len() < self.max_size {
            let received = match deadline {
                None => receiver.recv().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, receiver.recv()).await {
                    Ok(received) => received,
                    Err(_) => return Some(batch),
                },
            };
            match received {
                Some(Message::Event(event)) => {
                    batch.events.push(event);
                    deadline.get_or_insert_with(|| Instant::now() + self.max_wait);
                }
                Some(Message::Flush(flushed)) => {
                    batch.flushed = Some(flushed);
                    return Some(batch);
                }
                None if batch.events.is_empty() => return None,
                None => return Some(batch),
            }
        }
        Some(batch)
    }
}

/// A bucket of tokens: one for each batch.
pub struct Throttle {
    rate: f64,
    burst: f64,
    tokens: f64,
    last: Instant,
}

impl Throttle {
    pub fn new((rate, burst): (f32, usize)) -> Throttle {
        Throttle { rate: f64::from(rate), burst: burst as f64, tokens: burst as f64, last: Instant::now() }
    }

    /// Waits until the next batch may go.
    pub async fn accept(&mut self) {
        let now = Instant::now();
        self.tokens = (self.tokens + (now - self.last).as_secs_f64() * self.rate).min(self.burst);
        self.last = now;
        self.tokens -= 1.0;
        if self.tokens < 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(-self.tokens / self.rate)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCHING: Batching =
        Batching { buffer_size: 3, max_size: 2, max_wait: Duration::from_secs(30), throttle: None };

    #[tokio::test(start_paused = true)]
    async fn batches_go_when_they_are_full_or_have_waited() {
        let (buffer, mut receiver) = Buffer::new(BATCHING.buffer_size);
        for event in ["a", "b", "c"] {
            buffer.put(Bytes::from(event)).unwrap();
        }
        assert_eq!(buffer.put(Bytes::from("d")), Err("audit buffer queue blocked"));
        assert_eq!(BATCHING.next(&mut receiver).await.unwrap().events, ["a", "b"]);
        let before = Instant::now();
        assert_eq!(BATCHING.next(&mut receiver).await.unwrap().events, ["c"]);
        assert_eq!(Instant::now() - before, BATCHING.max_wait);
        drop(buffer);
        assert!(BATCHING.next(&mut receiver).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn batches_go_no_faster_than_the_bucket_fills() {
        let mut throttle = Throttle::new((2.0, 2));
        let before = Instant::now();
        for _ in 0..4 {
            throttle.accept().await;
        }
        assert_eq!((Instant::now() - before).as_millis(), 1000);
    }
}
