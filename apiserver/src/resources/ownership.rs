//! Which fields a writer of a resource or subresource cannot own, and in which versions owners are known.
//!
//! Source: `GetResetFields` and `GetResetFieldsFilter` of the strategies in `pkg/registry`.

use std::borrow::Cow;

use apiserver_apply::managed_fields::{FieldSet, Filter, Pattern};
use apiserver_apply::server_side;
use apiserver_schema::{Ref, Type};
use serde_json::Value;

use super::{Resource, api_version, split_api_version};
use crate::server::Server;

/// The served versions of a kind, as server-side apply asks for them.
pub struct Ownership<'a> {
    resource: &'a Resource,
    /// The version of the objects at hand.
    api_version: &'a str,
    reset: Option<Filter>,
    server: &'a Server,
}

impl<'a> Ownership<'a> {
    pub fn new(server: &'a Server, resource: &'a Resource, api_version: &'a str, subresource: &str) -> Self {
        Ownership { resource, api_version, reset: reset(resource, subresource), server }
    }
}

impl server_side::Versions for Ownership<'_> {
    fn schema(&self, wanted: &str) -> Option<Ref<Type>> {
        if let Some(custom) = self.resource.hooks.custom() {
            let version = custom.definition.version_of(wanted)?;
            return version.served.then(|| version.ty.clone());
        }
        let own = self.resource.versions.iter().find(|version| self.resource.api_version(&version.name) == wanted);
        if let Some(version) = own {
            return Some(version.ty.clone());
        }
        // Events are one kind in two groups.
        if self.resource.kind == "Event" && matches!(wanted, "v1" | "events.k8s.io/v1") {
            let (group, version) = split_api_version(wanted);
            return apiserver_schema::builtin(group, version, "Event").map(Ref::Static);
        }
        None
    }

    fn convert<'v>(&self, object: &'v Value, wanted: &str) -> Result<Cow<'v, Value>, String> {
        let mut converted = object.clone();
        if let Some(custom) = self.resource.hooks.custom() {
            return custom.convert_for_owners(self.server, converted, wanted).map(Cow::Owned);
        }
        self.resource.hooks.convert(&mut converted, self.api_version, wanted);
        crate::object::set(&mut converted, &["apiVersion"], wanted);
        Ok(Cow::Owned(converted))
    }

    fn reset_fields(&self, _: &str) -> Option<&Filter> {
        self.reset.as_ref()
    }
}

/// What a write to the resource (with an empty name) or to a subresource resets.
fn reset(resource: &Resource, subresource: &str) -> Option<Filter> {
    let exclude = |paths: &[&[&str]]| Some(Filter::Exclude(FieldSet::of_fields(paths)));
    if resource.hooks.custom().is_some() {
        return match subresource {
            "status" => exclude(&[&["metadata"], &["spec"]]),
            "" if resource.has_status() => exclude(&[&["status"]]),
            _ => None,
        };
    }
    match (resource.plural.as_str(), subresource) {
        ("certificatesigningrequests", "") => exclude(&[&["spec"], &["status"]]),
        ("certificatesigningrequests", "status") => exclude(&[&["spec"], &["status", "conditions"]]),
        ("certificatesigningrequests", "approval") => exclude(&[&["spec"], &["status", "certificate"]]),
        ("deployments", "status") => exclude(&[&["spec"], &["metadata", "labels"]]),
        ("pods", "status") => {
            exclude(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        ("pods", "ephemeralcontainers") => include(&[&["spec", "ephemeralContainers"]]),
        ("pods", "resize") => include(&[
            &["spec", "containers", "*", "resources"],
            &["spec", "containers", "*", "resizePolicy"],
            &["spec", "initContainers", "*", "resources"],
            &["spec", "initContainers", "*", "resizePolicy"],
        ]),
        (
            "apiservices"
            | "flowschemas"
            | "prioritylevelconfigurations"
            | "resourceclaims"
            | "servicecidrs"
            | "validatingadmissionpolicies"
            | "volumeattachments",
            "status",
        ) => exclude(&[&["metadata"], &["spec"]]),
        (_, "status") => exclude(&[&["spec"]]),
        ("namespaces", "finalize") => exclude(&[&["status"]]),
        (_, "") if resource.has_status() => exclude(&[&["status"]]),
        _ => None,
    }
}

/// Patterns of names, `*` for any element.
fn include(paths: &[&[&str]]) -> Option<Filter> {
    let step = |name: &&str| if *name == "*" { Pattern::Any } else { Pattern::field(name) };
    Some(Filter::Include(paths.iter().map(|path| path.iter().map(step).collect()).collect()))
}

/// The version in which a scaled object's replicas are owned.
pub fn scale_versions(resource: &Resource) -> Vec<(String, Option<Vec<String>>)> {
    if let Some(custom) = resource.hooks.custom() {
        let versions = custom.definition.versions.iter();
        return versions
            .map(|version| {
                (version.api_version.to_string(), version.scale.as_ref().map(|scale| scale.spec_replicas.clone()))
            })
            .collect();
    }
    let replicas = || Some(vec!["spec".to_owned(), "replicas".to_owned()]);
    resource.versions.iter().map(|version| (api_version(&resource.group, &version.name), replicas())).collect()
}
