//! `/openapi/v2` and `/openapi/v3`, from the table of resources.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};

use apiserver_openapi::{Custom, CustomDocuments, Document, Resource, Subresource};
use http::Response;
use parking_lot::Mutex;

use crate::aggregation::{self, Remote};
use crate::apiextensions::{GROUP, Group, PLURAL};
use crate::body::{self, Body};
use crate::context::{Context, Served};
use crate::resources::Version;
use crate::server::Server;
use crate::status::{Result, Status};

/// The documents of one server, made when they are first asked for.
#[derive(Default)]
pub struct Documents {
    builtin: OnceLock<Arc<apiserver_openapi::Documents>>,
    custom: Mutex<CustomMade>,
}

/// The documents of custom resources that were made.
#[derive(Default)]
struct CustomMade {
    /// By name.
    v3: HashMap<String, Made>,
    /// With the generations of the tables that each was made from.
    index: Option<(Generations, Arc<Document>)>,
    v2: [Option<(Generations, Arc<Document>)>; 2],
}

/// A document of v3.
struct Made {
    /// What it was made from.
    of: Arc<Group>,
    etag: String,
    /// None until somebody asks for it.
    document: Option<Arc<Document>>,
}

/// Of the table of custom resources, and of that of other servers.
type Generations = (u64, u64);

impl Documents {
    fn of(&self, served: &[Arc<Served>]) -> Arc<apiserver_openapi::Documents> {
        Arc::clone(self.builtin.get_or_init(|| Arc::new(apiserver_openapi::Documents::new(described(served)))))
    }
}

/// The custom resources of a server as documents.
struct Customs(Arc<Server>);

impl Customs {
    /// The resources of a version of a group, or of all of them.
    fn described(&self, name: &str, group: &Group, version: Option<&str>) -> Vec<Resource> {
        let versions = match version {
            Some(version) => vec![version.into()],
            None => group.versions(),
        };
        let mut resources = Vec::new();
        for version in versions {
            for served in group.rows(&version) {
                let plural = &served.resource.plural;
                let crd = self.0.cached(GROUP, PLURAL, "", &format!("{plural}.{name}")).ok().flatten();
                let mut crd = crd.unwrap_or_default();
                let mut versions = crd["spec"]["versions"].as_array_mut().into_iter().flatten();
                let found = versions.find(|own| own["name"] == *version);
                let schema = found.map(|own| own["schema"]["openAPIV3Schema"].take()).unwrap_or_default();
                let Some(custom) = served.resource.hooks.custom() else { continue };
                let mut described = describe(&served.resource, &served.resource.versions[0]);
                // The paths of watches are not among those that are published.
                described.verbs.retain(|verb| *verb != "watch");
                described.custom = Some(Custom {
                    list_kind: custom.definition.list_kind.to_string(),
                    schema: Arc::new(schema),
                    selectable_fields: custom.version().selectable.iter().map(|field| field.name.to_string()).collect(),
                });
                resources.push(described);
            }
        }
        resources
    }

    fn generations(&self) -> Generations {
        (self.0.custom.now().generation, self.0.aggregation.generation())
    }

    /// The etag of a document of v3, and where `whole` says so the document itself, made unless it was.
    fn made(&self, name: &str, whole: bool) -> io::Result<Option<(String, Option<Arc<Document>>)>> {
        let Some((group_name, version)) = name.strip_prefix("apis/").and_then(|rest| rest.split_once('/')) else {
            return Ok(None);
        };
        if let Some(remote) = self.0.aggregation.serving(group_name, version) {
            let converted = self.0.aggregation.documents(&remote.name).converted;
            return Ok(converted.map(|document| (document.etag.clone(), Some(document))));
        }
        let Some(group) = self.0.custom.now().groups.get(group_name).cloned() else { return Ok(None) };
        if let Some(made) = self.0.openapi.custom.lock().v3.get(name)
            && Arc::ptr_eq(&made.of, &group)
            && (made.document.is_some() || !whole)
        {
            return Ok(Some((made.etag.clone(), made.document.clone())));
        }
        let resources = self.described(group_name, &group, Some(version));
        if resources.is_empty() {
            return Ok(None);
        }
        let (etag, document) = if whole {
            let document = Arc::new(apiserver_openapi::Documents::of_custom(&resources)?);
            (document.etag.clone(), Some(document))
        } else {
            (apiserver_openapi::Documents::etag_of_custom(&resources)?, None)
        };
        let mut made = self.0.openapi.custom.lock();
        let groups = self.0.custom.now();
        made.v3.retain(|name, _| name.split('/').nth(1).is_some_and(|group| groups.groups.contains_key(group)));
        made.v3.insert(name.to_owned(), Made { of: group, etag: etag.clone(), document: document.clone() });
        Ok(Some((etag, document)))
    }

    fn names(&self) -> Vec<String> {
        let groups = self.0.custom.now();
        let names = groups.groups.iter().flat_map(|(name, group)| {
            group.versions().into_iter().map(move |version| format!("apis/{name}/{version}"))
        });
        names.collect()
    }
}

impl CustomDocuments for Customs {
    fn index(&self, documents: &apiserver_openapi::Documents) -> io::Result<Option<Arc<Document>>> {
        let generations = self.generations();
        if let Some((made, index)) = &self.0.openapi.custom.lock().index
            && *made == generations
        {
            return Ok(Some(Arc::clone(index)));
        }
        let names = self.names();
        // Unpacked once for all of them.
        let _descriptions = apiserver_openapi::Descriptions::get();
        let mut extra = Vec::new();
        for name in names {
            if let Some((etag, _)) = self.made(&name, false)? {
                extra.push((name, etag));
            }
        }
        for remote in self.0.aggregation.all() {
            for (name, hash) in self.0.aggregation.documents(&remote.name).openapi {
                let own = format!("apis/{}/{}", remote.group, remote.version);
                let known =
                    documents.names().any(|known| known == name) || extra.iter().any(|(known, _)| *known == name);
                if name == own || !known {
                    extra.push((name, hash));
                }
            }
        }
        if extra.is_empty() {
            return Ok(None);
        }
        let index = Arc::new(documents.index_with(&extra)?);
        self.0.openapi.custom.lock().index = Some((generations, Arc::clone(&index)));
        Ok(Some(index))
    }

    fn v3(&self, name: &str) -> io::Result<Option<Arc<Document>>> {
        Ok(self.made(name, true)?.and_then(|(_, document)| document))
    }

    fn v2(&self, documents: &apiserver_openapi::Documents, protobuf: bool) -> io::Result<Option<Arc<Document>>> {
        let (groups, generations) = (self.0.custom.now(), self.generations());
        let place = usize::from(protobuf);
        if let Some((made, document)) = &self.0.openapi.custom.lock().v2[place]
            && *made == generations
        {
            return Ok(Some(Arc::clone(document)));
        }
        let resources: Vec<Resource> =
            groups.groups.iter().flat_map(|(name, group)| self.described(name, group, None)).collect();
        let remotes = self.0.aggregation.all().into_iter().map(|remote| self.0.aggregation.documents(&remote.name));
        let parts: Vec<_> = remotes.map(|known| known.openapi_v2).filter(|part| !part.is_null()).collect();
        if resources.is_empty() && parts.is_empty() {
            return Ok(None);
        }
        let document = if parts.is_empty() {
            documents.v2_with(resources, protobuf)?
        } else {
            let own = apiserver_openapi::parse(&documents.v2_with(resources, false)?)?;
            let merged = aggregation::merged_v2(own, parts.iter().map(|part| &**part));
            apiserver_openapi::Documents::of(&merged, protobuf)?
        };
        let document = Arc::new(document);
        self.0.openapi.custom.lock().v2[place] = Some((generations, Arc::clone(&document)));
        Ok(Some(document))
    }
}

/// Answers a path below `/openapi`.
pub async fn serve(context: &Context, path: &str) -> Result<Response<Body>> {
    let documents = context.server.openapi.of(context.server.all());
    if let Some(name) = path.strip_prefix("/openapi/v3/")
        && let Some(remote) = elsewhere(context, &documents, name)
    {
        return Ok(aggregation::serve_openapi(context, &remote).await);
    }
    let path = path.to_owned();
    let hash = context.query.get("hash").map(str::to_owned);
    let headers = context.headers.clone();
    // Making documents takes a while, too long for a thread that serves connections.
    let customs = Customs(Arc::clone(&context.server));
    let answer = tokio::task::spawn_blocking(move || documents.answer(&path, hash.as_deref(), &headers, &customs))
        .await
        .map_err(Status::internal)?;
    match answer.map_err(Status::internal)? {
        Some(response) => Ok(response.map(body::full)),
        None => Ok(body::page_not_found()),
    }
}

/// The server behind this one that has a v3 document which is not this server's own.
fn elsewhere(context: &Context, documents: &apiserver_openapi::Documents, name: &str) -> Option<Arc<Remote>> {
    let aggregation = &context.server.aggregation;
    let mut group_version = name.strip_prefix("apis/")?.splitn(2, '/');
    let (group, version) = (group_version.next()?, group_version.next().unwrap_or_default());
    if let Some(remote) = aggregation.serving(group, version) {
        // What is converted is this server's.
        let is_converted = aggregation.documents(&remote.name).converted.is_some();
        return (!is_converted).then_some(remote);
    }
    let is_custom = || context.server.custom.now().groups.contains_key(group);
    if documents.names().any(|known| known == name) || is_custom() {
        return None;
    }
    aggregation.all().into_iter().find(|remote| aggregation.documents(&remote.name).openapi.contains_key(name))
}

/// What is served, one entry per resource and version.
fn described(served: &[Arc<Served>]) -> Vec<Resource> {
    let mut resources = Vec::new();
    for served in served {
        let resource = &served.resource;
        resources.extend(resource.versions.iter().map(|version| describe(resource, version)));
    }
    resources
}

fn describe(resource: &crate::resources::Resource, version: &Version) -> Resource {
    Resource {
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
        custom: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::resources::builtin;

    fn documents() -> apiserver_openapi::Documents {
        let served: Vec<_> = builtin::resources()
            .into_iter()
            .map(|resource| Arc::new(Served { resource, objects: crate::context::Stored::Not }))
            .collect();
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
