//! The metadata of resources and of resources embedded in them, which is typed although the rest is not.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Node;
use crate::json::{self, DecodeOptions, Problem};
use crate::types::Type;

static OBJECT_META: LazyLock<&'static Type> = LazyLock::new(|| {
    crate::builtin_by_name("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        .expect("the tables have the type of all metadata")
});

/// Normalises `metadata` of an object as decoding it into Go's type would; answers the paths of unknown fields.
/// With `drop_malformed` fields of a wrong type are left out, as when old objects are read.
///
/// # Errors
/// Upstream's words for a field of a wrong type.
pub fn metadata(object: &mut Map<String, Value>, parent: &str, drop_malformed: bool) -> Result<Vec<String>, String> {
    let Some(given) = object.get_mut("metadata") else { return Ok(Vec::new()) };
    let unknown = |problems: Vec<Problem>| {
        let prefix = if parent.is_empty() { "metadata".to_owned() } else { format!("{parent}.metadata") };
        problems
            .into_iter()
            .map(|problem| match problem {
                Problem::UnknownField(path) | Problem::DuplicateField(path) => format!("{prefix}.{path}"),
            })
            .collect()
    };
    match decode(given) {
        Ok((decoded, problems)) => {
            *given = decoded;
            Ok(unknown(problems))
        }
        Err(why) if !drop_malformed => Err(why),
        Err(_) => {
            let Value::Object(fields) = given else { return Err("invalid metadata: expected object".to_owned()) };
            let mut kept = Map::new();
            for (name, value) in fields.iter() {
                let one = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
                if let Ok((Value::Object(decoded), _)) = decode(&one) {
                    kept.extend(decoded);
                }
            }
            *given = Value::Object(kept);
            Ok(Vec::new())
        }
    }
}

fn decode(metadata: &Value) -> Result<(Value, Vec<Problem>), String> {
    let text = serde_json::to_vec(metadata).map_err(|error| error.to_string())?;
    let resets = metadata["managedFields"].as_array().is_some_and(Vec::is_empty);
    let mut decoded = json::decode(&OBJECT_META, &text, DecodeOptions::default()).map_err(|error| error.to_string())?;
    // An empty list asks to forget all owners; decoding would leave it out.
    if resets && let Value::Object(fields) = &mut decoded.value {
        fields.insert("managedFields".to_owned(), Value::Array(Vec::new()));
    }
    Ok((decoded.value, decoded.problems))
}

/// Normalises the metadata of embedded resources, and checks that their kinds are strings; answers the paths of
/// unknown fields.
///
/// # Errors
/// The field and what is wrong with it.
pub fn coerce_embedded(
    node: &Node,
    value: &mut Value,
    path: &str,
    drop_malformed: bool,
    unknown: &mut Vec<String>,
) -> Result<(), (String, String)> {
    if !node.has_embedded {
        return Ok(());
    }
    let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(map) => {
            if node.embedded {
                for name in ["apiVersion", "kind"] {
                    if map.get(name).is_some_and(|value| !value.is_string()) {
                        if !drop_malformed {
                            return Err((child(name), "must be a string".to_owned()));
                        }
                        map.remove(name);
                    }
                }
                match metadata(map, path, drop_malformed) {
                    Ok(paths) => unknown.extend(paths),
                    Err(why) => return Err((child("metadata"), why)),
                }
            }
            for (name, member) in map.iter_mut() {
                if let Some(property) = node.property(name) {
                    coerce_embedded(property, member, &child(name), drop_malformed, unknown)?;
                } else if let Some(other) = &node.element {
                    coerce_embedded(other, member, &format!("{path}[{name}]"), drop_malformed, unknown)?;
                }
            }
        }
        Value::Array(items) => {
            let Some(element) = &node.element else { return Ok(()) };
            for (index, item) in items.iter_mut().enumerate() {
                coerce_embedded(element, item, &format!("{path}[{index}]"), drop_malformed, unknown)?;
            }
        }
        _ => {}
    }
    Ok(())
}
