//! API aggregation: a server of this test's own behind the API server.

use base64::Engine;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Client, Files, MERGE, Server, until};
use crate::tls_server::TlsServer;

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A server with a front-proxy certificate.
async fn server() -> Server {
    let files = Files::new();
    let (certificate, key) = files.certificate("front-proxy-client", &[], &[]);
    let (at_certificate, at_key) = (files.path("proxy.crt"), files.path("proxy.key"));
    std::fs::write(&at_certificate, certificate).unwrap();
    std::fs::write(&at_key, key).unwrap();
    let flags = [
        "--storage=memory".to_owned(),
        format!("--proxy-client-cert-file={}", at_certificate.display()),
        format!("--proxy-client-key-file={}", at_key.display()),
    ];
    Server::start_with(files, &flags.each_ref().map(String::as_str)).await
}

/// A server of the group `wardle.example.com` on a port of its own, which lets in only who shows a certificate.
async fn sample(server: &Server) -> u16 {
    TlsServer::start(&server.files, ("sample", &["sample.default.svc"]), true, answer).await.address.port()
}

/// [`sample`] of the time before OpenAPI v3.
async fn old_sample(server: &Server) -> u16 {
    let answer = |request: Request<Incoming>| async move {
        if request.uri().path().starts_with("/openapi/v3") {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
        answer(request).await
    };
    TlsServer::start(&server.files, ("sample", &["sample.default.svc"]), true, answer).await.address.port()
}

async fn answer(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let said = |name: &str| {
        let all = request.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    let path = request.uri().path().to_owned();
    let answer = match path.as_str() {
        "/apis" => json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [{
                "metadata": {"name": "wardle.example.com"},
                "versions": [{"version": "v1", "freshness": "Current", "resources": [{
                    "resource": "flunders", "scope": "Namespaced", "singularResource": "flunder", "verbs": ["get"],
                }]}],
            }],
        }),
        "/openapi/v3" => json!({"paths": {
            "apis/wardle.example.com/v1": {"serverRelativeURL": "/openapi/v3/apis/wardle.example.com/v1?hash=ABC"},
            "version": {"serverRelativeURL": "/openapi/v3/version?hash=DEF"},
        }}),
        "/openapi/v3/apis/wardle.example.com/v1" => json!({"openapi": "3.0.0", "asked": request.uri().query()}),
        "/openapi/v2" => json!({
            "swagger": "2.0",
            "paths": {
                "/apis/wardle.example.com/v1/flunders": {"get": {"$ref": "#/definitions/Flunder"}},
                "/version/": {},
            },
            "definitions": {"Flunder": {"type": "object"}, "Other": {}},
        }),
        "/apis/wardle.example.com/v1/elsewhere" => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert("location", "https://example.com/".parse().unwrap());
            return response;
        }
        "/apis/wardle.example.com/v1/namespaces/default/flunders/a/upgrade" => {
            let protocol = request.headers()["upgrade"].clone();
            let hello = format!("{}\n", said("x-remote-user")[0]);
            tokio::spawn(async move {
                let mut io = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
                io.write_all(hello.as_bytes()).await.unwrap();
                let mut buffer = [0; 64];
                while let Ok(read @ 1..) = io.read(&mut buffer).await {
                    io.write_all(&buffer[..read]).await.unwrap();
                }
            });
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "Upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", protocol);
            return response;
        }
        _ => json!({
            "path": request.uri().path_and_query().map(ToString::to_string), "method": request.method().as_str(),
            "user": said("x-remote-user"), "groups": said("x-remote-group"), "extra": said("x-remote-extra-scopes"),
            "authorization": said("authorization"), "audit": said("audit-id").len(), "host": said("host"),
        }),
    };
    let mut response = Response::new(Full::from(answer.to_string()));
    let kind = if path == "/apis" { AGGREGATED } else { "application/json" };
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}

fn api_service(server: &Server, port: u16) -> Value {
    let authority = std::fs::read(server.files.path("ca.crt")).unwrap();
    json!({
        "metadata": {"name": "v1.wardle.example.com"},
        "spec": {
            "group": "wardle.example.com", "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 15,
            "service": {"namespace": "default", "name": "sample", "port": port},
            "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
        },
    })
}

/// The Service by which the API server finds the sample.
async fn serve(client: &Client) {
    let service = json!({
        "metadata": {"name": "sample"}, "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    client.post("/api/v1/namespaces/default/services", &service).await.created();
}

/// The condition of the APIService, once it has this reason.
async fn condition(client: &Client, reason: &str) -> Value {
    until(reason, async || {
        let found = client.get(&format!("{SERVICES}/v1.wardle.example.com")).await.ok();
        let condition = found["status"]["conditions"][0].clone();
        (condition["reason"] == reason).then_some(condition)
    })
    .await
}

/// What a path answers, once that is something else than a refusal and this holds of it.
async fn once(client: &Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(path, async || {
        let answer = client.get(path).await;
        (answer.code == StatusCode::OK && holds(&answer.json())).then(|| answer.json())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_serves_its_group() {
    let server = server().await;
    let client = server.admin().await;
    let port = sample(&server).await;
    client.post(SERVICES, &api_service(&server, port)).await.created();
    let missing = condition(&client, "ServiceNotFound").await;
    assert_eq!(missing["message"], "service/sample in \"default\" is not present");
    let refused = client.get("/apis/wardle.example.com/v1/flunders").await;
    assert_eq!((refused.code.as_u16(), refused.text().as_str()), (503, "service unavailable\n"));
    serve(&client).await;
    let passed = condition(&client, "Passed").await;
    assert_eq!((&passed["status"], &passed["message"]), (&json!("True"), &json!("all checks passed")));

    // Requests arrive as those of the user who sent them.
    let joe = server
        .user("joe", &["system:masters"])
        .await
        .with("x-remote-user", "admin")
        .with("x-remote-extra-scopes", "all");
    let told = once(&joe, "/apis/wardle.example.com/v1/flunders?limit=5", |_| true).await;
    assert_eq!(told["path"], "/apis/wardle.example.com/v1/flunders?limit=5");
    assert_eq!(told["user"], json!(["joe"]));
    assert_eq!(told["groups"], json!(["system:masters", "system:authenticated"]));
    assert_eq!((&told["extra"], &told["authorization"], &told["audit"]), (&json!([]), &json!([]), &json!(1)));
    assert_eq!(told["host"], json!([format!("localhost:{port}")]));
    let moved = client.get("/apis/wardle.example.com/v1/elsewhere").await;
    assert_eq!(moved.code, StatusCode::BAD_GATEWAY);
    assert_eq!(moved.text(), "the backend attempted to redirect this request, which is not permitted");
    assert_eq!(client.get("/apis/wardle.example.com/v2").await.code, StatusCode::NOT_FOUND);

    // Discovery and OpenAPI have it.
    let groups = client.get("/apis").await.ok();
    let names: Vec<_> =
        groups["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(names.last(), Some(&"wardle.example.com"));
    let group = client.get("/apis/wardle.example.com").await.ok();
    assert_eq!(group["preferredVersion"]["groupVersion"], "wardle.example.com/v1");
    let aggregated = client.with("accept", AGGREGATED);
    let find = |document: &Value| {
        let groups = document["items"].as_array().unwrap();
        groups.iter().find(|group| group["metadata"]["name"] == "wardle.example.com").cloned().unwrap_or_default()
    };
    let document = once(&aggregated, "/apis", |document| find(document)["versions"][0]["freshness"] == "Current").await;
    assert_eq!(find(&document)["versions"][0]["resources"][0]["resource"], "flunders");
    assert_eq!(find(&document)["versions"][0]["resources"][0]["responseKind"]["kind"], "");
    let name = "apis/wardle.example.com/v1";
    let index = once(&client, "/openapi/v3", |index| index["paths"][name].is_object()).await;
    let url = index["paths"][name]["serverRelativeURL"].as_str().unwrap();
    assert_eq!(client.get(url).await.ok(), json!({"openapi": "3.0.0", "asked": "hash=ABC"}));
    let v2 = client.get("/openapi/v2").await.ok();
    assert!(v2["paths"]["/apis/wardle.example.com/v1/flunders"].is_object() && v2["paths"]["/api/"].is_object());
    assert!(v2["definitions"]["Flunder"].is_object() && v2["definitions"]["Other"].is_null());

    // Metrics say so too, and that it is not there any more.
    let shows = async |line: &str| client.get("/metrics").await.text().contains(line);
    assert!(shows("aggregator_unavailable_apiservice{name=\"v1.wardle.example.com\"} 0\n").await);
    assert!(shows("aggregator_unavailable_apiservice{name=\"v1.apps\"} 0\n").await);
    client.delete("/api/v1/namespaces/default/services/sample").await.ok();
    condition(&client, "ServiceNotFound").await;
    until("the metrics say so", async || {
        let counted =
            "aggregator_unavailable_apiservice_total{name=\"v1.wardle.example.com\",reason=\"ServiceNotFound\"} 1\n";
        shows(counted).await.then_some(())
    })
    .await;
    assert!(shows("aggregator_unavailable_apiservice{name=\"v1.wardle.example.com\"} 1\n").await);

    client.delete(&format!("{SERVICES}/v1.wardle.example.com")).await.ok();
    until("its end", async || {
        (client.get("/apis/wardle.example.com/v1").await.code == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let left = client.get("/apis").await.ok();
    assert_eq!(left["groups"].as_array().unwrap().len(), names.len() - 1);
    assert!(!shows("aggregator_unavailable_apiservice{name=\"v1.wardle.example.com\"}").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_openapi_v3_gets_one_made_of_v2() {
    let server = server().await;
    let client = server.admin().await;
    let port = old_sample(&server).await;
    serve(&client).await;
    client.post(SERVICES, &api_service(&server, port)).await.created();
    let name = "apis/wardle.example.com/v1";
    let index = once(&client, "/openapi/v3", |index| index["paths"][name].is_object()).await;
    let url = index["paths"][name]["serverRelativeURL"].as_str().unwrap();
    let document = client.get(url).await.ok();
    assert_eq!(document["openapi"], "3.0.0");
    assert!(document["paths"]["/apis/wardle.example.com/v1/flunders"]["get"].is_object());
    assert_eq!(document["components"]["schemas"]["Flunder"], json!({"type": "object"}));
    client.delete(&format!("{SERVICES}/v1.wardle.example.com")).await.ok();
    until("its end", async || {
        let index = client.get("/openapi/v3").await.ok();
        index["paths"][name].is_null().then_some(())
    })
    .await;
    assert_eq!(client.get(url).await.code, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_go_through_and_failures_are_told() {
    let server = server().await;
    let client = server.admin().await;
    let port = sample(&server).await;
    serve(&client).await;
    // Nobody listens at this port.
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    client.post(SERVICES, &api_service(&server, unused)).await.created();
    let failed = condition(&client, "FailedDiscoveryCheck").await;
    let message = failed["message"].as_str().unwrap();
    assert!(message.starts_with("failing or missing response from https://localhost:"), "{message}");
    assert!(message.ends_with("connect: connection refused"), "{message}");
    let update = json!({"spec": {"service": {"port": port}}});
    client.patch(&format!("{SERVICES}/v1.wardle.example.com"), MERGE, &update).await.ok();
    condition(&client, "Passed").await;
    once(&client, "/apis/wardle.example.com/v1", |_| true).await;

    let mut raw = server.raw("joe", &["system:masters"]).await;
    raw.write_all(
        b"GET /apis/wardle.example.com/v1/namespaces/default/flunders/a/upgrade HTTP/1.1\r\nHost: localhost\r\n\
          Connection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    )
    .await
    .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"joe\n") {
        seen.push(raw.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&seen));
    raw.write_all(b"ping").await.unwrap();
    let mut echoed = [0; 4];
    raw.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"ping");
}
