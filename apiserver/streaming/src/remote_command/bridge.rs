//! Joining a client's streams to a command that runs elsewhere, e.g. WebSocket v5 from kubectl to SPDY v4.

use std::convert::Infallible;
use std::io;

use bytes::BytesMut;
use http::{Method, Request, Response, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{ClientStreams, connect};
use super::server::{ServerStreams, serve};
use super::status::Status;
use super::{Options, V5};
use crate::upgrade::{is_websocket, websocket_protocols};
use crate::{Body, BoxRead, BoxWrite, Io, proxy as raw};

const COPY_BUFFER: usize = 32 * 1024;

/// Copies between both until the command ends, tells its status to the client, and gives that status.
///
/// Input that ends is half-closed towards the command. Output that the client no longer takes is drained, so that the
/// command can end. When the client goes away, the command's connection is closed.
pub async fn bridge(server: ServerStreams, client: ClientStreams) -> Status {
    let ServerStreams { stdin, stdout, stderr, resize, status } = server;
    let client_gone = status.closed();
    let input = async {
        let stdin = async {
            if let (Some(from), Some(to)) = (stdin, client.stdin) {
                copy_input(from, to).await;
            }
        };
        let resizes = async {
            if let (Some(mut from), Some(mut to)) = (resize, client.resize) {
                while let Some(size) = from.next().await {
                    if to.send(size).await.is_err() {
                        break;
                    }
                }
            }
        };
        tokio::join!(stdin, resizes);
        // The command decides when it is over.
        std::future::pending::<Infallible>().await
    };
    let output = async {
        let copied = tokio::join!(copy_output(client.stdout, stdout), copy_output(client.stderr, stderr));
        let status = client.status.receive().await;
        match copied {
            (Err(error), _) | (_, Err(error)) if status.is_success() => Status::internal_error(&error.to_string()),
            _ => status,
        }
    };
    let result = tokio::select! {
        result = output => result.translated(),
        never = input => match never {},
        () = client_gone => return Status::internal_error("client went away"),
    };
    status.finish(result.clone()).await;
    result
}

async fn copy_input(mut from: BoxRead, mut to: BoxWrite) {
    let mut buf = BytesMut::with_capacity(COPY_BUFFER);
    loop {
        buf.clear();
        match from.read_buf(&mut buf).await {
            Ok(0) => break,
            Ok(_) => {}
            // The client is lost: an end of input is not what it meant.
            Err(_) => return std::future::pending().await,
        }
        if to.write_all(&buf).await.is_err() || to.flush().await.is_err() {
            // The command takes no more. Dropping `from` lets the rest of the client's connection go on.
            drop(from);
            return;
        }
    }
    // Kept open afterwards: dropping it would reset the stream.
    let _ = to.shutdown().await;
    std::future::pending().await
}

/// Copies all of `from`; an error is one of reading.
async fn copy_output(from: Option<BoxRead>, mut to: Option<BoxWrite>) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buf = BytesMut::with_capacity(COPY_BUFFER);
    loop {
        buf.clear();
        if from.read_buf(&mut buf).await? == 0 {
            break;
        }
        if let Some(writer) = &mut to
            && (writer.write_all(&buf).await.is_err() || writer.flush().await.is_err())
        {
            to = None;
        }
    }
    if let Some(writer) = &mut to {
        // The client is gone, which `bridge` sees by itself.
        let _ = writer.shutdown().await;
    }
    Ok(())
}

/// Proxies a client's exec or attach to `backend` (absolute URL of a kubelet or runtime), over the connection that
/// `connect_to` yields. WebSocket v5 is translated to SPDY; any other upgrade is passed through.
///
/// # Errors
/// The request is no upgrade or the backend cannot be reached. With WebSocket v5 the client is accepted before the
/// backend is dialled and such errors are its command's status, as upstream does.
pub async fn proxy<B, T: Io>(
    mut request: Request<B>,
    backend: Uri,
    options: Options,
    connect_to: impl Future<Output = io::Result<T>> + Send + 'static,
) -> Result<Response<Body>, raw::Error> {
    let translate = is_websocket(request.headers()) && websocket_protocols(request.headers()).iter().any(|p| p == V5);
    if !translate {
        return raw::upgrade(request, backend, connect_to).await;
    }
    // A request of the translator's own: nothing of the client's but what it asks for.
    let mut onward = Request::new(());
    *onward.method_mut() = Method::POST;
    *onward.uri_mut() = backend.clone();
    let (response, pending) = serve(&mut request, options)?;
    tokio::spawn(async move {
        let server = match pending.streams().await {
            Ok(server) => server,
            Err(error) => {
                tracing::debug!(%error, "client's streams did not come");
                return;
            }
        };
        let client = match connect_to.await {
            Ok(io) => connect(io, onward, options).await,
            Err(error) => {
                let problem = format!("error sending request: Post \"{backend}\": {error}");
                return server.status.finish(Status::internal_error(&problem)).await;
            }
        };
        match client {
            Ok(client) => drop(bridge(server, client).await),
            Err(error) => server.status.finish(Status::internal_error(&error.to_string())).await,
        }
    });
    Ok(response)
}
