//! What is on record of requests, in a log and at a webhook.

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Files, MERGE, SOON, Server, until};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A server that audits by these rules into `audit.log`.
async fn audited(rules: &str, flags: &[&str]) -> Server {
    let files = Files::new();
    let policy = files.path("policy.yaml");
    std::fs::write(&policy, format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{rules}")).unwrap();
    let mut all = vec![
        "--storage=memory".to_owned(),
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", files.path("audit.log").display()),
    ];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Server::start_with(files, &all).await
}

/// The events of a request, by the id that its client gave it.
pub fn events(log: &Path, id: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    // The last line may be half written.
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["auditID"] == id).collect()
}

/// The event of a request's end, which is written after the last byte of a stream is sent.
async fn completed(log: &Path, id: &str) -> Value {
    until(id, async || events(log, id).into_iter().find(|event| event["stage"] == "ResponseComplete")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_level_records_what_it_should() {
    let server = audited(
        "- {level: None, resources: [{resources: [pods]}]}\n\
         - {level: Metadata, resources: [{resources: [secrets]}]}\n\
         - {level: RequestResponse, omitManagedFields: true, resources: [{resources: [configmaps]}]}\n\
         - {level: Metadata, verbs: [watch]}\n",
        &[],
    )
    .await;
    let log = server.files.path("audit.log");
    let admin = server.admin().await;
    let asked = |id: &str| admin.with("audit-id", id);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "<y>"}});
    let answer = asked("create").post(CONFIG_MAPS, &map).await;
    assert_eq!(answer.headers["audit-id"], "create");
    let created = answer.created();
    let found = events(&log, "create");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0]["stage"], "RequestReceived");
    assert!(found[0]["requestObject"].is_null());
    let event = &found[1];
    assert_eq!((&event["stage"], &event["verb"]), (&json!("ResponseComplete"), &json!("create")));
    assert_eq!(event["user"]["username"], "admin");
    assert_eq!(
        event["objectRef"],
        json!({"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"})
    );
    assert_eq!(event["responseStatus"], json!({"metadata": {}, "code": 201}));
    assert_eq!(event["requestObject"]["data"], map["data"]);
    assert_eq!(event["responseObject"]["metadata"]["uid"], created["metadata"]["uid"]);
    assert!(event["responseObject"]["metadata"]["managedFields"].is_null());
    assert_eq!(
        event["annotations"],
        json!({"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""})
    );

    asked("patch").patch(&format!("{CONFIG_MAPS}/a"), MERGE, &json!({"data": {"z": "1"}})).await.ok();
    assert_eq!(events(&log, "patch")[1]["requestObject"], json!({"data": {"z": "1"}}));

    // A list is on record whole, in JSON whatever it was sent in.
    asked("list").with("accept", "application/vnd.kubernetes.protobuf").get(CONFIG_MAPS).await;
    let found = completed(&log, "list").await;
    assert_eq!(found["responseObject"]["kind"], "ConfigMapList");
    let items = found["responseObject"]["items"].as_array().unwrap();
    assert!(items.iter().any(|item| item["metadata"]["name"] == "a"), "{items:?}");

    let secret = json!({"metadata": {"name": "s"}, "stringData": {"x": "hidden"}});
    asked("secret").post("/api/v1/namespaces/default/secrets", &secret).await.created();
    let found = &events(&log, "secret")[1];
    assert!(found["requestObject"].is_null() && found["responseObject"].is_null());
    assert_eq!(found["objectRef"]["name"], "s");
    asked("gone").delete("/api/v1/namespaces/default/secrets/none").await.refused(404, "NotFound");
    assert_eq!(events(&log, "gone")[1]["responseStatus"]["reason"], "NotFound");

    asked("pods").get("/api/v1/pods").await.ok();
    asked("version").get("/version").await.ok();
    assert!(events(&log, "pods").is_empty() && events(&log, "version").is_empty());

    // A watch has an event when it begins, and one when it ends.
    let mut watch = asked("watch").watch("/api/v1/services?watch=1&timeoutSeconds=1").await;
    let stages = |id: &str| events(&log, id).iter().map(|event| event["stage"].clone()).collect::<Vec<_>>();
    assert_eq!(stages("watch"), ["RequestReceived", "ResponseStarted"]);
    while watch.next().await.is_some() {}
    drop(watch);
    completed(&log, "watch").await;
    assert_eq!(stages("watch").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_is_on_record() {
    let server = audited("- {level: Metadata}\n", &[]).await;
    let log = server.files.path("audit.log");
    let nobody = server.user("nobody", &[]).await.with("audit-id", "nobody");
    nobody.get(CONFIG_MAPS).await.refused(403, "Forbidden");
    let event = &events(&log, "nobody")[1];
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "forbid");
    assert_eq!(
        (&event["responseStatus"]["code"], &event["responseStatus"]["reason"]),
        (&json!(403), &json!("Forbidden"))
    );

    let forged = server.anonymous().await.with("authorization", "Bearer forged").with("audit-id", "forged");
    forged.get(CONFIG_MAPS).await.refused(401, "Unauthorized");
    let found = events(&log, "forged");
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["stage"], &found[0]["user"]), (&json!("ResponseStarted"), &json!({})));
    assert_eq!(found[0]["responseStatus"]["code"], 401);

    let admin = server.admin().await.with("audit-id", "as").with("impersonate-user", "jane");
    admin.get(CONFIG_MAPS).await.refused(403, "Forbidden");
    let event = &events(&log, "as")[1];
    assert_eq!((&event["user"]["username"], &event["impersonatedUser"]["username"]), (&json!("admin"), &json!("jane")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_is_counted() {
    let server = audited("- {level: Metadata, verbs: [delete]}\n", &["--audit-log-mode=blocking-strict"]).await;
    let log = server.files.path("audit.log");
    let admin = server.admin().await;
    admin.config_map("a", &json!({})).await;
    admin.with("audit-id", "kept").delete(&format!("{CONFIG_MAPS}/a")).await.ok();
    assert_eq!(events(&log, "kept").len(), 2);
    let metrics = admin.get("/metrics").await.text();
    assert!(metrics.contains("apiserver_audit_requests_rejected_total 0"), "{metrics}");
    assert!(metrics.contains("apiserver_audit_level_total{level=\"Metadata\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_get_lists_of_events() {
    let (received, mut lists) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let received = received.clone();
            let service = service_fn(move |request: http::Request<Incoming>| {
                let received = received.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    received.send((path, serde_json::from_slice::<Value>(&body).unwrap())).unwrap();
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}/audit")}}],
        "users": [{"name": "u", "user": {}}], "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let flags = [
        &*format!("--audit-webhook-config-file={}", kubeconfig.display()),
        "--audit-webhook-batch-max-size=2",
        "--audit-webhook-batch-throttle-enable=false",
    ];
    let server = audited("- {level: Metadata, nonResourceURLs: [/version]}\n", &flags).await;
    let admin = server.admin().await;
    admin.with("audit-id", "v").get("/version").await.ok();
    let (path, list) = tokio::time::timeout(SOON, lists.recv()).await.unwrap().unwrap();
    assert_eq!((path.as_str(), &list["kind"]), ("/audit", &json!("EventList")));
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| item["auditID"] == "v" && item["kind"].is_null()));
    // What waits when the server stops is sent all the same.
    admin.with("audit-id", "last").get("/version").await.ok();
    server.stop().await;
    let (_, list) = tokio::time::timeout(SOON, lists.recv()).await.unwrap().unwrap();
    assert_eq!(list["items"][0]["auditID"], "last");
}
