//! Custom resources of several versions that a webhook converts: in which version they are stored, read, changed and
//! watched, and what becomes of requests when the webhook does not do as it should.

use serde_json::{Value, json};

use crate::hook::Hook;
use crate::support::{APPLY, Client, JSON_PATCH, MERGE, Server, names, until};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A definition whose objects have one field in `v1` and two in `v2`, converted at a path of a webhook server. Group
/// and path have the same name.
fn definition(hook: &Hook, server: &Server, mode: &str, review: &str) -> Value {
    let version = |name: &str, storage: bool, fields: &[&str]| {
        let selectable = fields[0];
        let fields: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), json!({"type": "string"}))).collect();
        json!({
            "name": name, "served": true, "storage": storage, "subresources": {"status": {}},
            "selectableFields": [{"jsonPath": format!(".spec.{}", selectable)}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": fields},
                "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
            }}},
        })
    };
    json!({
        "metadata": {"name": format!("gizmos.{mode}.example.com")},
        "spec": {
            "group": format!("{mode}.example.com"), "scope": "Namespaced",
            "names": {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo", "listKind": "GizmoList"},
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": [review], "clientConfig": hook.client_config(server, &format!("/{mode}")),
            }},
            "versions": [version("v1", true, &["hostPort"]), version("v2", false, &["host", "port"])],
        },
    })
}

/// Defines gizmos, and waits until they are served.
async fn defined(client: &Client, hook: &Hook, server: &Server, mode: &str, review: &str) {
    let definition = definition(hook, server, mode, review);
    let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
    let mut watch =
        client.watch(&format!("{CRDS}?watch=1&timeoutSeconds=30&fieldSelector=metadata.name%3D{name}")).await;
    client.post(CRDS, &definition).await.created();
    loop {
        let event = watch.next().await.expect("an event");
        let conditions = event["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|found| found["type"] == "Established" && found["status"] == "True") {
            return;
        }
    }
}

fn path(mode: &str, version: &str, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!("/{name}") };
    format!("/apis/{mode}.example.com/{version}/namespaces/default/gizmos{name}")
}

fn gizmo(mode: &str, version: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{mode}.example.com/{version}"), "kind": "Gizmo", "metadata": {"name": name}, "spec": spec,
    })
}

/// One object in another version.
fn converted(object: &Value, to: &str) -> Value {
    let mut object = object.clone();
    let spec = &object["spec"];
    let part = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    object["spec"] = if to.ends_with("/v1") {
        json!({"hostPort": format!("{}:{}", part("host"), part("port"))})
    } else {
        let both = part("hostPort");
        let (host, port) = both.split_once(':').unwrap_or((&both, ""));
        json!({"host": host, "port": port})
    };
    object["apiVersion"] = to.into();
    object
}

/// What the webhook answers: the truth to whoever stores, and to who reads what the path says.
fn answer(path: &str, review: &Value) -> String {
    let request = &review["request"];
    let to = request["desiredAPIVersion"].as_str().unwrap();
    let objects: Vec<Value> =
        request["objects"].as_array().unwrap().iter().map(|object| converted(object, to)).collect();
    let mut answer = json!({
        "kind": "ConversionReview", "apiVersion": review["apiVersion"],
        "response": {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects},
    });
    let response = &mut answer["response"];
    let objects = &mut response["convertedObjects"];
    match path {
        _ if to.ends_with("/v1") => {}
        "/garbage" => return "no json".to_owned(),
        "/uid" => response["uid"] = "other".into(),
        "/failure" => response["result"] = json!({"status": "Failure", "message": "not today"}),
        "/fewer" => *objects = json!([]),
        "/renames" => objects[0]["metadata"]["name"] = "other".into(),
        "/cyclic" => *objects = request["objects"].clone(),
        "/kind" => objects[0]["kind"] = "Other".into(),
        "/metadata" => objects[0]["metadata"] = "none".into(),
        "/labels" => objects[0]["metadata"]["labels"] = json!({"a b": "c"}),
        "/marks" => {
            objects[0]["metadata"]["labels"] = json!({"from": "webhook"});
            objects[0]["metadata"]["generation"] = 77.into();
            objects[0]["spec"]["unknown"] = true.into();
        }
        _ => {}
    }
    answer.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_had_in_every_version() {
    let server = Server::start().await;
    let client = server.admin().await;
    let hook = Hook::start(&server, answer).await;
    for (mode, review) in [("new", "v1"), ("old", "v1beta1")] {
        defined(&client, &hook, &server, mode, review).await;
        client.post(&path(mode, "v1", ""), &gizmo(mode, "v1", "a", &json!({"hostPort": "h:1"}))).await.created();
        let made = gizmo(mode, "v2", "b", &json!({"host": "b", "port": "2"}));
        let made = client.post(&path(mode, "v2", ""), &made).await.created();
        assert_eq!(
            (&made["apiVersion"], &made["spec"]["port"]),
            (&json!(format!("{mode}.example.com/v2")), &json!("2"))
        );
        let read = client.get(&path(mode, "v1", "b")).await.ok();
        assert_eq!(read["spec"], json!({"hostPort": "b:2"}));
        assert_eq!(client.get(&path(mode, "v2", "a")).await.ok()["spec"], json!({"host": "h", "port": "1"}));

        let before = hook.asked.lock().len();
        let list = client.get(&path(mode, "v2", "")).await.ok();
        assert_eq!(names(&list), ["a", "b"]);
        assert_eq!(list["items"][0]["spec"], json!({"host": "h", "port": "1"}));
        assert_eq!(hook.asked.lock().len(), before + 1, "one review for all objects");
        assert_eq!(client.get(&path(mode, "v2", "")).await.ok(), list);
        assert_eq!(hook.asked.lock().len(), before + 1, "what was converted is kept");

        let selected = client.get(&format!("{}?fieldSelector=spec.host%3Db", path(mode, "v2", ""))).await.ok();
        assert_eq!(names(&selected), ["b"]);
        let selected = client.get(&format!("{}?fieldSelector=spec.hostPort!%3Db:2", path(mode, "v1", ""))).await.ok();
        assert_eq!(names(&selected), ["a"]);

        let mut watch = client.watch(&format!("{}?watch=1", path(mode, "v2", ""))).await;
        assert_eq!(watch.expect("ADDED").await["spec"], json!({"host": "h", "port": "1"}));
        watch.expect("ADDED").await;
        let patched = client.patch(&path(mode, "v2", "a"), MERGE, &json!({"spec": {"port": "9"}})).await.ok();
        assert_eq!(patched["spec"], json!({"host": "h", "port": "9"}));
        assert_eq!(watch.expect("MODIFIED").await["spec"]["port"], "9");
        assert_eq!(client.get(&path(mode, "v1", "a")).await.ok()["spec"], json!({"hostPort": "h:9"}));

        let mut watch = client.watch(&format!("{}?watch=1&fieldSelector=spec.host%3Db", path(mode, "v2", ""))).await;
        assert_eq!(watch.expect("ADDED").await["metadata"]["name"], "b");
        let host = async |name: &str, host: &str| {
            client.patch(&path(mode, "v2", name), MERGE, &json!({"spec": {"host": host}})).await.ok()
        };
        host("a", "b").await;
        assert_eq!(watch.expect("ADDED").await["spec"], json!({"host": "b", "port": "9"}));
        client.patch(&path(mode, "v2", "b"), MERGE, &json!({"spec": {"port": "8"}})).await.ok();
        assert_eq!(watch.expect("MODIFIED").await["spec"]["port"], "8");
        let changed = host("a", "h").await;
        let gone = watch.expect("DELETED").await;
        assert_eq!(
            (&gone["spec"]["host"], &gone["metadata"]["resourceVersion"]),
            (&json!("b"), &changed["metadata"]["resourceVersion"])
        );

        // Who applies in one version owns what comes of it in the other.
        let applied = gizmo(mode, "v2", "c", &json!({"host": "c", "port": "3"}));
        client.patch(&format!("{}?fieldManager=one", path(mode, "v2", "c")), APPLY, &applied).await.created();
        let other = gizmo(mode, "v1", "c", &json!({"hostPort": "d:4"}));
        let refused = client.patch(&format!("{}?fieldManager=two", path(mode, "v1", "c")), APPLY, &other).await;
        assert_eq!(
            refused.refused(409, "Conflict"),
            "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.host\n- .spec.port"
        );
        client.delete(&path(mode, "v2", "c")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_move_to_another_stored_version() {
    let server = Server::start().await;
    let client = server.admin().await;
    let hook = Hook::start(&server, answer).await;
    defined(&client, &hook, &server, "moves", "v1").await;
    client.post(&path("moves", "v1", ""), &gizmo("moves", "v1", "a", &json!({"hostPort": "h:1"}))).await.created();
    let crd = format!("{CRDS}/gizmos.moves.example.com");
    let storage =
        |at: usize, is: bool| json!({"op": "replace", "path": format!("/spec/versions/{at}/storage"), "value": is});
    let crd_now = client.patch(&crd, JSON_PATCH, &json!([storage(0, false), storage(1, true)])).await.ok();
    assert_eq!(crd_now["status"]["storedVersions"], json!(["v1", "v2"]));
    // Once the table is changed, what is written is stored in the other version; it is read in both.
    until("the new storage version", async || {
        let seen = hook.asked.lock().len();
        client.post(&path("moves", "v1", ""), &gizmo("moves", "v1", "b", &json!({"hostPort": "b:2"}))).await.created();
        if hook.asked.lock()[seen..].iter().any(|request| request["desiredAPIVersion"] == "moves.example.com/v2") {
            return Some(());
        }
        client.delete(&path("moves", "v1", "b")).await.ok();
        None
    })
    .await;
    for version in ["v1", "v2"] {
        assert_eq!(names(&client.get(&path("moves", version, "")).await.ok()), ["a", "b"]);
    }
    let removed = json!([{"op": "remove", "path": "/spec/versions/0"}]);
    let refused = client.patch(&crd, JSON_PATCH, &removed).await.refused(422, "Invalid");
    assert!(refused.contains("status.storedVersions[0]: Invalid value: \"v1\""), "{refused}");
    let only = json!([{"op": "replace", "path": "/status/storedVersions", "value": ["v2"]}]);
    // Writing an object as it is moves it.
    let old = client.get(&path("moves", "v2", "a")).await.ok();
    let moved = client.put(&path("moves", "v2", "a"), &old).await.ok();
    assert_ne!(moved["metadata"]["resourceVersion"], old["metadata"]["resourceVersion"]);
    let again = client.put(&path("moves", "v2", "a"), &moved).await.ok();
    assert_eq!(again["metadata"]["resourceVersion"], moved["metadata"]["resourceVersion"]);
    client.patch(&format!("{crd}/status"), JSON_PATCH, &only).await.ok();
    client.patch(&crd, JSON_PATCH, &removed).await.ok();
    assert_eq!(names(&client.get(&path("moves", "v2", "")).await.ok()), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_answers_nonsense_harms_only_what_it_converts() {
    let server = Server::start().await;
    let client = server.admin().await;
    let hook = Hook::start(&server, answer).await;
    let cases = [
        ("garbage", "failed: couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value"),
        ("uid", "failed: expected response.uid="),
        ("failure", "failed: not today"),
        ("fewer", "returned 0 objects, expected 1"),
        ("renames", "returned invalid object: must have the same name: a != other"),
        (
            "cyclic",
            "returned invalid object at index 0: invalid groupVersion (expected cyclic.example.com/v2, received cyclic.example.com/v1)",
        ),
        ("kind", "returned invalid object at index 0: invalid kind (expected Gizmo, received Other)"),
        ("metadata", "returned invalid object: must have the same name: a != "),
        ("labels", "returned invalid metadata: metadata.labels: Invalid value: \"a b\": "),
    ];
    for (mode, why) in cases {
        defined(&client, &hook, &server, mode, "v1").await;
        client.post(&path(mode, "v1", ""), &gizmo(mode, "v1", "a", &json!({"hostPort": "h:1"}))).await.created();
        let expected = format!("conversion webhook for {mode}.example.com/v1, Kind=Gizmo {why}");
        for place in [path(mode, "v2", "a"), path(mode, "v2", "")] {
            let answer = client.get(&place).await;
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(answer.code == 500 && message.starts_with(&expected), "{place}: {} {message}", answer.code);
        }
        let patched = client.patch(&path(mode, "v2", "a"), MERGE, &json!({"spec": {"port": "2"}})).await;
        assert_eq!(patched.code, 500, "{}", patched.text());
        assert_eq!(client.get(&path(mode, "v1", "a")).await.ok()["spec"], json!({"hostPort": "h:1"}));
        client.delete(&path(mode, "v1", "a")).await.ok();
    }
    // Of the metadata only labels and annotations are the webhook's to change; unknown fields are dropped.
    defined(&client, &hook, &server, "marks", "v1").await;
    client.post(&path("marks", "v1", ""), &gizmo("marks", "v1", "a", &json!({"hostPort": "h:1"}))).await.created();
    let read = client.get(&path("marks", "v2", "a")).await.ok();
    assert_eq!((&read["metadata"]["labels"]["from"], &read["metadata"]["generation"]), (&json!("webhook"), &json!(1)));
    assert_eq!(read["spec"], json!({"host": "h", "port": "1"}));
    let metrics = client.get("/metrics").await.text();
    for failure in ["call", "malformed_response", "partial_response", "invalid_converted_object"] {
        let sample = format!(
            "apiserver_conversion_webhook_request_total{{failure_type=\"conversion_webhook_{failure}_failure\",result=\"failure\"}}"
        );
        assert!(metrics.contains(&sample), "{sample}");
    }
}
