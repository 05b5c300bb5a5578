//! Remote command and port-forward streams: SPDY/3.1, WebSocket channels and upgrade proxying.

mod inbox;
mod outbox;
pub mod port_forward;
pub mod proxy;
pub mod remote_command;
pub mod spdy;
pub mod upgrade;
pub mod websocket;

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream that connections are made over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// The reading end of one stream.
pub type BoxRead = Box<dyn AsyncRead + Send + Unpin>;
/// The writing end of one stream; `shutdown` half-closes it.
pub type BoxWrite = Box<dyn AsyncWrite + Send + Unpin>;
/// A two-way stream.
pub type BoxIo = Box<dyn Io>;
/// The body of every response this crate makes.
pub type Body = http_body_util::Full<bytes::Bytes>;
