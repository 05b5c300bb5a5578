//! Where the objects of one resource are kept: keys, encodings, the cache in front.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use apiserver_encryption::{Keys, OpenError, Opened};
use apiserver_schema::{Shape, Type, defaults, json, protobuf};
use apiserver_storage::{Expect, KeyValue, Outcome, Revision, Store, prefix_end};
use apiserver_watch_cache::{Cache, CacheOptions, Codec, DecodeError, Decoded, Feed};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use smol_str::SmolStr;

use crate::facts::{self, SelectableField};
use crate::metrics::storage::Operations;
use crate::object;
use crate::resources::{Hooks, Resource, Storage, Written};
use crate::respond;
use crate::status::{Result, Status};

/// The root of all keys.
pub const ROOT: &str = "/registry/";

/// How long a write waits at most for the server's own cache, where the server goes by what is written.
const SETTLED: Duration = Duration::from_millis(500);

/// Whether authentication, authorization or admission go by the objects of a resource. Who has written one can count on
/// it at once: upstream's informers leave that open.
fn steers(group: &str, plural: &str) -> bool {
    match group {
        "" => matches!(plural, "limitranges" | "namespaces" | "resourcequotas" | "secrets" | "serviceaccounts"),
        "admissionregistration.k8s.io" | "node.k8s.io" | "rbac.authorization.k8s.io" | "scheduling.k8s.io" => true,
        "networking.k8s.io" => plural == "ingressclasses",
        "storage.k8s.io" => plural == "storageclasses",
        _ => false,
    }
}

/// The stored objects of one resource.
pub struct ObjectStore {
    /// `/registry/pods/`, with the last slash.
    pub prefix: String,
    pub cache: Arc<Cache>,
    pub store: Arc<dyn Store>,
    pub format: Arc<Format>,
    namespaced: bool,
    /// Whether the server itself goes by these objects.
    steers: bool,
    operations: Operations,
}

/// How the objects of one resource are stored.
pub struct Format {
    pub kind: String,
    pub storage: Storage,
    pub selectable: Vec<SelectableField>,
    pub hooks: Arc<dyn Hooks>,
    /// How long objects live, for kinds that expire.
    pub ttl: Option<Duration>,
    /// What values are encrypted with; none where that is never asked for.
    pub keys: Option<Arc<Keys>>,
    foreseen: Foreseen,
}

/// What is to be stored under a key.
pub struct Prepared<'a> {
    key: &'a str,
    value: Bytes,
    served: Option<Served>,
}

/// How what is to be stored will be served, in the storage version, but for its revision.
#[derive(Clone, Debug)]
pub struct Served(Bytes);

impl Served {
    /// What stands for the revision, which the store will tell.
    const REVISION: Revision = 0;

    /// The JSON of what was stored at a revision.
    pub fn at(&self, revision: Revision) -> Option<Bytes> {
        // Before it there are only names, in which quotes would be escaped.
        let before = br#""resourceVersion":""#;
        let at = self.0.windows(before.len()).position(|window| window == before)? + before.len();
        let version = revision.to_string();
        let rest = self.0[at..].strip_prefix(Self::REVISION.to_string().as_bytes())?;
        Some([&self.0[..at], version.as_bytes(), rest].concat().into())
    }
}

impl Prepared<'_> {
    /// How it will be served, where that was to be told.
    pub fn served(&self) -> Option<Served> {
        self.served.clone()
    }
}

impl ObjectStore {
    /// `event_ttl` is how long objects of expiring kinds live.
    pub fn start(
        feed: &Arc<Feed>,
        store: Arc<dyn Store>,
        resource: &Resource,
        storage: &Storage,
        event_ttl: Duration,
        operations: Operations,
        keys: Option<Arc<Keys>>,
    ) -> Self {
        let prefix = format!("{ROOT}{}/", storage.prefix);
        let format = Arc::new(Format {
            kind: resource.kind.to_string(),
            storage: storage.clone(),
            selectable: resource.hooks.selectable_fields().to_vec(),
            hooks: Arc::clone(&resource.hooks),
            ttl: resource.hooks.expires().then_some(event_ttl),
            keys,
            foreseen: Foreseen::default(),
        });
        let options = CacheOptions::new(&prefix).index(resource.hooks.indexed_fields().iter().copied());
        let cache = Cache::start(feed, options, Arc::clone(&format) as Arc<dyn Codec>);
        let steers = steers(&resource.group, &resource.plural);
        ObjectStore { prefix, cache, store, format, namespaced: resource.namespaced, steers, operations }
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

    /// What an object is stored as, and the object as it reads back then. The cache need not decode it when the store
    /// tells of it. `is_answered` says that its JSON will be asked for.
    pub fn prepare<'a>(&self, key: &'a str, object: Value, is_answered: bool) -> Result<(Prepared<'a>, Value)> {
        let plain = self.format.encode(&object);
        let value = self.format.sealed(key, plain.clone())?;
        let (mut written, json) = self.reading_back(key, object, Some(plain))?;
        object::set_meta(&mut written, "resourceVersion", Some(Served::REVISION.to_string().into()));
        let served = self.format.served(&value, &written, json, is_answered);
        Ok((Prepared { key, value, served }, written))
    }

    /// Writes a new object.
    pub async fn create(&self, key: &str, object: &Value) -> Result<Created> {
        let value = self.format.sealed(key, self.format.encode(object))?;
        self.put_new(Prepared { key, value, served: None }).await
    }

    /// [`ObjectStore::create`] with what was prepared.
    pub async fn put_new(&self, Prepared { key, value, .. }: Prepared<'_>) -> Result<Created> {
        let put = self.store.put(key, value.clone(), Expect::Absent, self.format.ttl);
        match self.operations.create.timed(put).await? {
            Outcome::Done(revision) => Ok(Created::Done(self.settled(revision).await)),
            Outcome::Conflict(_) => {
                self.format.foreseen.take(&value, 0);
                Ok(Created::Exists)
            }
        }
    }

    /// Replaces the object that was last written at `revision`; otherwise says what is there instead.
    pub async fn replace(&self, key: &str, object: &Value, revision: Revision) -> Result<Replaced> {
        let value = self.format.sealed(key, self.format.encode(object))?;
        self.put_over(Prepared { key, value, served: None }, revision).await
    }

    /// [`ObjectStore::replace`] with what was prepared.
    pub async fn put_over(&self, Prepared { key, value, .. }: Prepared<'_>, revision: Revision) -> Result<Replaced> {
        let put = self.store.put(key, value.clone(), Expect::ModRevision(revision), self.format.ttl);
        match self.operations.update.timed(put).await? {
            Outcome::Done(revision) => Ok(Replaced::Done(self.settled(revision).await)),
            Outcome::Conflict(found) => {
                self.format.foreseen.take(&value, 0);
                self.found(found.value).await
            }
        }
    }

    /// Deletes the object that was last written at `revision`; otherwise says what is there instead.
    pub async fn remove(&self, key: &str, revision: Revision) -> Result<Replaced> {
        match self.operations.delete.timed(self.store.delete(key, revision)).await? {
            Outcome::Done(revision) => Ok(Replaced::Done(self.settled(revision).await)),
            Outcome::Conflict(found) => self.found(found.value).await,
        }
    }

    /// Waits until the server goes by what was written at a revision. What is slow to arrive holds up no answer.
    async fn settled(&self, revision: Revision) -> Revision {
        if self.steers {
            let _ = self.cache.wait_until(revision, SETTLED).await;
        }
        revision
    }

    async fn found(&self, found: Option<KeyValue>) -> Result<Replaced> {
        match found {
            None => Ok(Replaced::Gone),
            Some(stored) => Ok(Replaced::Changed(self.tree(&stored).await?, stored.mod_revision)),
        }
    }

    /// A stored value as a tree, once its key is here.
    async fn tree(&self, stored: &KeyValue) -> Result<Value> {
        self.format.prepare(std::slice::from_ref(stored)).await;
        self.format.tree(stored)
    }

    /// A written object as it reads back: protobuf does not tell an empty list from none, and what was stored without
    /// a default gets it when it is read.
    pub fn written(&self, key: &str, object: Value) -> Result<Value> {
        Ok(self.reading_back(key, object, None)?.0)
    }

    /// [`ObjectStore::written`] of what is encoded so, and its JSON where it was made for that.
    fn reading_back(&self, key: &str, mut object: Value, encoded: Option<Bytes>) -> Result<(Value, Option<Bytes>)> {
        if !is_lossy(&self.format.storage.ty, &object) {
            defaults::apply(&self.format.storage.ty, &mut object);
            return Ok((object, None));
        }
        let encoded = encoded.unwrap_or_else(|| self.format.encode(&object));
        let json = self.format.json_of(&encoded, Served::REVISION);
        let json = json.map_err(|problem| Status::internal(format_args!("{key}: {problem}")))?;
        Ok((serde_json::from_slice(&json).map_err(Status::internal)?, Some(json)))
    }

    /// The object's tree as the store has it now: a linearizable read past the cache.
    pub async fn read(&self, key: &str) -> Result<Option<(Value, Revision)>> {
        match self.operations.get.timed(self.store.get(key, None)).await?.value {
            None => Ok(None),
            Some(stored) => Ok(Some((self.tree(&stored).await?, stored.mod_revision))),
        }
    }

    /// What the store says of a write that would leave the object of `revision` as it is served.
    pub async fn standing(&self, key: &str, object: &Value, revision: Revision) -> Result<Standing> {
        match self.operations.get.timed(self.store.get(key, None)).await?.value {
            Some(stored) if stored.mod_revision == revision => {
                self.format.prepare(std::slice::from_ref(&stored)).await;
                let opened = self.format.open(&stored).map_err(Status::internal)?;
                let is_custom = self.format.hooks.custom().is_some();
                let is_compared = !is_custom && opened.value.starts_with(protobuf::MAGIC);
                let is_same = !opened.is_stale && (!is_compared || opened.value == self.format.encode(object));
                Ok(if is_same { Standing::Same } else { Standing::OtherBytes })
            }
            found => Ok(Standing::Replaced(self.found(found).await?)),
        }
    }

    /// The object that a write begins with, and whether it is surely the latest: the cache may be behind, which a
    /// conditional write finds out. A dry run writes nothing, so it reads the store.
    pub async fn to_change(&self, key: &str, dry_run: bool) -> Result<(Option<(Value, Revision)>, bool)> {
        match if dry_run { None } else { self.cached(key)? } {
            Some(cached) => Ok((Some(cached), false)),
            None => Ok((self.read(key).await?, true)),
        }
    }

    /// The object's tree as the cache has it: maybe old.
    pub fn cached(&self, key: &str) -> Result<Option<(Value, Revision)>> {
        let Some(object) = self.cache.get(key) else { return Ok(None) };
        let json = object.json().map_err(|problem| Status::internal(problem.to_string()))?;
        Ok(Some((serde_json::from_slice(&json).map_err(Status::internal)?, object.revision())))
    }
}

/// Whether an object has an empty list or map, which protobuf does not tell from none.
fn is_lossy(ty: &Type, object: &Value) -> bool {
    let Value::Object(members) = object else { return false };
    members.iter().any(|(name, value)| ty.field(name).is_some_and(|field| is_lossy_value(&field.shape, value)))
}

fn is_lossy_value(shape: &Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Object(ty), object) => is_lossy(ty, object),
        (Shape::List(element), Value::Array(items)) => {
            items.is_empty() || items.iter().any(|item| is_lossy_value(element, item))
        }
        (Shape::Map(element), Value::Object(entries)) => {
            entries.is_empty() || entries.values().any(|entry| is_lossy_value(element, entry))
        }
        // Schemas hold schemas: what they lose is seen by reading them back.
        (Shape::SchemaOr(_), _) => true,
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

/// The outcome of [`ObjectStore::standing`].
#[derive(Debug, PartialEq)]
pub enum Standing {
    /// There is nothing to write.
    Same,
    /// What was written last lacks a default, as a status does that was emptied, or is encrypted otherwise than it
    /// would be now.
    OtherBytes,
    /// The object is not of that revision any more.
    Replaced(Replaced),
}

impl Format {
    /// What is stored under a key where this is encoded.
    fn sealed(&self, key: &str, bytes: Bytes) -> Result<Bytes> {
        match &self.keys {
            None => Ok(bytes),
            Some(keys) => keys.seal(key, bytes).map_err(Status::internal),
        }
    }

    /// The stored bytes of an object, before they are encrypted: no resourceVersion, no selfLink.
    pub fn encode(&self, object: &Value) -> Bytes {
        if self.hooks.custom().is_some() {
            let mut out = Vec::with_capacity(512);
            json::encode_stored(object, &mut out);
            out.push(b'\n');
            return out.into();
        }
        let api_version = self.storage.api_version.as_str();
        match self.storage.written {
            Written::Protobuf => self.protobuf(api_version, object),
            Written::ProtobufOf(version) => self.protobuf(version, object),
            Written::Json => self.written_json(api_version, &self.storage.ty, object),
            Written::JsonOf(version, ty) => self.written_json(version, ty, object),
        }
    }

    fn protobuf(&self, api_version: &str, object: &Value) -> Bytes {
        let message = protobuf::message(&self.storage.ty, object);
        let message = stamped(&message, "").unwrap_or_else(|| {
            let mut stored = object.clone();
            object::set_meta(&mut stored, "resourceVersion", None);
            object::set_meta(&mut stored, "selfLink", None);
            protobuf::message(&self.storage.ty, &stored)
        });
        respond::enveloped(api_version, &self.kind, &message).into()
    }

    fn written_json(&self, api_version: &str, ty: &Type, object: &Value) -> Bytes {
        let mut stored = object.clone();
        if api_version != self.storage.api_version {
            self.hooks.convert(&mut stored, &self.storage.api_version, api_version);
        }
        object::set(&mut stored, &["apiVersion"], api_version);
        object::set(&mut stored, &["kind"], self.kind.as_str());
        object::set_meta(&mut stored, "resourceVersion", None);
        object::set_meta(&mut stored, "selfLink", None);
        let mut out = json::to_vec(ty, &stored);
        out.push(b'\n');
        out.into()
    }

    /// A stored value as a tree, its resourceVersion set.
    pub fn tree(&self, stored: &KeyValue) -> Result<Value> {
        let json = self.json(stored).map_err(Status::internal)?;
        serde_json::from_slice(&json).map_err(Status::internal)
    }

    /// A stored value, decrypted.
    fn open(&self, stored: &KeyValue) -> std::result::Result<Opened, DecodeError> {
        match &self.keys {
            None => Ok(Opened { value: stored.value.clone(), is_stale: false }),
            Some(keys) => keys.open(&stored.key, &stored.value).map_err(|error| {
                let why = format!("{}: {error}", stored.key);
                match error {
                    OpenError::Unavailable(_) => DecodeError::Unavailable(why),
                    OpenError::NoProvider | OpenError::Cipher(_) => DecodeError::Damaged(why),
                }
            }),
        }
    }

    /// How what is about to be stored will be served, where the cache or who `is_answered` asks; `json` is that where
    /// it is at hand. Notes it for the cache.
    fn served(&self, value: &Bytes, written: &Value, json: Option<Bytes>, is_answered: bool) -> Option<Served> {
        // Custom resources are decoded by what their definition says when they are read.
        if self.hooks.custom().is_some() || written["apiVersion"] != *self.storage.api_version {
            return None;
        }
        // What is encrypted is decoded by who can, and what has no defaults as fast as it is encoded.
        if !is_answered && (self.keys.is_some() || !defaults::has_any(&self.storage.ty)) {
            return None;
        }
        let json = json.unwrap_or_else(|| {
            let mut json = Vec::with_capacity(value.len() * 2);
            json::encode(&self.storage.ty, written, &mut json);
            json.into()
        });
        let served = Served(json);
        if self.keys.is_none() {
            self.foreseen.add(value, served.clone());
        }
        Some(served)
    }

    fn json(&self, stored: &KeyValue) -> std::result::Result<Bytes, DecodeError> {
        let value = self.open(stored)?.value;
        self.json_of(&value, stored.mod_revision)
            .map_err(|problem| DecodeError::Damaged(format!("{}: {problem}", stored.key)))
    }

    /// The bytes of [`Format::encode`] as canonical JSON, the resourceVersion set. Defaults are filled in also here:
    /// others, and earlier versions, stored objects without some, and upstream serves them with all.
    fn json_of(&self, value: &[u8], revision: Revision) -> std::result::Result<Bytes, String> {
        let problem = |error: &dyn std::fmt::Display| error.to_string();
        let version = revision.to_string();
        if let Some(custom) = self.hooks.custom() {
            let mut object = custom.definition.read(value).map_err(|error| problem(&error))?;
            object::set_meta(&mut object, "resourceVersion", Some(version.into()));
            let mut out = Vec::with_capacity(value.len() + 32);
            json::encode_untyped(&object, &mut out);
            return Ok(out.into());
        }
        let mut out = Vec::with_capacity(value.len() * 2);
        if value.starts_with(protobuf::MAGIC) {
            let envelope = protobuf::decode_envelope(value).map_err(|error| problem(&error))?;
            if envelope.api_version == self.storage.api_version.as_str() && !defaults::has_any(&self.storage.ty) {
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
            defaults::apply(&self.storage.ty, &mut tree);
            self.finish(tree, version, &mut out);
            return Ok(out.into());
        }
        let mut tree: Value = serde_json::from_slice(value).map_err(|error| problem(&error))?;
        let api_version = tree["apiVersion"].as_str().unwrap_or_default().to_owned();
        self.hooks.convert(&mut tree, &api_version, &self.storage.api_version);
        defaults::apply(&self.storage.ty, &mut tree);
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

/// How values that this server is writing are served, by the hash of what is stored.
#[derive(Default)]
struct Foreseen {
    hasher: RandomState,
    /// The oldest first; what the store never tells of is pushed out.
    values: Mutex<VecDeque<(u64, Served)>>,
}

impl Foreseen {
    /// How many are kept: writes that are under way, or whose events are.
    const MOST: usize = 256;
    /// Of larger ones decoding is the least cost.
    const LARGEST: usize = 64 * 1024;

    fn add(&self, value: &[u8], served: Served) {
        if served.0.len() > Self::LARGEST {
            return;
        }
        let hash = self.hasher.hash_one(value);
        let mut values = self.values.lock();
        if values.len() == Self::MOST {
            values.pop_front();
        }
        values.push_back((hash, served));
    }

    /// The JSON of what was stored at a revision.
    fn take(&self, value: &[u8], revision: Revision) -> Option<Bytes> {
        if self.values.lock().is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(value);
        let (_, served) = {
            let mut values = self.values.lock();
            let at = values.iter().position(|(other, _)| *other == hash)?;
            values.remove(at)?
        };
        served.at(revision)
    }
}

impl Codec for Format {
    fn prepare<'a>(&'a self, stored: &'a [KeyValue]) -> BoxFuture<'a, ()> {
        match &self.keys {
            None => std::future::ready(()).boxed(),
            Some(keys) => keys.prepare(stored.iter().map(|stored| &stored.value)).boxed(),
        }
    }

    fn packs(&self) -> bool {
        self.hooks.is_bulky()
    }

    fn decode(&self, stored: &KeyValue) -> std::result::Result<Decoded, DecodeError> {
        let json = match self.foreseen.take(&stored.value, stored.mod_revision) {
            Some(json) => {
                debug_assert_eq!(Ok(&json), self.json(stored).as_ref(), "what was foreseen is what is read");
                json
            }
            None => self.json(stored)?,
        };
        let mut facts = facts::read(&json, &self.selectable)
            .map_err(|error| DecodeError::Damaged(format!("{}: {error}", stored.key)))?;
        self.hooks.complete_facts(&mut facts);
        Ok(Decoded {
            json,
            namespace: facts.namespace,
            name: facts.name,
            labels: facts.labels.into(),
            fields: self
                .selectable
                .iter()
                .zip(facts.fields)
                .map(|(field, value)| (SmolStr::new(&field.name), value))
                .collect(),
        })
    }
}

/// A message whose `metadata.resourceVersion` (field 6) is this, and `selfLink` (field 4) empty; both are always
/// written. None where the message is not as encoders write it.
fn stamped(message: &[u8], version: &str) -> Option<Vec<u8>> {
    let mut rest = message;
    // The metadata is field 1 of every object, and fields are written in the order of their numbers.
    if varint(&mut rest)? != (1 << 3 | 2) {
        return None;
    }
    let length = usize::try_from(varint(&mut rest)?).ok()?;
    let (mut metadata, rest) = rest.split_at_checked(length)?;
    let mut changed = Vec::with_capacity(length + version.len());
    let mut found = false;
    while !metadata.is_empty() {
        let before = metadata;
        let tag = varint(&mut metadata)?;
        skip(tag, &mut metadata)?;
        match tag {
            0x22 => changed.extend_from_slice(&[0x22, 0]),
            0x32 => {
                found = true;
                changed.push(0x32);
                respond::put_varint(&mut changed, version.len() as u64);
                changed.extend_from_slice(version.as_bytes());
            }
            _ => changed.extend_from_slice(&before[..before.len() - metadata.len()]),
        }
    }
    let mut out = Vec::with_capacity(changed.len() + rest.len() + 8);
    out.push(1 << 3 | 2);
    respond::put_varint(&mut out, changed.len() as u64);
    out.extend_from_slice(&changed);
    out.extend_from_slice(rest);
    found.then_some(out)
}

/// Passes the value behind a tag.
fn skip(tag: u64, rest: &mut &[u8]) -> Option<()> {
    match tag & 7 {
        0 => {
            varint(rest)?;
        }
        1 => *rest = rest.get(8..)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            *rest = rest.get(length..)?;
        }
        5 => *rest = rest.get(4..)?,
        _ => return None,
    }
    Some(())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn format(plural: &str) -> Format {
        let resource = crate::resources::builtin::resources().into_iter().find(|one| one.plural == plural).unwrap();
        Format {
            kind: resource.kind.to_string(),
            storage: resource.storage.clone().unwrap(),
            selectable: resource.hooks.selectable_fields().to_vec(),
            hooks: Arc::clone(&resource.hooks),
            ttl: None,
            keys: None,
            foreseen: Foreseen::default(),
        }
    }

    fn served(format: &Format, value: impl Into<Bytes>) -> Value {
        let stored = KeyValue { key: "/registry/x".into(), value: value.into(), create_revision: 7, mod_revision: 9 };
        format.tree(&stored).unwrap()
    }

    #[test]
    fn stored_objects_get_the_defaults_that_they_lack() {
        let jobs = format("jobs");
        let job = json!({
            "metadata": {"name": "j"}, "spec": {"template": {"metadata": {"labels": {"job-name": "j"}}}},
        });
        let served = served(&jobs, jobs.encode(&job));
        assert_eq!(served["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]);
        assert_eq!(served["metadata"]["resourceVersion"], "9");
    }

    #[test]
    fn definitions_are_read_as_upstream_stores_them() {
        let stored = r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1",
            "metadata":{"name":"things.example.com"},
            "spec":{"group":"example.com","version":"v1","names":{"plural":"things","kind":"Thing"},"scope":"Namespaced",
            "validation":{"openAPIV3Schema":{"type":"object"}},"versions":[{"name":"v1","served":true,"storage":true}]}}"#;
        let served = served(&format("customresourcedefinitions"), stored);
        assert_eq!(served["apiVersion"], "apiextensions.k8s.io/v1");
        assert_eq!(served["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"], "object");
    }

    #[test]
    fn each_kind_is_stored_in_upstreams_form() {
        let stored = |plural: &str, object: Value| format(plural).encode(&object);
        let service = stored("apiservices", json!({"metadata": {"name": "v1.", "resourceVersion": "7"}}));
        assert!(service.starts_with(
            br#"{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","metadata":{"name":"v1."}"#
        ));
        assert!(service.ends_with(b"}\n"));
        let definition = stored("customresourcedefinitions", json!({"spec": {"versions": [{"name": "v1"}]}}));
        assert!(
            definition
                .starts_with(br#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1""#)
        );
        let policy = stored("mutatingadmissionpolicies", json!({"metadata": {"name": "p"}}));
        let envelope = protobuf::decode_envelope(&policy).unwrap();
        assert_eq!(envelope.api_version, "admissionregistration.k8s.io/v1beta1");
        assert_eq!(
            served(&format("mutatingadmissionpolicies"), policy.clone())["apiVersion"],
            "admissionregistration.k8s.io/v1"
        );
    }

    #[test]
    fn versions_are_changed_in_messages_as_if_encoded_so() {
        let ty = apiserver_schema::builtin("", "v1", "ConfigMap").unwrap();
        let message = |version: &str| {
            let metadata = json!({"name": "a", "namespace": "b", "resourceVersion": version, "labels": {"x": "y"}});
            protobuf::message(ty, &json!({"metadata": metadata, "data": {"k": "v"}}))
        };
        for (before, after) in [("", "12"), ("12", ""), ("7", "1234567")] {
            assert_eq!(stamped(&message(before), after).unwrap(), message(after));
        }
        let whole = message("7");
        for length in 0..whole.len() {
            // Damaged messages are refused or changed, never a panic.
            let _ = stamped(&whole[..length], "8");
        }
        assert_eq!(stamped(b"", "1"), None);
    }

    #[test]
    fn only_empty_lists_and_maps_are_lost() {
        let ty = apiserver_schema::builtin("", "v1", "Pod").unwrap();
        let fields = json!({"fieldsV1": {"f:spec": {}}});
        assert!(!is_lossy(ty, &json!({"metadata": {"managedFields": [fields]}})));
        assert!(!is_lossy(ty, &json!({"spec": {"volumes": [{"name": "a", "emptyDir": {}}]}})));
        assert!(is_lossy(ty, &json!({"metadata": {"labels": {}}})));
        assert!(is_lossy(ty, &json!({"spec": {"containers": [{"args": []}]}})));
    }
}
