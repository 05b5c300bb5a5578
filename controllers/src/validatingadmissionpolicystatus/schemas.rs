//! The declared type of a kind, from the API server's OpenAPI documents.
//!
//! Source: apiserver `pkg/cel/openapi/resolver`.

use std::sync::Arc;

use anyhow::Result;
use apiserver_cel::DeclType;
use kube::Client;
use serde_json::{Map, Value, json};

/// A kind: group, version and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupVersionKind {
    pub group: String,
    pub version: String,
    pub kind: String,
}

const PREFIX: &str = "#/components/schemas/";
const GVK: &str = "x-kubernetes-group-version-kind";
/// How large a schema may become with all that it refers to in place.
const MAX_PLACES: usize = 1_000_000;

/// The declared type of a kind; none where the server does not describe it.
///
/// # Errors
/// The server does not answer.
pub async fn declared(client: &Client, kind: &GroupVersionKind) -> Result<Option<Arc<DeclType>>> {
    let path = match kind.group.as_str() {
        "" => format!("/openapi/v3/api/{}", kind.version),
        group => format!("/openapi/v3/apis/{group}/{}", kind.version),
    };
    let request = http::Request::get(path).header(http::header::ACCEPT, "application/json").body(Vec::new())?;
    let document: Value = match client.request(request).await {
        Ok(document) => document,
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(find(&document, kind).and_then(|schema| DeclType::from_schema(&schema, true)))
}

/// The schema of a kind with all that it refers to in its place.
fn find(document: &Value, kind: &GroupVersionKind) -> Option<Value> {
    let schemas = document["components"]["schemas"].as_object()?;
    let named = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let has = |schema: &Value| schema[GVK].as_array().is_some_and(|kinds| kinds.contains(&named));
    let (name, schema) = schemas.iter().find(|(_, schema)| has(schema))?;
    let mut resolver = Resolver { schemas, visited: vec![name], places: 0 };
    resolver.resolved(schema)
}

struct Resolver<'a> {
    schemas: &'a Map<String, Value>,
    visited: Vec<&'a str>,
    places: usize,
}

impl<'a> Resolver<'a> {
    fn resolved(&mut self, schema: &'a Value) -> Option<Value> {
        self.places += 1;
        if self.places > MAX_PLACES {
            return None;
        }
        let Some(name) = reference(schema) else { return self.filled(schema) };
        if self.visited.contains(&name) {
            // What contains itself is an object of which no more is known.
            return Some(json!({"type": "object"}));
        }
        self.visited.push(name);
        let filled = self.schemas.get(name).and_then(|schema| self.filled(schema));
        self.visited.pop();
        filled
    }

    fn filled(&mut self, schema: &'a Value) -> Option<Value> {
        let mut filled = Map::new();
        for (key, value) in schema.as_object()? {
            let value = match (key.as_str(), value) {
                ("description", _) => continue,
                ("properties", Value::Object(properties)) => {
                    let mut all = Map::new();
                    for (name, property) in properties {
                        all.insert(name.clone(), self.resolved(property)?);
                    }
                    Value::Object(all)
                }
                ("additionalProperties" | "items", Value::Object(_)) => self.resolved(value)?,
                // Built-in types say so by their format, others by an extension.
                ("format", value) if value == "int-or-string" => {
                    filled.insert("x-kubernetes-int-or-string".to_owned(), true.into());
                    continue;
                }
                (_, value) => value.clone(),
            };
            filled.insert(key.clone(), value);
        }
        Some(Value::Object(filled))
    }
}

/// What a schema refers to. A reference may be wrapped, for a description beside it.
fn reference(schema: &Value) -> Option<&str> {
    let own = schema["$ref"].as_str().and_then(|path| path.strip_prefix(PREFIX));
    own.or_else(|| schema["allOf"].as_array().into_iter().flatten().find_map(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_filled_in_and_cycles_end() {
        let document = json!({"components": {"schemas": {
            "a": {
                GVK: [{"group": "g", "version": "v1", "kind": "A"}], "type": "object", "description": "d",
                "properties": {
                    "b": {"allOf": [{"$ref": "#/components/schemas/b"}], "default": {}},
                    "n": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
                },
            },
            "b": {"type": "object", "properties": {"again": {"items": {"$ref": "#/components/schemas/b"}, "type": "array"}}},
        }}});
        let kind = |kind: &str| GroupVersionKind { group: "g".into(), version: "v1".into(), kind: kind.into() };
        let schema = find(&document, &kind("A")).unwrap();
        let b = &schema["properties"]["b"];
        assert_eq!(b["properties"]["again"], json!({"type": "array", "items": {"type": "object"}}));
        assert_eq!(schema["properties"]["n"]["x-kubernetes-int-or-string"], true);
        assert_eq!(find(&document, &kind("B")), None);
        assert!(DeclType::from_schema(&schema, true).is_some());
    }
}
