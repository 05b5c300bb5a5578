//! CustomResourceDefinition: its rules, and the account of the versions in which objects were ever stored.
//!
//! Source: apiextensions-apiserver `pkg/registry/customresourcedefinition`, `pkg/apis/apiextensions/validation`.

mod cel_rules;
mod defaults;
mod open_api;
mod spec;
mod structural;

use serde_json::{Value, json};

use super::custom_resource_definition_v1beta1 as v1beta1;
use super::{Hooks, Request};
use crate::apiextensions::CLEANUP;
use crate::conditions;
use crate::field::{ErrorList, Path};
use crate::object::{self, items, text};

pub struct CustomResourceDefinition;

impl Hooks for CustomResourceDefinition {
    fn is_bulky(&self) -> bool {
        true
    }

    /// A definition is held until its objects are gone.
    fn begin_deletion(&self, object: &mut Value, _finalizers: &[String]) -> bool {
        object::set_meta(object, "deletionTimestamp", Some(object::now()));
        let mut finalizers: Vec<Value> = object::finalizers(object).into_iter().map(Value::from).collect();
        if !object::finalizers(object).contains(&CLEANUP) {
            finalizers.push(CLEANUP.into());
        }
        object::set_meta(object, "finalizers", Some(finalizers.into()));
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        conditions::set(object, "Terminating", "True", "InstanceDeletionPending", message);
        true
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({});
        note_stored_version(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        note_stored_version(object);
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep(object, old, "spec");
    }

    fn convert(&self, object: &mut Value, from: &str, to: &str) {
        if from == v1beta1::VERSION {
            v1beta1::to_v1(object);
        } else if to == v1beta1::VERSION {
            v1beta1::from_v1(object);
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if !request.subresource.is_empty() {
            return;
        }
        let before = old.map(open_api::unknown_formats).unwrap_or_default();
        let formats = open_api::unknown_formats(object).into_iter().filter(|format| !before.contains(format));
        out.extend(formats.map(|format| format!("unrecognized format {format:?}")));
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let wanted = format!("{}.{}", text(&object["spec"]["names"]["plural"]), text(&object["spec"]["group"]));
        if object::meta(object, "name") != wanted {
            let metadata = Path::new("metadata");
            let why = "must be spec.names.plural+\".\"+spec.group";
            errors.invalid_str(&metadata.child("name"), object::meta(object, "name"), why);
        }
        spec::validate(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec::validate(object, Some(old), errors);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let status = Path::new("status");
        spec::validate_names(&object["status"]["acceptedNames"], &status.child("acceptedNames"), errors);
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
