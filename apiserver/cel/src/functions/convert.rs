//! Conversions between types: `int("5")`.

use super::address::{Cidr, Ip};
use super::{failed, object};
use crate::numbers::{double_to_int, double_to_uint, go_double};
use crate::plan::Call;
use crate::time::{self, Timestamp};
use crate::value::{Evaluated, Value};

fn conversion<'a>(from: &Value<'_>, to: &str) -> Evaluated<'a> {
    failed(format!("type conversion error from '{}' to '{to}'", from.type_name()))
}

/// No overload takes a value of that type.
fn unsupported<'a>(call: &Call, value: &Value<'_>) -> Evaluated<'a> {
    failed(format!("no such overload: {}({})", call.name, value.type_name()))
}

fn only<'a>(args: Vec<Value<'a>>) -> Value<'a> {
    args.into_iter().next().unwrap_or(Value::Null)
}

pub(crate) fn dynamic<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    Ok(only(args))
}

pub(crate) fn type_of<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    Ok(Value::Type(only(args).type_name().into()))
}

pub(crate) fn bool<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match only(args) {
        Value::Bool(value) => Ok(Value::Bool(value)),
        Value::String(text) => match &*text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => conversion(&Value::String(text), "bool"),
        },
        other => unsupported(call, &other),
    }
}

pub(crate) fn bytes<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match only(args) {
        Value::Bytes(bytes) => Ok(Value::Bytes(bytes)),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        other => unsupported(call, &other),
    }
}

pub(crate) fn int<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let value = only(args);
    let overflow = || failed("integer overflow");
    match &value {
        Value::Int(_) => Ok(value),
        Value::Uint(number) => i64::try_from(*number).map_or_else(|_| overflow(), |number| Ok(Value::Int(number))),
        Value::Double(number) => double_to_int(*number).map_or_else(overflow, |number| Ok(Value::Int(number))),
        Value::String(text) => match text.parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => conversion(&value, "int"),
        },
        Value::Timestamp(time) => Ok(Value::Int(time.seconds)),
        Value::Duration(nanoseconds) => Ok(Value::Int(*nanoseconds)),
        _ => unsupported(call, &value),
    }
}

pub(crate) fn uint<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let value = only(args);
    let overflow = || failed("unsigned integer overflow");
    match &value {
        Value::Uint(_) => Ok(value),
        Value::Int(number) => u64::try_from(*number).map_or_else(|_| overflow(), |number| Ok(Value::Uint(number))),
        Value::Double(number) => double_to_uint(*number).map_or_else(overflow, |number| Ok(Value::Uint(number))),
        Value::String(text) => match text.parse() {
            Ok(number) if !text.starts_with('+') => Ok(Value::Uint(number)),
            _ => conversion(&value, "uint"),
        },
        _ => unsupported(call, &value),
    }
}

#[expect(clippy::cast_precision_loss, reason = "what the conversion is")]
pub(crate) fn double<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let value = only(args);
    match &value {
        Value::Double(_) => Ok(value),
        Value::Int(number) => Ok(Value::Double(*number as f64)),
        Value::Uint(number) => Ok(Value::Double(*number as f64)),
        Value::String(text) => match text.parse::<f64>() {
            Ok(number) => Ok(Value::Double(number)),
            Err(_) => conversion(&value, "double"),
        },
        _ => unsupported(call, &value),
    }
}

pub(crate) fn string<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let value = only(args);
    Ok(match &value {
        Value::String(_) => value,
        Value::Bool(value) => Value::string(&value.to_string()),
        Value::Int(number) => Value::string(&number.to_string()),
        Value::Uint(number) => Value::string(&number.to_string()),
        Value::Double(number) => Value::string(&go_double(*number)),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::string(text),
            Err(_) => return failed("invalid UTF-8 in bytes, cannot convert to string"),
        },
        Value::Duration(nanoseconds) => Value::string(&time::duration_text(*nanoseconds)),
        Value::Timestamp(time) => Value::string(&time.to_string()),
        Value::Object(_) => match (object::<Ip>(&value), object::<Cidr>(&value)) {
            (Some(ip), _) => Value::string(&ip.to_string()),
            (_, Some(cidr)) => Value::string(&cidr.to_string()),
            _ => return unsupported(call, &value),
        },
        _ => return unsupported(call, &value),
    })
}

pub(crate) fn duration<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let value = only(args);
    match &value {
        Value::Duration(_) => Ok(value),
        Value::String(text) => match time::parse_duration(text) {
            Some(duration) => Ok(Value::Duration(duration)),
            None => conversion(&value, "google.protobuf.Duration"),
        },
        _ => unsupported(call, &value),
    }
}

pub(crate) fn timestamp<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let value = only(args);
    match &value {
        Value::Timestamp(_) => Ok(value),
        Value::Int(seconds) => match Timestamp::new(*seconds, 0) {
            Some(time) => Ok(Value::Timestamp(time)),
            None => failed("timestamp overflow"),
        },
        Value::String(text) => match time::parse_timestamp(text) {
            Ok(time) => Ok(Value::Timestamp(time)),
            Err(true) => failed("timestamp overflow"),
            Err(false) => conversion(&value, "google.protobuf.Timestamp"),
        },
        _ => unsupported(call, &value),
    }
}
