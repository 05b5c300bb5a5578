//! PersistentVolume and PersistentVolumeClaim.

use apiserver_schema::quantity::Quantity;
use serde_json::{Value, json};

use super::{Hooks, Request, difference, label_selector, pod_spec};
use crate::field::{ErrorList, Path};
use crate::object::{self, entries, items, text};
use crate::resources::names;

pub struct PersistentVolume;
pub struct PersistentVolumeClaim;

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// What a volume can be.
const SOURCES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

impl Hooks for PersistentVolume {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": object::now()});
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        if !object["status"].is_object() {
            return;
        }
        let (status, before) = (&object["status"], &old["status"]);
        let (time, time_before) = (&status["lastPhaseTransitionTime"], &before["lastPhaseTransitionTime"]);
        let same_phase = status["phase"] == before["phase"];
        if same_phase && time.is_null() && !time_before.is_null() {
            object["status"]["lastPhaseTransitionTime"] = time_before.clone();
        } else if !same_phase && (time.is_null() || time == time_before) {
            object["status"]["lastPhaseTransitionTime"] = object::now();
        }
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        volume_spec(&object["spec"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        volume_spec(&object["spec"], errors);
        let spec = Path::new("spec");
        let sources = |object: &Value| -> Value {
            let spec = SOURCES.iter().filter_map(|name| Some(((*name).to_owned(), object["spec"].get(name)?.clone())));
            let mut sources = Value::Object(spec.collect());
            if sources["csi"].is_object() && old["spec"]["csi"]["controllerExpandSecretRef"].is_null() {
                object::remove(&mut sources["csi"], "controllerExpandSecretRef");
            }
            sources
        };
        let (now, was) = (sources(object), sources(old));
        if !object::same(&now, &was) {
            let detail =
                format!("spec.persistentvolumesource is immutable after creation\n{}", difference::of(&was, &now));
            errors.forbidden(&spec.child("persistentvolumesource"), detail);
        }
        errors.immutable(&Path::new("volumeMode"), &object["spec"]["volumeMode"], &old["spec"]["volumeMode"]);
        if !old["spec"]["nodeAffinity"].is_null() {
            let at = Path::new("nodeAffinity");
            errors.immutable(&at, &object["spec"]["nodeAffinity"], &old["spec"]["nodeAffinity"]);
        }
        if !old["spec"]["volumeAttributesClassName"].is_null() && object["spec"]["volumeAttributesClassName"].is_null()
        {
            errors.forbidden(&spec.child("volumeAttributesClassName"), "update from non-nil value to nil is forbidden");
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn access_modes(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let modes = items(&spec["accessModes"]);
    let path = at.child("accessModes");
    for mode in modes {
        if !ACCESS_MODES.contains(&text(mode)) {
            errors.not_supported(&path, mode, ACCESS_MODES);
        }
    }
    let single = modes.iter().any(|mode| mode == "ReadWriteOncePod");
    if single && modes.iter().any(|mode| mode != "ReadWriteOncePod" && ACCESS_MODES.contains(&text(mode))) {
        errors.forbidden(&path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn volume_spec(spec: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    if items(&spec["accessModes"]).is_empty() {
        errors.required(&at.child("accessModes"), "");
    }
    access_modes(spec, &at, errors);
    let (capacity, path) = (&spec["capacity"], at.child("capacity"));
    let count = entries(capacity).count();
    if count == 0 {
        errors.required(&path, "");
    }
    if capacity["storage"].is_null() || count > 1 {
        errors.not_supported(&path, capacity, &["storage"]);
    }
    for (name, amount) in entries(capacity) {
        positive(amount, &path.key(name), errors);
    }
    let policy = text(&spec["persistentVolumeReclaimPolicy"]);
    if !matches!(policy, "" | "Delete" | "Recycle" | "Retain") {
        errors.not_supported(
            &at.child("persistentVolumeReclaimPolicy"),
            &policy.into(),
            &["Delete", "Recycle", "Retain"],
        );
    }
    let affinity = &spec["nodeAffinity"];
    if !affinity.is_null() {
        let path = at.child("nodeAffinity");
        if affinity["required"].is_null() {
            errors.required(&path.child("required"), "must specify required node constraints");
        } else {
            pod_spec::node_selector(&affinity["required"], &path.child("required"), errors);
        }
    }
    let mut found = false;
    for source in SOURCES {
        let (value, path) = (&spec[*source], at.child(source));
        if value.is_null() {
            continue;
        }
        if found {
            errors.forbidden(&path, "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        match *source {
            "hostPath" | "local" if text(&value["path"]).is_empty() => errors.required(&path.child("path"), ""),
            "nfs" => {
                for field in ["server", "path"] {
                    if text(&value[field]).is_empty() {
                        errors.required(&path.child(field), "");
                    }
                }
                if !text(&value["path"]).starts_with('/') {
                    errors.invalid_str(&path.child("path"), text(&value["path"]), "must be an absolute path");
                }
            }
            "csi" => {
                pod_spec::csi_driver_name(&value["driver"], &path.child("driver"), errors);
                if text(&value["volumeHandle"]).is_empty() {
                    errors.required(&path.child("volumeHandle"), "");
                }
            }
            _ => {}
        }
    }
    if !found {
        errors.required(&at, "must specify a volume type");
    }
    if !spec["local"].is_null() && affinity.is_null() {
        errors.required(&at.child("nodeAffinity"), "Local volume requires node affinity");
    }
    class_and_mode(spec, &at, errors);
}

fn class_and_mode(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let name = text(&spec[field]);
        if !name.is_empty() {
            errors.invalid_strs(&at.child(field), name, names::dns1123_subdomain(name));
        }
    }
    let mode = &spec["volumeMode"];
    if !mode.is_null() && !matches!(text(mode), "Block" | "Filesystem") {
        errors.not_supported(&at.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
}

fn positive(amount: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if amount_of(amount).is_some_and(|quantity| quantity.sign() <= 0) {
        errors.invalid(at, amount, "must be greater than zero");
    }
}

fn amount_of(amount: &Value) -> Option<Quantity> {
    Quantity::parse(&amount.as_str().map_or_else(|| amount.to_string(), str::to_owned)).ok()
}

impl Hooks for PersistentVolumeClaim {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({"phase": "Pending"});
        data_sources(&mut object["spec"], None);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        data_sources(&mut object["spec"], Some(&old["spec"]));
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        claim_spec(&object["spec"], &Path::new("spec"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let at = Path::new("spec");
        claim_spec(&object["spec"], &at, errors);
        let (mut now, mut was) = (object["spec"].clone(), old["spec"].clone());
        data_sources(&mut was, None);
        if text(&was["volumeName"]).is_empty() {
            object::remove(&mut was, "volumeName");
            object::remove(&mut now, "volumeName");
        }
        if was["storageClassName"].is_null() {
            object::remove(&mut now, "storageClassName");
        }
        if object["status"]["phase"] == "Bound" {
            for spec in [&mut now, &mut was] {
                if spec["resources"]["requests"].is_object() {
                    object::remove(&mut spec["resources"]["requests"], "storage");
                }
                object::remove(spec, "volumeAttributesClassName");
            }
        }
        if !object::same(&now, &was) {
            let detail = format!(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{}",
                difference::of(&was, &now)
            );
            errors.forbidden(&at, detail);
        }
        let size = |value: &Value| amount_of(&value["storage"]);
        let (new_size, old_size) =
            (size(&object["spec"]["resources"]["requests"]), size(&old["spec"]["resources"]["requests"]));
        if let (Some(new), Some(old_size)) = (new_size, old_size) {
            let mut less = new.clone();
            less.sub(&old_size);
            let mut above = new;
            if let Some(capacity) = size(&old["status"]["capacity"]) {
                above.sub(&capacity);
            }
            if less.sign() < 0 && above.sign() <= 0 {
                let (resources, requests) = (at.child("resources"), "requests");
                let requests = resources.child(requests);
                errors.forbidden(&requests.child("storage"), "field can not be less than status.capacity");
            }
        }
        errors.immutable(&Path::new("volumeMode"), &object["spec"]["volumeMode"], &old["spec"]["volumeMode"]);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// The old and the new way of naming where a claim's data come from say the same.
fn data_sources(spec: &mut Value, old: Option<&Value>) {
    if !spec.is_object() {
        return;
    }
    let is_known = |source: &Value| match text(&source["kind"]) {
        "PersistentVolumeClaim" => text(&source["apiGroup"]).is_empty(),
        "VolumeSnapshot" => text(&source["apiGroup"]) == "snapshot.storage.k8s.io",
        _ => false,
    };
    let in_use = old.is_some_and(|old| !old["dataSource"].is_null());
    if !in_use && spec["dataSourceRef"].is_null() && !is_known(&spec["dataSource"]) {
        object::remove(spec, "dataSource");
    }
    if spec["dataSourceRef"].is_null() && !spec["dataSource"].is_null() {
        spec["dataSourceRef"] = spec["dataSource"].clone();
    } else if !spec["dataSourceRef"].is_null()
        && spec["dataSource"].is_null()
        && text(&spec["dataSourceRef"]["namespace"]).is_empty()
    {
        let mut source = spec["dataSourceRef"].clone();
        object::remove(&mut source, "namespace");
        spec["dataSource"] = source;
    }
    // Reading an absent field by its name must not leave a null behind.
    for field in ["dataSource", "dataSourceRef"] {
        if spec[field].is_null() {
            object::remove(spec, field);
        }
    }
}

/// The rules of a claim's spec, alone or in a template.
pub fn claim_spec(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if items(&spec["accessModes"]).is_empty() {
        errors.required(&at.child("accessModes"), "at least 1 access mode is required");
    }
    label_selector::validate(&spec["selector"], &at.child("selector"), errors);
    access_modes(spec, at, errors);
    let (storage, path) = (&spec["resources"]["requests"]["storage"], at.child("resources"));
    if storage.is_null() {
        errors.required(&path.key("storage"), "");
    } else {
        positive(storage, &path.key("storage"), errors);
    }
    class_and_mode(spec, at, errors);
    for field in ["dataSource", "dataSourceRef"] {
        let (source, path) = (&spec[field], at.child(field));
        if source.is_null() {
            continue;
        }
        for field in ["name", "kind"] {
            if text(&source[field]).is_empty() {
                errors.required(&path.child(field), "");
            }
        }
        let group = text(&source["apiGroup"]);
        if group.is_empty() && text(&source["kind"]) != "PersistentVolumeClaim" {
            errors.invalid_str(
                &path,
                text(&source["kind"]),
                "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
            );
        }
        if !group.is_empty() {
            errors.invalid_strs(&path.child("apiGroup"), group, names::dns1123_subdomain(group));
        }
    }
}
