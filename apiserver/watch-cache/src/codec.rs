//! What the server tells the cache about stored bytes.

use apiserver_storage::{KeyValue, Revision};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

/// Turns what the store holds into what the cache holds. It is called once per write, on the feed's task, so it does not
/// wait for anything.
pub trait Codec: Send + Sync + 'static {
    /// Decodes stored bytes (protobuf or JSON) to canonical JSON with `stored.mod_revision` in it as
    /// `metadata.resourceVersion`, and to the values selectors look at.
    fn decode(&self, stored: &KeyValue) -> Result<Decoded, DecodeError>;

    /// Fetches what it takes to decode these values and is not at hand: the keys of encrypted ones. What could not be
    /// fetched, [`Codec::decode`] says.
    fn prepare<'a>(&'a self, stored: &'a [KeyValue]) -> BoxFuture<'a, ()> {
        let _ = stored;
        Box::pin(std::future::ready(()))
    }

    /// Whether objects are large and seldom read: then large ones are kept compressed.
    fn packs(&self) -> bool {
        false
    }

    /// The same JSON with `metadata.resourceVersion` set to `revision`: a deleted object is reported in its last
    /// state with the revision of its deletion.
    fn restamp(&self, json: &Bytes, revision: Revision) -> Bytes {
        splice_resource_version(json, revision).unwrap_or_else(|| json.clone())
    }
}

/// One decoded object.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Canonical JSON. It stays in memory as long as the object, so it should not be a part of a larger buffer.
    pub json: Bytes,
    /// Empty for a cluster-scoped object.
    pub namespace: SmolStr,
    pub name: SmolStr,
    pub labels: Box<[(SmolStr, SmolStr)]>,
    /// The selectable fields and their values. A field that is not listed is the empty string, as in upstream.
    pub fields: Box<[(SmolStr, SmolStr)]>,
}

/// Why stored bytes could not be decoded, in words for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They mean nothing.
    #[error("{0}")]
    Damaged(String),
    /// What it takes to read them is not at hand. Another time it may be: see [`Codec::prepare`].
    #[error("{0}")]
    Unavailable(String),
}

#[derive(Deserialize)]
struct WithMetadata<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

#[derive(Deserialize)]
struct WithResourceVersion<'a> {
    #[serde(borrow, rename = "resourceVersion")]
    resource_version: Option<&'a RawValue>,
}

/// Replaces or adds `metadata.resourceVersion`. None where there is no metadata object.
fn splice_resource_version(json: &[u8], revision: Revision) -> Option<Bytes> {
    let text = std::str::from_utf8(json).ok()?;
    let metadata = serde_json::from_str::<WithMetadata<'_>>(text).ok()?.metadata.get();
    let inner: WithResourceVersion<'_> = serde_json::from_str(metadata).ok()?;
    let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let (start, end, new) = match inner.resource_version {
        Some(old) => (offset(old.get()), offset(old.get()) + old.get().len(), format!("\"{revision}\"")),
        None => {
            let at = offset(metadata) + 1;
            let comma = if metadata[1..].trim_start().starts_with('}') { "" } else { "," };
            (at, at, format!("\"resourceVersion\":\"{revision}\"{comma}"))
        }
    };
    let mut out = Vec::with_capacity(text.len() - (end - start) + new.len());
    out.extend_from_slice(&json[..start]);
    out.extend_from_slice(new.as_bytes());
    out.extend_from_slice(&json[end..]);
    Some(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(json: &str) -> Option<String> {
        splice_resource_version(json.as_bytes(), 42).map(|b| String::from_utf8(b.to_vec()).unwrap())
    }

    #[test]
    fn splices_where_the_object_says_and_nowhere_else() {
        let spec = r#""spec":{"resourceVersion":"1","metadata":{"resourceVersion":"2"}}"#;
        assert_eq!(
            spliced(&format!(r#"{{{spec},"metadata":{{"name":"a","resourceVersion":"7","uid":"u"}}}}"#)).unwrap(),
            format!(r#"{{{spec},"metadata":{{"name":"a","resourceVersion":"42","uid":"u"}}}}"#)
        );
        assert_eq!(
            spliced(r#"{"metadata":{"labels":{"resourceVersion":"x"}}}"#).unwrap(),
            r#"{"metadata":{"resourceVersion":"42","labels":{"resourceVersion":"x"}}}"#
        );
        assert_eq!(spliced(r#"{"metadata":{ }}"#).unwrap(), r#"{"metadata":{"resourceVersion":"42" }}"#);
    }

    #[test]
    fn leaves_alone_what_has_no_metadata() {
        for bad in ["", "{}", "[]", r#"{"metadata":null}"#, r#"{"metadata":"x"}"#, "{", "\u{1}"] {
            assert_eq!(spliced(bad), None, "{bad}");
        }
    }
}
