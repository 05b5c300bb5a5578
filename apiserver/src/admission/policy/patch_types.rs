//! The messages that expressions of mutations make, `Object{...}`, `Object.spec{...}` and `JSONPatch{...}`: whether
//! each stands where its name says.

use apiserver_cel::{Map, Value as Cel};

/// Whether every message stands where its type's name says: `Object.spec` in the field `spec` of an `Object`.
///
/// # Errors
/// Where one does not.
pub fn check_names(value: &Cel<'_>, expected: &str) -> Result<(), String> {
    match value {
        Cel::Map(Map::Owned(entries)) => {
            if let Some(name) = &entries.type_name
                && **name != *expected
                && &**name != "JSONPatch"
            {
                return Err(format!(
                    "unexpected type name {name:?}, expected {expected:?}, which matches field name path from root Object type"
                ));
            }
            entries.iter().try_for_each(|(key, value)| match key {
                Cel::String(field) => check_names(value, &format!("{expected}.{}", &**field)),
                _ => Ok(()),
            })
        }
        Cel::List(list) => list.iter().flatten().try_for_each(|item| check_names(&item, expected)),
        Cel::Optional(Some(inner)) => check_names(inner, expected),
        _ => Ok(()),
    }
}

/// As [`check_names`], of a message that stands for part of an object: its own name says which part.
///
/// # Errors
/// Where one does not.
pub fn check_names_within(value: &Cel<'_>) -> Result<(), String> {
    match value {
        Cel::Map(Map::Owned(entries)) => match &entries.type_name {
            Some(name) => check_names(value, name),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
