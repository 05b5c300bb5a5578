//! Serving port-forward over SPDY, SPDY tunnelled through WebSocket, and WebSocket channels.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::Role as WebSocketRole;

use super::{DATA, ERROR, PORT, REQUEST_ID, STREAM_TYPE, V1};
use crate::spdy::{Config, Headers, Incoming, Role, Stream};
use crate::upgrade::{Rejection, accept_spdy, accept_websocket, is_websocket, websocket_protocols};
use crate::websocket::{Channel, ChannelKind, ChannelProtocol, Channels, TUNNEL_PREFIX, Tunnel, tunnelled_protocol};
use crate::{Body, BoxIo, BoxWrite, Io, spdy};

/// How long a client may take to open the second stream of a pair, as upstream has it.
const STREAM_CREATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Two channels for each port, whose number is a byte.
const MAX_WEBSOCKET_PORTS: usize = 127;
const WEBSOCKET_PROTOCOLS: [&str; 4] =
    ["v4.channel.k8s.io", "v4.base64.channel.k8s.io", "base64.v4.channel.k8s.io", ""];

/// Accepts a client's upgrade. Send the response, then await the server. WebSocket clients name their ports in the
/// query (`port=80&port=443` or `port=80,443`).
///
/// # Errors
/// The request is no upgrade that is understood; the rejection is the answer.
pub fn serve<B>(request: &mut Request<B>) -> Result<(Response<Body>, Pending), Rejection> {
    if !is_websocket(request.headers()) {
        let accepted = accept_spdy(request, &[V1])?;
        return Ok((accepted.response, Pending { connection: accepted.connection, transport: Transport::Spdy }));
    }
    let tunnelled = websocket_protocols(request.headers()).iter().any(|p| tunnelled_protocol(p).is_some());
    if tunnelled {
        let accepted = accept_websocket(request, &[&format!("{TUNNEL_PREFIX}{V1}")])?;
        return Ok((accepted.response, Pending { connection: accepted.connection, transport: Transport::Tunnel }));
    }
    let ports = ports_of_query(request.uri().query().unwrap_or_default())?;
    let accepted = accept_websocket(request, &WEBSOCKET_PROTOCOLS)?;
    let protocol = ChannelProtocol { base64: accepted.protocol.contains("base64"), close_signal: false };
    let transport = Transport::Channels { ports, protocol };
    Ok((accepted.response, Pending { connection: accepted.connection, transport }))
}

fn ports_of_query(query: &str) -> Result<Vec<u16>, Rejection> {
    let bad = |message: String| Rejection::new(StatusCode::BAD_REQUEST, message);
    let mut ports = Vec::new();
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| *name == PORT);
    for (_, value) in values {
        if value.is_empty() {
            return Err(bad(format!("query parameter {PORT:?} cannot be empty")));
        }
        for port in value.replace("%2C", ",").replace("%2c", ",").split(',') {
            ports.push(parse_port(port).map_err(bad)?);
        }
    }
    match ports.len() {
        0 => Err(bad(format!("query parameter {PORT:?} is required"))),
        n if n > MAX_WEBSOCKET_PORTS => Err(bad(format!("at most {MAX_WEBSOCKET_PORTS} ports can be forwarded"))),
        _ => Ok(ports),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(0) => Err(format!("port {text:?} must be > 0")),
        Ok(port) => Ok(port),
        Err(error) => Err(format!("unable to parse {text:?} as a port: {error}")),
    }
}

/// A client whose upgrade was accepted.
pub struct Pending {
    connection: OnUpgrade,
    transport: Transport,
}

enum Transport {
    Spdy,
    Tunnel,
    Channels { ports: Vec<u16>, protocol: ChannelProtocol },
}

/// Why a client's connection did not come.
#[derive(Debug, thiserror::Error)]
#[error("connection was not upgraded: {0}")]
pub struct ServeError(#[from] hyper::Error);

impl Pending {
    /// Waits for the client's connection.
    ///
    /// # Errors
    /// The client goes away.
    pub async fn connections(self) -> Result<Server, ServeError> {
        let io = TokioIo::new(self.connection.await?);
        Ok(match self.transport {
            Transport::Spdy => Server::spdy(io),
            Transport::Tunnel => Server::spdy(Tunnel::new(io, WebSocketRole::Server).await),
            Transport::Channels { ports, protocol } => Server::channels(io, protocol, &ports).await,
        })
    }
}

/// One client, that may forward many connections.
pub struct Server(Inner);

enum Inner {
    Spdy { connection: spdy::Connection, pairs: HashMap<String, Half> },
    Channels { _channels: Channels, waiting: std::vec::IntoIter<Connection>, closed: BoxFuture<'static, ()> },
}

/// A pair of streams of which one has come.
struct Half {
    stream: Stream,
    is_error: bool,
    deadline: Instant,
}

impl Server {
    fn spdy(io: impl Io) -> Self {
        let connection = spdy::Connection::new(io, Role::Server, Config::default());
        Self(Inner::Spdy { connection, pairs: HashMap::new() })
    }

    async fn channels(io: impl Io, protocol: ChannelProtocol, ports: &[u16]) -> Self {
        let kinds: Vec<_> = ports.iter().flat_map(|_| [ChannelKind::ReadWrite, ChannelKind::Write]).collect();
        let (channels, ends) = Channels::new(io, WebSocketRole::Server, protocol, &kinds).await;
        let mut ends = ends.into_iter();
        let mut connections = Vec::new();
        for port in ports {
            let (Some(mut data), Some(mut error)) = (ends.next(), ends.next()) else { break };
            for channel in [&mut data, &mut error] {
                announce(channel, *port).await;
            }
            let error = ErrorStream::Channel(Box::new(error));
            connections.push(Connection { port: *port, data: Box::new(data), error });
        }
        let closed = Box::pin(channels.watch_closed());
        Self(Inner::Channels { _channels: channels, waiting: connections.into_iter(), closed })
    }

    /// Waits for the next connection the client forwards; `None` when the client is gone. Safe to cancel.
    pub async fn accept(&mut self) -> Option<Connection> {
        match &mut self.0 {
            Inner::Channels { waiting, closed, .. } => match waiting.next() {
                Some(connection) => Some(connection),
                None => {
                    closed.await;
                    None
                }
            },
            Inner::Spdy { connection, pairs } => loop {
                let deadline = pairs.values().map(|half| half.deadline).min();
                let incoming = tokio::select! {
                    incoming = connection.accept() => incoming?,
                    () = expire(deadline) => {
                        drop_expired(pairs).await;
                        continue;
                    }
                };
                if let Some(connection) = pair(incoming, pairs).await {
                    return Some(connection);
                }
            },
        }
    }
}

/// Both channels of a port start with its number, in little endian.
async fn announce(channel: &mut Channel, port: u16) {
    // A client that is gone is seen by `accept`.
    let _ = channel.write_all(&port.to_le_bytes()).await;
}

async fn expire(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn drop_expired(pairs: &mut HashMap<String, Half>) {
    let now = Instant::now();
    let expired: Vec<String> =
        pairs.iter().filter(|(_, half)| half.deadline <= now).map(|(id, _)| id.clone()).collect();
    for id in expired {
        if let Some(half) = pairs.remove(&id)
            && half.is_error
        {
            tell(half.stream, &format!("(request={id}) timed out waiting for streams")).await;
        }
    }
}

/// Writes an error without waiting longer than a moment for a client that does not read.
async fn tell(mut stream: Stream, message: &str) {
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(message.as_bytes())).await;
    stream.finish();
}

/// Takes a stream; gives the connection once both of its streams are there. Streams with bad headers are refused.
async fn pair(incoming: Incoming, pairs: &mut HashMap<String, Half>) -> Option<Connection> {
    let headers = incoming.headers();
    let kind = headers.get(STREAM_TYPE).to_owned();
    let port = match parse_port(headers.get(PORT)) {
        Ok(port) if kind == ERROR || kind == DATA => port,
        Ok(_) => {
            tracing::debug!(kind, "stream refused: invalid stream type");
            return None;
        }
        Err(error) => {
            tracing::debug!(error, "stream refused");
            return None;
        }
    };
    let id = headers.get(REQUEST_ID).to_owned();
    let stream = incoming.accept();
    let is_error = kind == ERROR;
    // Old clients give no request id; they open the data stream right after the error stream.
    let id = match (id.is_empty(), is_error) {
        (false, _) => id,
        (true, true) => stream.id().to_string(),
        (true, false) => stream.id().saturating_sub(2).to_string(),
    };
    let Some(other) = pairs.remove(&id) else {
        pairs.insert(id, Half { stream, is_error, deadline: Instant::now() + STREAM_CREATION_TIMEOUT });
        return None;
    };
    if other.is_error == is_error {
        let message = format!("error processing stream for request {id}: {kind} stream already assigned");
        if is_error {
            tell(stream, &message).await;
        }
        pairs.insert(id, other);
        return None;
    }
    let (error, data) = if is_error { (stream, other.stream) } else { (other.stream, stream) };
    Some(Connection { port, data: Box::new(data), error: ErrorStream::Spdy(error) })
}

/// One forwarded connection. Shut `data` down when the port's side ends.
pub struct Connection {
    pub port: u16,
    pub data: BoxIo,
    error: ErrorStream,
}

enum ErrorStream {
    Spdy(Stream),
    Channel(BoxWrite),
}

impl Drop for ErrorStream {
    fn drop(&mut self) {
        if let Self::Spdy(stream) = self {
            // Clients wait for its end; without a message all went well.
            stream.finish();
        }
    }
}

impl Connection {
    /// Tells the client why forwarding failed and ends the connection.
    pub async fn fail(mut self, message: &str) {
        let told = async {
            match &mut self.error {
                ErrorStream::Spdy(stream) => stream.write_all(message.as_bytes()).await,
                ErrorStream::Channel(stream) => stream.write_all(message.as_bytes()).await,
            }
        };
        // A client that is gone or does not read is not told.
        let _ = tokio::time::timeout(STREAM_CREATION_TIMEOUT, told).await;
    }

    /// Copies between the client and `target` until both ended, and tells the client of an error.
    pub async fn forward(mut self, mut target: impl Io) {
        if let Err(error) = tokio::io::copy_bidirectional(&mut self.data, &mut target).await {
            let port = self.port;
            self.fail(&format!("error forwarding port {port}: {error}")).await;
        }
    }
}

/// The headers of a pair's stream.
pub(super) fn headers(kind: &str, port: u16, id: u64) -> Headers {
    Headers::from_iter([(STREAM_TYPE, kind.to_owned()), (PORT, port.to_string()), (REQUEST_ID, id.to_string())])
}
