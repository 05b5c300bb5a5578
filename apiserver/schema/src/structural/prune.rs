//! Removing what a schema does not have.

use serde_json::Value;

use super::Node;

/// Members that every resource has.
pub(super) const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes unknown fields of a resource and answers their paths, sorted. `apiVersion`, `kind` and `metadata` are left
/// to their own rules.
pub fn prune(node: &Node, object: &mut Value) -> Vec<String> {
    let mut pruner = Pruner { path: String::new(), unknown: Vec::new() };
    if node.preserve_unknown {
        pruner.skip(object, node, true);
    } else {
        pruner.prune(object, Some(node), true);
    }
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner {
    path: String,
    unknown: Vec<String>,
}

impl Pruner {
    fn key(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    fn index(&mut self, index: usize) -> usize {
        let length = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        length
    }

    fn record(&mut self, key: &str) {
        let length = self.key(key);
        self.unknown.push(self.path.clone());
        self.path.truncate(length);
    }

    fn prune(&mut self, value: &mut Value, node: Option<&Node>, embedded: bool) {
        if let Some(node) = node.filter(|node| node.preserve_unknown) {
            return self.skip(value, node, embedded);
        }
        match value {
            Value::Object(map) => {
                let at_root = self.path.is_empty();
                map.retain(|key, member| {
                    let is_meta = META.contains(&key.as_str());
                    if embedded && is_meta {
                        return true;
                    }
                    let open = node.is_some_and(|node| node.open);
                    let place = node.and_then(|node| node.member(key));
                    if place.is_none() && !open {
                        if !(is_meta && at_root) {
                            self.record(key);
                        }
                        return false;
                    }
                    let length = self.key(key);
                    // Below `additionalProperties: true` nothing is known, so nothing stays.
                    self.prune(member, place, place.is_some_and(|place| place.embedded));
                    self.path.truncate(length);
                    true
                });
            }
            Value::Array(items) => {
                let place = node.and_then(|node| node.element.as_deref());
                for (index, item) in items.iter_mut().enumerate() {
                    let length = self.index(index);
                    self.prune(item, place, place.is_some_and(|place| place.embedded));
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// Leaves unknown fields here, and prunes below those that are known.
    fn skip(&mut self, value: &mut Value, node: &Node, embedded: bool) {
        match value {
            Value::Object(map) => {
                for (key, member) in map.iter_mut() {
                    if embedded && META.contains(&key.as_str()) {
                        continue;
                    }
                    let place = node.member(key);
                    if place.is_some() || node.open {
                        let length = self.key(key);
                        self.prune(member, place, place.is_some_and(|place| place.embedded));
                        self.path.truncate(length);
                    }
                }
            }
            Value::Array(items) => {
                let Some(place) = node.element.as_deref() else { return };
                for (index, item) in items.iter_mut().enumerate() {
                    let length = self.index(index);
                    self.skip(item, place, place.embedded);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::structural::{Pool, compile};

    #[test]
    fn unknown_fields_go_and_are_named() {
        let node = compile(
            &Pool::default(),
            &json!({"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "known": {"type": "string"},
                    "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                             "properties": {"typed": {"type": "object"}}},
                    "map": {"type": "object", "additionalProperties": {"type": "string"}},
                }},
            }}),
        );
        let mut object = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"any": 1}, "extra": 1, "spec": {
            "known": "x", "unknown": 1, "list": [{"a": "x", "b": 1}], "free": {"x": 1, "typed": {"y": 1}},
            "map": {"k": "v"},
        }});
        let unknown = prune(&node, &mut object);
        assert_eq!(unknown, ["extra", "spec.free.typed.y", "spec.list[0].b", "spec.unknown"]);
        assert_eq!(
            object,
            json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"any": 1}, "spec": {
                "known": "x", "list": [{"a": "x"}], "free": {"x": 1, "typed": {}}, "map": {"k": "v"},
            }})
        );
    }
}
