//! What is served, as the caller tells it.

use std::sync::Arc;

use apiserver_schema::{Ref, Type};
use serde_json::Value;

use crate::custom;

/// One resource in one version.
#[derive(Clone)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    /// As discovery shows them: `get`, `list`, `create`, ...
    pub verbs: Vec<&'static str>,
    /// The type of its objects.
    pub ty: Ref<Type>,
    pub subresources: Vec<Subresource>,
    /// Of a custom resource: what its definition says.
    pub custom: Option<Custom>,
}

/// What the definition of a custom resource says of one version.
#[derive(Clone)]
pub struct Custom {
    pub list_kind: String,
    /// `openAPIV3Schema`; null where there is none.
    pub schema: Arc<Value>,
    /// The paths of fields that selectors may name.
    pub selectable_fields: Vec<String>,
}

/// A subresource of a resource.
#[derive(Clone, Debug)]
pub struct Subresource {
    pub name: String,
    /// Empty, as is `version`, where the kind is of the resource's own group and version.
    pub group: String,
    pub version: String,
    /// Empty for the resource's own kind.
    pub kind: String,
    pub verbs: Vec<&'static str>,
}

impl Resource {
    /// Where the group and version is served, without a slash at its end, for example `/apis/apps/v1`.
    pub fn root(&self) -> String {
        group_version_root(&self.group, &self.version)
    }

    /// The definition of its lists.
    pub(crate) fn list_definition(&self) -> String {
        match &self.custom {
            Some(custom) => custom::definition(&self.group, &self.version, &custom.list_kind),
            None => format!("{}List", self.ty.name),
        }
    }

    pub(crate) fn has(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }
}

/// Where a group and version is served, for example `/apis/apps/v1`.
pub fn group_version_root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}
