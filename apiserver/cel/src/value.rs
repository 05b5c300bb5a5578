//! Values: scalars, and lists and maps that are read from JSON when they are looked at.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use apiserver_schema::json::go_type;
use serde_json::Value as Json;

use crate::decl_type::{DeclType, Format, ListType, Shape};
use crate::escaping::{escape, unescape};
use crate::time::{self, Timestamp};
use crate::types::Name;

/// A value, or the text of an error.
pub type Evaluated<'a> = Result<Value<'a>, EvalError>;

/// Why an evaluation gave no value, as upstream words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    pub message: Name,
    pub kind: ErrorKind,
}

/// What kind of error ended an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The expression has no value for this input. Logical operators may absorb it.
    Failed,
    /// More was asked of it than the limit allows.
    CostLimit,
    /// The caller wanted it to end.
    Interrupted,
}

impl EvalError {
    /// An error of a field that the caller works out.
    #[must_use]
    pub fn failed(message: impl Into<Name>) -> EvalError {
        EvalError::new(message)
    }

    pub(crate) fn new(message: impl Into<Name>) -> EvalError {
        EvalError { message: message.into(), kind: ErrorKind::Failed }
    }

    pub(crate) fn no_overload() -> EvalError {
        EvalError::new("no such overload")
    }
}

/// Text, borrowed from the input where it can be.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Name),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

/// A value of a library's type: a quantity, an address, an authorizer.
pub trait Object: Any + Send + Sync + fmt::Debug {
    /// The type's name.
    fn type_name(&self) -> &'static str;
    /// Equality with a value of the same type.
    fn equals(&self, other: &dyn Object) -> bool;
    /// What the size of the value counts as in costs.
    fn size(&self) -> Option<u64> {
        None
    }
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// A value of an expression; borrows from the input.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    Timestamp(Timestamp),
    List(List<'a>),
    Map(Map<'a>),
    /// A type, by its name.
    Type(Name),
    Optional(Option<Arc<Value<'a>>>),
    Object(Arc<dyn Object>),
    /// Unknown fields that were preserved: compared, never looked into.
    Preserved(&'a Json),
}

#[derive(Clone, Debug)]
enum Items<'a> {
    Json(&'a [Json]),
    Owned(Arc<Vec<Value<'a>>>),
}

/// A list.
#[derive(Clone, Debug)]
pub struct List<'a> {
    items: Items<'a>,
    /// The type of the list, where a schema declares it.
    decl: Option<&'a DeclType>,
}

/// A map, or an object with fields.
#[derive(Clone, Debug)]
pub enum Map<'a> {
    Json(&'a serde_json::Map<String, Json>, &'a DeclType),
    Owned(Arc<Entries<'a>>),
}

/// What an expression or a caller has put together: a map, or a message if it has a type's name.
#[derive(Clone, Debug, Default)]
pub struct Entries<'a> {
    pub type_name: Option<Name>,
    entries: Vec<(Value<'a>, Value<'a>)>,
    index: HashMap<Key, usize>,
}

/// How keys are found: numbers of different types that are the same number are the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Null,
    Bool(bool),
    Number(i128),
    Fraction(u64),
    String(String),
}

impl Key {
    fn of(value: &Value<'_>) -> Option<Key> {
        Some(match value {
            Value::Null => Key::Null,
            Value::Bool(value) => Key::Bool(*value),
            Value::Int(value) => Key::Number(i128::from(*value)),
            Value::Uint(value) => Key::Number(i128::from(*value)),
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers within the range of both")]
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 1.8e19 => Key::Number(*value as i128),
            Value::Double(value) => Key::Fraction(value.to_bits()),
            Value::String(text) => Key::String((**text).to_owned()),
            _ => return None,
        })
    }
}

impl<'a> Entries<'a> {
    /// What a key maps to.
    #[must_use]
    pub fn get(&self, key: &Value<'_>) -> Option<&Value<'a>> {
        let index = self.index.get(&Key::of(key)?)?;
        self.entries.get(*index).map(|(_, value)| value)
    }

    /// Sets a key. False if it cannot be one.
    pub fn insert(&mut self, key: Value<'a>, value: Value<'a>) -> bool {
        let Some(found) = Key::of(&key) else { return false };
        match self.index.get(&found) {
            Some(index) => self.entries[*index].1 = value,
            None => {
                self.index.insert(found, self.entries.len());
                self.entries.push((key, value));
            }
        }
        true
    }

    pub(crate) fn remove(&mut self, key: &Value<'a>) {
        let Some(found) = Key::of(key) else { return };
        let Some(index) = self.index.remove(&found) else { return };
        self.entries.remove(index);
        self.index.values_mut().filter(|at| **at > index).for_each(|at| *at -= 1);
    }

    /// All keys and values, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = &(Value<'a>, Value<'a>)> {
        self.entries.iter()
    }
}

impl<'a> Value<'a> {
    /// Text that the caller made.
    #[must_use]
    pub fn string(text: &str) -> Value<'static> {
        Value::String(Text::Shared(text.into()))
    }

    /// A list that the caller made.
    #[must_use]
    pub fn list(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(List { items: Items::Owned(Arc::new(items)), decl: None })
    }

    /// A map that the caller made; keys that cannot be any are left out.
    #[must_use]
    pub fn map(entries: impl IntoIterator<Item = (Value<'a>, Value<'a>)>) -> Value<'a> {
        let mut map = Entries::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        Value::Map(Map::Owned(Arc::new(map)))
    }

    /// `optional.of(value)`.
    #[must_use]
    pub fn some(value: Value<'a>) -> Value<'a> {
        Value::Optional(Some(Arc::new(value)))
    }

    /// JSON without a schema: numbers are ints if they are whole and fit, else doubles.
    #[must_use]
    pub fn dynamic(json: &'a Json) -> Value<'a> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(Text::Borrowed(text)),
            Json::Array(items) => Value::List(List { items: Items::Json(items), decl: None }),
            Json::Object(map) => Value::Map(Map::Json(map, DeclType::dynamic())),
        }
    }

    /// JSON read by a schema.
    ///
    /// # Errors
    /// The value is not what the schema says; upstream's words.
    pub fn typed(json: &'a Json, decl: &'a DeclType) -> Evaluated<'a> {
        let fail = |message: &str| Err(EvalError::new(message));
        let shape = &decl.shape;
        if let Shape::Dyn = shape {
            return Ok(Value::dynamic(json));
        }
        if json.is_null() {
            if decl.nullable {
                return Ok(Value::Null);
            }
            return fail("invalid data, got null for schema with nullable=false");
        }
        match (shape, json) {
            (Shape::IntOrString, Json::String(text)) => Ok(Value::String(Text::Borrowed(text))),
            (Shape::IntOrString, Json::Number(number)) if number.as_i64().is_some() => Ok(Value::dynamic(json)),
            (Shape::IntOrString, _) => {
                fail("invalid data, expected XIntOrString value to be either a string or integer")
            }
            (Shape::Preserved, _) => Ok(Value::Preserved(json)),
            (Shape::Map(_) | Shape::Object(_), Json::Object(map)) => Ok(Value::Map(Map::Json(map, decl))),
            (Shape::Map(_) | Shape::Object(_), _) => {
                fail("invalid data, expected a map for the provided schema with type=object")
            }
            (Shape::List { .. }, Json::Array(items)) => {
                Ok(Value::List(List { items: Items::Json(items), decl: Some(decl) }))
            }
            (Shape::List { .. }, _) => fail("invalid data, expected an array for the provided schema with type=array"),
            (Shape::String(format), Json::String(text)) => formatted(*format, text),
            (Shape::Double, Json::Number(number)) => Ok(Value::Double(number.as_f64().unwrap_or(f64::NAN))),
            (Shape::Int, Json::Number(number)) if number.as_i64().is_some() => Ok(Value::dynamic(json)),
            (Shape::Bool, Json::Bool(value)) => Ok(Value::Bool(*value)),
            (Shape::String(_), other) => fail(&format!("invalid data, expected string, got {}", go_type(other))),
            (Shape::Double, other) => fail(&format!("invalid data, expected float, got {}", go_type(other))),
            (Shape::Int, other) => fail(&format!("invalid data, expected int, got {}", go_type(other))),
            (Shape::Bool, other) => fail(&format!("invalid data, expected bool, got {}", go_type(other))),
            (Shape::Dyn | Shape::Unreadable, _) => fail(
                "invalid type, expected object, array, number, integer, boolean or string, or no type with \
                 x-kubernetes-int-or-string or x-kubernetes-preserve-unknown-fields is true, got ",
            ),
        }
    }

    /// The name of the value's type, as `type()` gives it.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::List(_) => "list",
            Value::Map(Map::Owned(entries)) => entries.type_name.as_deref().unwrap_or("map"),
            Value::Map(Map::Json(..)) => "map",
            Value::Type(_) => "type",
            Value::Optional(_) => "optional_type",
            Value::Object(object) => object.type_name(),
            Value::Preserved(_) => "unknown",
        }
    }

    /// What `size()` would give, where it gives anything; characters, bytes, items or entries.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        Some(match self {
            Value::String(text) => text.chars().count() as u64,
            Value::Bytes(bytes) => bytes.len() as u64,
            Value::List(list) => list.len() as u64,
            Value::Map(map) => map.len() as u64,
            Value::Object(object) => return object.size(),
            _ => return None,
        })
    }

    /// The value as JSON: what a patch or a field takes.
    ///
    /// # Errors
    /// Values that JSON has no form for.
    pub fn to_json(&self) -> Result<Json, EvalError> {
        Ok(match self {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Uint(value) => Json::from(*value),
            Value::Double(value) => serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::String(text) => Json::String((**text).to_owned()),
            Value::Bytes(bytes) => {
                use base64::Engine;
                Json::String(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            Value::Duration(nanoseconds) => Json::String(time::duration_text(*nanoseconds)),
            Value::Timestamp(time) => Json::String(time.to_string()),
            Value::List(List { items: Items::Json(items), .. }) => Json::Array(items.to_vec()),
            Value::List(list) => {
                Json::Array(list.iter().map(|item| item?.to_json()).collect::<Result<_, EvalError>>()?)
            }
            Value::Map(Map::Json(map, _)) => Json::Object((*map).clone()),
            Value::Map(Map::Owned(entries)) => {
                let mut map = serde_json::Map::new();
                for (key, value) in entries.iter() {
                    let key = match key {
                        Value::String(text) => (**text).to_owned(),
                        other => other.to_string(),
                    };
                    map.insert(key, value.to_json()?);
                }
                Json::Object(map)
            }
            Value::Preserved(json) => (*json).clone(),
            Value::Optional(Some(inner)) => inner.to_json()?,
            Value::Optional(None) => return Err(EvalError::new("optional.none() dereference")),
            Value::Type(_) | Value::Object(_) => {
                return Err(EvalError::new(format!("type conversion error from '{}' to JSON", self.type_name())));
            }
        })
    }

    /// A value that the input need not outlive.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Uint(value) => Value::Uint(value),
            Value::Double(value) => Value::Double(value),
            Value::String(text) => Value::string(&text),
            Value::Bytes(bytes) => Value::Bytes(bytes),
            Value::Duration(value) => Value::Duration(value),
            Value::Timestamp(value) => Value::Timestamp(value),
            Value::List(list) => Value::list(list.iter().filter_map(Result::ok).map(Value::into_owned).collect()),
            Value::Map(map) => {
                let mut entries = Entries::default();
                if let Map::Owned(from) = &map {
                    entries.type_name.clone_from(&from.type_name);
                }
                for key in map.keys() {
                    if let Ok(Some(value)) = map.find(&key) {
                        entries.insert(key.into_owned(), value.into_owned());
                    }
                }
                Value::Map(Map::Owned(Arc::new(entries)))
            }
            Value::Type(name) => Value::Type(name),
            Value::Optional(inner) => Value::Optional(inner.map(|inner| Arc::new(Value::clone(&inner).into_owned()))),
            Value::Object(object) => Value::Object(object),
            Value::Preserved(_) => Value::Null,
        }
    }
}

fn formatted<'a>(format: Format, text: &'a str) -> Evaluated<'a> {
    match format {
        Format::Plain => Ok(Value::String(Text::Borrowed(text))),
        Format::Duration => match time::parse_schema_duration(text) {
            Some(duration) => Ok(Value::Duration(duration)),
            None => Err(EvalError::new(format!("Invalid duration {text}: unable to parse {text} as duration"))),
        },
        Format::Date => match time::parse_date(text) {
            Some(date) => Ok(Value::Timestamp(date)),
            None => Err(EvalError::new(format!("Invalid date formatted string {text}"))),
        },
        Format::DateTime => match time::parse_date_time(text) {
            Some(time) => Ok(Value::Timestamp(time)),
            None => Err(EvalError::new(format!("Invalid date-time formatted string {text}"))),
        },
        Format::Bytes => {
            use base64::Engine;
            let compact: String = text.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
            match base64::engine::general_purpose::STANDARD.decode(compact) {
                Ok(bytes) => Ok(Value::Bytes(bytes.into())),
                Err(_) => Err(EvalError::new(format!("Invalid byte formatted string {text}"))),
            }
        }
    }
}

impl<'a> List<'a> {
    /// How many items.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.items {
            Items::Json(items) => items.len(),
            Items::Owned(items) => items.len(),
        }
    }

    /// True of the empty list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item, if there is one at that index; it may not be what the schema says.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Evaluated<'a>> {
        match &self.items {
            Items::Json(items) => items.get(index).map(|item| match self.decl.map(|decl| &decl.shape) {
                Some(Shape::List { items, .. }) => Value::typed(item, items),
                _ => Ok(Value::dynamic(item)),
            }),
            Items::Owned(items) => items.get(index).cloned().map(Ok),
        }
    }

    /// All items.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Evaluated<'a>> + '_ {
        (0..self.len()).map(|index| self.get(index).unwrap_or_else(|| Err(EvalError::new("index out of bounds"))))
    }

    pub(crate) fn kind(&self) -> &ListType {
        match self.decl.map(|decl| &decl.shape) {
            Some(Shape::List { kind, .. }) => kind,
            _ => &ListType::Atomic,
        }
    }

    pub(crate) fn is_typed(&self) -> bool {
        self.decl.is_some()
    }

    /// The two lists one after the other; sets and maps merge. Appends in place where nobody else looks at the list.
    pub(crate) fn concat(mut self, other: &List<'a>) -> Evaluated<'a> {
        if self.decl.is_none() {
            let mine = match &mut self.items {
                Items::Owned(items) => Arc::get_mut(items).is_some(),
                Items::Json(_) => false,
            };
            if self.is_empty() && !mine {
                return Ok(Value::List(other.clone()));
            }
            if other.is_empty() {
                return Ok(Value::List(self));
            }
        }
        let kind = self.kind().clone();
        let decl = self.decl;
        let mut items = match self.items {
            Items::Owned(items) => items,
            Items::Json(_) => Arc::new(self.iter().collect::<Result<Vec<_>, _>>()?),
        };
        let target = Arc::make_mut(&mut items);
        for item in other.iter() {
            let item = item?;
            let same = match &kind {
                ListType::Atomic => None,
                ListType::Set => target.iter().position(|known| crate::equality::same(known, &item)),
                ListType::Map(keys) => target.iter().position(|known| crate::equality::same_keys(known, &item, keys)),
            };
            match same {
                None => target.push(item),
                Some(index) => target[index] = item,
            }
        }
        Ok(Value::List(List { items: Items::Owned(items), decl }))
    }
}

impl<'a> Map<'a> {
    /// How many entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Map::Json(map, _) => map.len(),
            Map::Owned(entries) => entries.entries.len(),
        }
    }

    /// True of the empty map.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a key maps to.
    ///
    /// # Errors
    /// The value is not what the schema says, or keys of this type cannot be asked for.
    pub fn find(&self, key: &Value<'_>) -> Result<Option<Value<'a>>, EvalError> {
        match self {
            Map::Owned(entries) => Ok(entries.get(key).cloned()),
            Map::Json(map, decl) => match key {
                Value::String(name) => find_json(map, decl, name),
                _ if matches!(decl.shape, Shape::Dyn) => Ok(None),
                _ => Err(EvalError::no_overload()),
            },
        }
    }

    /// The keys, as expressions spell them.
    #[must_use]
    pub fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Map::Owned(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
            Map::Json(map, decl) => {
                let shown = |name: &'a String| match &decl.shape {
                    Shape::Object(properties) => {
                        properties.get(name.as_str())?;
                        Some(match escape(name) {
                            Some(Cow::Owned(escaped)) => Value::string(&escaped),
                            _ => Value::String(Text::Borrowed(name)),
                        })
                    }
                    _ => Some(Value::String(Text::Borrowed(name))),
                };
                map.keys().filter_map(shown).collect()
            }
        }
    }
}

fn find_json<'a>(
    map: &'a serde_json::Map<String, Json>,
    decl: &'a DeclType,
    name: &str,
) -> Result<Option<Value<'a>>, EvalError> {
    match &decl.shape {
        Shape::Object(properties) => {
            let Some(name) = unescape(name) else { return Ok(None) };
            let Some(json) = map.get(&*name).filter(|json| !json.is_null()) else { return Ok(None) };
            properties.get(&*name).map(|property| Value::typed(json, &property.decl)).transpose()
        }
        Shape::Map(values) => map.get(name).map(|json| Value::typed(json, values)).transpose(),
        _ => Ok(map.get(name).map(Value::dynamic)),
    }
}

/// As `%v` of upstream's library prints values in messages.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Uint(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&crate::numbers::go_double(*value)),
            Value::String(text) => f.write_str(text),
            Value::Bytes(bytes) => {
                f.write_str("[")?;
                for (index, byte) in bytes.iter().enumerate() {
                    write!(f, "{}{byte}", if index == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Value::Duration(value) => f.write_str(&time::go_duration(*value)),
            Value::Timestamp(time) => write!(f, "{time}"),
            Value::List(list) => {
                f.write_str("[")?;
                for (index, item) in list.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    match item {
                        Ok(item) => write!(f, "{item}")?,
                        Err(error) => write!(f, "{error}")?,
                    }
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (index, key) in map.keys().iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    match map.find(key) {
                        Ok(Some(value)) => write!(f, "{key}: {value}")?,
                        _ => write!(f, "{key}: ")?,
                    }
                }
                f.write_str("}")
            }
            Value::Type(name) => f.write_str(name),
            Value::Optional(None) => f.write_str("optional.none()"),
            Value::Optional(Some(inner)) => write!(f, "optional({inner})"),
            Value::Object(object) => write!(f, "{object:?}"),
            Value::Preserved(json) => write!(f, "{json}"),
        }
    }
}
