//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy: the user's own rules, written as expressions.
//!
//! Source: apiserver `pkg/admission/plugin/policy`. A policy is compiled once for each of its versions. Where there is
//! no policy, nothing is done at all.

use std::collections::HashMap;
use std::sync::Arc;

use apiserver_watch_cache::Scope;
use parking_lot::Mutex;
use serde_json::Value;

use constraints::Constraints;

use crate::object::{self, text};
use crate::server::Server;

mod constraints;
pub mod expressions;
pub mod match_conditions;
mod mutating;
mod parameters;
mod patch_types;
mod validating;
mod variables;
pub mod written;

pub use mutating::MutatingPolicies;
pub use validating::ValidatingPolicies;

const GROUP: &str = "admissionregistration.k8s.io";

/// The objects of one resource, each read once for each of its revisions.
pub struct Read<T> {
    resource: &'static str,
    read: fn(&Value) -> T,
    known: Mutex<HashMap<String, (i64, Arc<T>)>>,
}

impl<T> Read<T> {
    pub fn new(resource: &'static str, read: fn(&Value) -> T) -> Read<T> {
        Read { resource, read, known: Mutex::default() }
    }

    /// Whether there are any; costs a look at a pointer.
    pub fn are_there(&self, server: &Server) -> bool {
        server.objects(GROUP, self.resource).is_ok_and(|objects| !objects.cache.snapshot().is_empty())
    }

    /// All of them, by name.
    pub fn all(&self, server: &Server) -> Vec<Arc<T>> {
        let Ok(objects) = server.objects(GROUP, self.resource) else { return Vec::new() };
        let mut known = self.known.lock();
        let mut current = HashMap::new();
        let mut all = Vec::new();
        for stored in objects.cache.snapshot().list(&Scope::all(), None) {
            let key = stored.key().to_string();
            let kept = known.remove(&key).filter(|(revision, _)| *revision == stored.revision());
            let item = match kept {
                Some((_, item)) => item,
                None => {
                    let json = stored.json().ok();
                    let tree: Value = json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
                    Arc::new((self.read)(&tree))
                }
            };
            all.push(Arc::clone(&item));
            current.insert(key, (stored.revision(), item));
        }
        *known = current;
        all
    }
}

/// Where a policy applies: a binding of either kind.
#[derive(Debug)]
struct Binding {
    name: String,
    policy: String,
    constraints: Option<Constraints>,
    params: Value,
    /// `validationActions`; null where there are none.
    actions: Value,
}

impl Binding {
    fn read(binding: &Value) -> Binding {
        let spec = &binding["spec"];
        Binding {
            name: object::meta(binding, "name").to_owned(),
            policy: text(&spec["policyName"]).to_owned(),
            constraints: spec["matchResources"].is_object().then(|| Constraints::read(&spec["matchResources"])),
            params: spec["paramRef"].clone(),
            actions: spec["validationActions"].clone(),
        }
    }
}
