//! Defaults of a structural schema, and nulls that mean their absence.

use serde_json::Value;

use super::Node;

/// Fills in defaults. A null that is not allowed counts as absent where there is a default.
pub fn default(node: &Node, value: &mut Value) {
    if !node.has_defaults {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, property) in &node.properties {
                let Some(default) = property.default() else { continue };
                match map.get_mut(&**name) {
                    None => {
                        map.insert(name.to_string(), default.clone());
                    }
                    Some(found) if found.is_null() && !property.nullable => *found = default.clone(),
                    Some(_) => {}
                }
            }
            for (name, member) in map.iter_mut() {
                if let Some(property) = node.property(name) {
                    self::default(property, member);
                } else if let Some(other) = &node.element {
                    element(other, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(place) = &node.element {
                items.iter_mut().for_each(|item| element(place, item));
            }
        }
        _ => {}
    }
}

fn element(node: &Node, value: &mut Value) {
    if value.is_null() && !node.nullable {
        *value = node.default().cloned().unwrap_or(Value::Null);
    }
    default(node, value);
}

/// Removes nulls that are not allowed and that no default replaces.
pub fn prune_nulls(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, member| {
                let place = node.member(name);
                if member.is_null() && place.is_some_and(|place| !place.nullable && place.default().is_none()) {
                    return false;
                }
                if let Some(place) = place {
                    prune_nulls(place, member);
                }
                true
            });
        }
        Value::Array(items) => {
            if let Some(place) = &node.element {
                items.iter_mut().for_each(|item| prune_nulls(place, item));
            }
        }
        _ => {}
    }
}
