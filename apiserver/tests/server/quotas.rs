//! Quotas under many writers at once: what is admitted stays within them, and what was not made is given back.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::custom_resources::established;
use crate::support::{Client, Files, MERGE, Server, names};

const CORE: &str = "/api/v1/namespaces/default";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
const CREATORS: usize = 64;

/// A quota whose use is known, as the controller writes it.
async fn quota(client: &Client, hard: &Value) {
    let quotas = format!("{CORE}/resourcequotas");
    client.post(&quotas, &json!({"metadata": {"name": "q"}, "spec": {"hard": hard}})).await.created();
    let nothing: Value = hard.as_object().unwrap().keys().map(|name| (name.clone(), json!("0"))).collect();
    settle(client, hard, &nothing).await;
}

/// What the controller does when it has counted.
async fn settle(client: &Client, hard: &Value, used: &Value) {
    let path = format!("{CORE}/resourcequotas/q");
    let status = json!({"status": {"hard": hard, "used": used}});
    client.patch(&format!("{path}/status"), MERGE, &status).await.ok();
    // A read waits until the cache has what was written, by which admission goes.
    client.get(&path).await.ok();
}

async fn used(client: &Client) -> Value {
    client.get(&format!("{CORE}/resourcequotas/q")).await.ok()["status"]["used"].clone()
}

async fn count(client: &Client, path: &str) -> usize {
    names(&client.get(path).await.ok()).len()
}

fn widgets() -> Value {
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
    }})
}

/// What one creator was answered: to its pod, its widget, its port on every node, and the name that all of them want.
struct Answers {
    pod: u16,
    widget: u16,
    port: u16,
    same: u16,
}

/// Does all kinds of things that count, and some that must not.
async fn create(client: Client, number: usize) -> Answers {
    let pod = json!({"metadata": {"name": format!("p{number}")}, "spec": {"containers": [
        {"name": "a", "image": "i", "resources": {"requests": {"cpu": "400m"}}},
    ]}});
    client.post(&format!("{CORE}/pods?dryRun=All"), &pod).await;
    let made = client.post(&format!("{CORE}/pods"), &pod).await;
    client.post(&format!("{CORE}/configmaps"), &json!({"metadata": {"name": "NO NAME"}})).await.refused(422, "Invalid");
    let same = client.post(&format!("{CORE}/configmaps"), &json!({"metadata": {"name": "same"}})).await;
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": format!("w{number}")}});
    let widget = client.post(WIDGETS, &widget).await;
    let services = format!("{CORE}/services");
    let service = json!({"metadata": {"name": format!("s{number}")}, "spec": {"ports": [{"port": 80}]}});
    client.post(&services, &service).await.created();
    let port = client.patch(&format!("{services}/s{number}"), MERGE, &json!({"spec": {"type": "NodePort"}})).await;
    for answer in [&made, &same, &widget, &port] {
        if answer.code == 403 {
            let refused = answer.refused(403, "Forbidden");
            assert!(refused.contains("exceeded quota: q, requested: "), "{refused}");
        }
    }
    Answers {
        pod: made.code.as_u16(),
        widget: widget.code.as_u16(),
        port: port.code.as_u16(),
        same: same.code.as_u16(),
    }
}

async fn stays_within_its_quota(storage: &[&str], files: Files) {
    let server = Server::start_with(files, storage).await;
    let client = server.admin().await;
    client.post(&format!("{CORE}/serviceaccounts"), &json!({"metadata": {"name": "default"}})).await.created();
    established(&client, &widgets()).await;
    let hard = json!({
        "pods": "40", "requests.cpu": "10", "configmaps": "30", "services": "100", "services.nodeports": "15",
        "count/widgets.example.com": "20",
    });
    quota(&client, &hard).await;
    let connections = join_all((0..8).map(|_| server.admin())).await;
    let creators =
        (0..CREATORS).map(|number| tokio::spawn(create(connections[number % connections.len()].clone(), number)));
    let answers: Vec<Answers> = join_all(creators).await.into_iter().map(Result::unwrap).collect();

    let with = |code: u16, of: fn(&Answers) -> u16| answers.iter().filter(|answers| of(answers) == code).count();
    // 25 pods of 400m are ten processors, whatever else the quota would have room for.
    assert_eq!((with(201, |a| a.pod), with(403, |a| a.pod)), (25, CREATORS - 25));
    assert_eq!((with(201, |a| a.widget), with(403, |a| a.widget)), (20, CREATORS - 20));
    assert_eq!((with(200, |a| a.port), with(403, |a| a.port)), (15, CREATORS - 15));
    assert_eq!(count(&client, &format!("{CORE}/pods")).await, 25);
    assert_eq!(count(&client, WIDGETS).await, 20);
    let services = client.get(&format!("{CORE}/services")).await.ok();
    let on_nodes = services["items"].as_array().unwrap().iter().filter(|s| s["spec"]["type"] == "NodePort").count();
    assert_eq!(on_nodes, 15);
    let after = used(&client).await;
    let exact = json!({
        "pods": "25", "requests.cpu": "10", "services": "64", "services.nodeports": "15", "count/widgets.example.com": "20",
    });
    for (name, amount) in exact.as_object().unwrap() {
        assert_eq!(after[name], *amount, "{name}: {after}");
    }
    // One has the name. Who came too late was charged and made nothing: the quota says too much, never too little.
    assert_eq!(with(201, |a| a.same), 1);
    assert_eq!(with(409, |a| a.same) + with(403, |a| a.same), CREATORS - 1);
    assert_eq!(count(&client, &format!("{CORE}/configmaps?fieldSelector=metadata.name%3Dsame")).await, 1);
    let charged: usize = after["configmaps"].as_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&charged), "{after}");

    // The count of the controller gives it back, and takes nothing from who was charged since.
    let mut counted = after.clone();
    counted["configmaps"] = "1".into();
    settle(&client, &hard, &counted).await;
    let more = join_all((0..CREATORS).map(|number| {
        let client = connections[number % connections.len()].clone();
        let object = json!({"metadata": {"name": format!("more{number}")}});
        async move { client.post(&format!("{CORE}/configmaps"), &object).await.code.as_u16() }
    }))
    .await;
    assert_eq!(more.iter().filter(|code| **code == 201).count(), 29, "{more:?}");
    assert_eq!(used(&client).await["configmaps"], "30");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_creators_stay_within_a_quota_in_memory() {
    stays_within_its_quota(&["--storage=memory"], Files::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_creators_stay_within_a_quota_on_disk() {
    let files = Files::new();
    let storage = format!("--storage={}", files.path("data").display());
    stays_within_its_quota(&[&storage], files).await;
}

/// Quotas that overlap are charged together or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_smaller_quota_beside_a_larger_one_holds() {
    let server = Server::start().await;
    let client = server.admin().await;
    for (name, most) in [("large", "20"), ("small", "5")] {
        let quotas = format!("{CORE}/resourcequotas");
        client
            .post(&quotas, &json!({"metadata": {"name": name}, "spec": {"hard": {"configmaps": most}}}))
            .await
            .created();
        let status = json!({"status": {"hard": {"configmaps": most}, "used": {"configmaps": "0"}}});
        client.patch(&format!("{quotas}/{name}/status"), MERGE, &status).await.ok();
        client.get(&format!("{quotas}/{name}")).await.ok();
    }
    let created = join_all((0..CREATORS).map(|number| {
        let client = client.clone();
        let object = json!({"metadata": {"name": format!("c{number}")}});
        async move { client.post(&format!("{CORE}/configmaps"), &object).await.code.as_u16() }
    }))
    .await;
    assert_eq!(created.iter().filter(|code| **code == 201).count(), 5, "{created:?}");
    for name in ["large", "small"] {
        let quota = client.get(&format!("{CORE}/resourcequotas/{name}")).await.ok();
        assert_eq!(quota["status"]["used"]["configmaps"], "5", "{name}");
    }
}
