//! One pass from text to a normalised value.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::lexer::{Lexer, Start};
use super::lookup::{Seen, find, inlined};
use super::{DecodeError, DecodeOptions, Decoded, Problem, encode};
use crate::quantity::Quantity;
use crate::time::{Instant, format_duration, parse_duration};
use crate::types::{Field, Omit, SchemaOr, Shape, Type};

/// Upstream stops collecting here.
const MAX_PROBLEMS: usize = 100;

/// Decodes a body as an object of this type. Linear in the length of the body.
pub fn decode(ty: &Type, body: &[u8], options: DecodeOptions) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder {
        lexer: Lexer::new(body),
        options,
        path: Vec::new(),
        problems: Vec::new(),
        mismatch: None,
        refusal: None,
    };
    let value = decoder.root(ty)?;
    decoder.lexer.end()?;
    match decoder.refusal.or(decoder.mismatch) {
        Some(mismatch) => Err(DecodeError::Mismatch(mismatch)),
        None => Ok(Decoded { value, problems: decoder.problems }),
    }
}

struct Decoder<'a, 't> {
    lexer: Lexer<'a>,
    options: DecodeOptions,
    path: Vec<Segment<'a, 't>>,
    problems: Vec<Problem>,
    /// The first mismatch; decoding goes on after it, since a syntax error would take precedence.
    mismatch: Option<String>,
    /// The first error of a type that reads itself (quantities, times); in Go it ends decoding, so it counts more.
    refusal: Option<String>,
}

enum Segment<'a, 't> {
    Field { owner: &'t Type, name: &'t str },
    Key(Cow<'a, str>),
    Index(usize),
}

/// A value as it was read: `Null` for null and for what did not fit.
type Read = Result<Value, DecodeError>;

impl<'a, 't> Decoder<'a, 't> {
    fn root(&mut self, ty: &'t Type) -> Read {
        match self.lexer.start()? {
            Start::Object => self.object(ty),
            start => {
                self.lexer.skip()?;
                if start != Start::Null {
                    self.mismatch(described(start), &go_name(ty));
                }
                Ok(encode::zero_object(ty))
            }
        }
    }

    fn object(&mut self, ty: &'t Type) -> Read {
        let mut map = Map::new();
        let mut seen = Seen::default();
        let mut hint = 0;
        let mut more = self.lexer.open(b'}')?;
        while more {
            let key = self.lexer.key()?;
            match find(ty, &key, &mut hint, 0) {
                Some((field, bit)) => {
                    if seen.again(bit) || (bit.is_none() && map.contains_key(&*key)) {
                        self.problem(&key, Problem::DuplicateField);
                    }
                    self.path.push(Segment::Field { owner: ty, name: &field.name });
                    let value = self.value(&field.shape, &field.go_type)?;
                    self.path.pop();
                    if self.options.untyped || !dropped(field, &value) {
                        put(&mut map, key.into_owned(), value);
                    } else if !map.is_empty() {
                        map.remove(&*key);
                    }
                }
                None => self.unknown(ty, key, &mut map)?,
            }
            more = self.lexer.next_entry()?;
        }
        if !self.options.untyped {
            fill(ty, &mut map);
        }
        Ok(Value::Object(map))
    }

    fn unknown(&mut self, ty: &Type, key: Cow<'a, str>, map: &mut Map<String, Value>) -> Result<(), DecodeError> {
        if !ty.preserve_unknown {
            self.problem(&key, Problem::UnknownField);
            if !self.options.keep_unknown {
                return self.lexer.skip();
            }
        } else if map.contains_key(&*key) {
            self.problem(&key, Problem::DuplicateField);
        }
        self.path.push(Segment::Key(key.clone()));
        let value = self.any()?;
        self.path.pop();
        map.insert(key.into_owned(), value);
        Ok(())
    }

    fn value(&mut self, shape: &'t Shape, go_type: &str) -> Read {
        let start = self.lexer.start()?;
        if start == Start::Null {
            self.lexer.literal("null")?;
            return Ok(Value::Null);
        }
        match (shape, start) {
            (Shape::Object(ty), Start::Object) => self.object(ty),
            (Shape::List(element), Start::Array) => self.list(element, go_type),
            (Shape::Map(value), Start::Object) => self.map(value, go_type),
            (Shape::Raw | Shape::FieldsV1, _) => self.raw(),
            _ if self.options.untyped => self.any(),
            (Shape::String, Start::String) => Ok(Value::String(self.lexer.string()?.into_owned())),
            (Shape::Bool, Start::True | Start::False) => self.any(),
            (Shape::Int32 | Shape::Int64, Start::Number) => self.int(shape, go_type),
            (Shape::Float64, Start::Number) => self.float(go_type),
            (Shape::Bytes, Start::String) => self.bytes(),
            (Shape::Quantity, _) => self.quantity(),
            (Shape::IntOrString, _) => self.int_or_string(),
            (Shape::Time | Shape::MicroTime | Shape::Duration, _) => self.time(shape),
            (Shape::SchemaOr(or), _) => self.schema_or(*or),
            _ => {
                let expected = if go_type.is_empty() { Cow::Owned(shape.go_type()) } else { Cow::Borrowed(go_type) };
                self.mismatch(described(start), &expected);
                self.lexer.skip()?;
                Ok(Value::Null)
            }
        }
    }

    fn list(&mut self, element: &'t Shape, go_type: &str) -> Read {
        let mut list = Vec::new();
        let element_type = go_type.strip_prefix("[]").unwrap_or_default();
        let mut more = self.lexer.open(b']')?;
        while more {
            self.path.push(Segment::Index(list.len()));
            let value = self.value(element, element_type)?;
            self.path.pop();
            list.push(self.or_zero(element, value));
            more = self.lexer.next_element()?;
        }
        Ok(Value::Array(list))
    }

    fn map(&mut self, shape: &'t Shape, go_type: &str) -> Read {
        let mut map = Map::new();
        let value_type = go_type.split_once(']').map_or("", |(_, value)| value);
        let mut more = self.lexer.open(b'}')?;
        while more {
            let key = self.lexer.key()?;
            if map.contains_key(&*key) {
                self.problem(&key, Problem::DuplicateField);
            }
            self.path.push(Segment::Key(key.clone()));
            let value = self.value(shape, value_type)?;
            self.path.pop();
            map.insert(key.into_owned(), self.or_zero(shape, value));
            more = self.lexer.next_entry()?;
        }
        Ok(Value::Object(map))
    }

    fn or_zero(&self, shape: &Shape, value: Value) -> Value {
        if value.is_null() && !self.options.untyped { encode::zero(shape) } else { value }
    }

    /// Any JSON inside a typed object, where upstream keeps the bytes and reports nothing.
    fn raw(&mut self) -> Read {
        if self.options.untyped {
            return self.any();
        }
        let before = self.problems.len();
        let value = self.any();
        self.problems.truncate(before);
        value
    }

    /// Any JSON; duplicates are reported.
    fn any(&mut self) -> Read {
        match self.lexer.start()? {
            Start::Object => {
                let mut map = Map::new();
                let mut more = self.lexer.open(b'}')?;
                while more {
                    let key = self.lexer.key()?;
                    if map.contains_key(&*key) {
                        self.problem(&key, Problem::DuplicateField);
                    }
                    self.path.push(Segment::Key(key.clone()));
                    let value = self.any()?;
                    self.path.pop();
                    map.insert(key.into_owned(), value);
                    more = self.lexer.next_entry()?;
                }
                Ok(Value::Object(map))
            }
            Start::Array => {
                let mut list = Vec::new();
                let mut more = self.lexer.open(b']')?;
                while more {
                    self.path.push(Segment::Index(list.len()));
                    list.push(self.any()?);
                    self.path.pop();
                    more = self.lexer.next_element()?;
                }
                Ok(Value::Array(list))
            }
            Start::String => Ok(Value::String(self.lexer.string()?.into_owned())),
            Start::Number => self.any_number(),
            Start::True => self.lexer.literal("true").map(|()| Value::Bool(true)),
            Start::False => self.lexer.literal("false").map(|()| Value::Bool(false)),
            Start::Null => self.lexer.literal("null").map(|()| Value::Null),
        }
    }

    fn any_number(&mut self) -> Read {
        let text = self.lexer.number()?;
        if !text.contains('.')
            && let Ok(int) = text.parse::<i64>()
        {
            return Ok(Value::from(int));
        }
        match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => {
                self.mismatch(&format!("number {text}"), "float64");
                Ok(Value::Null)
            }
        }
    }

    fn int(&mut self, shape: &Shape, go_type: &str) -> Read {
        let text = self.lexer.number()?;
        let parsed = match shape {
            Shape::Int32 => text.parse::<i32>().map(i64::from),
            _ => text.parse::<i64>(),
        };
        match parsed {
            Ok(int) => Ok(Value::from(int)),
            Err(_) => {
                let expected = if go_type.is_empty() { shape.go_type() } else { go_type.to_owned() };
                self.mismatch(&format!("number {text}"), &expected);
                Ok(Value::Null)
            }
        }
    }

    fn float(&mut self, go_type: &str) -> Read {
        let text = self.lexer.number()?;
        match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => {
                let expected = if go_type.is_empty() { "float64" } else { go_type };
                self.mismatch(&format!("number {text}"), expected);
                Ok(Value::Null)
            }
        }
    }

    fn bytes(&mut self) -> Read {
        let text = self.lexer.string()?;
        // Go's decoder passes over line breaks.
        let text = if text.contains(['\n', '\r']) { Cow::Owned(text.replace(['\n', '\r'], "")) } else { text };
        match STANDARD.decode(&*text) {
            Ok(_) => Ok(Value::String(text.into_owned())),
            Err(error) => {
                let at = match error {
                    base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                    // Go names the end where padding is begun, else the start of the last group.
                    _ if text.ends_with('=') => text.len(),
                    _ => text.len() - text.len() % 4,
                };
                self.fail(format!("illegal base64 data at input byte {at}"));
                Ok(Value::Null)
            }
        }
    }

    fn quantity(&mut self) -> Read {
        let text = match self.lexer.start()? {
            Start::String => self.lexer.string()?,
            _ => Cow::Owned(self.source()?),
        };
        match Quantity::parse(text.trim()) {
            Ok(quantity) => Ok(Value::String(quantity.to_string())),
            Err(error) => {
                self.refuse(error.to_string());
                Ok(Value::Null)
            }
        }
    }

    fn int_or_string(&mut self) -> Read {
        let found = match self.lexer.start()? {
            Start::String => return Ok(Value::String(self.lexer.string()?.into_owned())),
            Start::Number => {
                let text = self.lexer.number()?;
                match text.parse::<i32>() {
                    Ok(int) => return Ok(Value::from(int)),
                    Err(_) => Cow::Owned(format!("number {text}")),
                }
            }
            start => {
                self.lexer.skip()?;
                Cow::Borrowed(described(start))
            }
        };
        self.refuse(self.described_mismatch(&found, "int32"));
        Ok(Value::Null)
    }

    fn time(&mut self, shape: &Shape) -> Read {
        let start = self.lexer.start()?;
        if start != Start::String {
            self.lexer.skip()?;
            self.refuse(self.described_mismatch(described(start), "string"));
            return Ok(Value::Null);
        }
        let text = self.lexer.string()?;
        let parsed = match shape {
            Shape::Time => Instant::parse(&text).map(|instant| spelled(instant, Instant::write)),
            Shape::MicroTime => Instant::parse_micro(&text).map(|instant| spelled(instant, Instant::write_micro)),
            _ => parse_duration(&text).map(|nanos| Value::String(format_duration(nanos))),
        };
        match parsed {
            Ok(value) => Ok(value),
            Err(error) => {
                self.refuse(error);
                Ok(Value::Null)
            }
        }
    }

    fn schema_or(&mut self, or: SchemaOr) -> Read {
        let schema = crate::tables::SCHEMA;
        match (or, self.lexer.start()?) {
            (_, Start::Object) => {
                // Upstream hands the text to a fresh decoder: nothing inside is strict.
                let before = self.problems.len();
                let value = self.object(schema)?;
                self.problems.truncate(before);
                Ok(value)
            }
            (SchemaOr::Array, Start::Array) => {
                let before = self.problems.len();
                let value = self.list(crate::tables::SCHEMA_SHAPE, "")?;
                self.problems.truncate(before);
                Ok(value)
            }
            (SchemaOr::StringArray, Start::Array) => self.list(&Shape::String, ""),
            (SchemaOr::Bool, Start::True | Start::False) => self.any(),
            (SchemaOr::Bool, _) => {
                self.lexer.skip()?;
                self.refuse("boolean or JSON schema expected".into());
                Ok(Value::Null)
            }
            _ => {
                self.lexer.skip()?;
                Ok(Value::Null)
            }
        }
    }

    /// The text of the next value.
    fn source(&mut self) -> Result<String, DecodeError> {
        self.lexer.start()?;
        let start = self.lexer.position();
        self.lexer.skip()?;
        Ok(String::from_utf8_lossy(self.lexer.since(start)).into_owned())
    }

    fn problem(&mut self, key: &str, kind: fn(String) -> Problem) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let mut path = String::new();
        for segment in &self.path {
            match segment {
                Segment::Index(at) => path.push_str(&format!("[{at}]")),
                Segment::Field { name, .. } => push_name(&mut path, name),
                Segment::Key(key) => push_name(&mut path, key),
            }
        }
        push_name(&mut path, key);
        let problem = kind(path);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn mismatch(&mut self, found: &str, expected: &str) {
        if self.mismatch.is_none() {
            self.mismatch = Some(self.described_mismatch(found, expected));
        }
    }

    fn described_mismatch(&self, found: &str, expected: &str) -> String {
        let mut names = Vec::new();
        let mut last = None;
        for segment in &self.path {
            if let Segment::Field { owner, name } = segment {
                inlined(owner, name, &mut names);
                names.push(name);
                last = Some(*owner);
            }
        }
        match last {
            Some(owner) => format!(
                "json: cannot unmarshal {found} into Go struct field {}.{} of type {expected}",
                owner.short_name(),
                names.join(".")
            ),
            None => format!("json: cannot unmarshal {found} into Go value of type {expected}"),
        }
    }

    fn fail(&mut self, error: String) {
        self.mismatch.get_or_insert(error);
    }

    fn refuse(&mut self, error: String) {
        self.refusal.get_or_insert(error);
    }
}

fn spelled(instant: Instant, write: fn(&Instant, &mut Vec<u8>)) -> Value {
    if instant.is_zero() {
        return Value::Null;
    }
    let mut out = Vec::with_capacity(28);
    write(&instant, &mut out);
    Value::String(String::from_utf8(out).unwrap_or_default())
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// What Go's errors call a value.
pub fn described(start: Start) -> &'static str {
    match start {
        Start::Object => "object",
        Start::Array => "array",
        Start::String => "string",
        Start::Number => "number",
        Start::True | Start::False => "bool",
        Start::Null => "null",
    }
}

fn go_name(ty: &Type) -> String {
    let mut segments = ty.name.rsplit('.');
    match (segments.next(), segments.next()) {
        (Some(name), Some(package)) => format!("{package}.{name}"),
        _ => ty.name.to_string(),
    }
}

/// Whether Go would leave the field out.
fn dropped(field: &Field, value: &Value) -> bool {
    match field.omit {
        Omit::Never => value.is_null() && !field.pointer,
        _ if field.pointer => value.is_null(),
        Omit::Empty => encode::is_empty(value),
        Omit::Zero => encode::is_zero(&field.shape, value),
    }
}

/// Adds what Go always writes.
fn fill(ty: &Type, map: &mut Map<String, Value>) {
    for field in ty.fields.iter() {
        if field.omit == Omit::Never {
            match &field.shape {
                Shape::Object(inner) if field.name.is_empty() => fill(inner, map),
                _ if map.contains_key(&*field.name) => {}
                _ => {
                    let value = if field.pointer { Value::Null } else { encode::zero(&field.shape) };
                    map.insert(field.name.to_string(), value);
                }
            }
        }
    }
}

/// Puts in a field. One that comes again is laid over what came before, as Go does it with structures and maps.
fn put(map: &mut Map<String, Value>, key: String, value: Value) {
    match (map.get_mut(&key), value) {
        (Some(Value::Object(before)), Value::Object(again)) => {
            before.extend(again.into_iter().filter(|(_, value)| !value.is_null()));
        }
        (_, value) => {
            map.insert(key, value);
        }
    }
}
