//! Watches: where they begin, what they say, how they end.

use serde_json::json;

use crate::support::{MERGE, Server, name, version};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_a_revision_sees_all_after_it_and_nothing_before() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("before", &json!({})).await;
    let begin = client.config_map("begin", &json!({"a": "1"})).await;
    client.config_map("after", &json!({})).await;
    client.patch(&format!("{PATH}/begin"), MERGE, &json!({"data": {"a": "2"}})).await.ok();
    client.delete(&format!("{PATH}/begin")).await.ok();
    let mut watch = client.watch(&format!("{PATH}?watch=true&resourceVersion={}", version(&begin))).await;
    assert_eq!(name(&watch.expect("ADDED").await), "after");
    let changed = watch.expect("MODIFIED").await;
    assert_eq!(changed["data"]["a"], "2");
    let deleted = watch.expect("DELETED").await;
    assert_eq!(deleted["data"]["a"], "2", "the last state");
    assert!(version(&deleted).parse::<u64>().unwrap() > version(&changed).parse::<u64>().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_list_ends_with_an_annotated_bookmark() {
    let server = Server::start().await;
    let client = server.admin().await;
    for name in ["a", "b"] {
        client.config_map(name, &json!({})).await;
    }
    let path =
        format!("{PATH}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    let mut watch = client.watch(&path).await;
    let mut seen = Vec::new();
    let bookmark = loop {
        let event = watch.next().await.unwrap();
        if event["type"] == "BOOKMARK" {
            break event["object"].clone();
        }
        assert_eq!(event["type"], "ADDED");
        seen.push(name(&event["object"]).to_owned());
    };
    assert!(seen.ends_with(&["a".to_owned(), "b".to_owned()]), "{seen:?}");
    assert_eq!(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!((&bookmark["kind"], &bookmark["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    client.config_map("c", &json!({})).await;
    assert_eq!(name(&watch.expect("ADDED").await), "c");
    let refused = client.get(&format!("{PATH}?watch=1&sendInitialEvents=true")).await;
    assert!(refused.refused(422, "Invalid").contains("resourceVersionMatch"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_enter_and_leave_a_selection() {
    let server = Server::start().await;
    let client = server.admin().await;
    let begin = client.config_map("x", &json!({})).await;
    let mut watch =
        client.watch(&format!("{PATH}?watch=1&labelSelector=in%3Dyes&resourceVersion={}", version(&begin))).await;
    let label = |value: &str| json!({"metadata": {"labels": {"in": value}}});
    client.patch(&format!("{PATH}/x"), MERGE, &label("yes")).await.ok();
    assert_eq!(name(&watch.expect("ADDED").await), "x");
    client.patch(&format!("{PATH}/x"), MERGE, &json!({"data": {"k": "v"}})).await.ok();
    watch.expect("MODIFIED").await;
    client.patch(&format!("{PATH}/x"), MERGE, &label("no")).await.ok();
    let left = watch.expect("DELETED").await;
    assert_eq!(left["metadata"]["labels"]["in"], "yes", "the state that was selected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_is_too_old_is_an_error_event_and_a_bad_one_a_bad_request() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("x", &json!({})).await;
    let mut watch = client.watch(&format!("{PATH}?watch=1&resourceVersion=1")).await;
    let mut first = watch.next().await.unwrap();
    // A store that was never compacted may still know revision 1; then the watch is simply served.
    if first["type"] == "ERROR" {
        first = first["object"].clone();
        assert_eq!((&first["code"], &first["reason"]), (&json!(410), &json!("Expired")), "{first}");
        assert!(watch.next().await.is_none(), "nothing follows an error");
    }
    client.get(&format!("{PATH}?watch=1&resourceVersion=x")).await.is(500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_its_time_is_over_and_when_the_server_stops() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("x", &json!({})).await;
    let mut short = client.watch(&format!("{PATH}?watch=1&resourceVersion=0&timeoutSeconds=1")).await;
    while let Some(event) = short.next().await {
        assert_eq!(event["type"], "ADDED");
    }
    let mut long = client.watch(&format!("{PATH}?watch=1&resourceVersion=0")).await;
    long.expect("ADDED").await;
    let started = std::time::Instant::now();
    server.stop().await;
    while long.next().await.is_some() {}
    assert!(started.elapsed().as_secs() < 5, "an open watch does not hold the server: {:?}", started.elapsed());
}
