//! Ownership through the scale subresource: of the one field it shows.

use serde_json::Value;

use crate::managed_fields::{Entry, FieldSet, Managed, PathElement};

const SCALE_VERSION: &str = "autoscaling/v1";

/// Where each version of a kind keeps its replicas; `None` for a custom resource version without scale.
pub type ScaleMapping<'a> = &'a [(&'a str, Option<&'a [&'a str]>)];

fn path(mapping: ScaleMapping<'_>, version: &str) -> Option<Option<Vec<PathElement>>> {
    let (_, path) = mapping.iter().find(|(known, _)| *known == version)?;
    Some(path.map(|path| path.iter().map(|name| PathElement::field(name)).collect()))
}

fn set_of(path: &[PathElement]) -> FieldSet {
    let mut set = FieldSet::new();
    set.insert(path.iter().cloned());
    set
}

fn replicas() -> Vec<PathElement> {
    ["spec", "replicas"].map(PathElement::field).to_vec()
}

/// The managedFields of a Scale, from those of the object it scales: who owns the replicas.
pub fn to_scale(parent: Option<&Value>, mapping: ScaleMapping<'_>) -> Result<Option<Value>, String> {
    let mut scale = Managed::default();
    for entry in Managed::decode(parent)?.entries {
        let Some(Some(path)) = path(mapping, &entry.api_version) else { continue };
        if entry.set.contains(&path) {
            let mut shown = Entry::new(entry.manager, SCALE_VERSION, set_of(&replicas()));
            shown.time = entry.time;
            scale.entries.push(shown);
        }
    }
    Ok(scale.encode())
}

/// The managedFields of the scaled object after a write to its Scale; `version` is that of the object.
///
/// As upstream, an updater's entry comes back without its time: the scale tells it apart by its own version.
pub fn from_scale(
    parent: Option<&Value>,
    scale: Option<&Value>,
    version: &str,
    mapping: ScaleMapping<'_>,
) -> Result<Option<Value>, String> {
    let mut scale = Managed::decode(scale)?.entries;
    let parent = Managed::decode(parent)?;
    let mut out = Managed::default();
    for mut entry in parent.entries.iter().cloned() {
        let Some(path) = path(mapping, &entry.api_version) else { continue };
        if let Some(path) = path.filter(|path| entry.set.contains(path)) {
            match scale.iter().position(|other| other.manager == entry.manager) {
                Some(at) => {
                    scale.remove(at);
                }
                None => entry.subtract(&set_of(&path)),
            }
        }
        if !entry.set.is_empty() {
            out.entries.push(entry);
        }
    }
    let Some(Some(path)) = path(mapping, version) else { return Ok(out.encode()) };
    for entry in scale.into_iter().filter(|entry| entry.set.contains(&replicas())) {
        let mut own = Entry::new(entry.manager, version, set_of(&path));
        own.time = parent.get(&own.manager).and_then(|before| before.time.clone());
        out.put(own);
    }
    Ok(out.encode())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAPPING: ScaleMapping<'_> = &[("apps/v1", Some(&["spec", "replicas"]))];

    fn entry(manager: &str, operation: &str, version: &str, subresource: &str, fields: Value) -> Value {
        let mut entry = json!({
            "manager": manager, "operation": operation, "apiVersion": version,
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        if !subresource.is_empty() {
            entry["subresource"] = json!(subresource);
        }
        entry
    }

    #[test]
    fn the_scale_shows_who_owns_the_replicas() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let parent = json!([
            entry("a", "Apply", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:selector": {}}})),
            entry("b", "Update", "apps/v1", "", json!({"f:spec": {"f:paused": {}}})),
            entry("c", "Update", "apps/v9", "", replicas.clone()),
        ]);
        let want = json!([entry("a", "Apply", "autoscaling/v1", "", replicas)]);
        assert_eq!(to_scale(Some(&parent), MAPPING), Ok(Some(want)));
    }

    #[test]
    fn a_write_to_the_scale_steals_the_replicas() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let parent = json!([
            entry("a", "Apply", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:selector": {}}})),
            entry("q", "Apply", "apps/v1", "", replicas.clone()),
        ]);
        let scale = json!([entry("s", "Update", "autoscaling/v1", "scale", replicas.clone())]);
        let want = json!([
            entry("a", "Apply", "apps/v1", "", json!({"f:spec": {"f:selector": {}}})),
            entry("s", "Update", "apps/v1", "scale", replicas),
        ]);
        assert_eq!(from_scale(Some(&parent), Some(&scale), "apps/v1", MAPPING), Ok(Some(want)));
    }

    #[test]
    fn a_write_that_changes_nothing_leaves_all_as_it_is() {
        let parent =
            json!([entry("a", "Apply", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:selector": {}}})),]);
        let scale = to_scale(Some(&parent), MAPPING).expect("valid");
        assert_eq!(from_scale(Some(&parent), scale.as_ref(), "apps/v1", MAPPING), Ok(Some(parent)));
    }
}
