//! One step of a path to a field, in the order and form of structured-merge-diff.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;
use smol_str::SmolStr;

/// One step of a path: a member of an object or an element of a list.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// A member of a struct or map: `f:name`.
    Field(SmolStr),
    /// The element of an associative list with these key fields, sorted by name: `k:{"name":"x"}`.
    Key(Box<[(SmolStr, Value)]>),
    /// The element of a set with this value: `v:"x"`.
    Value(Box<Value>),
    /// The element at this place: `i:0`.
    Index(i64),
}

/// A serialised path element that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementError {
    /// A type of element that a later version may know; readers skip it.
    Unknown,
    Malformed(String),
}

impl PathElement {
    /// A member of a struct or map.
    pub fn field(name: &str) -> PathElement {
        PathElement::Field(SmolStr::new(name))
    }

    /// An element of an associative list; the fields may come in any order.
    pub fn key(mut fields: Vec<(SmolStr, Value)>) -> PathElement {
        fields.sort_by(|left, right| left.0.cmp(&right.0));
        PathElement::Key(fields.into_boxed_slice())
    }

    /// Reads the form that stands in `fieldsV1`.
    pub fn parse(text: &str) -> Result<PathElement, ElementError> {
        let malformed = |cause: String| ElementError::Malformed(cause);
        if text.len() < 2 {
            return Err(malformed("key must be 2 characters long:".to_owned()));
        }
        if text.as_bytes()[1] != b':' {
            return Err(malformed(format!("missing colon: {text}")));
        }
        // The first two bytes are ASCII only when the first is; a multi-byte first character is an unknown type.
        let Some((kind, rest)) = text.split_at_checked(2) else { return Err(ElementError::Unknown) };
        match kind {
            "f:" => Ok(PathElement::field(rest)),
            "v:" => serde_json::from_str(rest)
                .map(|value| PathElement::Value(Box::new(value)))
                .map_err(|error| malformed(error.to_string())),
            "k:" => {
                let fields: serde_json::Map<String, Value> =
                    serde_json::from_str(rest).map_err(|error| malformed(error.to_string()))?;
                Ok(PathElement::Key(fields.into_iter().map(|(name, value)| (SmolStr::from(name), value)).collect()))
            }
            "i:" => rest
                .parse()
                .map(PathElement::Index)
                .map_err(|_| malformed(format!("strconv.Atoi: parsing {rest:?}: invalid syntax"))),
            _ => Err(ElementError::Unknown),
        }
    }

    /// Writes the form that stands in `fieldsV1`.
    pub fn serialize(&self) -> String {
        match self {
            PathElement::Field(name) => {
                let mut out = String::with_capacity(name.len() + 2);
                out.push_str("f:");
                out.push_str(name);
                out
            }
            PathElement::Key(fields) => {
                let mut out = String::from("k:{");
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_json(&mut out, &Value::String(name.to_string()));
                    out.push(':');
                    push_json(&mut out, value);
                }
                out.push('}');
                out
            }
            PathElement::Value(value) => {
                let mut out = String::from("v:");
                push_json(&mut out, value);
                out
            }
            PathElement::Index(index) => format!("i:{index}"),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            PathElement::Field(_) => 0,
            PathElement::Key(_) => 1,
            PathElement::Value(_) => 2,
            PathElement::Index(_) => 3,
        }
    }
}

/// JSON as Go writes it: `<`, `>`, `&` and the two line separators escaped.
fn push_json(out: &mut String, value: &Value) {
    for character in value.to_string().chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &PathElement) -> Ordering {
        match (self, other) {
            (PathElement::Field(left), PathElement::Field(right)) => left.cmp(right),
            (PathElement::Key(left), PathElement::Key(right)) => {
                for ((left_name, left_value), (right_name, right_value)) in left.iter().zip(right.iter()) {
                    let order = left_name.cmp(right_name).then_with(|| compare_values(left_value, right_value));
                    if order.is_ne() {
                        return order;
                    }
                }
                left.len().cmp(&right.len())
            }
            (PathElement::Value(left), PathElement::Value(right)) => compare_values(left, right),
            (PathElement::Index(left), PathElement::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &PathElement) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &PathElement) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PathElement {}

impl fmt::Display for PathElement {
    /// The form of messages: `.spec`, `[name="x"]`, `[="x"]`, `[0]`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(out, ".{name}"),
            PathElement::Key(fields) => {
                out.write_str("[")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(out, "{comma}{name}={value}")?;
                }
                out.write_str("]")
            }
            PathElement::Value(value) => write!(out, "[={value}]"),
            PathElement::Index(index) => write!(out, "[{index}]"),
        }
    }
}

/// The total order over JSON values: numbers (compared by value), strings, booleans, lists, maps, null.
pub fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default()),
        },
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => left
            .iter()
            .zip(right)
            .map(|(left, right)| compare_values(left, right))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| left.len().cmp(&right.len())),
        (Value::Object(left), Value::Object(right)) => left
            .iter()
            .zip(right)
            .map(|(left, right)| left.0.cmp(right.0).then_with(|| compare_values(left.1, right.1)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| left.len().cmp(&right.len())),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Whether two values are the same; numbers by value, so that `1` and `1.0` are.
pub fn same_value(left: &Value, right: &Value) -> bool {
    left == right || (has_float(left) || has_float(right)) && compare_values(left, right).is_eq()
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(map) => map.values().any(has_float),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_and_writes() {
        for text in [
            "f:spec",
            "f:",
            "f:a.b/c:d",
            r#"k:{"containerPort":80,"protocol":"TCP"}"#,
            r#"k:{"name":"a\u003cb"}"#,
            r#"v:"x""#,
            "v:1",
            "v:1.5",
            "v:true",
            "v:null",
            "i:12",
            "i:-1",
        ] {
            assert_eq!(PathElement::parse(text).map(|element| element.serialize()), Ok(text.to_owned()));
        }
        assert_eq!(
            PathElement::parse(r#"k:{"b":1,"a":2}"#).map(|element| element.serialize()),
            Ok(r#"k:{"a":2,"b":1}"#.to_owned())
        );
    }

    #[test]
    fn refuses() {
        for text in ["", "f", "fx", "k:[]", "k:{", "v:", "i:x", "i:"] {
            assert!(matches!(PathElement::parse(text), Err(ElementError::Malformed(_))), "{text}");
        }
        for text in ["x:y", "?:"] {
            assert_eq!(PathElement::parse(text), Err(ElementError::Unknown), "{text}");
        }
    }

    #[test]
    fn order_is_by_type_then_value() {
        let sorted = [
            "f:a",
            "f:b",
            r#"k:{"a":80}"#,
            r#"k:{"a":443}"#,
            r#"k:{"a":443,"b":1}"#,
            r#"k:{"b":1}"#,
            "v:1",
            "v:1.5",
            "v:10",
            r#"v:"1""#,
            "v:false",
            "v:true",
            "v:[1]",
            "v:{}",
            "v:null",
            "i:-1",
            "i:2",
            "i:10",
        ]
        .map(|text| PathElement::parse(text).expect(text));
        for pair in sorted.windows(2) {
            assert!(pair[0] < pair[1], "{:?}", pair);
        }
        assert!(same_value(&json!({"a": [1]}), &json!({"a": [1.0]})));
        assert!(!same_value(&json!(1), &json!("1")));
    }

    #[test]
    fn messages_name_paths() {
        let path: String = ["f:spec", r#"k:{"containerPort":80,"name":"x"}"#, r#"v:"y""#, "i:3"]
            .map(|text| PathElement::parse(text).expect(text).to_string())
            .concat();
        assert_eq!(path, r#".spec[containerPort=80,name="x"][="y"][3]"#);
    }
}
