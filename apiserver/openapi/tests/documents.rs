//! The documents of a small table: pinned schemas, and the answers to requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use apiserver_openapi::{CustomDocuments, Document, Documents, Resource, Subresource, parse};
use apiserver_schema::Ref;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

const ALL: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A server without custom resources.
struct NoCustom;

impl CustomDocuments for NoCustom {
    fn index(&self, _: &Documents) -> std::io::Result<Option<Arc<Document>>> {
        Ok(None)
    }

    fn v3(&self, _: &str) -> std::io::Result<Option<Arc<Document>>> {
        Ok(None)
    }

    fn v2(&self, _: &Documents, _: bool) -> std::io::Result<Option<Arc<Document>>> {
        Ok(None)
    }
}

fn resource(group: &str, kind: &str, plural: &str, subresources: Vec<Subresource>) -> Resource {
    Resource {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        namespaced: true,
        verbs: ALL.to_vec(),
        ty: Ref::Static(apiserver_schema::builtin(group, "v1", kind).expect("a built-in kind")),
        subresources,
        custom: None,
    }
}

fn subresource(name: &str, group: &str, version: &str, kind: &str, verbs: &[&'static str]) -> Subresource {
    Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        verbs: verbs.to_vec(),
    }
}

fn documents() -> Documents {
    Documents::new(vec![
        resource(
            "",
            "Pod",
            "pods",
            vec![
                subresource("exec", "", "", "PodExecOptions", &["create", "get"]),
                subresource("log", "", "", "Pod", &["get"]),
            ],
        ),
        resource(
            "apps",
            "Deployment",
            "deployments",
            vec![subresource("scale", "autoscaling", "v1", "Scale", &["get", "patch", "update"])],
        ),
    ])
}

/// Without descriptions, which are not ours to pin.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keep = |(key, value): (&String, &Value)| {
                (!value.is_string() || key != "description").then(|| (key.clone(), bare(value)))
            };
            Value::Object(map.iter().filter_map(keep).collect())
        }
        Value::Array(list) => list.iter().map(bare).collect(),
        other => other.clone(),
    }
}

#[test]
fn schemas_are_pinned() {
    let documents = documents();
    let v3 = parse(&documents.v3("api/v1").unwrap().unwrap()).unwrap();
    let schemas = &v3["components"]["schemas"];
    let port = &schemas["io.k8s.api.core.v1.ContainerPort"];
    assert!(port["properties"]["containerPort"]["description"].as_str().unwrap().contains("0 < x < 65536"));
    assert_eq!(
        bare(port),
        json!({
            "type": "object",
            "required": ["containerPort"],
            "properties": {
                "containerPort": {"type": "integer", "format": "int32", "default": 0},
                "hostIP": {"type": "string"},
                "hostPort": {"type": "integer", "format": "int32"},
                "name": {"type": "string"},
                "protocol": {"type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"]},
            },
        })
    );
    let containers = bare(&schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]);
    assert_eq!(
        containers,
        json!({
            "type": "array",
            "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge",
        })
    );
    let v2 = parse(&documents.v2().unwrap()).unwrap();
    let strategy = bare(&v2["definitions"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]);
    let expected = json!({
        "$ref": "#/definitions/io.k8s.api.apps.v1.DeploymentStrategy",
        "x-kubernetes-patch-strategy": "retainKeys",
    });
    assert_eq!(strategy, expected);
    assert_eq!(bare(&v2["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]), json!({"type": "string"}));
}

#[test]
fn operations_are_named_as_upstream_names_them() {
    let documents = documents();
    let v3 = parse(&documents.v3("apis/apps/v1").unwrap().unwrap()).unwrap();
    let scale = &v3["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["patch"];
    assert_eq!(scale["operationId"], "patchAppsV1NamespacedDeploymentScale");
    assert_eq!(scale["x-kubernetes-group-version-kind"]["kind"], "Scale");
    let names = |parameters: &Value| -> Vec<String> {
        parameters.as_array().unwrap().iter().map(|value| value["name"].as_str().unwrap().to_owned()).collect()
    };
    let v3 = parse(&documents.v3("api/v1").unwrap().unwrap()).unwrap();
    let exec = &v3["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/exec"];
    assert_eq!(exec["get"]["operationId"], "connectCoreV1GetNamespacedPodExec");
    let expected = ["command", "container", "name", "namespace", "stderr", "stdin", "stdout", "tty"];
    assert_eq!(names(&exec["parameters"]), expected);
    let everywhere = &v3["paths"]["/api/v1/pods"]["get"];
    assert_eq!(everywhere["operationId"], "listCoreV1PodForAllNamespaces");
}

#[test]
fn a_document_is_found_by_its_hash() {
    let documents = documents();
    let headers = HeaderMap::new();
    let get =
        |path: &str, hash: Option<&str>, headers: &HeaderMap| documents.answer(path, hash, headers, &NoCustom).unwrap();
    let index = get("/openapi/v3", None, &headers).unwrap();
    let index: Value = serde_json::from_slice(index.body()).unwrap();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let (path, hash) = url.split_once("?hash=").unwrap();
    let found = get(path, Some(hash), &headers).unwrap();
    assert_eq!(found.headers()["cache-control"], "public, immutable");
    assert!(found.headers()["expires"].to_str().unwrap().ends_with("GMT"));
    let moved = get(path, Some("0"), &headers).unwrap();
    assert_eq!(moved.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(moved.headers()["location"], url);
    let mut known = HeaderMap::new();
    known.insert("if-none-match", found.headers()["etag"].clone());
    assert_eq!(get(path, None, &known).unwrap().status(), StatusCode::NOT_MODIFIED);
    assert!(get("/openapi/v3/apis/none/v1", None, &headers).is_none());
    assert!(get("/openapi/v4", None, &headers).is_none());
}

#[test]
fn the_accept_header_chooses_the_form() {
    let documents = documents();
    let answer = |path: &str, accept: &'static str, encoding: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static(accept));
        headers.insert("accept-encoding", HeaderValue::from_static(encoding));
        documents.answer(path, None, &headers, &NoCustom).unwrap().unwrap()
    };
    let json = answer("/openapi/v2", "application/json;q=0.5, text/html", "");
    assert_eq!(json.headers()["content-type"], "application/json");
    assert_eq!(json.body()[0], b'{');
    let packed = answer("/openapi/v2", "*/*", "gzip, deflate");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.body().len() < json.body().len() / 5);
    let protobuf = answer("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "");
    assert_eq!(protobuf.headers()["content-type"], "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    // Field 1, `swagger`.
    assert_eq!(&protobuf.body()[..5], b"\x0a\x032.0");
    assert_eq!(answer("/openapi/v2", "text/html", "").status(), StatusCode::NOT_ACCEPTABLE);
    let protobuf = answer("/openapi/v3/apis/apps/v1", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf", "");
    assert_eq!(protobuf.headers()["content-type"], "application/com.github.proto-openapi.spec.v3.v1.0+protobuf");
    // Both forms go by one hash.
    assert_eq!(protobuf.headers()["etag"], answer("/openapi/v3/apis/apps/v1", "*/*", "").headers()["etag"]);
    let document = fields(protobuf.body());
    assert_eq!(document[&1], [b"3.0.0"]);
    let names = |fields: &[&[u8]]| -> Vec<String> {
        fields.iter().map(|entry| String::from_utf8(self::fields(entry)[&1][0].to_vec()).unwrap()).collect()
    };
    let components = fields(document[&5][0]);
    let schemas = fields(components[&1][0]);
    assert!(names(&schemas[&1]).contains(&"io.k8s.api.apps.v1.Deployment".to_owned()));
    let paths = fields(document[&4][0]);
    assert!(names(&paths[&1]).contains(&"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale".to_owned()));
    assert_eq!(answer("/openapi/v3/api/v1", "text/html", "").status(), StatusCode::NOT_ACCEPTABLE);
}

/// The fields of a message that have lengths, by their numbers.
fn fields(message: &[u8]) -> BTreeMap<u64, Vec<&[u8]>> {
    let (mut rest, mut found) = (message, BTreeMap::<u64, Vec<&[u8]>>::new());
    let varint = |rest: &mut &[u8]| {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = rest[0];
            *rest = &rest[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    };
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        match tag & 7 {
            0 => drop(varint(&mut rest)),
            1 => rest = &rest[8..],
            2 => {
                let length = varint(&mut rest) as usize;
                found.entry(tag >> 3).or_default().push(&rest[..length]);
                rest = &rest[length..];
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}
