//! An OpenAPI v3 document made of one of v2, for servers that have no v3. Like upstream's it loses what v3 says
//! elsewhere than v2: limits of parameters, headers of responses.
//!
//! Source: kube-openapi `pkg/openapiconv`.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Converts a v2 document.
pub fn v3_of_v2(v2: &Value) -> Value {
    let mut v3 = Object::new();
    v3.insert("openapi".to_owned(), "3.0.0".into());
    v3.insert("info".to_owned(), v2["info"].clone());
    copy(v2, &["externalDocs"], &mut v3);
    if let Value::Object(all) = &v2["paths"] {
        let paths = all.iter().filter(|(path, _)| path.starts_with('/') || path.starts_with("x-"));
        let paths = paths
            .map(|(path, item)| (path.clone(), if path.starts_with('/') { path_item(item) } else { item.clone() }));
        v3.insert("paths".to_owned(), paths.collect::<Object>().into());
    }
    let mut components = Object::new();
    each(&v2["definitions"], "schemas", &mut components, schema);
    each(&v2["securityDefinitions"], "securitySchemes", &mut components, security_scheme);
    each(&v2["responses"], "responses", &mut components, |of| response(of, &v2["produces"]));
    v3.insert("components".to_owned(), components.into());
    v3.into()
}

/// Converts every member of an object into a member of another, unless there is none.
fn each(from: &Value, name: &str, to: &mut Object, convert: impl Fn(&Value) -> Value) {
    let Some(members) = from.as_object().filter(|members| !members.is_empty()) else { return };
    let converted: Object = members.iter().map(|(key, value)| (key.clone(), convert(value))).collect();
    to.insert(name.to_owned(), converted.into());
}

/// Copies members that say something, as Go writes them.
fn copy(from: &Value, names: &[&str], to: &mut Object) {
    for name in names {
        let says = match &from[*name] {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => true,
        };
        if says {
            to.insert((*name).to_owned(), from[*name].clone());
        }
    }
}

fn extensions(from: &Value, to: &mut Object) {
    let all = from.as_object().into_iter().flatten();
    to.extend(all.filter(|(name, _)| name.starts_with("x-")).map(|(name, value)| (name.clone(), value.clone())));
}

/// What refers to a place of a v2 document refers to that of the v3 document.
fn reference(from: &Value, kind: &str, to: &mut Object) {
    if let Some(target) = from["$ref"].as_str().filter(|target| !target.is_empty()) {
        let target = target.replacen(&format!("#/{kind}/"), &format!("#/components/{kind}/"), 1);
        to.insert("$ref".to_owned(), target.into());
    }
}

fn path_item(v2: &Value) -> Value {
    let mut v3 = Object::new();
    copy(v2, &["$ref"], &mut v3);
    extensions(v2, &mut v3);
    for method in METHODS {
        if v2[method].is_object() {
            v3.insert(method.to_owned(), operation(&v2[method]));
        }
    }
    if let Some(list) = v2["parameters"].as_array().filter(|list| !list.is_empty()) {
        v3.insert("parameters".to_owned(), list.iter().map(parameter).collect());
    }
    v3.into()
}

fn operation(v2: &Value) -> Value {
    let mut v3 = Object::new();
    copy(v2, &["tags", "summary", "description", "externalDocs", "operationId", "deprecated"], &mut v3);
    extensions(v2, &mut v3);
    let is_body = |parameter: &&Value| parameter["name"] == "body" && parameter["schema"].is_object();
    let (bodies, others): (Vec<&Value>, Vec<&Value>) =
        v2["parameters"].as_array().into_iter().flatten().partition(is_body);
    if let Some(body) = bodies.last() {
        let mut request = Object::new();
        content(&body["schema"], &v2["consumes"], &mut request);
        v3.insert("requestBody".to_owned(), request.into());
    }
    if !others.is_empty() {
        v3.insert("parameters".to_owned(), others.into_iter().map(parameter).collect());
    }
    let mut responses = Object::new();
    extensions(&v2["responses"], &mut responses);
    for (code, of) in v2["responses"].as_object().into_iter().flatten().filter(|(code, _)| !code.starts_with("x-")) {
        responses.insert(code.clone(), response(of, &v2["produces"]));
    }
    v3.insert("responses".to_owned(), responses.into());
    v3.into()
}

fn response(v2: &Value, produces: &Value) -> Value {
    let mut v3 = Object::new();
    reference(v2, "responses", &mut v3);
    extensions(v2, &mut v3);
    copy(v2, &["description"], &mut v3);
    if v2["schema"].is_object() {
        content(&v2["schema"], produces, &mut v3);
    }
    v3.into()
}

/// The same schema for every media type.
fn content(of: &Value, media_types: &Value, to: &mut Object) {
    let media_types = media_types.as_array().into_iter().flatten().filter_map(Value::as_str);
    let content: Object = media_types.map(|name| (name.to_owned(), json!({"schema": schema(of)}))).collect();
    if !content.is_empty() {
        to.insert("content".to_owned(), content.into());
    }
}

fn parameter(v2: &Value) -> Value {
    let mut v3 = Object::new();
    reference(v2, "parameters", &mut v3);
    extensions(v2, &mut v3);
    copy(v2, &["name", "in", "description", "required", "allowEmptyValue"], &mut v3);
    let schema = if v2["schema"].is_object() {
        schema(&v2["schema"])
    } else {
        let mut simple = Object::new();
        simple.insert("type".to_owned(), v2["type"].as_str().unwrap_or_default().into());
        copy(v2, &["format", "uniqueItems"], &mut simple);
        simple.into()
    };
    v3.insert("schema".to_owned(), schema);
    v3.into()
}

fn security_scheme(v2: &Value) -> Value {
    let mut v3 = Object::new();
    extensions(v2, &mut v3);
    copy(v2, &["type", "description", "name", "in"], &mut v3);
    if let Some(flow) = v2["flow"].as_str().filter(|flow| !flow.is_empty()) {
        let mut of_flow = Object::new();
        copy(v2, &["authorizationUrl", "tokenUrl", "scopes"], &mut of_flow);
        v3.insert("flows".to_owned(), json!({flow: of_flow}));
    }
    v3.into()
}

fn schema(v2: &Value) -> Value {
    let Value::Object(members) = v2 else { return v2.clone() };
    let mut v3 = members.clone();
    if let Some(target) = members.get("$ref").and_then(Value::as_str)
        && let Some((_, name)) = target.split_once("#/definitions/")
    {
        v3.insert("$ref".to_owned(), format!("#/components/schemas/{name}").into());
    }
    if let Some(Value::Object(properties)) = members.get("properties") {
        let properties: Object = properties.iter().map(|(name, of)| (name.clone(), schema(of))).collect();
        v3.insert("properties".to_owned(), properties.into());
    }
    for name in ["items", "additionalProperties", "additionalItems"] {
        match members.get(name) {
            Some(Value::Array(list)) => v3.insert(name.to_owned(), list.iter().map(schema).collect()),
            Some(of) => v3.insert(name.to_owned(), schema(of)),
            None => None,
        };
    }
    // A reference has nothing beside it in v3.
    if v3.len() > 1
        && let Some(target) = v3.remove("$ref")
    {
        v3.insert("allOf".to_owned(), json!([{"$ref": target}]));
    }
    v3.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_v2_says_stands_where_v3_has_it() {
        let v2 = json!({
            "swagger": "2.0", "info": {"title": "t", "version": "v1"},
            "paths": {"/a/{name}": {
                "parameters": [{"name": "name", "in": "path", "required": true, "type": "string", "uniqueItems": true}],
                "put": {
                    "consumes": ["application/json", "application/yaml"], "produces": ["application/json"],
                    "operationId": "putA", "deprecated": false, "schemes": ["https"], "x-kubernetes-action": "put",
                    "parameters": [
                        {"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/A"}},
                        {"name": "pretty", "in": "query", "type": "string", "description": "", "pattern": "a"},
                    ],
                    "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/A"}}},
                },
            }},
            "definitions": {
                "A": {"type": "object", "properties": {
                    "list": {"type": "array", "items": {"$ref": "#/definitions/B"}},
                    "map": {"type": "object", "additionalProperties": {"$ref": "#/definitions/B", "default": {}}},
                    "told": {"$ref": "#/definitions/B", "description": "d"},
                }},
                "B": {"type": "string"},
            },
            "securityDefinitions": {"Token": {"type": "apiKey", "in": "header", "name": "authorization"}},
        });
        let a = json!({"schema": {"$ref": "#/components/schemas/A"}});
        let wrapped = json!([{"$ref": "#/components/schemas/B"}]);
        assert_eq!(
            v3_of_v2(&v2),
            json!({
                "openapi": "3.0.0", "info": {"title": "t", "version": "v1"},
                "paths": {"/a/{name}": {
                    "parameters": [{
                        "name": "name", "in": "path", "required": true,
                        "schema": {"type": "string", "uniqueItems": true},
                    }],
                    "put": {
                        "operationId": "putA", "x-kubernetes-action": "put",
                        "requestBody": {"content": {"application/json": a, "application/yaml": a}},
                        "parameters": [{"name": "pretty", "in": "query", "schema": {"type": "string"}}],
                        "responses": {"200": {"description": "OK", "content": {"application/json": a}}},
                    },
                }},
                "components": {
                    "schemas": {
                        "A": {"type": "object", "properties": {
                            "list": {"type": "array", "items": {"$ref": "#/components/schemas/B"}},
                            "map": {"type": "object", "additionalProperties": {"allOf": wrapped, "default": {}}},
                            "told": {"allOf": wrapped, "description": "d"},
                        }},
                        "B": {"type": "string"},
                    },
                    "securitySchemes": {"Token": {"type": "apiKey", "in": "header", "name": "authorization"}},
                },
            })
        );
    }
}
