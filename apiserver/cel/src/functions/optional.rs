//! Optional values.

use super::{failed, no_overload};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

pub(crate) fn none<'a>(_: &Call, _: Vec<Value<'a>>) -> Evaluated<'a> {
    Ok(Value::Optional(None))
}

pub(crate) fn of<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.into_iter().next() {
        Some(value) => Ok(Value::some(value)),
        None => no_overload(),
    }
}

pub(crate) fn of_non_zero<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(value) = args.into_iter().next() else { return no_overload() };
    let zero = match &value {
        Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) | Value::Duration(0) => true,
        Value::Double(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => !list.is_typed() && list.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Timestamp(time) => time.seconds == crate::time::MIN_SECONDS && time.nanos == 0,
        Value::Optional(inner) => inner.is_none(),
        _ => false,
    };
    Ok(if zero { Value::Optional(None) } else { Value::some(value) })
}

/// `hasValue()` and `value()`.
pub(crate) fn inner<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match (args.as_slice(), call.name) {
        ([Value::Optional(inner)], "hasValue") => Ok(Value::Bool(inner.is_some())),
        ([Value::Optional(Some(inner))], _) => Ok(Value::clone(inner)),
        ([Value::Optional(None)], _) => failed("optional.none() dereference"),
        _ => no_overload(),
    }
}

/// The values of those that have one.
pub(crate) fn unwrap_all<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::List(list)] = args.as_slice() else { return no_overload() };
    let mut found = Vec::new();
    for item in list.iter() {
        match item? {
            Value::Optional(Some(inner)) => found.push(Value::clone(&inner)),
            Value::Optional(None) => {}
            other => return failed(format!("value {other} is not optional")),
        }
    }
    Ok(Value::list(found))
}
