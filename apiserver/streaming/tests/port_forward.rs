//! Port-forward end to end: SPDY, tunnelled and WebSocket clients, straight to a kubelet and through an apiserver.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::net::SocketAddr;

use apiserver_streaming::port_forward::{Client, bridge, connect, connect_tunnelled};
use apiserver_streaming::upgrade::{Rejection, ask_websocket, dial};
use apiserver_streaming::{port_forward, upgrade};
use common::{all, apiserver, echo_port, kubelet, pattern, request, serve, soon};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

async fn start(address: SocketAddr, tunnelled: bool) -> Client {
    let io = TcpStream::connect(address).await.unwrap();
    let request = request(address, "/forward");
    if tunnelled { connect_tunnelled(io, request).await } else { connect(io, request).await }.unwrap()
}

/// A server that joins its clients to a kubelet stream by stream.
async fn bridging(kubelet: SocketAddr) -> SocketAddr {
    serve(move |mut incoming| async move {
        match port_forward::serve(&mut incoming) {
            Ok((response, pending)) => {
                tokio::spawn(
                    async move { bridge(pending.connections().await.unwrap(), start(kubelet, false).await).await },
                );
                response
            }
            Err(rejection) => Rejection::into_response(rejection),
        }
    })
    .await
}

async fn ways() -> Vec<(&'static str, SocketAddr, bool)> {
    let kubelet = kubelet().await;
    let apiserver = apiserver(kubelet).await;
    let bridging = bridging(kubelet).await;
    vec![
        ("SPDY to the kubelet", kubelet, false),
        ("tunnel to the kubelet", kubelet, true),
        ("SPDY through the apiserver", apiserver, false),
        ("tunnel unwrapped by the apiserver", apiserver, true),
        ("SPDY bridged", bridging, false),
        ("tunnel bridged", bridging, true),
    ]
}

#[tokio::test]
async fn ten_megabytes_come_back_on_each_of_three_connections() {
    let port = echo_port().await;
    for (way, address, tunnelled) in ways().await {
        let client = soon(start(address, tunnelled)).await;
        let one = async |length: usize| {
            let connection = client.open(port).await.unwrap();
            let (data, error) = connection.split();
            let (read, mut write) = tokio::io::split(data);
            let sent = pattern(length);
            let write = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let (read, ()) = tokio::join!(all(read), write);
            assert!(read == sent, "{way}: {} of {length} bytes", read.len());
            assert_eq!(error.await, None, "{way}");
        };
        soon(async { tokio::join!(one(10 << 20), one(1 << 20), one(3)) }).await;
    }
}

#[tokio::test]
async fn a_closed_port_is_told_and_the_next_works() {
    let port = echo_port().await;
    for (way, address, tunnelled) in ways().await {
        let client = soon(start(address, tunnelled)).await;
        let error = soon(async { client.open(1).await.unwrap().error().await }).await;
        assert_eq!(error.as_deref(), Some("error forwarding port 1: connection refused"), "{way}");
        let mut connection = soon(client.open(port)).await.unwrap();
        connection.data.write_all(b"ping").await.unwrap();
        let mut back = [0; 4];
        soon(connection.data.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"ping", "{way}");
    }
}

#[tokio::test]
async fn websocket_channels_carry_ports() {
    let port = echo_port().await;
    let kubelet = kubelet().await;
    for address in [kubelet, apiserver(kubelet).await] {
        let mut request = request(address, &format!("/forward?port={port}&port=1"));
        *request.method_mut() = http::Method::GET;
        ask_websocket(request.headers_mut(), &["v4.channel.k8s.io"]);
        let (_, io) = dial(TcpStream::connect(address).await.unwrap(), request).await.unwrap();
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        socket.send(Message::binary(b"\x00hello".to_vec())).await.unwrap();
        let mut channels = vec![Vec::new(); 4];
        soon(async {
            while channels[0].len() < 7 || channels[3].len() < 3 {
                if let Message::Binary(data) = socket.next().await.unwrap().unwrap() {
                    channels[usize::from(data[0])].extend_from_slice(&data[1..]);
                }
            }
        })
        .await;
        assert_eq!(channels[0], [&port.to_le_bytes()[..], b"hello"].concat());
        assert_eq!(channels[1], port.to_le_bytes());
        assert_eq!(channels[2], [1, 0]);
        assert_eq!(channels[3], [&[1, 0], &b"error forwarding port 1: connection refused"[..]].concat());
    }
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let address = kubelet().await;
    let refused = async |path: &str, protocols: &[&str]| {
        let mut request = request(address, path);
        *request.method_mut() = http::Method::GET;
        ask_websocket(request.headers_mut(), protocols);
        match dial(TcpStream::connect(address).await.unwrap(), request).await {
            Err(upgrade::DialError::Refused(response)) => {
                (response.status().as_u16(), String::from_utf8_lossy(response.body()).trim().to_owned())
            }
            other => panic!("{:?}", other.map(|(response, _)| response)),
        }
    };
    let v4 = ["v4.channel.k8s.io"];
    assert_eq!(refused("/forward", &v4).await, (400, "query parameter \"port\" is required".into()));
    assert_eq!(refused("/forward?port=0", &v4).await, (400, "port \"0\" must be > 0".into()));
    assert_eq!(refused("/forward?port=", &v4).await, (400, "query parameter \"port\" cannot be empty".into()));
    assert_eq!(refused("/forward?port=70000", &v4).await.0, 400);
    assert_eq!(refused("/forward", &["SPDY/3.1+other.k8s.io"]).await.0, 403);
}

#[tokio::test]
async fn a_refusing_backend_answers_tunnelled_clients() {
    let nobody = serve(|_| async { Rejection::new(http::StatusCode::FORBIDDEN, "not you").into_response() }).await;
    let address = apiserver(nobody).await;
    let io = TcpStream::connect(address).await.unwrap();
    let Err(error) = connect_tunnelled(io, request(address, "/forward")).await else { panic!("refused") };
    assert_eq!(error.to_string(), "unable to upgrade connection: not you");
}
