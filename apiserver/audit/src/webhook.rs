//! Events sent to another server, in lists.
//!
//! Source: apiserver `plugin/pkg/audit/webhook`, `pkg/util/webhook/webhook.go` for the tries.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::Rng;
use tokio::sync::{Semaphore, mpsc};

use crate::batch::{Batching, Buffer, Message, Throttle};
use crate::event::item;
use crate::metrics::Metrics;
use crate::sink::Mode;
use crate::truncate::Truncation;

/// How many lists are under way at once: what comes while a webhook does not answer waits in the buffer.
const MAX_UNDER_WAY: usize = 32;
/// How often a list is sent before it is given up.
const TRIES: u32 = 5;

/// Sends a list of events once.
#[async_trait]
pub trait Deliver: Send + Sync {
    /// `list` is an `audit.k8s.io/v1` `EventList` in JSON. Says why it did not arrive.
    async fn deliver(&self, list: Bytes) -> Result<(), String>;
}

/// How long to wait before sending again: each time half as long again, and up to a fifth more by chance.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub initial: Duration,
}

/// A webhook and how events come to it.
pub struct WebhookBackend {
    sender: Arc<Sender>,
    pub mode: Mode,
    pub truncation: Truncation,
    buffer: Option<Buffer>,
}

struct Sender {
    to: Arc<dyn Deliver>,
    backoff: Backoff,
    metrics: Metrics,
}

impl WebhookBackend {
    /// In mode [`Mode::Batch`], starts the task that sends; to be called inside a runtime.
    pub fn new(
        to: Arc<dyn Deliver>,
        mode: Mode,
        batching: Batching,
        backoff: Backoff,
        truncation: Truncation,
        metrics: Metrics,
    ) -> WebhookBackend {
        let sender = Arc::new(Sender { to, backoff, metrics });
        let buffer = (mode == Mode::Batch).then(|| {
            let (buffer, receiver) = Buffer::new(batching.buffer_size);
            tokio::spawn(send_batches(Arc::clone(&sender), batching, receiver));
            buffer
        });
        WebhookBackend { sender, mode, truncation, buffer }
    }

    /// Leaves a line of JSON to the task that sends, if there is one.
    pub(crate) fn put(&self, line: &Bytes) -> Option<Result<(), &'static str>> {
        Some(self.buffer.as_ref()?.put(line.clone()))
    }

    /// Sends a line of JSON and waits until it is there, or given up.
    pub(crate) async fn send(&self, line: Bytes) -> bool {
        self.sender.send(&[line]).await
    }

    pub(crate) async fn flush(&self) {
        if let Some(buffer) = &self.buffer {
            buffer.flush().await;
        }
    }
}

async fn send_batches(sender: Arc<Sender>, batching: Batching, mut receiver: mpsc::Receiver<Message>) {
    let places = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    let mut throttle = batching.throttle.map(Throttle::new);
    while let Some(batch) = batching.next(&mut receiver).await {
        if !batch.events.is_empty() {
            if let Some(throttle) = &mut throttle {
                throttle.accept().await;
            }
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let sender = Arc::clone(&sender);
            tokio::spawn(async move {
                sender.send(&batch.events).await;
                drop(place);
            });
        }
        if let Some(flushed) = batch.flushed {
            // All places are free once all lists are gone.
            let _ = places.acquire_many(MAX_UNDER_WAY as u32).await;
            let _ = flushed.send(());
        }
    }
}

impl Sender {
    async fn send(&self, lines: &[Bytes]) -> bool {
        let list = event_list(lines);
        let mut wait = self.backoff.initial;
        for tried in 1.. {
            let Err(why) = self.to.deliver(list.clone()).await else { return true };
            if tried == TRIES {
                self.metrics.lost("webhook", &why, lines.len() as u64, None);
                break;
            }
            let jitter = 1.0 + 0.2 * rand::rng().random::<f64>();
            tokio::time::sleep(wait.mul_f64(jitter)).await;
            wait = wait.mul_f64(1.5);
        }
        false
    }
}

fn event_list(lines: &[Bytes]) -> Bytes {
    let mut list = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#.to_vec();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        list.extend_from_slice(&item(line));
    }
    list.extend_from_slice(b"]}\n");
    list.into()
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use serde_json::Value;

    use super::*;
    use crate::event::tests::event;

    struct Flaky {
        failures: Mutex<u32>,
        lists: Mutex<Vec<Value>>,
    }

    #[async_trait]
    impl Deliver for Flaky {
        async fn deliver(&self, list: Bytes) -> Result<(), String> {
            let mut failures = self.failures.lock();
            if *failures > 0 {
                *failures -= 1;
                return Err("down".to_owned());
            }
            self.lists.lock().push(serde_json::from_slice(&list).unwrap());
            Ok(())
        }
    }

    fn backend(failures: u32, mode: Mode) -> (Arc<Flaky>, WebhookBackend, Metrics) {
        let to = Arc::new(Flaky { failures: Mutex::new(failures), lists: Mutex::default() });
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let batching =
            Batching { buffer_size: 100, max_size: 2, max_wait: Duration::from_secs(30), throttle: Some((10.0, 15)) };
        let backoff = Backoff { initial: Duration::from_secs(10) };
        let truncation = Truncation { enabled: false, max_event_size: 0 };
        let made = WebhookBackend::new(to.clone(), mode, batching, backoff, truncation, metrics.clone());
        (to, made, metrics)
    }

    #[tokio::test(start_paused = true)]
    async fn batches_arrive_in_lists() {
        let (to, backend, _) = backend(0, Mode::Batch);
        let line = event().json();
        for _ in 0..3 {
            backend.put(&line).unwrap().unwrap();
        }
        backend.flush().await;
        let lists = to.lists.lock().clone();
        assert_eq!(lists.iter().map(|list| list["items"].as_array().unwrap().len()).sum::<usize>(), 3);
        assert_eq!(lists[0]["items"][0]["auditID"], "id");
        assert!(lists[0]["items"][0]["kind"].is_null());
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_sent_again_and_then_given_up() {
        let (to, backend, _) = self::backend(4, Mode::Blocking);
        assert!(backend.put(&event().json()).is_none());
        assert!(backend.send(event().json()).await);
        assert_eq!(to.lists.lock().len(), 1);
        let (to, backend, _) = self::backend(5, Mode::Blocking);
        assert!(!backend.send(event().json()).await);
        assert!(to.lists.lock().is_empty());
    }
}
