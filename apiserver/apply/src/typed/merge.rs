//! The union of a live value and an applied one: nothing is removed, the applied value wins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::place::{Atom, List, Members, Place};
use crate::managed_fields::PathElement;

/// Merges `right` over `left`, both validated against `place`; duplicate elements only on the left.
///
/// Lists keep the order of the left where the right does not say otherwise.
pub(crate) fn merge(place: Place<'_>, left: &Value, right: &Value) -> Option<Value> {
    match place.atom(Some(right)).0 {
        Atom::Scalar(_) => Some(right.clone()),
        Atom::List(list) => {
            let (lefts, rights) = (items(left), items(right));
            if list.is_atomic() || lefts.is_empty() && rights.is_empty() {
                return Some(right.clone());
            }
            let merged = merge_items(list, lefts, rights);
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
        Atom::Map(members) => {
            let empty = Map::new();
            let lefts = left.as_object().unwrap_or(&empty);
            let rights = right.as_object().unwrap_or(&empty);
            if members.atomic || lefts.is_empty() && rights.is_empty() {
                return Some(right.clone());
            }
            let merged = merge_members(members, lefts, rights);
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn merge_members(members: Members<'_>, left: &Map<String, Value>, right: &Map<String, Value>) -> Map<String, Value> {
    let mut out = left.clone();
    for (name, applied) in right {
        let merged = match left.get(name) {
            Some(live) => merge(members.place(name), live, applied),
            None => Some(applied.clone()),
        };
        match merged {
            Some(merged) => out.insert(name.clone(), merged),
            None => out.remove(name),
        };
    }
    out
}

fn merge_items(list: List<'_>, left: &[Value], right: &[Value]) -> Vec<Value> {
    let indexed = |items: &'_ [Value]| -> Vec<(PathElement, usize)> {
        let elements = items.iter().enumerate();
        elements.filter_map(|(at, item)| list.element_of(item).ok().map(|element| (element, at))).collect()
    };
    let (lefts, rights) = (indexed(left), indexed(right));
    // The live item of an element; duplicates are not merged with.
    let mut live: BTreeMap<&PathElement, Option<usize>> = BTreeMap::new();
    for (element, at) in &lefts {
        live.entry(element).and_modify(|found| *found = None).or_insert(Some(*at));
    }
    let applied: BTreeSet<&PathElement> = rights.iter().map(|(element, _)| element).collect();
    // The elements of both sides, in the order of the right.
    let mut shared: VecDeque<&PathElement> =
        rights.iter().map(|(element, _)| element).filter(|element| live.contains_key(element)).collect();
    let merged_item = |element: &PathElement, at: usize| match live.get(element) {
        Some(Some(found)) => merge(list.element, &left[*found], &right[at]),
        Some(None) => merge(list.element, &Value::Null, &right[at]),
        None => Some(right[at].clone()),
    };

    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let mut done: BTreeSet<&PathElement> = BTreeSet::new();
    let (mut l, mut r) = (0, 0);
    let mut next_shared = shared.pop_front();
    while l < lefts.len() || r < rights.len() {
        if let (Some((left_element, _)), Some((right_element, at))) = (lefts.get(l), rights.get(r)) {
            if left_element == right_element {
                done.insert(left_element);
                out.extend(merged_item(right_element, *at));
                l += 1;
                r += 1;
                next_shared = shared.pop_front();
                continue;
            }
            // A shared element whose turn, by the order of the right, has not come: it is placed later.
            if applied.contains(left_element) && next_shared.is_some_and(|next| next != left_element) {
                l += 1;
                continue;
            }
        }
        if let Some((element, at)) = lefts.get(l) {
            if !applied.contains(element) {
                out.push(left[*at].clone());
                l += 1;
                continue;
            }
            if done.contains(element) {
                l += 1;
            }
        }
        if let Some((element, at)) = rights.get(r) {
            done.insert(element);
            out.extend(merged_item(element, *at));
            r += 1;
            if next_shared == Some(element) {
                next_shared = shared.pop_front();
            }
        }
    }
    out
}
