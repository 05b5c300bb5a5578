//! From `JSONSchemaProps` to nodes.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{More, Node, NodeType, Rules, formats};
use crate::types::ListType;

/// How deep a schema may nest; deeper parts are treated as unknown. JSON that is read nests less.
const MAX_DEPTH: usize = 256;

type Key = [u8; 16];

/// All nodes in use, by what they are compiled from.
#[derive(Default)]
pub struct Pool(Mutex<Pooled>);

#[derive(Default)]
struct Pooled {
    nodes: HashMap<Key, Weak<Node>>,
    names: HashMap<Arc<str>, ()>,
    /// How many nodes there may be before those no longer in use are forgotten.
    limit: usize,
}

impl Pool {
    fn intern(&self, key: Key, make: impl FnOnce() -> Node) -> Arc<Node> {
        let mut pooled = self.0.lock();
        if let Some(node) = pooled.nodes.get(&key).and_then(Weak::upgrade) {
            return node;
        }
        let node = Arc::new(make());
        pooled.nodes.insert(key, Arc::downgrade(&node));
        if pooled.nodes.len() > pooled.limit {
            pooled.nodes.retain(|_, node| node.strong_count() > 0);
            pooled.names.retain(|name, ()| Arc::strong_count(name) > 1);
            pooled.limit = (pooled.nodes.len() * 2).max(1024);
        }
        node
    }

    fn name(&self, name: &str) -> Arc<str> {
        let mut pooled = self.0.lock();
        if let Some((known, ())) = pooled.names.get_key_value(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        pooled.names.insert(Arc::clone(&name), ());
        name
    }

    /// How many nodes are in use.
    pub fn len(&self) -> usize {
        self.0.lock().nodes.values().filter(|node| node.strong_count() > 0).count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Compiles a schema given as the JSON of `JSONSchemaProps`. What is no schema compiles to one that says nothing;
/// whether it may be used is decided when the definition is validated.
pub fn compile(pool: &Pool, schema: &Value) -> Arc<Node> {
    Compiler { pool }.node(schema, 0).0
}

struct Compiler<'a> {
    pool: &'a Pool,
}

impl Compiler<'_> {
    fn node(&self, schema: &Value, depth: usize) -> (Arc<Node>, Key) {
        let mut digest = Sha256::new();
        let mut node = Node::any();
        if depth < MAX_DEPTH {
            self.fill(&mut node, schema, depth, &mut digest);
        }
        let mut key = Key::default();
        key.copy_from_slice(&digest.finalize()[..16]);
        (self.pool.intern(key, || node), key)
    }

    fn child(&self, name: &str, schema: &Value, depth: usize, digest: &mut Sha256) -> Arc<Node> {
        let (node, key) = self.node(schema, depth + 1);
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(key);
        node
    }

    fn fill(&self, node: &mut Node, schema: &Value, depth: usize, digest: &mut Sha256) {
        let flag = |name: &str| schema[name] == Value::Bool(true);
        node.ty = if flag("x-kubernetes-int-or-string") {
            NodeType::IntOrString
        } else {
            match schema["type"].as_str() {
                Some("object") => NodeType::Object,
                Some("array") => NodeType::Array,
                Some("string") => NodeType::String,
                Some("integer") => NodeType::Integer,
                Some("number") => NodeType::Number,
                Some("boolean") => NodeType::Boolean,
                _ => NodeType::Any,
            }
        };
        node.nullable = flag("nullable");
        node.preserve_unknown = flag("x-kubernetes-preserve-unknown-fields");
        node.embedded = flag("x-kubernetes-embedded-resource");
        node.atomic_map = schema["x-kubernetes-map-type"] == "atomic";
        let mut properties = Vec::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let child = self.child(name, property, depth, digest);
            properties.push((self.pool.name(name), child));
        }
        properties.sort_by(|a, b| a.0.cmp(&b.0));
        node.properties = properties.into();
        match (&schema["additionalProperties"], &schema["items"]) {
            (Value::Bool(allowed), _) => node.open = *allowed,
            (other @ Value::Object(_), _) => node.element = Some(self.child("\x01", other, depth, digest)),
            (_, items @ Value::Object(_)) => node.element = Some(self.child("\x02", items, depth, digest)),
            _ => {}
        }
        let more = self.more(node.ty, schema, depth, digest);
        digest.update(format!(
            "|{:?}{}{}{}{}{}",
            node.ty, node.nullable, node.preserve_unknown, node.embedded, node.atomic_map, node.open
        ));
        let rules = more.rules.as_deref();
        let children = || node.properties.iter().map(|(_, child)| child).chain(&node.element).map(Arc::as_ref);
        let has_defaults = more.default.is_some() || children().any(|child| child.has_defaults);
        let has_rules = rules.is_some() || node.ty != NodeType::Any || children().any(|child| child.has_rules);
        let has_embedded = node.embedded || children().any(|child| child.has_embedded);
        let has_list_types = more.list_type.is_some() || children().any(|child| child.has_list_types);
        node.has_defaults = has_defaults;
        node.has_rules = has_rules;
        node.has_embedded = has_embedded;
        node.has_list_types = has_list_types;
        if more.default.is_some() || more.list_type.is_some() || more.rules.is_some() {
            node.more = Some(Box::new(more));
        }
    }

    fn more(&self, ty: NodeType, schema: &Value, depth: usize, digest: &mut Sha256) -> More {
        // What is kept as it is counts for the identity as it is.
        for name in [
            "default",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "format",
            "maximum",
            "exclusiveMaximum",
            "minimum",
            "exclusiveMinimum",
            "multipleOf",
            "maxLength",
            "minLength",
            "pattern",
            "maxItems",
            "minItems",
            "uniqueItems",
            "maxProperties",
            "minProperties",
            "required",
            "enum",
        ] {
            if let Some(value) = schema.get(name) {
                digest.update(name.as_bytes());
                digest.update(value.to_string().as_bytes());
                digest.update([0]);
            }
        }
        let list_type = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Some(ListType::Set),
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                Some(ListType::Map(keys.filter_map(Value::as_str).map(|key| key.to_owned().into()).collect()))
            }
            _ => None,
        };
        More {
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
            list_type,
            rules: self.rules(ty, schema, depth, digest).map(Box::new),
        }
    }

    fn rules(&self, ty: NodeType, schema: &Value, depth: usize, digest: &mut Sha256) -> Option<Rules> {
        let mut list = |name: &str| -> Box<[Arc<Node>]> {
            let schemas = schema[name].as_array().into_iter().flatten();
            schemas.map(|schema| self.child(name, schema, depth, digest)).collect()
        };
        let (all_of, any_of, one_of) = (list("allOf"), list("anyOf"), list("oneOf"));
        let not = schema.get("not").filter(|not| not.is_object()).map(|not| self.child("not", not, depth, digest));
        let format = schema["format"].as_str().filter(|format| formats::is_supported(ty, format)).unwrap_or_default();
        let number = |name: &str| schema[name].as_f64();
        let int = |name: &str| schema[name].as_i64();
        let flag = |name: &str| schema[name] == Value::Bool(true);
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let rules = Rules {
            format: format.into(),
            maximum: number("maximum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            minimum: number("minimum"),
            exclusive_minimum: flag("exclusiveMinimum"),
            multiple_of: number("multipleOf"),
            max_length: int("maxLength"),
            min_length: int("minLength"),
            pattern: schema["pattern"].as_str().unwrap_or_default().into(),
            max_items: int("maxItems"),
            min_items: int("minItems"),
            unique_items: flag("uniqueItems"),
            max_properties: int("maxProperties"),
            min_properties: int("minProperties"),
            required: required.map(Into::into).collect(),
            enumeration: schema["enum"].as_array().map(|values| values.clone().into()).unwrap_or_default(),
            all_of,
            any_of,
            one_of,
            not,
        };
        (!rules.is_empty()).then_some(rules)
    }
}

impl Rules {
    fn is_empty(&self) -> bool {
        self.format.is_empty()
            && self.maximum.is_none()
            && self.minimum.is_none()
            && self.multiple_of.is_none()
            && self.max_length.is_none()
            && self.min_length.is_none()
            && self.pattern.is_empty()
            && self.max_items.is_none()
            && self.min_items.is_none()
            && !self.unique_items
            && self.max_properties.is_none()
            && self.min_properties.is_none()
            && self.required.is_empty()
            && self.enumeration.is_empty()
            && self.all_of.is_empty()
            && self.any_of.is_empty()
            && self.one_of.is_empty()
            && self.not.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_parts_are_one_node() {
        let pool = Pool::default();
        let part = json!({"type": "object", "description": "one", "properties": {"a": {"type": "string"}}});
        let mut other = part.clone();
        other["description"] = "other".into();
        let schema = json!({"type": "object", "properties": {"x": part, "y": other, "z": {"type": "string"}}});
        let first = compile(&pool, &schema);
        assert!(Arc::ptr_eq(first.property("x").unwrap(), first.property("y").unwrap()));
        assert!(Arc::ptr_eq(&first, &compile(&pool, &schema)));
        assert_eq!(pool.len(), 3);
        drop(first);
        assert!(pool.is_empty());
    }

    #[test]
    fn nonsense_compiles_to_nothing_said() {
        let pool = Pool::default();
        for nonsense in [json!(null), json!([1]), json!({"type": 1, "properties": [], "items": "x", "enum": {}})] {
            let node = compile(&pool, &nonsense);
            assert_eq!(node.ty, NodeType::Any);
            assert!(node.properties.is_empty() && node.more.is_none());
        }
    }
}
