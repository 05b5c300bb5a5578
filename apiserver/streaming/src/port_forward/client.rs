//! Forwarding to a server: each connection is a pair of SPDY streams.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Request;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::protocol::Role as WebSocketRole;

use super::server::headers;
use super::{DATA, ERROR, V1};
use crate::spdy::{self, Config, Connection, Role, Stream};
use crate::upgrade::{DialError, ask_spdy, ask_websocket, dial};
use crate::websocket::{TUNNEL_PREFIX, Tunnel};
use crate::{BoxIo, Io};

/// Longest error that is read.
const MAX_ERROR: u64 = 64 * 1024;
/// How often upstream's clients ping.
const PING_PERIOD: std::time::Duration = std::time::Duration::from_secs(10);

/// A connection to a server that forwards.
pub struct Client {
    connection: Connection,
    next_id: AtomicU64,
}

/// Why forwarding could not start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Dial(#[from] DialError),
}

/// Connects over SPDY. `request` has the URL, the method (POST as upstream's) and what else the server wants to see.
///
/// # Errors
/// The server cannot be reached or does not upgrade.
pub async fn connect(io: impl Io, mut request: Request<()>) -> Result<Client, ConnectError> {
    ask_spdy(request.headers_mut(), &[V1]);
    let (_, io) = dial(io, request).await?;
    Ok(Client::new(io))
}

/// Connects over SPDY tunnelled through WebSocket, as kubectl does from 1.31 on. The method is made GET.
///
/// # Errors
/// The server cannot be reached or does not upgrade.
pub async fn connect_tunnelled(io: impl Io, mut request: Request<()>) -> Result<Client, ConnectError> {
    *request.method_mut() = http::Method::GET;
    ask_websocket(request.headers_mut(), &[&format!("{TUNNEL_PREFIX}{V1}")]);
    let (_, io) = dial(io, request).await?;
    Ok(Client::new(Tunnel::new(io, WebSocketRole::Client).await))
}

impl Client {
    fn new(io: impl Io) -> Self {
        let config = Config { ping_period: Some(PING_PERIOD), ..Config::default() };
        Self { connection: Connection::new(io, Role::Client, config), next_id: AtomicU64::new(0) }
    }

    /// Forwards one connection to `port`.
    ///
    /// # Errors
    /// The server is gone or refuses.
    pub async fn open(&self, port: u16) -> Result<ClientConnection, spdy::Error> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let error = self.connection.open(headers(ERROR, port, id)).await?;
        // Nothing is written to it.
        error.finish();
        let data = self.connection.open(headers(DATA, port, id)).await?;
        Ok(ClientConnection { data: Box::new(data), error })
    }

    /// Completes when the server is gone.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }
}

/// One forwarded connection.
pub struct ClientConnection {
    pub data: BoxIo,
    error: Stream,
}

impl ClientConnection {
    /// Takes both apart, to copy data and learn of the error at the same time.
    pub fn split(self) -> (BoxIo, impl Future<Output = Option<String>> + Send + 'static) {
        (self.data, read_error(self.error))
    }

    /// Waits until the server is done with this connection; gives the error if it failed.
    pub async fn error(self) -> Option<String> {
        let _data = self.data;
        read_error(self.error).await
    }
}

async fn read_error(error: Stream) -> Option<String> {
    let mut message = Vec::new();
    // What was read counts, even if the connection was lost after it.
    let _ = error.take(MAX_ERROR).read_to_end(&mut message).await;
    (!message.is_empty()).then(|| String::from_utf8_lossy(&message).into_owned())
}
