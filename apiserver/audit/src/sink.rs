//! Where events go: a log, a webhook, both or neither.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::batch::{Buffer, Message};
use crate::event::Event;
use crate::log::{Format, LogFile};
use crate::metrics::Metrics;
use crate::truncate::Truncation;
use crate::webhook::WebhookBackend;

/// Whether a request waits for its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No: they wait in a buffer, and are lost when it is full.
    Batch,
    /// Yes, but not for their arriving.
    Blocking,
    /// Yes, and it is refused when its first event is lost.
    BlockingStrict,
}

/// All backends of one server.
pub struct Sink {
    log: Option<LogBackend>,
    webhook: Option<WebhookBackend>,
    metrics: Metrics,
}

/// A log and how events come to it.
pub struct LogBackend {
    file: Arc<Mutex<LogFile>>,
    format: Format,
    mode: Mode,
    truncation: Truncation,
    buffer: Option<Buffer>,
}

impl LogBackend {
    /// In mode [`Mode::Batch`], starts the thread that writes: a disk that hangs holds no request.
    pub fn new(
        file: LogFile,
        format: Format,
        mode: Mode,
        buffer_size: usize,
        truncation: Truncation,
        metrics: Metrics,
    ) -> LogBackend {
        let file = Arc::new(Mutex::new(file));
        let buffer = (mode == Mode::Batch).then(|| {
            let (buffer, receiver) = Buffer::new(buffer_size);
            let file = Arc::clone(&file);
            std::thread::spawn(move || write_lines(&file, receiver, &metrics));
            buffer
        });
        LogBackend { file, format, mode, truncation, buffer }
    }
}

fn write_lines(file: &Mutex<LogFile>, mut receiver: mpsc::Receiver<Message>, metrics: &Metrics) {
    while let Some(message) = receiver.blocking_recv() {
        match message {
            Message::Event(line) => {
                if let Err(error) = file.lock().write(&line, Timestamp::now()) {
                    metrics.lost("log", &error.to_string(), 1, None);
                }
            }
            Message::Flush(flushed) => {
                let _ = flushed.send(());
            }
        }
    }
}

impl Sink {
    pub fn new(log: Option<LogBackend>, webhook: Option<WebhookBackend>, metrics: Metrics) -> Sink {
        Sink { log, webhook, metrics }
    }

    /// Whether there is anywhere to send events to.
    pub fn is_empty(&self) -> bool {
        self.log.is_none() && self.webhook.is_none()
    }

    /// Sends an event. False only if a strict backend lost it.
    pub async fn process(&self, event: &Event) -> bool {
        let line = event.json();
        let logged = self.to_log(event, &line);
        let Some((webhook, line)) = self.to_webhook(event, line) else { return logged };
        let sent = webhook.send(line).await;
        logged && (sent || webhook.mode != Mode::BlockingStrict)
    }

    /// Sends an event whose request no longer waits for it.
    pub fn process_detached(self: &Arc<Self>, event: &Event) {
        let line = event.json();
        self.to_log(event, &line);
        if let Some((_, line)) = self.to_webhook(event, line)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let sink = Arc::clone(self);
            runtime.spawn(async move {
                if let Some(webhook) = &sink.webhook {
                    webhook.send(line).await;
                }
            });
        }
    }

    /// Waits until all that was sent has arrived or is lost.
    pub async fn flush(&self) {
        if let Some(buffer) = self.log.as_ref().and_then(|log| log.buffer.as_ref()) {
            buffer.flush().await;
        }
        if let Some(webhook) = &self.webhook {
            webhook.flush().await;
        }
    }

    /// Writes an event to the log; false only if the log is strict and lost it.
    fn to_log(&self, event: &Event, line: &Bytes) -> bool {
        self.metrics.event();
        let Some(log) = &self.log else { return true };
        let Some((smaller, line)) = self.fitting(log.truncation, event, line) else { return true };
        let line = match log.format {
            Format::Json => line,
            Format::Legacy => Bytes::from(smaller.as_ref().unwrap_or(event).legacy() + "\n"),
        };
        let outcome = match &log.buffer {
            Some(buffer) => buffer.put(line).map_err(|why| ("buffered", why.to_owned())),
            // A line goes into the page cache: to hand it to another thread would take longer.
            None => log.file.lock().write(&line, Timestamp::now()).map_err(|error| ("log", error.to_string())),
        };
        if let Err((plugin, why)) = outcome {
            self.metrics.lost(plugin, &why, 1, Some(event));
            return log.mode != Mode::BlockingStrict;
        }
        true
    }

    /// Leaves an event to the webhook's own task, or answers it for whom has to wait.
    fn to_webhook(&self, event: &Event, line: Bytes) -> Option<(&WebhookBackend, Bytes)> {
        let webhook = self.webhook.as_ref()?;
        let (_, line) = self.fitting(webhook.truncation, event, &line)?;
        match webhook.put(&line) {
            Some(Ok(())) => None,
            Some(Err(why)) => {
                self.metrics.lost("buffered", why, 1, Some(event));
                None
            }
            None => Some((webhook, line)),
        }
    }

    /// An event in a size that a backend takes; the event itself only if it was changed.
    fn fitting(&self, truncation: Truncation, event: &Event, line: &Bytes) -> Option<(Option<Event>, Bytes)> {
        if !truncation.applies(line) {
            return Some((None, line.clone()));
        }
        let fitting = truncation.fitting(event, line).map(|(event, line)| (Some(event), line));
        if fitting.is_none() {
            self.metrics.lost("truncate", "event is too large even after truncating", 1, Some(event));
        }
        fitting
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::tests::event;

    fn sink(path: &Path, mode: Mode) -> (Sink, prometheus::Registry) {
        let registry = prometheus::Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let file = LogFile::open(path, 0, 0, 0, false).unwrap();
        let truncation = Truncation { enabled: false, max_event_size: 0 };
        let log = LogBackend::new(file, Format::Json, mode, 10, truncation, metrics.clone());
        (Sink::new(Some(log), None, metrics), registry)
    }

    fn lost(registry: &prometheus::Registry) -> f64 {
        let families = registry.gather();
        let errors = families.iter().find(|family| family.name() == "apiserver_audit_error_total");
        errors.map_or(0.0, |family| family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum())
    }

    #[tokio::test]
    async fn a_full_disk_stops_only_who_asked_for_it() {
        for (mode, processed) in [(Mode::Batch, true), (Mode::Blocking, true), (Mode::BlockingStrict, false)] {
            let (sink, registry) = sink(Path::new("/dev/full"), mode);
            assert_eq!(sink.process(&event()).await, processed, "{mode:?}");
            sink.flush().await;
            assert_eq!(lost(&registry), 1.0, "{mode:?}");
        }
    }

    #[tokio::test]
    async fn events_are_lines_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [Mode::Batch, Mode::Blocking] {
            let path = directory.path().join(format!("{mode:?}"));
            let (sink, _) = sink(&path, mode);
            assert!(sink.process(&event()).await && sink.process(&event()).await);
            sink.flush().await;
            let line = event().json();
            assert_eq!(std::fs::read(&path).unwrap(), [line.clone(), line].concat(), "{mode:?}");
        }
    }
}
