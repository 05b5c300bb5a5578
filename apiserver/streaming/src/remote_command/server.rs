//! Serving a command's streams to a client over SPDY or WebSocket.

use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::Role as WebSocketRole;

use super::resize::Resizes;
use super::status::Status;
use super::{Options, SPDY_PROTOCOLS, STREAM_TYPE, V1, V2, V4, V5};
use crate::spdy::{Config, Connection, Role, Stream};
use crate::upgrade::{Rejection, accept_spdy, accept_websocket, is_websocket};
use crate::websocket::{Channel, ChannelKind, ChannelProtocol, Channels};
use crate::{Body, BoxRead, BoxWrite};

/// How long a SPDY client may take to open its streams, as upstream has it.
const STREAM_CREATION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the client may take to read the status.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

const BASE64_V4: &str = "base64.v4.channel.k8s.io";
const V4_BASE64: &str = "v4.base64.channel.k8s.io";
const BASE64_V1: &str = "base64.channel.k8s.io";
/// What WebSocket clients may ask for; nothing is as good as v1.
const WEBSOCKET_PROTOCOLS: [&str; 7] = [V5, V4, V4_BASE64, BASE64_V4, V1, BASE64_V1, ""];

/// Accepts a client's upgrade. Send the response, then await the streams.
///
/// # Errors
/// The request is no upgrade that is understood; the rejection is the answer.
pub fn serve<B>(request: &mut Request<B>, options: Options) -> Result<(Response<Body>, Pending), Rejection> {
    let websocket = is_websocket(request.headers());
    let accepted = if websocket {
        accept_websocket(request, &WEBSOCKET_PROTOCOLS)?
    } else {
        accept_spdy(request, &SPDY_PROTOCOLS)?
    };
    let pending = Pending { websocket, protocol: accepted.protocol, connection: accepted.connection, options };
    Ok((accepted.response, pending))
}

/// A client whose upgrade was accepted.
pub struct Pending {
    websocket: bool,
    protocol: String,
    connection: OnUpgrade,
    options: Options,
}

/// Why a client's streams did not come.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("connection was not upgraded: {0}")]
    Upgrade(#[from] hyper::Error),
    #[error("timed out waiting for client to create streams")]
    Timeout,
    #[error("client went away before it created its streams")]
    Gone,
}

impl Pending {
    /// Waits for the client's streams.
    ///
    /// # Errors
    /// The client goes away, or does not open the streams it asked for in 30 seconds.
    pub async fn streams(self) -> Result<ServerStreams, ServeError> {
        let io = TokioIo::new(self.connection.await?);
        if self.websocket {
            return Ok(websocket_streams(io, &self.protocol, self.options).await);
        }
        let connection = Connection::new(io, Role::Server, Config::default());
        match timeout(STREAM_CREATION_TIMEOUT, spdy_streams(connection, &self.protocol, self.options)).await {
            Ok(streams) => streams.ok_or(ServeError::Gone),
            Err(_) => Err(ServeError::Timeout),
        }
    }
}

/// The streams of one client. Only those it asked for are there.
pub struct ServerStreams {
    pub stdin: Option<BoxRead>,
    pub stdout: Option<BoxWrite>,
    pub stderr: Option<BoxWrite>,
    /// Sizes of the terminal, if there is one.
    pub resize: Option<Resizes>,
    /// Ends the command; the connection stays until then.
    pub status: StatusSender,
}

/// Tells the client how the command ended. Dropped without that, the connection just closes.
pub struct StatusSender {
    stream: BoxWrite,
    json: bool,
    connection: Transport,
}

enum Transport {
    Spdy(Connection),
    WebSocket(Channels),
}

impl StatusSender {
    /// Completes when the client is gone, to stop the command then.
    pub fn closed(&self) -> BoxFuture<'static, ()> {
        match &self.connection {
            Transport::Spdy(connection) => Box::pin(connection.watch_closed()),
            Transport::WebSocket(channels) => Box::pin(channels.watch_closed()),
        }
    }

    /// Sends the status after all that was written, closes the connection and waits until that is done, at most
    /// 10 seconds. All output must have been written before.
    pub async fn finish(mut self, status: Status) {
        let text = match (self.json, status.is_success()) {
            (true, _) => serde_json::to_vec(&status).unwrap_or_default(),
            (false, true) => Vec::new(),
            (false, false) => status.message.into_bytes(),
        };
        let told = async {
            if !text.is_empty() {
                self.stream.write_all(&text).await?;
            }
            self.stream.shutdown().await
        };
        if let Ok(Err(error)) = timeout(FINISH_TIMEOUT, told).await {
            tracing::debug!(%error, "client did not take the status");
        }
        let closed = self.closed();
        match &self.connection {
            Transport::Spdy(connection) => connection.close(),
            Transport::WebSocket(channels) => channels.close(),
        }
        // A client that does not read has had its time.
        let _ = timeout(FINISH_TIMEOUT, closed).await;
    }
}

async fn spdy_streams(connection: Connection, protocol: &str, options: Options) -> Option<ServerStreams> {
    let resizes = options.tty && protocol != V1 && protocol != V2;
    let wanted = [true, options.stdin, options.stdout, options.stderr, resizes];
    let mut missing = wanted.iter().filter(|wanted| **wanted).count();
    let (mut error, mut stdin, mut stdout, mut stderr, mut resize) = (None, None, None, None, None);
    while missing > 0 {
        let incoming = connection.accept().await?;
        let slot: &mut Option<Stream> = match incoming.headers().get(STREAM_TYPE) {
            "error" => &mut error,
            "stdin" => &mut stdin,
            "stdout" => &mut stdout,
            "stderr" => &mut stderr,
            "resize" => &mut resize,
            other => {
                tracing::debug!(stream_type = other, "unexpected stream type");
                continue;
            }
        };
        if slot.is_none() {
            missing -= 1;
        }
        *slot = Some(incoming.accept());
    }
    if protocol == V1
        && let Some(stdin) = &stdin
    {
        // Clients of v1 wait for the server to half-close stdin first.
        stdin.finish();
    }
    Some(ServerStreams {
        stdin: stdin.map(|stream| Box::new(stream) as BoxRead),
        stdout: stdout.map(|stream| Box::new(stream) as BoxWrite),
        stderr: stderr.map(|stream| Box::new(stream) as BoxWrite),
        resize: resize.map(|stream| Resizes::new(Box::new(stream))),
        status: StatusSender {
            stream: Box::new(error?),
            json: protocol == V4,
            connection: Transport::Spdy(connection),
        },
    })
}

async fn websocket_streams(io: impl crate::Io, protocol: &str, options: Options) -> ServerStreams {
    let read = |on| if on { ChannelKind::Read } else { ChannelKind::Ignore };
    let write = |on| if on { ChannelKind::Write } else { ChannelKind::Ignore };
    let kinds =
        [read(options.stdin), write(options.stdout), write(options.stderr), ChannelKind::Write, read(options.tty)];
    let channel_protocol = ChannelProtocol { base64: protocol.contains("base64"), close_signal: protocol == V5 };
    let (channels, ends) = Channels::new(io, WebSocketRole::Server, channel_protocol, &kinds).await;
    // The lowest channel that is written tells the client that the connection stands.
    let greeted = if options.stdout {
        1
    } else if options.stderr {
        2
    } else {
        3
    };
    if let Some(channel) = ends.get(greeted) {
        channel.greet();
    }
    let mut ends = ends.into_iter();
    let mut next = |on: bool| ends.next().filter(|_| on);
    let (stdin, stdout, stderr) = (next(options.stdin), next(options.stdout), next(options.stderr));
    let (error, resize) = (next(true), next(options.tty));
    ServerStreams {
        stdin: stdin.map(|channel| Box::new(channel) as BoxRead),
        stdout: stdout.map(boxed),
        stderr: stderr.map(boxed),
        resize: resize.map(|channel| Resizes::new(Box::new(channel))),
        status: StatusSender {
            stream: error.map_or_else(|| Box::new(tokio::io::sink()) as BoxWrite, boxed),
            json: matches!(protocol, V5 | V4 | V4_BASE64 | BASE64_V4),
            connection: Transport::WebSocket(channels),
        },
    }
}

fn boxed(channel: Channel) -> BoxWrite {
    Box::new(channel)
}
