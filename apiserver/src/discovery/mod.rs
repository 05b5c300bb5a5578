//! What the server serves, as clients ask for it: legacy documents and the aggregated one.
//!
//! Source: apiserver `pkg/endpoints/discovery`; KEP-3352.

use base64::Engine;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::aggregation;
use crate::body::{self, Body};
use crate::context::Context;
use crate::negotiate::{self, Encoding, Offer};
use crate::resources::{Resource, Subresource, api_version, split_api_version};
use crate::status::{Result, Status};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const AGGREGATED_PROTOBUF: &str =
    "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The release that the server is exact about.
pub const VERSION: (&str, &str, &str) = ("1", "36", controllers_component_base::KUBERNETES_VERSION);

pub fn version() -> Response<Body> {
    let (major, minor, git) = VERSION;
    let tree = format!(
        concat!(
            "{{\n  \"major\": \"{}\",\n  \"minor\": \"{}\",\n  \"emulationMajor\": \"1\",\n  \"emulationMinor\": \"36\",\n",
            "  \"minCompatibilityMajor\": \"1\",\n  \"minCompatibilityMinor\": \"35\",\n  \"gitVersion\": \"{}\",\n",
            "  \"gitCommit\": \"\",\n  \"gitTreeState\": \"clean\",\n  \"buildDate\": \"1970-01-01T00:00:00Z\",\n",
            "  \"goVersion\": \"rust\",\n  \"compiler\": \"rustc\",\n  \"platform\": \"linux/amd64\"\n}}"
        ),
        major, minor, git
    );
    body::response(StatusCode::OK, negotiate::JSON, tree)
}

/// The paths of the root.
pub fn index(context: &Context) -> Response<Body> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".into(), "/apis".into()];
    let tokens = context.server.authentication.service_accounts.as_ref();
    if tokens.is_some_and(|tokens| tokens.discovery.is_some()) {
        paths.extend(["/.well-known/openid-configuration".to_owned(), "/openid/v1/jwks".to_owned()]);
    }
    for (group, versions) in named_groups(context) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.extend(
        [
            "/apis/",
            "/flagz",
            "/healthz",
            "/livez",
            "/metrics",
            "/metrics/slis",
            "/openapi/v2",
            "/openapi/v3",
            "/openapi/v3/",
            "/readyz",
            "/statusz",
            "/version",
        ]
        .map(str::to_owned),
    );
    paths.extend(crate::health::paths(&context.server));
    paths.sort();
    let text = serde_json::to_string_pretty(&json!({"paths": paths})).unwrap_or_default();
    body::response(StatusCode::OK, negotiate::JSON, text)
}

pub fn legacy_versions(context: &Context) -> Result<Response<Body>> {
    if let Some(encoding) = wants_aggregated(context) {
        return Ok(aggregated(context, true, encoding));
    }
    let options = &context.server.options;
    let address = format!("{}:{}", options.advertise_address, options.secure_port);
    let tree = json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    });
    answer(context, "", "APIVersions", &tree)
}

pub fn groups(context: &Context) -> Result<Response<Body>> {
    if let Some(encoding) = wants_aggregated(context) {
        return Ok(aggregated(context, false, encoding));
    }
    let groups: Vec<Value> =
        named_groups(context).iter().map(|(group, versions)| group_tree(group, versions)).collect();
    answer(context, "", "APIGroupList", &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/api/v1`, `/apis/{group}` and `/apis/{group}/{version}`.
pub fn group_or_version(context: &Context) -> Result<Response<Body>> {
    let info = &context.info;
    if info.version.is_empty() {
        let groups = named_groups(context);
        let (group, versions) =
            groups.iter().find(|(group, _)| *group == info.group).ok_or_else(Status::no_such_path)?;
        let mut tree = group_tree(group, versions);
        tree["kind"] = "APIGroup".into();
        tree["apiVersion"] = "v1".into();
        return answer(context, "", "APIGroup", &tree);
    }
    let mut resources = Vec::new();
    let groups = context.server.custom.now();
    let custom = groups.groups.get(info.group.as_str());
    let custom = custom.map(|group| group.rows(&info.version)).unwrap_or_default();
    let is_custom = !custom.is_empty();
    for served in context.server.all().iter().chain(custom) {
        let resource = &served.resource;
        if resource.group != info.group || resource.version(&info.version).is_none() {
            continue;
        }
        resources.push(resource_tree(resource));
        resources.extend(resource.subresources.iter().map(|subresource| subresource_tree(resource, subresource)));
    }
    if resources.is_empty() || (info.prefix == "api") != info.group.is_empty() {
        return Err(Status::no_such_path());
    }
    // Subresources of custom resources stay in the order of their definition.
    let place = |tree: &Value| -> String {
        let name = tree["name"].as_str().unwrap_or_default();
        if !is_custom { name.to_owned() } else { name.split('/').next().unwrap_or_default().to_owned() }
    };
    resources.sort_by_cached_key(place);
    let mut tree = json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": api_version(&info.group, &info.version), "resources": resources,
    });
    // The documents of the core group are older than the version that others name.
    if info.group.is_empty() {
        crate::object::clear(&mut tree, "apiVersion");
    }
    answer(context, "", "APIResourceList", &tree)
}

fn answer(context: &Context, group: &str, kind: &str, tree: &Value) -> Result<Response<Body>> {
    let accepted =
        negotiate::accept(&context.headers, Offer { protobuf: true, forms: false, tables: false, watch: false })?;
    if accepted.encoding == negotiate::Encoding::Json && !accepted.pretty {
        let ty = apiserver_schema::builtin(group, "v1", kind)
            .ok_or_else(|| Status::internal(format!("no type for {kind}")))?;
        let mut out = Vec::new();
        apiserver_schema::json::encode(ty, tree, &mut out);
        out.push(b'\n');
        return Ok(body::response(StatusCode::OK, negotiate::JSON, out));
    }
    if accepted.encoding == Encoding::Protobuf {
        // The envelope names what the document itself names.
        let ty = apiserver_schema::builtin(group, "v1", kind)
            .ok_or_else(|| Status::internal(format!("no type for {kind}")))?;
        let version = tree["apiVersion"].as_str().unwrap_or_default();
        let bytes = apiserver_schema::protobuf::encode(ty, version, kind, tree);
        return Ok(body::response(StatusCode::OK, negotiate::PROTOBUF, bytes));
    }
    crate::respond::tree(context, group, "v1", kind, tree, StatusCode::OK)
}

/// Every group but the core one with its versions, in the order of discovery.
fn named_groups(context: &Context) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for served in context.server.all().iter().filter(|served| !served.resource.group.is_empty()) {
        let resource = &served.resource;
        let index = match groups.iter().position(|(group, _)| *group == resource.group) {
            Some(index) => index,
            None => {
                groups.push((resource.group.to_string(), Vec::new()));
                groups.len() - 1
            }
        };
        for version in &resource.versions {
            if !groups[index].1.iter().any(|name| *name == version.name) {
                groups[index].1.push(version.name.to_string());
            }
        }
    }
    for (name, group) in &context.server.custom.now().groups {
        let versions: Vec<String> = group.versions().iter().map(ToString::to_string).collect();
        if versions.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|(group, _)| group == name) {
            Some((_, known)) => known.extend(versions),
            None => groups.push((name.to_string(), versions)),
        }
    }
    aggregation::placed(&context.server, &mut groups);
    groups
}

fn group_tree(group: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({
        "name": group,
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(version),
    })
}

fn resource_tree(resource: &Resource) -> Value {
    let mut tree = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs.0,
    });
    if !resource.short_names.is_empty() {
        tree["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        tree["categories"] = json!(resource.categories);
    }
    if let Some(storage) = &resource.storage {
        let (group, version) = split_api_version(&storage.api_version);
        // Upstream announces the version that these kinds were first kept in.
        let version = match resource.kind.as_str() {
            "CustomResourceDefinition" | "MutatingAdmissionPolicy" | "MutatingAdmissionPolicyBinding" => "v1beta1",
            _ => version,
        };
        let digest = Sha256::digest(format!("{group}/{version}/{}", resource.kind));
        tree["storageVersionHash"] = base64::engine::general_purpose::STANDARD.encode(&digest[..8]).into();
    }
    tree
}

fn subresource_tree(resource: &Resource, subresource: &Subresource) -> Value {
    let kind = if subresource.kind.is_empty() { resource.kind.as_str() } else { subresource.kind };
    let mut tree = json!({
        "name": format!("{}/{}", resource.plural, subresource.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": subresource.verbs,
    });
    if !subresource.group.is_empty() {
        tree["group"] = subresource.group.into();
        tree["version"] = subresource.version.into();
    }
    tree
}

/// In which encoding the aggregated document is asked for, if it is.
fn wants_aggregated(context: &Context) -> Option<Encoding> {
    let accepts = context.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.split(',').find_map(|clause| {
        let has = |part: &str| clause.split(';').any(|found| found.trim() == part);
        if !(has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList")) {
            return None;
        }
        match (has(negotiate::JSON), has(negotiate::PROTOBUF)) {
            (true, _) => Some(Encoding::Json),
            (_, true) => Some(Encoding::Protobuf),
            _ => None,
        }
    })
}

/// The aggregated document: everything in one answer, with an ETag.
fn aggregated(context: &Context, core: bool, encoding: Encoding) -> Response<Body> {
    let generations = (context.server.custom.now().generation, context.server.aggregation.generation());
    let kept = !core && encoding != Encoding::Protobuf;
    let known = context.server.custom.aggregated.lock().clone();
    let bytes = match known {
        Some((made, bytes)) if kept && made == generations => bytes,
        _ => {
            let bytes = bytes::Bytes::from(aggregated_document(context, core, encoding));
            if kept {
                *context.server.custom.aggregated.lock() = Some((generations, bytes.clone()));
            }
            bytes
        }
    };
    let content_type = match encoding {
        Encoding::Protobuf => AGGREGATED_PROTOBUF,
        _ => AGGREGATED,
    };
    let tag = format!("\"{}\"", Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02X}")).collect::<String>());
    let known = context.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(tag.as_str());
    let mut response = if known {
        body::response(StatusCode::NOT_MODIFIED, content_type, "")
    } else {
        body::response(StatusCode::OK, content_type, bytes)
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}

/// The aggregated document of the core group, or of all others.
fn aggregated_document(context: &Context, core: bool, encoding: Encoding) -> Vec<u8> {
    let groups = if core { vec![(String::new(), vec!["v1".to_owned()])] } else { named_groups(context) };
    let custom = context.server.custom.now();
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    if let Some(remote) = context.server.aggregation.serving(group, version) {
                        return aggregation::version(&remote, &context.server.aggregation.documents(&remote.name));
                    }
                    let mut resources: Vec<Value> = context
                        .server
                        .all()
                        .iter()
                        .filter(|served| served.resource.group == *group && served.resource.version(version).is_some())
                        .chain(custom.groups.get(group.as_str()).map(|group| group.rows(version)).unwrap_or_default())
                        .map(|served| aggregated_resource(&served.resource))
                        .collect();
                    resources.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !group.is_empty() {
                metadata["name"] = group.as_str().into();
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let tree = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let mut bytes = Vec::new();
    match apiserver_schema::builtin("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList") {
        Some(ty) if encoding == Encoding::Protobuf => {
            bytes = apiserver_schema::protobuf::encode(ty, "apidiscovery.k8s.io/v2", "APIGroupDiscoveryList", &tree);
        }
        Some(ty) => {
            apiserver_schema::json::encode(ty, &tree, &mut bytes);
            bytes.push(b'\n');
        }
        None => bytes = tree.to_string().into_bytes(),
    }
    bytes
}

fn aggregated_resource(resource: &Resource) -> Value {
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    // Upstream leaves group and version of built-in kinds to the reader.
    let response = match resource.hooks.custom() {
        Some(custom) => (resource.group.as_str(), custom.version().name.as_str()),
        None => ("", ""),
    };
    let mut tree = json!({
        "resource": resource.plural,
        "responseKind": kind(response.0, response.1, &resource.kind),
        "scope": scope,
        "singularResource": resource.singular,
        "verbs": resource.verbs.0,
    });
    if !resource.short_names.is_empty() {
        tree["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        tree["categories"] = json!(resource.categories);
    }
    let mut subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let name = if subresource.kind.is_empty() { resource.kind.as_str() } else { subresource.kind };
            json!({
                "subresource": subresource.name,
                "responseKind": match subresource.group {
                    "" => kind(response.0, response.1, name),
                    group => kind(group, subresource.version, name),
                },
                "verbs": subresource.verbs,
            })
        })
        .collect();
    subresources.sort_by(|a, b| a["subresource"].as_str().cmp(&b["subresource"].as_str()));
    if !subresources.is_empty() {
        tree["subresources"] = Value::Array(subresources);
    }
    tree
}
