//! Routes as paths of a document, with the extensions by which clients find what they can do with a kind.

use serde_json::{Map, Value, json};

use super::Edition;
use super::schemas::Schemas;
use crate::resources::{Resource, api_version};
use crate::server::Server;

const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const ANSWERS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Query parameters: name and type.
type Parameters = &'static [(&'static str, &'static str)];

const LIST: Parameters = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE: Parameters = &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCH: Parameters =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];
const DELETE: Parameters = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

/// Every group and version that is served, in the order of discovery.
pub fn group_versions(server: &Server) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for served in server.all() {
        for version in &served.resource.versions {
            let pair = (served.resource.group.to_string(), version.name.to_string());
            if !found.contains(&pair) {
                found.push(pair);
            }
        }
    }
    found
}

/// The paths of one group and version; the types that they name are added to the schemas.
pub fn of(server: &Server, group: &str, version: &str, schemas: &mut Schemas) -> Map<String, Value> {
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let mut paths = Map::new();
    let mut about = About { group, version, kind: "APIResourceList", schemas, id: String::new() };
    let resources = about.schemas.kind("", "v1", "APIResourceList");
    about.id = format!("get{}APIResources", about.title());
    let mut index = about.operation("", &[], None, resources);
    if let Some(fields) = index.as_object_mut() {
        fields.remove("x-kubernetes-action");
        fields.remove("x-kubernetes-group-version-kind");
    }
    paths.insert(format!("{root}/"), json!({"get": index}));
    for served in server.all() {
        let resource = &served.resource;
        if resource.group == group && resource.version(version).is_some() {
            of_resource(&root, resource, &mut about, &mut paths);
        }
    }
    about.schemas.kind(group, version, "WatchEvent");
    paths
}

fn of_resource<'a>(root: &str, resource: &'a Resource, about: &mut About<'a>, paths: &mut Map<String, Value>) {
    let scope = if resource.namespaced { "Namespaced" } else { "" };
    let kind = resource.kind.as_str();
    about.kind = kind;
    let place = if resource.namespaced { format!("{root}/namespaces/{{namespace}}") } else { root.to_owned() };
    let collection = format!("{place}/{}", resource.plural);
    let object = about.schemas.kind(about.group, about.version, kind);
    let has = |verb: &str| resource.verbs.contains(verb);
    let title = about.title();
    let mut all = Map::new();
    if has("list") {
        let list = about.schemas.kind(about.group, about.version, &format!("{kind}List"));
        about.id = format!("list{title}{scope}{kind}");
        all.insert("get".into(), about.operation("list", LIST, None, list.clone()));
        if resource.namespaced {
            about.id = format!("list{title}{kind}ForAllNamespaces");
            let everywhere = about.operation("list", LIST, None, list);
            paths.insert(format!("{root}/{}", resource.plural), json!({"get": everywhere}));
        }
    }
    if has("create") {
        about.id = format!("create{title}{scope}{kind}");
        all.insert("post".into(), about.operation("post", WRITE, Some((object.clone(), &["*/*"])), object.clone()));
    }
    if has("deletecollection") {
        about.id = format!("delete{title}Collection{scope}{kind}");
        let operation = about.delete("deletecollection");
        all.insert("delete".into(), operation);
    }
    about.path(paths, collection.clone(), all, resource.namespaced, false);
    let one = format!("{collection}/{{name}}");
    let mut all = Map::new();
    if has("get") {
        about.id = format!("read{title}{scope}{kind}");
        all.insert("get".into(), about.operation("get", &[], None, object.clone()));
    }
    if has("update") {
        about.id = format!("replace{title}{scope}{kind}");
        all.insert("put".into(), about.operation("put", WRITE, Some((object.clone(), &["*/*"])), object.clone()));
    }
    if has("patch") {
        about.id = format!("patch{title}{scope}{kind}");
        let patch = about.schemas.patch();
        all.insert("patch".into(), about.operation("patch", PATCH, Some((patch, &PATCHES)), object.clone()));
    }
    if has("delete") {
        about.id = format!("delete{title}{scope}{kind}");
        let operation = about.delete("delete");
        all.insert("delete".into(), operation);
    }
    about.path(paths, one.clone(), all, resource.namespaced, true);
    for subresource in &resource.subresources {
        let own = if subresource.kind.is_empty() { kind } else { subresource.kind };
        let (group, version) = if subresource.version.is_empty() {
            (about.group, about.version)
        } else {
            (subresource.group, subresource.version)
        };
        let part = capital(subresource.name);
        let streams = subresource.kind.ends_with("Options");
        let object = if streams { json!({"type": "string"}) } else { about.schemas.kind(group, version, own) };
        let mut all = Map::new();
        for verb in subresource.verbs {
            let (method, action, word) = match *verb {
                "get" => ("get", "get", "read"),
                "create" => ("post", "post", "create"),
                "update" => ("put", "put", "replace"),
                "patch" => ("patch", "patch", "patch"),
                _ => ("delete", "delete", "delete"),
            };
            let (action, word) =
                if streams { ("connect", format!("connect{}", capital(method))) } else { (action, word.to_owned()) };
            about.id = format!("{word}{title}{scope}{kind}{part}");
            let operation = match method {
                _ if streams => about.operation(action, &[], None, object.clone()),
                "get" => about.operation(action, &[], None, object.clone()),
                "patch" => {
                    let patch = about.schemas.patch();
                    about.operation(action, PATCH, Some((patch, &PATCHES)), object.clone())
                }
                _ => about.operation(action, WRITE, Some((object.clone(), &["*/*"])), object.clone()),
            };
            let mut operation = operation;
            operation["x-kubernetes-group-version-kind"] = json!({"group": group, "version": version, "kind": own});
            all.insert(method.into(), operation);
        }
        about.path(paths, format!("{one}/{}", subresource.name), all, resource.namespaced, true);
    }
}

/// What the operation being written is about.
struct About<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    schemas: &'a mut Schemas,
    id: String,
}

impl About<'_> {
    /// Group and version in an operation's name: `AppsV1`, `CoreV1`, `RbacAuthorizationV1`.
    fn title(&self) -> String {
        let group = if self.group.is_empty() { "core" } else { self.group.trim_end_matches(".k8s.io") };
        group.split('.').map(capital).chain([capital(self.version)]).collect()
    }

    fn operation(&mut self, action: &str, query: Parameters, body: Option<(Value, &[&str])>, answer: Value) -> Value {
        let tag = api_version(if self.group.is_empty() { "core" } else { self.group }, self.version);
        let tag =
            tag.replace(".k8s.io", "").split(['.', '/']).enumerate().fold(String::new(), |text, (index, part)| {
                match index {
                    0 => part.to_owned(),
                    _ if part == self.version => format!("{text}_{part}"),
                    _ => format!("{text}{}", capital(part)),
                }
            });
        let mut parameters: Vec<Value> = query.iter().map(|(name, ty)| self.parameter(name, "query", ty)).collect();
        let v3 = self.schemas.edition() == Edition::V3;
        let mut operation = json!({
            "tags": [tag], "operationId": self.id, "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": self.group, "version": self.version, "kind": self.kind},
        });
        if v3 {
            let content: Map<String, Value> =
                ANSWERS.iter().map(|kind| ((*kind).to_owned(), json!({"schema": answer}))).collect();
            operation["responses"] =
                json!({"200": {"description": "OK", "content": content}, "401": {"description": "Unauthorized"}});
            if let Some((schema, kinds)) = body {
                let content: Map<String, Value> =
                    kinds.iter().map(|kind| ((*kind).to_owned(), json!({"schema": schema}))).collect();
                operation["requestBody"] = json!({"content": content, "required": true});
            }
        } else {
            operation["responses"] =
                json!({"200": {"description": "OK", "schema": answer}, "401": {"description": "Unauthorized"}});
            operation["produces"] = json!(ANSWERS);
            operation["schemes"] = json!(["https"]);
            if let Some((schema, kinds)) = body {
                operation["consumes"] = json!(kinds);
                parameters.insert(0, json!({"name": "body", "in": "body", "required": true, "schema": schema}));
            }
        }
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        operation
    }

    fn delete(&mut self, action: &str) -> Value {
        let options = self.schemas.kind(self.group, self.version, "DeleteOptions");
        let status = self.schemas.kind("", "v1", "Status");
        self.operation(action, DELETE, Some((options, &["*/*"])), status)
    }

    fn parameter(&self, name: &str, place: &str, ty: &str) -> Value {
        let mut parameter = json!({"name": name, "in": place});
        if self.schemas.edition() == Edition::V3 {
            parameter["schema"] = json!({"type": ty, "uniqueItems": true});
        } else {
            parameter["type"] = ty.into();
            parameter["uniqueItems"] = true.into();
        }
        if place == "path" {
            parameter["required"] = true.into();
        }
        parameter
    }

    /// Adds a path with its operations and the parameters that all of them have.
    fn path(
        &self,
        paths: &mut Map<String, Value>,
        path: String,
        mut all: Map<String, Value>,
        namespaced: bool,
        named: bool,
    ) {
        if all.is_empty() {
            return;
        }
        let mut shared = Vec::new();
        if named {
            shared.push(self.parameter("name", "path", "string"));
        }
        if namespaced {
            shared.push(self.parameter("namespace", "path", "string"));
        }
        shared.push(self.parameter("pretty", "query", "string"));
        all.insert("parameters".into(), Value::Array(shared));
        paths.insert(path, Value::Object(all));
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
