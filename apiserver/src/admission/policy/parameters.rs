//! Parameters: the objects that a binding hands to its policy.
//!
//! Source: apiserver `pkg/admission/plugin/policy/generic/policy_dispatcher.go`.

use std::sync::Arc;

use apiserver_watch_cache::Scope;
use serde_json::Value;

use crate::context::Served;
use crate::object::{self, text};
use crate::resources::split_api_version;
use crate::selector::LabelSelector;
use crate::server::Server;

/// The kind of a policy's parameters.
#[derive(Clone, Debug)]
pub struct ParamKind {
    api_version: String,
    kind: String,
}

impl ParamKind {
    /// Reads a `ParamKind`; none if it is absent.
    pub fn read(kind: &Value) -> Option<ParamKind> {
        kind.is_object().then(|| ParamKind {
            api_version: text(&kind["apiVersion"]).to_owned(),
            kind: text(&kind["kind"]).to_owned(),
        })
    }

    /// The resource of the kind.
    ///
    /// # Errors
    /// Nothing of the kind is served.
    pub fn served(&self, server: &Server) -> Result<Arc<Served>, String> {
        let (group, version) = split_api_version(&self.api_version);
        let built_in = server.all().iter().find(|served| {
            let resource = &served.resource;
            resource.group == group && resource.kind == self.kind && resource.version(version).is_some()
        });
        built_in.cloned().or_else(|| server.custom.of_kind(group, version, &self.kind)).ok_or_else(|| {
            format!("failed to find resource referenced by paramKind: '{group}/{version}, Kind={}'", self.kind)
        })
    }
}

/// The parameters that a reference selects, each in the version of the policy's kind; one nothing where a policy takes
/// none or a binding gives none.
///
/// # Errors
/// Why there are none, in upstream's words.
pub async fn collect(
    server: &Server,
    kind: Option<(&ParamKind, &Served)>,
    reference: &Value,
    namespace: &str,
) -> Result<Vec<Option<Value>>, String> {
    let (Some((kind, served)), true) = (kind, reference.is_object()) else { return Ok(vec![None]) };
    let given = text(&reference["namespace"]);
    let namespace = match (served.resource.namespaced, given.is_empty()) {
        (false, false) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
        }
        (false, true) => "",
        (true, false) => given,
        (true, true) if namespace.is_empty() => {
            let problem = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
            return Err(problem.to_owned());
        }
        (true, true) => namespace,
    };
    let name = text(&reference["name"]);
    let found = match (name.is_empty(), reference["selector"].is_object()) {
        (false, true) => return Err("paramRef.name and paramRef.selector are mutually exclusive".to_owned()),
        (false, false) => named(served, namespace, name).await.map_err(|status| status.message)?.into_iter().collect(),
        (true, true) => selected(served, namespace, &LabelSelector::of(&reference["selector"])),
        (true, false) => return Err("one of name or selector must be provided".to_owned()),
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    let mut params = Vec::with_capacity(found.len());
    for found in found {
        params.push(Some(in_version(server, served, found, kind).await?));
    }
    Ok(params)
}

/// A parameter by its name: from the cache, or from the store while the cache may not have it yet.
async fn named(served: &Served, namespace: &str, name: &str) -> crate::status::Result<Option<Value>> {
    let Some(objects) = served.objects() else { return Ok(None) };
    let key = objects.key(namespace, name);
    let found = match objects.cached(&key)? {
        None => objects.read(&key).await?,
        found => found,
    };
    Ok(found.map(|(object, _)| object))
}

fn selected(served: &Served, namespace: &str, selector: &LabelSelector) -> Vec<Value> {
    let Some(objects) = served.objects() else { return Vec::new() };
    let snapshot = objects.cache.snapshot();
    snapshot
        .list(&Scope::all(), None)
        .filter(|stored| namespace.is_empty() || stored.namespace() == namespace)
        .filter(|stored| selector.matches(|key| stored.label(key).map(|value| value.as_str())))
        .filter_map(|stored| stored.json().ok().and_then(|json| serde_json::from_slice(&json).ok()))
        .collect()
}

async fn in_version(server: &Server, served: &Served, mut found: Value, kind: &ParamKind) -> Result<Value, String> {
    if let Some(custom) = served.resource.hooks.custom() {
        return custom.to_own_version(server, found).await;
    }
    if let Some(storage) = &served.resource.storage
        && *storage.api_version != *kind.api_version
    {
        served.resource.hooks.convert(&mut found, &storage.api_version, &kind.api_version);
    }
    object::set(&mut found, &["apiVersion"], kind.api_version.as_str());
    object::set(&mut found, &["kind"], kind.kind.as_str());
    Ok(found)
}
