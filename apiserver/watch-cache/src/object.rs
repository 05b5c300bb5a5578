//! One state of one object: its JSON, and what selectors look at.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use apiserver_storage::{KeyValue, Revision};
use bytes::Bytes;
use smol_str::SmolStr;

use crate::codec::{Codec, DecodeError, Decoded};
use crate::forms::{FormBudget, FormId, Forms, without_slack};
use crate::packed::Kept;

/// One state of one object, as stored. States of one object whose labels and fields are equal share these.
pub struct Object {
    meta: Arc<Meta>,
    create_revision: Revision,
    revision: Revision,
    json: Result<Kept, Box<Undecodable>>,
    forms: Forms,
}

/// A stored value that could not be decoded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Undecodable {
    pub key: SmolStr,
    pub reason: DecodeError,
    /// What is stored.
    pub value: Bytes,
}

/// What identifies and selects an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) key: SmolStr,
    pub(crate) namespace: SmolStr,
    pub(crate) name: SmolStr,
    pub(crate) labels: Box<[(SmolStr, SmolStr)]>,
    pub(crate) fields: Box<[(SmolStr, SmolStr)]>,
}

impl Object {
    /// The key in the store, for example `/registry/pods/default/web-0`.
    pub fn key(&self) -> &SmolStr {
        &self.meta.key
    }

    /// The store's revision that created the object.
    pub fn create_revision(&self) -> Revision {
        self.create_revision
    }

    /// The object's resourceVersion: the revision that wrote this state, or deleted it.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Canonical JSON with `metadata.resourceVersion` in it, unless what is stored does not decode.
    pub fn json(&self) -> Result<Bytes, &Undecodable> {
        match &self.json {
            Ok(kept) => Ok(kept.json()),
            Err(undecodable) => Err(undecodable),
        }
    }

    /// How long the JSON is; 0 where what is stored does not decode.
    pub fn json_len(&self) -> usize {
        self.json.as_ref().map_or(0, Kept::json_len)
    }

    /// Why what is stored does not decode.
    pub fn undecodable(&self) -> Option<&Undecodable> {
        self.json.as_ref().err().map(|undecodable| &**undecodable)
    }

    /// Whether what is stored may decode another time.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(&self.json, Err(undecodable) if matches!(undecodable.reason, DecodeError::Unavailable(_)))
    }

    /// What is stored, where it does not decode.
    pub(crate) fn undecoded(&self) -> Option<KeyValue> {
        let undecodable = self.json.as_ref().err()?;
        Some(KeyValue {
            key: undecodable.key.to_string(),
            value: undecodable.value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.revision,
        })
    }

    /// Empty for a cluster-scoped object.
    pub fn namespace(&self) -> &SmolStr {
        &self.meta.namespace
    }

    pub fn name(&self) -> &SmolStr {
        &self.meta.name
    }

    pub fn labels(&self) -> &[(SmolStr, SmolStr)] {
        &self.meta.labels
    }

    pub fn label(&self, key: &str) -> Option<&SmolStr> {
        self.meta.label(key)
    }

    pub fn fields(&self) -> &[(SmolStr, SmolStr)] {
        &self.meta.fields
    }

    /// A selectable field's value; empty where the object does not have it.
    pub fn field(&self, field: &str) -> &str {
        self.meta.field(field)
    }

    /// Another encoding of this object, made by `make` the first time it is asked for and kept while there is room.
    /// `make` may ask for other forms of the object, not for the same one.
    pub fn form(&self, form: FormId, make: impl FnOnce(&Object) -> Bytes) -> Bytes {
        self.forms.get(form, 0, || make(self))
    }

    /// Another encoding, if it was made before and is kept.
    pub fn made_form(&self, form: FormId) -> Option<Bytes> {
        self.forms.made(form, 0)
    }

    pub(crate) fn meta(&self) -> &Arc<Meta> {
        &self.meta
    }

    /// The bytes only this state holds.
    pub(crate) fn weight(&self) -> usize {
        match &self.json {
            Ok(json) => json.len(),
            Err(undecodable) => undecodable.value.len(),
        }
    }

    /// This state as it is reported when it went away at `revision`.
    pub(crate) fn removed_at(&self, revision: Revision, codec: &dyn Codec, budget: &Arc<FormBudget>) -> Object {
        Object {
            meta: self.meta.clone(),
            create_revision: self.create_revision,
            revision,
            json: match &self.json {
                Ok(kept) => Ok(Kept::new(codec.restamp(&kept.json(), revision), codec.packs())),
                Err(undecodable) => Err(undecodable.clone()),
            },
            forms: Forms::new(budget),
        }
    }
}

impl Meta {
    pub(crate) fn label(&self, key: &str) -> Option<&SmolStr> {
        self.labels.iter().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    pub(crate) fn field(&self, field: &str) -> &str {
        self.fields.iter().find(|(other, _)| other == field).map_or("", |(_, value)| value)
    }
}

/// A write as it came from the store, decoded, not yet in its place.
pub(crate) struct Written {
    pub(crate) key: String,
    create_revision: Revision,
    pub(crate) revision: Revision,
    decoded: Result<Decoded, Box<Undecodable>>,
    pack: bool,
}

impl Written {
    pub(crate) fn decode(stored: KeyValue, codec: &dyn Codec) -> Self {
        // A panic in the codec would end the feed, and with it every cache, for one bad value.
        let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| codec.decode(&stored)))
            .unwrap_or_else(|_| Err(DecodeError::Damaged("the decoder panicked".to_owned())));
        let decoded = decoded.map_err(|reason| {
            // What is tried again and again is reported by whoever could not provide what it takes.
            if let DecodeError::Damaged(_) = reason {
                tracing::warn!(key = %stored.key, revision = stored.mod_revision, %reason, "undecodable object in the store");
            }
            Box::new(Undecodable { key: SmolStr::new(&stored.key), reason, value: stored.value })
        });
        Written {
            key: stored.key,
            create_revision: stored.create_revision,
            revision: stored.mod_revision,
            decoded,
            pack: codec.packs(),
        }
    }

    /// Whether it may decode another time.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(&self.decoded, Err(undecodable) if matches!(undecodable.reason, DecodeError::Unavailable(_)))
    }

    /// The object, sharing what it can with the state before.
    pub(crate) fn into_object(self, previous: Option<&Object>, prefix: &str, budget: &Arc<FormBudget>) -> Object {
        let key = match previous {
            Some(previous) => previous.key().clone(),
            None => SmolStr::new(&self.key),
        };
        let (meta, json) = match self.decoded {
            Ok(Decoded { json, namespace, name, labels, fields }) => {
                let kept = Kept::new(without_slack(json), self.pack);
                (Meta { key, namespace, name, labels, fields }, Ok(kept))
            }
            Err(undecodable) => {
                // The key alone says where the object is: `<prefix>[<namespace>/]<name>`.
                let place = self.key.strip_prefix(prefix).unwrap_or(&self.key);
                let (namespace, name) = place.rsplit_once('/').unwrap_or(("", place));
                let meta = Meta {
                    key,
                    namespace: SmolStr::new(namespace),
                    name: SmolStr::new(name),
                    labels: Box::default(),
                    fields: Box::default(),
                };
                (meta, Err(undecodable))
            }
        };
        let meta = match previous {
            Some(previous) if *previous.meta == meta => previous.meta.clone(),
            _ => Arc::new(meta),
        };
        Object { meta, create_revision: self.create_revision, revision: self.revision, json, forms: Forms::new(budget) }
    }
}
