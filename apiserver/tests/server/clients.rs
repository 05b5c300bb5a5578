//! What upstream's own clients and tests rely on, beyond the verbs: each found by running them.

use serde_json::{Value, json};

use crate::support::{MERGE, Server};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_have_no_table_and_scales_have() {
    let server = Server::start().await;
    let client = server.admin().await;
    let tables = client.with("accept", TABLE);
    let review = json!({"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}});
    let answer = tables.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await;
    assert_eq!(answer.code, 406, "{}", answer.text());
    let path = "/api/v1/namespaces/default/replicationcontrollers";
    let controller = json!({
        "metadata": {"name": "rc"},
        "spec": {"replicas": 3, "selector": {"a": "b"}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    });
    assert_eq!(client.post(path, &controller).await.code, 201);
    let table = tables.get(&format!("{path}/rc/scale")).await.ok();
    assert_eq!(table["columnDefinitions"][1]["name"], "Desired");
    assert_eq!((&table["rows"][0]["cells"][0], &table["rows"][0]["cells"][1]), (&json!("rc"), &json!(3)));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_events_are_selected_by_their_controller_as_source() {
    let server = Server::start().await;
    let client = server.admin().await;
    let event = json!({
        "metadata": {"name": "e"}, "eventTime": "2026-01-02T03:04:05.000006Z", "type": "Normal", "reason": "r",
        "action": "a", "reportingController": "example.com/c", "reportingInstance": "c-1",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    });
    let made = client.post("/apis/events.k8s.io/v1/namespaces/default/events", &event).await;
    assert_eq!(made.code, 201, "{}", made.text());
    for (path, count) in [
        ("/api/v1/namespaces/default/events?fieldSelector=source%3Dexample.com/c", 1),
        ("/api/v1/namespaces/default/events?fieldSelector=source%3Dother", 0),
        ("/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=reportingController%3Dexample.com/c", 1),
    ] {
        assert_eq!(client.get(path).await.ok()["items"].as_array().map_or(0, Vec::len), count, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_object_has_no_path_across_namespaces() {
    let server = Server::start().await;
    let client = server.admin().await;
    for path in ["/api/v1/pods/x", "/apis/rbac.authorization.k8s.io/v1/roles/x"] {
        let answer = client.get(path).await;
        assert_eq!(answer.code, 404, "{path}");
        assert_eq!(answer.json()["message"], "the server could not find the requested resource");
    }
    assert_eq!(client.post("/api/v1/configmaps", &json!({"metadata": {"name": "x"}})).await.code, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_uid_is_named_as_the_store_would() {
    let server = Server::start().await;
    let client = server.admin().await;
    let mut map: Value = client.config_map("u", &json!({})).await;
    let uid = map["metadata"]["uid"].as_str().unwrap().to_owned();
    map["metadata"]["uid"] = "none".into();
    let answer = client.put("/api/v1/namespaces/default/configmaps/u", &map).await;
    assert_eq!(answer.code, 409);
    assert_eq!(
        answer.json()["message"],
        format!(
            "Operation cannot be fulfilled on configmaps \"u\": StorageError: invalid object, Code: 4, Key: \
             /registry/configmaps/default/u, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
             precondition: none, UID in object meta: {uid}"
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_counts_its_changes_alone() {
    let server = Server::start().await;
    let client = server.admin().await;
    let path = "/apis/storage.k8s.io/v1/csidrivers";
    let made = client.post(path, &json!({"metadata": {"name": "d.example.com"}, "spec": {}})).await;
    assert_eq!(made.json()["metadata"]["generation"], Value::Null, "{}", made.text());
    let patch = json!({"spec": {"requiresRepublish": true}});
    let changed = client.patch(&format!("{path}/d.example.com"), MERGE, &patch).await.ok();
    assert_eq!(changed["metadata"]["generation"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn being_bound_is_not_a_new_generation_of_a_pod() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.post("/api/v1/namespaces/default/serviceaccounts", &json!({"metadata": {"name": "default"}})).await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    assert_eq!(client.post(pods, &pod).await.created()["metadata"]["generation"], 1);
    let target = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    client.post(&format!("{pods}/p/binding"), &target).await.created();
    let bound = client.get(&format!("{pods}/p")).await.ok();
    assert_eq!((&bound["spec"]["nodeName"], &bound["metadata"]["generation"]), (&json!("n"), &json!(1)));
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "i:2"}]);
    let changed = client.patch(&format!("{pods}/p"), "application/json-patch+json", &image).await.ok();
    assert_eq!(changed["metadata"]["generation"], 2);
}
