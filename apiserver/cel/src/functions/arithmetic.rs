//! Operators on numbers, text, lists and times.

use super::{failed, no_overload};
use crate::equality::compare;
use crate::plan::Call;
use crate::time::Timestamp;
use crate::value::{Evaluated, Value};

const INT: &str = "integer overflow";
const UINT: &str = "unsigned integer overflow";
/// Durations are whole numbers to upstream.
const DURATION: &str = INT;
const TIMESTAMP: &str = "timestamp overflow";

fn checked<'a, T>(result: Option<T>, make: fn(T) -> Value<'a>, problem: &str) -> Evaluated<'a> {
    match result {
        Some(result) => Ok(make(result)),
        None => failed(problem),
    }
}

pub(crate) fn not<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => no_overload(),
    }
}

pub(crate) fn negate<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Int(value)] => checked(value.checked_neg(), Value::Int, INT),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        [Value::Duration(value)] => checked(value.checked_neg(), Value::Duration, DURATION),
        _ => no_overload(),
    }
}

fn moved<'a>(time: Timestamp, nanoseconds: Option<i64>) -> Evaluated<'a> {
    checked(nanoseconds.and_then(|nanoseconds| time.plus(nanoseconds)), Value::Timestamp, TIMESTAMP)
}

pub(crate) fn add<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Ok([left, right]) = <[Value<'a>; 2]>::try_from(args) else { return no_overload() };
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => checked(a.checked_add(b), Value::Int, INT),
        (Value::Uint(a), Value::Uint(b)) => checked(a.checked_add(b), Value::Uint, UINT),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => Ok(Value::string(&format!("{}{}", &*a, &*b))),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes([&*a, &*b].concat().into())),
        (Value::List(a), Value::List(b)) => a.concat(&b),
        (Value::Duration(a), Value::Duration(b)) => checked(a.checked_add(b), Value::Duration, DURATION),
        (Value::Timestamp(time), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(time)) => {
            moved(time, Some(by))
        }
        _ => no_overload(),
    }
}

pub(crate) fn subtract<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Int(a), Value::Int(b)] => checked(a.checked_sub(*b), Value::Int, INT),
        [Value::Uint(a), Value::Uint(b)] => checked(a.checked_sub(*b), Value::Uint, UINT),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
        [Value::Duration(a), Value::Duration(b)] => checked(a.checked_sub(*b), Value::Duration, DURATION),
        [Value::Timestamp(time), Value::Duration(by)] => moved(*time, by.checked_neg()),
        [Value::Timestamp(a), Value::Timestamp(b)] => checked(a.since(*b), Value::Duration, DURATION),
        _ => no_overload(),
    }
}

pub(crate) fn multiply<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Int(a), Value::Int(b)] => checked(a.checked_mul(*b), Value::Int, INT),
        [Value::Uint(a), Value::Uint(b)] => checked(a.checked_mul(*b), Value::Uint, UINT),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => no_overload(),
    }
}

pub(crate) fn divide<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => failed("division by zero"),
        [Value::Int(a), Value::Int(b)] => checked(a.checked_div(*b), Value::Int, INT),
        [Value::Uint(a), Value::Uint(b)] => checked(a.checked_div(*b), Value::Uint, UINT),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => no_overload(),
    }
}

pub(crate) fn modulo<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => failed("modulus by zero"),
        [Value::Int(a), Value::Int(b)] => checked(a.checked_rem(*b), Value::Int, INT),
        [Value::Uint(a), Value::Uint(b)] => checked(a.checked_rem(*b), Value::Uint, UINT),
        _ => no_overload(),
    }
}

pub(crate) fn ordered<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [a, b] = args.as_slice() else { return no_overload() };
    let order = compare(a, b)?;
    Ok(Value::Bool(match call.name {
        "_<_" => order.is_lt(),
        "_<=_" => order.is_le(),
        "_>_" => order.is_gt(),
        _ => order.is_ge(),
    }))
}
