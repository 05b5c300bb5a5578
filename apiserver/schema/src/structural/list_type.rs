//! The elements of lists that are sets or maps.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Node;
use crate::types::ListType;

/// What is wrong with lists that are sets or maps: `report` gets the path, the value, and what is wrong where that
/// is not that the value is there twice.
pub fn duplicates(node: &Node, value: &Value, path: &str, report: &mut dyn FnMut(String, Value, Option<&str>)) {
    if !node.has_list_types {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, member) in map {
                if let Some(other) = node.element.as_ref().filter(|_| node.property(name).is_none()) {
                    duplicates(other, member, &format!("{path}[{name}]"), report);
                } else if let Some(property) = node.property(name) {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    duplicates(property, member, &path, report);
                }
            }
        }
        Value::Array(items) => {
            match node.list_type() {
                ListType::Atomic => {}
                ListType::Set => {
                    for at in repeated(items.iter().map(ToString::to_string)) {
                        report(format!("{path}[{at}]"), items[at].clone(), None);
                    }
                }
                ListType::Map(keys) => {
                    if let Some(at) = items.iter().position(|item| !item.is_object() && !item.is_null()) {
                        let why = "must be an object for an array of list-type map";
                        report(format!("{path}[{at}]"), items[at].clone(), Some(why));
                    } else {
                        let key_of = |item: &Value| {
                            let found =
                                keys.iter().filter_map(|key| Some((key.to_string(), item.get(&**key)?.clone())));
                            Value::Object(found.collect::<Map<_, _>>())
                        };
                        for at in repeated(items.iter().map(|item| key_of(item).to_string())) {
                            report(format!("{path}[{at}]"), key_of(&items[at]), None);
                        }
                    }
                }
            }
            if let Some(element) = &node.element {
                for (at, item) in items.iter().enumerate() {
                    duplicates(element, item, &format!("{path}[{at}]"), report);
                }
            }
        }
        _ => {}
    }
}

/// The second places of what is there more than once.
fn repeated(texts: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for (at, text) in texts.enumerate() {
        let times = seen.entry(text).or_default();
        *times += 1;
        if *times == 2 {
            found.push(at);
        }
    }
    found
}

/// The element of an older list that is the same one as the element at `index` of this one: only lists that are
/// maps have such.
pub fn correlated<'v>(node: &Node, items: &[Value], index: usize, old: &'v [Value]) -> Option<&'v Value> {
    let ListType::Map(keys) = node.list_type() else { return None };
    let item = items.get(index)?;
    let same = |other: &&Value| {
        let own_default = |key: &str| node.element.as_ref()?.property(key)?.default();
        let value = |of: &Value, key: &str| of.get(key).or_else(|| own_default(key)).cloned();
        other.is_object() && keys.iter().all(|key| value(other, key) == value(item, key))
    };
    old.iter().find(same)
}
