//! What services get: addresses of one family or two, out of all ranges that there are.

use serde_json::{Value, json};

use crate::support::{Client, Files, MERGE, Server};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";
const RANGES: &str = "/apis/networking.k8s.io/v1/servicecidrs";

async fn server(ranges: &str) -> Server {
    Server::start_with(Files::new(), &["--storage=memory", &format!("--service-cluster-ip-range={ranges}")]).await
}

async fn service(client: &Client, name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["ports"] = json!([{"port": 80}]);
    client.post(SERVICES, &json!({"metadata": {"name": name}, "spec": spec})).await.created()["spec"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_two_families_has_two_addresses() {
    let server = server("10.96.0.0/16,fd00:96::/112").await;
    let client = server.admin().await;
    let range = client.get(&format!("{RANGES}/kubernetes")).await.ok();
    assert_eq!(range["spec"]["cidrs"], json!(["10.96.0.0/16", "fd00:96::/112"]));

    let one = service(&client, "one", json!({})).await;
    assert_eq!((&one["ipFamilies"], &one["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));
    let both = service(&client, "both", json!({"ipFamilyPolicy": "PreferDualStack"})).await;
    assert_eq!(both["ipFamilies"], json!(["IPv4", "IPv6"]));
    let second = both["clusterIPs"][1].as_str().unwrap();
    assert!(second.starts_with("fd00:96::"), "{second}");
    let object = client.get(&format!("{ADDRESSES}/{second}")).await.ok();
    assert_eq!(object["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"], "IPv6");
    assert_eq!(object["spec"]["parentRef"]["name"], "both");

    let turned = service(&client, "turned", json!({"ipFamilies": ["IPv6"], "clusterIP": "fd00:96::77"})).await;
    assert_eq!(turned["clusterIPs"], json!(["fd00:96::77"]));

    // The second family comes and goes by the policy alone.
    let path = format!("{SERVICES}/one");
    let more = client.patch(&path, MERGE, &json!({"spec": {"ipFamilyPolicy": "RequireDualStack"}})).await.ok();
    assert_eq!(more["spec"]["clusterIPs"][0], one["clusterIP"]);
    let gained = more["spec"]["clusterIPs"][1].as_str().unwrap().to_owned();
    client.get(&format!("{ADDRESSES}/{gained}")).await.ok();
    let less = client.patch(&path, MERGE, &json!({"spec": {"ipFamilyPolicy": "SingleStack"}})).await.ok();
    assert_eq!(less["spec"]["clusterIPs"], json!([one["clusterIP"]]));
    client.get(&format!("{ADDRESSES}/{gained}")).await.refused(404, "NotFound");

    client.delete(&format!("{SERVICES}/both")).await.ok();
    client.get(&format!("{ADDRESSES}/{second}")).await.refused(404, "NotFound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_range_takes_over_when_the_first_is_full() {
    let server = server("10.96.0.0/29").await;
    let client = server.admin().await;
    // The API's own service has the first of six.
    for index in 0..5 {
        service(&client, &format!("s{index}"), json!({})).await;
    }
    let one_more = json!({"metadata": {"name": "more"}, "spec": {"ports": [{"port": 80}]}});
    let refused = client.post(SERVICES, &one_more).await.refused(500, "InternalError");
    let message = r#"failed to allocate a serviceIP for Service "more": range is full"#;
    assert!(refused.ends_with(message), "{refused}");
    let elsewhere = json!({"metadata": {"name": "more"}, "spec": {"clusterIP": "10.97.0.1", "ports": [{"port": 80}]}});
    let refused = client.post(SERVICES, &elsewhere).await.refused(422, "Invalid");
    let message = "the provided network does not match the current range";
    assert!(refused.ends_with(message), "{refused}");

    client.post(RANGES, &json!({"metadata": {"name": "second"}, "spec": {"cidrs": ["10.97.0.0/24"]}})).await.created();
    // A consistent list waits until the server has seen the write itself.
    client.get(RANGES).await.ok();
    let more = service(&client, "more", json!({})).await;
    assert!(more["clusterIP"].as_str().unwrap().starts_with("10.97.0."), "{more}");
    let again =
        json!({"metadata": {"name": "again"}, "spec": {"clusterIP": more["clusterIP"], "ports": [{"port": 80}]}});
    let refused = client.post(SERVICES, &again).await.refused(422, "Invalid");
    assert!(refused.ends_with("provided IP is already allocated"), "{refused}");
}
