//! Lists of tolerations: which one includes which, and both together.
//!
//! Source: `pkg/util/tolerations`.

use serde_json::Value;

use crate::object::{same, text};

/// Both lists, without those that another one includes.
pub fn merge(first: &[Value], second: &[Value]) -> Vec<Value> {
    let all: Vec<&Value> = first.iter().chain(second).collect();
    let mut merged: Vec<Value> = Vec::new();
    for (position, toleration) in all.iter().enumerate() {
        let included = merged.iter().any(|other| includes(other, toleration))
            || all[position + 1..].iter().any(|other| !same(toleration, other) && includes(other, toleration));
        if !included {
            merged.push((*toleration).clone());
        }
    }
    merged
}

/// Whether each toleration is included by one that is allowed.
pub fn are_allowed(tolerations: &[Value], allowed: &[Value]) -> bool {
    allowed.is_empty()
        || tolerations.iter().all(|toleration| allowed.iter().any(|allowed| includes(allowed, toleration)))
}

/// Whether a toleration tolerates all that another one does.
fn includes(larger: &Value, smaller: &Value) -> bool {
    if same(larger, smaller) {
        return true;
    }
    let (key, operator, effect) = (text(&larger["key"]), text(&larger["operator"]), text(&larger["effect"]));
    if text(&smaller["key"]) != key && (!key.is_empty() || operator != "Exists") {
        return false;
    }
    if text(&smaller["effect"]) != effect && !effect.is_empty() {
        return false;
    }
    if effect == "NoExecute"
        && let Some(seconds) = larger["tolerationSeconds"].as_i64()
        && smaller["tolerationSeconds"].as_i64().is_none_or(|smaller| smaller > seconds)
    {
        return false;
    }
    match operator {
        "" | "Equal" => smaller["operator"] == "Equal" && text(&smaller["value"]) == text(&larger["value"]),
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_another_one_includes_is_left_out() {
        let all = json!({"operator": "Exists"});
        let one = json!({"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"});
        let other = json!({"key": "c", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5});
        let slice = std::slice::from_ref;
        assert_eq!(merge(slice(&one), slice(&other)), [one.clone(), other.clone()]);
        assert_eq!(merge(&[one.clone(), one.clone()], slice(&all)), *slice(&all));
        assert!(are_allowed(&[one.clone(), other], &[all]));
        assert!(!are_allowed(&[json!({"key": "c", "operator": "Exists"})], &[one]));
    }
}
