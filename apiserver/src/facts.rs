//! The few facts of an object that selectors and keys need, read from its JSON without building a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use smol_str::SmolStr;

/// A field that a field selector may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectableField {
    /// The name in selectors, for example `spec.nodeName`.
    pub name: Cow<'static, str>,
    /// Where objects have it, mostly the same.
    pub path: Cow<'static, str>,
    /// The value of an object that has no such field.
    pub default: &'static str,
}

impl SelectableField {
    /// A field that selectors call by its path.
    pub const fn new(name: &'static str, default: &'static str) -> Self {
        SelectableField::at(name, name, default)
    }

    /// A field that selectors call otherwise than objects do.
    pub const fn at(name: &'static str, path: &'static str, default: &'static str) -> Self {
        SelectableField { name: Cow::Borrowed(name), path: Cow::Borrowed(path), default }
    }
}

/// What [`read`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub namespace: SmolStr,
    pub name: SmolStr,
    pub uid: SmolStr,
    pub labels: Vec<(SmolStr, SmolStr)>,
    /// One value for each selectable field, in their order.
    pub fields: Vec<SmolStr>,
}

/// Reads an object's facts. `fields` are dotted paths of scalars.
pub fn read(json: &[u8], fields: &[SelectableField]) -> serde_json::Result<Facts> {
    let mut facts = Facts { fields: fields.iter().map(|field| field.default.into()).collect(), ..Facts::default() };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Walk { path: &mut String::new(), facts: &mut facts, wanted: fields }.deserialize(&mut deserializer)?;
    Ok(facts)
}

/// Walks the one object at `path`.
struct Walk<'a> {
    path: &'a mut String,
    facts: &'a mut Facts,
    wanted: &'a [SelectableField],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn scalar(self, value: SmolStr) {
        if let Some(position) = self.wanted.iter().position(|field| field.path == self.path.as_str()) {
            self.facts.fields[position] = value;
        }
    }

    /// Whether anything wanted lies at or below the path.
    fn is_wanted(&self) -> bool {
        let path = self.path.as_str();
        path == "metadata"
            || self
                .wanted
                .iter()
                .any(|field| field.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an API object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let length = self.path.len();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match (self.path.as_str(), &*key) {
                ("metadata", "name") => self.facts.name = map.next_value::<Text>()?.0,
                ("metadata", "namespace") => self.facts.namespace = map.next_value::<Text>()?.0,
                ("metadata", "uid") => self.facts.uid = map.next_value::<Text>()?.0,
                ("metadata", "labels") => self.facts.labels = map.next_value::<Labels>()?.0,
                _ => {
                    if length > 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(&key);
                    let child = Walk { path: self.path, facts: self.facts, wanted: self.wanted };
                    if child.is_wanted() {
                        map.next_value_seed(child)?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                    self.path.truncate(length);
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.scalar(value.into());
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(if value { SmolStr::new_static("true") } else { SmolStr::new_static("false") });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(value.to_string().into());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(value.to_string().into());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.scalar(value.to_string().into());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A string, or nothing where JSON has null.
struct Text(SmolStr);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Text(Option::<Cow<'de, str>>::deserialize(deserializer)?.unwrap_or_default().into()))
    }
}

struct Labels(Vec<(SmolStr, SmolStr)>);

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(4));
                while let Some((key, Text(value))) = map.next_entry::<Cow<'de, str>, Text>()? {
                    pairs.push((SmolStr::from(key), value));
                }
                Ok(Labels(pairs))
            }
            fn visit_unit<E>(self) -> Result<Labels, E> {
                Ok(Labels(Vec::new()))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[SelectableField] = &[
        SelectableField::new("spec.nodeName", ""),
        SelectableField::new("status.phase", "Unknown"),
        SelectableField::new("spec.hostNetwork", "false"),
    ];

    #[test]
    fn facts_are_found_among_other_things() {
        let json = br#"{"kind":"Pod","metadata":{"name":"a","namespace":"b","uid":"u","labels":{"x":"y\""},"annotations":{"name":"no"}},
            "spec":{"containers":[{"nodeName":"no"}],"nodeName":"n1","hostNetwork":true},"status":null}"#;
        let facts = read(json, FIELDS).unwrap();
        assert_eq!((&*facts.name, &*facts.namespace, &*facts.uid), ("a", "b", "u"));
        assert_eq!(facts.labels, [("x".into(), "y\"".into())]);
        assert_eq!(facts.fields, ["n1", "Unknown", "true"]);
        assert!(read(b"[1", FIELDS).is_err());
    }
}
