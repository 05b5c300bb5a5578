//! One object in all encodings and forms.

use apiserver_schema::protobuf;
use http::Method;
use serde_json::{Value, json};

use crate::support::{JSON, PROTOBUF, Server, name};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

fn decoded(group: &str, version: &str, kind: &str, bytes: &[u8]) -> Value {
    let envelope = protobuf::decode_envelope(bytes).unwrap();
    assert_eq!(envelope.kind, kind);
    protobuf::decode(apiserver_schema::builtin(group, version, kind).unwrap(), envelope.raw).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protobuf_goes_both_ways() {
    let server = Server::start().await;
    let client = server.admin().await;
    let ty = apiserver_schema::builtin("", "v1", "ConfigMap").unwrap();
    let object = json!({"metadata": {"name": "p"}, "data": {"a": "b"}});
    let bytes = protobuf::encode(ty, "v1", "ConfigMap", &object);
    let binary = client.with("accept", PROTOBUF);
    let made = binary.send(Method::POST, PATH, PROTOBUF, bytes).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(made.headers["content-type"], PROTOBUF);
    let made = decoded("", "v1", "ConfigMap", &made.body);
    let read = decoded("", "v1", "ConfigMap", &binary.get(&format!("{PATH}/p")).await.body);
    assert_eq!(read, made);
    let json = client.get(&format!("{PATH}/p")).await.ok();
    assert_eq!((&json["data"], &json["metadata"]["uid"]), (&read["data"], &read["metadata"]["uid"]));
    let list = decoded("", "v1", "ConfigMapList", &binary.get(PATH).await.body);
    assert!(list["items"].as_array().unwrap().contains(&read), "{list}");
    let missing = binary.get(&format!("{PATH}/missing")).await;
    assert_eq!(missing.code, 404);
    assert_eq!(decoded("", "v1", "Status", &missing.body)["reason"], "NotFound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_metadata_are_made_on_demand() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.config_map("t", &json!({"secret": "data"})).await;
    for path in [format!("{PATH}/t"), format!("{PATH}?fieldSelector=metadata.name%3Dt")] {
        let table = client.with("accept", TABLE).get(&path).await.ok();
        assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
        assert_eq!(table["columnDefinitions"][0]["name"], "Name");
        assert_eq!(table["rows"].as_array().unwrap().len(), 1);
        let row = &table["rows"][0];
        assert_eq!((&row["cells"][0], &row["object"]["kind"]), (&json!("t"), &json!("PartialObjectMetadata")));
        assert_eq!(row["object"]["data"], Value::Null);
        let mark = if path.contains('?') { '&' } else { '?' };
        let whole = client.with("accept", TABLE).get(&format!("{path}{mark}includeObject=Object")).await.ok();
        assert_eq!(whole["rows"][0]["object"]["data"]["secret"], "data");
        let none = client.with("accept", TABLE).get(&format!("{path}{mark}includeObject=None")).await.ok();
        assert_eq!(none["rows"][0]["object"], Value::Null);
    }
    let partial = client.with("accept", PARTIAL).get(&format!("{PATH}/t")).await.ok();
    assert_eq!((name(&partial), &partial["data"]), ("t", &Value::Null));
    let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let partial = client.with("accept", list).get(PATH).await.ok();
    assert_eq!(partial["kind"], "PartialObjectMetadataList");
    let mut watch = client.with("accept", TABLE).watch(&format!("{PATH}?watch=1&resourceVersion=0")).await;
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("ADDED"), &json!("Table")));
    let yaml = client.with("accept", "application/yaml").get(&format!("{PATH}/t")).await;
    assert!(yaml.text().contains("kind: ConfigMap"), "{}", yaml.text());
    assert_eq!(client.with("accept", "text/html, */*").get(PATH).await.headers["content-type"], JSON);
}
