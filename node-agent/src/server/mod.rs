//! The agent's HTTPS endpoint (port 10250): every request is authenticated and authorized, then routed.

mod access;
mod certificate;
mod logs;
mod metrics;
mod query;
mod routes;
mod stats;
mod streams;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use controllers_component_base::serving::Body;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use kube::Client;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{host::Host, pods::Pods};
use access::{Access, Peer};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the handlers work with.
pub struct Server {
    host: Arc<Host>,
    pods: Arc<Pods>,
    access: Access,
}

/// Which of the endpoints a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// All paths, for who may.
    Secure,
    /// What can be read, for everyone.
    ReadOnly,
    /// `/healthz` only.
    Health,
}

/// Binds the endpoints and serves until shutdown.
///
/// # Errors
/// A taken port or unusable certificates, in one line.
pub async fn serve(client: Client, host: Arc<Host>, pods: Arc<Pods>, shutdown: CancellationToken) -> Result<()> {
    let serving = host.config.serving.clone();
    let tls = TlsAcceptor::from(Arc::new(certificate::server_config(&host.config)?));
    let access = Access::new(client, &host.config);
    let server = Arc::new(Server { host, pods, access });
    let mut doors = vec![(Door::Secure, SocketAddr::new(serving.address, serving.port), Some(tls))];
    if serving.read_only_port != 0 {
        doors.push((Door::ReadOnly, SocketAddr::new(serving.address, serving.read_only_port), None));
    }
    if serving.healthz_port != 0 {
        doors.push((Door::Health, SocketAddr::new(serving.healthz_address, serving.healthz_port), None));
    }
    for (door, address, tls) in doors {
        let listener = TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
        info!("serving {door:?} on {address}");
        tokio::spawn(accept(server.clone(), door, listener, tls, shutdown.clone()));
    }
    Ok(())
}

async fn accept(
    server: Arc<Server>,
    door: Door,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shutdown: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: connections in progress will free some.
                    debug!("accept failed: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => return,
        };
        let (server, tls, shutdown) = (server.clone(), tls.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(server, door, stream, tls) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}

async fn connection(server: Arc<Server>, door: Door, stream: TcpStream, tls: Option<TlsAcceptor>) {
    // Interactive streams are many small writes.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return requests(server, door, Peer::default(), stream).await };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let peer = certificate.map(|certificate| Peer::of(certificate)).unwrap_or_default();
            requests(server, door, peer, stream).await;
        }
        Ok(Err(error)) => debug!("TLS handshake error: {error}"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

async fn requests<S>(server: Arc<Server>, door: Door, peer: Peer, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let peer = Arc::new(peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, peer) = (server.clone(), peer.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(server, door, &peer, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        debug!("connection ends: {error}");
    }
}

async fn answer(server: Arc<Server>, door: Door, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    if door == Door::Secure
        && let Err(refused) = server.access.check(peer, &request).await
    {
        return refused;
    }
    routes::route(server, door, request).await
}
