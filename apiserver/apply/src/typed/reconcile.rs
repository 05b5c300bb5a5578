//! Owned fields after a change of the schema: what became atomic is owned as a whole.

use super::place::{Atom, Place};
use crate::managed_fields::{FieldNode, FieldSet};

/// `set` with paths into atomic values cut to the values themselves; `None` when there are none.
///
/// What became granular is left as it is, as upstream.
pub(crate) fn reconcile(place: Place<'_>, set: &FieldSet) -> Option<FieldSet> {
    if let Some(true) = is_cut(place) {
        return None;
    }
    below(place, set)
}

/// Whether values here are owned as a whole; `None` where there is no schema to tell.
fn is_cut(place: Place<'_>) -> Option<bool> {
    match place.any_atom() {
        Atom::Scalar(_) => Some(false),
        Atom::List(list) => Some(list.is_atomic()),
        Atom::Map(members) if members.is_untyped() => None,
        Atom::Map(members) => Some(members.atomic),
    }
}

fn below(place: Place<'_>, set: &FieldSet) -> Option<FieldSet> {
    let atom = place.any_atom();
    let mut out: Option<Vec<FieldNode>> = None;
    for (at, node) in set.nodes().iter().enumerate() {
        let place = match (&atom, &node.element) {
            (Atom::Map(members), crate::managed_fields::PathElement::Field(name)) => {
                members.declared(name).or(members.others)
            }
            (Atom::List(list), _) => Some(list.element),
            _ => None,
        };
        let changed = place.and_then(|place| match is_cut(place) {
            Some(true) if node.children.is_empty() => None,
            Some(true) => Some(FieldNode { element: node.element.clone(), member: true, children: FieldSet::new() }),
            Some(false) => below(place, &node.children).map(|children| FieldNode {
                element: node.element.clone(),
                member: node.member,
                children,
            }),
            None => None,
        });
        if let Some(changed) = changed {
            out.get_or_insert_with(|| set.nodes().to_vec())[at] = changed;
        }
    }
    out.map(FieldSet::of_nodes)
}
