//! Start, stop, start again.

use serde_json::json;

use crate::support::{Files, Server, is_used, names, version};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_there_after_a_restart() {
    let files = Files::new();
    let data = files.path("data");
    let flag = format!("--storage={}", data.display());
    let server = Server::start_with(files, &[&flag]).await;
    let client = server.admin().await;
    let kept = client.config_map("kept", &json!({"a": "b"})).await;
    client.config_map("gone", &json!({})).await;
    client.delete(&format!("{PATH}/gone")).await.ok();
    let before = client.get("/api/v1/services").await.ok();
    let files = server.stop().await;
    assert!(is_used(&data));

    let server = Server::start_with(files, &[&flag]).await;
    let client = server.admin().await;
    assert_eq!(client.get(&format!("{PATH}/kept")).await.ok(), kept);
    client.get(&format!("{PATH}/gone")).await.refused(404, "NotFound");
    let after = client.get("/api/v1/services").await.ok();
    assert_eq!(
        (names(&after), &after["items"]),
        (names(&before), &before["items"]),
        "what a cluster begins with is made once"
    );
    let next = client.config_map("next", &json!({})).await;
    assert!(version(&next).parse::<u64>().unwrap() > version(&kept).parse::<u64>().unwrap());
    // A watch from before the restart goes on, or says that it cannot.
    let mut watch = client.watch(&format!("{PATH}?watch=1&resourceVersion={}", version(&kept))).await;
    let event = watch.next().await.unwrap();
    assert!(["ADDED", "DELETED", "ERROR"].contains(&event["type"].as_str().unwrap()), "{event}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_what_it_serves() {
    let server = Server::start().await;
    let client = server.admin().await;
    let writers: Vec<_> = (0..8)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move {
                client.post(PATH, &json!({"metadata": {"name": format!("w{index}")}})).await.created();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let started = std::time::Instant::now();
    server.stop().await;
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_in_detail() {
    let server = Server::start().await;
    let client = server.admin().await;
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(client.get(path).await.text(), "ok");
        let verbose = client.get(&format!("{path}?verbose")).await.text();
        assert!(verbose.contains("[+]ping ok\n") && verbose.ends_with(" check passed\n"), "{verbose}");
        assert_eq!(client.get(&format!("{path}/ping")).await.text(), "ok");
    }
    let metrics = client.get("/metrics").await.text();
    assert!(metrics.contains("apiserver_request_total{"), "{metrics}");
}
