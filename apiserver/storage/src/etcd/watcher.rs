//! A watch of etcd that outlives its connections: each reconnect goes on after the last revision delivered.
//!
//! Each watch is a gRPC stream of its own; HTTP/2 already carries them over one connection, and so a progress
//! notification speaks for exactly one watch.
//!
//! # Progress on old servers
//! Before 3.4.25 and 3.5.8 the answer to a progress request can overtake events (etcd issue 15220). There the watch's
//! range is stretched to one further key just past its end, the sentinel. A progress request writes it, and its event
//! comes in order after all events before it: that event is the progress.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{GetOptions, WatchOptions, WatchResponse};
use futures::StreamExt;
use futures::future::{BoxFuture, OptionFuture};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::connection::{Client, Connections};
use super::failure::{Failure, Kind};
use super::{HEALTH_KEY, utf8_key};
use crate::{Error, KeyValue, Result, Revision, Watch, WatchEvent};

/// Answers decoded ahead of a slow consumer.
const AHEAD: usize = 16;
/// A server that is busy catching a watch up drops progress requests; kube-apiserver repeats them as often.
const PROGRESS_RETRY: Duration = Duration::from_millis(100);
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
const SENTINEL: &str = "\0kybern-progress";

/// Whether a key is one that a watch wrote for itself.
pub(super) fn is_sentinel(key: &str) -> bool {
    key.ends_with(SENTINEL)
}

/// Progress that all watches shall deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProgressRequest {
    /// Counts the requests.
    pub number: u64,
    /// The least revision to reach; 0 where writing the sentinel tells.
    pub revision: Revision,
}

/// Starts a watch of the range from a revision on.
pub(super) fn watch(
    connections: Arc<Connections>,
    range: Range<String>,
    from: Revision,
    progress: watch::Receiver<ProgressRequest>,
) -> Watch {
    let (batches, received) = mpsc::channel(AHEAD);
    let sentinel = connections.progress_overtakes().then(|| format!("{}{SENTINEL}", range.end));
    let answered = progress.borrow().number;
    let watcher = Watcher { connections, range, sentinel, next: from, reached: 0, batches, progress, answered };
    tokio::spawn(watcher.run());
    tokio_stream::wrappers::ReceiverStream::new(received)
        .flat_map(|batch: Result<Vec<WatchEvent>>| {
            let (events, error) = match batch {
                Ok(events) => (events, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            futures::stream::iter(events.into_iter().map(Ok).chain(error))
        })
        .boxed()
}

struct Watcher {
    connections: Arc<Connections>,
    range: Range<String>,
    /// The key that progress requests write, where the server needs that.
    sentinel: Option<String>,
    /// The first revision not delivered yet.
    next: Revision,
    /// The last revision that the server was seen to have reached.
    reached: Revision,
    batches: mpsc::Sender<Result<Vec<WatchEvent>>>,
    progress: watch::Receiver<ProgressRequest>,
    /// The number of the last progress request that was acted upon.
    answered: u64,
}

/// Why a connection's share of a watch is over.
enum End {
    /// Nobody listens any more.
    Unwatched,
    /// The watch is over.
    Failed(Error),
    /// Another connection may go on.
    Lost { reason: String, transport: bool },
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            Kind::NotDone | Kind::Unknown => End::Lost { reason: failure.message, transport: failure.transport },
            _ => End::Failed(failure.on_read(0)),
        }
    }
}

type Sentinel = BoxFuture<'static, std::result::Result<u64, Failure>>;

impl Watcher {
    async fn run(mut self) {
        let mut pause = BACKOFF.0;
        loop {
            let before = self.next;
            let batches = self.batches.clone();
            let (endpoint, client) = self.connections.watch_client();
            let end = tokio::select! {
                end = self.resume(client) => end,
                () = batches.closed() => End::Unwatched,
            };
            match end {
                End::Unwatched => return,
                End::Failed(error) => {
                    // If nobody listens any more the error is of no interest either.
                    let _ = self.batches.send(Err(error)).await;
                    return;
                }
                End::Lost { reason, transport } => {
                    tracing::info!(start = %self.range.start, revision = self.next, %reason, "resuming etcd watch");
                    if transport {
                        self.connections.watch_failed(endpoint).await;
                    }
                }
            }
            if self.next != before {
                pause = BACKOFF.0;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = self.batches.closed() => return,
            }
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// As [`Self::session`], unless the store is not the one it was.
    async fn resume(&mut self, client: Client) -> End {
        if self.reached > 0 {
            // Restored from a backup, etcd would be silent until it comes to a revision that then means something else.
            // Asked of the whole cluster, as a single member may lag behind.
            let options = GetOptions::new().with_count_only();
            let asked = self.connections.once(|client| async move { client.kv().get(HEALTH_KEY, Some(options)).await });
            match asked.await.map(|mut response| super::revision(response.take_header())) {
                Err(failure) => return failure.into(),
                Ok(current) if current < self.reached => {
                    return End::Failed(Error::Future { asked: self.reached, current: Some(current) });
                }
                Ok(_) => (),
            }
        }
        self.session(client).await
    }

    /// Watches over one connection until it ends.
    async fn session(&mut self, client: Client) -> End {
        let end = match &self.sentinel {
            Some(sentinel) => format!("{sentinel}\0"),
            None => self.range.end.clone(),
        };
        let options =
            WatchOptions::new().with_range(end).with_start_revision(self.next).with_prev_key().with_progress_notify();
        let mut stream = match client.watches().watch(self.range.start.as_str(), Some(options)).await {
            Ok(stream) => stream,
            Err(error) => return Failure::from(error).into(),
        };
        let mut progress = self.progress.clone();
        let mut asking = true;
        let mut wanted = *progress.borrow_and_update();
        let mut again = retry_interval();
        let mut writing: OptionFuture<Sentinel> = None.into();
        let mut writes = false;
        loop {
            let unanswered = wanted.number > self.answered && !writes;
            tokio::select! {
                biased;
                message = stream.message() => match message {
                    Ok(Some(response)) => {
                        match self.deliver(response).await {
                            Ok(Some(progress)) if self.sentinel.is_none() && progress >= wanted.revision => {
                                self.answered = wanted.number;
                            }
                            Ok(_) => (),
                            Err(end) => return end,
                        }
                    }
                    Ok(None) => return End::Lost { reason: "etcd closed the watch".into(), transport: true },
                    Err(error) => return Failure::from(error).into(),
                },
                changed = progress.changed(), if asking => {
                    // The store may be gone while its watches go on.
                    asking = changed.is_ok();
                    wanted = *progress.borrow_and_update();
                    again.reset_immediately();
                }
                Some(written) = &mut writing, if writes => {
                    writes = false;
                    writing = None.into();
                    match written {
                        Ok(number) => {
                            self.answered = number;
                            // A request that came in between needs a write of its own.
                            again.reset_immediately();
                        }
                        Err(failure) => {
                            tracing::debug!(error = failure.message, "cannot write progress sentinel");
                            again.reset();
                        }
                    }
                }
                _ = again.tick(), if unanswered => match &self.sentinel {
                    Some(key) => {
                        writing = Some(write_sentinel(self.connections.clone(), key.clone(), wanted.number)).into();
                        writes = true;
                    }
                    None => {
                        if let Err(error) = stream.request_progress().await {
                            return Failure::from(error).into();
                        }
                    }
                },
            }
        }
    }

    /// Delivers what etcd sent, and gives the progress in it.
    async fn deliver(&mut self, mut response: WatchResponse) -> std::result::Result<Option<Revision>, End> {
        if response.compact_revision() != 0 {
            return Err(End::Failed(Error::Compacted { oldest: Some(response.compact_revision()) }));
        }
        if response.canceled() {
            let reason = response.cancel_reason().to_owned();
            return Err(if reason.contains("permission denied") || reason.contains("auth") {
                End::Failed(Error::Fatal(format!("etcd refused the watch: {reason}")))
            } else {
                End::Lost { reason: format!("etcd canceled the watch: {reason}"), transport: false }
            });
        }
        if response.created() {
            return Ok(None);
        }
        let header = response.header().map_or(0, |header| header.revision());
        let events = std::mem::take(&mut response.0.events);
        if events.is_empty() {
            // A member that lags behind the one before knows less than was already delivered.
            return if header + 1 >= self.next {
                self.send(vec![WatchEvent::Progress(header)]).await
            } else {
                Ok(None)
            };
        }
        let mut batch = Vec::with_capacity(events.len());
        let mut last = 0;
        for event in events {
            let Some(kv) = event.kv else { continue };
            let revision = kv.mod_revision;
            last = revision;
            if revision < self.next {
                continue;
            }
            let key = utf8_key(kv.key).map_err(End::Failed)?;
            if is_sentinel(&key) {
                if self.sentinel.as_ref() == Some(&key) {
                    batch.push(WatchEvent::Progress(revision));
                }
                continue;
            }
            if key >= self.range.end {
                continue;
            }
            let previous = event
                .prev_kv
                .map(|previous| {
                    Ok(KeyValue {
                        key: utf8_key(previous.key)?,
                        value: previous.value.into(),
                        create_revision: previous.create_revision,
                        mod_revision: previous.mod_revision,
                    })
                })
                .transpose()
                .map_err(End::Failed)?;
            // Both kinds come without a previous value only if it was compacted away before it could be read.
            let deleted = event.r#type == etcd_client::EventType::Delete as i32;
            if previous.is_none() && (deleted || kv.create_revision != revision) {
                self.send(batch).await?;
                return Err(End::Failed(Error::Compacted { oldest: None }));
            }
            batch.push(if deleted {
                WatchEvent::Delete { key, revision, previous }
            } else {
                let create_revision = kv.create_revision;
                let current = KeyValue { key, value: kv.value.into(), create_revision, mod_revision: revision };
                WatchEvent::Put { current, previous }
            });
        }
        // Without fragments a revision is never split over two answers.
        self.next = self.next.max(last + 1);
        self.reached = self.reached.max(last);
        self.send(batch).await
    }

    async fn send(&mut self, batch: Vec<WatchEvent>) -> std::result::Result<Option<Revision>, End> {
        let progress = match batch.last() {
            None => return Ok(None),
            Some(WatchEvent::Progress(revision)) => Some(*revision),
            Some(_) => None,
        };
        // What progress vouches for need not be asked again.
        self.next = self.next.max(progress.map_or(0, |revision| revision + 1));
        self.reached = self.reached.max(progress.unwrap_or(0));
        self.batches.send(Ok(batch)).await.map_err(|_| End::Unwatched)?;
        Ok(progress)
    }
}

fn retry_interval() -> Interval {
    let mut again = interval(PROGRESS_RETRY);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    again
}

fn write_sentinel(connections: Arc<Connections>, key: String, number: u64) -> Sentinel {
    Box::pin(async move {
        // Written twice it only makes progress twice.
        connections.once(|client| async move { client.kv().put(key, "", None).await }).await.map(|_| number)
    })
}
