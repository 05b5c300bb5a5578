//! Custom resources: their definitions, and all that built-in resources can do.

use http::Method;
use serde_json::{Value, json};

use crate::support::{APPLY, Client, JSON_PATCH, MERGE, STRATEGIC, Server, names, until, version};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [version_of("v1", true), version_of("v1beta1", false)],
        },
    })
}

fn version_of(name: &str, storage: bool) -> Value {
    json!({
        "name": name, "served": true, "storage": storage,
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"},
        },
        "additionalPrinterColumns": [
            {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "schema": {"openAPIV3Schema": {
            "type": "object",
            "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object",
                    "required": ["color"],
                    "properties": {
                        "color": {"type": "string", "enum": ["red", "green"], "maxLength": 10},
                        "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
                        "port": {"x-kubernetes-int-or-string": true},
                        "name": {"type": "string", "pattern": "^[a-z]+$", "nullable": true},
                        "ports": {
                            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            "items": {"type": "object", "required": ["name"], "properties": {
                                "name": {"type": "string"}, "number": {"type": "integer"}}},
                        },
                        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    },
                },
                "status": {"type": "object", "properties": {
                    "replicas": {"type": "integer"}, "selector": {"type": "string"}, "phase": {"type": "string"}}},
            },
        }},
    })
}

fn widget(name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"color": "red"}})
}

pub async fn established(client: &Client, definition: &Value) -> Value {
    let mut watch = client.watch(&format!("{CRDS}?watch=1&timeoutSeconds=30")).await;
    client.post(CRDS, definition).await.created();
    loop {
        let event = watch.next().await.expect("an event");
        let object = &event["object"];
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is_it = object["metadata"]["name"] == definition["metadata"]["name"];
        if is_it && conditions.iter().any(|found| found["type"] == "Established" && found["status"] == "True") {
            return object.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_defined_resource_is_served_like_a_built_in_one() {
    let server = Server::start().await;
    let client = server.admin().await;
    assert_eq!(client.get("/apis/example.com/v1").await.code, 404);
    let crd = established(&client, &definition()).await;
    assert_eq!(crd["status"]["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    let conditions = crd["status"]["conditions"].as_array().unwrap();
    let reasons: Vec<&str> = conditions.iter().map(|found| found["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["NoConflicts", "InitialNamesAccepted"]);

    let list = client.get("/apis/example.com/v1").await.ok();
    let resources: Vec<&str> =
        list["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(resources, ["widgets", "widgets/status", "widgets/scale"]);
    let group = client.get("/apis/example.com").await.ok();
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let aggregated = client
        .with("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        .get("/apis")
        .await
        .ok();
    let found = aggregated["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "example.com");
    assert_eq!(found.unwrap()["versions"].as_array().unwrap().len(), 2);

    let made = client.post(WIDGETS, &widget("a")).await.created();
    assert_eq!(made["spec"]["replicas"], 1);
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(client.get(&format!("{WIDGETS}/a")).await.ok(), made);
    let other = client.get("/apis/example.com/v1beta1/namespaces/default/widgets/a").await.ok();
    assert_eq!(other["apiVersion"], "example.com/v1beta1");
    let list = client.get(WIDGETS).await.ok();
    assert_eq!((list["kind"].as_str(), names(&list)), (Some("WidgetList"), vec!["a"]));
    let everywhere = client.get("/apis/example.com/v1/widgets?limit=1").await.ok();
    assert_eq!(names(&everywhere), ["a"]);

    let mut watch = client.watch(&format!("{WIDGETS}?watch=1&resourceVersion={}", version(&made))).await;
    let mut changed = made.clone();
    changed["spec"]["color"] = "green".into();
    changed["status"] = json!({"phase": "ignored"});
    let changed = client.put(&format!("{WIDGETS}/a"), &changed).await.ok();
    assert_eq!(changed["metadata"]["generation"], 2);
    assert!(changed["status"].is_null());
    assert_eq!(watch.expect("MODIFIED").await["spec"]["color"], "green");
    let patched = client
        .patch(&format!("{WIDGETS}/a/status"), MERGE, &json!({"status": {"replicas": 3, "selector": "a=b"}}))
        .await
        .ok();
    assert_eq!(patched["metadata"]["generation"], 2);
    let scale = client.get(&format!("{WIDGETS}/a/scale")).await.ok();
    assert_eq!(scale["status"], json!({"replicas": 3, "selector": "a=b"}));
    client.patch(&format!("{WIDGETS}/a/scale"), MERGE, &json!({"spec": {"replicas": 5}})).await.ok();
    assert_eq!(client.get(&format!("{WIDGETS}/a")).await.ok()["spec"]["replicas"], 5);
    let jumped = json!([{"op": "replace", "path": "/spec/replicas", "value": 6}]);
    assert_eq!(client.patch(&format!("{WIDGETS}/a"), JSON_PATCH, &jumped).await.ok()["spec"]["replicas"], 6);
    let refused =
        client.patch(&format!("{WIDGETS}/a"), STRATEGIC, &json!({})).await.refused(415, "UnsupportedMediaType");
    assert!(refused.contains("application/merge-patch+json"), "{refused}");

    assert_eq!(names(&client.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dgreen")).await.ok()), ["a"]);
    assert!(names(&client.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dred")).await.ok()).is_empty());
    client.get(&format!("{WIDGETS}?fieldSelector=spec.other%3Dred")).await.refused(400, "BadRequest");
    let table = client.with("accept", "application/json;as=Table;v=v1;g=meta.k8s.io").get(WIDGETS).await.ok();
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..3], [json!("a"), json!("green"), json!(6)]);
    assert_eq!(table["columnDefinitions"].as_array().unwrap().len(), 4);
    let partial = client
        .with("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
        .get(WIDGETS)
        .await
        .ok();
    assert_eq!(partial["items"][0]["kind"], "PartialObjectMetadata");
    client.get(&format!("{WIDGETS}/a/log")).await.refused(404, "NotFound");

    client.delete(&format!("{WIDGETS}/a")).await.ok();
    client.get(&format!("{WIDGETS}/a")).await.refused(404, "NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_enforced_in_upstreams_words() {
    let server = Server::start().await;
    let client = server.admin().await;
    established(&client, &definition()).await;
    let mut wrong = widget("a");
    wrong["spec"] =
        json!({"color": "blue", "replicas": 11, "name": "A", "port": 1.5, "ports": [{"name": "x"}, {"name": "x"}, {}]});
    let answer = client.post(WIDGETS, &wrong).await.is(422);
    let mut causes: Vec<String> = answer["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| {
            format!(
                "{}|{}|{}",
                cause["field"].as_str().unwrap(),
                cause["reason"].as_str().unwrap(),
                cause["message"].as_str().unwrap()
            )
        })
        .collect();
    causes.sort();
    assert_eq!(
        causes,
        [
            r#"spec.color|FieldValueNotSupported|Unsupported value: "blue": supported values: "red", "green""#,
            "spec.name|FieldValueInvalid|Invalid value: \"A\": spec.name in body should match '^[a-z]+$'",
            "spec.ports[1]|FieldValueDuplicate|Duplicate value: {\"name\":\"x\"}",
            "spec.ports[2].name|FieldValueRequired|Required value",
            "spec.port|FieldValueTypeInvalid|Invalid value: \"number\": spec.port in body must be of type integer,string: \"number\"",
            "spec.replicas|FieldValueInvalid|Invalid value: 11: spec.replicas in body should be less than or equal to 10",
        ]
    );
    let mut missing = widget("a");
    missing["spec"] = Value::Null;
    let answer = client.post(WIDGETS, &missing).await.is(422);
    assert_eq!(answer["message"], "Widget.example.com \"a\" is invalid: spec: Required value");

    let mut unknown = widget("a");
    unknown["spec"]["more"] = 1.into();
    unknown["spec"]["anything"] = json!({"kept": {"deep": 1}});
    unknown["metadata"]["strange"] = 1.into();
    let strict = client.post(&format!("{WIDGETS}?fieldValidation=Strict"), &unknown).await.is(400);
    assert_eq!(
        strict["message"],
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"metadata.strange\", unknown field \"spec.more\""
    );
    let made = client.post(WIDGETS, &unknown).await.created();
    assert_eq!(made["spec"], json!({"color": "red", "replicas": 1, "anything": {"kept": {"deep": 1}}}));

    // Nulls: not allowed ones go or become defaults, allowed ones stay.
    let nulls = json!({"spec": {"replicas": null, "name": null, "port": null}});
    let mut object = widget("b");
    for (name, value) in nulls["spec"].as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    let made = client.post(WIDGETS, &object).await.created();
    assert_eq!(made["spec"], json!({"color": "red", "name": null, "replicas": 1}));

    let body = serde_json::to_vec(&widget("c")).unwrap();
    client.send(Method::POST, WIDGETS, "application/vnd.kubernetes.protobuf", body).await.refused(400, "BadRequest");
    let protobuf = client.with("accept", "application/vnd.kubernetes.protobuf");
    assert_eq!(protobuf.get(WIDGETS).await.code.as_u16(), 406);
    let yaml = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: yaml}\nspec: {color: red}\n";
    client.send(Method::POST, WIDGETS, "application/yaml", yaml).await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_merges_by_the_lists_of_the_schema() {
    let server = Server::start().await;
    let client = server.admin().await;
    established(&client, &definition()).await;
    let apply = async |manager: &str, ports: Value| {
        let mut config = widget("a");
        config["spec"]["ports"] = ports;
        client.patch(&format!("{WIDGETS}/a?fieldManager={manager}"), APPLY, &config).await
    };
    apply("one", json!([{"name": "x", "number": 1}])).await.created();
    let merged = apply("two", json!([{"name": "y", "number": 2}])).await.ok();
    assert_eq!(merged["spec"]["ports"].as_array().unwrap().len(), 2);
    let conflict = apply("two", json!([{"name": "x", "number": 3}])).await.is(409);
    let message = conflict["message"].as_str().unwrap();
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"one\": .spec.ports[name=\"x\"].number");
    let managers: Vec<&str> = merged["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    assert_eq!(managers, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_definition_deletes_its_objects() {
    let server = Server::start().await;
    let client = server.admin().await;
    established(&client, &definition()).await;
    let mut held = widget("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    client.post(WIDGETS, &held).await.created();
    client.post(WIDGETS, &widget("free")).await.created();
    let mut watch = client.watch(&format!("{CRDS}?watch=1&fieldSelector=metadata.name%3Dwidgets.example.com")).await;
    watch.expect("ADDED").await;
    let marked = client.delete(&format!("{CRDS}/widgets.example.com")).await.ok();
    assert_eq!(marked["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let mut objects = client.watch(&format!("{WIDGETS}?watch=1&resourceVersion=0")).await;
    loop {
        let event = objects.next().await.expect("an event");
        let is_marked = event["object"]["metadata"]["deletionTimestamp"].is_string();
        if event["object"]["metadata"]["name"] == "held" && is_marked {
            break;
        }
    }
    client.patch(&format!("{WIDGETS}/held"), MERGE, &json!({"metadata": {"finalizers": null}})).await.ok();
    loop {
        let event = watch.next().await.expect("an event");
        if event["type"] == "DELETED" {
            break;
        }
    }
    // A definition of the same name begins anew.
    established(&client, &definition()).await;
    assert!(names(&client.get(WIDGETS).await.ok()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_checked_and_names_are_unique() {
    let server = Server::start().await;
    let client = server.admin().await;
    established(&client, &definition()).await;
    let mut second = definition();
    second["metadata"]["name"] = "gadgets.example.com".into();
    second["spec"]["names"] =
        json!({"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["wd"]});
    let mut watch = client.watch(&format!("{CRDS}?watch=1&fieldSelector=metadata.name%3Dgadgets.example.com")).await;
    client.post(CRDS, &second).await.created();
    watch.expect("ADDED").await;
    let refused = watch.expect("MODIFIED").await;
    let conditions = &refused["status"]["conditions"];
    assert_eq!(conditions[0]["reason"], "ShortNamesConflict");
    assert_eq!(conditions[0]["message"], "\"wd\" is already in use");
    assert_eq!(conditions[1]["reason"], "NotAccepted");
    assert_eq!(client.get("/apis/example.com/v1/gadgets").await.code, 404);
    // Once the names are free the second one gets them.
    client.delete(&format!("{CRDS}/widgets.example.com")).await.ok();
    loop {
        let object = watch.next().await.expect("an event")["object"].clone();
        if object["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["type"] == "Established" && c["status"] == "True")
        {
            break;
        }
    }
    client.get("/apis/example.com/v1/gadgets").await.ok();

    let mut wrong = definition();
    wrong["spec"]["names"]["plural"] = "other".into();
    wrong["spec"]["versions"] = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
        "type": "object", "properties": {"spec": {"properties": {"a": {"type": "strange"}, "b": {"type": "array"}}}}}}}]);
    let answer = client.post(CRDS, &wrong).await.is(422);
    let message = answer["message"].as_str().unwrap();
    for expected in [
        "metadata.name: Invalid value: \"widgets.example.com\": must be spec.names.plural+\".\"+spec.group",
        "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        "spec.validation.openAPIV3Schema.properties[spec].properties[b].items: Required value: must be specified",
        "properties[a].type: Unsupported value: \"strange\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
    ] {
        assert!(message.contains(expected), "{expected}\n{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_before_may_stay_wrong() {
    let server = Server::start().await;
    let client = server.admin().await;
    let crd = established(&client, &definition()).await;
    client.post(WIDGETS, &widget("a")).await.created();
    let mut tight = crd.clone();
    for at in 0..2 {
        tight["spec"]["versions"][at]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["color"]["enum"] =
            json!(["green"]);
    }
    client.put(&format!("{CRDS}/widgets.example.com"), &tight).await.ok();
    // The new schema is in place once it refuses.
    until("the new schema", async || {
        let answer = client.post(&format!("{WIDGETS}?dryRun=All"), &widget("b")).await;
        (answer.code.as_u16() == 422).then_some(())
    })
    .await;
    let change = json!({"spec": {"replicas": 3}});
    assert_eq!(client.patch(&format!("{WIDGETS}/a"), MERGE, &change).await.ok()["spec"]["color"], "red");
    client.patch(&format!("{WIDGETS}/a"), MERGE, &json!({"spec": {"color": "blue"}})).await.refused(422, "Invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_published() {
    let server = Server::start().await;
    let client = server.admin().await;
    let before = client.get("/openapi/v3").await.ok();
    assert!(before["paths"]["apis/example.com/v1"].is_null());
    established(&client, &definition()).await;
    let index = client.get("/openapi/v3").await.ok();
    let url = index["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let document = client.get(&url).await.ok();
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(schema["properties"]["spec"]["properties"]["color"]["enum"], json!(["red", "green"]));
    assert_eq!(schema["properties"]["spec"]["properties"]["port"]["x-kubernetes-int-or-string"], true);
    assert_eq!(
        schema["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "kind": "Widget", "version": "v1"}])
    );
    assert!(document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].is_object());
    assert!(document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status"]["put"].is_object());
    let v2 = client.get("/openapi/v2").await.ok();
    let schema = &v2["definitions"]["com.example.v1.Widget"];
    // A nullable field says nothing: kubectl would refuse what it does not know.
    assert_eq!(schema["properties"]["spec"]["properties"]["name"], json!({"pattern": "^[a-z]+$"}));
    client.delete(&format!("{CRDS}/widgets.example.com")).await.ok();
    until("the document's end", async || {
        let index = client.get("/openapi/v3").await.ok();
        index["paths"]["apis/example.com/v1"].is_null().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_served_version_has_an_api_service_soon() {
    let server = Server::start().await;
    let client = server.admin().await;
    established(&client, &definition()).await;
    // Well before the server looks at everything that it keeps.
    let becomes = async |service: &str, code: u16| {
        let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{service}");
        until(service, async || (client.get(&path).await.code == code).then_some(())).await;
    };
    becomes("v1.example.com", 200).await;
    becomes("v1beta1.example.com", 200).await;
    client.delete(&format!("{CRDS}/widgets.example.com")).await.ok();
    becomes("v1.example.com", 404).await;
    becomes("v1beta1.example.com", 404).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_may_be_the_only_subresource() {
    let server = Server::start().await;
    let client = server.admin().await;
    let mut definition = definition();
    for version in definition["spec"]["versions"].as_array_mut().unwrap() {
        version["subresources"] = json!({"status": {}});
    }
    let made = established(&client, &definition).await;
    assert_eq!(made["spec"]["versions"][0]["subresources"], json!({"status": {}}));
    client.post(WIDGETS, &widget("a")).await.created();
    let written = client.patch(&format!("{WIDGETS}/a/status"), MERGE, &json!({"status": {"phase": "Done"}})).await.ok();
    assert_eq!(written["status"], json!({"phase": "Done"}));
    client.get(&format!("{WIDGETS}/a/scale")).await.refused(404, "NotFound");
}
