//! Values by name: those of the script, those of a row, those saved from answers.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;

/// Values by name. Names that are not here stay as they are written: strategic patches are full of dollars.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: BTreeMap<String, Value>,
    bytes: BTreeMap<String, Vec<u8>>,
    /// Names of values that came from answers.
    saved: Vec<String>,
}

impl Variables {
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub fn save(&mut self, name: &str, value: Value) {
        self.set(name, value);
        if !self.saved.iter().any(|saved| saved == name) {
            self.saved.push(name.to_owned());
        }
    }

    pub fn save_bytes(&mut self, name: &str, value: Vec<u8>) {
        self.bytes.insert(name.to_owned(), value);
    }

    pub fn has(&self, name: &str) -> bool {
        self.bytes.contains_key(name) || self.value(name).is_some_and(|value| !value.is_null())
    }

    /// Texts that came from answers, with the names they were given.
    pub fn saved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.saved.iter().filter_map(|name| Some((name.as_str(), self.values.get(name)?.as_str()?)))
    }

    /// A value or a member of one: `name`, `name.member.member`.
    fn value(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.values.get(parts.next()?)?;
        parts.try_fold(first, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => value.get(part),
        })
    }

    /// The bytes that a body names.
    pub fn bytes(&self, body: &Value) -> Option<&[u8]> {
        self.bytes.get(body.as_str()?.strip_prefix('$')?).map(Vec::as_slice)
    }

    /// A text with the values put in.
    pub fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out += &rest[..at];
            let behind = &rest[at + 1..];
            let (name, length) = name(behind);
            match self.value(name) {
                Some(Value::String(value)) => out += value,
                Some(value) => out += &value.to_string(),
                None => {
                    out.push('$');
                    rest = behind;
                    continue;
                }
            }
            rest = &behind[length..];
        }
        out += rest;
        out
    }

    /// A tree with the values put in; a text that is only a name becomes the value itself.
    pub fn tree(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let whole = text.strip_prefix('$').map(name).filter(|(_, length)| length + 1 == text.len());
                match whole.and_then(|(name, _)| self.value(name)) {
                    Some(value) => value.clone(),
                    None => Value::String(self.text(text)),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.tree(item)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(key, value)| (self.text(key), self.tree(value))).collect())
            }
            other => other.clone(),
        }
    }
}

/// The name behind a dollar, and how many bytes it takes.
fn name(text: &str) -> (&str, usize) {
    if let Some(inner) = text.strip_prefix('{') {
        return inner.find('}').map_or(("", 0), |end| (&inner[..end], end + 2));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (&text[..end], end)
}

/// Sets a member by its JSON pointer, making the maps on the way.
///
/// # Errors
/// A list on the way has no such place.
pub fn set(tree: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let mut at = tree;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if at.is_null() {
            *at = Value::Object(serde_json::Map::new());
        }
        at = match at {
            Value::Object(members) => members.entry(part).or_insert(Value::Null),
            Value::Array(items) => match part.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(item) => item,
                None => bail!("{pointer}: no {part}"),
            },
            _ => bail!("{pointer}: {part} is in no map"),
        };
    }
    *at = value;
    Ok(())
}

/// Removes a member by its JSON pointer, if it is there.
pub fn unset(tree: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = tree.pointer_mut(parent) {
        members.remove(&last.replace("~1", "/").replace("~0", "~"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_put_in() {
        let mut variables = Variables::default();
        variables.set("ns", json!("one"));
        variables.set("o", json!({"a": [1, "x"]}));
        assert_eq!(variables.text("/n/$ns/${o.a.1}/$nope${nope}$"), "/n/one/x/$nope${nope}$");
        assert_eq!(
            variables.tree(&json!({"$patch": "$o", "$ns": "${o.a.0}"})),
            json!({"$patch": {"a": [1, "x"]}, "one": 1})
        );
        let mut tree = json!({});
        set(&mut tree, "/a/b~1c", json!(1)).unwrap();
        assert_eq!(tree, json!({"a": {"b/c": 1}}));
        unset(&mut tree, "/a/b~1c");
        assert_eq!(tree, json!({"a": {}}));
    }
}
