//! Writes one document, piece by piece, into its compressed form.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::definitions::{Definitions, Flavour};
use crate::operation::{Operation, path_item};
use crate::protobuf::{self, v2, v3};

/// The release whose API this is.
const RELEASE: &str = "1.36";

/// A document as it is kept and served.
#[derive(Debug)]
pub struct Document {
    /// SHA-512 of the uncompressed document in upper-case hexadecimal, as upstream identifies documents.
    pub etag: String,
    pub gzip: Bytes,
    pub modified: jiff::Timestamp,
    protobuf: OnceLock<Bytes>,
}

/// What has the same content is the same.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.etag == other.etag
    }
}

impl Document {
    /// A document of v3 in protobuf, compressed; made when first asked for.
    ///
    /// # Errors
    /// The document is not one of v3.
    pub fn v3_protobuf(&self) -> io::Result<Bytes> {
        if let Some(made) = self.protobuf.get() {
            return Ok(made.clone());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(5));
        encoder.write_all(&v3::document(&crate::documents::parse(self)?))?;
        let made = Bytes::from(encoder.finish()?);
        Ok(self.protobuf.get_or_init(|| made).clone())
    }
}

/// The paths of a document with their operations.
pub type Paths = Vec<(String, Vec<Operation>)>;

/// Writes the document of these paths and the definitions that they need.
///
/// # Errors
/// The compressor fails, which it does not do in memory.
pub fn write(paths: Paths, definitions: &Definitions<'_>) -> io::Result<Document> {
    let mut sink = Sink::new();
    write_into(&mut sink, paths, definitions)?;
    sink.finish()
}

/// The [`Document::etag`] of what [`write`] writes, at a fraction of its cost.
///
/// # Errors
/// As [`write`].
pub fn etag(paths: Paths, definitions: &Definitions<'_>) -> io::Result<String> {
    let mut sink = Sink { digest: Sha512::new(), encoder: None };
    write_into(&mut sink, paths, definitions)?;
    Ok(sink.etag())
}

fn write_into(sink: &mut Sink, mut paths: Paths, definitions: &Definitions<'_>) -> io::Result<()> {
    paths.sort_by(|a, b| a.0.cmp(&b.0));
    let flavour = definitions.flavour;
    let mut references = BTreeSet::new();
    match flavour {
        Flavour::V2 => sink.raw("{\"swagger\":\"2.0\",")?,
        Flavour::V3 => sink.raw("{\"openapi\":\"3.0.0\",")?,
    }
    sink.raw("\"info\":")?;
    sink.value(&info())?;
    sink.raw(",\"paths\":{")?;
    for (at, (path, operations)) in paths.iter().enumerate() {
        sink.member(at, path, &path_item(operations, flavour, &mut references))?;
    }
    sink.raw(if flavour == Flavour::V2 { "},\"definitions\":{" } else { "},\"components\":{\"schemas\":{" })?;
    let names = definitions.closure(references);
    let schemas = names.iter().filter_map(|name| Some((name, definitions.schema(name)?)));
    for (at, (name, schema)) in schemas.enumerate() {
        sink.member(at, name, &schema)?;
    }
    let token = token();
    match flavour {
        Flavour::V2 => {
            sink.raw("},\"securityDefinitions\":")?;
            sink.value(&token)?;
            sink.raw(",\"security\":[{\"BearerToken\":[]}]}")?;
        }
        Flavour::V3 => {
            sink.raw("},\"securitySchemes\":")?;
            sink.value(&token)?;
            sink.raw("}}")?;
        }
    }
    Ok(())
}

/// Writes the v2 document of these paths and the definitions that they need in protobuf.
///
/// # Errors
/// As [`write`].
pub fn write_protobuf(mut paths: Paths, definitions: &Definitions<'_>) -> io::Result<Document> {
    paths.sort_by(|a, b| a.0.cmp(&b.0));
    let mut references = BTreeSet::new();
    let mut out = v2::head(&info(), &token());
    let mut part = Vec::new();
    for (path, operations) in &paths {
        part.extend(v2::path(path, &path_item(operations, definitions.flavour, &mut references)));
    }
    protobuf::message(v2::document::PATHS, &part, &mut out);
    part.clear();
    for name in definitions.closure(references) {
        if let Some(schema) = definitions.schema(&name) {
            part.extend(v2::definition(&name, &schema));
        }
    }
    protobuf::message(v2::document::DEFINITIONS, &part, &mut out);
    let mut sink = Sink::new();
    sink.write_all(&out)?;
    sink.finish()
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": RELEASE})
}

fn token() -> Value {
    json!({"BearerToken": {
        "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
    }})
}

/// Compresses a document that is at hand.
///
/// # Errors
/// As [`write`].
pub fn compress(document: &Value) -> io::Result<Document> {
    let mut sink = Sink::new();
    sink.value(document)?;
    sink.finish()
}

/// Compresses the protobuf form of a v2 document that is at hand.
///
/// # Errors
/// As [`write`].
pub fn compress_protobuf(document: &Value) -> io::Result<Document> {
    let mut out = v2::head(&document["info"], &document["securityDefinitions"]);
    let members = |field: &str| document[field].as_object().into_iter().flatten();
    let paths: Vec<u8> = members("paths").flat_map(|(name, value)| v2::path(name, value)).collect();
    protobuf::message(v2::document::PATHS, &paths, &mut out);
    let definitions = members("definitions").flat_map(|(name, value)| v2::definition(name, value));
    protobuf::message(v2::document::DEFINITIONS, &definitions.collect::<Vec<u8>>(), &mut out);
    let mut sink = Sink::new();
    sink.write_all(&out)?;
    sink.finish()
}

struct Sink {
    digest: Sha512,
    /// None where only the digest is wanted.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Sink {
    fn new() -> Self {
        Sink { digest: Sha512::new(), encoder: Some(GzEncoder::new(Vec::new(), Compression::new(5))) }
    }

    fn raw(&mut self, text: &str) -> io::Result<()> {
        self.write_all(text.as_bytes())
    }

    fn value(&mut self, value: &Value) -> io::Result<()> {
        let text = serde_json::to_vec(value)?;
        self.write_all(&text)
    }

    /// A member of an object, the `at`-th one.
    fn member(&mut self, at: usize, key: &str, value: &Value) -> io::Result<()> {
        if at > 0 {
            self.raw(",")?;
        }
        self.value(&key.into())?;
        self.raw(":")?;
        self.value(value)
    }

    fn etag(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    fn finish(self) -> io::Result<Document> {
        let etag = self.etag();
        let gzip = self.encoder.map(GzEncoder::finish).transpose()?.unwrap_or_default();
        Ok(Document { etag, gzip: gzip.into(), modified: jiff::Timestamp::now(), protobuf: OnceLock::new() })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(encoder) = &mut self.encoder {
            encoder.write_all(bytes)?;
        }
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.as_mut().map_or(Ok(()), GzEncoder::flush)
    }
}
