//! The rules of a pod's volumes, and of where containers mount them.

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use super::super::{volume, volume_source};
use super::{Pod, Rules, env, one_of};
use crate::field::{ErrorList, Path};
use crate::object::{int, items, text};
use crate::resources::names;

/// The sources of a volume in upstream's order, with the fields that those of pods alone must have.
const SOURCES: &[(&str, &[&str])] = &[
    ("emptyDir", &[]),
    ("hostPath", &["path"]),
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &[]),
    ("awsElasticBlockStore", &[]),
    ("secret", &["secretName"]),
    ("nfs", &[]),
    ("iscsi", &[]),
    ("glusterfs", &[]),
    ("flocker", &[]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &[]),
    ("cinder", &[]),
    ("cephfs", &[]),
    ("quobyte", &[]),
    ("downwardAPI", &[]),
    ("fc", &[]),
    ("flexVolume", &[]),
    ("configMap", &["name"]),
    ("azureFile", &[]),
    ("vsphereVolume", &[]),
    ("photonPersistentDisk", &[]),
    ("portworxVolume", &[]),
    ("azureDisk", &[]),
    ("storageos", &[]),
    ("projected", &[]),
    ("scaleIO", &[]),
    ("csi", &[]),
    ("ephemeral", &[]),
    ("image", &[]),
];

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// Answers the volumes that are in order: only those can be mounted.
pub fn validate<'a>(
    volumes: &'a Value,
    metadata: &Value,
    at: &Path<'_>,
    rules: Rules,
    errors: &mut ErrorList,
) -> Vec<&'a Value> {
    let pod_name = text(&metadata["name"]);
    let volumes = items(volumes);
    let mut valid: Vec<&Value> = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let at = at.index(index);
        let mut own = ErrorList::default();
        let name = text(&volume["name"]);
        source(volume, pod_name, &at, rules, &mut own);
        if name.is_empty() {
            own.required(&at.child("name"), "");
        } else {
            own.invalid_strs(&at.child("name"), name, names::dns1123_label(name));
        }
        if valid.iter().any(|other| other["name"] == volume["name"]) {
            own.duplicate(&at.child("name"), &volume["name"]);
        }
        if own.is_empty() {
            valid.push(volume);
        }
        errors.0.append(&mut own.0);
    }
    valid
}

fn source(volume: &Value, pod_name: &str, at: &Path<'_>, rules: Rules, errors: &mut ErrorList) {
    let mut found = false;
    for (kind, required) in SOURCES {
        let (source, path) = (&volume[*kind], at.child(kind));
        if source.is_null() {
            continue;
        }
        if found {
            errors.forbidden(&path, "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        for field in *required {
            if crate::object::is_unset(&source[*field]) {
                errors.required(&path.child(field), "");
            }
        }
        details(kind, source, &path, rules, errors);
        let name = text(&volume["name"]);
        let claim = format!("{pod_name}-{name}");
        if *kind == "ephemeral"
            && !pod_name.is_empty()
            && !name.is_empty()
            && let Some(problem) = names::dns1123_subdomain(&claim)
        {
            errors.invalid_str(&at.child("name"), name, format!("PVC name {claim:?}: {problem}"));
        }
    }
    if !found {
        errors.required(at, "must specify a volume type");
    }
}

fn details(kind: &str, source: &Value, at: &Path<'_>, rules: Rules, errors: &mut ErrorList) {
    match kind {
        "emptyDir" if Quantity::parse(text(&source["sizeLimit"])).is_ok_and(|size| size.sign() < 0) => {
            errors.forbidden(&at.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
        }
        "hostPath" => {
            host_path(source, at, errors);
        }
        "gitRepo" => descending_path(text(&source["directory"]), &at.child("directory"), errors),
        "secret" | "configMap" => {
            mode(&source["defaultMode"], &at.child("defaultMode"), errors);
            keys(&source["items"], &at.child("items"), errors);
        }
        "downwardAPI" => {
            mode(&source["defaultMode"], &at.child("defaultMode"), errors);
            for file in items(&source["items"]) {
                downward_file(file, at, errors);
            }
        }
        "projected" => {
            mode(&source["defaultMode"], &at.child("defaultMode"), errors);
            projections(source, at, errors);
        }
        "csi" => {
            csi_driver_name(&source["driver"], &at.child("driver"), errors);
            let secret = &source["nodePublishSecretRef"];
            if !secret.is_null() && text(&secret["name"]).is_empty() {
                errors.required(&at.child("nodePublishSecretRef").child("name"), "");
            } else if let Some(name) = secret["name"].as_str() {
                errors.invalid_strs(&at.child("name"), name, names::dns1123_subdomain(name));
            }
        }
        "ephemeral" => {
            let template = &source["volumeClaimTemplate"];
            let path = at.child("volumeClaimTemplate");
            if template.is_null() {
                errors.required(&path, "");
            } else {
                volume::claim_spec(&template["spec"], &path.child("spec"), errors);
            }
        }
        "image" => {
            if !rules.in_template && text(&source["reference"]).is_empty() {
                errors.required(&at.child("reference"), "");
            }
            one_of(&source["pullPolicy"], &["Always", "IfNotPresent", "Never"], &at.child("pullPolicy"), errors);
        }
        _ => {
            volume_source::validate(kind, source, None, at, errors);
        }
    }
}

/// The rules of a path of the host, of which there is one.
pub fn host_path(source: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const TYPES: &[&str] =
        &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if text(&source["path"]).is_empty() {
        return;
    }
    no_backsteps(text(&source["path"]), &at.child("path"), errors);
    if !source["type"].is_null() && !TYPES.contains(&text(&source["type"])) {
        errors.not_supported(&at.child("type"), &source["type"], TYPES);
    }
}

fn mode(value: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if !value.is_null() && !(0..=0o777).contains(&int(value)) {
        errors.invalid(at, value, MODE);
    }
}

fn keys(list: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (index, item) in items(list).iter().enumerate() {
        let at = at.index(index);
        for field in ["key", "path"] {
            if text(&item[field]).is_empty() {
                errors.required(&at.child(field), "");
            }
        }
        own_path(text(&item["path"]), &at.child("path"), errors);
        mode(&item["mode"], &at.child("mode"), errors);
    }
}

fn downward_file(file: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if text(&file["path"]).is_empty() {
        errors.required(&at.child("path"), "");
    }
    own_path(text(&file["path"]), &at.child("path"), errors);
    if !file["fieldRef"].is_null() {
        env::field_ref(&file["fieldRef"], true, &at.child("fieldRef"), errors);
        if !file["resourceFieldRef"].is_null() {
            errors.invalid_str(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
        }
    } else if !file["resourceFieldRef"].is_null() {
        env::resource_field_ref(&file["resourceFieldRef"], true, &at.child("resourceFieldRef"), errors);
    } else {
        errors.required(at, "one of fieldRef and resourceFieldRef is required");
    }
    mode(&file["mode"], &at.child("mode"), errors);
}

fn projections(source: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let list = root.child("sources");
    for (index, source) in items(&source["sources"]).iter().enumerate() {
        let path = list.index(index);
        let kinds =
            ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
        let mut count = 0;
        for kind in kinds {
            let (projection, at) = (&source[kind], path.child(kind));
            if projection.is_null() {
                continue;
            }
            count += 1;
            match kind {
                "secret" | "configMap" => {
                    if text(&projection["name"]).is_empty() {
                        errors.required(&at.child("name"), "");
                    }
                    keys(&projection["items"], &at.child("items"), errors);
                }
                "downwardAPI" => {
                    for file in items(&projection["items"]) {
                        downward_file(file, &at, errors);
                    }
                }
                "serviceAccountToken" => {
                    let seconds = &projection["expirationSeconds"];
                    if !seconds.is_null() && int(seconds) < 600 {
                        errors.invalid(
                            &at.child("expirationSeconds"),
                            seconds,
                            "may not specify a duration less than 10 minutes",
                        );
                    }
                    if int(seconds) > 1 << 32 {
                        errors.invalid(
                            &at.child("expirationSeconds"),
                            seconds,
                            "may not specify a duration larger than 2^32 seconds",
                        );
                    }
                    // Upstream names the volume here.
                    if text(&projection["path"]).is_empty() {
                        errors.required(&root.child("path"), "");
                    } else {
                        own_path(text(&projection["path"]), &at.child("path"), errors);
                    }
                }
                _ => {}
            }
        }
        if count > 1 {
            errors.forbidden(&path, "may not specify more than 1 volume type per source");
        }
    }
}

pub fn csi_driver_name(name: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let name = text(name);
    if name.is_empty() {
        errors.required(at, "");
    }
    if name.len() > 63 {
        errors.too_long(at, 63);
    }
    if !name.is_empty() {
        errors.invalid_strs(at, name, names::dns1123_subdomain(&name.to_lowercase()));
    }
}

/// A path relative to something, below it.
pub fn descending_path(path: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if path.starts_with('/') {
        errors.invalid_str(at, path, "must be a relative path");
    }
    no_backsteps(path, at, errors);
}

pub fn no_backsteps(path: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if path.split('/').any(|part| part == "..") {
        errors.invalid_str(at, path, "must not contain '..'");
    }
}

/// A path in a volume that is no name that the volume itself uses.
fn own_path(path: &str, at: &Path<'_>, errors: &mut ErrorList) {
    descending_path(path, at, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        errors.invalid_str(at, path, "must not start with '..'");
    }
}

pub fn mounts(pod: &Pod<'_>, container: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (mounts, devices) = (items(&container["volumeMounts"]), items(&container["volumeDevices"]));
    for (index, mount) in mounts.iter().enumerate() {
        let path = at.index(index);
        let (name, target) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        }
        if pod.volume(name).is_none() {
            errors.not_found(&path.child("name"), &name.into());
        }
        if target.is_empty() {
            errors.required(&path.child("mountPath"), "");
        }
        if mounts[..index].iter().any(|other| text(&other["mountPath"]) == target) {
            errors.invalid_str(&path.child("mountPath"), target, "must be unique");
        }
        if devices.iter().any(|device| device["name"] == name) {
            errors.invalid_str(&path.child("name"), name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| device["devicePath"] == target) {
            errors.invalid_str(&path.child("mountPath"), target, "must not already exist as a path in volumeDevices");
        }
        // Upstream names the list, not the mount, for what follows.
        let (sub, expression) = (text(&mount["subPath"]), text(&mount["subPathExpr"]));
        if !sub.is_empty() {
            descending_path(sub, &at.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                errors.invalid_str(
                    &path.child("subPathExpr"),
                    expression,
                    "subPathExpr and subPath are mutually exclusive",
                );
            }
            descending_path(expression, &at.child("subPathExpr"), errors);
        }
        propagation(container, mount, at, errors);
    }
}

fn propagation(container: &Value, mount: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (propagation, path) = (&mount["mountPropagation"], at.child("mountPropagation"));
    if !propagation.is_null() {
        if !matches!(text(propagation), "Bidirectional" | "HostToContainer" | "None") {
            errors.not_supported(&path, propagation, &["Bidirectional", "HostToContainer", "None"]);
        }
        if propagation == "Bidirectional" && container["securityContext"]["privileged"] != Value::Bool(true) {
            errors.forbidden(&path, "Bidirectional mount propagation is available only to privileged containers");
        }
    }
    let path = at.child("recursiveReadOnly");
    match text(&mount["recursiveReadOnly"]) {
        "Enabled" | "IfPossible" => {
            if mount["readOnly"] != Value::Bool(true) {
                errors.forbidden(&path, "may only be specified when readOnly is true");
            }
            if !matches!(text(propagation), "" | "None") {
                errors.forbidden(&path, "may only be specified when mountPropagation is None or not specified");
            }
        }
        "Disabled" | "" => {}
        _ => errors.not_supported(&path, &mount["recursiveReadOnly"], &["Disabled", "Enabled", "IfPossible"]),
    }
}

pub fn devices(pod: &Pod<'_>, container: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (mounts, devices) = (items(&container["volumeMounts"]), items(&container["volumeDevices"]));
    for (index, device) in devices.iter().enumerate() {
        let at = at.index(index);
        let (name, path) = (text(&device["name"]), text(&device["devicePath"]));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if devices[..index].iter().any(|other| !name.is_empty() && other["name"] == name) {
            errors.invalid_str(&at.child("name"), name, "must be unique");
        }
        match pod.volume(name) {
            None => errors.not_found(&at.child("name"), &name.into()),
            Some(volume) if volume["persistentVolumeClaim"].is_null() && volume["ephemeral"].is_null() => {
                errors.invalid_str(
                    &at.child("name"),
                    name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                );
            }
            Some(_) => {}
        }
        if path.is_empty() {
            errors.required(&at.child("devicePath"), "");
        }
        if devices[..index].iter().any(|other| text(&other["devicePath"]) == path) {
            errors.invalid_str(&at.child("devicePath"), path, "must be unique");
        }
        if path.split('/').any(|part| part == "..") {
            errors.invalid_str(&at.child("devicePath"), path, "can not contain backsteps ('..')");
        }
        if mounts.iter().any(|mount| mount["name"] == name) {
            errors.invalid_str(&at.child("name"), name, "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|mount| mount["mountPath"] == path) {
            errors.invalid_str(&at.child("devicePath"), path, "must not already exist as a path in volumeMounts");
        }
    }
}
