//! Servers on port 0 that run little commands and forward to echoing ports.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::SocketAddr;
use std::time::Duration;

use apiserver_streaming::remote_command::{Options, ServerStreams, Status};
use apiserver_streaming::upgrade::Rejection;
use apiserver_streaming::{Body, port_forward, proxy, remote_command};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Fails a test that hangs.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("test hangs")
}

/// Serves HTTP/1.1 with upgrades.
pub async fn serve<F, R>(handle: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let handle = handle.clone();
            let service = service_fn(move |request| {
                let answer = handle(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .with_upgrades(),
            );
        }
    });
    address
}

/// A kubelet: runs the command of the path, forwards ports to themselves.
pub async fn kubelet() -> SocketAddr {
    serve(|mut request| async move {
        let path = request.uri().path().to_owned();
        let answer = match path.as_str() {
            "/forward" => port_forward::serve(&mut request).map(|(response, pending)| {
                tokio::spawn(async move {
                    let mut server = pending.connections().await.unwrap();
                    while let Some(connection) = server.accept().await {
                        tokio::spawn(forward(connection));
                    }
                });
                response
            }),
            "/missing" => Err(Rejection::new(http::StatusCode::NOT_FOUND, "container not found (\"app\")")),
            _ => {
                let options = Options::from_kubelet_query(request.uri().query().unwrap_or_default()).unwrap();
                remote_command::serve(&mut request, options).map(|(response, pending)| {
                    tokio::spawn(async move {
                        if let Ok(streams) = pending.streams().await {
                            run(&path, streams).await;
                        }
                    });
                    response
                })
            }
        };
        answer.unwrap_or_else(Rejection::into_response)
    })
    .await
}

async fn forward(connection: port_forward::Connection) {
    match TcpStream::connect(("127.0.0.1", connection.port)).await {
        Ok(target) => connection.forward(target).await,
        Err(_) => {
            let message = format!("error forwarding port {}: connection refused", connection.port);
            connection.fail(&message).await;
        }
    }
}

async fn run(command: &str, mut streams: ServerStreams) {
    let mut stdout = streams.stdout.take();
    let status = match command {
        // Copies its input to its output until the end of the input.
        "/cat" => {
            let (mut stdin, mut stdout) = (streams.stdin.take().unwrap(), stdout.take().unwrap());
            tokio::io::copy(&mut stdin, &mut stdout).await.unwrap();
            stdout.shutdown().await.unwrap();
            Status::success()
        }
        // Speaks on both outputs and fails.
        "/fail" => {
            stdout.as_mut().unwrap().write_all(b"to stdout").await.unwrap();
            if let Some(stderr) = &mut streams.stderr {
                stderr.write_all(b"to stderr").await.unwrap();
            }
            Status::exited(3, "exit status 3")
        }
        // Reads nothing of its input and ends.
        "/deaf" => Status::success(),
        "/broken" => Status::internal_error("no such runtime"),
        // Says each size of the terminal until it is 1 high.
        "/sizes" => {
            let mut resize = streams.resize.take().unwrap();
            while let Some(size) = resize.next().await {
                let line = format!("{}x{}\n", size.width, size.height);
                stdout.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
                if size.height == 1 {
                    break;
                }
            }
            Status::success()
        }
        // Writes for ever; ends when its client is gone.
        "/yes" => {
            let mut closed = streams.status.closed();
            let mut stdout = stdout.take().unwrap();
            loop {
                tokio::select! {
                    () = &mut closed => break,
                    written = stdout.write_all(&[b'y'; 1000]) => if written.is_err() { break },
                }
            }
            GONE.notify_one();
            return;
        }
        // Goes away in the middle of it.
        "/crash" => return,
        other => panic!("no command {other}"),
    };
    drop(stdout);
    streams.status.finish(status).await;
}

/// Told when a `/yes` saw its client go.
pub static GONE: tokio::sync::Notify = tokio::sync::Notify::const_new();

/// An apiserver before a kubelet.
pub async fn apiserver(kubelet: SocketAddr) -> SocketAddr {
    serve(move |request| async move {
        let path = request.uri().path_and_query().unwrap().as_str().to_owned();
        let backend = format!("http://{kubelet}{path}").parse().unwrap();
        let connect = TcpStream::connect(kubelet);
        let answer = if path.starts_with("/forward") {
            port_forward::proxy(request, backend, connect).await
        } else {
            let options = Options::from_kubelet_query(request.uri().query().unwrap_or_default()).unwrap();
            remote_command::proxy(request, backend, options, connect).await
        };
        answer.unwrap_or_else(|error| match error {
            proxy::Error::Rejected(rejection) => rejection.into_response(),
            error => Rejection::new(http::StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        })
    })
    .await
}

pub fn request(address: SocketAddr, path: &str) -> Request<()> {
    Request::post(format!("http://{address}{path}")).body(()).unwrap()
}

/// A port that sends back what it gets, and ends when its peer does.
pub async fn echo_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    port
}

/// Bytes that show a lost or doubled piece.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

/// Reads to the end.
pub async fn all(mut from: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut out = Vec::new();
    from.read_to_end(&mut out).await.unwrap();
    out
}
