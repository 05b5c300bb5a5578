//! Writes: dry runs, preconditions, finalizers, grace, conflicts, names.

use serde_json::json;

use crate::support::{JSON_PATCH, MERGE, Server, name, version};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_nothing() {
    let server = Server::start().await;
    let client = server.admin().await;
    let body = json!({"metadata": {"name": "d"}, "data": {"a": "1"}});
    let made = client.post(&format!("{PATH}?dryRun=All"), &body).await.created();
    assert_eq!((name(&made), version(&made)), ("d", ""));
    client.get(&format!("{PATH}/d")).await.refused(404, "NotFound");
    let made = client.post(PATH, &body).await.created();
    client.post(&format!("{PATH}?dryRun=All"), &body).await.refused(409, "AlreadyExists");
    let patched = client.patch(&format!("{PATH}/d?dryRun=All"), MERGE, &json!({"data": {"a": "2"}})).await.ok();
    assert_eq!(patched["data"]["a"], "2");
    client.delete(&format!("{PATH}/d?dryRun=All")).await.ok();
    client.delete_with(&format!("{PATH}/d"), &json!({"dryRun": ["All"]})).await.ok();
    assert_eq!(client.get(&format!("{PATH}/d")).await.ok(), made);
    client.post(&format!("{PATH}?dryRun=Some"), &body).await.refused(422, "Invalid");
    // A service's address is given back.
    let service = json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "10.96.5.5", "ports": [{"port": 80}]}});
    for path in ["/api/v1/namespaces/default/services?dryRun=All", "/api/v1/namespaces/default/services"] {
        client.post(path, &service).await.created();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_starts_from_what_was_written_last() {
    let server = Server::start().await;
    let client = server.admin().await;
    // Several at a time, so that the cache falls behind.
    let rounds = (0..8).map(|object| {
        let (client, path) = (&client, format!("{PATH}/d{object}"));
        async move {
            client.config_map(&format!("d{object}"), &json!({})).await;
            for round in 0..100 {
                let label = json!({"metadata": {"labels": {"round": round.to_string()}}});
                let written = client.patch(&path, MERGE, &label).await.ok();
                let dry = format!("{path}?dryRun=All");
                let tried = client.patch(&dry, MERGE, &json!({"data": {"a": "b"}})).await.ok();
                assert_eq!(tried["metadata"]["labels"], written["metadata"]["labels"]);
            }
        }
    });
    futures::future::join_all(rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preconditions_hold() {
    let server = Server::start().await;
    let client = server.admin().await;
    let made = client.config_map("p", &json!({})).await;
    let path = format!("{PATH}/p");
    let uid = &made["metadata"]["uid"];
    for wrong in [json!({"uid": "no"}), json!({"resourceVersion": "1"})] {
        client.delete_with(&path, &json!({"preconditions": wrong})).await.refused(409, "Conflict");
    }
    let mut other = made.clone();
    other["metadata"]["uid"] = "no".into();
    client.put(&path, &other).await.refused(409, "Conflict");
    client.delete_with(&path, &json!({"preconditions": {"uid": uid, "resourceVersion": version(&made)}})).await.ok();
    client.put(&path, &made).await.refused(404, "NotFound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finalizers_and_grace_hold_objects() {
    let server = Server::start().await;
    let client = server.admin().await;
    let body = json!({"metadata": {"name": "f", "finalizers": ["example.com/hold"]}});
    client.post(PATH, &body).await.created();
    let pending = client.delete(&format!("{PATH}/f")).await.ok();
    assert!(pending["metadata"]["deletionTimestamp"].is_string(), "{pending}");
    assert_eq!(pending["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = client.delete(&format!("{PATH}/f")).await.ok();
    assert_eq!(again["metadata"]["deletionTimestamp"], pending["metadata"]["deletionTimestamp"]);
    let added = json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/more"}]);
    client.patch(&format!("{PATH}/f"), JSON_PATCH, &added).await.refused(422, "Invalid");
    client.patch(&format!("{PATH}/f"), MERGE, &json!({"metadata": {"finalizers": null}})).await.ok();
    client.get(&format!("{PATH}/f")).await.refused(404, "NotFound");

    let pods = "/api/v1/namespaces/default/pods";
    client.post("/api/v1/namespaces/default/serviceaccounts", &json!({"metadata": {"name": "default"}})).await;
    let pod =
        json!({"metadata": {"name": "g"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    client.post(pods, &pod).await.created();
    let pending = client.delete(&format!("{pods}/g")).await.ok();
    assert_eq!(pending["metadata"]["deletionGracePeriodSeconds"], 30);
    let sooner = client.delete(&format!("{pods}/g?gracePeriodSeconds=5")).await.ok();
    assert_eq!(sooner["metadata"]["deletionGracePeriodSeconds"], 5);
    client.delete(&format!("{pods}/g?gracePeriodSeconds=0")).await.ok();
    client.get(&format!("{pods}/g")).await.refused(404, "NotFound");

    let foreground = json!({"propagationPolicy": "Foreground"});
    client.config_map("o", &json!({})).await;
    let pending = client.delete_with(&format!("{PATH}/o"), &foreground).await.ok();
    assert_eq!(pending["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    client.delete_with(&format!("{PATH}/o"), &json!({"propagationPolicy": "Sideways"})).await.refused(422, "Invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_patchers_lose_nothing() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("busy", &json!({})).await;
    let tasks: Vec<_> = (0..16)
        .map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let data = json!({"data": {format!("{writer}-{round}"): "x"}});
                    // A patch is tried again by the server itself, but not for ever.
                    loop {
                        let answer = client.patch(&format!("{PATH}/busy"), MERGE, &data).await;
                        if answer.code == 200 {
                            break;
                        }
                        answer.refused(409, "Conflict");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let data = client.get(&format!("{PATH}/busy")).await.ok();
    assert_eq!(data["data"].as_object().unwrap().len(), 80);

    // Of sixteen who update the version they read, one wins.
    let read = client.get(&format!("{PATH}/busy")).await.ok();
    let tasks = (0..16).map(|writer| {
        let (client, mut object) = (client.clone(), read.clone());
        object["data"] = json!({"winner": writer.to_string()});
        async move { client.put(&format!("{PATH}/busy"), &object).await.code.as_u16() }
    });
    let mut codes = futures::future::join_all(tasks).await;
    codes.sort_unstable();
    assert_eq!(codes[0], 200);
    assert!(codes[1..].iter().all(|code| *code == 409), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_goes_takes_nothing_new() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.namespace("going").await;
    let path = "/api/v1/namespaces/going/configmaps";
    client.post(path, &json!({"metadata": {"name": "a"}})).await.created();
    client.delete("/api/v1/namespaces/going").await.ok();
    let message = client.post(path, &json!({"metadata": {"name": "b"}})).await.refused(403, "Forbidden");
    assert!(message.contains("because it is being terminated"), "{message}");
    client.patch(&format!("{path}/a"), MERGE, &json!({"data": {"still": "writable"}})).await.ok();
    client
        .post("/api/v1/namespaces/nowhere/configmaps", &json!({"metadata": {"name": "b"}}))
        .await
        .refused(404, "NotFound");
    client.delete("/api/v1/namespaces/default").await.refused(403, "Forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_generated_and_checked() {
    let server = Server::start().await;
    let client = server.admin().await;
    let made = client.post(PATH, &json!({"metadata": {"generateName": "gen-"}})).await.created();
    let name = name(&made).to_owned();
    assert!(name.starts_with("gen-") && name.len() == 9, "{name}");
    for bad in ["Upper", "under_score", "-dash", &"x".repeat(254)] {
        client.post(PATH, &json!({"metadata": {"name": bad}})).await.refused(422, "Invalid");
    }
    client.post(PATH, &json!({"metadata": {}})).await.refused(422, "Invalid");
    client.put(&format!("{PATH}/{name}"), &json!({"metadata": {"name": "other"}})).await.refused(400, "BadRequest");
    let elsewhere = json!({"metadata": {"name": "n", "namespace": "kube-system"}});
    client.post(PATH, &elsewhere).await.refused(400, "BadRequest");
    let versioned = json!({"metadata": {"name": "n", "resourceVersion": "5"}});
    let refused = client.post(PATH, &versioned).await.is(500);
    assert_eq!(refused["message"], "resourceVersion should not be set on objects to be created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_effect_is_not_stored() {
    let server = Server::start().await;
    let client = server.admin().await;
    let made = client.config_map("same", &json!({"a": "1"})).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..2 {
        let put = client.put(&format!("{PATH}/same?fieldManager=again"), &made).await.ok();
        assert_eq!(version(&put), version(&made));
        let patched = client.patch(&format!("{PATH}/same"), MERGE, &json!({"data": {"a": "1"}})).await.ok();
        assert_eq!(version(&patched), version(&made));
    }
}
