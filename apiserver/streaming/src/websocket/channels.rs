//! The `channel.k8s.io` subprotocols: each message starts with the number of the channel it is for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::Io;
use crate::inbox::{End, Inbox};
use crate::outbox::{DataWriter, Drain, Outbox, TryNext, channel};

/// Channel number that announces the end of another channel (v5).
const CLOSE_SIGNAL: u8 = 255;
/// Bytes kept for a channel that is not read before the whole connection stops reading.
const BUFFER: usize = 256 * 1024;
/// How long the peer may take to close its side.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Bytes written before a flush.
const WRITE_BATCH: usize = 64 * 1024;

/// How messages look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelProtocol {
    /// Text messages: the channel as a digit, the rest in base64.
    pub base64: bool,
    /// The peer may half-close a channel with a message of 255 and its number.
    pub close_signal: bool,
}

/// What the local side does with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Neither read nor written: what comes is dropped, what is written goes nowhere.
    Ignore,
    Read,
    Write,
    ReadWrite,
}

/// A WebSocket connection of channels. It closes normally when this and all channels are dropped, after what was
/// written.
pub struct Channels {
    handle: Arc<Handle>,
}

impl Channels {
    /// Wraps an upgraded connection whose handshake is done; gives one channel per kind, numbered from 0.
    pub async fn new(
        io: impl Io,
        role: Role,
        protocol: ChannelProtocol,
        kinds: &[ChannelKind],
    ) -> (Self, Vec<Channel>) {
        let socket = WebSocketStream::from_raw_socket(io, role, Some(super::config())).await;
        let (outbox, drain) = channel();
        let handle = Arc::new(Handle(Arc::new(Core {
            outbox,
            protocol,
            role,
            closing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        })));
        let channels: Vec<Channel> = kinds
            .iter()
            .enumerate()
            .map(|(number, kind)| {
                let inbox = Arc::new(Inbox::new(BUFFER));
                if !matches!(kind, ChannelKind::Read | ChannelKind::ReadWrite) {
                    inbox.finish(End::Eof);
                }
                Channel {
                    number: number as u8,
                    writes: matches!(kind, ChannelKind::Write | ChannelKind::ReadWrite),
                    inbox,
                    writer: handle.0.outbox.writer(),
                    finished: false,
                    handle: handle.clone(),
                }
            })
            .collect();
        let inboxes = channels.iter().map(|channel| channel.inbox.clone()).collect();
        tokio::spawn(run(handle.0.clone(), socket, drain, inboxes));
        (Self { handle }, channels)
    }

    /// Closes the connection after what was written.
    pub fn close(&self) {
        self.handle.0.begin_close();
    }

    /// Completes when nothing can be sent or received any more; does not hold the connection open.
    pub fn watch_closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let core = self.handle.0.clone();
        // The sender lives as long as `core`, so an error cannot be.
        async move { drop(core.closed.subscribe().wait_for(|closed| *closed).await) }
    }
}

/// One channel. `shutdown` half-closes it where the protocol knows that.
pub struct Channel {
    number: u8,
    writes: bool,
    inbox: Arc<Inbox>,
    writer: DataWriter<Message>,
    finished: bool,
    handle: Arc<Handle>,
}

impl Channel {
    /// Sends an empty message, which tells a client that the connection stands.
    pub fn greet(&self) {
        let core = &self.handle.0;
        core.outbox.control(message(core.protocol, self.number, &[]));
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.inbox.poll_read(cx, buf))?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !self.writes {
            return Poll::Ready(Ok(data.len()));
        }
        let (protocol, number) = (self.handle.0.protocol, self.number);
        self.writer.poll_write(cx, data, |piece| Some(message(protocol, number, piece)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let core = &self.handle.0;
        // Only clients say so: kubectl would take the signal of a server for an unknown channel.
        if !self.finished && self.writes && core.protocol.close_signal && core.role == Role::Client {
            core.outbox.control(Message::Binary(Bytes::copy_from_slice(&[CLOSE_SIGNAL, self.number])));
        }
        self.finished = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.inbox.discard();
    }
}

/// Shared by the connection and its channels; the last one dropped closes the connection.
struct Handle(Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

struct Core {
    outbox: Outbox<Message>,
    protocol: ChannelProtocol,
    role: Role,
    closing: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

impl Core {
    fn begin_close(&self) {
        self.outbox.close();
        self.closing.send_replace(true);
    }

    /// Completes when this side has been closing for `grace`.
    async fn closing_for(&self, grace: Duration) {
        // The sender lives as long as `self`, so an error cannot be.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
        tokio::time::sleep(grace).await;
    }
}

fn message(protocol: ChannelProtocol, number: u8, data: &[u8]) -> Message {
    if protocol.base64 {
        let mut text = String::with_capacity(1 + data.len().div_ceil(3) * 4);
        text.push(char::from(b'0' + number));
        STANDARD.encode_string(data, &mut text);
        return Message::Text(text.into());
    }
    let mut bytes = BytesMut::with_capacity(1 + data.len());
    bytes.put_u8(number);
    bytes.extend_from_slice(data);
    Message::Binary(bytes.freeze())
}

async fn run<T: Io>(core: Arc<Core>, socket: WebSocketStream<T>, drain: Drain<Message>, inboxes: Vec<Arc<Inbox>>) {
    let (sink, stream) = socket.split();
    let finish = |end| inboxes.iter().for_each(|inbox| inbox.finish(end));
    let mut reader = std::pin::pin!(read(stream, core.protocol, &inboxes));
    let mut writer = std::pin::pin!(write(sink, drain));
    tokio::select! {
        end = &mut reader => {
            finish(end);
            core.closed.send_replace(true);
            core.outbox.close();
            let _ = timeout(CLOSE_GRACE, writer).await;
        }
        result = &mut writer => {
            if result.is_ok() {
                // Closed by us: nobody reads any more.
                finish(End::Eof);
            }
            // If writing failed, what the peer sent before it went away is still to be read. After a close the rest is
            // read too: closing a socket with unread bytes resets it, which could cost the peer our last ones.
            tokio::select! {
                end = &mut reader => finish(end),
                () = core.closing_for(CLOSE_GRACE) => finish(End::Lost),
            }
            core.closed.send_replace(true);
        }
    }
}

async fn read<T: Io>(
    mut stream: SplitStream<WebSocketStream<T>>,
    protocol: ChannelProtocol,
    inboxes: &[Arc<Inbox>],
) -> End {
    while let Some(message) = stream.next().await {
        let data = match message {
            Ok(Message::Binary(data)) => data,
            Ok(Message::Text(text)) => Bytes::from(text),
            Ok(Message::Close(_)) => return End::Eof,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Err(error) => {
                tracing::debug!(%error, "WebSocket connection ends");
                return End::Lost;
            }
        };
        let Some((&number, rest)) = data.split_first() else { continue };
        if protocol.close_signal && number == CLOSE_SIGNAL {
            match rest {
                [number] if usize::from(*number) < inboxes.len() => inboxes[usize::from(*number)].finish(End::Eof),
                _ => {
                    tracing::debug!("close signal for no channel");
                    return End::Lost;
                }
            }
            continue;
        }
        let number = if protocol.base64 { number.wrapping_sub(b'0') } else { number };
        // Upstream drops what is for no channel.
        let Some(inbox) = inboxes.get(usize::from(number)) else { continue };
        if protocol.base64 {
            match STANDARD.decode(rest) {
                Ok(decoded) => inbox.push(decoded.into()).await,
                Err(error) => tracing::debug!(%error, "message is not base64"),
            }
        } else {
            inbox.push(data.slice(1..)).await;
        }
    }
    End::Lost
}

async fn write<T: Io>(
    mut sink: SplitSink<WebSocketStream<T>, Message>,
    mut drain: Drain<Message>,
) -> Result<(), Error> {
    let mut open = true;
    while open && let Some(first) = drain.next().await {
        let mut fed = first.frame.len();
        sink.feed(first.frame).await?;
        while fed < WRITE_BATCH {
            match drain.try_next() {
                TryNext::Frame(taken) => {
                    fed += taken.frame.len();
                    sink.feed(taken.frame).await?;
                }
                TryNext::Empty => break,
                TryNext::Closed => {
                    open = false;
                    break;
                }
            }
        }
        sink.flush().await?;
    }
    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    // A peer that is gone already has nothing to be told.
    let _ = sink.send(Message::Close(Some(normal))).await;
    Ok(())
}
