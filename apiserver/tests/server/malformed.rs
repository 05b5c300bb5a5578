//! Bodies and requests that no good client sends. Each is refused, none does harm.

use http::Method;
use serde_json::json;

use crate::support::{APPLY, JSON, JSON_PATCH, MERGE, PROTOBUF, STRATEGIC, Server};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const YAML: &str = "application/yaml";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bodies_are_refused() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("x", &json!({"a": "b"})).await;
    let deep = "[".repeat(200_000);
    let nested = format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(60_000), "}".repeat(60_000));
    let bodies: [(&str, &str); 22] = [
        (JSON, ""),
        (JSON, "{"),
        (JSON, "null"),
        (JSON, "[]"),
        (JSON, "\"text\""),
        (JSON, "7"),
        (JSON, "{} {}"),
        (JSON, &deep),
        (JSON, &nested),
        (JSON, "{\"metadata\": 5}"),
        (JSON, "{\"metadata\": {\"name\": 5}}"),
        (JSON, "{\"metadata\": {\"labels\": [1]}}"),
        (JSON, "{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"y\"}}"),
        (JSON, "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v9\", \"metadata\": {\"name\": \"y\"}}"),
        (JSON, "{\"metadata\": {\"name\": \"y\"}, \"data\": {\"a\": 1}}"),
        (YAML, "a: [1"),
        (YAML, "&a [*a, *a]"),
        (YAML, "- 1"),
        (PROTOBUF, "nonsense"),
        (PROTOBUF, "k8s\0\u{1}\u{2}\u{3}"),
        (PROTOBUF, "k8s\0"),
        (PROTOBUF, ""),
    ];
    for (content_type, body) in bodies {
        let shown = &body[..body.len().min(60)];
        let answer = client.send(Method::POST, PATH, content_type, body.to_owned()).await;
        assert!(
            matches!(answer.code.as_u16(), 400 | 422),
            "POST {content_type} {shown:?}: {} {}",
            answer.code,
            answer.text()
        );
        let answer = client.send(Method::PUT, &format!("{PATH}/x"), content_type, body.to_owned()).await;
        assert!(
            matches!(answer.code.as_u16(), 400 | 422),
            "PUT {content_type} {shown:?}: {} {}",
            answer.code,
            answer.text()
        );
    }
    for kind in [MERGE, STRATEGIC, JSON_PATCH, APPLY] {
        for body in [
            "",
            "{",
            "null",
            "[]",
            "7",
            "\"text\"",
            "[{\"op\": \"no\"}]",
            "{\"metadata\": 5}",
            "{\"metadata\": {\"name\": \"z\"}}",
            &deep,
            &nested,
        ] {
            let shown = &body[..body.len().min(60)];
            let answer = client.send(Method::PATCH, &format!("{PATH}/x?fieldManager=m"), kind, body.to_owned()).await;
            let code = answer.code.as_u16();
            // Patches that ask for nothing.
            let harmless =
                (kind == JSON_PATCH && matches!(body, "[]" | "null")) || (kind == STRATEGIC && body == "null");
            assert!(
                (400..500).contains(&code) || (harmless && code == 200) || (code == 500 && kind != JSON_PATCH),
                "PATCH {kind} {shown:?}: {code} {}",
                answer.text()
            );
            assert!(!answer.text().contains("unexpected condition"), "{kind} {shown:?}");
        }
    }
    assert_eq!(client.get(&format!("{PATH}/x")).await.ok()["data"], json!({"a": "b"}));
    client.send(Method::POST, PATH, "text/plain", "{}").await.refused(415, "UnsupportedMediaType");
    client.send(Method::PATCH, &format!("{PATH}/x"), JSON, "{}").await.refused(415, "UnsupportedMediaType");
    let huge = format!("{{\"metadata\":{{\"name\":\"h\"}},\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(4 << 20));
    client.send(Method::POST, PATH, JSON, huge).await.refused(413, "RequestEntityTooLarge");
    client.with("accept", "text/html").get(PATH).await.refused(406, "NotAcceptable");
    client.get("/readyz").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_warn_or_refuse() {
    let server = Server::start().await;
    let client = server.admin().await;
    let body = |name: &str| json!({"metadata": {"name": name}, "dta": {"a": "b"}});
    let warned = client.post(PATH, &body("w")).await;
    warned.created();
    assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"dta\\\"\"");
    let ignored = client.post(&format!("{PATH}?fieldValidation=Ignore"), &body("i")).await;
    ignored.created();
    assert!(!ignored.headers.contains_key("warning"));
    let message = client.post(&format!("{PATH}?fieldValidation=Strict"), &body("s")).await.refused(400, "BadRequest");
    assert!(message.ends_with("strict decoding error: unknown field \"dta\""), "{message}");
    client.post(&format!("{PATH}?fieldValidation=Maybe"), &body("m")).await.refused(422, "Invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_paths_and_methods_are_answered() {
    let server = Server::start().await;
    let client = server.admin().await;
    for path in ["/nope", "/apis/nope", "/apis/nope/v1/things", "/healthz/nope"] {
        assert_eq!(
            (client.get(path).await.code.as_u16(), client.get(path).await.text().as_str()),
            (404, "404 page not found\n")
        );
    }
    for path in [
        "/api/v2",
        "/apis/apps/v9",
        "/api/v1/nope",
        "/api/v1/namespaces/default/nope",
        "/api/v1/namespaces/default/nodes",
        "/apis/apps/v1/namespaces/default/deployments/x/nope",
        "/api/v1/namespaces/default/pods/x/y/z",
        "/api/v1/watch",
        "/api/v1/namespaces/x/y/z/a/b",
    ] {
        client.get(path).await.refused(404, "NotFound");
    }
    for path in ["/api/v1/namespaces/default/configmaps/%zz", "/api/v1/namespaces/default/configmaps/%ff"] {
        let code = client.get(path).await.code.as_u16();
        assert!(matches!(code, 400 | 404), "{path}: {code}");
    }
    client.put("/api/v1/namespaces/default/configmaps", &json!({})).await.refused(405, "MethodNotAllowed");
    client.post("/api/v1/namespaces/default/configmaps/x", &json!({})).await.refused(405, "MethodNotAllowed");
    client.post("/api/v1/namespaces/default/pods/x/log", &json!({})).await.refused(405, "MethodNotAllowed");
    client.send(Method::OPTIONS, "/api/v1/pods", "", "").await;
    client.send(Method::TRACE, "/api/v1/pods", "", "").await;
}
