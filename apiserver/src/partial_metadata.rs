//! `PartialObjectMetadata`: what an object is called and belongs to, without what it says.

use apiserver_schema::{Type, json};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::object;
use crate::resources::Resource;
use crate::status::{Result, Status};

pub const KIND: &str = "PartialObjectMetadata";

/// The `apiVersion` of what `meta.k8s.io` defines.
pub fn api_version(v1beta1: bool) -> &'static str {
    if v1beta1 { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" }
}

/// The type, for encodings.
pub fn ty() -> Result<&'static Type> {
    apiserver_schema::builtin("meta.k8s.io", "v1", KIND).ok_or_else(|| Status::internal("no type for its metadata"))
}

/// An object's metadata.
pub enum Metadata<'a> {
    /// As JSON whose members have the order of the type.
    Canonical(&'a str),
    Tree(Value),
}

/// Writes the metadata of an object, without the annotations that stand for fields of other versions.
pub fn write(resource: &Resource, metadata: Metadata<'_>, v1beta1: bool, out: &mut Vec<u8>) {
    let fields = resource.hooks.annotations_of_fields();
    let mut tree = match metadata {
        Metadata::Canonical(text) if !fields.iter().any(|name| text.contains(name)) => {
            for part in [r#"{"kind":"PartialObjectMetadata","apiVersion":""#, api_version(v1beta1), r#"","metadata":"#]
            {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(text.as_bytes());
            out.push(b'}');
            return;
        }
        Metadata::Canonical(text) => serde_json::from_str(text).unwrap_or_default(),
        Metadata::Tree(tree) => tree,
    };
    object::drop_annotations(&mut tree, fields);
    let object = json!({"kind": KIND, "apiVersion": api_version(v1beta1), "metadata": tree});
    match ty() {
        Ok(ty) => json::encode(ty, &object, out),
        Err(_) => json::encode_untyped(&object, out),
    }
}

/// The metadata of an object given as canonical JSON.
pub fn of(object: &[u8], resource: &Resource, v1beta1: bool) -> Result<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Shell<'a> {
        #[serde(borrow)]
        metadata: Option<&'a RawValue>,
    }
    let shell: Shell<'_> = serde_json::from_slice(object).map_err(Status::internal)?;
    let metadata = shell.metadata.map_or("{}", RawValue::get);
    let metadata = if resource.hooks.custom().is_some() {
        // Custom resources keep the members of their metadata sorted.
        Metadata::Tree(serde_json::from_str(metadata).map_err(Status::internal)?)
    } else {
        Metadata::Canonical(metadata)
    };
    let mut out = Vec::with_capacity(object.len());
    write(resource, metadata, v1beta1, &mut out);
    Ok(out)
}
