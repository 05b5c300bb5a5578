//! `/openapi/v2` and `/openapi/v3`, from the table of resources.

use std::sync::{Arc, OnceLock};

use apiserver_openapi::{Resource, Subresource};
use http::Response;

use crate::body::{self, Body};
use crate::context::{Context, Served};
use crate::status::{Result, Status};

/// The documents of one server, made when they are first asked for.
#[derive(Default)]
pub struct Documents(OnceLock<Arc<apiserver_openapi::Documents>>);

impl Documents {
    fn of(&self, served: &[Arc<Served>]) -> Arc<apiserver_openapi::Documents> {
        Arc::clone(self.0.get_or_init(|| Arc::new(apiserver_openapi::Documents::new(described(served)))))
    }
}

/// Answers a path below `/openapi`.
pub async fn serve(context: &Context, path: &str) -> Result<Response<Body>> {
    let documents = context.server.openapi.of(context.server.all());
    let path = path.to_owned();
    let hash = context.query.get("hash").map(str::to_owned);
    let headers = context.headers.clone();
    // Making documents takes a while, too long for a thread that serves connections.
    let answer = tokio::task::spawn_blocking(move || documents.answer(&path, hash.as_deref(), &headers))
        .await
        .map_err(Status::internal)?;
    match answer.map_err(Status::internal)? {
        Some(response) => Ok(response.map(body::full)),
        None => Ok(body::page_not_found()),
    }
}

/// What is served, one entry per resource and version.
fn described(served: &[Arc<Served>]) -> Vec<Resource> {
    let mut resources = Vec::new();
    for served in served {
        let resource = &served.resource;
        for version in &resource.versions {
            resources.push(Resource {
                group: resource.group.to_string(),
                version: version.name.to_string(),
                kind: resource.kind.to_string(),
                plural: resource.plural.to_string(),
                namespaced: resource.namespaced,
                verbs: resource.verbs.0.to_vec(),
                ty: version.ty.clone(),
                subresources: resource
                    .subresources
                    .iter()
                    .map(|subresource| Subresource {
                        name: subresource.name.to_owned(),
                        group: subresource.group.to_owned(),
                        version: subresource.version.to_owned(),
                        kind: subresource.kind.to_owned(),
                        verbs: subresource.verbs.to_vec(),
                    })
                    .collect(),
            });
        }
    }
    resources
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::resources::builtin;

    fn documents() -> apiserver_openapi::Documents {
        let served: Vec<_> =
            builtin::resources().into_iter().map(|resource| Arc::new(Served { resource, objects: None })).collect();
        apiserver_openapi::Documents::new(described(&served))
    }

    /// Every document by its name, `v2` among them. `OPENAPI_OUTPUT` names a directory to write them to.
    fn parsed() -> Vec<(String, Value)> {
        let documents = documents();
        let mut parsed = vec![("v2".to_owned(), apiserver_openapi::parse(&documents.v2().unwrap()).unwrap())];
        for name in documents.names() {
            let document = documents.v3(name).unwrap().unwrap();
            parsed.push((name.to_owned(), apiserver_openapi::parse(&document).unwrap()));
        }
        if let Some(directory) = std::env::var_os("OPENAPI_OUTPUT") {
            for (name, document) in &parsed {
                let file = std::path::Path::new(&directory).join(format!("{}.json", name.replace('/', "_")));
                std::fs::write(file, document.to_string()).unwrap();
            }
        }
        parsed
    }

    fn references(value: &Value, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                out.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, out));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, out)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_resolves_and_every_operation_has_its_own_name() {
        for (name, document) in parsed() {
            let mut found = BTreeSet::new();
            references(&document, &mut found);
            for reference in found {
                let target = document.pointer(reference.trim_start_matches('#'));
                assert!(target.is_some(), "{name}: {reference} leads nowhere");
            }
            let mut ids = BTreeSet::new();
            for (path, item) in document["paths"].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
                    let id = operation["operationId"].as_str().unwrap();
                    assert!(ids.insert(id.to_owned()), "{name}: {method} {path}: {id} is taken");
                }
            }
        }
    }

    #[test]
    fn every_route_of_the_table_has_its_operation() {
        let parsed = parsed();
        let v2 = &parsed[0].1["paths"];
        for resource in builtin::resources() {
            for version in &resource.versions {
                let root = match resource.group.as_str() {
                    "" => format!("/api/{}", version.name),
                    group => format!("/apis/{group}/{}", version.name),
                };
                let namespaces = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
                let v3 = &parsed.iter().find(|(name, _)| *name == root[1..]).unwrap().1["paths"];
                let check = |path: &str, method: &str| {
                    for paths in [v2, v3] {
                        assert!(paths[path][method].is_object(), "{method} {path}");
                    }
                };
                let collection = format!("{root}{namespaces}/{}", resource.plural);
                let item = format!("{collection}/{{name}}");
                for verb in resource.verbs.0 {
                    match *verb {
                        "list" => check(&collection, "get"),
                        "create" => check(&collection, "post"),
                        "deletecollection" => check(&collection, "delete"),
                        "get" | "delete" | "patch" => check(&item, verb),
                        "update" => check(&item, "put"),
                        "watch" => check(&format!("{root}/watch{namespaces}/{}/{{name}}", resource.plural), "get"),
                        other => panic!("{other} is no verb"),
                    }
                }
                for subresource in &resource.subresources {
                    let path = format!("{item}/{}", subresource.name);
                    for verb in subresource.verbs {
                        match *verb {
                            "create" => check(&path, "post"),
                            "update" => check(&path, "put"),
                            other => check(&path, other),
                        }
                    }
                }
            }
        }
    }
}
