//! APIService: one that names no service is served by this server and available.

use serde_json::{Value, json};

use super::{Hooks, Request};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, text};
use crate::resources::names;

pub struct ApiService;

impl Hooks for ApiService {
    fn invalid_name(&self, name: &str, _prefix: bool) -> Option<String> {
        names::path_segment(name)
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({});
        if object["spec"]["service"].is_null() {
            object["status"]["conditions"] = json!([crate::bootstrap::api_services::local()]);
        }
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            object::set_meta(object, field, old["metadata"].get(field).cloned());
        }
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        let (group, version) = (text(&spec["group"]), text(&spec["version"]));
        let name = object::meta(object, "name");
        let expected = format!("{version}.{group}");
        if !name.is_empty() && name != expected && names::path_segment(name).is_none() {
            let metadata = Path::new("metadata");
            errors.invalid_str(
                &metadata.child("name"),
                name,
                format!("must be `spec.version+\".\"+spec.group`: {expected:?}"),
            );
        }
        if group.is_empty() && version != "v1" {
            errors.required(&at.child("group"), "only v1 may have an empty group and it better be legacy kube");
        } else if !group.is_empty() {
            errors.invalid_strs(&at.child("group"), group, names::dns1123_subdomain(group));
        }
        errors.invalid_strs(&at.child("version"), version, names::dns1035_label(version));
        let minimum = int(&spec["groupPriorityMinimum"]);
        if !(1..=20000).contains(&minimum) {
            errors.invalid_number(&at.child("groupPriorityMinimum"), minimum, "must be positive and less than 20000");
        }
        let priority = int(&spec["versionPriority"]);
        if !(1..=1000).contains(&priority) {
            errors.invalid_number(&at.child("versionPriority"), priority, "must be positive and less than 1000");
        }
        let service = &spec["service"];
        let bundle = text(&spec["caBundle"]);
        let insecure = spec["insecureSkipTLSVerify"] == Value::Bool(true);
        if service.is_null() {
            if !bundle.is_empty() {
                errors.invalid_str(
                    &at.child("caBundle"),
                    "<value omitted>",
                    "local APIServices may not have a caBundle",
                );
            }
            if insecure {
                errors.invalid(
                    &at.child("insecureSkipTLSVerify"),
                    &Value::Bool(true),
                    "local APIServices may not have insecureSkipTLSVerify",
                );
            }
            return;
        }
        let service_path = at.child("service");
        for field in ["namespace", "name"] {
            if text(&service[field]).is_empty() {
                errors.required(&service_path.child(field), "");
            }
        }
        let port = int(&service["port"]);
        if let Some(problem) = names::port_number(port).filter(|_| !service["port"].is_null()) {
            errors.invalid_number(&service_path.child("port"), port, format!("port is not valid: {problem}"));
        }
        if insecure && !bundle.is_empty() {
            errors.invalid(
                &at.child("insecureSkipTLSVerify"),
                &Value::Bool(true),
                "may not be true if caBundle is present",
            );
        }
    }
}
