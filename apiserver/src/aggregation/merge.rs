//! OpenAPI v2 documents of several servers made one.
//!
//! Source: kube-openapi `pkg/aggregator`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

const PREFIX: &str = "#/definitions/";

/// What of a document is about the paths below a prefix: the paths, and the definitions that they need.
pub fn below(mut document: Value, prefix: &str) -> Value {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return Value::Null };
    paths.retain(|path, _| path.starts_with(prefix));
    if paths.is_empty() {
        return Value::Null;
    }
    let paths = Value::Object(std::mem::take(paths));
    let mut wanted = BTreeSet::new();
    let mut open = Vec::new();
    references(&paths, &mut open);
    while let Some(name) = open.pop() {
        if wanted.insert(name.clone())
            && let Some(definition) = document["definitions"].get(&name)
        {
            references(definition, &mut open);
        }
    }
    let mut kept = Map::new();
    if let Some(Value::Object(definitions)) = document.get_mut("definitions").map(Value::take) {
        kept.extend(definitions.into_iter().filter(|(name, _)| wanted.contains(name)));
    }
    let mut part = Map::new();
    part.insert("paths".to_owned(), paths);
    part.insert("definitions".to_owned(), Value::Object(kept));
    Value::Object(part)
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(
                map.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix(PREFIX)).map(str::to_owned),
            );
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Adds parts to a document. Paths that it has stay as they are; other definitions of the same name get new ones.
pub fn merged_v2<'a>(mut document: Value, parts: impl IntoIterator<Item = &'a Value>) -> Value {
    for part in parts {
        let Some(own) = document.get("definitions").and_then(Value::as_object) else { continue };
        let definitions = part["definitions"].as_object().cloned().unwrap_or_default();
        let mut renamed = BTreeMap::new();
        for (name, definition) in &definitions {
            if own.get(name).is_none_or(|known| known == definition) {
                continue;
            }
            let free = |name: &String| own.get(name).is_none_or(|known| known == definition);
            let new = (2_u32..)
                .map(|count| format!("{name}_v{count}"))
                .find(|new| free(new) && !definitions.contains_key(new));
            renamed.extend(new.map(|new| (name.clone(), new)));
        }
        let mut part = part.clone();
        if !renamed.is_empty() {
            rename(&mut part, &renamed);
        }
        for field in ["paths", "definitions"] {
            let Some(Value::Object(members)) = part.get_mut(field).map(Value::take) else { continue };
            let Some(own) = document.get_mut(field).and_then(Value::as_object_mut) else { continue };
            for (name, value) in members {
                let name = if field == "definitions" { renamed.get(&name).cloned().unwrap_or(name) } else { name };
                own.entry(name).or_insert(value);
            }
        }
    }
    document
}

fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "$ref"
                    && let Some(new) = value.as_str().and_then(|path| names.get(path.strip_prefix(PREFIX)?))
                {
                    *value = format!("{PREFIX}{new}").into();
                    continue;
                }
                rename(value, names);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| rename(value, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_bring_what_they_need_and_change_nothing() {
        let other = json!({
            "paths": {"/apis/g/v1/a": {"get": {"$ref": "#/definitions/A"}}, "/version/": {"get": {"$ref": "#/definitions/V"}}},
            "definitions": {
                "A": {"properties": {"m": {"$ref": "#/definitions/Meta"}}},
                "Meta": {"type": "object"},
                "V": {"type": "string"},
            },
        });
        let part = below(other, "/apis/g/v1/");
        assert_eq!(
            part["definitions"],
            json!({
                "A": {"properties": {"m": {"$ref": "#/definitions/Meta"}}}, "Meta": {"type": "object"},
            })
        );
        let own = json!({"paths": {"/api/": {}}, "definitions": {"Meta": {"type": "string"}}});
        let merged = merged_v2(own, [&part]);
        assert_eq!(
            merged["definitions"],
            json!({
                "A": {"properties": {"m": {"$ref": "#/definitions/Meta_v2"}}},
                "Meta": {"type": "string"}, "Meta_v2": {"type": "object"},
            })
        );
        assert!(merged["paths"]["/apis/g/v1/a"].is_object() && merged["paths"]["/api/"].is_object());
        assert_eq!(below(json!({"paths": {}}), "/apis/g/v1/"), Value::Null);
    }
}
