//! The rules of environment variables and of references to a pod's own fields.

use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{items, text};
use crate::resources::names;

const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const VOLUME_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

pub fn validate(vars: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (index, var) in items(vars).iter().enumerate() {
        let at = at.index(index);
        let name = text(&var["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else {
            errors.invalid_strs(&at.child("name"), name, name_problem(name));
        }
        if !var["valueFrom"].is_null() {
            value_from(var, &at.child("valueFrom"), errors);
        }
    }
}

/// Anything printable but `=`.
fn name_problem(name: &str) -> Option<String> {
    let valid = name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    (!valid).then(|| {
        "a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()
    })
}

fn value_from(var: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let source = &var["valueFrom"];
    let mut sources = 0;
    for kind in ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"] {
        let (reference, at) = (&source[kind], at.child(kind));
        if reference.is_null() {
            continue;
        }
        sources += 1;
        match kind {
            "fieldRef" => field_ref(reference, false, &at, errors),
            "resourceFieldRef" => resource_field_ref(reference, false, &at, errors),
            "fileKeyRef" => {
                for field in ["key", "volumeName", "path"] {
                    if text(&reference[field]).is_empty() {
                        errors.required(&at.child(field), "");
                    }
                }
            }
            _ => key_ref(reference, &at, errors),
        }
    }
    if sources == 0 {
        errors.invalid_str(
            at,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        );
    } else if !text(&var["value"]).is_empty() {
        errors.invalid_str(at, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        errors.invalid_str(at, "", "may not have more than one field specified at a time");
    }
}

fn key_ref(reference: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (name, key) = (text(&reference["name"]), text(&reference["key"]));
    errors.invalid_strs(&at.child("name"), name, names::dns1123_subdomain(name));
    if key.is_empty() {
        errors.required(&at.child("key"), "");
    } else {
        errors.invalid_strs(&at.child("key"), key, names::config_map_key(key));
    }
}

/// A reference to a field of the pod, in a variable or in a file of a volume.
pub fn field_ref(reference: &Value, in_volume: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let path = text(&reference["fieldPath"]);
    if text(&reference["apiVersion"]).is_empty() {
        errors.required(&at.child("apiVersion"), "");
        return;
    }
    if path.is_empty() {
        errors.required(&at.child("fieldPath"), "");
        return;
    }
    if let Some((path, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        match path {
            "metadata.annotations" => {
                errors.invalid_strs(at, &key.to_lowercase(), names::qualified_name_problems(&key.to_lowercase()))
            }
            "metadata.labels" => errors.invalid_strs(at, key, names::qualified_name_problems(key)),
            _ => errors.invalid_str(
                &at.child("fieldPath"),
                text(&reference["fieldPath"]),
                format!(
                    "error converting fieldPath: field label does not support subscript: {}",
                    text(&reference["fieldPath"])
                ),
            ),
        }
        return;
    }
    let known = ENV_FIELDS.contains(&path) || VOLUME_FIELDS.contains(&path) || path == "spec.host";
    let expressions = if in_volume { VOLUME_FIELDS } else { ENV_FIELDS };
    if !known {
        errors.invalid_str(
            &at.child("fieldPath"),
            path,
            format!("error converting fieldPath: field label not supported: {path}"),
        );
    } else if !expressions.contains(&path) && path != "spec.host" {
        errors.not_supported(&at.child("fieldPath"), &path.into(), expressions);
    }
}

/// A reference to a container's requests or limits.
pub fn resource_field_ref(reference: &Value, in_volume: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let resource = text(&reference["resource"]);
    let huge_pages = ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
    if in_volume && text(&reference["containerName"]).is_empty() {
        errors.required(&at.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&at.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !huge_pages {
        errors.not_supported(&at.child("resource"), &resource.into(), RESOURCES);
    }
    let divisor = text(&reference["divisor"]);
    if matches!(divisor, "" | "0") {
        return;
    }
    let is_cpu = resource.ends_with(".cpu");
    let valid = if is_cpu {
        matches!(divisor, "1" | "1m")
    } else {
        matches!(divisor, "1" | "1k" | "1M" | "1G" | "1T" | "1P" | "1E" | "1Ki" | "1Mi" | "1Gi" | "1Ti" | "1Pi" | "1Ei")
    };
    if !valid {
        let detail = match resource.split_once('.').map(|(_, name)| name) {
            Some("cpu") => "only divisor's values 1m and 1 are supported with the cpu resource".to_owned(),
            name => {
                let name = match name {
                    Some("memory") => "memory",
                    Some("ephemeral-storage") => "local ephemeral storage",
                    _ => "hugepages",
                };
                format!(
                    "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the {name} resource"
                )
            }
        };
        errors.invalid_str(&at.child("divisor"), resource, detail);
    }
}

/// Whole ConfigMaps and Secrets as variables.
pub fn from(sources: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (index, source) in items(sources).iter().enumerate() {
        let path = at.index(index);
        let prefix = text(&source["prefix"]);
        if !prefix.is_empty() {
            errors.invalid_strs(&path.child("prefix"), prefix, name_problem(prefix));
        }
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            let (reference, path) = (&source[kind], path.child(kind));
            if reference.is_null() {
                continue;
            }
            count += 1;
            let name = text(&reference["name"]);
            if name.is_empty() {
                errors.required(&path.child("name"), "");
            } else {
                errors.invalid_strs(&path.child("name"), name, names::dns1123_subdomain(&names::masked(name, true)));
            }
        }
        if count == 0 {
            errors.invalid_str(at, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if count > 1 {
            errors.invalid_str(at, "", "may not have more than one field specified at a time");
        }
    }
}
