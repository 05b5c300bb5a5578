//! An apply configuration that nobody comes to own: checked for what it may not touch, and merged.

use apiserver_schema::Type;
use serde_json::{Map, Value};

use super::place::{Atom, Place, Scalar};
use super::{merge, validate};

/// Merges a configuration over an object, both of type `ty`. Nothing is removed, the configuration wins.
///
/// # Errors
/// The configuration does not fit its type, or has lists, maps or structs that are only ever replaced whole.
pub fn merge_configuration(ty: &Type, object: &Value, configuration: &Value) -> Result<Value, String> {
    let place = Place::Type(ty);
    let unfit = |cause: String| format!("failed to convert patch object to typed object: {cause}");
    let mut configuration = configuration.clone();
    number_nulls(place, &mut configuration, &mut String::new()).map_err(unfit)?;
    let configuration = &configuration;
    validate(place, configuration, false).map_err(unfit)?;
    let mut found = Vec::new();
    find(place, configuration, &mut String::new(), &mut found);
    if !found.is_empty() {
        let paths = found.join(", ");
        return Err(format!("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {paths}"));
    }
    Ok(merge(place, object, configuration).unwrap_or_else(|| Value::Object(Map::new())))
}

/// Expressions' nulls are numbers to upstream, so that they fit nowhere: not even among numbers, of another type.
fn number_nulls(place: Place<'_>, value: &mut Value, path: &mut String) -> Result<(), String> {
    let before = path.len();
    match (place.atom(Some(&*value)).0, value) {
        (Atom::Scalar(Scalar::Numeric), Value::Null) => {
            return Err(format!("{path}: expected numeric (int or float), got structpb.NullValue"));
        }
        (_, slot) if slot.is_null() => *slot = 0.into(),
        (Atom::Map(members), Value::Object(map)) => {
            for (name, value) in map {
                path.push('.');
                path.push_str(name);
                number_nulls(members.place(name), value, path)?;
                path.truncate(before);
            }
        }
        (Atom::List(list), Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("[{index}]"));
                number_nulls(list.element, item, path)?;
                path.truncate(before);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The paths of what is only ever replaced whole.
fn find(place: Place<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let before = path.len();
    match (place.atom(Some(value)).0, value) {
        (Atom::Map(members), Value::Object(map)) => {
            if members.atomic {
                found.push(path.clone());
            }
            for (name, value) in map {
                if let Some(member) = members.declared(name) {
                    path.push('.');
                    path.push_str(name);
                    find(member, value, path, found);
                    path.truncate(before);
                }
            }
        }
        (Atom::List(list), Value::Array(items)) => {
            if list.is_atomic() {
                found.push(path.clone());
            }
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                find(list.element, item, path, found);
                path.truncate(before);
            }
        }
        _ => {}
    }
}
