//! What cells are made of: readers of objects that take what is missing as Go's zero value, and the texts that
//! several kinds share.

use apiserver_schema::quantity;
use jiff::Timestamp;
use serde_json::Value;

use super::age;

/// A row's cells from anything that is a JSON value.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(serde_json::Value::from($cell)),*] };
}
pub(super) use cells;

/// A string, empty where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A string, or another text in place of an empty one.
pub fn text_or<'a>(value: &'a Value, other: &'a str) -> &'a str {
    match text(value) {
        "" => other,
        text => text,
    }
}

pub fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub fn boolean(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How many members a list or a map has.
pub fn count(value: &Value) -> i64 {
    let count = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// The time since an object's creation.
pub fn age(object: &Value, now: Timestamp) -> String {
    age::since(&object["metadata"]["creationTimestamp"], now)
}

pub fn is_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The first condition of a type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

/// Whether the first condition of a type is true.
pub fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Strings joined by commas.
pub fn joined(value: &Value) -> String {
    list(value).iter().map(text).collect::<Vec<_>>().join(",")
}

/// A quantity in its canonical form.
pub fn amount(value: &Value) -> String {
    quantity::canonical(text_or(value, "0")).unwrap_or_else(|_| text(value).to_owned())
}

/// Names and images of the containers of a pod's spec.
pub fn containers(spec: &Value) -> [String; 2] {
    ["name", "image"].map(|field| {
        list(&spec["containers"]).iter().map(|container| text(&container[field])).collect::<Vec<_>>().join(",")
    })
}

/// Labels as `a=b,c=d`, or `<none>`.
pub fn labels(labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    let terms: Vec<_> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    if terms.is_empty() { "<none>".to_owned() } else { terms.join(",") }
}

/// A `metav1.LabelSelector` as text, or `<none>`.
pub fn selector_or_none(selector: &Value) -> String {
    match self::selector(selector) {
        terms if terms.is_empty() => "<none>".to_owned(),
        terms => terms,
    }
}

/// A `metav1.LabelSelector` as text, sorted by key.
pub fn selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<_> = labels.map(|(key, value)| (key.as_str(), format!("{key}={}", text(value)))).collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        let mut values: Vec<_> = list(&expression["values"]).iter().map(text).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match text(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key, term));
    }
    terms.sort_by_key(|(key, _)| *key);
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

/// The first three joined by commas, and how many more there are.
pub fn first_three(items: &[String]) -> String {
    const SHOWN: usize = 3;
    if items.len() > SHOWN {
        format!("{} + {} more...", items[..SHOWN].join(","), items.len() - SHOWN)
    } else {
        items.join(",")
    }
}

#[cfg(test)]
pub mod testing {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use crate::printers::Printer;
    use crate::printers::row::Row;

    /// A minute into 2026.
    pub fn now() -> Timestamp {
        "2026-01-01T00:01:00Z".parse().expect("a time")
    }

    /// Asserts the cells of an object that is 60 seconds old and called `x`.
    #[track_caller]
    pub fn shows(printer: &Printer, mut object: Value, cells: Value) {
        object["metadata"]["name"] = json!("x");
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(Value::Array((printer.cells)(&object, now())), cells);
        // What the printer says that it reads is enough.
        let text = object.to_string();
        let row = Row::read(text.as_bytes(), printer.reads).expect("JSON");
        assert_eq!(Value::Array((printer.cells)(&row.object, now())), cells);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn selectors_read_as_upstream_writes_them() {
        let selector = json!({
            "matchLabels": {"b": "1", "d": "2"},
            "matchExpressions": [
                {"key": "c", "operator": "NotIn", "values": ["z", "y"]},
                {"key": "a", "operator": "In", "values": ["q"]},
                {"key": "e", "operator": "Exists"},
                {"key": "f", "operator": "DoesNotExist"},
            ],
        });
        assert_eq!(super::selector(&selector), "a in (q),b=1,c notin (y,z),d=2,e,!f");
        assert_eq!(super::selector_or_none(&json!({})), "<none>");
    }

    #[test]
    fn amounts_are_canonical() {
        assert_eq!(super::amount(&json!("1024Mi")), "1Gi");
        assert_eq!(super::amount(&json!(null)), "0");
    }
}
