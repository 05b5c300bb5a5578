//! The real kubectl against our servers, where it is installed: gorilla/websocket and moby/spdystream as peers.

mod common;

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use apiserver_streaming::remote_command::Options;
use apiserver_streaming::upgrade::Rejection;
use apiserver_streaming::{Body, port_forward, proxy, remote_command};
use common::{all, echo_port, kubelet, pattern, serve, soon};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// As little of an API as kubectl needs. The pod's name is the command it runs.
async fn api() -> SocketAddr {
    let kubelet = kubelet().await;
    serve(move |request| answer(kubelet, request)).await
}

async fn answer(kubelet: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let json = |json: &str| {
        let mut response = Response::new(Body::from(json.to_owned()));
        response.headers_mut().insert("content-type", "application/json".parse().expect("a header"));
        response
    };
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["api"] => json(r#"{"kind":"APIVersions","versions":["v1"]}"#),
        ["apis"] => json(r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#),
        ["api", "v1"] => json(
            r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod",
            "namespaced":true,"kind":"Pod","verbs":["get","list","create"]}]}"#,
        ),
        ["api", "v1", "namespaces", "default", "pods", name] => json(&format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"default"}},
            "spec":{{"containers":[{{"name":"app","image":"app"}}]}},"status":{{"phase":"Running"}}}}"#
        )),
        ["api", "v1", "namespaces", "default", "pods", command, "exec"] => {
            let on = |name: &str| query.split('&').any(|pair| pair == format!("{name}=true"));
            let options = Options { stdin: on("stdin"), stdout: on("stdout"), stderr: on("stderr"), tty: on("tty") };
            let backend = format!("http://{kubelet}/{command}?{}", options.to_kubelet_query()).parse().expect("a URL");
            rejected(remote_command::proxy(request, backend, options, TcpStream::connect(kubelet)).await)
        }
        ["api", "v1", "namespaces", "default", "pods", _, "portforward"] => {
            let backend = format!("http://{kubelet}/forward").parse().expect("a URL");
            rejected(port_forward::proxy(request, backend, TcpStream::connect(kubelet)).await)
        }
        _ => Rejection::new(http::StatusCode::NOT_FOUND, path).into_response(),
    }
}

fn rejected(answer: Result<Response<Body>, proxy::Error>) -> Response<Body> {
    answer.unwrap_or_else(|error| Rejection::new(http::StatusCode::BAD_GATEWAY, error.to_string()).into_response())
}

fn kubectl(server: SocketAddr, websocket: bool, arguments: &[&str]) -> Child {
    Command::new("kubectl")
        .args(["--server", &format!("http://{server}"), "--kubeconfig", "/dev/null"])
        .args(["--cache-dir", &format!("{}/kubectl-cache", env!("CARGO_TARGET_TMPDIR"))])
        .args(arguments)
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websocket.to_string())
        .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websocket.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("kubectl starts")
}

async fn exec(server: SocketAddr, websocket: bool, arguments: &[&str], input: Vec<u8>) -> Output {
    let mut child = kubectl(server, websocket, &[&["exec"], arguments].concat());
    let mut stdin = child.stdin.take().expect("piped");
    tokio::spawn(async move { stdin.write_all(&input).await });
    soon(child.wait_with_output()).await.expect("kubectl ran")
}

/// The ways of kubectl; none when it is not installed.
fn ways() -> &'static [bool] {
    let installed = std::process::Command::new("kubectl").args(["version", "--client"]).output().is_ok();
    if !installed {
        eprintln!("skipped: kubectl is not installed");
    }
    if installed { &[true, false] } else { &[] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exec_carries_input_output_and_exit_codes() {
    let server = api().await;
    for &websocket in ways() {
        let data = pattern(10 << 20);
        let output = exec(server, websocket, &["-i", "cat", "--", "cat"], data.clone()).await;
        assert!(output.status.success(), "{websocket} {}", String::from_utf8_lossy(&output.stderr));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.stdout == data, "websocket {websocket}: {} bytes, {stderr}", output.stdout.len());

        let output = exec(server, websocket, &["fail", "--", "fail"], Vec::new()).await;
        assert_eq!(output.status.code(), Some(3), "websocket {websocket}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "to stdout");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "to stderrcommand terminated with exit code 3\n");

        let output = exec(server, websocket, &["-i", "deaf", "--", "deaf"], pattern(5 << 20)).await;
        assert!(output.status.success(), "{websocket} {}", String::from_utf8_lossy(&output.stderr));

        let output = exec(server, websocket, &["broken", "--", "broken"], Vec::new()).await;
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.ends_with("Internal error occurred: no such runtime\n"), "{stderr}");

        let output = exec(server, websocket, &["missing", "--", "missing"], Vec::new()).await;
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains("unable to upgrade connection: container not found (\"app\")"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn port_forward_carries_connections() {
    let server = api().await;
    let port = echo_port().await;
    for &websocket in ways() {
        let mut child =
            kubectl(server, websocket, &["port-forward", "pod", &format!(":{port}"), "--address=127.0.0.1"]);
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = soon(lines.next_line()).await.expect("a line").expect("a line");
        // Forwarding from 127.0.0.1:40000 -> 80
        let local = line.split(' ').nth(2).expect("an address").to_owned();
        let drain = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let one = async |length: usize| {
            let (read, mut write) = TcpStream::connect(&local).await.expect("kubectl listens").into_split();
            let sent = pattern(length);
            let write = async {
                write.write_all(&sent).await.expect("kubectl reads");
                write.shutdown().await.expect("kubectl reads");
            };
            let (read, ()) = tokio::join!(all(read), write);
            assert!(read == sent, "websocket {websocket}: {} of {length} bytes", read.len());
        };
        soon(async { tokio::join!(one(10 << 20), one(1 << 20), one(3)) }).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        soon(one(5)).await;
        child.start_kill().expect("kubectl runs");
        soon(child.wait()).await.expect("kubectl ends");
        soon(drain).await.expect("kubectl ended");
    }
}
