//! All documents of a server: made when they are first asked for, kept compressed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use crate::custom;
use crate::definitions::{Definitions, Flavour};
use crate::descriptions::Descriptions;
use crate::document::{self, Document, Paths};
use crate::parameters::Parameters;
use crate::paths;
use crate::resource::{Resource, group_version_root};

/// The documents of what a server serves.
pub struct Documents {
    resources: Vec<Resource>,
    /// By name in the index of `/openapi/v3`, for example `apis/apps/v1`.
    v3: BTreeMap<String, (Content, OnceLock<Arc<Document>>)>,
    index: OnceLock<Arc<Document>>,
    v2: OnceLock<Arc<Document>>,
    v2_protobuf: OnceLock<Arc<Document>>,
}

/// What a document is about.
#[derive(Clone)]
enum Content {
    GroupVersion {
        group: String,
        version: String,
    },
    /// A path that only tells what is served, and the type of its answer.
    Discovery(String, &'static str),
    Server(usize),
}

impl Documents {
    /// The documents of these resources; nothing is made yet.
    pub fn new(resources: Vec<Resource>) -> Self {
        let mut contents = BTreeMap::new();
        contents.insert("api".to_owned(), Content::Discovery("/api".into(), "APIVersions"));
        contents.insert("apis".to_owned(), Content::Discovery("/apis".into(), "APIGroupList"));
        for (at, (name, ..)) in paths::of_server().iter().enumerate() {
            contents.insert((*name).to_owned(), Content::Server(at));
        }
        for resource in &resources {
            let (group, version) = (resource.group.clone(), resource.version.clone());
            if !group.is_empty() {
                contents.insert(format!("apis/{group}"), Content::Discovery(format!("/apis/{group}"), "APIGroup"));
            }
            contents.insert(resource.root()[1..].to_owned(), Content::GroupVersion { group, version });
        }
        let v3 = contents.into_iter().map(|(name, content)| (name, (content, OnceLock::new()))).collect();
        Documents { resources, v3, index: OnceLock::new(), v2: OnceLock::new(), v2_protobuf: OnceLock::new() }
    }

    /// The names of the documents of `/openapi/v3`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.v3.keys().map(String::as_str)
    }

    /// `/openapi/v3`: where each document is, by the hash of its content. Makes all of them.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn index(&self) -> io::Result<Arc<Document>> {
        cached(&self.index, || self.index_with(&[]))
    }

    /// [`Documents::index`] with further documents, each given by its name and hash.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn index_with(&self, extra: &[(String, String)]) -> io::Result<Document> {
        let descriptions = Descriptions::get();
        let mut paths = Map::new();
        for (name, (content, place)) in &self.v3 {
            let document = cached(place, || self.make(content, &descriptions))?;
            paths.insert(name.clone(), json!({"serverRelativeURL": versioned_url(name, &document.etag)}));
        }
        for (name, etag) in extra {
            paths.insert(name.clone(), json!({"serverRelativeURL": versioned_url(name, etag)}));
        }
        document::compress(&json!({"paths": paths}))
    }

    /// The document of custom resources of one group and version.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn of_custom(resources: &[Resource]) -> io::Result<Document> {
        custom_with(resources, document::write)
    }

    /// The [`Document::etag`] of [`Documents::of_custom`], for an index of documents that nobody asked for yet.
    ///
    /// # Errors
    /// As [`Documents::of_custom`].
    pub fn etag_of_custom(resources: &[Resource]) -> io::Result<String> {
        custom_with(resources, document::etag)
    }

    /// `/openapi/v3/{name}`; `None` if there is no such document.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn v3(&self, name: &str) -> io::Result<Option<Arc<Document>>> {
        let Some((content, place)) = self.v3.get(name) else { return Ok(None) };
        let document = cached(place, || self.make(content, &Descriptions::get()))?;
        Ok(Some(document))
    }

    /// `/openapi/v2`: everything in one document.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn v2(&self) -> io::Result<Arc<Document>> {
        cached(&self.v2, || self.make_v2(document::write, Vec::new()))
    }

    /// [`Documents::v2`] or, with `protobuf`, [`Documents::v2_protobuf`], with custom resources.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn v2_with(&self, extra: Vec<Resource>, protobuf: bool) -> io::Result<Document> {
        self.make_v2(if protobuf { document::write_protobuf } else { document::write }, extra)
    }

    /// A document that was put together elsewhere, in JSON or, of v2, in protobuf.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn of(document: &Value, protobuf: bool) -> io::Result<Document> {
        if protobuf { document::compress_protobuf(document) } else { document::compress(document) }
    }

    /// `/openapi/v2` in protobuf.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn v2_protobuf(&self) -> io::Result<Arc<Document>> {
        cached(&self.v2_protobuf, || self.make_v2(document::write_protobuf, Vec::new()))
    }

    fn make_v2(
        &self,
        write: fn(Paths, &Definitions<'_>) -> io::Result<Document>,
        extra: Vec<Resource>,
    ) -> io::Result<Document> {
        let descriptions = Descriptions::get();
        let mut all = Paths::new();
        for (content, _) in self.v3.values() {
            all.extend(self.paths(content, &descriptions));
        }
        for resource in &extra {
            all.extend(paths::of_resource(resource, &Parameters { descriptions: &descriptions }));
        }
        let known: BTreeSet<(String, String)> = apiserver_schema::builtins()
            .iter()
            .filter(|builtin| !matches!(builtin.group, "meta.k8s.io" | "apidiscovery.k8s.io"))
            .map(|builtin| (builtin.group.to_owned(), builtin.version.to_owned()))
            .collect();
        let group_versions = known.into_iter().collect();
        let custom = custom::definitions(&extra, Flavour::V2, &descriptions);
        write(all, &Definitions { flavour: Flavour::V2, descriptions: &descriptions, group_versions, custom })
    }

    fn make(&self, content: &Content, descriptions: &Descriptions) -> io::Result<Document> {
        let mut group_versions = vec![(String::new(), "v1".to_owned())];
        if let Content::GroupVersion { group, version } = content
            && !group.is_empty()
        {
            group_versions.push((group.clone(), version.clone()));
        }
        let custom = BTreeMap::new();
        let definitions = Definitions { flavour: Flavour::V3, descriptions, group_versions, custom };
        document::write(self.paths(content, descriptions), &definitions)
    }

    fn paths(&self, content: &Content, descriptions: &Descriptions) -> Paths {
        match content {
            Content::Discovery(path, definition) => vec![paths::of_discovery(path, definition)],
            Content::Server(at) => {
                let found = paths::of_server().into_iter().nth(*at);
                found.map(|(_, path, operation)| (path.to_owned(), vec![operation])).into_iter().collect()
            }
            Content::GroupVersion { group, version } => {
                let parameters = Parameters { descriptions };
                let mut all = vec![paths::of_discovery(&group_version_root(group, version), "APIResourceList")];
                for resource in &self.resources {
                    if resource.group == *group && resource.version == *version {
                        all.extend(paths::of_resource(resource, &parameters));
                    }
                }
                all
            }
        }
    }
}

fn custom_with<T>(resources: &[Resource], write: fn(Paths, &Definitions<'_>) -> io::Result<T>) -> io::Result<T> {
    let descriptions = Descriptions::get();
    let parameters = Parameters { descriptions: &descriptions };
    let paths = resources.iter().flat_map(|resource| paths::of_resource(resource, &parameters)).collect();
    let mut group_versions = vec![(String::new(), "v1".to_owned())];
    group_versions.extend(resources.first().map(|first| (first.group.clone(), first.version.clone())));
    let custom = custom::definitions(resources, Flavour::V3, &descriptions);
    let definitions = Definitions { flavour: Flavour::V3, descriptions: &descriptions, group_versions, custom };
    write(paths, &definitions)
}

/// The document in `place`, made if it is not there.
fn cached(place: &OnceLock<Arc<Document>>, make: impl FnOnce() -> io::Result<Document>) -> io::Result<Arc<Document>> {
    if let Some(document) = place.get() {
        return Ok(Arc::clone(document));
    }
    let made = Arc::new(make()?);
    Ok(Arc::clone(place.get_or_init(|| made)))
}

/// Where the document with this content is.
pub fn versioned_url(name: &str, etag: &str) -> String {
    format!("/openapi/v3/{name}?hash={etag}")
}

/// The JSON of a document, unpacked.
///
/// # Errors
/// The document is not what was compressed.
pub fn unpack(document: &Document) -> io::Result<Vec<u8>> {
    inflate(&document.gzip)
}

/// What was compressed.
pub(crate) fn inflate(gzip: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip), &mut content)?;
    Ok(content)
}

/// The JSON of a document as a tree.
///
/// # Errors
/// As [`unpack`].
pub fn parse(document: &Document) -> io::Result<Value> {
    Ok(serde_json::from_slice(&unpack(document)?)?)
}
