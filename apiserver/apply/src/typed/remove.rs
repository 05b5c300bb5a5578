//! A value without the fields of a set.

use serde_json::{Map, Value};

use super::place::{Atom, Place};
use crate::managed_fields::{FieldNode, FieldSet};

/// `value` without the paths of `gone`; null when nothing is left.
pub(crate) fn remove(place: Place<'_>, value: &Value, gone: &FieldSet) -> Value {
    match place.atom(Some(value)).0 {
        Atom::Scalar(_) => value.clone(),
        Atom::List(list) => {
            let Some(items) = value.as_array().filter(|items| !items.is_empty() && !list.is_atomic()) else {
                return Value::Null;
            };
            let mut touched = false;
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                match list.element_of(item).ok().as_ref().and_then(|element| gone.get(element)) {
                    Some(node) if node.member => {}
                    Some(node) => {
                        touched = true;
                        out.push(remove_below(list.element, item, node));
                    }
                    None => out.push(item.clone()),
                }
            }
            if out.is_empty() && !touched { Value::Null } else { Value::Array(out) }
        }
        Atom::Map(members) => {
            let Some(map) = value.as_object().filter(|map| !map.is_empty() && !members.atomic) else {
                return Value::Null;
            };
            let mut touched = false;
            let mut out = Map::new();
            for (name, member) in map {
                match gone.get_field(name) {
                    Some(node) if node.member => {}
                    Some(node) => {
                        touched = true;
                        out.insert(name.clone(), remove_below(members.place(name), member, node));
                    }
                    None => {
                        out.insert(name.clone(), member.clone());
                    }
                }
            }
            if out.is_empty() && !touched { Value::Null } else { Value::Object(out) }
        }
    }
}

/// A container that loses its last member this way stays, empty.
fn remove_below(place: Place<'_>, value: &Value, node: &FieldNode) -> Value {
    match (remove(place, value, &node.children), value) {
        (Value::Null, Value::Object(_)) => Value::Object(Map::new()),
        (Value::Null, Value::Array(_)) => Value::Array(Vec::new()),
        (left, _) => left,
    }
}
