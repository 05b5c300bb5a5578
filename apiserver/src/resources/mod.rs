//! What the server serves: a resource is data plus a few hooks.
//!
//! [`builtin`] is the one list of all built-in resources. Discovery, routing, storage, tables, RBAC and
//! metrics read it. A custom resource is one more [`Resource`].

pub mod builtin;
pub mod hooks;
pub mod names;
pub mod ownership;
pub mod runtime_config;

use std::sync::{Arc, LazyLock};

use apiserver_schema::{Ref, Type};
use smol_str::SmolStr;

pub use hooks::Hooks;

use crate::status::GroupResource;

/// One resource of one API group, in all the versions in which it is served.
#[derive(Clone)]
pub struct Resource {
    /// Empty for the core group.
    pub group: SmolStr,
    /// Served versions, the preferred one first.
    pub versions: Vec<Version>,
    pub kind: SmolStr,
    pub plural: SmolStr,
    pub singular: SmolStr,
    pub short_names: Vec<SmolStr>,
    pub categories: Vec<SmolStr>,
    pub namespaced: bool,
    pub verbs: Verbs,
    pub subresources: Vec<Subresource>,
    /// How and where objects are stored; absent for resources that only answer (reviews, bindings).
    pub storage: Option<Storage>,
    /// Whether `metadata.generation` counts the changes of what the user asks for.
    pub generation: bool,
    /// Whether an update of an object that does not exist creates it.
    pub create_on_update: bool,
    /// Whether an update may leave out `metadata.resourceVersion`.
    pub unconditional_update: bool,
    pub hooks: Arc<dyn Hooks>,
}

/// One served version of a resource.
#[derive(Clone)]
pub struct Version {
    pub name: SmolStr,
    /// The type of the objects in this version.
    pub ty: Ref<Type>,
}

/// Where a resource is stored and as what.
#[derive(Clone)]
pub struct Storage {
    /// The path below `/registry/`, without slashes at its ends, for example `services/specs`.
    pub prefix: SmolStr,
    /// The `apiVersion` in which objects are kept in memory, and stored where nothing else is said.
    pub api_version: SmolStr,
    pub ty: Ref<Type>,
    pub written: Written,
}

/// How values are written into the store. Any form is read.
#[derive(Clone, Default)]
pub enum Written {
    /// In protobuf.
    #[default]
    Protobuf,
    /// In protobuf, named as another version whose messages are the same.
    ProtobufOf(&'static str),
    /// As JSON.
    Json,
    /// As JSON of a version of this name and type.
    JsonOf(&'static str, &'static LazyLock<Type>),
}

/// A subresource as discovery shows it; `subresources::` serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    pub name: &'static str,
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub verbs: &'static [&'static str],
}

/// The verbs of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbs(pub &'static [&'static str]);

impl Verbs {
    pub const ALL: Verbs = Verbs(&["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    pub const CREATE: Verbs = Verbs(&["create"]);
    pub const NO_DELETE_COLLECTION: Verbs = Verbs(&["create", "delete", "get", "list", "patch", "update", "watch"]);
    pub const READ: Verbs = Verbs(&["get", "list"]);

    pub fn contains(self, verb: &str) -> bool {
        self.0.contains(&verb)
    }
}

impl Resource {
    pub fn group_resource(&self) -> GroupResource<'_> {
        GroupResource { group: &self.group, resource: &self.plural }
    }

    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }

    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// The group in which objects are kept, which refusals name: events have another one than they are served by.
    pub fn stored_group(&self) -> &str {
        self.storage.as_ref().map_or(self.group.as_str(), |storage| split_api_version(&storage.api_version).0)
    }

    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// `group/version`, or just the version in the core group.
    pub fn api_version(&self, version: &str) -> String {
        api_version(&self.group, version)
    }
}

/// `group/version`, or just the version in the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Splits `group/version`; a core version has an empty group.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
