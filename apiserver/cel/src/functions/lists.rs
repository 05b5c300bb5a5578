//! Lists, sets and maps.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{failed, no_overload, strings};
use crate::equality::{compare, same};
use crate::plan::Call;
use crate::value::{EvalError, Evaluated, List, Map, Value};

/// More items than any cost limit pays for.
const LONGEST: i64 = 2_000_000;

pub(crate) fn size<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [value @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_))] => {
            Ok(Value::Int(i64::try_from(value.size().unwrap_or(0)).unwrap_or(i64::MAX)))
        }
        _ => failed("no such overload: size"),
    }
}

fn list_contains(list: &List<'_>, item: &Value<'_>) -> Result<bool, EvalError> {
    let mut refused = None;
    for known in list.iter() {
        match known.and_then(|known| crate::equality::equal(&known, item)) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) if list.is_typed() => Err(error),
        _ => Ok(false),
    }
}

/// `x in y`.
pub(crate) fn contained<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [item, Value::List(list)] => list_contains(list, item).map(Value::Bool),
        [key, Value::Map(map)] => match map.find(key) {
            Ok(found) => Ok(Value::Bool(found.is_some())),
            Err(error) => Err(error),
        },
        _ => no_overload(),
    }
}

fn items<'a>(list: &List<'a>) -> Result<Vec<Value<'a>>, EvalError> {
    list.iter().collect()
}

pub(crate) fn sort<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    sorted(list, list)
}

pub(crate) fn sort_by_keys<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::List(list), Value::List(keys)] if list.len() == keys.len() => sorted(list, keys),
        [Value::List(list), Value::List(keys)] => failed(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and {} \
             elements respectively",
            list.len(),
            keys.len()
        )),
        _ => no_overload(),
    }
}

fn sorted<'a>(list: &List<'a>, keys: &List<'a>) -> Evaluated<'a> {
    let keys = items(keys)?;
    let Some(first) = keys.first() else { return Ok(Value::List(list.clone())) };
    let comparable = |value: &Value<'_>| {
        matches!(
            value,
            Value::Bool(_)
                | Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::String(_)
                | Value::Bytes(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
        )
    };
    if !comparable(first) {
        return failed("list elements must be comparable");
    }
    if keys.iter().any(|key| std::mem::discriminant(key) != std::mem::discriminant(first)) {
        return failed("list elements must have the same type");
    }
    let mut pairs: Vec<(&Value<'a>, Value<'a>)> = keys.iter().zip(items(list)?).collect();
    pairs.sort_by(|(a, _), (b, _)| compare(a, b).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

pub(crate) fn first_or_last<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    if list.is_empty() {
        return Ok(Value::Optional(None));
    }
    let index = if call.name == "first" { 0 } else { list.len() - 1 };
    list.get(index).unwrap_or_else(no_overload).map(Value::some)
}

pub(crate) fn distinct<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    let mut kept: Vec<Value<'a>> = Vec::new();
    for item in list.iter() {
        let item = item?;
        if !kept.iter().any(|known| same(&item, known)) {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

pub(crate) fn flatten<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let (list, depth) = match args.as_slice() {
        [Value::List(list)] => (list, 1),
        [Value::List(list), Value::Int(depth)] => (list, *depth),
        _ => return no_overload(),
    };
    if depth < 0 {
        return failed("level must be non-negative");
    }
    let mut flat = Vec::new();
    flatten_into(list, depth, &mut flat)?;
    Ok(Value::list(flat))
}

fn flatten_into<'a>(list: &List<'a>, depth: i64, flat: &mut Vec<Value<'a>>) -> Result<(), EvalError> {
    for item in list.iter() {
        match item? {
            Value::List(inner) if depth > 0 => flatten_into(&inner, depth - 1, flat)?,
            other => flat.push(other),
        }
    }
    Ok(())
}

pub(crate) fn slice<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = args.as_slice() else { return no_overload() };
    let problem = if *start < 0 || *end < 0 {
        "negative indexes not supported".to_owned()
    } else if start > end {
        "start index must be less than or equal to end index".to_owned()
    } else if i64::try_from(list.len()).is_ok_and(|length| length < *end) {
        format!("list is length {}", list.len())
    } else {
        let start = usize::try_from(*start).unwrap_or(0);
        let end = usize::try_from(*end).unwrap_or(0);
        let part: Result<Vec<_>, _> = list.iter().skip(start).take(end - start).collect();
        return part.map(Value::list);
    };
    failed(format!("cannot slice({start}, {end}), {problem}"))
}

pub(crate) fn range<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Int(count)] if *count > LONGEST => failed("lists.range: too many elements"),
        [Value::Int(count)] => Ok(Value::list((0..*count).map(Value::Int).collect())),
        _ => no_overload(),
    }
}

pub(crate) fn is_sorted<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    let mut before: Option<Value<'a>> = None;
    for item in list.iter() {
        let item = item?;
        if let Some(before) = &before
            && compare(before, &item)?.is_gt()
        {
            return Ok(Value::Bool(false));
        }
        before = Some(item);
    }
    Ok(Value::Bool(true))
}

pub(crate) fn sum<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    let mut total = match call.overload {
        Some("list_uint_sum_uint") => Value::Uint(0),
        Some("list_double_sum_double") => Value::Double(0.0),
        Some("list_duration_sum_duration") => Value::Duration(0),
        // Without a type the first element says of which the sum is.
        None => match list.get(0).transpose()? {
            Some(Value::Uint(_)) => Value::Uint(0),
            Some(Value::Double(_)) => Value::Double(0.0),
            Some(Value::Duration(_)) => Value::Duration(0),
            _ => Value::Int(0),
        },
        Some(_) => Value::Int(0),
    };
    for item in list.iter() {
        total = super::arithmetic::add(call, vec![total, item?])?;
    }
    Ok(total)
}

/// `min()` and `max()`.
pub(crate) fn extreme<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    let wanted = if call.name == "min" { Ordering::Greater } else { Ordering::Less };
    let mut found: Option<Value<'a>> = None;
    for item in list.iter() {
        let item = item?;
        found = Some(match found {
            Some(found) if compare(&found, &item)? != wanted => found,
            _ => item,
        });
    }
    found.map_or_else(|| failed(format!("{} called on empty list", call.name)), Ok)
}

fn contains_all(list: &List<'_>, items: &List<'_>) -> Result<bool, EvalError> {
    for item in items.iter() {
        if !list_contains(list, &item?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn sets_contains<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(a), Value::List(b)] = args.as_slice() else { return no_overload() };
    contains_all(a, b).map(Value::Bool)
}

pub(crate) fn sets_equivalent<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(a), Value::List(b)] = args.as_slice() else { return no_overload() };
    Ok(Value::Bool(contains_all(a, b)? && contains_all(b, a)?))
}

pub(crate) fn sets_intersects<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(a), Value::List(b)] = args.as_slice() else { return no_overload() };
    for item in a.iter() {
        if list_contains(b, &item?).unwrap_or(false) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// One more entry, or all entries of another map; keys that are there already are errors.
pub(crate) fn map_insert<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let mut args = args.into_iter();
    let (Some(Value::Map(map)), Some(second), third) = (args.next(), args.next(), args.next()) else {
        return no_overload();
    };
    let Map::Owned(mut entries) = map else { return no_overload() };
    let target = Arc::make_mut(&mut entries);
    let mut insert = |key: Value<'a>, value: Value<'a>| {
        if target.get(&key).is_some() {
            return Err(EvalError::new(format!("insert failed: key {key} already exists")));
        }
        target.insert(key, value);
        Ok(())
    };
    match (second, third) {
        (key, Some(value)) => insert(key, value)?,
        (Value::Map(more), None) => {
            for key in more.keys() {
                if let Some(value) = more.find(&key)? {
                    insert(key, value)?;
                }
            }
        }
        _ => return no_overload(),
    }
    Ok(Value::Map(Map::Owned(entries)))
}

pub(crate) fn reverse<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::List(list)] => Ok(Value::list(list.iter().rev().collect::<Result<_, _>>()?)),
        [Value::String(text)] => Ok(Value::string(&text.chars().rev().collect::<String>())),
        _ => no_overload(),
    }
}

/// `indexOf` and `lastIndexOf`, of lists and of strings.
pub(crate) fn index_of<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list), item] = args.as_slice() else { return strings::index_of(call, &args) };
    let is_it = |known: Evaluated<'a>| known.is_ok_and(|known| same(&known, item));
    let found = if call.name == "indexOf" {
        list.iter().position(is_it)
    } else {
        list.iter().rev().position(is_it).map(|from_end| list.len() - 1 - from_end)
    };
    Ok(Value::Int(found.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)))
}
