//! From client-side to server-side apply: the annotation that `kubectl apply` leaves.

use serde_json::{Map, Value};

use super::Resource;
use crate::managed_fields::FieldSet;
use crate::typed::{self, Place};

/// What client-side apply last applied, as JSON.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager of `kubectl apply --server-side`; only it takes over from client-side apply.
pub(super) const KUBECTL: &str = "kubectl";

/// The most bytes that all annotations of an object may have, keys and values.
const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object.get("metadata")?.get("annotations")?;
    annotations.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// The fields that client-side apply set and that are as it left them: taking those is no conflict.
pub(super) fn allowed(resource: &Resource<'_>, live: &Value) -> Option<FieldSet> {
    let applied: Value = serde_json::from_str(annotation(live)?).ok()?;
    if applied.get("apiVersion").and_then(Value::as_str) != Some(resource.api_version) {
        return None;
    }
    let place = Place::Type(resource.schema);
    typed::validate(place, live, false).ok()?;
    typed::validate(place, &applied, false).ok()?;
    let mut set = typed::fields_of(place, &applied);
    let comparison = typed::compare(place, &applied, live).ok()?;
    set.subtract(&comparison.modified);
    set.subtract(&comparison.added);
    set.subtract(&comparison.removed);
    Some(set)
}

/// Brings the annotation of `object` up to date with `config`, if it is there.
pub(super) fn sync(object: &mut Value, config: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
        if annotations.is_empty()
            && let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("annotations");
        }
    }
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    annotations.insert(ANNOTATION.to_owned(), Value::String(format!("{config}\n")));
    if bytes(annotations) > MAX_ANNOTATIONS_BYTES {
        annotations.remove(ANNOTATION);
    }
}

fn bytes(annotations: &Map<String, Value>) -> usize {
    annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}
