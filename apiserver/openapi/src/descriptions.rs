//! What types and fields are for, in upstream's words, from the blob that the build script collects.
//!
//! The blob is unpacked while a document is made and dropped with it.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.zlib"));

/// The unpacked blob. Parse it with [`Descriptions::parse`].
pub fn unpack() -> String {
    let mut text = String::new();
    match ZlibDecoder::new(BLOB).read_to_string(&mut text) {
        Ok(_) => text,
        // The blob is part of the executable; without descriptions the documents are still right.
        Err(_) => String::new(),
    }
}

/// Descriptions by definition name, borrowed from the unpacked blob.
pub struct Descriptions<'a> {
    definitions: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Descriptions<'a> {
    /// Finds the definitions in the blob, see `build.rs` for its form.
    pub fn parse(text: &'a str) -> Self {
        let mut definitions = HashMap::new();
        let mut texts = text.split_terminator('\0');
        while let (Some(name), Some(description)) = (texts.next(), texts.next()) {
            let mut parts = vec![description];
            while let Some(field) = texts.next().filter(|field| !field.is_empty()) {
                parts.push(field);
                parts.push(texts.next().unwrap_or_default());
            }
            definitions.insert(name, parts);
        }
        Descriptions { definitions }
    }

    /// What a type is; absent for types that k8s-openapi does not have.
    pub fn definition(&self, name: &str) -> Option<&'a str> {
        self.definitions.get(name)?.first().copied().filter(|text| !text.is_empty())
    }

    /// What a field of a type is.
    pub fn field(&self, definition: &str, field: &str) -> Option<&'a str> {
        let pairs = self.definitions.get(definition)?.get(1..)?;
        pairs.chunks_exact(2).find(|pair| pair[0] == field).map(|pair| pair[1])
    }
}
