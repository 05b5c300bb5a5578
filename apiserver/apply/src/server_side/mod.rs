//! Server-side apply: who owns which field, on every write.
//!
//! The port in spirit of `k8s.io/apimachinery/pkg/util/managedfields` and `structured-merge-diff`.

mod cap;
mod conflict;
mod last_applied;
mod scale;
mod updater;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use apiserver_schema::{Ref, Type};
use serde_json::{Value, json};
use thiserror::Error;

use crate::managed_fields::{Entry, FieldSet, Filter, Managed, Manager, Operation, PathElement};
use crate::typed::{self, Place};
use conflict::Clashes;
use last_applied::KUBECTL;
pub use scale::{ScaleMapping, from_scale, to_scale};
use updater::Updater;

/// Everything about the written resource that does not change between requests to the same endpoint.
pub struct Resource<'a> {
    /// The type of the object in the version of the request.
    pub schema: &'a Type,
    /// The version of the request as in `apiVersion`: `v1`, `apps/v1`.
    pub api_version: &'a str,
    pub kind: &'a str,
    /// `""` for the main resource, else `status`, `scale`, ...
    pub subresource: &'a str,
    /// A custom resource: its empty object has no zero values.
    pub custom: bool,
    /// The other versions of the kind, and what each version's writer cannot own.
    pub versions: &'a dyn Versions,
}

/// The other versions in which fields of one kind may be owned.
pub trait Versions {
    /// The type in that version; `None` when the version is not served, whose managers are then forgotten.
    fn schema(&self, api_version: &str) -> Option<Ref<Type>>;

    /// `object` in that version. Called only with a version other than the object's, and for which
    /// [`Versions::schema`] answered.
    fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Result<Cow<'v, Value>, String>;

    /// The fields that a write to this resource or subresource resets, hence cannot own, in that version.
    fn reset_fields(&self, api_version: &str) -> Option<&Filter>;
}

/// A kind with one version and nothing reset.
pub struct OneVersion;

impl Versions for OneVersion {
    fn schema(&self, _: &str) -> Option<Ref<Type>> {
        None
    }
    fn convert<'v>(&self, object: &'v Value, _: &str) -> Result<Cow<'v, Value>, String> {
        Ok(Cow::Borrowed(object))
    }
    fn reset_fields(&self, _: &str) -> Option<&Filter> {
        None
    }
}

/// The writer of one request.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager; upstream's default is the first word of the user agent. Empty means `unknown`.
    pub manager: &'a str,
    /// Now, RFC 3339 in whole seconds and UTC: `2026-01-02T15:04:05Z`.
    pub time: &'a str,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// 400, reason `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// 409, reason `Conflict`, with one cause of type `FieldManagerConflict` per field.
    #[error("{}", .0.message)]
    Conflict(Conflicts),
    /// 500, no reason: the configuration does not fit the schema, among others.
    #[error("{0}")]
    Internal(String),
}

/// The fields that others own and an apply would have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts {
    /// The `message` of the `Status`.
    pub message: String,
    /// The `details.causes` of the `Status`, each of type `FieldManagerConflict`.
    pub causes: Vec<Conflict>,
}

/// One cause of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub message: String,
    pub field: String,
}

/// Why the core refused.
#[derive(Debug)]
enum Refusal {
    Clashes(Clashes),
    Other(String),
}

impl From<String> for Refusal {
    fn from(cause: String) -> Refusal {
        Refusal::Other(cause)
    }
}

/// The manager of fields that were there before anybody was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Tracks ownership on a create, update or non-apply patch: sets `new`'s `metadata.managedFields`.
///
/// `live` is the stored object in the version of the request, `None` on create. `new` is the object about
/// to be stored, in the same version, defaulted, in its canonical JSON form except that
/// `metadata.managedFields` stands as the client sent it (an empty list, or a list of one empty entry, is the
/// request to forget all ownership). Never fails: upstream clears managedFields when something is wrong with them.
pub fn update(resource: &Resource<'_>, live: Option<&Value>, new: &mut Value, writer: Writer<'_>) {
    let asked = take_managed_fields(new);
    let stored = live.and_then(managed_fields);
    let decode_live = || Managed::decode(stored).unwrap_or_default();
    let mut managed = if !resource.subresource.is_empty() {
        // A subresource cannot set managedFields.
        decode_live()
    } else if is_reset(asked.as_ref()) {
        Managed::default()
    } else if asked.as_ref() == stored {
        decode_live()
    } else {
        // Clients that know nothing of managedFields must not delete them.
        match Managed::decode(asked.as_ref()) {
            Ok(managed) if !managed.entries.is_empty() => managed,
            _ => decode_live(),
        }
    };
    // An object that nobody was tracked on stays so until the first apply.
    if managed.entries.is_empty() && live.is_some() {
        return;
    }
    let tracked = match live {
        Some(live) => track(resource, live, new, &mut managed, writer),
        None => track(resource, &empty_object(resource), new, &mut managed, writer),
    };
    if tracked.is_ok()
        && let Some(list) = managed.encode()
    {
        put_managed_fields(new, list);
    }
}

/// Applies `config` to `live` and answers the merged object with its `metadata.managedFields`.
///
/// `live` is as for [`update`], `None` when the apply creates the object. The answer is in the version of the
/// request and must still be decoded, defaulted and validated by the caller.
pub fn apply(
    resource: &Resource<'_>,
    live: Option<&Value>,
    config: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    let managed = Managed::decode(live.and_then(managed_fields))
        .map_err(|cause| ApplyError::Internal(format!("failed to decode managed fields: {cause}")))?;
    check(resource, config)?;
    let mut live = match live {
        Some(live) => live.clone(),
        None => empty_object(resource),
    };
    take_managed_fields(&mut live);
    typed::validate(Place::Type(resource.schema), config, false).map_err(|cause| {
        let object = describe(config);
        ApplyError::Internal(format!("failed to create typed patch object ({object}): {cause}"))
    })?;

    let mut applied = merge(resource, &live, config, managed.clone(), writer, force);
    if writer.manager == KUBECTL
        && let Err(Refusal::Clashes(clashes)) = applied
    {
        applied = match last_applied::allowed(resource, &live) {
            Some(allowed) => {
                let left = clashes.without(&allowed);
                if left.is_empty() {
                    merge(resource, &live, config, managed, writer, true)
                } else {
                    Err(Refusal::Clashes(left))
                }
            }
            None => Err(Refusal::Clashes(clashes)),
        };
    }
    let (mut object, managed) = applied.map_err(|refusal| match refusal {
        Refusal::Clashes(clashes) => ApplyError::Conflict(clashes.into_conflicts()),
        Refusal::Other(cause) => ApplyError::Internal(cause),
    })?;
    if writer.manager == KUBECTL {
        last_applied::sync(&mut object, config);
    }
    if let Some(list) = managed.encode() {
        put_managed_fields(&mut object, list);
    }
    Ok(object)
}

/// What is refused before anything is merged.
fn check(resource: &Resource<'_>, config: &Value) -> Result<(), ApplyError> {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") != resource.api_version || text("kind") != resource.kind {
        return Err(ApplyError::BadRequest(format!("invalid object type: {}", type_of(config))));
    }
    if managed_fields(config).is_some_and(Value::is_array) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    Ok(())
}

/// One attempt at an apply: the object without managedFields, and the managers.
fn merge(
    resource: &Resource<'_>,
    live: &Value,
    config: &Value,
    mut managed: Managed,
    writer: Writer<'_>,
    force: bool,
) -> Result<(Value, Managed), Refusal> {
    if managed.entries.is_empty() {
        let before = Writer { manager: BEFORE_FIRST_APPLY, time: writer.time };
        track(resource, &empty_object(resource), live, &mut managed, before)
            .map_err(|cause| format!("failed to create manager for existing fields: {cause}"))?;
    }
    let manager = Manager::new(writer.manager, Operation::Apply, resource.api_version, resource.subresource);
    let merged = Updater::new(resource).apply(live, config, &mut managed, &manager, force)?;
    strip(&mut managed, &manager);
    let object = match merged {
        Some(merged) => {
            if let Some(entry) = managed.get_mut(&manager) {
                entry.time = Some(writer.time.to_owned());
            }
            merged
        }
        None => live.clone(),
    };
    Ok((object, managed))
}

/// Gives the writer of an update what changed between `live` and `new`.
fn track(
    resource: &Resource<'_>,
    live: &Value,
    new: &Value,
    managed: &mut Managed,
    writer: Writer<'_>,
) -> Result<(), String> {
    let mut own = Updater::new(resource).update(live, new, managed)?;
    own.subtract(&UNTRACKED);
    if !own.is_empty() {
        let manager = Manager::new(writer.manager, Operation::Update, resource.api_version, resource.subresource);
        let mut entry = match managed.get(&manager) {
            Some(entry) => entry.clone(),
            None => Entry::new(manager, resource.api_version, FieldSet::new()),
        };
        entry.set_mut().unite(own);
        entry.time = Some(writer.time.to_owned());
        managed.put(entry);
    }
    cap::cap_updaters(managed);
    Ok(())
}

/// Metadata that nobody owns.
static UNTRACKED: LazyLock<FieldSet> = LazyLock::new(|| {
    let mut set = FieldSet::of_fields(&[&["apiVersion"], &["kind"], &["metadata"]]);
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set.insert(["metadata", name].map(PathElement::field));
    }
    set
});

fn strip(managed: &mut Managed, manager: &Manager) {
    if let Some(entry) = managed.get_mut(manager) {
        entry.subtract(&UNTRACKED);
        if entry.set.is_empty() {
            managed.remove(manager);
        }
    }
}

/// What a created object is compared with.
fn empty_object(resource: &Resource<'_>) -> Value {
    if resource.custom {
        return json!({"apiVersion": resource.api_version, "kind": resource.kind});
    }
    let mut empty = typed::zero(resource.schema);
    if let Some(object) = empty.as_object_mut() {
        object.insert("apiVersion".to_owned(), Value::from(resource.api_version));
        object.insert("kind".to_owned(), Value::from(resource.kind));
    }
    empty
}

/// Whether the list asks to forget all ownership: empty, or with one empty entry.
fn is_reset(list: Option<&Value>) -> bool {
    match list.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([Value::Object(entry)]) => {
            entry.values().all(|value| value.is_null() || value.as_str().is_some_and(str::is_empty))
        }
        Some([Value::Null]) => true,
        _ => false,
    }
}

fn managed_fields(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn take_managed_fields(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}

fn put_managed_fields(object: &mut Value, list: Value) {
    if let Some(object) = object.as_object_mut() {
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("managedFields".to_owned(), list);
        }
    }
}

/// `namespace/name; group/version, Kind=kind`, as upstream's messages name an object.
fn describe(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}; {}", text("/metadata/namespace"), text("/metadata/name"), type_of(object))
}

fn type_of(object: &Value) -> String {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    format!("{group}/{version}, Kind={}", text("kind"))
}
