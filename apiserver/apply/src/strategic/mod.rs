//! Strategic merge patch: a merge patch in which lists may be merged by key, and which has directives.
//!
//! The rules, orders and messages are those of `k8s.io/apimachinery/pkg/util/strategicpatch`, which are in parts
//! accidental and relied upon.

mod lists;
mod lookup;

#[cfg(test)]
mod tests;

use apiserver_schema::{Type, json};
use serde_json::{Map, Value};

use crate::PatchError;
use crate::go_text::go_value;
use lists::{merge_slice, order_elements, partition};
use lookup::{Lookup, Meta, Strategy};

/// What a map or list element is to be done with: `replace`, `delete`, `merge`.
const DIRECTIVE: &str = "$patch";
/// The members of an object that are to stay.
const RETAIN_KEYS: &str = "$retainKeys";
/// The prefix of a list of elements to remove from a list of scalars.
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
/// The prefix of a list that gives the order of another.
const SET_ORDER: &str = "$setElementOrder";

/// Merges the strategic merge patch `patch` into `doc`, an object of type `ty`. `doc` is unspecified on error.
///
/// Both must be objects. Custom resources have no strategies: upstream answers 415 before it gets here.
pub fn apply(ty: &Type, doc: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let (Value::Object(original), Value::Object(patch)) = (std::mem::take(doc), patch.clone()) else {
        return Err(PatchError::BadRequest("invalid JSON document".to_owned()));
    };
    *doc = Value::Object(merge_map(original, patch, Lookup::Struct(ty)).map_err(Failure::into_error)?);
    Ok(())
}

/// Why a patch does not apply.
#[derive(Debug)]
enum Failure {
    /// The format of a directive is wrong.
    Format(&'static str),
    ListOfLists,
    Other(String),
}

impl Failure {
    fn into_error(self) -> PatchError {
        match self {
            Failure::Format(text) => PatchError::BadRequest(text.to_owned()),
            Failure::ListOfLists => PatchError::Unprocessable("lists of lists are not supported".to_owned()),
            Failure::Other(text) => PatchError::Internal(text),
        }
    }

    fn no_merge_key(map: &Map<String, Value>, key: &str) -> Failure {
        let map = go_value(&Value::Object(map.clone()));
        Failure::Other(format!("map: {map} does not contain declared merge key: {key}"))
    }

    fn bad_type(expected: &Value, actual: &Value) -> Failure {
        Failure::Other(format!("expected a {}, but received a {}", go_type(expected), go_type(actual)))
    }
}

const BAD_DELETE_FORMAT: Failure = Failure::Format("invalid patch format of primitive list");
const BAD_RETAIN_FORMAT: Failure = Failure::Format("invalid patch format of retainKeys");
const BAD_ORDER_FORMAT: Failure = Failure::Format("invalid patch format of setElementOrder list");

/// The Go type that a JSON value is decoded into.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        value => json::go_type(value),
    }
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    lookup: Lookup<'_>,
) -> Result<Map<String, Value>, Failure> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(&mut original, &mut patch, lookup)?;

    for (key, mut value) in patch {
        let deletes = key.starts_with(DELETE_FROM_LIST);
        let key = if deletes { name_after(&key, DELETE_FROM_LIST).ok_or(BAD_DELETE_FORMAT)?.to_owned() } else { key };
        if value.is_null() {
            original.remove(&key);
            continue;
        }
        let same_kind = original.get(&key).is_some_and(|present| go_type(present) == go_type(&value));
        if !same_kind {
            if !deletes {
                discard_nulls(&mut value);
                put_without_directives(&mut original, key, value);
            }
            continue;
        }
        let present = original.remove(&key).unwrap_or_default();
        let merged = match (present, value) {
            (Value::Object(present), Value::Object(value)) => {
                let meta = lookup.object(&key)?;
                if meta.strategy == Strategy::Replace { value } else { merge_map(present, value, meta.below)? }.into()
            }
            (Value::Array(present), Value::Array(value)) => {
                Value::Array(merge_list(present, value, &lookup.list(&key)?, deletes)?)
            }
            (_, value) => value,
        };
        original.insert(key, merged);
    }
    Ok(original)
}

fn merge_list(present: Vec<Value>, patch: Vec<Value>, meta: &Meta<'_>, deletes: bool) -> Result<Vec<Value>, Failure> {
    // The list of elements to delete works whatever the strategy.
    if meta.strategy == Strategy::Merge || deletes { merge_slice(present, patch, meta, deletes) } else { Ok(patch) }
}

fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> Failure {
    let map = go_value(&Value::Object(map.clone()));
    Failure::Other(format!("unknown patch type: {} in map: {map}", go_value(directive)))
}

/// The part after `prefix` and a slash.
fn name_after<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.split_once('/').filter(|(first, _)| *first == prefix).map(|(_, name)| name)
}

fn put_without_directives(map: &mut Map<String, Value>, key: String, value: Value) {
    match remove_directives(value) {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// `value` without the parts that carry a directive; `None` when it carries one itself.
fn remove_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(key, value)| Some((key, remove_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(remove_directives).collect())),
        other => Some(other),
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// Drops the members of `original` that a `$retainKeys` list does not name.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), Failure> {
    let Some(list) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(list) = list else { return Err(BAD_RETAIN_FORMAT) };
    let retained = |key: &str| list.iter().any(|name| name.as_str() == Some(key));
    let is_directive = |key: &str| key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !retained(key)) {
        return Err(BAD_RETAIN_FORMAT);
    }
    original.retain(|key, _| retained(key));
    Ok(())
}

/// Merges the lists that come with a `$setElementOrder`, and takes both out of the patch.
fn merge_ordered_lists(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            other => return Err(Failure::bad_type(&Value::Array(Vec::new()), &other.unwrap_or_default())),
        };
        let key = name_after(&directive, SET_ORDER).ok_or(BAD_ORDER_FORMAT)?;
        let list = |map: &Map<String, Value>| match map.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(Failure::bad_type(&Value::Array(Vec::new()), other)),
        };
        let (live, patched) = (list(original)?, list(patch)?);
        let meta = lookup.list(key)?;
        if let Some(patched) = &patched {
            check_order(patched, &order, meta.merge_key)?;
        }
        let merged = match (&live, &patched) {
            (None, None) => continue,
            (Some(live), None) => live.clone(),
            (None, Some(patched)) => patched.iter().cloned().filter_map(remove_directives).collect(),
            (Some(live), Some(patched)) => merge_list(live.clone(), patched.clone(), &meta, false)?,
        };
        let (mut live, patched) = (live.unwrap_or_default(), patched.unwrap_or_default());
        if meta.strategy == Strategy::Merge && !meta.merge_key.is_empty() {
            lists::overwrite_as_upstream(&mut live, &patched, meta.merge_key);
        }
        let (from_patch, server_only) = partition(merged, &order, meta.merge_key)?;
        let maps = lists::element_type(&live, &patched)?;
        let ordered = order_elements(from_patch, server_only, &order, &live, meta.merge_key, maps)?;
        original.insert(key.to_owned(), Value::Array(ordered));
        patch.remove(key);
    }
    Ok(())
}

/// Whether the elements of `patch` are all in `order`, in that order.
fn check_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<(), Failure> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let is_delete = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
    if !merge_key.is_empty()
        && let Some(other) = patch.iter().find(|item| !item.is_object())
    {
        return Err(Failure::bad_type(&Value::Object(Map::new()), other));
    }
    let kept: Vec<&Value> = patch.iter().filter(|item| merge_key.is_empty() || !is_delete(item)).collect();
    let (mut at, mut place) = (0, 0);
    while at < kept.len() && place < order.len() {
        if kept[at].get(DIRECTIVE).is_some() {
            at += 1;
            continue;
        }
        if same_element(kept[at], &order[place], merge_key)? {
            at += 1;
        }
        place += 1;
    }
    if at < kept.len() && place >= order.len() {
        let text = |items: &[Value]| go_value(&Value::Array(items.to_vec()));
        return Err(Failure::Other(format!(
            "The order in patch list:\n{}\n doesn't match {SET_ORDER} list:\n{}\n",
            text(patch),
            text(order)
        )));
    }
    Ok(())
}

fn same_element(left: &Value, right: &Value, merge_key: &str) -> Result<bool, Failure> {
    if merge_key.is_empty() {
        return Ok(left == right);
    }
    let key_of = |item: &Value| match item {
        Value::Object(map) => map.get(merge_key).cloned().ok_or_else(|| Failure::no_merge_key(map, merge_key)),
        other => Err(Failure::bad_type(&Value::Object(Map::new()), other)),
    };
    Ok(key_of(left)? == key_of(right)?)
}
