//! JSON as Go reads and writes the types of the API.
//!
//! [`decode`] follows `sigs.k8s.io/json` (case-sensitive names, unknown and duplicate fields reported) and yields
//! the value a Go struct would print: fields left out by `omitempty` are absent, fields that Go always writes are
//! present, quantities, times and durations have their canonical spelling. [`encode`] writes such a value in the
//! order of the Go struct, byte for byte as `encoding/json` does (without the encoder's final newline).

mod decode;
mod encode;
mod fields_v1;
mod lexer;
mod lookup;
mod type_meta;
mod write;

use serde_json::Value;
use thiserror::Error;

pub use decode::decode;
pub use encode::{encode, encode_shape, encode_stored, encode_untyped, same, to_vec, zero};
pub(crate) use encode::{is_empty, slots, write_zero, zero_object};
pub(crate) use fields_v1::encode as encode_fields_v1;
pub(crate) use lexer::{Lexer, MAX_DEPTH, Start, compact, text};
pub use type_meta::type_meta;
pub(crate) use write::{float, integer, string};

/// The Go type that upstream's refusals name for a value decoded without a schema.
pub fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// How to decode.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeOptions {
    /// For custom resources, which upstream decodes as maps: a value that does not fit its type is kept for
    /// validation to report, nulls are kept, nothing is normalised or filled in. Unknown fields are still
    /// dropped and reported.
    pub untyped: bool,
    /// In untyped decoding keep unknown fields too (they are reported nevertheless).
    pub keep_unknown: bool,
}

/// A decoded object.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub value: Value,
    /// What strict decoding finds wrong, in the order of the text; at most 100.
    pub problems: Vec<Problem>,
}

/// A field that strict decoding rejects and lenient decoding drops. `Display` is upstream's wording.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("unknown field {}", quote(.0))]
    UnknownField(String),
    #[error("duplicate field {}", quote(.0))]
    DuplicateField(String),
}

/// The body cannot be decoded. `Display` is upstream's wording, without the prefix that names the kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("{0}")]
    Syntax(String),
    /// JSON that does not fit the type.
    #[error("{0}")]
    Mismatch(String),
}

/// `apiVersion` and `kind` of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeMeta {
    pub api_version: String,
    pub kind: String,
}

/// Go's `strconv.Quote`, as far as field paths need it.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if (char as u32) < 0x20 || char as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", char as u32)),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}
