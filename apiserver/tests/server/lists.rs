//! Lists: pages, selectors, revisions.

use serde_json::{Value, json};

use crate::support::{MERGE, Server, names, version};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const OWN: &str = "labelSelector=own";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_of_one_moment() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.namespace("pages").await;
    let path = "/api/v1/namespaces/pages/configmaps";
    for index in 0..10 {
        client.post(path, &json!({"metadata": {"name": format!("m{index}")}})).await.created();
    }
    let first = client.get(&format!("{path}?limit=4")).await.ok();
    assert_eq!(names(&first), ["m0", "m1", "m2", "m3"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 6);
    // What happens between the pages is not seen.
    client.delete(&format!("{path}/m9")).await.ok();
    client.post(path, &json!({"metadata": {"name": "m55"}})).await.created();
    let second = client.get(&next(path, 4, &first)).await.ok();
    assert_eq!(names(&second), ["m4", "m5", "m6", "m7"]);
    assert_eq!(version(&second), version(&first));
    let third = client.get(&next(path, 4, &second)).await.ok();
    assert_eq!(names(&third), ["m8", "m9"]);
    assert_eq!(third["metadata"]["continue"], Value::Null);
    let now = client.get(&format!("{path}?limit=500")).await.ok();
    assert_eq!(names(&now).len(), 10);
    assert!(names(&now).contains(&"m55"));
    client.get(&format!("{path}?continue=nonsense")).await.refused(400, "BadRequest");
    client.get(&format!("{path}?limit=x")).await.refused(400, "BadRequest");
}

fn next(path: &str, limit: usize, page: &Value) -> String {
    format!("{path}?limit={limit}&continue={}", page["metadata"]["continue"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_select() {
    let server = Server::start().await;
    let client = server.admin().await;
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "")] {
        let mut object = json!({"metadata": {"name": name, "labels": {"own": "1"}}});
        if !tier.is_empty() {
            object["metadata"]["labels"]["tier"] = tier.into();
        }
        client.post(PATH, &object).await.created();
    }
    let cases = [
        ("tier%3Dfront,own", vec!["a"]),
        ("tier!%3Dfront,own", vec!["b", "c"]),
        ("tier+in+(front,back)", vec!["a", "b"]),
        ("tier+notin+(front),own", vec!["b", "c"]),
        ("!tier,own", vec!["c"]),
        ("tier", vec!["a", "b"]),
    ];
    for (selector, wanted) in cases {
        let list = client.get(&format!("{PATH}?labelSelector={selector}")).await.ok();
        assert_eq!(names(&list), wanted, "{selector}");
    }
    let by_name = client.get(&format!("{PATH}?fieldSelector=metadata.name%3Db")).await.ok();
    assert_eq!(names(&by_name), ["b"]);
    let others = client.get(&format!("{PATH}?{OWN}&fieldSelector=metadata.name!%3Db")).await.ok();
    assert_eq!(names(&others), ["a", "c"]);
    client.get(&format!("{PATH}?labelSelector=a%3D%3D%3D")).await.refused(400, "BadRequest");
    client.get(&format!("{PATH}?fieldSelector=spec.x%3D1")).await.refused(400, "BadRequest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_are_honoured() {
    let server = Server::start().await;
    let client = server.admin().await;
    let old = client.config_map("x", &json!({"a": "1"})).await;
    client.patch(&format!("{PATH}/x"), MERGE, &json!({"data": {"a": "2"}})).await.ok();
    let exact = client.get(&format!("{PATH}?resourceVersion={}&resourceVersionMatch=Exact", version(&old))).await.ok();
    let found = exact["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "x").unwrap();
    assert_eq!(found["data"]["a"], "1");
    assert_eq!(exact["metadata"]["resourceVersion"], old["metadata"]["resourceVersion"]);
    let newer = client.get(&format!("{PATH}?resourceVersion={}", version(&old))).await.ok();
    assert!(newer["items"].as_array().unwrap().iter().any(|item| item["data"]["a"] == "2"));
    let far = client.get(&format!("{PATH}?resourceVersion=999999999")).await;
    far.refused(504, "Timeout");
    assert_eq!(far.headers["retry-after"], "1");
    client.get(&format!("{PATH}?resourceVersionMatch=Exact")).await.refused(422, "Invalid");
    client.get(&format!("{PATH}?resourceVersion=0&resourceVersionMatch=Exact")).await.refused(422, "Invalid");
    client.get(&format!("{PATH}?resourceVersion=-x")).await.refused(400, "BadRequest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_name_is_selected_in_all_namespaces() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("wanted", &json!({})).await;
    client.config_map("other", &json!({})).await;
    let found = client.get("/api/v1/configmaps?fieldSelector=metadata.name%3Dwanted").await.ok();
    assert_eq!(names(&found), ["wanted"]);
    assert_eq!(client.get("/api/v1/configmaps/wanted").await.code, 404);
}
