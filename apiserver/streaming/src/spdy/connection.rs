//! A multiplexed SPDY/3.1 connection over a byte stream, in either role.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::codec::{Frame, Limits, RstStatus};
use super::driver::run;
use super::headers::Headers;
use super::stream::Stream;
use crate::Io;
use crate::inbox::{End, Inbox};
use crate::outbox::{Outbox, channel};

/// How long a peer may take to answer a new stream or to close its side, as upstream waits.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Which end of the connection this is: clients open odd streams, servers even ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

/// Limits and timers of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub limits: Limits,
    /// Streams the peer may have open; further ones are refused.
    pub max_streams: usize,
    /// Bytes kept for a stream that is not read before the whole connection stops reading.
    pub stream_buffer: usize,
    /// Close when no frame came or went for so long.
    pub idle_timeout: Option<Duration>,
    /// Send a ping this often, to keep middle boxes from forgetting the connection.
    pub ping_period: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_streams: 1024,
            stream_buffer: 256 * 1024,
            idle_timeout: Some(Duration::from_secs(4 * 60 * 60)),
            ping_period: None,
        }
    }
}

/// Why a stream could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("SPDY connection is closed")]
    Closed,
    #[error("peer refused the stream (status {})", .0.0)]
    Refused(RstStatus),
    #[error("timed out waiting for the peer")]
    Timeout,
    #[error("no stream ids left")]
    Exhausted,
}

/// A SPDY connection.
///
/// Its tasks run until the peer goes away, `close` is called, or this and all its streams are dropped; what was
/// written before is flushed. When the peer closes with GOAWAY or a reset, readers see the end of their streams; when
/// the transport just ends, they see `UnexpectedEof`.
pub struct Connection {
    handle: Arc<Handle>,
    incoming: tokio::sync::Mutex<mpsc::UnboundedReceiver<Incoming>>,
}

impl Connection {
    /// Starts speaking SPDY over `io`. Must be called in a tokio runtime.
    pub fn new(io: impl Io, role: Role, config: Config) -> Self {
        let (outbox, drain) = channel();
        let (incoming_tx, incoming_rx) = mpsc::unbounded_channel();
        let core = Arc::new(Core {
            outbox,
            config,
            state: Mutex::new(State {
                streams: HashMap::new(),
                next_id: if role == Role::Client { 1 } else { 2 },
                last_remote_id: 0,
                remote_streams: 0,
                next_ping: if role == Role::Client { 1 } else { 2 },
                pings: HashMap::new(),
                goaway_received: false,
                closing: false,
            }),
            role,
            peer_has_windows: AtomicBool::new(false),
            active: Mutex::new(Instant::now()),
            closing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        });
        let handle = Arc::new(Handle(core.clone()));
        // The tasks must not keep the connection open, so new streams find the handle weakly.
        tokio::spawn(run(core, io, drain, Accept { handle: Arc::downgrade(&handle), tx: incoming_tx }));
        Self { handle, incoming: tokio::sync::Mutex::new(incoming_rx) }
    }

    /// Opens a stream and waits for the peer's reply.
    ///
    /// # Errors
    /// The connection is closed, or the peer resets the stream or does not answer in 30 seconds.
    pub async fn open(&self, headers: Headers) -> Result<Stream, Error> {
        let core = &self.handle.0;
        let (reply_tx, reply) = oneshot::channel();
        let stream = {
            // The id is taken and the frame queued under one lock: ids must rise on the wire.
            let mut state = core.state.lock();
            if state.closing || state.goaway_received || *core.closed.borrow() {
                return Err(Error::Closed);
            }
            let id = state.next_id;
            if id > 0x7fff_ffff {
                return Err(Error::Exhausted);
            }
            state.next_id += 2;
            let inner = Arc::new(StreamState::new(id, headers.clone(), core.config.stream_buffer));
            *inner.reply.lock() = Some(reply_tx);
            state.streams.insert(id, inner.clone());
            let (associated, priority, fin, unidirectional) = (0, 0, false, false);
            core.outbox.control(Frame::SynStream { stream: id, associated, priority, fin, unidirectional, headers });
            Stream::new(inner, self.handle.clone())
        };
        match timeout(REPLY_TIMEOUT, reply).await {
            Ok(Ok(Ok(()))) => Ok(stream),
            Ok(Ok(Err(status))) => Err(Error::Refused(status)),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Timeout),
        }
    }

    /// Waits for a stream the peer opens; `None` when the connection is over. Safe to cancel.
    pub async fn accept(&self) -> Option<Incoming> {
        self.incoming.lock().await.recv().await
    }

    /// Measures a round trip.
    ///
    /// # Errors
    /// The connection closed, or no answer in 30 seconds.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        let (tx, rx) = oneshot::channel();
        self.handle.0.send_ping(Some(tx));
        match timeout(REPLY_TIMEOUT, rx).await {
            Ok(Ok(())) => Ok(start.elapsed()),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Timeout),
        }
    }

    /// Resets the streams that are open, says GOAWAY and closes, after what was written so far.
    pub fn close(&self) {
        self.handle.0.begin_close();
    }

    /// Completes when nothing can be sent or received any more.
    pub async fn closed(&self) {
        self.handle.0.closed().await;
    }

    /// A future of `closed` that does not hold the connection open.
    pub fn watch_closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let core = self.handle.0.clone();
        async move { core.closed().await }
    }
}

/// A stream the peer asks for. Dropping it refuses the stream.
pub struct Incoming(Stream);

impl Incoming {
    /// The headers the peer sent.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        self.0.headers()
    }

    /// Answers the peer and takes the stream.
    #[must_use]
    pub fn accept(self) -> Stream {
        self.0.reply();
        self.0
    }
}

/// Shared by the connection and its streams; the last one dropped closes the connection.
pub(super) struct Handle(pub(super) Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

pub(super) struct Core {
    pub(super) outbox: Outbox<Frame>,
    pub(super) config: Config,
    /// The peer has spoken of windows, so it may wait for them to be updated.
    pub(super) peer_has_windows: AtomicBool,
    state: Mutex<State>,
    role: Role,
    pub(super) active: Mutex<Instant>,
    closing: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

struct State {
    streams: HashMap<u32, Arc<StreamState>>,
    next_id: u32,
    last_remote_id: u32,
    remote_streams: usize,
    next_ping: u32,
    pings: HashMap<u32, oneshot::Sender<()>>,
    goaway_received: bool,
    closing: bool,
}

/// One stream, as the connection sees it.
pub(super) struct StreamState {
    pub(super) id: u32,
    pub(super) headers: Headers,
    pub(super) inbox: Inbox,
    pub(super) local_done: AtomicBool,
    pub(super) remote_done: AtomicBool,
    /// Bytes read and not yet given back by a WINDOW_UPDATE.
    pub(super) unacknowledged: AtomicU32,
    reply: Mutex<Option<oneshot::Sender<Result<(), RstStatus>>>>,
}

impl StreamState {
    fn new(id: u32, headers: Headers, buffer: usize) -> Self {
        Self {
            id,
            headers,
            inbox: Inbox::new(buffer),
            local_done: AtomicBool::new(false),
            remote_done: AtomicBool::new(false),
            unacknowledged: AtomicU32::new(0),
            reply: Mutex::new(None),
        }
    }
}

/// Makes streams of the peer's requests.
pub(super) struct Accept {
    handle: std::sync::Weak<Handle>,
    tx: mpsc::UnboundedSender<Incoming>,
}

impl Core {
    async fn closed(&self) {
        // The sender lives as long as `self`, so an error cannot be.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Completes when this side has been closing for `grace`.
    pub(super) async fn closing_for(&self, grace: Duration) {
        // The sender lives as long as `self`, so an error cannot be.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
        tokio::time::sleep(grace).await;
    }

    fn is_local(&self, id: u32) -> bool {
        (id % 2 == 1) == (self.role == Role::Client)
    }

    /// Forgets a stream; frames for it are dropped from now on.
    pub(super) fn remove(&self, id: u32) {
        let mut state = self.state.lock();
        if state.streams.remove(&id).is_some() && !self.is_local(id) {
            state.remote_streams -= 1;
        }
    }

    fn stream(&self, id: u32) -> Option<Arc<StreamState>> {
        self.state.lock().streams.get(&id).cloned()
    }

    pub(super) fn send_ping(&self, answer: Option<oneshot::Sender<()>>) {
        let mut state = self.state.lock();
        let id = state.next_ping;
        state.next_ping = if id > 0x7fff_fffd { if self.role == Role::Client { 1 } else { 2 } } else { id + 2 };
        if let Some(answer) = answer
            && !*self.closed.borrow()
        {
            state.pings.insert(id, answer);
        }
        self.outbox.control(Frame::Ping { id });
    }

    pub(super) fn begin_close(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.closing, true) {
            return;
        }
        for stream in state.streams.values() {
            if !stream.local_done.swap(true, Ordering::AcqRel) {
                self.outbox.control(Frame::RstStream { stream: stream.id, status: RstStatus::CANCEL });
            }
            stream.inbox.finish(End::Eof);
        }
        self.outbox.control(Frame::GoAway { last_good_stream: state.last_remote_id, status: 0 });
        self.outbox.close();
        self.closing.send_replace(true);
    }

    /// Ends all streams: nothing comes any more.
    pub(super) fn end(&self) {
        let streams = {
            let mut state = self.state.lock();
            state.pings.clear();
            state.remote_streams = 0;
            let end = if state.goaway_received || state.closing { End::Eof } else { End::Lost };
            state.closing = true;
            (std::mem::take(&mut state.streams), end)
        };
        for stream in streams.0.values() {
            stream.local_done.store(true, Ordering::Release);
            stream.inbox.finish(streams.1);
            stream.reply.lock().take();
        }
        self.closed.send_replace(true);
    }

    pub(super) fn touch(&self) {
        *self.active.lock() = Instant::now();
    }

    pub(super) async fn handle(&self, frame: Frame, accept: &Accept) {
        match frame {
            Frame::SynStream { stream, fin, unidirectional, headers, .. } => {
                self.syn_stream(stream, fin, unidirectional, headers, accept);
            }
            Frame::SynReply { stream, fin, .. } => {
                if let Some(stream) = self.stream(stream) {
                    if let Some(reply) = stream.reply.lock().take() {
                        // Nobody waits any more: the opener gave up.
                        let _ = reply.send(Ok(()));
                    }
                    if fin {
                        self.remote_finished(&stream);
                    }
                }
            }
            Frame::RstStream { stream, status } => {
                if let Some(stream) = self.stream(stream) {
                    stream.local_done.store(true, Ordering::Release);
                    stream.remote_done.store(true, Ordering::Release);
                    if let Some(reply) = stream.reply.lock().take() {
                        let _ = reply.send(Err(status));
                    }
                    stream.inbox.finish(End::Eof);
                    self.remove(stream.id);
                }
            }
            Frame::Data { stream, fin, data } => {
                // Data of a stream that is gone is dropped, as peers do: a reset may have crossed it.
                if let Some(stream) = self.stream(stream) {
                    stream.inbox.push(data).await;
                    if fin {
                        self.remote_finished(&stream);
                    }
                }
            }
            Frame::Headers { stream, fin, .. } => {
                if fin && let Some(stream) = self.stream(stream) {
                    self.remote_finished(&stream);
                }
            }
            Frame::Ping { id } if self.is_local(id) => {
                if let Some(answer) = self.state.lock().pings.remove(&id) {
                    let _ = answer.send(());
                }
            }
            Frame::Ping { id } => {
                self.outbox.control(Frame::Ping { id });
            }
            Frame::GoAway { .. } => self.state.lock().goaway_received = true,
            Frame::Settings { .. } | Frame::WindowUpdate { .. } => self.peer_has_windows.store(true, Ordering::Relaxed),
        }
    }

    fn syn_stream(&self, id: u32, fin: bool, unidirectional: bool, headers: Headers, accept: &Accept) {
        let Some(handle) = accept.handle.upgrade() else { return };
        let stream = {
            let mut state = self.state.lock();
            if state.closing {
                return;
            }
            let status = if self.is_local(id) || id <= state.last_remote_id {
                RstStatus::PROTOCOL_ERROR
            } else if state.remote_streams >= self.config.max_streams {
                RstStatus::REFUSED_STREAM
            } else {
                RstStatus(0)
            };
            state.last_remote_id = state.last_remote_id.max(if self.is_local(id) { 0 } else { id });
            if status != RstStatus(0) {
                self.outbox.control(Frame::RstStream { stream: id, status });
                return;
            }
            let stream = Arc::new(StreamState::new(id, headers, self.config.stream_buffer));
            stream.local_done.store(unidirectional, Ordering::Release);
            state.streams.insert(id, stream.clone());
            state.remote_streams += 1;
            stream
        };
        if fin {
            self.remote_finished(&stream);
        }
        // Without a receiver the stream is dropped here, which refuses it.
        let _ = accept.tx.send(Incoming(Stream::new(stream, handle)));
    }

    fn remote_finished(&self, stream: &StreamState) {
        stream.remote_done.store(true, Ordering::Release);
        stream.inbox.finish(End::Eof);
        if stream.local_done.load(Ordering::Acquire) {
            self.remove(stream.id);
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
