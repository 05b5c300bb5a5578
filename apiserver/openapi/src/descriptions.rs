//! What types and fields are for, in upstream's words, from the blob that the build script collects.
//!
//! The blob is unpacked while documents are made and dropped with the last of them.

use std::collections::HashMap;
use std::io::Read as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use flate2::read::ZlibDecoder;

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.zlib"));

/// What is unpacked just now, as long as anyone uses it.
static UNPACKED: Mutex<Weak<Descriptions>> = Mutex::new(Weak::new());

/// Descriptions by definition name.
pub struct Descriptions {
    text: String,
    /// Where in the text the description of a type is, and then names and descriptions of its fields.
    definitions: HashMap<String, Vec<Range<usize>>>,
}

impl Descriptions {
    /// The descriptions, unpacked unless someone else has them.
    pub fn get() -> Arc<Descriptions> {
        let mut unpacked = UNPACKED.lock().unwrap_or_else(PoisonError::into_inner);
        unpacked.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Descriptions::unpack());
            *unpacked = Arc::downgrade(&made);
            made
        })
    }

    /// Finds the definitions in the blob, see `build.rs` for its form.
    fn unpack() -> Descriptions {
        let mut text = String::new();
        // The blob is part of the executable; without descriptions the documents are still right.
        if ZlibDecoder::new(BLOB).read_to_string(&mut text).is_err() {
            text.clear();
        }
        let at = |part: &str| {
            let start = part.as_ptr().addr() - text.as_ptr().addr();
            start..start + part.len()
        };
        let mut definitions = HashMap::new();
        let mut texts = text.split_terminator('\0');
        while let (Some(name), Some(description)) = (texts.next(), texts.next()) {
            let mut parts = vec![at(description)];
            while let Some(field) = texts.next().filter(|field| !field.is_empty()) {
                parts.push(at(field));
                parts.push(texts.next().map_or(0..0, at));
            }
            definitions.insert(name.to_owned(), parts);
        }
        Descriptions { text, definitions }
    }

    fn at(&self, place: &Range<usize>) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }

    /// What a type is; absent for types that k8s-openapi does not have.
    pub fn definition(&self, name: &str) -> Option<&str> {
        self.definitions.get(name)?.first().map(|place| self.at(place)).filter(|text| !text.is_empty())
    }

    /// What a field of a type is.
    pub fn field(&self, definition: &str, field: &str) -> Option<&str> {
        let pairs = self.definitions.get(definition)?.get(1..)?;
        pairs.chunks_exact(2).find(|pair| self.at(&pair[0]) == field).map(|pair| self.at(&pair[1]))
    }
}
