//! PersistentVolume and PersistentVolumeClaim.

use apiserver_schema::quantity::Quantity;
use serde_json::{Value, json};

use super::{Hooks, Request, difference, label_selector, pod_spec, volume_source, warnings};
use crate::field::{ErrorList, Path};
use crate::internal_form;
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
        volume_spec(object, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        volume_spec(object, errors);
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
            let shown = |sources: &Value| internal_form::of("", "v1", "PersistentVolume", &["spec", ""], sources);
            let change = difference::of(&shown(&was), &shown(&now));
            let detail = format!("spec.persistentvolumesource is immutable after creation\n{change}");
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

    fn warnings(&self, object: &Value, _old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        const ANNOTATIONS: [(&str, &str); 2] = [
            (
                "volume.beta.kubernetes.io/storage-class",
                "deprecated since v1.8; use \"storageClassName\" attribute instead",
            ),
            (
                "volume.beta.kubernetes.io/mount-options",
                "deprecated since v1.31; use \"mountOptions\" attribute instead",
            ),
        ];
        const PLUGINS: [(&str, &str, &str); 6] = [
            ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
            ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
            ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
            ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
            ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
            ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
        ];
        if request.subresource == "status" {
            return;
        }
        let (metadata, at, spec) = (Path::new("metadata"), Path::new("spec"), &object["spec"]);
        let annotations = metadata.child("annotations");
        for (key, instead) in ANNOTATIONS {
            if !object["metadata"]["annotations"][key].is_null() {
                out.push(format!("{}: {instead}", annotations.key(key)));
            }
        }
        if spec["persistentVolumeReclaimPolicy"] == "Recycle" {
            out.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned());
        }
        let affinity = at.child("nodeAffinity");
        let required = affinity.child("required");
        let terms = required.child("nodeSelectorTerms");
        for (index, term) in items(&spec["nodeAffinity"]["required"]["nodeSelectorTerms"]).iter().enumerate() {
            warnings::node_selector_term(term, false, &terms.index(index), out);
        }
        for (field, shown, fate) in PLUGINS {
            if !spec[field].is_null() {
                out.push(format!("{}: {fate}", at.child(shown)));
            }
        }
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

fn volume_spec(object: &Value, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
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
        if let Some(value) = amount_of(amount).map(|amount| amount.value()).filter(|value| *value < 0) {
            errors.invalid_number(&path.key(name), value, "must be a valid resource quantity");
        }
        positive(amount, &path.key(name), errors);
    }
    let (policy, path) = (text(&spec["persistentVolumeReclaimPolicy"]), at.child("persistentVolumeReclaimPolicy"));
    if !matches!(policy, "" | "Delete" | "Recycle" | "Retain") {
        errors.not_supported(&path, &policy.into(), &["Delete", "Recycle", "Retain"]);
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
    sources(spec, object::meta(object, "name"), &at, errors);
    let is_root = |path: &str| path.starts_with('/') && path.split('/').all(|part| matches!(part, "" | "."));
    if policy == "Recycle" && is_root(text(&spec["hostPath"]["path"])) {
        errors.forbidden(&path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = text(&spec["storageClassName"]);
    if !class.is_empty() {
        errors.invalid_strs(&at.child("storageClassName"), class, names::dns1123_subdomain(class));
    }
    volume_mode(spec, &at, errors);
    attributes_class(spec, &at, errors);
}

/// The spec of a volume that an attachment has instead of a volume's name: a driver's, and nothing about claims.
pub fn inline_spec(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const WHERE: &str = "in the context of inline volumes";
    for field in ["claimRef", "capacity"] {
        if !object::is_unset(&spec[field]) {
            errors.forbidden(&at.child(field), format!("may not be specified {WHERE}"));
        }
    }
    if spec["csi"].is_null() {
        errors.required(&at.child("csi"), format!("has to be specified {WHERE}"));
    }
    if items(&spec["accessModes"]).is_empty() {
        errors.required(&at.child("accessModes"), "");
    }
    access_modes(spec, at, errors);
    if !matches!(text(&spec["persistentVolumeReclaimPolicy"]), "" | "Retain") {
        errors.forbidden(&at.child("persistentVolumeReclaimPolicy"), format!("may only be Retain {WHERE}"));
    }
    if !spec["nodeAffinity"].is_null() {
        errors.forbidden(&at.child("nodeAffinity"), format!("may not be specified {WHERE}"));
    }
    sources(spec, "", at, errors);
    if !text(&spec["storageClassName"]).is_empty() {
        errors.forbidden(&at.child("storageClassName"), format!("may not be specified {WHERE}"));
    }
    if !matches!(text(&spec["volumeMode"]), "" | "Filesystem") {
        let detail = format!("may not specify volumeMode other than Filesystem {WHERE}");
        errors.forbidden(&at.child("volumeMode"), detail);
    }
}

/// What a volume is: one thing.
fn sources(spec: &Value, name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let mut found = false;
    for source in SOURCES {
        let (value, path) = (&spec[*source], at.child(source));
        if value.is_null() {
            continue;
        }
        // Upstream does not count this one.
        if found && *source != "flexVolume" {
            let shown = if *source == "cephfs" { "cephFS" } else { source };
            errors.forbidden(&at.child(shown), "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        match *source {
            "hostPath" | "local" if text(&value["path"]).is_empty() => errors.required(&path.child("path"), ""),
            "hostPath" => pod_spec::host_path(value, &path, errors),
            "local" => pod_spec::no_backsteps(text(&value["path"]), &path.child("path"), errors),
            "csi" => driver_source(value, &path, errors),
            // Upstream calls this one otherwise.
            "gcePersistentDisk" => {
                volume_source::validate(source, value, Some(name), &at.child("persistentDisk"), errors);
            }
            _ => {
                volume_source::validate(source, value, Some(name), &path, errors);
            }
        }
        if *source == "local" && spec["nodeAffinity"].is_null() {
            errors.required(&at.child("nodeAffinity"), "Local volume requires node affinity");
        }
    }
    if !found {
        errors.required(at, "must specify a volume type");
    }
}

fn driver_source(source: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const SECRETS: [&str; 4] =
        ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"];
    pod_spec::csi_driver_name(&source["driver"], &at.child("driver"), errors);
    if text(&source["volumeHandle"]).is_empty() {
        errors.required(&at.child("volumeHandle"), "");
    }
    for secret in SECRETS.into_iter().filter(|secret| !source[*secret].is_null()) {
        let at = at.child(secret);
        let [name, namespace] = ["name", "namespace"].map(|field| text(&source[secret][field]));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else {
            errors.invalid_strs(&at.child("name"), name, names::dns1123_subdomain(name));
        }
        if namespace.is_empty() {
            errors.required(&at.child("namespace"), "");
        } else {
            errors.invalid_strs(&at.child("namespace"), namespace, names::dns1123_label(namespace));
        }
    }
}

fn attributes_class(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (class, path) = (&spec["volumeAttributesClassName"], at.child("volumeAttributesClassName"));
    if class.is_null() {
        return;
    }
    if text(class).is_empty() {
        errors.required(&path, "an empty string is disallowed");
    } else {
        errors.invalid_strs(&path, text(class), names::dns1123_subdomain(text(class)));
    }
    if spec["csi"].is_null() {
        errors.required(&at.child("csi"), "has to be specified when using volumeAttributesClassName");
    }
}

fn class_and_mode(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let name = text(&spec[field]);
        if !name.is_empty() {
            errors.invalid_strs(&at.child(field), name, names::dns1123_subdomain(name));
        }
    }
    volume_mode(spec, at, errors);
}

fn volume_mode(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
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
        // Its phase is a default, which is not stored but shown.
        object::clear(object, "status");
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
            let shown = |spec: &Value| internal_form::of("", "v1", "PersistentVolumeClaim", &["spec"], spec);
            let detail = format!(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{}",
                difference::of(&shown(&was), &shown(&now))
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

    fn warnings(&self, object: &Value, _old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
        if request.subresource == "status" {
            return;
        }
        if !object["metadata"]["annotations"][CLASS].is_null() {
            out.push(format!(
                "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
            ));
        }
        warnings::claim_spec(&object["spec"], &Path::new("spec"), out);
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
