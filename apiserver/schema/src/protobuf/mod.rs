//! Protobuf as Kubernetes' Go types write and read it.
//!
//! Bodies and etcd values of built-in kinds are `k8s\0` followed by a `runtime.Unknown` that holds the kind and the
//! message. Messages are what gogo's generated code writes: ascending field numbers, scalars that are no pointers
//! always present, maps sorted by key.

mod encode;
mod from_json;
mod transcode;
mod wire;

use serde_json::Value;
use thiserror::Error;

use crate::json::DecodeError;
use crate::types::Type;

pub use encode::{encode, message};
pub use from_json::message_of_json;
pub use transcode::to_json;

/// The first bytes of every enveloped body.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// A `runtime.Unknown`; all parts borrow from the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    /// The message, or another encoding of the object if `content_type` says so.
    pub raw: &'a [u8],
    pub content_encoding: &'a str,
    /// Empty means protobuf.
    pub content_type: &'a str,
}

impl Envelope<'_> {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Envelope::default()
    }
}

/// Why bytes are no message of a type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoMagic,
    #[error("unexpected EOF")]
    Truncated,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: illegal wireType {0}")]
    WireType(u8),
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WrongWireType { field: String, wire: u8 },
    #[error("proto: {ty}: illegal tag {number} (wire type {wire})", number = .tag >> 3, wire = .tag & 7)]
    Tag {
        /// The message's type.
        ty: &'static str,
        tag: u64,
    },
    #[error("exceeded max depth")]
    Depth,
    #[error("proto: invalid UTF-8 in envelope")]
    Utf8,
    #[error("{0}")]
    Value(String),
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Value(error.to_string())
    }
}

/// Whether a body begins like an enveloped message.
pub fn is_envelope(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// Opens an enveloped body.
pub fn decode_envelope(body: &[u8]) -> Result<Envelope<'_>, Error> {
    let mut unknown = wire::Reader::of("Unknown", body.strip_prefix(MAGIC).ok_or(Error::NoMagic)?);
    let mut envelope = Envelope::default();
    while let Some((number, wire)) = unknown.tag()? {
        match (number, wire) {
            (1, wire::LENGTH) => {
                let mut meta = wire::Reader::of("TypeMeta", unknown.bytes()?);
                while let Some((number, wire)) = meta.tag()? {
                    match (number, wire) {
                        (1, wire::LENGTH) => envelope.api_version = text(meta.bytes()?)?,
                        (2, wire::LENGTH) => envelope.kind = text(meta.bytes()?)?,
                        _ => meta.skip(wire)?,
                    }
                }
            }
            (2, wire::LENGTH) => envelope.raw = unknown.bytes()?,
            (3, wire::LENGTH) => envelope.content_encoding = text(unknown.bytes()?)?,
            (4, wire::LENGTH) => envelope.content_type = text(unknown.bytes()?)?,
            _ => unknown.skip(wire)?,
        }
    }
    Ok(envelope)
}

/// Reads a message as a normalised value, as [`json::decode`] yields, without `apiVersion` and `kind`.
pub fn decode(ty: &Type, raw: &[u8]) -> Result<Value, Error> {
    decode_object(ty, "", "", raw)
}

/// [`decode`], with the kind that the envelope named.
pub fn decode_object(ty: &Type, api_version: &str, kind: &str, raw: &[u8]) -> Result<Value, Error> {
    let mut text = Vec::with_capacity(raw.len() * 2);
    to_json(ty, api_version, kind, raw, &mut text)?;
    // What is written canonically reads as it is.
    serde_json::from_slice(&text).map_err(|error| Error::Value(error.to_string()))
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Utf8)
}
