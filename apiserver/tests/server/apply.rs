//! Who owns which field, over the wire.

use serde_json::{Value, json};

use crate::support::{APPLY, MERGE, Server, version};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

fn managers(object: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| (text(&entry["manager"]), text(&entry["operation"]), text(&entry["subresource"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appliers_conflict_and_force() {
    let server = Server::start().await;
    let client = server.admin().await;
    let config =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    let path = |manager: &str| format!("{PATH}/a?fieldManager={manager}");
    client.patch(&path("one"), APPLY, &config("1")).await.created();
    client.patch(&path("one"), APPLY, &config("1")).await.ok();
    let refused = client.patch(&path("two"), APPLY, &config("2")).await;
    let message = refused.refused(409, "Conflict");
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    assert_eq!(refused.json()["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let forced = client.patch(&format!("{}&force=true", path("two")), APPLY, &config("2")).await.ok();
    assert_eq!(forced["data"]["k"], "2");
    assert_eq!(managers(&forced).iter().map(|entry| entry.0.as_str()).collect::<Vec<_>>(), ["two"]);
    let mut dropped = config("2");
    dropped["data"] = Value::Null;
    let dropped = client.patch(&path("two"), APPLY, &dropped).await.ok();
    assert_eq!(dropped["data"], Value::Null);
    client.patch(&format!("{PATH}/a"), APPLY, &config("1")).await.refused(422, "Invalid");
    client.patch(&format!("{}&force=true", path("x")), MERGE, &json!({})).await.refused(422, "Invalid");
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: why}\ndata: {k: v}\n";
    client.send(http::Method::PATCH, &format!("{PATH}/why?fieldManager=f"), APPLY, yaml).await.created();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_list_forgets_all_owners() {
    let server = Server::start().await;
    let client = server.admin().await;
    let mut made = client.config_map("r", &json!({"k": "v"})).await;
    assert_eq!(managers(&made).len(), 1);
    let kept = client.patch(&format!("{PATH}/r"), MERGE, &json!({"metadata": {"managedFields": null}})).await.ok();
    assert_eq!(managers(&kept).len(), 1, "leaving it out is no reset");
    made["metadata"]["managedFields"] = json!([]);
    made["metadata"]["resourceVersion"] = Value::Null;
    let reset = client.put(&format!("{PATH}/r"), &made).await.ok();
    assert_eq!(reset["metadata"]["managedFields"], Value::Null);
    client.config_map("s", &json!({"k": "v"})).await;
    let reset = client.patch(&format!("{PATH}/s"), MERGE, &json!({"metadata": {"managedFields": [{}]}})).await.ok();
    assert_eq!(reset["metadata"]["managedFields"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subresources_have_owners_of_their_own() {
    let server = Server::start().await;
    let client = server.admin().await;
    let path = "/apis/apps/v1/namespaces/default/deployments";
    let config = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        }},
        "status": {"replicas": 7},
    });
    let made = client.patch(&format!("{path}/d?fieldManager=owner"), APPLY, &config).await.created();
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"];
    assert!(fields["f:status"].is_null(), "the main resource cannot own the status: {fields}");
    assert_ne!(made["status"]["replicas"], 7);
    let status =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 3}});
    let applied = client.patch(&format!("{path}/d/status?fieldManager=watcher"), APPLY, &status).await.ok();
    assert_eq!(applied["status"]["replicas"], 3);
    assert!(managers(&applied).contains(&("watcher".into(), "Apply".into(), "status".into())));
    let moved = client
        .patch(
            &format!("{path}/d/status?fieldManager=w2"),
            MERGE,
            &json!({"spec": {"replicas": 9}, "status": {"replicas": 4}}),
        )
        .await
        .ok();
    assert_eq!((&moved["spec"]["replicas"], &moved["status"]["replicas"]), (&json!(2), &json!(4)));

    let scale = client.get(&format!("{path}/d/scale")).await.ok();
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(2), &json!("a=b")));
    let scaled = client
        .patch(&format!("{path}/d/scale?fieldManager=scaler"), MERGE, &json!({"spec": {"replicas": 5}}))
        .await
        .ok();
    assert_eq!(scaled["spec"]["replicas"], 5);
    assert_eq!(scaled["kind"], "Scale");
    let now = client.get(&format!("{path}/d")).await.ok();
    assert!(managers(&now).contains(&("scaler".into(), "Update".into(), "scale".into())), "{:?}", managers(&now));
    let apply =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 6}});
    client.patch(&format!("{path}/d/scale?fieldManager=third"), APPLY, &apply).await.refused(409, "Conflict");
    let forced = client.patch(&format!("{path}/d/scale?fieldManager=third&force=true"), APPLY, &apply).await.ok();
    assert_eq!(forced["spec"]["replicas"], 6);
    let mut stale = forced.clone();
    stale["metadata"]["resourceVersion"] = version(&scale).into();
    client.put(&format!("{path}/d/scale"), &stale).await.refused(409, "Conflict");
    stale["metadata"]["resourceVersion"] = version(&forced).into();
    stale["spec"]["replicas"] = (-1).into();
    client.put(&format!("{path}/d/scale"), &stale).await.refused(422, "Invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_follow_an_object_between_versions() {
    let server = Server::start().await;
    let client = server.admin().await;
    let spec = |max: i64| {
        json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": max, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}},
        })
    };
    let (v1, v2) = ("/apis/autoscaling/v1", "/apis/autoscaling/v2");
    let path = "namespaces/default/horizontalpodautoscalers/h";
    client.patch(&format!("{v1}/{path}?fieldManager=one"), APPLY, &spec(3)).await.created();
    let mut newer = spec(4);
    newer["apiVersion"] = "autoscaling/v2".into();
    client.patch(&format!("{v2}/{path}?fieldManager=two"), APPLY, &newer).await.refused(409, "Conflict");
    let same = client.patch(&format!("{v2}/{path}?fieldManager=one"), APPLY, &newer).await.ok();
    assert_eq!(same["spec"]["maxReplicas"], 4);
    assert_eq!(client.get(&format!("{v1}/{path}")).await.ok()["spec"]["maxReplicas"], 4);
}
