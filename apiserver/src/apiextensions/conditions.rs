//! The conditions of a CustomResourceDefinition.

use serde_json::{Value, json};

use crate::object::{self, items, text};

/// The condition of this type.
pub fn find<'a>(crd: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&crd["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

pub fn is_true(crd: &Value, kind: &str) -> bool {
    find(crd, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Sets a condition; its time changes with its status only.
pub fn set(crd: &mut Value, kind: &str, status: &str, reason: &str, message: &str) {
    let list = object::entry(crd, &["status", "conditions"]);
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return };
    let found = list.iter_mut().find(|condition| condition["type"] == kind);
    let fresh = json!({
        "type": kind, "status": status, "lastTransitionTime": object::now(), "reason": reason, "message": message,
    });
    match found {
        None => list.push(fresh),
        Some(condition) => {
            if condition["status"] != status || text(&condition["lastTransitionTime"]).is_empty() {
                condition["lastTransitionTime"] = fresh["lastTransitionTime"].clone();
            }
            for field in ["status", "reason", "message"] {
                condition[field] = fresh[field].clone();
            }
        }
    }
}

/// Removes a condition.
pub fn remove(crd: &mut Value, kind: &str) {
    if let Some(list) = crd["status"]["conditions"].as_array_mut() {
        list.retain(|condition| condition["type"] != kind);
    }
}

/// Whether a condition says this already.
pub fn says(crd: &Value, kind: &str, status: &str, reason: &str, message: &str) -> bool {
    find(crd, kind).is_some_and(|condition| {
        condition["status"] == status && condition["reason"] == reason && condition["message"] == message
    })
}

/// Marks a definition as being deleted, held until its objects are gone.
pub fn begin_deletion(crd: &mut Value) {
    object::set_meta(crd, "deletionTimestamp", Some(object::now()));
    let mut finalizers: Vec<Value> = object::finalizers(crd).into_iter().map(Value::from).collect();
    if !object::finalizers(crd).contains(&super::CLEANUP) {
        finalizers.push(super::CLEANUP.into());
    }
    object::set_meta(crd, "finalizers", Some(finalizers.into()));
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set(crd, "Terminating", "True", "InstanceDeletionPending", message);
}
