//! Commands end to end: SPDY and WebSocket clients, straight to a kubelet and through an apiserver.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use apiserver_streaming::remote_command::{
    ClientStreams, ConnectError, Options, Status, TerminalSize, connect, connect_websocket,
};
use apiserver_streaming::upgrade::{DialError, ask_spdy, ask_websocket, dial};
use common::{GONE, all, apiserver, kubelet, pattern, request, soon};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role as WebSocketRole;

const IN_OUT: Options = Options { stdin: true, stdout: true, stderr: false, tty: false };
const OUT_ERR: Options = Options { stdin: false, stdout: true, stderr: true, tty: false };
const TERMINAL: Options = Options { stdin: true, stdout: true, stderr: false, tty: true };

async fn start(address: SocketAddr, command: &str, options: Options, websocket: bool) -> ClientStreams {
    let io = TcpStream::connect(address).await.unwrap();
    let request = request(address, &format!("{command}?{}", options.to_kubelet_query()));
    if websocket { connect_websocket(io, request, options).await } else { connect(io, request, options).await }.unwrap()
}

/// Each way from a client to a command.
async fn ways() -> Vec<(&'static str, SocketAddr, bool)> {
    let kubelet = kubelet().await;
    let apiserver = apiserver(kubelet).await;
    vec![
        ("SPDY to the kubelet", kubelet, false),
        ("WebSocket to the kubelet", kubelet, true),
        ("SPDY through the apiserver", apiserver, false),
        ("WebSocket translated by the apiserver", apiserver, true),
    ]
}

async fn receive(client: ClientStreams) -> Status {
    client.status.receive().await
}

#[tokio::test]
async fn cat_gets_ten_megabytes_and_the_end_of_its_input() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/cat", IN_OUT, websocket)).await;
        let data = pattern(10 << 20);
        let (mut stdin, stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
        let write = async {
            stdin.write_all(&data).await.unwrap();
            stdin.shutdown().await.unwrap();
        };
        let ((), read) = soon(async { tokio::join!(write, all(stdout)) }).await;
        assert!(read == data, "{way}: {} of {} bytes", read.len(), data.len());
        assert_eq!(soon(receive(client)).await, Status::success(), "{way}");
    }
}

#[tokio::test]
async fn outputs_are_apart_and_the_exit_code_comes() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/fail", OUT_ERR, websocket)).await;
        let (stdout, stderr) = (client.stdout.take().unwrap(), client.stderr.take().unwrap());
        let (out, err) = soon(async { tokio::join!(all(stdout), all(stderr)) }).await;
        assert_eq!(String::from_utf8_lossy(&out), "to stdout", "{way}");
        assert_eq!(String::from_utf8_lossy(&err), "to stderr", "{way}");
        let status = soon(receive(client)).await;
        assert_eq!(status.exited_with(), Some(3), "{way}");
        assert!(status.message.starts_with("command terminated with non-zero exit code: "), "{way}: {status:?}");
    }
}

#[tokio::test]
async fn a_slow_reader_gets_all() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/cat", IN_OUT, websocket)).await;
        let data = pattern(3 << 20);
        let (mut stdin, mut stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
        let sent = data.clone();
        tokio::spawn(async move {
            stdin.write_all(&sent).await.unwrap();
            stdin.shutdown().await.unwrap();
        });
        let read = soon(async {
            let mut read = Vec::new();
            let mut piece = vec![0; 256 * 1024];
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                match stdout.read(&mut piece).await.unwrap() {
                    0 => break read,
                    n => read.extend_from_slice(&piece[..n]),
                }
            }
        })
        .await;
        assert!(read == data, "{way}: {} of {} bytes", read.len(), data.len());
        assert!(soon(receive(client)).await.is_success(), "{way}");
    }
}

#[tokio::test]
async fn a_command_that_reads_nothing_ends() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/deaf", IN_OUT, websocket)).await;
        let mut stdin = client.stdin.take().unwrap();
        tokio::spawn(async move {
            let data = pattern(5 << 20);
            let _ = stdin.write_all(&data).await;
        });
        assert!(soon(receive(client)).await.is_success(), "{way}");
    }
}

#[tokio::test]
async fn terminals_are_resized() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/sizes", TERMINAL, websocket)).await;
        let mut resize = client.resize.take().unwrap();
        for height in [25, 50, 1] {
            resize.send(TerminalSize { width: 80, height }).await.unwrap();
        }
        let out = soon(all(client.stdout.take().unwrap())).await;
        assert_eq!(String::from_utf8_lossy(&out), "80x25\n80x50\n80x1\n", "{way}");
        assert!(soon(receive(client)).await.is_success(), "{way}");
    }
}

#[tokio::test]
async fn a_broken_runtime_is_told() {
    for (way, address, websocket) in ways().await {
        let status = soon(receive(start(address, "/broken", IN_OUT, websocket).await)).await;
        assert_eq!(status.exited_with(), None, "{way}");
        assert_eq!(status.reason, "InternalError", "{way}");
        assert!(status.message.ends_with("Internal error occurred: no such runtime"), "{way}: {status:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_is_noticed() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/yes", IN_OUT, websocket)).await;
        let mut piece = [0; 1000];
        client.stdout.as_mut().unwrap().read_exact(&mut piece).await.unwrap();
        drop(client);
        tokio::time::timeout(Duration::from_secs(20), GONE.notified()).await.unwrap_or_else(|_| panic!("{way}"));
    }
}

#[tokio::test]
async fn errors_before_the_upgrade_reach_the_client() {
    let kubelet = kubelet().await;
    let address = apiserver(kubelet).await;
    let io = TcpStream::connect(address).await.unwrap();
    let Err(error) = connect(io, request(address, "/missing?output=1"), OUT_ERR).await else {
        panic!("there is no such container")
    };
    let ConnectError::Dial(DialError::Refused(response)) = &error else { panic!("{error}") };
    assert_eq!(response.status(), 404);
    assert_eq!(error.to_string(), "unable to upgrade connection: container not found (\"app\")");

    // A translated client is accepted first and learns it as the status.
    let status = soon(receive(start(address, "/missing", OUT_ERR, true).await)).await;
    assert_eq!(status.message, "Internal error occurred: unable to upgrade connection: container not found (\"app\")");
}

#[tokio::test]
async fn a_server_that_crashes_is_no_success() {
    for (way, address, websocket) in ways().await {
        let mut client = soon(start(address, "/crash", IN_OUT, websocket)).await;
        let mut out = Vec::new();
        let _ = soon(client.stdout.take().unwrap().read_to_end(&mut out)).await;
        let status = soon(receive(client)).await;
        assert!(!status.is_success(), "{way}: {status:?}");
    }
}

#[tokio::test]
async fn protocols_are_negotiated_as_upstream_does() {
    let address = kubelet().await;
    let answer = async |set: &dyn Fn(&mut http::Request<()>)| {
        let mut request = request(address, "/cat?input=1&output=1");
        set(&mut request);
        match dial(TcpStream::connect(address).await.unwrap(), request).await {
            Ok((response, _)) => (response.status().as_u16(), response.headers().clone(), String::new()),
            Err(DialError::Refused(response)) => {
                let body = String::from_utf8_lossy(response.body()).into_owned();
                (response.status().as_u16(), response.headers().clone(), body)
            }
            Err(error) => panic!("{error}"),
        }
    };
    let (code, headers, _) = answer(&|r| ask_spdy(r.headers_mut(), &["v9.channel.k8s.io", "v2.channel.k8s.io"])).await;
    assert_eq!((code, headers["x-stream-protocol-version"].to_str().unwrap()), (101, "v2.channel.k8s.io"));

    let (code, headers, body) = answer(&|r| ask_spdy(r.headers_mut(), &["v9.channel.k8s.io"])).await;
    assert_eq!(code, 403);
    assert_eq!(headers.get_all("x-accepted-stream-protocol-versions").iter().count(), 4);
    assert_eq!(
        body,
        "unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], server accepts \
         [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]\n"
    );

    let (code, _, body) = answer(&|r| ask_spdy(r.headers_mut(), &[])).await;
    assert_eq!(code, 400);
    assert!(body.starts_with("unable to upgrade: header X-Stream-Protocol-Version does not exist in request"));

    let get = |r: &mut http::Request<()>| *r.method_mut() = http::Method::GET;
    let (code, _, _) = answer(&|r| {
        get(r);
        ask_websocket(r.headers_mut(), &["v9.channel.k8s.io"]);
    })
    .await;
    assert_eq!(code, 403);
    let (code, headers, _) = answer(&|r| {
        get(r);
        ask_websocket(r.headers_mut(), &[]);
    })
    .await;
    assert_eq!((code, headers.get("sec-websocket-protocol")), (101, None));
    let (code, headers, _) = answer(&|r| {
        get(r);
        ask_websocket(r.headers_mut(), &["v4.channel.k8s.io"]);
        r.headers_mut().insert("sec-websocket-version", "8".parse().unwrap());
    })
    .await;
    assert_eq!((code, headers["sec-websocket-version"].to_str().unwrap()), (400, "13"));
    let (code, _, _) = answer(&|r| ask_websocket(r.headers_mut(), &["v4.channel.k8s.io"])).await;
    assert_eq!(code, 405, "POST");
}

/// The messages themselves, as a client in a browser sees them.
#[tokio::test]
async fn websocket_messages_are_as_upstream_frames_them() {
    let kubelet = kubelet().await;
    for (address, protocol) in [
        (kubelet, "v4.channel.k8s.io"),
        (apiserver(kubelet).await, "base64.channel.k8s.io"),
        (kubelet, "v5.channel.k8s.io"),
    ] {
        let mut request = request(address, "/fail?output=1&error=1");
        *request.method_mut() = http::Method::GET;
        ask_websocket(request.headers_mut(), &[protocol]);
        let (response, io) = dial(TcpStream::connect(address).await.unwrap(), request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        let mut socket = WebSocketStream::from_raw_socket(io, WebSocketRole::Client, None).await;
        socket.send(Message::Ping(bytes::Bytes::from_static(b"hello"))).await.unwrap();
        let mut messages = Vec::new();
        let close = soon(async {
            loop {
                match socket.next().await.unwrap().unwrap() {
                    Message::Close(close) => break close,
                    Message::Pong(_) => {}
                    message => messages.push(message),
                }
            }
        })
        .await;
        assert_eq!(u16::from(close.unwrap().code), 1000);
        if protocol.starts_with("base64") {
            let text = |text: &str| Message::text(text);
            let status = text("3Y29tbWFuZCB0ZXJtaW5hdGVkIHdpdGggbm9uLXplcm8gZXhpdCBjb2RlOiBleGl0IHN0YXR1cyAz");
            assert_eq!(messages, [text("1"), text("1dG8gc3Rkb3V0"), text("2dG8gc3RkZXJy"), status]);
        } else {
            let binary = |number: u8, data: &[u8]| Message::binary([&[number], data].concat());
            let status = br#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
            let expected = [binary(1, b""), binary(1, b"to stdout"), binary(2, b"to stderr"), binary(3, status)];
            assert_eq!(messages, expected);
        }
    }
}
