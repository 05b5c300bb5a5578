//! A byte stream as the messages of a WebSocket connection, one way: how browsers follow logs.
//!
//! Source: `k8s.io/streaming/pkg/httpstream/wsstream` (its Reader).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt};
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::Body;
use crate::upgrade::{Rejection, accept_websocket};

const BINARY: &str = "binary.k8s.io";
const BASE64: &str = "base64.binary.k8s.io";
/// Most bytes of one message.
const MAX_PIECE: usize = 2048;

/// Accepts a client's WebSocket and sends it what the stream yields: an empty message first, which tells that the
/// connection stands, then the bytes, then a normal close. What the client sends is ignored; its close ends the stream.
///
/// # Errors
/// The request asks for no WebSocket that is understood; the rejection is the answer.
pub fn serve_reader<B, S, E>(request: &mut Request<B>, stream: S) -> Result<Response<Body>, Rejection>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: std::fmt::Display + Send,
{
    let accepted = accept_websocket(request, &["", BINARY, BASE64])?;
    let base64 = accepted.protocol == BASE64;
    tokio::spawn(async move {
        let sent = match accepted.connection.await {
            Ok(io) => {
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, Some(super::config()));
                send(socket.await, stream, base64).await
            }
            Err(error) => Err(Error::Io(std::io::Error::other(error))),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "WebSocket reader ends");
        }
    });
    Ok(accepted.response)
}

async fn send<T: crate::Io, S, E>(socket: WebSocketStream<T>, mut stream: S, base64: bool) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let message = |piece: &[u8]| match base64 {
        true => Message::Text(STANDARD.encode(piece).into()),
        false => Message::Binary(Bytes::copy_from_slice(piece)),
    };
    let (mut sink, mut incoming) = socket.split();
    let client_closed = async { while let Some(Ok(_)) = incoming.next().await {} };
    let writing = async {
        sink.send(message(&[])).await?;
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => {
                    for piece in chunk.chunks(MAX_PIECE) {
                        sink.send(message(piece)).await?;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "source of a WebSocket reader ends");
                    break;
                }
            }
        }
        sink.send(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))).await
    };
    tokio::select! {
        result = writing => result,
        () = client_closed => Ok(()),
    }
}
