//! The rules of `metav1.Condition`.
//!
//! Source: apimachinery `pkg/apis/meta/v1/validation`.

use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{int, items, text};
use crate::resources::names;

const MAX_REASON: usize = 1024;
const MAX_MESSAGE: usize = 32 * 1024;

/// The rules of a list of conditions.
pub fn validate(list: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let conditions = items(list);
    for (index, condition) in conditions.iter().enumerate() {
        let at = at.index(index);
        if conditions[..index].iter().any(|other| text(&other["type"]) == text(&condition["type"])) {
            errors.duplicate(&at.child("type"), &text(&condition["type"]).into());
        }
        one(condition, &at, errors);
    }
}

fn one(condition: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let kind = text(&condition["type"]);
    errors.invalid_strs(&at.child("type"), kind, names::qualified_name_problems(kind));
    let status = text(&condition["status"]);
    if !matches!(status, "True" | "False" | "Unknown") {
        errors.not_supported(&at.child("status"), &status.into(), &["False", "True", "Unknown"]);
    }
    if int(&condition["observedGeneration"]) < 0 {
        let detail = "must be greater than or equal to zero";
        errors.invalid(&at.child("observedGeneration"), &condition["observedGeneration"], detail);
    }
    if text(&condition["lastTransitionTime"]).is_empty() {
        errors.required(&at.child("lastTransitionTime"), "");
    }
    let (reason, path) = (text(&condition["reason"]), at.child("reason"));
    if reason.is_empty() {
        errors.required(&path, "");
    } else {
        if !is_reason(reason) {
            errors.invalid_str(&path, reason, "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
        }
        if reason.len() > MAX_REASON {
            errors.too_long(&path, MAX_REASON);
        }
    }
    if text(&condition["message"]).len() > MAX_MESSAGE {
        errors.too_long(&at.child("message"), MAX_MESSAGE);
    }
}

fn is_reason(reason: &str) -> bool {
    reason.starts_with(|c: char| c.is_ascii_alphabetic())
        && !reason.ends_with([',', ':'])
        && reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_,:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_says_what_when_and_why() {
        let mut errors = ErrorList::default();
        let conditions = json!([
            {"type": "Ready", "status": "True", "reason": "A,b", "lastTransitionTime": "2024-01-01T00:00:00Z"},
            {"type": "Ready", "status": "x", "reason": "A,"},
        ]);
        validate(&conditions, &Path::new("c"), &mut errors);
        let fields: Vec<_> = errors.0.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["c[1].type", "c[1].status", "c[1].lastTransitionTime", "c[1].reason"]);
    }
}
