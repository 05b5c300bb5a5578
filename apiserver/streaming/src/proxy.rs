//! Passing an upgraded connection through, byte for byte.

use std::io;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;

use crate::upgrade::{DialError, Rejection, dial, is_upgrade};
use crate::{Body, Io};

const COPY_BUFFER: usize = 32 * 1024;

/// Why a request was not proxied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Upstream answers 400 with this as a Status.
    #[error("Upgrade request required")]
    UpgradeRequired,
    /// The backend neither upgraded nor failed.
    #[error("invalid upgrade response: status code {}", .0.as_u16())]
    InvalidStatus(StatusCode),
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The client's upgrade is not one that can be accepted; send its response.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// Passes an upgrade request of any protocol to `backend` and copies bytes both ways once that upgrades. An error
/// response of the backend (400 and above) is the response.
///
/// The client's headers go along, Host among them, except Authorization.
///
/// # Errors
/// The request is no upgrade, the backend cannot be reached or answers with success but no upgrade.
pub async fn upgrade<B, T: Io>(
    mut request: Request<B>,
    backend: Uri,
    connect: impl Future<Output = io::Result<T>>,
) -> Result<Response<Body>, Error> {
    if !is_upgrade(request.headers()) {
        return Err(Error::UpgradeRequired);
    }
    let io = connect.await.map_err(DialError::Connect)?;
    match dial(io, backend_request(&request, backend)).await {
        Ok((answer, backend)) => {
            let client = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let copied = match client.await {
                    Ok(client) => raw(TokioIo::new(client), backend).await,
                    Err(error) => Err(io::Error::other(error)),
                };
                if let Err(error) = copied {
                    tracing::debug!(%error, "proxied connection ends");
                }
            });
            Ok(answer.map(|()| Body::default()))
        }
        Err(error) => refused(error),
    }
}

/// The request to the backend for a client's request.
pub(crate) fn backend_request<B>(request: &Request<B>, backend: Uri) -> Request<()> {
    let mut out = Request::new(());
    *out.method_mut() = request.method().clone();
    *out.uri_mut() = backend;
    *out.headers_mut() = request.headers().clone();
    for name in [AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        out.headers_mut().remove(name);
    }
    out
}

/// Makes the backend's error response the client's.
pub(crate) fn refused(error: DialError) -> Result<Response<Body>, Error> {
    match error {
        DialError::Refused(response) if response.status().as_u16() >= 400 => {
            let mut response = (*response).map(Full::<Bytes>::new);
            for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
                response.headers_mut().remove(name);
            }
            Ok(response)
        }
        DialError::Refused(response) => Err(Error::InvalidStatus(response.status())),
        error => Err(error.into()),
    }
}

/// Copies bytes both ways until both ended, each end passed on as a half-close. Gives the bytes copied from `a` and
/// from `b`.
///
/// # Errors
/// Either side breaks.
pub async fn raw(mut a: impl Io, mut b: impl Io) -> io::Result<(u64, u64)> {
    tokio::io::copy_bidirectional_with_sizes(&mut a, &mut b, COPY_BUFFER, COPY_BUFFER).await
}
