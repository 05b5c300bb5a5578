//! From canonical JSON to protobuf without a tree in between.
//!
//! Members come in the order of the Go struct and are written as they are read; where that is not the order of the
//! field numbers, the fields written are put into it when the object ends.

use std::borrow::Cow;

use serde_json::Value;

use super::encode::{put, put_int, put_member, put_time};
use super::wire::{end_message, put_bytes, put_message, start_message};
use crate::json::{DecodeError, Lexer, Start};
use crate::types::{Field, Shape, Type};

/// The message of an object given as [`crate::json::encode`] writes it: what [`super::message`] gives of its tree.
///
/// # Errors
/// The text is no JSON, or its members or keys are not in order.
pub fn message_of_json(ty: &Type, json: &[u8]) -> Result<Vec<u8>, DecodeError> {
    // Strings are copied as bytes.
    std::str::from_utf8(json).map_err(|error| DecodeError::Syntax(error.to_string()))?;
    let out = Vec::with_capacity(json.len());
    let mut transcoder = Transcoder { lexer: Lexer::new(json), out, parts: Vec::new(), spare: Vec::new() };
    transcoder.object(ty)?;
    transcoder.lexer.end()?;
    Ok(transcoder.out)
}

fn disordered(name: &[u8]) -> DecodeError {
    DecodeError::Syntax(format!("member {:?} is not in its place", String::from_utf8_lossy(name)))
}

struct Transcoder<'a> {
    lexer: Lexer<'a>,
    out: Vec<u8>,
    /// The fields written of the messages that are not complete: number, start and end in `out`.
    parts: Vec<(u32, usize, usize)>,
    spare: Vec<u8>,
}

type Key<'a> = Cow<'a, [u8]>;

impl<'a> Transcoder<'a> {
    fn object(&mut self, ty: &Type) -> Result<(), DecodeError> {
        if self.lexer.start()? != Start::Object {
            self.lexer.skip()?;
            return self.fields(ty, &mut None);
        }
        let mut next = if self.lexer.open(b'}')? { Some(self.lexer.key_bytes()?) } else { None };
        // What names the kind of an object is no part of its message.
        while let Some(name @ (b"kind" | b"apiVersion")) = next.as_deref()
            && !ty.fields.iter().any(|field| field.name.as_bytes() == name)
        {
            self.lexer.skip()?;
            next = self.next_key()?;
        }
        self.fields(ty, &mut next)?;
        next.map_or(Ok(()), |name| Err(disordered(&name)))
    }

    fn next_key(&mut self) -> Result<Option<Key<'a>>, DecodeError> {
        if self.lexer.next_entry()? { self.lexer.key_bytes().map(Some) } else { Ok(None) }
    }

    /// Writes all fields of a message. `next` is the member that comes next in the text, and then the first one that
    /// is not of this type.
    fn fields(&mut self, ty: &Type, next: &mut Option<Key<'a>>) -> Result<(), DecodeError> {
        let (begin, first) = (self.out.len(), self.parts.len());
        for field in &*ty.fields {
            let start = self.out.len();
            match &field.shape {
                // An embedded struct has its members among those of the outer one.
                Shape::Object(inner) if field.name.is_empty() => self.embedded(field.number, inner, next)?,
                _ if next.as_deref() == Some(field.name.as_bytes()) => {
                    self.member(field)?;
                    *next = self.next_key()?;
                }
                _ => put_member(field, &Value::Null, &mut self.out),
            }
            if self.out.len() > start {
                self.parts.push((field.number, start, self.out.len()));
            }
        }
        let parts = &mut self.parts[first..];
        if !parts.is_sorted_by_key(|part| part.0) {
            parts.sort_unstable_by_key(|part| part.0);
            self.spare.clear();
            self.spare.extend_from_slice(&self.out[begin..]);
            self.out.truncate(begin);
            for (_, start, end) in parts {
                self.out.extend_from_slice(&self.spare[*start - begin..*end - begin]);
            }
        }
        self.parts.truncate(first);
        Ok(())
    }

    fn embedded(&mut self, number: u32, inner: &Type, next: &mut Option<Key<'a>>) -> Result<(), DecodeError> {
        if number > 0 {
            return self.within(number, |this| this.fields(inner, next));
        }
        while let Some(name) = next.as_deref()
            && inner.fields.iter().any(|field| field.name.as_bytes() == name)
        {
            self.lexer.skip()?;
            *next = self.next_key()?;
        }
        Ok(())
    }

    fn member(&mut self, field: &Field) -> Result<(), DecodeError> {
        let start = self.lexer.start()?;
        if field.number == 0 {
            return self.lexer.skip();
        }
        if start == Start::Null {
            put_member(field, &Value::Null, &mut self.out);
            return self.lexer.skip();
        }
        match (&field.shape, start) {
            (Shape::List(element), Start::Array) if field.wrapped => {
                self.within(field.number, |this| this.items(1, element))
            }
            (Shape::List(element), Start::Array) => self.items(field.number, element),
            (Shape::Map(shape), Start::Object) => self.entries(field.number, shape),
            (Shape::List(_) | Shape::Map(_), _) => self.lexer.skip(),
            (shape, _) => self.value(field.number, shape),
        }
    }

    /// Writes a message whose content may fail to be read.
    fn within(
        &mut self,
        number: u32,
        write: impl FnOnce(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let start = start_message(number, &mut self.out);
        write(self)?;
        end_message(start, &mut self.out);
        Ok(())
    }

    fn items(&mut self, number: u32, element: &Shape) -> Result<(), DecodeError> {
        let mut more = self.lexer.open(b']')?;
        while more {
            self.value(number, element)?;
            more = self.lexer.next_element()?;
        }
        Ok(())
    }

    fn entries(&mut self, number: u32, shape: &Shape) -> Result<(), DecodeError> {
        let mut before: Option<Key<'a>> = None;
        let mut more = self.lexer.open(b'}')?;
        while more {
            let key = self.lexer.key_bytes()?;
            if before.as_ref().is_some_and(|before| *before >= key) {
                return Err(disordered(&key));
            }
            self.within(number, |this| {
                put_bytes(1, &key, &mut this.out);
                match (shape, this.lexer.start()?) {
                    (Shape::Bytes, Start::Null) => this.lexer.skip(),
                    // A list in a map is always a message of its own (authentication's `ExtraValue`).
                    (Shape::List(element), Start::Array) => this.within(2, |this| this.items(1, element)),
                    (Shape::List(_), _) => {
                        put_bytes(2, b"", &mut this.out);
                        this.lexer.skip()
                    }
                    _ => this.value(2, shape),
                }
            })?;
            before = Some(key);
            more = self.lexer.next_entry()?;
        }
        Ok(())
    }

    fn value(&mut self, number: u32, shape: &Shape) -> Result<(), DecodeError> {
        let (lexer, out) = (&mut self.lexer, &mut self.out);
        match (shape, lexer.start()?) {
            (Shape::String, Start::String) => put_bytes(number, &lexer.string_bytes()?, out),
            (Shape::Object(ty), _) => self.within(number, |this| this.object(ty))?,
            (Shape::Quantity, Start::String) => {
                let text = lexer.string_bytes()?;
                put_message(number, out, |out| put_bytes(1, &text, out));
            }
            (Shape::Time | Shape::MicroTime, Start::String) => {
                let text = lexer.string()?;
                put_message(number, out, |out| put_time(shape, &text, out));
            }
            (Shape::Raw | Shape::FieldsV1, start) if start != Start::Null => {
                let at = lexer.position();
                lexer.pass()?;
                let text = lexer.since(at);
                put_message(number, out, |out| put_bytes(1, text, out));
            }
            (_, Start::String) => put(number, shape, &Value::String(lexer.string()?.into_owned()), out),
            (_, Start::Number) => {
                let text = lexer.number()?;
                match (shape, text.parse()) {
                    (Shape::Int32 | Shape::Int64, Ok(integer)) => put_int(number, integer, out),
                    _ => put(number, shape, &serde_json::from_str(text).unwrap_or_default(), out),
                }
            }
            (_, start @ (Start::True | Start::False)) => {
                lexer.skip()?;
                put(number, shape, &Value::Bool(start == Start::True), out);
            }
            _ => {
                // Schemas hold themselves in several forms.
                let at = lexer.position();
                lexer.skip()?;
                let tree: Value =
                    serde_json::from_slice(lexer.since(at)).map_err(|error| DecodeError::Syntax(error.to_string()))?;
                put(number, shape, &tree, out);
            }
        }
        Ok(())
    }
}
