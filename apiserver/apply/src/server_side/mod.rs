//! Server-side apply: who owns which field, on every write.
//!
//! The port in spirit of `k8s.io/apimachinery/pkg/util/managedfields` and `structured-merge-diff`.

use std::borrow::Cow;

use apiserver_schema::{Ref, Type};
use serde_json::Value;
use thiserror::Error;

use crate::managed_fields::Filter;

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

/// Tracks ownership on a create, update or non-apply patch: sets `new`'s `metadata.managedFields`.
///
/// `live` is the stored object in the version of the request, `None` on create. `new` is the object about
/// to be stored, in the same version, defaulted, in its canonical JSON form except that
/// `metadata.managedFields` stands as the client sent it (an empty list, or a list of one empty entry, is the
/// request to forget all ownership). Never fails: upstream clears managedFields when something is wrong with them.
pub fn update(_resource: &Resource<'_>, _live: Option<&Value>, _new: &mut Value, _writer: Writer<'_>) {}

/// Applies `config` to `live` and answers the merged object with its `metadata.managedFields`.
///
/// `live` is as for [`update`], `None` when the apply creates the object. The answer is in the version of the
/// request and must still be decoded, defaulted and validated by the caller.
pub fn apply(
    _resource: &Resource<'_>,
    _live: Option<&Value>,
    _config: &Value,
    _writer: Writer<'_>,
    _force: bool,
) -> Result<Value, ApplyError> {
    Err(ApplyError::Internal("server-side apply is not built yet".to_owned()))
}
