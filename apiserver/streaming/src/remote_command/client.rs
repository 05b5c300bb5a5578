//! Running a command elsewhere: the client's ends of its streams.

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::Role as WebSocketRole;

use super::resize::TerminalSize;
use super::status::Status;
use super::{Options, SPDY_PROTOCOLS, STREAM_TYPE, V1, V2, V4, V5};
use crate::spdy::{self, Config, Connection, Headers, Role};
use crate::upgrade::{DialError, STREAM_PROTOCOL_VERSION, ask_spdy, ask_websocket, dial};
use crate::websocket::{ChannelKind, ChannelProtocol, Channels};
use crate::{BoxRead, BoxWrite, Io};

/// Longest status that is read.
const MAX_STATUS: u64 = 1 << 20;
/// How often upstream's clients ping.
const PING_PERIOD: std::time::Duration = std::time::Duration::from_secs(5);

/// The streams of one command. Only those that were asked for are there; the connection closes when all are dropped.
pub struct ClientStreams {
    /// `shutdown` gives the command the end of its input.
    pub stdin: Option<BoxWrite>,
    pub stdout: Option<BoxRead>,
    pub stderr: Option<BoxRead>,
    /// There for terminals, if the server knows it.
    pub resize: Option<ResizeSender>,
    pub status: StatusReceiver,
}

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("error creating stream: {0}")]
    Stream(#[from] spdy::Error),
}

/// Tells the size of the terminal.
pub struct ResizeSender(BoxWrite);

impl ResizeSender {
    /// Sends one size.
    ///
    /// # Errors
    /// The server is gone.
    pub async fn send(&mut self, size: TerminalSize) -> std::io::Result<()> {
        let mut json = serde_json::to_vec(&size).map_err(std::io::Error::other)?;
        json.push(b'\n');
        self.0.write_all(&json).await?;
        self.0.flush().await
    }
}

/// Learns how the command ended.
pub struct StatusReceiver {
    stream: BoxRead,
    json: bool,
}

impl StatusReceiver {
    /// Waits for the end of the command. A server of v4 or v5 that ends without a status is a failure: upstream's
    /// servers always send one, and its clients would take a crash for success.
    pub async fn receive(self) -> Status {
        let mut text = Vec::new();
        match self.stream.take(MAX_STATUS).read_to_end(&mut text).await {
            Err(error) if text.is_empty() => {
                Status::internal_error(&format!("error reading from error stream: {error}"))
            }
            _ if self.json && text.is_empty() => Status::internal_error("connection closed without a status"),
            _ if self.json => Status::from_json(&text),
            _ => Status::from_text(&text),
        }
    }
}

/// Starts a command over SPDY (v4, or older if the server knows no better). `request` has the URL, the method (POST
/// as upstream's) and what else the server wants to see; upgrade headers are set here.
///
/// # Errors
/// The server cannot be reached, does not upgrade, or refuses a stream.
pub async fn connect(io: impl Io, mut request: Request<()>, options: Options) -> Result<ClientStreams, ConnectError> {
    ask_spdy(request.headers_mut(), &SPDY_PROTOCOLS);
    let (response, io) = dial(io, request).await?;
    // A server that names no protocol speaks the first.
    let protocol = response.headers().get(STREAM_PROTOCOL_VERSION).and_then(|value| value.to_str().ok()).unwrap_or(V1);
    let config = Config { ping_period: Some(PING_PERIOD), ..Config::default() };
    let connection = Connection::new(io, Role::Client, config);
    let open = async |on: bool, kind: &str| match on {
        true => connection.open(Headers::from_iter([(STREAM_TYPE, kind)])).await.map(Some),
        false => Ok(None),
    };
    let error = connection.open(Headers::from_iter([(STREAM_TYPE, "error")])).await?;
    let stdin = open(options.stdin, "stdin").await?;
    let stdout = open(options.stdout, "stdout").await?;
    let stderr = open(options.stderr && !options.tty, "stderr").await?;
    let resize = open(options.tty && protocol != V1 && protocol != V2, "resize").await?;
    // Nothing is written to it.
    error.finish();
    Ok(ClientStreams {
        stdin: stdin.map(|stream| Box::new(stream) as BoxWrite),
        stdout: stdout.map(|stream| Box::new(stream) as BoxRead),
        stderr: stderr.map(|stream| Box::new(stream) as BoxRead),
        resize: resize.map(|stream| ResizeSender(Box::new(stream))),
        status: StatusReceiver { stream: Box::new(error), json: protocol == V4 },
    })
}

/// Starts a command over WebSocket v5, as kubectl does. The method is made GET.
///
/// # Errors
/// The server cannot be reached or does not upgrade.
pub async fn connect_websocket(
    io: impl Io,
    mut request: Request<()>,
    options: Options,
) -> Result<ClientStreams, ConnectError> {
    *request.method_mut() = http::Method::GET;
    ask_websocket(request.headers_mut(), &[V5]);
    let (_, io) = dial(io, request).await?;
    let read = |on| if on { ChannelKind::Read } else { ChannelKind::Ignore };
    let write = |on| if on { ChannelKind::Write } else { ChannelKind::Ignore };
    let stderr = options.stderr && !options.tty;
    let kinds = [write(options.stdin), read(options.stdout), read(stderr), ChannelKind::Read, write(options.tty)];
    let protocol = ChannelProtocol { base64: false, close_signal: true };
    let (_channels, ends) = Channels::new(io, WebSocketRole::Client, protocol, &kinds).await;
    let mut ends = ends.into_iter();
    let mut next = |on: bool| ends.next().filter(|_| on);
    let (stdin, stdout, stderr) = (next(options.stdin), next(options.stdout), next(stderr));
    let (error, resize) = (next(true), next(options.tty));
    Ok(ClientStreams {
        stdin: stdin.map(|channel| Box::new(channel) as BoxWrite),
        stdout: stdout.map(|channel| Box::new(channel) as BoxRead),
        stderr: stderr.map(|channel| Box::new(channel) as BoxRead),
        resize: resize.map(|channel| ResizeSender(Box::new(channel))),
        status: StatusReceiver {
            stream: error.map_or_else(|| Box::new(tokio::io::empty()) as BoxRead, |channel| Box::new(channel)),
            json: true,
        },
    })
}
