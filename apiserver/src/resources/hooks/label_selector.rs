//! The rules of `metav1.LabelSelector`, and whether one selects labels.
//!
//! Source: apimachinery `pkg/apis/meta/v1/validation`.

use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{entries, items, text};
use crate::resources::names;

pub fn validate(selector: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    crate::object_meta::labels(&selector["matchLabels"], &at.child("matchLabels"), errors);
    let expressions = at.child("matchExpressions");
    for (index, expression) in items(&selector["matchExpressions"]).iter().enumerate() {
        requirement(expression, &expressions.index(index), errors);
    }
}

fn requirement(expression: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let values = items(&expression["values"]);
    match text(&expression["operator"]) {
        "In" | "NotIn" => {
            if values.is_empty() {
                errors.required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                errors.forbidden(
                    &at.child("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
        }
        _ => errors.invalid_str(&at.child("operator"), text(&expression["operator"]), "not a valid selector operator"),
    }
    let key = text(&expression["key"]);
    errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
    let list = at.child("values");
    for (index, value) in values.iter().enumerate() {
        errors.invalid_strs(&list.index(index), text(value), names::label_value(text(value)));
    }
}

/// The selector of a workload: there must be one, and it may not select everything.
pub fn required(selector: &Value, at: &Path<'_>, kind: &str, errors: &mut ErrorList) {
    if selector.is_null() {
        errors.required(at, "");
        return;
    }
    validate(selector, at, errors);
    if is_empty(selector) {
        errors.invalid_structure(at, shown(selector), format!("empty selector is invalid for {kind}"));
    }
}

/// A selector as messages show it: labels first.
pub fn shown(selector: &Value) -> String {
    let parts = ["matchLabels", "matchExpressions"].into_iter().filter(|part| !selector[*part].is_null());
    let parts: Vec<_> = parts.map(|part| (part, &selector[part])).collect();
    if selector.is_null() { "null".to_owned() } else { crate::field::structure(&parts) }
}

/// Whether a selector has no requirement.
pub fn is_empty(selector: &Value) -> bool {
    entries(&selector["matchLabels"]).next().is_none() && items(&selector["matchExpressions"]).is_empty()
}

/// Whether a selector selects labels; an absent one selects nothing. `None` if it is none that could.
pub fn selects(selector: &Value, labels: &Value) -> Option<bool> {
    if selector.is_null() {
        return Some(false);
    }
    let mut problems = ErrorList::default();
    validate(selector, &Path::new("selector"), &mut problems);
    if !problems.is_empty() {
        return None;
    }
    let equal = entries(&selector["matchLabels"]).all(|(key, value)| labels[key] == *value);
    let expressions = items(&selector["matchExpressions"]).iter().all(|expression| {
        let value = &labels[text(&expression["key"])];
        let listed = items(&expression["values"]).contains(value);
        match text(&expression["operator"]) {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => !value.is_null(),
            _ => value.is_null(),
        }
    });
    Some(equal && expressions)
}
