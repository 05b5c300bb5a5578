//! The schemas of custom resources, from what their definitions say.
//!
//! Source: apiextensions-apiserver `pkg/controller/openapi/builder` and `openapi/v2`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::definitions::{Flavour, META};
use crate::descriptions::Descriptions;
use crate::document::Document;
use crate::documents::Documents;
use crate::resource::{Custom, Resource};

const CONVENTIONS: &str = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

/// The documents of custom resources, which change while the server runs.
pub trait CustomDocuments {
    /// The index with them; `None` while there are none.
    ///
    /// # Errors
    /// A document cannot be made.
    fn index(&self, documents: &Documents) -> io::Result<Option<Arc<Document>>>;

    /// The document of this name, for example `apis/example.com/v1`.
    ///
    /// # Errors
    /// A document cannot be made.
    fn v3(&self, name: &str) -> io::Result<Option<Arc<Document>>>;

    /// The v2 document with them; `None` while there are none.
    ///
    /// # Errors
    /// A document cannot be made.
    fn v2(&self, documents: &Documents, protobuf: bool) -> io::Result<Option<Arc<Document>>>;
}

/// The definition name of a custom kind: the group's parts reversed, `com.example.v1.Widget`.
pub fn definition(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// The definitions of custom resources and their lists.
pub fn definitions(resources: &[Resource], flavour: Flavour, descriptions: &Descriptions) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for resource in resources {
        let Some(custom) = &resource.custom else { continue };
        let maker = Maker { resource, custom, flavour, descriptions };
        let name = definition(&resource.group, &resource.version, &resource.kind);
        found.insert(resource.list_definition(), maker.list(&name));
        found.insert(name, maker.object());
    }
    found
}

/// The names that a schema refers to.
pub fn references(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                out.extend(reference.rsplit('/').next().map(str::to_owned));
            }
            map.values().for_each(|value| references(value, out));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, out)),
        _ => {}
    }
}

struct Maker<'a> {
    resource: &'a Resource,
    custom: &'a Custom,
    flavour: Flavour,
    descriptions: &'a Descriptions,
}

impl Maker<'_> {
    fn object(&self) -> Value {
        let given = &*self.custom.schema;
        let preserves = given["x-kubernetes-preserve-unknown-fields"] == true;
        let mut schema = match (given, self.flavour) {
            (Value::Object(_), Flavour::V2) if preserves => json!({"type": "object"}),
            (Value::Object(_), flavour) => {
                let mut schema = published(given, flavour);
                let properties = member(&mut schema, "properties");
                self.type_meta(properties);
                properties["metadata"] = self.reference("ObjectMeta", &self.metadata_description());
                self.embedded(&mut schema);
                schema
            }
            _ => json!({"type": "object"}),
        };
        self.extend(&mut schema, &self.resource.kind);
        schema
    }

    fn list(&self, name: &str) -> Value {
        let (kind, list_kind, plural) = (&self.resource.kind, &self.custom.list_kind, &self.resource.plural);
        let mut items = json!({"type": "array", "items": self.flavour.reference(name)});
        items["description"] = format!("List of {plural}. More info: {CONVENTIONS}").into();
        let description = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
        let mut properties = json!({"items": items, "metadata": self.reference("ListMeta", description)});
        self.type_meta(&mut properties);
        let mut schema = json!({
            "type": "object", "description": format!("{list_kind} is a list of {kind}"), "required": ["items"],
            "properties": properties,
        });
        self.extend(&mut schema, list_kind);
        schema
    }

    fn type_meta(&self, properties: &mut Value) {
        for name in ["apiVersion", "kind"] {
            let description = self.descriptions.field(&format!("{META}Status"), name).unwrap_or_default();
            properties[name] = json!({"type": "string", "description": description});
        }
    }

    fn metadata_description(&self) -> String {
        format!("Standard object's metadata. More info: {CONVENTIONS}#metadata")
    }

    fn reference(&self, name: &str, description: &str) -> Value {
        let reference = self.flavour.reference(&format!("{META}{name}"));
        match self.flavour {
            Flavour::V2 => json!({"description": description, "$ref": reference["$ref"]}),
            Flavour::V3 => json!({"description": description, "allOf": [reference]}),
        }
    }

    /// The kind and metadata of resources inside the resource.
    fn embedded(&self, schema: &mut Value) {
        let Value::Object(map) = schema else { return };
        if let Some(Value::Object(properties)) = map.get_mut("properties") {
            properties.values_mut().for_each(|property| self.embedded(property));
        }
        for name in ["items", "additionalProperties"] {
            if let Some(inner) = map.get_mut(name) {
                self.embedded(inner);
            }
        }
        let has = |name: &str| map.get(name) == Some(&Value::Bool(true));
        let skipped = self.flavour == Flavour::V2 && has("x-kubernetes-preserve-unknown-fields");
        if skipped || !has("x-kubernetes-embedded-resource") {
            return;
        }
        let properties = member(schema, "properties");
        properties["apiVersion"] = json!({"type": "string", "description": format!("apiVersion defines the versioned schema of this representation of an object. More info: {CONVENTIONS}#resources")});
        properties["kind"] = json!({"type": "string", "description": format!("kind is a string value representing the type of this object. In CamelCase. More info: {CONVENTIONS}#types-kinds")});
        properties["metadata"] = self.reference("ObjectMeta", &self.metadata_description());
        let mut required = schema["required"].as_array().cloned().unwrap_or_default();
        for name in ["kind", "apiVersion"] {
            if !required.contains(&name.into()) {
                required.push(name.into());
            }
        }
        schema["required"] = required.into();
    }

    fn extend(&self, schema: &mut Value, kind: &str) {
        let (group, version) = (&self.resource.group, &self.resource.version);
        schema["x-kubernetes-group-version-kind"] = json!([{"group": group, "version": version, "kind": kind}]);
        if !self.custom.selectable_fields.is_empty() && self.flavour == Flavour::V3 {
            let fields: Vec<Value> =
                self.custom.selectable_fields.iter().map(|path| json!({"fieldPath": path})).collect();
            schema["x-kubernetes-selectable-fields"] = fields.into();
        }
    }
}

/// The member of this name, an object.
fn member<'a>(schema: &'a mut Value, name: &str) -> &'a mut Value {
    if !schema[name].is_object() {
        schema[name] = json!({});
    }
    &mut schema[name]
}

/// The keywords that are published.
const KEYWORDS: [&str; 34] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
];

/// A schema as it is published.
fn published(schema: &Value, flavour: Flavour) -> Value {
    let Value::Object(given) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (name, value) in given {
        if value.is_null() || !(KEYWORDS.contains(&name.as_str()) || name == "x-kubernetes-validations") {
            continue;
        }
        let value = match name.as_str() {
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                Value::Object(properties.map(|(name, value)| (name.clone(), published(value, flavour))).collect())
            }
            "items" | "additionalProperties" | "not" => published(value, flavour),
            "allOf" | "anyOf" | "oneOf" => {
                value.as_array().into_iter().flatten().map(|value| published(value, flavour)).collect()
            }
            _ => value.clone(),
        };
        out.insert(name.clone(), value);
    }
    let has = |out: &Map<String, Value>, name: &str| out.get(name) == Some(&Value::Bool(true));
    if has(&out, "x-kubernetes-int-or-string") {
        out.remove("type");
        if flavour == Flavour::V3 && !out.contains_key("anyOf") && !out.contains_key("allOf") {
            out.insert("anyOf".into(), json!([{"type": "integer"}, {"type": "string"}]));
        }
    }
    if flavour == Flavour::V2 {
        for name in ["allOf", "anyOf", "oneOf", "not"] {
            out.remove(name);
        }
        let nullable: Vec<String> = given
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, property)| property["nullable"] == true)
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(Value::Array(required)) = out.get_mut("required") {
            required.retain(|name| !nullable.iter().any(|nullable| name == nullable));
        }
        if out.get("required").is_some_and(|required| required.as_array().is_some_and(Vec::is_empty)) {
            out.remove("required");
        }
        // kubectl takes what says more than this for a refusal of all it does not say.
        if has(&out, "nullable") {
            for name in ["type", "nullable", "items", "properties"] {
                out.remove(name);
            }
        }
        if has(&out, "x-kubernetes-preserve-unknown-fields") {
            out.remove("items");
            out.remove("properties");
            if out.get("type").is_some_and(|ty| ty == "object") {
                out.remove("type");
            }
        }
        if !out.contains_key("items") && out.get("type").is_some_and(|ty| ty == "array") {
            out.remove("type");
        }
    }
    Value::Object(out)
}
