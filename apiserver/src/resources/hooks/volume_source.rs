//! The sources that volumes of pods and persistent volumes have in common.
//!
//! Source: `pkg/apis/core/validation/validation.go`.

use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{entries, int, is_unset, items, text};
use crate::resources::names;

const PARTITION: &str = "must be between 0 and 255, inclusive";

/// Fields that each of these sources must have.
const REQUIRED: &[(&str, &[&str])] = &[
    ("awsElasticBlockStore", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("azureFile", &["secretName", "shareName"]),
    ("cephfs", &["monitors"]),
    ("cinder", &["volumeID"]),
    ("fc", &[]),
    ("flexVolume", &["driver"]),
    ("flocker", &[]),
    ("gcePersistentDisk", &["pdName"]),
    ("glusterfs", &["endpoints", "path"]),
    ("iscsi", &["targetPortal"]),
    ("nfs", &["server", "path"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("quobyte", &[]),
    ("rbd", &["monitors", "image"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("storageos", &["volumeName"]),
    ("vsphereVolume", &["volumePath"]),
];

/// The rules of a source, if it is one of these; `owner` is the name of the persistent volume that has it.
pub fn validate(kind: &str, source: &Value, owner: Option<&str>, at: &Path<'_>, errors: &mut ErrorList) -> bool {
    let Some((_, required)) = REQUIRED.iter().find(|(name, _)| *name == kind) else { return false };
    for field in *required {
        if is_unset(&source[*field]) {
            errors.required(&at.child(field), "");
        }
    }
    match kind {
        "awsElasticBlockStore" | "gcePersistentDisk" if !(0..=255).contains(&int(&source["partition"])) => {
            errors.invalid(&at.child("partition"), &source["partition"], PARTITION);
        }
        "azureDisk" => azure_disk(source, at, errors),
        "azureFile" if owner.is_some() && source["secretNamespace"].as_str() == Some("") => {
            errors.required(&at.child("secretNamespace"), "");
        }
        "cinder" => secret(&source["secretRef"], owner.is_some(), at, errors),
        "fc" => fibre_channel(source, at, errors),
        "flexVolume" => {
            let options = at.child("options");
            for (key, _) in entries(&source["options"]) {
                let namespace = key.split_once('/').map_or(key, |(namespace, _)| namespace);
                let whole = format!(".{}", namespace.to_lowercase());
                if whole.ends_with(".kubernetes.io") || whole.ends_with(".k8s.io") {
                    let detail = "kubernetes.io and k8s.io namespaces are reserved";
                    errors.invalid_str(&options.key(key), key, detail);
                }
            }
        }
        "flocker" => flocker(source, at, errors),
        "glusterfs" if owner.is_some() => {
            if let Some(namespace) = source["endpointsNamespace"].as_str() {
                let at = at.child("endpointsNamespace");
                if namespace.is_empty() {
                    let detail = "if the endpointnamespace is set, it must be a valid namespace name";
                    errors.invalid_str(&at, namespace, detail);
                } else {
                    errors.invalid_strs(&at, namespace, names::dns1123_label(namespace));
                }
            }
        }
        "iscsi" => iscsi(source, owner, at, errors),
        "nfs" if !text(&source["path"]).starts_with('/') => {
            errors.invalid_str(&at.child("path"), text(&source["path"]), "must be an absolute path");
        }
        "quobyte" => quobyte(source, at, errors),
        "storageos" => {
            for field in ["volumeName", "volumeNamespace"] {
                let name = text(&source[field]);
                if !name.is_empty() {
                    errors.invalid_strs(&at.child(field), name, names::dns1123_label(name));
                }
            }
            secret(&source["secretRef"], owner.is_some(), at, errors);
        }
        _ => {}
    }
    true
}

/// A secret by its name, and of persistent volumes its namespace.
fn secret(reference: &Value, with_namespace: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let at = at.child("secretRef");
    for field in ["name", "namespace"] {
        if !reference.is_null() && text(&reference[field]).is_empty() && (with_namespace || field == "name") {
            errors.required(&at.child(field), "");
        }
    }
}

fn azure_disk(source: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (field, supported) in
        [("cachingMode", &["None", "ReadOnly", "ReadWrite"]), ("kind", &["Dedicated", "Managed", "Shared"])]
    {
        let value = &source[field];
        if !value.is_null() && !supported.contains(&text(value)) {
            errors.not_supported(&at.child(field), value, supported);
        }
    }
    let (address, at) = (text(&source["diskURI"]), at.child("diskURI"));
    let supported = match source["kind"].as_str() {
        Some("Managed") if !address.starts_with("/subscriptions/") => {
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
        }
        Some(kind) if kind != "Managed" && !address.starts_with("https://") => {
            "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
        }
        _ => return,
    };
    errors.not_supported(&at, &address.into(), &[supported]);
}

fn fibre_channel(source: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (targets, ids, path) = (items(&source["targetWWNs"]), items(&source["wwids"]), at.child("targetWWNs"));
    if targets.is_empty() && ids.is_empty() {
        errors.required(&path, "must specify either targetWWNs or wwids, but not both");
    }
    if !targets.is_empty() && !ids.is_empty() {
        errors.invalid(&path, &source["targetWWNs"], "targetWWNs and wwids can not be specified simultaneously");
    }
    if !targets.is_empty() {
        let (lun, at) = (&source["lun"], at.child("lun"));
        if lun.is_null() {
            errors.required(&at, "lun is required if targetWWNs is specified");
        } else if !(0..=255).contains(&int(lun)) {
            errors.invalid(&at, lun, PARTITION);
        }
    }
}

fn flocker(source: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (name, uuid) = (text(&source["datasetName"]), text(&source["datasetUUID"]));
    if name.is_empty() && uuid.is_empty() {
        errors.required(at, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        errors.invalid_str(at, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        errors.invalid_str(&at.child("datasetName"), name, "must not contain '/'");
    }
}

fn iscsi(source: &Value, owner: Option<&str>, at: &Path<'_>, errors: &mut ErrorList) {
    let [portal, name] = ["targetPortal", "iqn"].map(|field| text(&source[field]));
    let initiator = source["initiatorName"].as_str();
    if let (Some(owner), Some(_)) = (owner, initiator)
        && owner.len() + 1 + portal.len() > 64
    {
        errors.invalid_str(&at.child("targetportal"), portal, "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.");
    }
    let unknown =
        if owner.is_some() { "must be valid format" } else { "must be valid format starting with iqn, eui, or naa" };
    let problem = |name: &str| match name.get(..3) {
        Some("iqn" | "eui" | "naa") => (!is_iscsi_name(name)).then_some("must be valid format"),
        _ => Some(unknown),
    };
    if name.is_empty() {
        errors.required(&at.child("iqn"), "");
    } else if let Some(problem) = problem(name) {
        errors.invalid_str(&at.child("iqn"), name, problem);
    }
    if !(0..=255).contains(&int(&source["lun"])) {
        errors.invalid(&at.child("lun"), &source["lun"], PARTITION);
    }
    let secret = &source["secretRef"];
    let authenticates =
        ["chapAuthDiscovery", "chapAuthSession"].iter().any(|field| source[*field] == Value::Bool(true));
    if authenticates && secret.is_null() {
        errors.required(&at.child("secretRef"), "");
    }
    if owner.is_some() && !secret.is_null() && text(&secret["name"]).is_empty() {
        errors.required(&at.child("secretRef").child("name"), "");
    }
    if let Some(initiator) = initiator
        && let Some(problem) = problem(initiator)
    {
        errors.invalid_str(&at.child("initiatorname"), initiator, problem);
    }
}

/// A name in one of the three forms of iSCSI.
fn is_iscsi_name(name: &str) -> bool {
    let alphanumeric =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let after = |prefix: &str| name.strip_prefix(prefix).and_then(|rest| rest.get(1..));
    match name.get(..3) {
        Some("eui") => after("eui").is_some_and(|rest| alphanumeric(rest, 16)),
        Some("naa") => after("naa").is_some_and(|rest| alphanumeric(rest, 32)),
        _ => is_iqn(name),
    }
}

/// `iqn.YYYY-MM.reversed.domain:name`, found anywhere up to the end, as upstream looks for it.
fn is_iqn(name: &str) -> bool {
    let date = |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() > 8
            && bytes[..8].iter().enumerate().all(|(index, byte)| match index {
                4 => *byte == b'-',
                7 => *byte == b'.',
                _ => byte.is_ascii_digit(),
            })
    };
    name.match_indices("iqn.").any(|(start, _)| {
        let rest = &name[start + 4..];
        if !date(rest) {
            return false;
        }
        let Some((authority, unique)) = rest[8..].split_once(':') else { return false };
        let in_authority = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        !authority.is_empty()
            && authority.bytes().all(in_authority)
            && !unique.is_empty()
            && !unique.contains(|c: char| ",;*&$|".contains(c) || c.is_whitespace())
    })
}

fn quobyte(source: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let (registry, path) = (text(&source["registry"]), at.child("registry"));
    if registry.is_empty() {
        errors.required(&path, PAIRS);
    } else if text(&source["tenant"]).len() >= 65 {
        errors.required(&at.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for pair in registry.split(',') {
            let is_pair = match pair.strip_prefix('[') {
                Some(rest) => rest.split_once("]:").is_some_and(|(_, port)| !port.contains([':', '[', ']'])),
                None => pair.matches(':').count() == 1 && !pair.contains(['[', ']']),
            };
            if !is_pair {
                errors.invalid_str(&path, registry, PAIRS);
            }
        }
    }
    if text(&source["volume"]).is_empty() {
        errors.required(&at.child("volume"), "");
    }
}

#[cfg(test)]
mod tests {
    use super::is_iscsi_name;

    #[test]
    fn names_of_iscsi_are_told_from_others() {
        for good in ["iqn.2001-04.com.example:storage", "eui.0123456789abcdef", "naa.0123456789abcdef0123456789abcdef"]
        {
            assert!(is_iscsi_name(good), "{good}");
        }
        for bad in ["iqn.2001-04.com.example", "iqn.201-04.a:b", "eui.1", "iqn.2001-04.a:b c"] {
            assert!(!is_iscsi_name(bad), "{bad}");
        }
    }
}
