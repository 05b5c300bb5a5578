//! From protobuf to canonical JSON without a tree in between.
//!
//! A message is scanned once to find where each field stands, then written in the order of the Go struct. The
//! places are kept on one stack shared by all levels, so a body costs no allocation per message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use super::wire::{self, Reader};
use crate::json::{MAX_DEPTH, compact, float, integer, string, text as utf8, write_zero};
use crate::quantity::Quantity;
use crate::time::{Instant, format_duration};
use crate::types::{Field, Omit, SchemaOr, Shape, Type};

/// Writes the message `raw` as JSON: the bytes that [`super::decode_object`] and [`crate::json::encode`] give.
/// On error `out` may have grown.
pub fn to_json(ty: &Type, api_version: &str, kind: &str, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    out.reserve(raw.len() + raw.len() / 2);
    let claim_templates = kind == "StatefulSet";
    let mut transcoder = Transcoder { out, places: Vec::with_capacity(128), depth: 0, claim_templates };
    transcoder.open(b'{')?;
    let start = transcoder.out.len();
    transcoder.fields(ty, raw, start, Some((api_version, kind)))?;
    transcoder.close(b'}');
    Ok(())
}

struct Transcoder<'o> {
    out: &'o mut Vec<u8>,
    places: Vec<Place>,
    depth: usize,
    /// Upstream gives the claim templates of a StatefulSet their kind, which protobuf does not carry.
    claim_templates: bool,
}

/// Where the tags of a field stand, each plus one; zero for nowhere.
#[derive(Clone, Copy, Default)]
struct Place {
    first: u32,
    last: u32,
}

impl Transcoder<'_> {
    fn open(&mut self, bracket: u8) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::Depth);
        }
        self.out.push(bracket);
        Ok(())
    }

    fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    fn object(&mut self, ty: &Type, raw: &[u8]) -> Result<(), Error> {
        self.open(b'{')?;
        let start = self.out.len();
        let claim = self.claim_templates && ty.name.ends_with(".PersistentVolumeClaim");
        self.fields(ty, raw, start, claim.then_some(("v1", "PersistentVolumeClaim")))?;
        self.close(b'}');
        Ok(())
    }

    fn fields(&mut self, ty: &Type, raw: &[u8], start: usize, meta: Option<(&str, &str)>) -> Result<(), Error> {
        let base = self.places.len();
        self.places.resize(base + ty.fields.len(), Place::default());
        self.find(ty, raw, base)?;
        for (at, field) in ty.fields.iter().enumerate() {
            let place = self.places[base + at];
            if place.last == 0 && field.omit != Omit::Never && field.number != 0 {
                continue;
            }
            match (field.number, meta) {
                (0, Some((api_version, kind))) => {
                    let text = match &*field.name {
                        "apiVersion" => api_version,
                        "kind" => kind,
                        _ => "",
                    };
                    if !text.is_empty() {
                        self.name(field, start);
                        string(text, self.out);
                    } else {
                        self.absent(field, start);
                    }
                }
                (0, None) => self.absent(field, start),
                _ => self.field(field, place, raw, start)?,
            }
        }
        self.places.truncate(base);
        Ok(())
    }

    /// Notes the place of each field. Tags mostly come in the order of the struct, so the search for a number
    /// begins after the last one found.
    fn find(&mut self, ty: &Type, raw: &[u8], base: usize) -> Result<(), Error> {
        let fields = &*ty.fields;
        let mut reader = Reader::new(raw);
        let mut hint = 0;
        loop {
            let at = reader.position();
            let Some((number, wire)) = reader.tag()? else { return Ok(()) };
            let found = match fields[hint..].iter().position(|field| field.number == number) {
                Some(offset) => Some(hint + offset),
                None => fields[..hint].iter().position(|field| field.number == number),
            };
            if let Some(index) = found {
                hint = index;
                let place = &mut self.places[base + index];
                let at = u32::try_from(at + 1).map_err(|_| Error::Overflow)?;
                if place.first == 0 {
                    place.first = at;
                }
                place.last = at;
            }
            reader.skip(wire)?;
        }
    }

    fn field(&mut self, field: &Field, place: Place, raw: &[u8], start: usize) -> Result<(), Error> {
        if let (Shape::Object(inner), true) = (&field.shape, field.name.is_empty()) {
            let inlined = match place.last {
                0 => &[][..],
                at => Source::at(field, raw, at)?.bytes()?,
            };
            return self.fields(inner, inlined, start, None);
        }
        if place.last == 0 {
            self.absent(field, start);
            return Ok(());
        }
        match &field.shape {
            Shape::List(element) if field.wrapped => {
                let items = Source::at(field, raw, place.last)?.bytes()?;
                if items.is_empty() && field.omit != Omit::Never {
                    return Ok(());
                }
                self.name(field, start);
                self.items(field, element, items)
            }
            Shape::List(element) => {
                self.name(field, start);
                self.list(field, element, raw, place)
            }
            Shape::Map(value) => {
                self.name(field, start);
                self.map(field, value, raw, place)
            }
            shape => {
                let reading = Source::at(field, raw, place.last)?;
                if !field.pointer && field.omit != Omit::Never && reading.is_zero(shape)? {
                    return Ok(());
                }
                let before = self.out.len();
                self.name(field, start);
                let value = self.out.len();
                self.value(shape, reading)?;
                // A pointer to what prints as null is read back as no pointer.
                if field.pointer && field.omit != Omit::Never && &self.out[value..] == b"null" {
                    self.out.truncate(before);
                }
                Ok(())
            }
        }
    }

    fn absent(&mut self, field: &Field, start: usize) {
        if field.omit != Omit::Never {
            return;
        }
        self.name(field, start);
        if field.pointer {
            self.out.extend_from_slice(b"null");
        } else {
            write_zero(&field.shape, self.out);
        }
    }

    fn name(&mut self, field: &Field, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(field.name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// All occurrences of a repeated field.
    fn list(&mut self, field: &Field, element: &Shape, raw: &[u8], place: Place) -> Result<(), Error> {
        self.open(b'[')?;
        let start = self.out.len();
        let mut reader = Reader::from(raw, place.first as usize - 1);
        while reader.position() < place.last as usize
            && let Some((number, wire)) = reader.tag()?
        {
            if number != field.number {
                reader.skip(wire)?;
            } else if wire == wire::LENGTH && matches!(element, Shape::Int32 | Shape::Int64 | Shape::Bool) {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_at_end() {
                    self.separate(start);
                    self.value(element, Source { field, reader: packed, wire: wire::VARINT })?;
                    packed.skip(wire::VARINT)?;
                }
            } else {
                self.separate(start);
                self.value(element, Source { field, reader, wire })?;
                reader.skip(wire)?;
            }
        }
        self.close(b']');
        Ok(())
    }

    /// The repeated field 1 of a message that stands for a list.
    fn items(&mut self, field: &Field, element: &Shape, items: &[u8]) -> Result<(), Error> {
        self.open(b'[')?;
        let start = self.out.len();
        let mut reader = Reader::new(items);
        while let Some((number, wire)) = reader.tag()? {
            if number == 1 {
                self.separate(start);
                self.value(element, Source { field, reader, wire })?;
            }
            reader.skip(wire)?;
        }
        self.close(b']');
        Ok(())
    }

    /// Entries are written as they come while their keys ascend, as Go writes them; otherwise sorted, and of equal
    /// keys the last counts.
    fn map(&mut self, field: &Field, shape: &Shape, raw: &[u8], place: Place) -> Result<(), Error> {
        let before = self.out.len();
        self.open(b'{')?;
        let start = self.out.len();
        let mut reader = Reader::from(raw, place.first as usize - 1);
        let mut last: Option<&[u8]> = None;
        let mut ascending = true;
        while reader.position() < place.last as usize
            && let Some((number, wire)) = reader.tag()?
        {
            let source = Source { field, reader, wire };
            reader.skip(wire)?;
            if number != field.number {
                continue;
            }
            let entry = Entry::read(field, source.bytes()?)?;
            if last.is_some_and(|last| last >= entry.key) {
                ascending = false;
                break;
            }
            last = Some(entry.key);
            self.entry(field, shape, &entry, start)?;
        }
        if !ascending {
            self.out.truncate(before);
            self.out.push(b'{');
            for entry in sorted_entries(field, raw, place)? {
                self.entry(field, shape, &entry, start)?;
            }
        }
        self.close(b'}');
        Ok(())
    }

    fn entry(&mut self, field: &Field, shape: &Shape, entry: &Entry, start: usize) -> Result<(), Error> {
        self.separate(start);
        string(&utf8(entry.key), self.out);
        self.out.push(b':');
        match (entry.value, shape) {
            (None, Shape::List(_)) => self.out.extend_from_slice(b"null"),
            (None, shape) => write_zero(shape, self.out),
            (Some((at, wire)), Shape::List(element)) => {
                let items = Source { field, reader: Reader::from(entry.raw, at), wire }.bytes()?;
                if items.is_empty() {
                    self.out.extend_from_slice(b"null");
                } else {
                    self.items(field, element, items)?;
                }
            }
            (Some((at, wire)), shape) => {
                self.value(shape, Source { field, reader: Reader::from(entry.raw, at), wire })?;
            }
        }
        Ok(())
    }

    fn separate(&mut self, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
    }

    fn value(&mut self, shape: &Shape, reading: Source) -> Result<(), Error> {
        match shape {
            Shape::String => string(&utf8(reading.bytes()?), self.out),
            Shape::Bool => {
                let text: &[u8] = if reading.varint()? != 0 { b"true" } else { b"false" };
                self.out.extend_from_slice(text);
            }
            Shape::Int32 => integer(i64::from(reading.varint()? as i32), self.out),
            Shape::Int64 => integer(reading.varint()? as i64, self.out),
            Shape::Float64 => float(f64::from_bits(reading.fixed64()?), self.out),
            Shape::Bytes => base64(reading.bytes()?, self.out),
            Shape::Object(ty) => self.object(ty, reading.bytes()?)?,
            Shape::SchemaOr(or) => self.schema_or(*or, reading.bytes()?)?,
            special => scalar(special, reading.bytes()?, self.depth, self.out)?,
        }
        Ok(())
    }

    fn schema_or(&mut self, or: SchemaOr, raw: &[u8]) -> Result<(), Error> {
        let schema = crate::tables::SCHEMA;
        let (schema_number, list_number) = if or == SchemaOr::Bool { (2, 0) } else { (1, 2) };
        let mut found = None;
        let mut allows = false;
        let before = self.out.len();
        self.open(b'[')?;
        let start = self.out.len();
        let mut reader = Reader::new(raw);
        while let Some((number, wire)) = reader.tag()? {
            match (number, wire) {
                (1, wire::VARINT) if or == SchemaOr::Bool => allows = reader.varint()? != 0,
                (number, wire::LENGTH) if number == schema_number => found = Some(reader.bytes()?),
                (number, wire::LENGTH) if number == list_number => {
                    self.separate(start);
                    let element = reader.bytes()?;
                    match or {
                        SchemaOr::StringArray => string(&utf8(element), self.out),
                        _ => self.object(schema, element)?,
                    }
                }
                _ => reader.skip(wire)?,
            }
        }
        self.depth -= 1;
        if self.out.len() > start {
            self.out.push(b']');
            return Ok(());
        }
        self.out.truncate(before);
        match (found, or) {
            (Some(found), _) => self.object(schema, found)?,
            (None, SchemaOr::Bool) => self.out.extend_from_slice(if allows { b"true" } else { b"false" }),
            (None, _) => self.out.extend_from_slice(b"null"),
        }
        Ok(())
    }
}

/// Types with a message and a JSON scalar of their own.
fn scalar(shape: &Shape, raw: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut reader = Reader::new(raw);
    let mut ints = [0u64; 3];
    let mut text: Option<&[u8]> = None;
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1..=2, wire::VARINT) => ints[number as usize] = reader.varint()?,
            (1 | 3, wire::LENGTH) => text = Some(reader.bytes()?),
            _ => reader.skip(wire)?,
        }
    }
    match shape {
        Shape::Quantity => quantity(text.unwrap_or_default(), out)?,
        Shape::IntOrString if ints[1] == 0 => integer(i64::from(ints[2] as i32), out),
        Shape::IntOrString => string(&utf8(text.unwrap_or_default()), out),
        Shape::Duration => string(&format_duration(ints[1] as i64), out),
        Shape::Time | Shape::MicroTime => {
            let nanos =
                if matches!(shape, Shape::MicroTime) { ints[2] as u32 % 1_000_000_000 / 1000 * 1000 } else { 0 };
            let instant = Instant { seconds: ints[1] as i64, nanos };
            if raw.is_empty() || instant.is_zero() {
                out.extend_from_slice(b"null");
            } else {
                out.push(b'"');
                if matches!(shape, Shape::MicroTime) {
                    instant.write_micro(out)
                } else {
                    instant.write(out)
                }
                out.push(b'"');
            }
        }
        // Raw JSON.
        _ => match text {
            Some(text) if !text.is_empty() => compact(text, depth, out)?,
            _ => out.extend_from_slice(b"null"),
        },
    }
    Ok(())
}

fn quantity(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let text = std::str::from_utf8(raw).map_err(|_| Error::Utf8)?;
    if text.is_empty() {
        out.extend_from_slice(b"\"0\"");
        return Ok(());
    }
    let parsed = Quantity::parse(text).map_err(|error| Error::Value(error.to_string()))?;
    string(&parsed.to_string(), out);
    Ok(())
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
    out.push(b'"');
}

/// One entry of a map.
struct Entry<'a> {
    key: &'a [u8],
    raw: &'a [u8],
    /// Where the value begins in `raw`, and its wire type.
    value: Option<(usize, u8)>,
}

impl<'a> Entry<'a> {
    fn read(field: &Field, raw: &'a [u8]) -> Result<Entry<'a>, Error> {
        let mut entry = Entry { key: b"", raw, value: None };
        let mut reader = Reader::new(raw);
        while let Some((number, wire)) = reader.tag()? {
            match number {
                1 => entry.key = Source { field, reader, wire }.bytes()?,
                2 => entry.value = Some((reader.position(), wire)),
                _ => {}
            }
            reader.skip(wire)?;
        }
        Ok(entry)
    }
}

fn sorted_entries<'a>(field: &Field, raw: &'a [u8], place: Place) -> Result<Vec<Entry<'a>>, Error> {
    let mut entries = Vec::new();
    let mut reader = Reader::from(raw, place.first as usize - 1);
    while reader.position() < place.last as usize
        && let Some((number, wire)) = reader.tag()?
    {
        if number == field.number {
            entries.push(Entry::read(field, Source { field, reader, wire }.bytes()?)?);
        }
        reader.skip(wire)?;
    }
    entries.reverse();
    entries.sort_by_key(|entry| entry.key);
    entries.dedup_by_key(|entry| entry.key);
    Ok(entries)
}

/// A value about to be read, with what an error has to name.
#[derive(Clone, Copy)]
struct Source<'f, 'a> {
    field: &'f Field,
    reader: Reader<'a>,
    wire: u8,
}

impl<'f, 'a> Source<'f, 'a> {
    /// The value whose tag stands at this place.
    fn at(field: &'f Field, raw: &'a [u8], place: u32) -> Result<Source<'f, 'a>, Error> {
        let mut reader = Reader::from(raw, place as usize - 1);
        let (_, wire) = reader.tag()?.ok_or(Error::Truncated)?;
        Ok(Source { field, reader, wire })
    }

    fn expect(&self, wire: u8) -> Result<(), Error> {
        if self.wire == wire {
            return Ok(());
        }
        Err(Error::WrongWireType { field: self.field.name.to_string(), wire: self.wire })
    }

    fn bytes(mut self) -> Result<&'a [u8], Error> {
        self.expect(wire::LENGTH)?;
        self.reader.bytes()
    }

    fn varint(mut self) -> Result<u64, Error> {
        self.expect(wire::VARINT)?;
        self.reader.varint()
    }

    fn fixed64(mut self) -> Result<u64, Error> {
        self.expect(wire::FIXED64)?;
        self.reader.fixed64()
    }

    /// Whether this is what `omitempty` or `omitzero` leaves out.
    fn is_zero(self, shape: &Shape) -> Result<bool, Error> {
        Ok(match shape {
            Shape::String | Shape::Bytes => self.bytes()?.is_empty(),
            Shape::Bool | Shape::Int64 => self.varint()? == 0,
            Shape::Int32 => self.varint()? as i32 == 0,
            Shape::Float64 => f64::from_bits(self.fixed64()?) == 0.0,
            Shape::Time | Shape::MicroTime => {
                let raw = self.bytes()?;
                let mut text = Vec::new();
                scalar(shape, raw, 0, &mut text)?;
                text == b"null"
            }
            _ => false,
        })
    }
}
