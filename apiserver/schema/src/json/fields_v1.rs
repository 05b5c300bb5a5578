//! `metav1.FieldsV1`, the paths of owned fields, in the order in which upstream writes them: keys and values of list
//! elements by what they are, not by their text (port 80 before port 443).
//!
//! Source: structured-merge-diff `fieldpath/element.go` and `value/value.go`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::encode::encode_untyped;
use super::write;

/// Writes a set of paths.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    let Value::Object(members) = value else { return encode_untyped(value, out) };
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    // By text the names of fields are in order already.
    if sorted.iter().any(|(name, _)| !name.starts_with("f:") && *name != ".") {
        sorted.sort_by(|(one, _), (other, _)| order(one, other));
    }
    out.push(b'{');
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write::string(name, out);
        out.push(b':');
        encode(value, out);
    }
    out.push(b'}');
}

/// The order of two path elements.
fn order(one: &str, other: &str) -> Ordering {
    let rank = |element: &str| ["f:", "k:", "v:", "i:"].iter().position(|kind| element.starts_with(kind));
    let parsed = |element: &str| serde_json::from_str::<Value>(element.get(2..).unwrap_or_default());
    let by_rank = rank(one).cmp(&rank(other));
    if by_rank != Ordering::Equal || one.starts_with("f:") {
        return by_rank.then_with(|| one.cmp(other));
    }
    match (parsed(one), parsed(other)) {
        (Ok(one), Ok(other)) => order_of_values(&one, &other),
        _ => one.cmp(other),
    }
}

fn order_of_values(one: &Value, other: &Value) -> Ordering {
    let kind = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default()),
        },
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Array(one), Value::Array(other)) => {
            let differing = one.iter().zip(other).map(|(one, other)| order_of_values(one, other));
            differing.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => order_of_maps(one, other),
        _ => kind(one).cmp(&kind(other)),
    }
}

fn order_of_maps(one: &Map<String, Value>, other: &Map<String, Value>) -> Ordering {
    let members = one.iter().zip(other);
    let mut differing =
        members.map(|((one, value), (other, against))| one.cmp(other).then_with(|| order_of_values(value, against)));
    differing.find(|order| order.is_ne()).unwrap_or_else(|| one.len().cmp(&other.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_in_the_order_of_their_values() {
        let text = r#"{".":{},"f:a":{},"f:b":{"v:\"x y\"":{},"v:\"x\"":{}},"k:{\"port\":443,\"protocol\":\"TCP\"}":{},"k:{\"port\":80,\"protocol\":\"UDP\"}":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{},"v:10":{},"v:9":{},"i:10":{},"i:9":{}}"#;
        let mut out = Vec::new();
        encode(&serde_json::from_str(text).unwrap(), &mut out);
        let wanted = r#"{".":{},"f:a":{},"f:b":{"v:\"x\"":{},"v:\"x y\"":{}},"k:{\"port\":80,\"protocol\":\"TCP\"}":{},"k:{\"port\":80,\"protocol\":\"UDP\"}":{},"k:{\"port\":443,\"protocol\":\"TCP\"}":{},"v:9":{},"v:10":{},"i:9":{},"i:10":{}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
