//! Annotations that once stood for profiles of seccomp and AppArmor: they name profiles, and no others than the fields.
//!
//! Source: `pkg/apis/core/validation/validation.go` (ValidateSeccompPodAnnotations, ValidateAppArmorPodAnnotations,
//! validateSeccompAnnotationsAndFields, validateAppArmorAnnotationsAndFieldsMatchOnCreate).

use serde_json::Value;

use super::volumes::descending_path;
use crate::field::{ErrorList, Path};
use crate::object::{entries, items, text};

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Whether the annotations name profiles that there can be.
pub fn annotations(annotations: &Value, spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (key, profile) in entries(annotations).filter(|(key, _)| *key == SECCOMP_POD || key.starts_with(SECCOMP)) {
        let (at, profile) = (at.child(key), text(profile));
        match profile.strip_prefix("localhost/") {
            Some(path) => descending_path(path, &at, errors),
            None if matches!(profile, "runtime/default" | "docker/default" | "unconfined") => {}
            None => errors.invalid_str(&at, profile, "must be a valid seccomp profile"),
        }
    }
    for (key, profile) in entries(annotations) {
        let Some(name) = key.strip_prefix(APP_ARMOR) else { continue };
        let mut containers = CONTAINERS.iter().flat_map(|list| items(&spec[*list]));
        if !containers.any(|container| container["name"] == name) {
            errors.invalid_str(&at.key(key), name, "container not found");
        }
        let profile = text(profile);
        if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
            errors.invalid_str(&at.key(key), profile, format!("invalid AppArmor profile name: {profile:?}"));
        }
    }
}

/// Whether what annotations and fields say of one profile is the same. `at` is the path of the spec.
pub fn agree(metadata: &Value, spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let annotations = &metadata["annotations"];
    if !annotations.is_object() {
        return;
    }
    let of_pod = &spec["securityContext"];
    let context = at.child("securityContext");
    seccomp(&annotations[SECCOMP_POD], &of_pod["seccompProfile"], &context.child("seccompProfile"), errors);
    let each = |check: &mut dyn FnMut(&Value, &Path<'_>)| {
        for list in CONTAINERS {
            let path = at.child(list);
            for (index, container) in items(&spec[list]).iter().enumerate() {
                let path = path.index(index);
                check(container, &path.child("securityContext"));
            }
        }
    };
    each(&mut |container, at| {
        let annotation = &annotations[format!("{SECCOMP}{}", text(&container["name"]))];
        let field = &container["securityContext"]["seccompProfile"];
        seccomp(annotation, field, &at.child("seccompProfile"), errors);
    });
    if spec["os"]["name"] == "windows" {
        return;
    }
    each(&mut |container, at| {
        let annotation = &annotations[format!("{APP_ARMOR}{}", text(&container["name"]))];
        let own = &container["securityContext"]["appArmorProfile"];
        let field = if own.is_null() { &of_pod["appArmorProfile"] } else { own };
        same("apparmor", &["runtime/default"], annotation, field, &at.child("appArmorProfile"), errors);
    });
}

fn seccomp(annotation: &Value, field: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    same("seccomp", &["runtime/default", "docker/default"], annotation, field, at, errors);
}

fn same(what: &str, defaults: &[&str], annotation: &Value, field: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (Some(annotation), false) = (annotation.as_str(), field.is_null()) else { return };
    let is_type = match text(&field["type"]) {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => defaults.contains(&annotation),
        "Localhost" => annotation.starts_with("localhost/"),
        _ => true,
    };
    if !is_type {
        errors.forbidden(&at.child("type"), format!("{what} type in annotation and field must match"));
    } else if field["type"] == "Localhost"
        && field["localhostProfile"].as_str() != annotation.strip_prefix("localhost/")
    {
        errors.forbidden(&at.child("localhostProfile"), format!("{what} profile in annotation and field must match"));
    }
}
