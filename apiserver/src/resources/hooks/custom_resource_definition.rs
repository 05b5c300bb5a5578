//! CustomResourceDefinition: keeps account of the versions in which objects were ever stored.

use serde_json::{Value, json};

use super::custom_resource_definition_v1beta1 as v1beta1;
use super::{Hooks, Request};
use crate::object::{self, items};

pub struct CustomResourceDefinition;

impl Hooks for CustomResourceDefinition {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({});
        note_stored_version(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        note_stored_version(object);
    }

    fn convert(&self, object: &mut Value, from: &str, _to: &str) {
        if from == v1beta1::VERSION {
            v1beta1::to_v1(object);
        }
    }
}

fn note_stored_version(object: &mut Value) {
    let Some(version) =
        items(&object["spec"]["versions"]).iter().find(|version| version["storage"] == Value::Bool(true))
    else {
        return;
    };
    let name = version["name"].clone();
    let mut stored = items(&object["status"]["storedVersions"]).to_vec();
    if !stored.contains(&name) {
        stored.push(name);
        object["status"]["storedVersions"] = Value::Array(stored);
    }
}
