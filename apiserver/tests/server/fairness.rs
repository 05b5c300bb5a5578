//! Priority and fairness as clients see it.

use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Files, Server, until};

const ROOT: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const SCHEMA: &str = "x-kubernetes-pf-flowschema-uid";
const LEVEL: &str = "x-kubernetes-pf-prioritylevel-uid";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_of_a_level_are_turned_away() {
    let server = Server::start_with(
        Files::new(),
        &["--storage=memory", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1"],
    )
    .await;
    let admin = server.admin().await;
    let level = json!({"metadata": {"name": "narrow"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}}});
    let level = admin.post(&format!("{ROOT}/prioritylevelconfigurations"), &level).await.created();
    let schema = json!({"metadata": {"name": "narrow"}, "spec": {
        "matchingPrecedence": 50, "priorityLevelConfiguration": {"name": "narrow"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": "slow"}}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]}]}});
    let schema = admin.post(&format!("{ROOT}/flowschemas"), &schema).await.created();
    let binding = json!({"metadata": {"name": "slow"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "slow"}]});
    admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await.created();
    let slow = server.user("slow", &[]).await;
    let path = "/api/v1/namespaces/default/configmaps";
    let answer = until("the schema's effect", async || {
        let answer = slow.get(path).await;
        let uid = schema["metadata"]["uid"].as_str().unwrap();
        let is_it = answer.code == 200 && answer.headers.get(SCHEMA).is_some_and(|found| found == uid);
        is_it.then_some(answer)
    });
    assert_eq!(answer.await.headers[LEVEL], level["metadata"]["uid"].as_str().unwrap());
    // A request whose body does not come keeps its seat.
    let mut stuck = server.raw("slow", &[]).await;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n");
    stuck.write_all(head.as_bytes()).await.unwrap();
    stuck.flush().await.unwrap();
    let dump = "/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1";
    until("the seat", async || {
        let text = admin.get(dump).await.text();
        text.lines().any(|line| line.starts_with("narrow,") && line.contains("slow,")).then_some(())
    })
    .await;
    let refused = slow.get(path).await;
    assert_eq!(refused.code, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.text(), "Too many requests, please try again later.\n");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(refused.headers[SCHEMA], schema["metadata"]["uid"].as_str().unwrap());
    // Nobody else suffers.
    admin.get(path).await.ok();
    let levels = admin.get("/debug/api_priority_and_fairness/dump_priority_levels").await.text();
    assert!(levels.starts_with("PriorityLevelName, ActiveQueues, IsIdle, "), "{levels}");
    assert!(admin.get("/debug/api_priority_and_fairness/dump_queues").await.text().contains("global-default,"));
    let metrics = admin.get("/metrics").await.text();
    let rejected = "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"narrow\",priority_level=\"narrow\",reason=\"concurrency-limit\"}";
    assert!(metrics.contains(rejected), "{metrics}");
    stuck.write_all(b"{}").await.unwrap();
    let mut answer = [0; 12];
    stuck.read_exact(&mut answer).await.unwrap();
    slow.get(path).await.ok();
    // A schema that names no level says so, and matches nothing.
    admin.delete(&format!("{ROOT}/prioritylevelconfigurations/narrow")).await.ok();
    until("the condition", async || {
        let found = admin.get(&format!("{ROOT}/flowschemas/narrow")).await.ok();
        (found["status"]["conditions"][0]["status"] == "True").then_some(())
    })
    .await;
    assert_ne!(slow.get(path).await.headers[SCHEMA], schema["metadata"]["uid"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fairness_there_is_one_limit_for_all() {
    let server = Server::start_with(
        Files::new(),
        &["--storage=memory", "--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1"],
    )
    .await;
    let nobody = server.user("nobody", &[]).await;
    assert!(nobody.get("/api/v1/pods").await.headers.get(SCHEMA).is_none());
    assert_eq!(server.admin().await.get("/debug/api_priority_and_fairness/dump_queues").await.code, 404);
}
