//! What a kind does beyond what its data says: preparing, validating, converting.
//!
//! [`of`] is the list. A kind that is not in it has no rules of its own.

use std::sync::Arc;

use serde_json::Value;

use crate::facts::SelectableField;
use crate::field::ErrorList;
use crate::object;
use crate::resources::names;

mod event;
mod namespace;
mod node;
mod pod;
mod rbac;

/// The hooks of one kind. Every method has the behaviour of a kind without rules as its default.
///
/// Source: the strategies in `pkg/registry/*/*/strategy.go`.
pub trait Hooks: Send + Sync + 'static {
    /// Fields that field selectors may name besides `metadata.name` and `metadata.namespace`.
    fn selectable_fields(&self) -> &'static [SelectableField] {
        &[]
    }

    /// Selectable fields by which watches and lists are routed.
    fn indexed_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is wrong with a name; `prefix` when it is a `generateName`.
    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        let name = if prefix { name.trim_end_matches('-') } else { name };
        names::dns1123_subdomain(name)
    }

    /// Sets what the server alone decides about a new object. By default the status is emptied.
    fn prepare_for_create(&self, object: &mut Value) {
        object::clear(object, "status");
    }

    /// Sets what an update may not change. By default the status stays as it was.
    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        object::keep(object, old, "status");
    }

    /// Sets what an update of the status may not change. By default that is everything but status and metadata.
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
    }

    /// The rules for an object on its own.
    fn validate(&self, _object: &Value, _errors: &mut ErrorList) {}

    /// The rules for a change, besides [`Hooks::validate`] of the new object.
    fn validate_update(&self, _object: &Value, _old: &Value, _errors: &mut ErrorList) {}

    /// The rules for a change of the status.
    fn validate_status_update(&self, _object: &Value, _old: &Value, _errors: &mut ErrorList) {}

    /// How long a deletion waits for the object's owner to finish, and no waiting if `None`.
    fn grace_period(&self, _object: &Value, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether a finished deletion answers with the object instead of a `Status`.
    fn returns_deleted_object(&self) -> bool {
        false
    }

    /// Whether objects go by themselves after `--event-ttl`.
    fn expires(&self) -> bool {
        false
    }

    /// Changes an object of one `apiVersion` of the kind into another one.
    fn convert(&self, _object: &mut Value, _from: &str, _to: &str) {}
}

/// A kind without rules of its own.
struct Plain;

impl Hooks for Plain {}

/// The hooks of a built-in kind.
pub fn of(group: &str, kind: &str) -> Arc<dyn Hooks> {
    match (group, kind) {
        ("" | "events.k8s.io", "Event") => Arc::new(event::Event),
        ("", "Namespace") => Arc::new(namespace::Namespace),
        ("", "Node") => Arc::new(node::Node),
        ("", "Pod") => Arc::new(pod::Pod),
        ("rbac.authorization.k8s.io", _) => Arc::new(rbac::Rbac),
        _ => Arc::new(Plain),
    }
}
