//! The kinds of storage.k8s.io.
//!
//! Source: `pkg/apis/storage/validation`.

use serde_json::Value;

use super::{Hooks, Request};
use crate::field::{ErrorList, Path};
use crate::object::{self, items, text};
use crate::resources::names;

pub struct StorageClass;

impl Hooks for StorageClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        provisioner(text(&object["provisioner"]), &Path::new("provisioner"), errors);
        let policy = text(&object["reclaimPolicy"]);
        if !matches!(policy, "" | "Delete" | "Retain") {
            errors.not_supported(&Path::new("reclaimPolicy"), &policy.into(), &["Delete", "Retain"]);
        }
        match text(&object["volumeBindingMode"]) {
            "Immediate" | "WaitForFirstConsumer" => {}
            "" => errors.required(&Path::new("volumeBindingMode"), ""),
            mode => errors.not_supported(
                &Path::new("volumeBindingMode"),
                &mode.into(),
                &["Immediate", "WaitForFirstConsumer"],
            ),
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        if !object::same(&object["parameters"], &old["parameters"]) {
            errors.forbidden(&Path::new("parameters"), "updates to parameters are forbidden.");
        }
        if object["provisioner"] != old["provisioner"] {
            errors.forbidden(&Path::new("provisioner"), "updates to provisioner are forbidden.");
        }
        if object["reclaimPolicy"] != old["reclaimPolicy"] {
            errors.forbidden(&Path::new("reclaimPolicy"), "updates to reclaimPolicy are forbidden.");
        }
        errors.immutable(&Path::new("volumeBindingMode"), &object["volumeBindingMode"], &old["volumeBindingMode"]);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn provisioner(name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.required(at, "");
    } else {
        let name = name.to_lowercase();
        errors.invalid_strs(at, &name, names::qualified_name_problems(&name));
    }
}

pub struct VolumeAttachment;

impl Hooks for VolumeAttachment {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        object::keep_meta(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        if text(&spec["attacher"]).is_empty() {
            errors.required(&at.child("attacher"), "");
        }
        let source = at.child("source");
        let name = &spec["source"]["persistentVolumeName"];
        match (spec["source"]["inlineVolumeSpec"].is_null(), name.is_null()) {
            (true, true) => {
                errors.required(&source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
            }
            (false, false) => {
                errors.forbidden(&source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
            }
            (true, false) if text(name).is_empty() => {
                errors.required(&source.child("persistentVolumeName"), "must specify non empty persistentVolumeName");
            }
            _ => {}
        }
        let node = text(&spec["nodeName"]);
        errors.invalid_strs(&at.child("nodeName"), node, names::dns1123_subdomain(node));
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        if !object::same(&object["spec"], &old["spec"]) {
            errors.invalid(&Path::new("spec"), &object["spec"], "field is immutable");
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

pub struct CsiDriver;

impl Hooks for CsiDriver {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        if object::meta(object, "name").len() > 63 {
            errors.too_long(&Path::new("metadata").child("name"), 63);
        }
        let (spec, at) = (&object["spec"], Path::new("spec"));
        let list = at.child("volumeLifecycleModes");
        for mode in items(&spec["volumeLifecycleModes"]) {
            if !matches!(text(mode), "Persistent" | "Ephemeral") {
                errors.not_supported(&list, mode, &["Persistent", "Ephemeral"]);
            }
        }
        let policy = text(&spec["fsGroupPolicy"]);
        if !matches!(policy, "" | "ReadWriteOnceWithFSType" | "File" | "None") {
            errors.not_supported(
                &at.child("fsGroupPolicy"),
                &policy.into(),
                &["File", "None", "ReadWriteOnceWithFSType"],
            );
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        let at = Path::new("spec");
        for field in ["attachRequired", "volumeLifecycleModes"] {
            errors.immutable(&at.child(field), &object["spec"][field], &old["spec"][field]);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

pub struct CsiNode;

impl Hooks for CsiNode {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (drivers, at) = (items(&object["spec"]["drivers"]), Path::new("spec"));
        let list = at.child("drivers");
        for (index, driver) in drivers.iter().enumerate() {
            let at = list.index(index);
            for field in ["name", "nodeID"] {
                if text(&driver[field]).is_empty() {
                    errors.required(&at.child(field), "");
                }
            }
            if drivers[..index].iter().any(|other| other["name"] == driver["name"]) {
                errors.duplicate(&at.child("name"), &driver["name"]);
            }
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

pub struct CsiStorageCapacity;

impl Hooks for CsiStorageCapacity {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let class = text(&object["storageClassName"]);
        errors.invalid_strs(&Path::new("storageClassName"), class, names::dns1123_subdomain(class));
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        for field in ["nodeTopology", "storageClassName"] {
            errors.immutable(&Path::new(field), &object[field], &old[field]);
        }
    }
}

pub struct VolumeAttributesClass;

impl Hooks for VolumeAttributesClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        provisioner(text(&object["driverName"]), &Path::new("driverName"), errors);
        if object::is_unset(&object["parameters"]) {
            errors.required(&Path::new("parameters"), "must contain at least one key/value pair");
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        if object["driverName"] != old["driverName"] {
            errors.forbidden(&Path::new("driverName"), "updates to driverName are forbidden.");
        }
        if !object::same(&object["parameters"], &old["parameters"]) {
            errors.forbidden(&Path::new("parameters"), "updates to parameters are forbidden.");
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
