//! From canonical JSON to protobuf without a tree in between.
//!
//! Members come in the order of the Go struct, and most types number their fields in that order: these are written as
//! they are read. The members of other types are found first and written by number.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::encode::{put, put_field};
use super::wire::{put_bytes, put_message};
use crate::json::{DecodeError, Lexer, Start};
use crate::types::{Field, Shape, Type};

/// The message of an object given as [`crate::json::encode`] writes it: what [`super::message`] gives of its tree.
///
/// # Errors
/// The text is no JSON, or its members or keys are not in order.
pub fn message_of_json(ty: &Type, json: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(json.len());
    let mut lexer = Lexer::new(json);
    object(ty, &mut lexer, &mut out)?;
    lexer.end()?;
    Ok(out)
}

fn disordered(name: &str) -> DecodeError {
    DecodeError::Syntax(format!("member {name:?} is not in its place"))
}

fn object(ty: &Type, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    if lexer.start()? != Start::Object {
        lexer.skip()?;
        return absent(&ty.fields, out);
    }
    let is_plain = ty.fields.iter().all(|field| !field.name.is_empty());
    if !is_plain || !ty.fields.is_sorted_by_key(|field| field.number) {
        return by_number(ty, &members(lexer)?, out);
    }
    let mut at = 0;
    let mut more = lexer.open(b'}')?;
    while more {
        let name = lexer.key()?;
        match ty.fields[at..].iter().position(|field| *field.name == *name) {
            Some(offset) => {
                absent(&ty.fields[at..at + offset], out)?;
                member(&ty.fields[at + offset], lexer, out)?;
                at += offset + 1;
            }
            None if ty.fields[..at].iter().any(|field| *field.name == *name) => return Err(disordered(&name)),
            None => lexer.skip()?,
        }
        more = lexer.next_entry()?;
    }
    absent(&ty.fields[at..], out)
}

type Members<'a> = Vec<(Cow<'a, str>, &'a [u8])>;

fn members<'a>(lexer: &mut Lexer<'a>) -> Result<Members<'a>, DecodeError> {
    let mut members = Vec::with_capacity(16);
    let mut more = lexer.open(b'}')?;
    while more {
        let name = lexer.key()?;
        let start = lexer.position();
        lexer.skip()?;
        members.push((name, lexer.since(start)));
        more = lexer.next_entry()?;
    }
    Ok(members)
}

fn by_number(ty: &Type, members: &Members<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut order: Vec<&Field> = ty.fields.iter().collect();
    order.sort_by_key(|field| field.number);
    for field in order {
        match &field.shape {
            // An embedded struct has its members among those of the outer one.
            Shape::Object(inner) if field.name.is_empty() && field.number > 0 => {
                let mut failed = None;
                put_message(field.number, out, |out| failed = by_number(inner, members, out).err());
                failed.map_or(Ok(()), Err)?;
            }
            _ => match members.iter().find(|(name, _)| *name == *field.name) {
                Some((_, text)) => member(field, &mut Lexer::new(text), out)?,
                None => put_field(field, None, &Map::new(), out),
            },
        }
    }
    Ok(())
}

fn absent(fields: &[Field], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    fields.iter().for_each(|field| put_field(field, None, &Map::new(), out));
    Ok(())
}

fn member(field: &Field, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = lexer.start()?;
    if field.number == 0 {
        return lexer.skip();
    }
    if start == Start::Null {
        put_field(field, None, &Map::new(), out);
        return lexer.skip();
    }
    match (&field.shape, start) {
        (Shape::List(element), Start::Array) if field.wrapped => {
            within(field.number, out, |out| items(1, element, lexer, out))
        }
        (Shape::List(element), Start::Array) => items(field.number, element, lexer, out),
        (Shape::Map(shape), Start::Object) => entries(field.number, shape, lexer, out),
        (Shape::List(_) | Shape::Map(_), _) => lexer.skip(),
        (shape, _) => value(field.number, shape, lexer, out),
    }
}

/// Writes a message whose content may fail to be read.
fn within(
    number: u32,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut outcome = Ok(());
    put_message(number, out, |out| outcome = write(out));
    outcome
}

fn items(number: u32, element: &Shape, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut more = lexer.open(b']')?;
    while more {
        value(number, element, lexer, out)?;
        more = lexer.next_element()?;
    }
    Ok(())
}

fn entries(number: u32, shape: &Shape, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut before: Option<Cow<'_, str>> = None;
    let mut more = lexer.open(b'}')?;
    while more {
        let key = lexer.key()?;
        if before.as_ref().is_some_and(|before| *before >= key) {
            return Err(disordered(&key));
        }
        within(number, out, |out| {
            put_bytes(1, key.as_bytes(), out);
            match (shape, lexer.start()?) {
                (Shape::Bytes, Start::Null) => lexer.skip(),
                // A list in a map is always a message of its own (authentication's `ExtraValue`).
                (Shape::List(element), Start::Array) => within(2, out, |out| items(1, element, lexer, out)),
                (Shape::List(_), _) => {
                    put_bytes(2, b"", out);
                    lexer.skip()
                }
                _ => value(2, shape, lexer, out),
            }
        })?;
        before = Some(key);
        more = lexer.next_entry()?;
    }
    Ok(())
}

fn value(number: u32, shape: &Shape, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    match (shape, lexer.start()?) {
        (Shape::String, Start::String) => put_bytes(number, lexer.string()?.as_bytes(), out),
        (Shape::Quantity, Start::String) => {
            let text = lexer.string()?;
            put_message(number, out, |out| put_bytes(1, text.as_bytes(), out));
        }
        (Shape::Object(ty), _) => within(number, out, |out| object(ty, lexer, out))?,
        (Shape::Raw | Shape::FieldsV1, start) if start != Start::Null => {
            let at = lexer.position();
            lexer.skip()?;
            let text = lexer.since(at);
            put_message(number, out, |out| put_bytes(1, text, out));
        }
        (_, Start::String) => put(number, shape, &Value::String(lexer.string()?.into_owned()), out),
        (_, Start::Number) => {
            let read = serde_json::from_str(lexer.number()?).unwrap_or_default();
            put(number, shape, &read, out);
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
