//! The edge: certificates, headers for browsers, deadlines, compression, and how the server ends.

use std::io::Read as _;

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Files, Server, until};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

async fn server(flags: &[&str]) -> Server {
    Server::start_with(Files::new(), &[&["--storage=memory"], flags].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_get_their_headers() {
    let server = server(&[
        "--cors-allowed-origins=^https://page[.]example$",
        "--strict-transport-security-directives=max-age=31536000,includeSubDomains",
    ])
    .await;
    let client = server.admin().await;
    let page = client.with("origin", "https://page.example");
    let answer = page.get(PATH).await;
    answer.ok();
    assert_eq!(answer.headers["access-control-allow-origin"], "https://page.example");
    assert_eq!(answer.headers["access-control-allow-credentials"], "true");
    assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000; includeSubDomains");
    let asked = page.send(Method::OPTIONS, PATH, "", "").await;
    assert_eq!(asked.code, StatusCode::NO_CONTENT);
    assert_eq!(asked.headers["access-control-allow-methods"], "POST, GET, OPTIONS, PUT, DELETE, PATCH");
    let other = client.with("origin", "https://other.example").get(PATH).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_ask_for_less_time() {
    let server = server(&[]).await;
    let client = server.admin().await;
    client.get(&format!("{PATH}?timeout=10s")).await.ok();
    client.get(&format!("{PATH}?timeout=0")).await.ok();
    let message = client.get(&format!("{PATH}?timeout=x")).await.refused(400, "BadRequest");
    assert_eq!(message, "invalid timeout specified in the request URL - time: invalid duration \"x\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_lists_are_compressed() {
    let server = server(&[]).await;
    let client = server.admin().await;
    for index in 0..5 {
        client.config_map(&format!("c{index}"), &json!({"text": "x".repeat(40_000)})).await;
    }
    let plain = client.get(PATH).await;
    assert!(!plain.headers.contains_key("content-encoding"));
    let gzip = client.with("accept-encoding", "gzip");
    let answer = gzip.get(PATH).await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let small = gzip.get(&format!("{PATH}/c0")).await;
    assert!(!small.headers.contains_key("content-encoding"));
    let mut watch = gzip.watch(&format!("{PATH}?watch=1")).await;
    watch.expect("ADDED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_read_again_when_they_change() {
    let server = server(&[]).await;
    let before = server.certificate().await;
    let (certificate, key) = server.files.certificate("renewed", &[], &["localhost", "127.0.0.1"]);
    server.files.write("server.key", &key);
    server.files.write("server.crt", &certificate);
    until("the new certificate", async || (server.certificate().await != before).then_some(())).await;
    // The authority of clients too: who had the old one is unknown afterwards.
    let client = server.admin().await;
    client.get(PATH).await.ok();
    server.files.write("ca.crt", &Files::new().authority());
    until("the new authority", async || (client.get(PATH).await.code != StatusCode::OK).then_some(())).await;
    client.get(PATH).await.refused(401, "Unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_chosen_by_name() {
    let files = Files::new();
    let (certificate, key) = files.certificate("other", &[], &["localhost"]);
    files.write("other.crt", &certificate);
    files.write("other.key", &key);
    let path = |name: &str| files.path(name).display().to_string();
    let flag = format!("--tls-sni-cert-key={},{}", path("other.crt"), path("other.key"));
    let server = Server::start_with(files, &["--storage=memory", &flag]).await;
    let shown = server.certificate().await;
    let (_, parsed) = x509_parser::parse_x509_certificate(&shown).unwrap();
    assert!(parsed.subject().to_string().contains("CN=other"), "{}", parsed.subject());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bootstrap_tokens_are_users_where_they_are_enabled() {
    let server = server(&["--enable-bootstrap-token-auth"]).await;
    let client = server.admin().await;
    client
        .post(
            "/api/v1/namespaces/kube-system/secrets",
            &json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token", "stringData": {
                "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}}),
        )
        .await
        .created();
    let reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let joining = server.anonymous().await.with("authorization", "Bearer abcdef.0123456789abcdef");
    let review = joining.post(reviews, &json!({})).await.created();
    assert_eq!(review["status"]["userInfo"]["username"], "system:bootstrap:abcdef");
    assert_eq!(review["status"]["userInfo"]["groups"], json!(["system:bootstrappers", "system:authenticated"]));
    let wrong = server.anonymous().await.with("authorization", "Bearer abcdef.0123456789abcdeg");
    wrong.post(reviews, &json!({})).await.refused(401, "Unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_tells_how_it_was_started() {
    let server = server(&[]).await;
    let client = server.admin().await;
    let text = client.get("/statusz").await.text();
    assert!(text.starts_with("\napiserver statusz\nWarning: ") && text.contains("\nBinary version: 1.36\n"), "{text}");
    assert!(client.get("/flagz").await.text().starts_with("\napiserver flagz\nWarning: "));
    server.anonymous().await.get("/flagz").await.refused(403, "Forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_is_unready_and_serves_on() {
    let server = server(&["--shutdown-delay-duration=1m"]).await;
    let client = server.admin().await;
    client.get("/readyz").await;
    server.tell_to_stop();
    let unready = until("the end of readiness", async || {
        let answer = client.get("/readyz").await;
        (answer.code != StatusCode::OK).then(|| answer.text())
    });
    let unready = unready.await;
    assert!(unready.contains("[-]shutdown failed: reason withheld\n"), "{unready}");
    assert_eq!(client.get("/livez").await.code, StatusCode::OK);
    client.get(PATH).await.ok();
    // Who comes anew is served too.
    server.admin().await.get(PATH).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_server_tells_clients_to_come_again() {
    let server = server(&["--shutdown-send-retry-after"]).await;
    let client = server.admin().await;
    let mut watch = client.watch(&format!("{PATH}?watch=1&resourceVersion=0")).await;
    client.config_map("last", &json!({})).await;
    watch.expect("ADDED").await;
    server.stop().await;
    // The watch is ended, not cut off.
    assert!(watch.next().await.is_none());
}
