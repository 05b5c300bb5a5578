//! Lists: merged by key or as sets of scalars, and put in order.

use serde_json::{Map, Value};

use super::lookup::Meta;
use super::{DIRECTIVE, Failure, go_type, merge_map, unknown_directive};
use crate::go_text::go_value;

/// Merges `patch` into `original`, or removes it from there.
pub(super) fn merge_slice(
    original: Vec<Value>,
    patch: Vec<Value>,
    meta: &Meta<'_>,
    deletes: bool,
) -> Result<Vec<Value>, Failure> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let maps = element_type(&original, &patch)?;
    if !maps {
        if deletes {
            return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
        }
        let mut merged = original.clone();
        merged.extend(patch.iter().cloned());
        deduplicate(&mut merged);
        let (from_patch, server_only) = partition(merged, &patch, meta.merge_key)?;
        return order_elements(from_patch, server_only, &patch, &original, meta.merge_key, maps);
    }
    if meta.merge_key.is_empty() {
        return Err(Failure::Other(format!("cannot merge lists without merge key for {}", meta.below.kind())));
    }
    let (original, patch) = special_elements(original, patch, meta.merge_key)?;
    let merged = merge_elements(original.clone(), patch.clone(), meta)?;
    let (from_patch, server_only) = partition(merged, &patch, meta.merge_key)?;
    order_elements(from_patch, server_only, &patch, &original, meta.merge_key, maps)
}

/// Turns `live` into what upstream takes for the order of the server after it has merged `patch` into it.
///
/// Upstream deletes and appends in place and then reads the order from the same memory: what it appends stands
/// where what it deleted made room. Clients see the difference in the order of elements.
pub(super) fn overwrite_as_upstream(live: &mut [Value], patch: &[Value], merge_key: &str) {
    let mut length = live.len();
    let directive = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str).unwrap_or_default().to_owned();
    for deleted in patch.iter().filter(|item| directive(item) == "delete") {
        while let Some(at) = live[..length].iter().position(|item| item.get(merge_key) == deleted.get(merge_key)) {
            // The last element stays behind where it was.
            for next in at + 1..length {
                live[next - 1] = live[next].clone();
            }
            length -= 1;
        }
    }
    if patch.iter().any(|item| directive(item) == "replace") {
        return;
    }
    for added in patch.iter().filter(|item| directive(item).is_empty()) {
        if live[..length].iter().any(|item| item.get(merge_key) == added.get(merge_key)) {
            continue;
        }
        if length == live.len() {
            return;
        }
        live[length] = added.clone();
        length += 1;
    }
}

/// Whether the elements of both lists are objects; they must be all of one type.
pub(super) fn element_type(left: &[Value], right: &[Value]) -> Result<bool, Failure> {
    let mut all = left.iter().chain(right);
    let Some(first) = all.next() else {
        return Err(Failure::Other("no elements in any of the given slices".to_owned()));
    };
    if first.is_array() {
        return Err(Failure::ListOfLists);
    }
    if all.any(|other| go_type(other) != go_type(first)) {
        let lists = go_value(&Value::Array(vec![Value::Array(left.to_vec()), Value::Array(right.to_vec())]));
        return Err(Failure::Other(format!("list element types are not identical: {lists}")));
    }
    Ok(first.is_object())
}

/// Handles elements that carry a directive: what is left of both lists.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Value::Object(map) = &item else { continue };
        match map.get(DIRECTIVE) {
            None => plain.push(item),
            Some(Value::String(directive)) if directive == "delete" => {
                let key = map.get(merge_key).ok_or_else(|| Failure::no_merge_key(map, merge_key))?;
                original.retain(|present| present.get(merge_key) != Some(key));
            }
            Some(Value::String(directive)) if directive == "replace" => replace = true,
            Some(Value::String(directive)) if directive == "merge" => {
                return Err(Failure::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(directive) => return Err(unknown_directive(directive, map)),
        }
    }
    if replace { Ok((plain, Vec::new())) } else { Ok((original, plain)) }
}

fn merge_elements(mut original: Vec<Value>, patch: Vec<Value>, meta: &Meta<'_>) -> Result<Vec<Value>, Failure> {
    for item in patch {
        let Value::Object(item) = item else { continue };
        let key = item.get(meta.merge_key).ok_or_else(|| Failure::no_merge_key(&item, meta.merge_key))?;
        match original.iter_mut().find(|present| present.get(meta.merge_key) == Some(key)) {
            Some(present) => {
                let map = present.as_object_mut().map(std::mem::take).unwrap_or_default();
                *present = Value::Object(merge_map(map, item, meta.below)?);
            }
            None => original.push(Value::Object(item)),
        }
    }
    Ok(original)
}

/// The elements of `items` that are in `by`, and the others.
pub(super) fn partition(items: Vec<Value>, by: &[Value], merge_key: &str) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut inside = Vec::with_capacity(items.len());
    let mut outside = Vec::new();
    for item in items {
        let found = if merge_key.is_empty() {
            by.contains(&item)
        } else {
            let key = match &item {
                Value::Object(map) => map.get(merge_key).ok_or_else(|| Failure::no_merge_key(map, merge_key))?,
                other => return Err(Failure::bad_type(&Value::Object(Map::new()), other)),
            };
            let mut found = false;
            for (at, candidate) in by.iter().enumerate() {
                if !candidate.is_object() {
                    return Err(Failure::Other(format!("value for key {at} is not a map")));
                }
                if candidate.get(merge_key) == Some(key) {
                    found = true;
                    break;
                }
            }
            found
        };
        if found { inside.push(item) } else { outside.push(item) }
    }
    Ok((inside, outside))
}

/// Sorts each list by its order and weaves them: elements only the server has stay before those they were before.
pub(super) fn order_elements(
    patch: Vec<Value>,
    server_only: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: &str,
    maps: bool,
) -> Result<Vec<Value>, Failure> {
    let right = sort_by(patch, patch_order, merge_key, maps)?;
    let left = sort_by(server_only, server_order, merge_key, maps)?;
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(server), Some(patch)) => {
                let server = index(server_order, server, merge_key, maps);
                let patch = index(server_order, patch, merge_key, maps);
                matches!((server, patch), (Some(server), Some(patch)) if server < patch)
            }
        };
        out.extend(if take_left { left.next() } else { right.next() });
    }
}

fn index(order: &[Value], wanted: &Value, merge_key: &str, maps: bool) -> Option<usize> {
    if maps {
        let key_of = |item: &Value| item.get(merge_key).cloned();
        let wanted = key_of(wanted);
        order.iter().position(|item| key_of(item) == wanted)
    } else {
        order.iter().position(|item| item == wanted)
    }
}

fn sort_by(items: Vec<Value>, order: &[Value], merge_key: &str, maps: bool) -> Result<Vec<Value>, Failure> {
    let (deleted, kept): (Vec<Value>, Vec<Value>) = if maps {
        for item in items.iter().chain(order) {
            match item {
                Value::Object(map) if map.contains_key(merge_key) => {}
                Value::Object(map) => return Err(Failure::no_merge_key(map, merge_key)),
                other => return Err(Failure::bad_type(&Value::Object(Map::new()), other)),
            }
        }
        items.into_iter().partition(|item| item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete"))
    } else {
        (Vec::new(), items)
    };
    let mut keyed: Vec<(Option<usize>, Value)> =
        kept.into_iter().map(|item| (index(order, &item, merge_key, maps), item)).collect();
    if keyed.iter().all(|(place, _)| place.is_some()) {
        keyed.sort_by_key(|(place, _)| *place);
    } else {
        // Upstream's comparison calls an unknown element less than any; its insertion sort makes of that the
        // order below.
        for end in 1..keyed.len() {
            let mut at = end;
            while at > 0 && precedes(keyed[at].0, keyed[at - 1].0) {
                keyed.swap(at, at - 1);
                at -= 1;
            }
        }
    }
    Ok(keyed.into_iter().map(|(_, item)| item).chain(deleted).collect())
}

fn precedes(left: Option<usize>, right: Option<usize>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left < right,
        _ => true,
    }
}

/// Drops later duplicates; the last element takes the place of one that goes, as upstream.
fn deduplicate(items: &mut Vec<Value>) {
    let mut at = 0;
    while at < items.len() {
        let mut later = at + 1;
        while later < items.len() {
            if items[at] == items[later] {
                items.swap_remove(later);
            } else {
                later += 1;
            }
        }
        at += 1;
    }
}
