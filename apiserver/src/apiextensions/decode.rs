//! From bytes to a custom resource: pruned, its metadata typed, its defaults filled in.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/customresource_handler.go` (schemaCoercingDecoder).

use std::sync::LazyLock;

use apiserver_schema::structural::{Node, coerce_embedded, default, metadata, prune, prune_nulls};
use apiserver_schema::{Type, json};
use serde_json::Value;

use super::{DefinedVersion, Definition};
use crate::object;

/// An object about which nothing is known.
static ANYTHING: LazyLock<Type> = LazyLock::new(|| Type {
    name: "unstructured.Unstructured".into(),
    fields: Vec::new().into(),
    atomic: false,
    preserve_unknown: true,
    structural: None,
});

/// Decodes the body of a request against the type of a custom resource; answers what strict decoding finds wrong.
///
/// # Errors
/// Upstream's words for what is no such object.
pub fn decode(node: &Node, group: &str, kind: &str, bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let options = json::DecodeOptions { untyped: true, keep_unknown: true };
    let decoded = json::decode(&ANYTHING, bytes, options).map_err(|error| error.to_string())?;
    let mut object = decoded.value;
    let mut problems: Vec<String> = decoded.problems.iter().map(ToString::to_string).collect();
    let unknown = request(node, group, kind, &mut object)?;
    problems.extend(unknown.into_iter().map(|path| format!("unknown field {path:?}")));
    Ok((object, problems))
}

/// Prunes an object of a request and types its metadata; answers the paths of unknown fields.
fn request(node: &Node, group: &str, kind: &str, object: &mut Value) -> Result<Vec<String>, String> {
    for name in ["kind", "apiVersion"] {
        if object.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!(
                ".{name} accessor error: {} is of the type {}, expected string",
                object[name],
                json::go_type(&object[name])
            ));
        }
    }
    let mut unknown = match object.as_object_mut() {
        Some(fields) => metadata(fields, "", false)?,
        None => Vec::new(),
    };
    let (own_group, _) = crate::resources::split_api_version(object["apiVersion"].as_str().unwrap_or_default());
    if own_group == group && object["kind"] == kind {
        unknown.extend(prune(node, object));
        prune_nulls(node, object);
        coerce_embedded(node, object, "", false, &mut unknown)
            .map_err(|(path, why)| format!("{path}: Invalid value: {why}"))?;
    }
    Ok(unknown)
}

/// Prunes an object that was stored or converted and types its metadata.
pub fn coerce(
    definition: &Definition,
    version: &DefinedVersion,
    object: &mut Value,
    drop_malformed: bool,
) -> Result<(), String> {
    if let Some(fields) = object.as_object_mut() {
        metadata(fields, "", drop_malformed)?;
    }
    if !definition.preserve_unknown {
        prune(&version.node, object);
        prune_nulls(&version.node, object);
    }
    coerce_embedded(&version.node, object, "", drop_malformed, &mut Vec::new())
        .map_err(|(path, why)| format!("{path}: Invalid value: {why}"))
}

impl Definition {
    /// A stored value as the cache has it: pruned and defaulted, in the version in which it is stored.
    ///
    /// # Errors
    /// It is no JSON object of this resource.
    pub fn read(&self, bytes: &[u8]) -> Result<Value, String> {
        let mut object: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let stored = object["apiVersion"].as_str().unwrap_or_default();
        let Some(version) = self.version_of(stored) else {
            return Err(format!("the definition of {} has no version {stored:?}", self.name));
        };
        coerce(self, version, &mut object, true)?;
        if object["metadata"]["generation"].as_i64().unwrap_or_default() == 0 {
            object::set_meta(&mut object, "generation", Some(1.into()));
        }
        default(&version.node, &mut object);
        Ok(object)
    }
}
