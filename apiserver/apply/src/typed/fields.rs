//! The set of all fields that a value mentions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::place::{Atom, Place};
use crate::managed_fields::{FieldNode, FieldSet, PathElement};

/// Every leaf and list element of `value`. Elements without a key, which validation refuses, are left out.
pub(crate) fn fields_of(place: Place<'_>, value: &Value) -> FieldSet {
    walk(place, value).1
}

/// Whether the path itself is in the set, and what below it is.
fn walk(place: Place<'_>, value: &Value) -> (bool, FieldSet) {
    let mut nodes = Vec::new();
    match place.atom(Some(value)).0 {
        Atom::Scalar(_) => return (true, FieldSet::new()),
        Atom::List(list) => {
            if list.is_atomic() {
                return (true, FieldSet::new());
            }
            let mut items: BTreeMap<PathElement, (usize, &Value)> = BTreeMap::new();
            for item in value.as_array().into_iter().flatten() {
                if let Ok(element) = list.element_of(item) {
                    items.entry(element).or_insert((0, item)).0 += 1;
                }
            }
            for (element, (count, item)) in items {
                // Duplicates are owned as a whole.
                let children = if count > 1 { FieldSet::new() } else { walk(list.element, item).1 };
                nodes.push(FieldNode { element, member: true, children });
            }
        }
        Atom::Map(members) => {
            if members.atomic {
                return (true, FieldSet::new());
            }
            for (name, member) in value.as_object().into_iter().flatten() {
                let (leaf, children) = walk(members.place(name), member);
                let empty = member.is_null() || member.as_object().is_some_and(|map| map.is_empty());
                let member = leaf || empty || members.declared(name).is_none();
                nodes.push(FieldNode { element: PathElement::field(name), member, children });
            }
        }
    }
    (false, FieldSet::of_nodes(nodes))
}

/// `set` with every struct field that has members below it as a member too.
pub(crate) fn with_named_fields(place: Option<Place<'_>>, set: &FieldSet) -> FieldSet {
    let atom = place.map(Place::any_atom);
    let nodes = set.nodes().iter().map(|node| {
        let mut member = node.member;
        let below = match (&node.element, &atom) {
            (PathElement::Field(name), Some(Atom::Map(members))) => match members.declared(name) {
                Some(place) => {
                    member |= !node.children.is_empty();
                    Some(place)
                }
                None => members.others,
            },
            (PathElement::Key(_), Some(Atom::List(list))) => Some(list.element),
            _ => None,
        };
        let children = with_named_fields(below, &node.children);
        FieldNode { element: node.element.clone(), member, children }
    });
    FieldSet::of_nodes(nodes.collect())
}
