//! The conditions in an object's status.

use serde_json::{Value, json};

use crate::object::{self, items, text};

/// The condition of this type.
pub fn find<'a>(of: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&of["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

pub fn is_true(of: &Value, kind: &str) -> bool {
    find(of, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Sets a condition; its time changes with its status only. Gives it, for members of its kind's own.
pub fn set<'a>(of: &'a mut Value, kind: &str, status: &str, reason: &str, message: &str) -> &'a mut Value {
    let list = object::entry(of, &["status", "conditions"]);
    if !list.is_array() {
        *list = json!([]);
    }
    let at = items(list).iter().position(|condition| condition["type"] == kind).unwrap_or_else(|| {
        let length = items(list).len();
        if let Some(list) = list.as_array_mut() {
            list.push(json!({"type": kind}));
        }
        length
    });
    let condition = &mut list[at];
    if condition["status"] != status || text(&condition["lastTransitionTime"]).is_empty() {
        condition["lastTransitionTime"] = object::now();
    }
    for (field, value) in [("status", status), ("reason", reason), ("message", message)] {
        condition[field] = value.into();
    }
    condition
}

/// Removes a condition.
pub fn remove(of: &mut Value, kind: &str) {
    if let Some(list) = of["status"]["conditions"].as_array_mut() {
        list.retain(|condition| condition["type"] != kind);
    }
}

/// Whether a condition says this already.
pub fn says(of: &Value, kind: &str, status: &str, reason: &str, message: &str) -> bool {
    find(of, kind).is_some_and(|condition| {
        condition["status"] == status && condition["reason"] == reason && condition["message"] == message
    })
}
