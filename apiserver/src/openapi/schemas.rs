//! Types as schemas of a document.

use std::collections::BTreeMap;

use apiserver_schema::{Field, ListType, MapType, Omit, SchemaOr, Shape, Type};
use serde_json::{Map, Value, json};

use super::Edition;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const APIEXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/// The schemas that a document refers to, collected while its paths are written.
pub struct Schemas {
    edition: Edition,
    found: BTreeMap<String, Value>,
}

impl Schemas {
    pub fn new(edition: Edition) -> Self {
        Schemas { edition, found: BTreeMap::new() }
    }

    pub fn edition(&self) -> Edition {
        self.edition
    }

    pub fn finish(self) -> Map<String, Value> {
        self.found.into_iter().collect()
    }

    /// Adds a kind under its group and version; answers a reference to it.
    pub fn kind(&mut self, group: &str, version: &str, kind: &str) -> Value {
        let Some(ty) = apiserver_schema::builtin(group, version, kind) else { return json!({"type": "object"}) };
        let reference = self.ty(ty);
        let own = json!({"group": group, "version": version, "kind": kind});
        if let Some(schema) = self.found.get_mut(&*ty.name) {
            let list = &mut schema["x-kubernetes-group-version-kind"];
            match list.as_array_mut() {
                Some(kinds) if kinds.contains(&own) => {}
                Some(kinds) => kinds.push(own),
                None => *list = json!([own]),
            }
        }
        reference
    }

    /// Adds a type and all that it needs; answers a reference to it.
    fn ty(&mut self, ty: &Type) -> Value {
        let name = ty.name.to_string();
        if !self.found.contains_key(&name) {
            // In its place before its fields are read: types contain themselves.
            self.found.insert(name.clone(), Value::Null);
            let mut properties = Map::new();
            let mut required = Vec::new();
            self.fields(&ty.fields, &mut properties, &mut required);
            let mut schema = json!({"type": "object"});
            if !properties.is_empty() {
                schema["properties"] = Value::Object(properties);
            }
            if !required.is_empty() {
                schema["required"] = json!(required);
            }
            if ty.atomic {
                schema["x-kubernetes-map-type"] = "atomic".into();
            }
            self.found.insert(name.clone(), schema);
        }
        self.reference(&name)
    }

    fn fields(&mut self, fields: &[Field], properties: &mut Map<String, Value>, required: &mut Vec<String>) {
        for field in fields {
            if let (Shape::Object(inlined), true) = (&field.shape, field.name.is_empty()) {
                self.fields(&inlined.fields, properties, required);
                continue;
            }
            if field.required {
                required.push(field.name.to_string());
            }
            let property = self.property(field);
            properties.insert(field.name.to_string(), property);
        }
    }

    fn property(&mut self, field: &Field) -> Value {
        let mut schema = self.shape(&field.shape);
        let is_reference = schema.get("$ref").is_some();
        if is_reference && self.edition == Edition::V3 {
            // A reference stands alone in 3.0; what is said besides goes around it.
            schema = json!({"allOf": [schema]});
            if matches!(field.shape, Shape::Object(_)) && !field.pointer {
                schema["default"] = json!({});
            }
        }
        if let Ok(default) = serde_json::from_str::<Value>(&field.default) {
            schema["default"] = default;
        } else if field.omit == Omit::Never && !field.pointer && self.edition == Edition::V3 {
            let zero = match field.shape {
                Shape::String => Some(json!("")),
                Shape::Bool => Some(json!(false)),
                Shape::Int32 | Shape::Int64 | Shape::Float64 => Some(json!(0)),
                _ => None,
            };
            if let Some(zero) = zero {
                schema["default"] = zero;
            }
        }
        if let Shape::List(_) = field.shape {
            schema["x-kubernetes-list-type"] = match &field.list_type {
                ListType::Atomic => "atomic".into(),
                ListType::Set => "set".into(),
                ListType::Map(keys) => {
                    schema["x-kubernetes-list-map-keys"] = json!(keys);
                    "map".into()
                }
            };
        }
        if field.map_type == MapType::Atomic {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        if !field.patch_merge_key.is_empty() {
            schema["x-kubernetes-patch-merge-key"] = json!(field.patch_merge_key);
        }
        let strategy = field.patch_strategy;
        let strategies: Vec<&str> =
            [(strategy.merge, "merge"), (strategy.replace, "replace"), (strategy.retain_keys, "retainKeys")]
                .into_iter()
                .filter_map(|(is, name)| is.then_some(name))
                .collect();
        if !strategies.is_empty() {
            schema["x-kubernetes-patch-strategy"] = strategies.join(",").into();
        }
        schema
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        let text = |format: &str| json!({"type": "string", "format": format});
        match shape {
            Shape::String => json!({"type": "string"}),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Int32 => json!({"type": "integer", "format": "int32"}),
            Shape::Int64 => json!({"type": "integer", "format": "int64"}),
            Shape::Float64 => json!({"type": "number", "format": "double"}),
            Shape::Bytes => text("byte"),
            Shape::Quantity => match self.edition {
                Edition::V3 => self.leaf(QUANTITY, json!({"oneOf": [{"type": "string"}, {"type": "number"}]})),
                Edition::V2 => self.leaf(QUANTITY, json!({"type": "string"})),
            },
            Shape::IntOrString => match self.edition {
                Edition::V3 => self.leaf(
                    INT_OR_STRING,
                    json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
                ),
                Edition::V2 => self.leaf(INT_OR_STRING, text("int-or-string")),
            },
            Shape::Time => self.leaf(&format!("{META}.Time"), text("date-time")),
            Shape::MicroTime => self.leaf(&format!("{META}.MicroTime"), text("date-time")),
            Shape::Duration => self.leaf(&format!("{META}.Duration"), json!({"type": "string"})),
            Shape::Raw => self.leaf(RAW, json!({"type": "object"})),
            Shape::FieldsV1 => self.leaf(&format!("{META}.FieldsV1"), json!({"type": "object"})),
            Shape::SchemaOr(either) => {
                let name = match either {
                    SchemaOr::Array => "JSONSchemaPropsOrArray",
                    SchemaOr::Bool => "JSONSchemaPropsOrBool",
                    SchemaOr::StringArray => "JSONSchemaPropsOrStringArray",
                };
                self.leaf(&format!("{APIEXTENSIONS}.{name}"), json!({}))
            }
            Shape::Object(ty) => self.ty(ty),
            Shape::List(item) => json!({"type": "array", "items": self.shape(item)}),
            Shape::Map(value) => json!({"type": "object", "additionalProperties": self.shape(value)}),
        }
    }

    /// A definition that is no object type.
    fn leaf(&mut self, name: &str, schema: Value) -> Value {
        self.found.entry(name.to_owned()).or_insert(schema);
        self.reference(name)
    }

    /// The definition of patches, which can be anything.
    pub fn patch(&mut self) -> Value {
        self.leaf(&format!("{META}.Patch"), json!({"type": "object"}))
    }

    fn reference(&self, name: &str) -> Value {
        match self.edition {
            Edition::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Edition::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}
