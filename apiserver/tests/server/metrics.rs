//! /metrics and /metrics/slis.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::{Client, Server};

const SERVED: &str = include_str!("served_metrics.txt");
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// The type and labels of each family, by its name.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// The families in a text exposition, and the value of each sample by its line's beginning.
fn read(text: &str) -> (Families, BTreeMap<String, f64>) {
    let mut families = Families::new();
    let mut samples = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            current = name.to_owned();
            families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            samples.insert(sample.to_owned(), value.parse().unwrap());
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
            let names = labels.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
            families.get_mut(&current).unwrap().1.extend(names.filter(|name| name != "le"));
        }
    }
    (families, samples)
}

async fn metrics(client: &Client) -> String {
    let answer = client.get("/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_list_is_there_with_its_labels() {
    let server = Server::start().await;
    let client = server.admin().await;
    let mut watch = client.watch(&format!("{PATH}?watch=1")).await;
    let made = client.config_map("counted", &json!({})).await;
    assert_eq!(watch.expect("ADDED").await, made);
    client.get(PATH).await.ok();
    client.get("/api/v1/namespaces/default/endpoints").await.ok();
    client.get("/api/v1/namespaces/default/pods/none/exec").await.refused(404, "NotFound");
    let (families, samples) = read(&metrics(&client).await);
    for line in SERVED.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        if name == "apiserver_websocket_streaming_requests_total" {
            // Counted once a pod is found; its streams have tests of their own.
            continue;
        }
        let (served, labels) = families.get(name).unwrap_or_else(|| panic!("{name} is not served"));
        assert_eq!(served, kind, "{name}");
        let wanted: BTreeSet<String> = words.map(str::to_owned).collect();
        assert_eq!(*labels, wanted, "{name}");
    }
    let value = |sample: &str| *samples.get(sample).unwrap_or_else(|| panic!("no {sample}"));
    let route = |verb: &str, scope: &str| {
        format!(
            "component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"configmaps\",scope=\"{scope}\",subresource=\"\",system_client=\"\",verb=\"{verb}\",version=\"v1\""
        )
    };
    assert_eq!(value(&format!("apiserver_request_total{{code=\"201\",{}}}", route("POST", "resource"))), 1.0);
    assert_eq!(value(&format!("apiserver_request_total{{code=\"200\",{}}}", route("LIST", "namespace"))), 1.0);
    assert!(value("apiserver_watch_events_total{group=\"\",resource=\"configmaps\",version=\"v1\"}") >= 1.0);
    assert!(value("etcd_requests_total{group=\"\",operation=\"create\",resource=\"configmaps\"}") >= 1.0);
    assert!(value("apiserver_storage_objects{resource=\"configmaps\"}") >= 1.0);
    assert_eq!(
        value(
            "apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"endpoints\",subresource=\"\",version=\"v1\"}"
        ),
        1.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_clients_make_up_are_not_kept() {
    let server = Server::start().await;
    let client = server.admin().await;
    for path in ["/apis/made.up/v1/things", "/api/v1/things", "/api/v9/pods", "/api/v1/pods/x/thing", "/made/up"] {
        client.get(path).await;
    }
    let text = metrics(&client).await;
    for name in ["made.up", "things", "v9", "thing\"", "/made/up"] {
        assert!(!text.contains(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_are_counted() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.get("/livez").await;
    let (families, samples) = read(&client.get("/metrics/slis").await.text());
    assert_eq!(families.keys().collect::<Vec<_>>(), ["kubernetes_healthcheck", "kubernetes_healthchecks_total"]);
    assert_eq!(samples["kubernetes_healthcheck{name=\"etcd\",type=\"livez\"}"], 1.0);
    assert!(samples["kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"readyz\"}"] >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_can_be_left_out_and_asked_for_alone() {
    let server = Server::start().await;
    let client = server.admin().await;
    let text = client.get("/livez?verbose&exclude=etcd&exclude=nope").await.text();
    assert!(text.contains("[+]etcd excluded: ok\n"), "{text}");
    assert!(
        text.ends_with("warn: some health checks cannot be excluded: no matches for \"nope\"\nlivez check passed\n")
    );
    assert_eq!(client.get("/livez/poststarthook/rbac/bootstrap-roles").await.text(), "ok");
    for path in ["/readyz/etcd", "/livez/informer-sync", "/healthz/nope"] {
        let answer = client.get(path).await;
        assert_eq!((answer.code.as_u16(), answer.text().as_str()), (404, "404 page not found\n"), "{path}");
    }
}
