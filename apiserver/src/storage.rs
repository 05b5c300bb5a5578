//! Where the objects of one resource are kept: keys, encodings, the cache in front.

use std::ops::Range;
use std::sync::Arc;

use apiserver_schema::{json, protobuf};
use apiserver_storage::{Expect, KeyValue, Outcome, Read, Revision, Store, prefix_end};
use apiserver_watch_cache::{Cache, CacheOptions, Codec, DecodeError, Decoded, Feed};
use bytes::Bytes;
use serde_json::Value;

use crate::facts::{self, SelectableField};
use crate::metrics::storage::Operations;
use crate::object;
use crate::resources::{Hooks, Resource, Storage};
use crate::respond;
use crate::status::{Result, Status};

/// The root of all keys.
pub const ROOT: &str = "/registry/";

/// The stored objects of one resource.
pub struct ObjectStore {
    /// `/registry/pods/`, with the last slash.
    pub prefix: String,
    pub cache: Arc<Cache>,
    pub store: Arc<dyn Store>,
    pub format: Arc<Format>,
    namespaced: bool,
    operations: Operations,
}

/// How the objects of one resource are stored.
pub struct Format {
    pub kind: String,
    pub storage: Storage,
    pub selectable: &'static [SelectableField],
    pub hooks: Arc<dyn Hooks>,
    /// How long objects live, for kinds that expire.
    pub ttl: Option<std::time::Duration>,
}

impl ObjectStore {
    /// `event_ttl` is how long objects of expiring kinds live.
    pub fn start(
        feed: &Arc<Feed>,
        store: Arc<dyn Store>,
        resource: &Resource,
        storage: &Storage,
        event_ttl: std::time::Duration,
        operations: Operations,
    ) -> Self {
        let prefix = format!("{ROOT}{}/", storage.prefix);
        let format = Arc::new(Format {
            kind: resource.kind.to_string(),
            storage: storage.clone(),
            selectable: resource.hooks.selectable_fields(),
            hooks: Arc::clone(&resource.hooks),
            ttl: resource.hooks.expires().then_some(event_ttl),
        });
        let options = CacheOptions::new(&prefix).index(resource.hooks.indexed_fields().iter().copied());
        let cache = Cache::start(feed, options, Arc::clone(&format) as Arc<dyn Codec>);
        ObjectStore { prefix, cache, store, format, namespaced: resource.namespaced, operations }
    }

    /// The key of an object.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        if self.namespaced { format!("{}{namespace}/{name}", self.prefix) } else { format!("{}{name}", self.prefix) }
    }

    /// The keys of a namespace's objects, or of all.
    pub fn range(&self, namespace: &str) -> Range<String> {
        let start = if self.namespaced && !namespace.is_empty() {
            format!("{}{namespace}/", self.prefix)
        } else {
            self.prefix.clone()
        };
        let end = prefix_end(&start);
        start..end
    }

    /// Waits a little for the cache to have its first contents.
    ///
    /// # Errors
    /// 429 with a hint when to come back, as upstream, while the store cannot be read yet.
    pub async fn ready(&self) -> Result<()> {
        match tokio::time::timeout(Cache::FRESH_TIMEOUT, self.cache.ready()).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Status::too_many_requests("storage is (re)initializing", 1)),
        }
    }

    /// Waits until the cache has all that was written before; see [`ObjectStore::ready`].
    pub async fn consistent(&self) -> Result<()> {
        self.ready().await?;
        self.cache.consistent().await?;
        Ok(())
    }

    /// Writes a new object.
    pub async fn create(&self, key: &str, object: &Value) -> Result<Created> {
        let bytes = self.format.encode(object);
        match self.operations.create.timed(self.store.put(key, bytes, Expect::Absent, self.format.ttl)).await? {
            Outcome::Done(revision) => Ok(Created::Done(revision)),
            Outcome::Conflict(_) => Ok(Created::Exists),
        }
    }

    /// Replaces the object that was last written at `revision`; otherwise says what is there instead.
    pub async fn replace(&self, key: &str, object: &Value, revision: Revision) -> Result<Replaced> {
        let bytes = self.format.encode(object);
        let put = self.store.put(key, bytes, Expect::ModRevision(revision), self.format.ttl);
        match self.operations.update.timed(put).await? {
            Outcome::Done(revision) => Ok(Replaced::Done(revision)),
            Outcome::Conflict(found) => self.found(found),
        }
    }

    /// Deletes the object that was last written at `revision`; otherwise says what is there instead.
    pub async fn remove(&self, key: &str, revision: Revision) -> Result<Replaced> {
        match self.operations.delete.timed(self.store.delete(key, revision)).await? {
            Outcome::Done(revision) => Ok(Replaced::Done(revision)),
            Outcome::Conflict(found) => self.found(found),
        }
    }

    fn found(&self, found: Read<Option<KeyValue>>) -> Result<Replaced> {
        match found.value {
            None => Ok(Replaced::Gone),
            Some(stored) => Ok(Replaced::Changed(self.format.tree(&stored)?, stored.mod_revision)),
        }
    }

    /// A written object as it reads back: protobuf does not tell an empty list from none.
    pub fn written(&self, key: &str, object: Value, revision: Revision) -> Result<Value> {
        if !has_empty(&object) {
            return Ok(object);
        }
        let value = self.format.encode(&object);
        self.format.tree(&KeyValue { key: key.to_owned(), value, create_revision: revision, mod_revision: revision })
    }

    /// The object's tree as the store has it now: a linearizable read past the cache.
    pub async fn read(&self, key: &str) -> Result<Option<(Value, Revision)>> {
        match self.operations.get.timed(self.store.get(key, None)).await?.value {
            None => Ok(None),
            Some(stored) => Ok(Some((self.format.tree(&stored)?, stored.mod_revision))),
        }
    }

    /// The object's tree as the cache has it: maybe old, which a conditional write will find out.
    pub fn cached(&self, key: &str) -> Result<Option<(Value, Revision)>> {
        let Some(object) = self.cache.get(key) else { return Ok(None) };
        let json = object.json().map_err(|problem| Status::internal(problem.to_string()))?;
        Ok(Some((serde_json::from_slice(json).map_err(Status::internal)?, object.revision())))
    }
}

/// Whether there is an empty list or map anywhere in a tree.
fn has_empty(tree: &Value) -> bool {
    match tree {
        Value::Array(items) => items.is_empty() || items.iter().any(has_empty),
        Value::Object(fields) => fields.is_empty() || fields.values().any(has_empty),
        _ => false,
    }
}

/// The outcome of [`ObjectStore::create`].
#[derive(Debug, PartialEq)]
pub enum Created {
    Done(Revision),
    Exists,
}

/// The outcome of a conditional write.
#[derive(Debug, PartialEq)]
pub enum Replaced {
    Done(Revision),
    /// The object as it is now, and the revision that wrote it.
    Changed(Value, Revision),
    Gone,
}

impl Format {
    /// The stored bytes of an object: no resourceVersion, no selfLink.
    pub fn encode(&self, object: &Value) -> Bytes {
        let mut stored = object.clone();
        object::set_meta(&mut stored, "resourceVersion", None);
        object::set_meta(&mut stored, "selfLink", None);
        protobuf::encode(&self.storage.ty, &self.storage.api_version, &self.kind, &stored).into()
    }

    /// A stored value as a tree, its resourceVersion set.
    pub fn tree(&self, stored: &KeyValue) -> Result<Value> {
        let json = self.json(stored).map_err(|problem| Status::internal(problem.0))?;
        serde_json::from_slice(&json).map_err(Status::internal)
    }

    /// A stored value as canonical JSON, its resourceVersion set.
    fn json(&self, stored: &KeyValue) -> std::result::Result<Bytes, DecodeError> {
        let problem = |error: &dyn std::fmt::Display| DecodeError(format!("{}: {error}", stored.key));
        let version = stored.mod_revision.to_string();
        let mut out = Vec::with_capacity(stored.value.len() * 2);
        if stored.value.starts_with(protobuf::MAGIC) {
            let envelope = protobuf::decode_envelope(&stored.value).map_err(|error| problem(&error))?;
            if envelope.api_version == self.storage.api_version.as_str() {
                let raw = with_resource_version(envelope.raw, &version).ok_or_else(|| problem(&"damaged metadata"))?;
                protobuf::to_json(&self.storage.ty, &self.storage.api_version, &self.kind, &raw, &mut out)
                    .map_err(|error| problem(&error))?;
                return Ok(out.into());
            }
            let (group, name) = crate::resources::split_api_version(envelope.api_version);
            let ty = apiserver_schema::builtin(group, name, &self.kind)
                .ok_or_else(|| problem(&format!("no kind {} in {}", self.kind, envelope.api_version)))?;
            let mut tree = protobuf::decode(ty, envelope.raw).map_err(|error| problem(&error))?;
            self.hooks.convert(&mut tree, envelope.api_version, &self.storage.api_version);
            self.finish(tree, version, &mut out);
            return Ok(out.into());
        }
        let mut tree: Value = serde_json::from_slice(&stored.value).map_err(|error| problem(&error))?;
        let api_version = tree["apiVersion"].as_str().unwrap_or_default().to_owned();
        self.hooks.convert(&mut tree, &api_version, &self.storage.api_version);
        self.finish(tree, version, &mut out);
        Ok(out.into())
    }

    fn finish(&self, mut tree: Value, version: String, out: &mut Vec<u8>) {
        object::set(&mut tree, &["apiVersion"], self.storage.api_version.as_str());
        object::set(&mut tree, &["kind"], self.kind.as_str());
        object::set_meta(&mut tree, "resourceVersion", Some(version.into()));
        json::encode(&self.storage.ty, &tree, out);
    }
}

impl Codec for Format {
    fn decode(&self, stored: &KeyValue) -> std::result::Result<Decoded, DecodeError> {
        let json = self.json(stored)?;
        let facts =
            facts::read(&json, self.selectable).map_err(|error| DecodeError(format!("{}: {error}", stored.key)))?;
        Ok(Decoded {
            json,
            namespace: facts.namespace,
            name: facts.name,
            labels: facts.labels.into(),
            fields: self.selectable.iter().zip(facts.fields).map(|(field, value)| (field.name.into(), value)).collect(),
        })
    }
}

/// A stored message with `metadata.resourceVersion` put in, on the wire form: metadata is field 1 of every
/// object, resourceVersion field 6 of the metadata.
fn with_resource_version(raw: &[u8], version: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len() + version.len() + 8);
    let mut rest = raw;
    let mut done = false;
    while !rest.is_empty() {
        let before = rest;
        let tag = varint(&mut rest)?;
        match tag & 7 {
            0 => {
                varint(&mut rest)?;
            }
            1 => rest = rest.get(8..)?,
            5 => rest = rest.get(4..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let body = rest.get(..length)?;
                rest = &rest[length..];
                if tag >> 3 == 1 && !done {
                    done = true;
                    out.push(tag as u8);
                    respond::put_varint(&mut out, (length + 2 + version.len()) as u64);
                    out.extend_from_slice(body);
                    out.push(6 << 3 | 2);
                    respond::put_varint(&mut out, version.len() as u64);
                    out.extend_from_slice(version.as_bytes());
                    continue;
                }
            }
            _ => return None,
        }
        out.extend_from_slice(&before[..before.len() - rest.len()]);
    }
    Some(out)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
