//! When two values are equal, and which of two comes first.

use std::cmp::Ordering;

use crate::decl_type::{ListType, Shape};
use crate::types::Name;
use crate::value::{EvalError, List, Map, Value};

/// `==`. An error where upstream's values refuse to be compared.
///
/// # Errors
/// Values with a schema do not compare with values of another kind.
pub(crate) fn equal(a: &Value<'_>, b: &Value<'_>) -> Result<bool, EvalError> {
    Ok(match (a, b) {
        (Value::Null, _) | (_, Value::Null) => matches!((a, b), (Value::Null, Value::Null)),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => **a == **b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::List(a), Value::List(b)) => return lists(a, b),
        (Value::Map(a), Value::Map(b)) => return maps(a, b),
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => return equal(a, b),
            _ => false,
        },
        (Value::Object(a), Value::Object(b)) if a.type_name() == b.type_name() => a.equals(&**b),
        (Value::Object(_), _) => return Err(EvalError::no_overload()),
        (Value::Preserved(a), Value::Preserved(b)) => a == b,
        (Value::List(a), _) if a.is_typed() => return Err(EvalError::no_overload()),
        (Value::Map(Map::Json(_, decl)), _) if !matches!(decl.shape, Shape::Dyn) => {
            return Err(EvalError::no_overload());
        }
        _ => numbers(a, b) == Some(Ordering::Equal),
    })
}

/// Equality where refusing counts as different.
pub(crate) fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    equal(a, b) == Ok(true)
}

/// Whether two items of a list of type map have the same keys.
pub(crate) fn same_keys(a: &Value<'_>, b: &Value<'_>, keys: &[Name]) -> bool {
    let (Value::Map(a), Value::Map(b)) = (a, b) else { return false };
    keys.iter().all(|key| {
        // Keys are names of properties, escaped where they are asked for.
        let Some(key) = crate::escaping::escape(key) else { return false };
        let key = Value::string(&key);
        match (a.find(&key), b.find(&key)) {
            (Ok(Some(a)), Ok(Some(b))) => same(&a, &b),
            (Ok(None), Ok(None)) => true,
            _ => false,
        }
    })
}

fn lists(a: &List<'_>, b: &List<'_>) -> Result<bool, EvalError> {
    if a.len() != b.len() {
        return Ok(false);
    }
    match a.kind() {
        ListType::Atomic => {
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(&a?, &b?)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        ListType::Set => {
            let known = a.iter().collect::<Result<Vec<_>, _>>()?;
            for item in b.iter() {
                let item = item?;
                if !known.iter().any(|known| same(known, &item)) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        ListType::Map(keys) => {
            let known = a.iter().collect::<Result<Vec<_>, _>>()?;
            for item in b.iter() {
                let item = item?;
                let Some(known) = known.iter().find(|known| same_keys(known, &item, keys)) else { return Ok(false) };
                if !equal(known, &item)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

fn maps(a: &Map<'_>, b: &Map<'_>) -> Result<bool, EvalError> {
    if let (Map::Owned(x), Map::Owned(y)) = (a, b)
        && x.type_name != y.type_name
    {
        return Ok(false);
    }
    if a.len() != b.len() {
        return Ok(false);
    }
    let keys = a.keys();
    for key in &keys {
        let mine = a.find(key)?;
        let theirs = b.find(key)?;
        match (mine, theirs) {
            (Some(mine), Some(theirs)) => {
                if !equal(&mine, &theirs)? {
                    return Ok(false);
                }
            }
            (None, None) => {}
            _ => return Ok(false),
        }
    }
    // Fields that the schema does not know are compared as they are.
    if let (Map::Json(x, decl), Map::Json(y, _)) = (a, b)
        && let Shape::Object(properties) = &decl.shape
    {
        let unknown = x.iter().filter(|(name, _)| !properties.contains_key(name.as_str()));
        for (name, value) in unknown {
            if y.get(name).is_some_and(|other| other != value) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The order of two numbers of whatever types. None for what is no number, and for NaN.
pub(crate) fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), other) => whole(other).and_then(|b| double_and_whole(*a, b)),
        (other, Value::Double(b)) => whole(other).and_then(|a| double_and_whole(*b, a)).map(Ordering::reverse),
        _ => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "upstream compares as doubles")]
fn double_and_whole(a: f64, b: i128) -> Option<Ordering> {
    if a.is_nan() {
        return None;
    }
    if a >= 18_446_744_073_709_551_616.0 {
        return Some(Ordering::Greater);
    }
    if a < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    a.partial_cmp(&(b as f64))
}

/// `<` and its like.
///
/// # Errors
/// Values that have no order, or not with each other.
pub(crate) fn compare(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, EvalError> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(a.cmp(b)),
        (Value::Double(a), _) if a.is_nan() => Err(EvalError::new("NaN values cannot be ordered")),
        (_, Value::Double(b)) if b.is_nan() && whole(a).is_some() | matches!(a, Value::Double(_)) => {
            Err(EvalError::new("NaN values cannot be ordered"))
        }
        _ => numbers(a, b).ok_or_else(EvalError::no_overload),
    }
}
