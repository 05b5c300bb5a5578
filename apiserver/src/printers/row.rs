//! What a row of a table is made of: of an object's JSON the parts that cells show, and its metadata as it stands.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An object of a table.
pub struct Row<'a> {
    /// The object, or what the printer reads of it.
    pub object: Cow<'a, Value>,
    /// Its metadata as it is sent, where the object lacks a part of it.
    pub metadata: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub fn whole(object: &'a Value) -> Row<'a> {
        Row { object: Cow::Borrowed(object), metadata: None }
    }

    /// The parts of an object that these paths lead to, dotted and through lists; without paths, all of it but its
    /// managed fields.
    pub fn read(json: &'a [u8], paths: &[&str]) -> serde_json::Result<Row<'a>> {
        let mut metadata = None;
        let mut read = serde_json::Deserializer::from_slice(json);
        let object = Object { paths, metadata: &mut metadata }.deserialize(&mut read)?;
        Ok(Row { object: Cow::Owned(object), metadata })
    }
}

/// What is read of a value.
#[derive(Clone)]
enum Want<'p> {
    All,
    AllBut(&'static str),
    /// Never empty.
    Only(Vec<&'p str>),
}

impl<'p> Want<'p> {
    /// What is read of a member; none where it is passed over.
    fn of(&self, name: &str) -> Option<Want<'p>> {
        match self {
            Want::All => Some(Want::All),
            Want::AllBut(other) => (*other != name).then_some(Want::All),
            Want::Only(paths) => {
                let mut inner = Vec::new();
                for path in paths {
                    match path.strip_prefix(name) {
                        Some("") => return Some(Want::All),
                        Some(rest) => inner.extend(rest.strip_prefix('.')),
                        None => {}
                    }
                }
                (!inner.is_empty()).then_some(Want::Only(inner))
            }
        }
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The outermost object, whose metadata is kept as it stands too.
struct Object<'p, 'm, 'de> {
    paths: &'p [&'p str],
    metadata: &'m mut Option<&'de str>,
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_, 'de> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_, 'de> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let want = if self.paths.is_empty() { Want::All } else { Want::Only(self.paths.to_vec()) };
        let mut map = Map::new();
        while let Some(Name(name)) = members.next_key()? {
            let Some(mut inner) = want.of(&name) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = if name == "metadata" {
                let raw: &'de RawValue = members.next_value()?;
                *self.metadata = Some(raw.get());
                if let Want::All = inner {
                    inner = Want::AllBut("managedFields");
                }
                let mut read = serde_json::Deserializer::from_str(raw.get());
                Part(inner).deserialize(&mut read).map_err(serde::de::Error::custom)?
            } else {
                members.next_value_seed(Part(inner))?
            };
            map.insert(name.into_owned(), value);
        }
        Ok(Value::Object(map))
    }
}

/// A part of an object.
struct Part<'p>(Want<'p>);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        match self.0 {
            Want::All => Value::deserialize(from),
            _ => from.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(Name(name)) = members.next_key()? {
            match self.0.of(&name) {
                Some(inner) => drop(map.insert(name.into_owned(), members.next_value_seed(Part(inner))?)),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Part(self.0.clone()))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_parts_and_through_lists() {
        let object = json!({
            "kind": "Pod",
            "metadata": {"name": "a", "managedFields": [{"manager": "m"}], "labels": {"b": "c"}},
            "spec": {"nodeName": "n", "containers": [{"name": "x", "image": "i"}, {"name": "y\n"}], "other": [1]},
            "status": {"phase": "Running"},
        });
        let text = object.to_string();
        let paths = ["metadata.name", "spec.nodeName.none", "spec.containers.name", "status"];
        let row = Row::read(text.as_bytes(), &paths).unwrap();
        let wanted = json!({
            "metadata": {"name": "a"},
            "spec": {"nodeName": "n", "containers": [{"name": "x"}, {"name": "y\n"}]},
            "status": {"phase": "Running"},
        });
        assert_eq!(*row.object, wanted);
        assert_eq!(serde_json::from_str::<Value>(row.metadata.unwrap()).unwrap(), object["metadata"]);
        let mut all = object.clone();
        all["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(*Row::read(text.as_bytes(), &[]).unwrap().object, all);
    }
}
