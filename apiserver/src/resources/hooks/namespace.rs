//! Namespace: its phase, and the finalizer that keeps it until it is empty.

use serde_json::{Value, json};

use super::Hooks;
use crate::facts::SelectableField;
use crate::object;
use crate::resources::names;

pub struct Namespace;

impl Hooks for Namespace {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField { name: "status.phase", default: "" }];
        FIELDS
    }

    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        names::dns1123_label(if prefix { name.trim_end_matches('-') } else { name })
    }

    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Active"});
        let finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
            let mut finalizers = finalizers;
            finalizers.push(json!("kubernetes"));
            object["spec"]["finalizers"] = Value::Array(finalizers);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        object::keep(object, old, "status");
        object::keep(object, old, "spec");
    }
}
