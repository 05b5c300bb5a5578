//! The schema of a type.

use std::collections::{BTreeMap, BTreeSet};

use apiserver_schema::{Field, ListType, MapType, Omit, Ref, SchemaOr, Shape, Type};
use serde_json::{Map, Value, json};

use crate::descriptions::Descriptions;
use crate::{custom, enums, irregular};

/// Where the definitions of `meta/v1` are.
pub const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

const JSON_SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

/// Which OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `/openapi/v2`: no defaults, no `oneOf`; keys beside `$ref` are allowed.
    V2,
    V3,
}

impl Flavour {
    pub fn reference(self, definition: &str) -> Value {
        match self {
            Flavour::V2 => json!({"$ref": format!("#/definitions/{definition}")}),
            Flavour::V3 => json!({"$ref": format!("#/components/schemas/{definition}")}),
        }
    }
}

/// Makes schemas of one document.
pub struct Definitions<'a> {
    pub flavour: Flavour,
    pub descriptions: &'a Descriptions,
    /// The groups and versions in which `DeleteOptions` and `WatchEvent` are known here, the core one first.
    pub group_versions: Vec<(String, String)>,
    /// The definitions of custom resources, with what they refer to.
    pub custom: BTreeMap<String, Value>,
}

impl Definitions<'_> {
    /// The schema of a definition; `None` if there is no such type.
    pub fn schema(&self, name: &str) -> Option<Value> {
        if let Some(schema) = self.custom.get(name) {
            return Some(schema.clone());
        }
        let mut schema = match special(name, self.flavour) {
            Some(schema) => schema,
            None => self.object(apiserver_schema::builtin_by_name(name)?),
        };
        if name == irregular::VERSION_INFO
            && let Some(Value::Object(properties)) = schema.get_mut("properties")
        {
            for (field, property) in properties.iter_mut() {
                if let Some(description) = self.descriptions.field(name, field) {
                    property["description"] = description.into();
                }
            }
        }
        if let Some(description) = self.descriptions.definition(name) {
            schema.insert("description".into(), first_paragraphs(name, description).into());
        } else if let Some(item) = list_item(name) {
            schema.insert("description".into(), format!("{item}List is a list of {item} objects.").into());
        }
        Some(Value::Object(schema))
    }

    fn object(&self, ty: &Type) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        self.fields(ty, ty, &mut properties, &mut required);
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        if !properties.is_empty() {
            schema.insert("properties".into(), Value::Object(properties));
        }
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        if ty.atomic {
            schema.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        if let Some(unions) = irregular::unions(&ty.name) {
            schema.insert("x-kubernetes-unions".into(), unions);
        }
        let kinds = self.kinds(ty);
        if !kinds.is_empty() {
            schema.insert("x-kubernetes-group-version-kind".into(), kinds.into());
        }
        schema
    }

    /// Adds the fields of `ty`, which may be inlined in `outer`.
    fn fields(&self, outer: &Type, ty: &Type, properties: &mut Map<String, Value>, required: &mut Vec<String>) {
        for field in ty.fields.iter() {
            match (&field.shape, field.name.is_empty()) {
                (Shape::Object(inlined), true) => self.fields(outer, inlined, properties, required),
                _ => {
                    properties.insert(field.name.to_string(), self.property(outer, field));
                    if field.required {
                        required.push(field.name.to_string());
                    }
                }
            }
        }
    }

    fn property(&self, outer: &Type, field: &Field) -> Value {
        let mut schema = Map::new();
        if let Some(description) = self.field_description(outer, field) {
            schema.insert("description".into(), description.into());
        }
        if self.flavour == Flavour::V3
            && let Some(default) = default(field)
        {
            schema.insert("default".into(), default);
        }
        match field.list_type {
            _ if !matches!(field.shape, Shape::List(_)) || irregular::list_type_unset(&outer.name, &field.name) => {}
            ListType::Atomic => set(&mut schema, "x-kubernetes-list-type", "atomic"),
            ListType::Set => set(&mut schema, "x-kubernetes-list-type", "set"),
            ListType::Map(ref keys) => {
                set(&mut schema, "x-kubernetes-list-type", "map");
                let keys = keys.iter().map(|key| Value::from(key.as_ref())).collect();
                schema.insert("x-kubernetes-list-map-keys".into(), Value::Array(keys));
            }
        }
        if field.map_type == MapType::Atomic && !matches!(field.shape, Shape::List(_)) {
            set(&mut schema, "x-kubernetes-map-type", "atomic");
        }
        if let Some((key, value)) = irregular::extension(&outer.name, &field.name) {
            set(&mut schema, key, value);
        }
        if !field.patch_merge_key.is_empty() {
            set(&mut schema, "x-kubernetes-patch-merge-key", &field.patch_merge_key);
        }
        let strategy = field.patch_strategy;
        let strategies: Vec<&str> =
            [(strategy.merge, "merge"), (strategy.replace, "replace"), (strategy.retain_keys, "retainKeys")]
                .iter()
                .filter_map(|(set, name)| set.then_some(*name))
                .collect();
        if !strategies.is_empty() {
            set(&mut schema, "x-kubernetes-patch-strategy", &strategies.join(","));
        }
        self.put_shape(&mut schema, &field.shape, &field.go_type);
        if let Some(values) = enums::values(&outer.name, &field.name) {
            let inner = if schema.contains_key("items") { "items" } else { "additionalProperties" };
            let holder = match schema.get_mut(inner) {
                Some(Value::Object(element)) => element,
                _ => &mut schema,
            };
            holder.insert("enum".into(), values.into());
        }
        Value::Object(schema)
    }

    /// Adds what a value looks like to the schema of a property.
    fn put_shape(&self, schema: &mut Map<String, Value>, shape: &Shape, go_type: &str) {
        if let Some(name) = definition_of(shape, go_type) {
            let reference = self.flavour.reference(&name);
            match (self.flavour, schema.is_empty()) {
                (Flavour::V3, false) => {
                    schema.insert("allOf".into(), json!([reference]));
                }
                _ => {
                    schema.insert("$ref".into(), reference["$ref"].clone());
                }
            }
            return;
        }
        let inner = |shape: &Shape| {
            let mut inner = Map::new();
            self.put_shape(&mut inner, shape, go_type);
            Value::Object(inner)
        };
        let (ty, format) = match shape {
            Shape::Bool => ("boolean", None),
            Shape::Int32 => ("integer", Some("int32")),
            Shape::Int64 => ("integer", Some("int64")),
            Shape::Float64 => ("number", Some("double")),
            Shape::Bytes => ("string", Some("byte")),
            Shape::List(element) => {
                schema.insert("items".into(), inner(element));
                ("array", None)
            }
            Shape::Map(value) => {
                schema.insert("additionalProperties".into(), inner(value));
                ("object", None)
            }
            _ => ("string", None),
        };
        set(schema, "type", ty);
        if let Some(format) = format {
            set(schema, "format", format);
        }
    }

    fn field_description(&self, outer: &Type, field: &Field) -> Option<String> {
        if outer.name == format!("{META}WatchEvent") {
            // k8s-openapi describes the only described field, `object`, together with the type.
            let (_, text) = self.descriptions.definition(&outer.name)?.split_once("\n\n")?;
            return (field.name == "object").then(|| text.trim_end().to_owned());
        }
        let mut text = match self.descriptions.field(&outer.name, &field.name) {
            Some(text) => text.to_owned(),
            None => list_field(self.descriptions, outer, &field.name)?,
        };
        if matches!(field.shape, Shape::String)
            && let Some(values) = enums::values(&outer.name, &field.name)
        {
            text.push_str("\n\nPossible enum values:");
            for value in values {
                text.push_str(&format!("\n - `{}`", Value::from(*value)));
            }
        }
        Some(text)
    }

    /// `x-kubernetes-group-version-kind` of a type.
    fn kinds(&self, ty: &Type) -> Vec<Value> {
        let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
        match ty.name.strip_prefix(META) {
            Some(name @ ("DeleteOptions" | "WatchEvent")) => {
                self.group_versions.iter().map(|(group, version)| kind(group, version, name)).collect()
            }
            Some(name @ ("APIGroup" | "APIGroupList" | "APIResourceList" | "APIVersions" | "Status")) => {
                vec![kind("", "v1", name)]
            }
            Some(_) => Vec::new(),
            None => apiserver_schema::builtins()
                .iter()
                .filter(|builtin| builtin.ty.name == ty.name)
                .map(|builtin| kind(builtin.group, builtin.version, builtin.kind))
                .collect(),
        }
    }

    /// Everything that these definitions refer to, with themselves.
    pub fn closure(&self, roots: BTreeSet<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut pending: Vec<String> = roots.into_iter().collect();
        while let Some(name) = pending.pop() {
            if !found.insert(name.clone()) {
                continue;
            }
            if let Some(schema) = self.custom.get(&name) {
                custom::references(schema, &mut pending);
            } else if let Some(ty) = apiserver_schema::builtin_by_name(&name) {
                references(ty, &mut pending);
            }
        }
        found
    }
}

fn references(ty: &Type, out: &mut Vec<String>) {
    for field in ty.fields.iter() {
        let mut shape = &field.shape;
        while let Shape::List(inner) | Shape::Map(inner) = shape {
            shape = inner;
        }
        match (shape, field.name.is_empty()) {
            (Shape::Object(inlined), true) => references(inlined, out),
            _ => out.extend(definition_of(shape, &field.go_type)),
        }
    }
}

/// The definition that a value of this shape refers to; `None` where its schema stands in place.
fn definition_of(shape: &Shape, go_type: &str) -> Option<String> {
    let name = match shape {
        Shape::Object(ty) => return Some(object_name(ty)),
        Shape::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity".into(),
        Shape::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString".into(),
        Shape::Time => format!("{META}Time"),
        Shape::MicroTime => format!("{META}MicroTime"),
        Shape::Duration => format!("{META}Duration"),
        Shape::FieldsV1 => format!("{META}FieldsV1"),
        Shape::Raw if go_type.ends_with("v1.JSON") => format!("{JSON_SCHEMA}JSON"),
        Shape::Raw => "io.k8s.apimachinery.pkg.runtime.RawExtension".into(),
        Shape::SchemaOr(SchemaOr::Array) => format!("{JSON_SCHEMA}JSONSchemaPropsOrArray"),
        Shape::SchemaOr(SchemaOr::Bool) => format!("{JSON_SCHEMA}JSONSchemaPropsOrBool"),
        Shape::SchemaOr(SchemaOr::StringArray) => format!("{JSON_SCHEMA}JSONSchemaPropsOrStringArray"),
        _ => return None,
    };
    Some(name)
}

fn object_name(ty: &Ref<Type>) -> String {
    ty.name.to_string()
}

/// The default that a field's schema shows: the declared one, or the zero value that Go always writes.
fn default(field: &Field) -> Option<Value> {
    if !field.default.is_empty() {
        return serde_json::from_str(&field.default).ok();
    }
    if field.pointer {
        return None;
    }
    let always = field.omit == Omit::Never;
    match field.shape {
        Shape::Object(_) => Some(json!({})),
        Shape::String if always => Some("".into()),
        Shape::Bool if always => Some(false.into()),
        Shape::Int32 | Shape::Int64 if always => Some(0.into()),
        _ => None,
    }
}

/// The schemas of the types that are not plain objects.
fn special(name: &str, flavour: Flavour) -> Option<Map<String, Value>> {
    let v3 = flavour == Flavour::V3;
    let string = || json!({"type": "string"});
    let schema = match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" if v3 => {
            json!({"oneOf": [{"type": "string"}, {"type": "number"}]})
        }
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => string(),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" if v3 => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => json!({"type": "string", "format": "int-or-string"}),
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => json!({"type": "object"}),
        irregular::VERSION_INFO => irregular::version_info(v3),
        _ => match name.strip_prefix(META).or_else(|| name.strip_prefix(JSON_SCHEMA))? {
            "Time" | "MicroTime" => json!({"type": "string", "format": "date-time"}),
            "Duration" => string(),
            "FieldsV1" | "Patch" => json!({"type": "object"}),
            "JSON" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => json!({}),
            _ => return None,
        },
    };
    match schema {
        Value::Object(schema) => Some(schema),
        _ => None,
    }
}

/// The description of a type alone, where k8s-openapi has added that of a field.
fn first_paragraphs<'a>(name: &str, description: &'a str) -> &'a str {
    match name.strip_prefix(META) {
        Some("WatchEvent") => description.split("\n\n").next().unwrap_or_default(),
        _ => description,
    }
}

/// The kind of the items of a list kind.
fn list_item(definition: &str) -> Option<&str> {
    let ty = apiserver_schema::builtin_by_name(definition)?;
    let listed = definition.rsplit('.').next()?.strip_suffix("List")?;
    (ty.field("items").is_some() && ty.field("metadata").is_some()).then_some(listed)
}

/// What the fields of a list kind are for; k8s-openapi has one generic type for all of them.
fn list_field(descriptions: &Descriptions, outer: &Type, field: &str) -> Option<String> {
    let item = list_item(&outer.name)?;
    match field {
        "apiVersion" | "kind" => descriptions.field(&format!("{META}Status"), field).map(str::to_owned),
        "metadata" => descriptions.field(&format!("{META}Status"), field).map(str::to_owned),
        "items" => Some(format!("items is the list of {item} objects.")),
        _ => None,
    }
}

fn set(schema: &mut Map<String, Value>, key: &str, value: &str) {
    schema.insert(key.to_owned(), value.into());
}
