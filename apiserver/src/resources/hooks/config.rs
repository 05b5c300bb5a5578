//! ConfigMap, Secret and ServiceAccount.

use base64::Engine;
use serde_json::{Value, json};

use super::{Hooks, Request, key_pair};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::object::{self, entries, items, text};
use crate::resources::names;

/// The most bytes that the values of a ConfigMap or Secret may have.
const MAX_SIZE: usize = 1024 * 1024;

pub struct ConfigMap;

impl Hooks for ConfigMap {
    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _request: &Request<'_>) {}

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let mut size = 0;
        let (data, binary) = (Path::new("data"), Path::new("binaryData"));
        for (key, value) in entries(&object["data"]) {
            errors.invalid_strs(&data.key(key), key, names::config_map_key(key));
            if !object["binaryData"][key].is_null() {
                errors.invalid_str(&data.key(key), key, "duplicate of key present in binaryData");
            }
            size += text(value).len();
        }
        for (key, value) in entries(&object["binaryData"]) {
            errors.invalid_strs(&binary.key(key), key, names::config_map_key(key));
            size += decoded(value).len();
        }
        if size > MAX_SIZE {
            errors.too_long(&Path::new(""), MAX_SIZE);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        immutable(object, old, &["data", "binaryData"], errors);
        self.validate(object, request, errors);
    }
}

/// The rule of an object that is marked as immutable.
fn immutable(object: &Value, old: &Value, fields: &[&str], errors: &mut ErrorList) {
    if old["immutable"] != Value::Bool(true) {
        return;
    }
    if object["immutable"] != Value::Bool(true) {
        errors.forbidden(&Path::new("immutable"), "field is immutable when `immutable` is set");
    }
    for field in fields {
        if !object::same(&object[*field], &old[*field]) || keys(&object[*field]) != keys(&old[*field]) {
            errors.forbidden(&Path::new(field), "field is immutable when `immutable` is set");
        }
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = entries(value).map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys
}

fn decoded(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text(value)).unwrap_or_default()
}

pub struct Secret;

impl Hooks for Secret {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::new("type", "")];
        FIELDS
    }

    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        if text(&object["type"]).is_empty() {
            object::keep(object, old, "type");
        }
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, data) = (Path::new("data"), &object["data"]);
        let mut size = 0;
        for (key, value) in entries(data) {
            errors.invalid_strs(&at.key(key), key, names::config_map_key(key));
            size += decoded(value).len();
        }
        if size > MAX_SIZE {
            errors.too_long(&at, MAX_SIZE);
        }
        let is_json =
            |key: &str| serde_json::from_slice::<Value>(&decoded(&data[key])).is_ok_and(|value| value.is_object());
        match text(&object["type"]) {
            "kubernetes.io/service-account-token" => {
                let name = text(&object["metadata"]["annotations"]["kubernetes.io/service-account.name"]);
                if name.is_empty() {
                    let metadata = Path::new("metadata");
                    errors.required(&metadata.child("annotations").key("kubernetes.io/service-account.name"), "");
                }
            }
            "kubernetes.io/dockercfg" => docker(data, ".dockercfg", is_json(".dockercfg"), errors),
            "kubernetes.io/dockerconfigjson" => docker(data, ".dockerconfigjson", is_json(".dockerconfigjson"), errors),
            "kubernetes.io/basic-auth" if data["username"].is_null() && data["password"].is_null() => {
                errors.required(&at.key("username"), "");
                errors.required(&at.key("password"), "");
            }
            "kubernetes.io/ssh-auth" if decoded(&data["ssh-privatekey"]).is_empty() => {
                errors.required(&at.key("ssh-privatekey"), "");
            }
            "kubernetes.io/tls" => {
                for key in ["tls.crt", "tls.key"] {
                    if data[key].is_null() {
                        errors.required(&at.key(key), "");
                    }
                }
            }
            _ => {}
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        errors.immutable(&Path::new("type"), &object["type"], &old["type"]);
        immutable(object, old, &["data"], errors);
        self.validate(object, request, errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        if object["type"] == "kubernetes.io/tls" {
            let data = &object["data"];
            out.extend(key_pair::problem(&decoded(&data["tls.crt"]), &decoded(&data["tls.key"])));
        }
    }
}

fn docker(data: &Value, key: &str, is_json: bool, errors: &mut ErrorList) {
    let at = Path::new("data");
    if data[key].is_null() {
        errors.required(&at.key(key), "");
    } else if !is_json {
        let detail = match serde_json::from_slice::<Value>(&decoded(&data[key])) {
            Ok(_) => "json: cannot unmarshal into Go value of type map[string]interface {}".to_owned(),
            Err(_) => match decoded(&data[key]).iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(byte) if !b"{[\"tfn-0123456789".contains(byte) => {
                    format!("invalid character {:?} looking for beginning of value", char::from(*byte))
                }
                _ => "unexpected end of JSON input".to_owned(),
            },
        };
        errors.invalid_str(&at.key(key), "<secret contents redacted>", detail);
    }
}

pub struct ServiceAccount;

impl Hooks for ServiceAccount {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        only_names(object);
    }

    fn prepare_for_update(&self, object: &mut Value, _old: &Value, _request: &Request<'_>) {
        only_names(object);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
        let has = |object: &Value| !object["metadata"]["annotations"][ENFORCE].is_null();
        if has(object) && !old.is_some_and(has) {
            out.push(format!("metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"));
        }
    }
}

/// References to secrets name secrets of the same namespace.
fn only_names(account: &mut Value) {
    if account["secrets"].is_array() {
        let secrets: Vec<_> = items(&account["secrets"])
            .iter()
            .map(|secret| if text(&secret["name"]).is_empty() { json!({}) } else { json!({"name": secret["name"]}) })
            .collect();
        account["secrets"] = secrets.into();
    }
}
