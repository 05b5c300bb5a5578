//! The rules of `metadata`, which every object has.
//!
//! Source: apimachinery `pkg/api/validation/objectmeta.go`.

use std::collections::HashSet;

use serde_json::Value;

use crate::field::{ErrorList, Path, structure};
use crate::object;
use crate::resources::names;
use crate::resources::{Hooks, Resource};

/// All annotations together, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// A kind's rule for names: what is wrong with one, or with a `generateName` where the second argument says so.
type NameRule<'a> = &'a dyn Fn(&str, bool) -> Option<String>;

/// The rules for the metadata of an object to be stored, the kind's own rule for names among them.
pub fn validate(resource: &Resource, object: &Value, errors: &mut ErrorList) {
    let hooks: &dyn Hooks = &*resource.hooks;
    validate_named(object, resource.namespaced, &|name, prefix| hooks.invalid_name(name, prefix), errors);
    if OF_CORE_VALIDATION.contains(&&*resource.group) {
        qualified_finalizers(object, errors);
    }
}

/// The rules that all objects share, which upstream asks besides those of the kind.
pub fn validate_shared(resource: &Resource, object: &Value, errors: &mut ErrorList) {
    validate_named(object, resource.namespaced, &|name, _| names::path_segment(name), errors);
}

/// The rules of metadata with a rule for names.
pub fn validate_named(object: &Value, namespaced: bool, name_rule: NameRule<'_>, errors: &mut ErrorList) {
    let metadata = Path::new("metadata");
    let name = object::meta(object, "name");
    let generate_name = object::meta(object, "generateName");
    if !generate_name.is_empty()
        && let Some(problem) = name_rule(generate_name, true)
    {
        errors.invalid_str(&metadata.child("generateName"), generate_name, problem);
    }
    if name.is_empty() {
        errors.required(&metadata.child("name"), "name or generateName is required");
    } else if let Some(problem) = name_rule(name, false).or_else(|| names::path_segment(name)) {
        errors.invalid_str(&metadata.child("name"), name, problem);
    }
    let namespace = object::meta(object, "namespace");
    match (namespaced, namespace.is_empty()) {
        (true, true) => errors.required(&metadata.child("namespace"), ""),
        (true, false) => {
            if let Some(problem) = names::dns1123_label(namespace) {
                errors.invalid_str(&metadata.child("namespace"), namespace, problem);
            }
        }
        (false, false) => errors.forbidden(&metadata.child("namespace"), "not allowed on this type"),
        (false, true) => {}
    }
    if object["metadata"]["generation"].as_i64().is_some_and(|generation| generation < 0) {
        errors.invalid(
            &metadata.child("generation"),
            &object["metadata"]["generation"],
            "must be greater than or equal to 0",
        );
    }
    maps_and_owners(object, errors);
    let finalizers = metadata.child("finalizers");
    let (mut orphan, mut foreground) = (false, false);
    for finalizer in object::finalizers(object) {
        if let Some(problem) = names::qualified_name(finalizer) {
            errors.invalid_str(&finalizers, finalizer, problem);
        }
        orphan |= finalizer == "orphan";
        foreground |= finalizer == "foregroundDeletion";
    }
    if orphan && foreground {
        errors.invalid(
            &finalizers,
            &object["metadata"]["finalizers"],
            "finalizer orphan and foregroundDeletion cannot be both set",
        );
    }
}

fn maps_and_owners(object: &Value, errors: &mut ErrorList) {
    let metadata = Path::new("metadata");
    labels(&object["metadata"]["labels"], &metadata.child("labels"), errors);
    annotations(&object["metadata"]["annotations"], &metadata.child("annotations"), errors);
    owner_references(&object["metadata"]["ownerReferences"], &metadata.child("ownerReferences"), errors);
}

fn qualified_finalizers(object: &Value, errors: &mut ErrorList) {
    let metadata = Path::new("metadata");
    let finalizers = metadata.child("finalizers");
    for (index, finalizer) in object::finalizers(object).into_iter().enumerate() {
        if !finalizer.contains('/') && !matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes") {
            errors.invalid_str(
                &finalizers.index(index),
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
    }
}

/// The groups whose objects go through core's rules for metadata: a finalizer of theirs is a standard one or names
/// its domain. (Source: `pkg/apis/core/validation`.)
const OF_CORE_VALIDATION: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Which rules of metadata the strategy of a kind asks of a changed object once more, besides those that all objects
/// share: `U` is those of a change, `F` all of a new object. First of the object, then of its status. What breaks such
/// a rule is told once in the message, but each time among the causes.
const REPEATED: &[(&str, &[&str], &str, &str)] = &[
    ("", &["ConfigMap", "Endpoints", "Secret", "ServiceAccount"], "UF", "UF"),
    ("", &["LimitRange"], "F", "F"),
    ("", &["Namespace"], "FU", "U"),
    ("", &["Node"], "FUF", "UF"),
    ("", &["PersistentVolume"], "FF", "U"),
    ("", &["PersistentVolumeClaim", "Pod"], "UF", "U"),
    (
        "admissionregistration.k8s.io",
        &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"],
        "F",
        "",
    ),
    (
        "admissionregistration.k8s.io",
        &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"],
        "F",
        "",
    ),
    ("apps", &["ControllerRevision"], "UF", "UF"),
    ("apps", &["StatefulSet"], "FU", "U"),
    ("batch", &["CronJob"], "U", ""),
    ("batch", &["Job"], "FU", "U"),
    ("certificates.k8s.io", &["CertificateSigningRequest"], "FU", "FU"),
    ("discovery.k8s.io", &["EndpointSlice"], "F", "F"),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"], "F", ""),
    ("networking.k8s.io", &["Ingress", "IngressClass"], "UF", "U"),
    ("networking.k8s.io", &["IPAddress"], "FU", "FU"),
    ("node.k8s.io", &["RuntimeClass"], "FU", "FU"),
    ("policy", &["PodDisruptionBudget"], "", ""),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"], "FU", "FU"),
    ("resource.k8s.io", &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate"], "FU", "U"),
    ("storage.k8s.io", &["CSINode", "VolumeAttachment"], "F", "F"),
    ("storage.k8s.io", &["CSIStorageCapacity", "StorageClass"], "FU", "FU"),
    ("storage.k8s.io", &["VolumeAttributesClass"], "UF", "UF"),
];

/// The rules for the metadata of a changed object.
///
/// Source: apiserver `pkg/registry/rest/update.go` (validateCommonFields) and the strategies' `ValidateUpdate`.
pub fn validate_update(resource: &Resource, object: &Value, old: &Value, status: bool, errors: &mut ErrorList) {
    validate_shared(resource, object, errors);
    validate_change(object, old, errors);
    let row = REPEATED.iter().find(|(group, kinds, ..)| resource.group == *group && kinds.contains(&&*resource.kind));
    let repeated = match row {
        Some((.., of_object, of_status)) => {
            if status {
                of_status
            } else {
                of_object
            }
        }
        // Events are judged by their own rules, which say when.
        None if resource.hooks.judges_metadata() => "",
        None => "U",
    };
    for part in repeated.chars() {
        if part == 'F' {
            validate(resource, object, errors);
        } else {
            validate_change(object, old, errors);
        }
    }
}

/// The rules for a change of metadata.
pub fn validate_change(object: &Value, old: &Value, errors: &mut ErrorList) {
    let metadata = Path::new("metadata");
    if object::is_terminating(old) {
        let before = object::finalizers(old);
        let added: Vec<_> = object::finalizers(object).into_iter().filter(|name| !before.contains(name)).collect();
        if !added.is_empty() {
            let shown = added.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            errors.forbidden(
                &metadata.child("finalizers"),
                format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"),
            );
        }
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, was) = (&object["metadata"][field], &old["metadata"][field]);
        if new != was {
            errors.invalid(&metadata.child(field), new, "field is immutable");
        }
    }
    let (new, was) = (generation(object), generation(old));
    if new < was {
        errors.invalid(&metadata.child("generation"), &object["metadata"]["generation"], "must not be decremented");
    }
    maps_and_owners(object, errors);
}

fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

/// The rules for a map of labels.
pub fn labels(labels: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(problem) = names::qualified_name(key) {
            errors.invalid_str(path, key, problem);
        }
        let value = value.as_str().unwrap_or_default();
        if let Some(problem) = names::label_value(value) {
            errors.invalid_str(path, value, problem);
        }
    }
}

/// The rules for a map of annotations.
pub fn annotations(annotations: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        if let Some(problem) = names::qualified_name(&key.to_lowercase()) {
            errors.invalid_str(path, key, problem);
        }
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > MAX_ANNOTATIONS {
        errors.too_long(path, MAX_ANNOTATIONS);
    }
}

/// Drops owners that are noted twice in the same words, and says so.
///
/// Source: apiserver `pkg/endpoints/handlers/rest.go`.
pub fn drop_duplicate_owners(object: &mut Value, after_admission: bool, warnings: &mut Vec<String>) {
    let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) else { return };
    if owners.len() < 2 {
        return;
    }
    let (mut seen, mut duplicates) = (HashSet::new(), Vec::new());
    owners.retain(|owner| {
        let first = seen.insert(owner.to_string());
        if !first {
            duplicates.push(owner["uid"].as_str().unwrap_or_default().to_owned());
        }
        first
    });
    if !duplicates.is_empty() {
        let when = if after_admission { " after mutating admission happens" } else { "" };
        warnings.push(format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            duplicates.join(", ")
        ));
    }
}

fn owner_references(references: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let mut controller: Option<String> = None;
    for reference in references.as_array().into_iter().flatten() {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let api_version = text("apiVersion");
        let (group, version) = crate::resources::split_api_version(api_version);
        if version.is_empty() {
            errors.invalid_str(&path.child("apiVersion"), api_version, "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if text(field).is_empty() {
                errors.invalid_str(&path.child(field), "", "must not be empty");
            }
        }
        if group.is_empty() && version == "v1" && text("kind") == "Event" {
            errors.invalid_str(path, api_version, "/v1, Kind=Event is disallowed from being an owner");
        }
        if reference["controller"] == Value::Bool(true) {
            let current = format!("{}/{}", text("kind"), text("name"));
            match &controller {
                Some(first) => errors.invalid_structure(
                    path,
                    shown(references),
                    format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {current}"
                    ),
                ),
                None => controller = Some(current),
            }
        }
    }
}

/// Owners with their members in the order of the type.
fn shown(references: &Value) -> String {
    const MEMBERS: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let one = |reference: &Value| {
        let members: Vec<_> = MEMBERS.iter().map(|name| (*name, &reference[*name])).collect();
        let members: Vec<_> = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
        structure(&members)
    };
    let all: Vec<_> = object::items(references).iter().map(one).collect();
    format!("[{}]", all.join(","))
}
