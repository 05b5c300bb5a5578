//! Logs, exec, port-forward and the node proxy, through to a kubelet that is played here.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{MERGE, Server};
use crate::tls_server::TlsServer;

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A kubelet on a port of its own: it refuses what asks for refusal, upgrades what asks for an upgrade and echoes what
/// comes then, and tells of everything else what it was asked.
async fn kubelet(server: &Server) -> u16 {
    TlsServer::start(&server.files, ("system:node:n1", &["127.0.0.1"]), false, answer).await.address.port()
}

async fn answer(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let code = ["400", "403", "404", "500"].into_iter().find(|code| path.contains(&format!("e{code}")));
    if let Some(code) = code {
        let mut response = Response::new(Full::from(format!("kubelet says {code}\n")));
        *response.status_mut() = code.parse().unwrap();
        return response;
    }
    if let Some(protocol) = request.headers().get("upgrade").cloned() {
        let asked = request.headers().get("x-stream-protocol-version").cloned();
        let seen = format!("{} {path}\n", request.method());
        tokio::spawn(async move {
            let mut io = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
            io.write_all(seen.as_bytes()).await.unwrap();
            let mut buffer = [0; 64];
            while let Ok(read @ 1..) = io.read(&mut buffer).await {
                io.write_all(&buffer[..read]).await.unwrap();
            }
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("connection", "Upgrade".parse().unwrap());
        response.headers_mut().insert("upgrade", protocol);
        if let Some(asked) = asked {
            response.headers_mut().insert("x-stream-protocol-version", asked);
        }
        return response;
    }
    let told = json!({"method": request.method().as_str(), "path": path});
    Response::new(Full::from(told.to_string()))
}

/// A server with a node whose kubelet is ours, and pods of these names on it.
async fn server(pods: &[&str]) -> Server {
    let server = Server::start().await;
    let client = server.admin().await;
    let port = kubelet(&server).await;
    client.post("/api/v1/nodes", &json!({"metadata": {"name": "n1"}})).await.created();
    client
        .patch(
            "/api/v1/nodes/n1/status",
            MERGE,
            &json!({"status": {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            }}),
        )
        .await
        .ok();
    client
        .post("/api/v1/namespaces/default/serviceaccounts", &json!({"metadata": {"name": "default"}}))
        .await
        .created();
    for name in pods {
        client.post(PODS, &pod(name, json!({"nodeName": "n1"}))).await.created();
    }
    server
}

fn pod(name: &str, mut spec: Value) -> Value {
    spec["containers"] = json!([{"name": "c", "image": "i"}]);
    json!({"metadata": {"name": name}, "spec": spec})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_asked_of_the_kubelet_as_upstream_asks() {
    let server = server(&["p1", "e400", "e403", "e404", "e500"]).await;
    let client = server.admin().await;
    let asked = async |query: &str| {
        let answer = client.get(&format!("{PODS}/p1/log{query}")).await;
        assert_eq!(answer.headers["content-type"], "text/plain");
        answer.ok()["path"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(asked("").await, "/containerLogs/default/p1/c");
    assert_eq!(
        asked("?follow=true&previous=1&timestamps=x&sinceSeconds=5&tailLines=3&limitBytes=100").await,
        "/containerLogs/default/p1/c?follow=true&limitBytes=100&previous=true&sinceSeconds=5&tailLines=3&timestamps=true"
    );
    assert_eq!(
        asked("?sinceTime=2024-01-02T03:04:05.678%2B02:00").await,
        "/containerLogs/default/p1/c?sinceTime=2024-01-02T01%3A04%3A05Z"
    );
    assert_eq!(asked("?follow=0&insecureSkipTLSVerifyBackend=true").await, "/containerLogs/default/p1/c");
    for (query, code, message) in [
        ("p1/log?container=z", 400, "container z is not valid for pod p1"),
        ("p1/log?tailLines=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        (
            "p1/log?sinceTime=x",
            400,
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
        ),
        (
            "p1/log?tailLines=-1&limitBytes=0",
            422,
            "PodLogOptions \"p1\" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be greater than 0]",
        ),
        ("p1/log?stream=All", 422, "PodLogOptions \"p1\" is invalid: stream: Forbidden: may not be specified"),
        ("none/log", 404, "pods \"none\" not found"),
        ("e400/log", 400, "kubelet says 400\n"),
        ("e403/log", 403, "kubelet says 403\n ( pods/log e403)"),
        ("e404/log", 404, "the server could not find the requested resource ( pods/log e404)"),
        ("e500/log", 500, "Internal error occurred: kubelet says 500\n"),
    ] {
        let status = client.get(&format!("{PODS}/{query}")).await.is(code);
        assert_eq!(status["message"], message, "{query}");
    }
    client.post(PODS, &pod("waiting", json!({}))).await.created();
    assert_eq!(client.get(&format!("{PODS}/waiting/log")).await.code, StatusCode::NO_CONTENT);
    client.get(&format!("{PODS}/p1/log/more")).await.refused(404, "NotFound");
    client.post(&format!("{PODS}/p1/log"), &json!({})).await.refused(405, "MethodNotAllowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_passed_on_byte_for_byte() {
    let server = server(&["p1", "e400"]).await;
    let upgrade = |verb: &str, path: &str| {
        format!(
            "{verb} {PODS}/{path} HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
             X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
        )
    };
    for (verb, path, seen) in [
        (
            "POST",
            "p1/exec?stdout=1&stdin=true&command=a%20b%26c&command=d",
            "POST /exec/default/p1/c?command=a+b%26c&command=d&input=1&output=1",
        ),
        ("GET", "p1/attach?stderr=1&tty=false", "GET /attach/default/p1/c?error=1"),
        ("POST", "p1/portforward?ports=80&ports=90,91", "POST /portForward/default/p1?port=80%2C90%2C91"),
    ] {
        let mut io = server.raw("admin", &["system:masters"]).await;
        io.write_all(upgrade(verb, path).as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let told = format!("{seen}\n");
        while !String::from_utf8_lossy(&all).contains(&told) {
            assert_ne!(io.read_buf(&mut all).await.unwrap(), 0, "{}", String::from_utf8_lossy(&all));
        }
        assert!(all.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&all));
        io.write_all(b"there and back\n").await.unwrap();
        while !all.ends_with(b"there and back\n") {
            assert_ne!(io.read_buf(&mut all).await.unwrap(), 0);
        }
    }
    // What the kubelet refuses is its own answer, and nothing is added to it.
    let mut io = server.raw("admin", &["system:masters"]).await;
    io.write_all(upgrade("POST", "e400/exec?stdout=1").as_bytes()).await.unwrap();
    let mut all = Vec::new();
    while !all.ends_with(b"kubelet says 400\n") {
        assert_ne!(io.read_buf(&mut all).await.unwrap(), 0);
    }
    let text = String::from_utf8(all).unwrap().to_lowercase();
    assert!(text.starts_with("http/1.1 400 ") && !text.contains("audit-id"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_refused_in_upstreams_words() {
    let server = server(&["p1"]).await;
    let client = server.admin().await;
    client.post("/api/v1/nodes", &json!({"metadata": {"name": "silent"}})).await.created();
    client.post(PODS, &pod("lost", json!({"nodeName": "silent"}))).await.created();
    client.post(PODS, &pod("waiting", json!({}))).await.created();
    for (path, code, message) in [
        ("p1/exec?command=a", 400, "Upgrade request required"),
        ("p1/exec?dryRun=All", 400, "dryRun is not supported"),
        ("p1/portforward?ports=x", 400, "cannot convert to []int32: strconv.ParseUint: parsing \"x\": invalid syntax"),
        ("waiting/attach", 400, "pod waiting does not have a host assigned"),
        ("lost/exec", 500, "no preferred addresses found; known addresses: []"),
    ] {
        for method in [Method::POST, Method::GET] {
            let status = client.send(method, &format!("{PODS}/{path}"), "", "").await.is(code);
            assert_eq!(status["message"], message, "{path}");
        }
    }
    // What is at home on the node's own addresses is not passed on to.
    let status = client.get("/api/v1/nodes/n1/proxy/logs/").await.is(400);
    assert_eq!(status["message"], "address not allowed");
    // Reading the subresource is not enough for a stream.
    client
        .post(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            &json!({"metadata": {"name": "r"}, "rules": [
                {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}]}),
        )
        .await
        .created();
    client
        .post(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            &json!({"metadata": {"name": "r"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}]}),
        )
        .await
        .created();
    let reader = server.user("reader", &[]).await;
    let message = reader.get(&format!("{PODS}/p1/exec?command=a")).await.refused(403, "Forbidden");
    assert!(message.starts_with("pods \"p1\" is forbidden: "), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_follows_logs() {
    let server = server(&["p1"]).await;
    let mut io = server.raw("admin", &["system:masters"]).await;
    let request = format!(
        "GET {PODS}/p1/log HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: binary.k8s.io\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    // A normal close ends what was written.
    while !all.ends_with(&[0x88, 2, 0x03, 0xe8]) {
        assert_ne!(io.read_buf(&mut all).await.unwrap(), 0, "{}", String::from_utf8_lossy(&all));
    }
    let text = String::from_utf8_lossy(&all);
    assert!(text.starts_with("HTTP/1.1 101 ") && text.contains("/containerLogs/default/p1/c"), "{text}");
    // The connection is announced by an empty message.
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(all[end..end + 2], [0x82, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kubelet_answers_is_read_whole() {
    let server = server(&["p1"]).await;
    let client = server.admin().await;
    let response = client.begin(Method::GET, &format!("{PODS}/p1/log"), "", "").await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["method"], "GET");
}
