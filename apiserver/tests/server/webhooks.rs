//! Admission webhooks over the wire: a server of this test's own answers the reviews.

use base64::Engine;
use serde_json::{Value, json};

use crate::hook::Hook;
use crate::support::{Client, Server, until};

/// A webhook server that gives reviews the responses that `answer` makes of paths and requests.
async fn reviewer(server: &Server, answer: fn(&str, &Value) -> Value) -> Hook {
    let review = move |path: &str, review: &Value| {
        let mut response = answer(path, &review["request"]);
        response["uid"] = review["request"]["uid"].clone();
        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}).to_string()
    };
    Hook::start(server, review).await
}

/// A webhook of a configuration, which is asked at this path about config maps.
fn webhook(hook: &Hook, server: &Server, name: &str, path: &str, more: &Value) -> Value {
    let mut webhook = json!({
        "name": name,
        "clientConfig": hook.client_config(server, path),
        "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        webhook[key] = value.clone();
    }
    webhook
}

async fn configure(client: &Client, kind: &str, name: &str, webhooks: &[Value]) {
    let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations");
    client.post(&path, &json!({"metadata": {"name": name}, "webhooks": webhooks})).await.created();
}

fn answer(path: &str, request: &Value) -> Value {
    let patch = |patch: Value| {
        let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        json!({"allowed": true, "patchType": "JSONPatch", "patch": patch})
    };
    match path {
        "/deny" => json!({"allowed": false, "status": {"code": 403, "message": "not today", "reason": "Forbidden"}}),
        "/warn" => json!({"allowed": true, "warnings": ["mind the gap"], "auditAnnotations": {"key": "value"}}),
        "/first" => patch(json!([{"op": "add", "path": "/data", "value": {"first": "yes"}}])),
        // Counts what the ones before have left.
        "/second" if request["object"]["data"]["second"].is_null() => {
            patch(json!([{"op": "add", "path": "/data/second", "value": request["object"]["data"]["first"]}]))
        }
        "/garbage" => json!({"allowed": true, "patch": "e30="}),
        _ => json!({"allowed": true}),
    }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": name}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutating_webhooks_see_what_the_ones_before_changed() {
    let server = Server::start().await;
    let client = server.admin().await;
    let hook = reviewer(&server, answer).await;
    let webhooks = [
        webhook(&hook, &server, "first.example.com", "/first", &json!({"reinvocationPolicy": "IfNeeded"})),
        webhook(&hook, &server, "second.example.com", "/second", &json!({})),
    ];
    configure(&client, "mutating", "m", &webhooks).await;
    // The cache hears of the configuration by its watch: from then on objects are changed.
    let created = until("a change", async || {
        let created = client.post(MAPS, &json!({"metadata": {"generateName": "a-"}})).await.created();
        Some(created).filter(|created| !created["data"].is_null())
    });
    let created = created.await;
    assert_eq!(created["data"], json!({"first": "yes"}), "the first one is asked again, and starts anew");
    let asked = hook.asked.lock();
    let request = &asked[0];
    assert_eq!(
        (&request["operation"], &request["kind"]["kind"], &request["namespace"], &request["name"], &request["dryRun"]),
        (&json!("CREATE"), &json!("ConfigMap"), &json!("default"), &Value::Null, &json!(false))
    );
    assert_eq!(request["userInfo"]["username"], "admin");
    assert_eq!((&request["oldObject"], &request["options"]["kind"]), (&Value::Null, &json!("CreateOptions")));
    assert_eq!(asked.len(), 3);
    drop(asked);
    assert_eq!(hook.connections(), 2, "one for each place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validating_webhooks_refuse_warn_and_fail() {
    let server = Server::start().await;
    let client = server.admin().await;
    let hook = reviewer(&server, answer).await;
    let only = |app: &str| json!({"objectSelector": {"matchLabels": {"app": app}}});
    let with = |app: &str, more: Value| {
        let mut all = only(app);
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let unreachable = "https://127.0.0.1:1/";
    let dead = |name: &str, policy: &str| {
        let mut webhook = webhook(&hook, &server, name, "/", &with("dead", json!({"failurePolicy": policy})));
        webhook["clientConfig"]["url"] = unreachable.into();
        webhook
    };
    let mut ignored = dead("ignored.example.com", "Ignore");
    ignored["objectSelector"] = json!({});
    let webhooks = [
        webhook(&hook, &server, "deny.example.com", "/deny", &only("deny")),
        webhook(&hook, &server, "warn.example.com", "/warn", &only("warn")),
        webhook(&hook, &server, "garbage.example.com", "/garbage", &only("garbage")),
        webhook(&hook, &server, "effects.example.com", "/ok", &with("effects", json!({"sideEffects": "Some"}))),
        dead("dead.example.com", "Fail"),
        ignored,
    ];
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let refused = client.post(path, &json!({"metadata": {"name": "v"}, "webhooks": webhooks})).await;
    // A v1 webhook must not have side effects that it does not tell.
    if refused.code == 201 {
        panic!("{}", refused.text());
    }
    let webhooks: Vec<Value> =
        webhooks.into_iter().filter(|webhook| webhook["name"] != "effects.example.com").collect();
    configure(&client, "validating", "v", &webhooks).await;
    let refused = until("a refusal", async || {
        let answer = client.post(&format!("{MAPS}?dryRun=All"), &map("deny")).await;
        (answer.code != 201).then(|| answer.refused(403, "Forbidden"))
    });
    let refused = refused.await;
    assert_eq!(refused, "admission webhook \"deny.example.com\" denied the request: not today");
    let warned = client.post(MAPS, &map("warn")).await;
    warned.created();
    assert_eq!(warned.headers["warning"], "299 - \"mind the gap\"");
    assert_eq!(
        client.post(MAPS, &map("garbage")).await.refused(500, "InternalError"),
        "Internal error occurred: failed calling webhook \"garbage.example.com\": received invalid webhook response: validating webhook may not return response.patch"
    );
    assert_eq!(
        client.post(MAPS, &map("dead")).await.refused(500, "InternalError"),
        "Internal error occurred: failed calling webhook \"dead.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused"
    );
    client.post(MAPS, &map("ok")).await.created();
    client.delete(&format!("{MAPS}/ok")).await.ok();
    let metrics = client.get("/metrics").await.text();
    assert!(
        metrics
            .contains("apiserver_admission_webhook_rejection_count{error_type=\"no_error\",name=\"deny.example.com\""),
        "{metrics}"
    );
    assert!(
        metrics
            .contains("apiserver_admission_webhook_fail_open_count{name=\"ignored.example.com\",type=\"validating\"}")
    );
}
