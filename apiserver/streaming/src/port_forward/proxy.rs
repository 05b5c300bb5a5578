//! Passing port-forward on to a kubelet or runtime.

use std::io;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::client::Client;
use super::server::Server;
use crate::proxy::{self as raw, Error};
use crate::upgrade::{
    DialError, Rejection, SPDY_31, STREAM_PROTOCOL_VERSION, accept_websocket, ask_spdy, dial, is_websocket,
    websocket_protocols,
};
use crate::websocket::{TUNNEL_PREFIX, Tunnel, tunnelled_protocol};
use crate::{Body, Io};

/// Proxies a client's port-forward to `backend` (absolute URL), over the connection that `connect_to` yields. SPDY
/// tunnelled through WebSocket is unwrapped (KEP-4006); any other upgrade is passed through. An error response of the
/// backend is the response.
///
/// # Errors
/// The request is no upgrade, or the backend cannot be reached.
pub async fn proxy<B, T: Io>(
    mut request: Request<B>,
    backend: Uri,
    connect_to: impl Future<Output = io::Result<T>>,
) -> Result<Response<Body>, Error> {
    let offered = websocket_protocols(request.headers());
    let protocols: Vec<&str> = offered.iter().filter_map(|protocol| tunnelled_protocol(protocol)).collect();
    if protocols.is_empty() || !is_websocket(request.headers()) {
        return raw::upgrade(request, backend, connect_to).await;
    }
    let mut onward = raw::backend_request(&request, backend);
    *onward.method_mut() = Method::POST;
    ask_spdy(onward.headers_mut(), &protocols);
    let io = connect_to.await.map_err(DialError::Connect)?;
    let (answer, backend) = match dial(io, onward).await {
        Ok(upgraded) => upgraded,
        Err(error) => return raw::refused(error),
    };
    let header = |name: http::HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
    if !header(http::header::UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(SPDY_31)) {
        let message = "unable to upgrade: missing upgrade headers in response";
        return Err(Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, message).into());
    }
    let chosen = format!("{TUNNEL_PREFIX}{}", header(STREAM_PROTOCOL_VERSION).unwrap_or_default().trim());
    let accepted = accept_websocket(&mut request, &[&chosen])?;
    tokio::spawn(async move {
        let copied = match accepted.connection.await {
            Ok(client) => raw::raw(Tunnel::new(TokioIo::new(client), Role::Server).await, backend).await,
            Err(error) => Err(io::Error::other(error)),
        };
        if let Err(error) = copied {
            tracing::debug!(%error, "tunnelled connection ends");
        }
    });
    Ok(accepted.response)
}

/// Forwards each connection of a client to another server, until either is gone.
pub async fn bridge(mut server: Server, client: Client) {
    let client = Arc::new(client);
    let mut connections = JoinSet::new();
    loop {
        let connection = tokio::select! {
            connection = server.accept() => connection,
            () = client.closed() => None,
            Some(_) = connections.join_next() => continue,
        };
        let Some(mut connection) = connection else { break };
        let client = client.clone();
        connections.spawn(async move {
            let onward = match client.open(connection.port).await {
                Ok(onward) => onward,
                Err(error) => return connection.fail(&error.to_string()).await,
            };
            let (mut data, error) = onward.split();
            let failure = {
                let mut copied = std::pin::pin!(tokio::io::copy_bidirectional(&mut connection.data, &mut data));
                let mut error = std::pin::pin!(error);
                // After an error nothing more comes, but the client may not end its side before it learns of it.
                tokio::select! {
                    biased;
                    message = &mut error => match message {
                        Some(message) => Some(message),
                        None => copied.await.err().map(|error| error.to_string()),
                    },
                    result = &mut copied => error.await.or(result.err().map(|error| error.to_string())),
                }
            };
            if let Some(message) = failure {
                connection.fail(&message).await;
            }
        });
    }
}
