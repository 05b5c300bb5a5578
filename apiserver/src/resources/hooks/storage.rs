//! The kinds of storage.k8s.io.
//!
//! Source: `pkg/apis/storage/validation`.

use std::collections::{BTreeMap, BTreeSet};

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use super::{Hooks, Request, label_selector, pod_spec, volume, warnings};
use crate::field::{ErrorList, Path, structure};
use crate::internal_form;
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct StorageClass;

impl Hooks for StorageClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        provisioner(text(&object["provisioner"]), &Path::new("provisioner"), errors);
        parameters(&object["parameters"], true, &Path::new("parameters"), errors);
        let policy = text(&object["reclaimPolicy"]);
        if !matches!(policy, "" | "Delete" | "Retain") {
            errors.not_supported(&Path::new("reclaimPolicy"), &policy.into(), &["Delete", "Retain"]);
        }
        match text(&object["volumeBindingMode"]) {
            "Immediate" | "WaitForFirstConsumer" => {}
            "" if object["volumeBindingMode"].is_null() => errors.required(&Path::new("volumeBindingMode"), ""),
            mode => errors.not_supported(
                &Path::new("volumeBindingMode"),
                &mode.into(),
                &["Immediate", "WaitForFirstConsumer"],
            ),
        }
        let list = Path::new("allowedTopologies");
        let terms = items(&object["allowedTopologies"]);
        for (index, term) in terms.iter().enumerate() {
            let at = list.index(index);
            topology(term, &at, errors);
            let own = labels_of(term);
            // Upstream compares with one empty term for each there is, too.
            let empty = if own.is_empty() { terms.len() } else { 0 };
            for _ in 0..empty + terms[..index].iter().filter(|other| labels_of(other) == own).count() {
                errors.duplicate(&at.child("matchLabelExpressions"), &"".into());
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            errors.immutable(&Path::new(field), &object[field], &old[field]);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        let list = Path::new("allowedTopologies");
        for (index, topology) in items(&object["allowedTopologies"]).iter().enumerate() {
            let at = list.index(index);
            let list = at.child("matchLabelExpressions");
            for (index, expression) in items(&topology["matchLabelExpressions"]).iter().enumerate() {
                if let Some(instead) = warnings::node_label(text(&expression["key"])) {
                    out.push(format!("{}: {instead}", list.index(index).child("key")));
                }
            }
        }
    }
}

/// The labels and values that a term names.
fn labels_of(term: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    let expressions = items(&term["matchLabelExpressions"]).iter();
    expressions
        .filter(|expression| !items(&expression["values"]).is_empty())
        .map(|expression| (text(&expression["key"]), items(&expression["values"]).iter().map(text).collect()))
        .collect()
}

/// The labels of nodes from which volumes can be reached.
fn topology(term: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (expressions, list) = (items(&term["matchLabelExpressions"]), at.child("matchLabelExpressions"));
    for (index, expression) in expressions.iter().enumerate() {
        let at = list.index(index);
        let (values, path) = (items(&expression["values"]), at.child("values"));
        if values.is_empty() {
            errors.required(&path, "");
        }
        for (index, value) in values.iter().enumerate() {
            if values[..index].contains(value) {
                errors.duplicate(&path.index(index), value);
            }
        }
        let key = text(&expression["key"]);
        errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
        if expressions[..index].iter().any(|other| text(&other["key"]) == key) {
            errors.duplicate(&at.child("key"), &key.into());
        }
    }
}

/// What a driver is told: not too much of it.
fn parameters(parameters: &Value, may_be_empty: bool, at: &Path<'_>, errors: &mut ErrorList) {
    const MOST: usize = 512;
    const BYTES: usize = 256 * 1024;
    let count = object::entries(parameters).count();
    if count > MOST {
        errors.too_long(at, MOST);
        return;
    }
    let mut bytes = 0;
    for (key, value) in object::entries(parameters) {
        if key.is_empty() {
            errors.invalid_str(at, key, "field can not be empty.");
        }
        bytes += key.len() + text(value).len();
    }
    if bytes > BYTES {
        errors.too_long(at, BYTES);
    }
    if !may_be_empty && count == 0 {
        errors.required(at, "must contain at least one key/value pair");
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
        pod_spec::csi_driver_name(&spec["attacher"], &at.child("attacher"), errors);
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
            (false, true) => {
                let volume = &spec["source"]["inlineVolumeSpec"];
                volume::inline_spec(volume, &source.child("inlineVolumeSpec"), errors);
            }
            _ => {}
        }
        let node = text(&spec["nodeName"]);
        errors.invalid_strs(&at.child("nodeName"), node, names::dns1123_subdomain(node));
        attachment_status(&object["status"], errors);
        if let Some(name) = name.as_str() {
            let at = Path::new("spec.source.persistentVolumeName");
            errors.invalid_strs(&at, name, names::dns1123_subdomain(name));
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        if !object::same(&object["spec"], &old["spec"]) {
            let shown = internal_form::of("storage.k8s.io", "v1", "VolumeAttachment", &["spec"], &object["spec"]);
            errors.invalid_structure(&Path::new("spec"), shown, "field is immutable");
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn attachment_status(status: &Value, errors: &mut ErrorList) {
    const BYTES: usize = 256 * 1024;
    let at = Path::new("status");
    let metadata = object::entries(&status["attachmentMetadata"]);
    if metadata.map(|(key, value)| key.len() + text(value).len()).sum::<usize>() > BYTES {
        errors.too_long(&at.child("attachmentMetadata"), BYTES);
    }
    for field in ["attachError", "detachError"] {
        let (problem, at) = (&status[field], at.child(field));
        if text(&problem["message"]).len() > 1024 {
            errors.too_long(&at.child("message"), BYTES);
        }
        if int(&problem["errorCode"]) < 0 {
            let detail = "must be between 0 and 2147483647, inclusive";
            errors.invalid(&at.child("errorCode"), &problem["errorCode"], detail);
        }
    }
}

pub struct CsiDriver;

impl Hooks for CsiDriver {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        drop_disabled(object, &Value::Null);
    }

    // Counted from nothing, unlike that of other kinds.
    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        drop_disabled(object, old);
        if !object::same(&object["spec"], &old["spec"]) {
            let generation = int(&old["metadata"]["generation"]) + 1;
            object::set_meta(object, "generation", Some(generation.into()));
        }
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        driver_spec(&object["spec"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        let at = Path::new("spec");
        for (field, shown) in [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
        {
            errors.immutable(&at.child(shown), &object["spec"][field], &old["spec"][field]);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        let spec = &object["spec"];
        let requests = items(&spec["tokenRequests"]);
        let changed = old.is_none_or(|old| !object::same(&spec["tokenRequests"], &old["spec"]["tokenRequests"]));
        if changed && !requests.is_empty() && spec["serviceAccountTokenInSecrets"].is_null() {
            out.push("spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes".to_owned());
        }
    }
}

/// What waits for a feature that is off stays only where it was before.
fn drop_disabled(object: &mut Value, old: &Value) {
    if old["spec"]["preventPodSchedulingIfMissing"].is_null() && object["spec"].is_object() {
        object::remove(&mut object["spec"], "preventPodSchedulingIfMissing");
    }
}

fn driver_spec(spec: &Value, errors: &mut ErrorList) {
    const POLICIES: &[&str] = &["File", "None", "ReadWriteOnceWithFSType"];
    let at = Path::new("spec");
    for (field, shown) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if spec[field].is_null() {
            errors.required(&at.child(shown), "");
        }
    }
    let policy = &spec["fsGroupPolicy"];
    if !policy.is_null() && !POLICIES.contains(&text(policy)) {
        errors.not_supported(&at.child("fsGroupPolicy"), policy, POLICIES);
    }
    let (requests, list) = (items(&spec["tokenRequests"]), at.child("tokenRequests"));
    for (index, request) in requests.iter().enumerate() {
        let at = list.index(index);
        let audience = text(&request["audience"]);
        if requests[..index].iter().any(|other| text(&other["audience"]) == audience) {
            errors.duplicate(&at.child("audience"), &audience.into());
            continue;
        }
        let (seconds, at) = (&request["expirationSeconds"], at.child("expirationSeconds"));
        if !seconds.is_null() && int(seconds) < 600 {
            errors.invalid(&at, seconds, "may not specify a duration less than 10 minutes");
        }
        if int(seconds) > 1 << 32 {
            errors.invalid(&at, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
    let list = at.child("volumeLifecycleModes");
    for mode in items(&spec["volumeLifecycleModes"]) {
        if !matches!(text(mode), "Persistent" | "Ephemeral") {
            errors.not_supported(&list, mode, &["Persistent", "Ephemeral"]);
        }
    }
    if spec["seLinuxMount"].is_null() {
        errors.required(&at.child("seLinuxMount"), "");
    }
    let period = &spec["nodeAllocatableUpdatePeriodSeconds"];
    if !period.is_null() && int(period) < 10 {
        let detail = "must be greater than or equal to 10 seconds";
        errors.invalid(&at.child("nodeAllocatableUpdatePeriodSeconds"), period, detail);
    }
    let tokens = &spec["serviceAccountTokenInSecrets"];
    if !tokens.is_null() && requests.is_empty() {
        let detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(&at.child("serviceAccountTokenInSecrets"), tokens, detail);
    }
}

pub struct CsiNode;

impl Hooks for CsiNode {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (drivers, at) = (items(&object["spec"]["drivers"]), Path::new("spec"));
        let list = at.child("drivers");
        for (index, driver) in drivers.iter().enumerate() {
            let at = list.index(index);
            driver_of_node(driver, &at, errors);
            if drivers[..index].iter().any(|other| text(&other["name"]) == text(&driver["name"])) {
                errors.duplicate(&at.child("name"), &text(&driver["name"]).into());
            }
            let keys = items(&driver["topologyKeys"]);
            for (index, key) in keys.iter().enumerate() {
                if text(key).is_empty() {
                    errors.required(&at, "");
                }
                if keys[..index].contains(key) {
                    errors.duplicate(&at, key);
                }
                errors.invalid_strs(&at, text(key), names::qualified_name_problems(text(key)));
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        let at = Path::new("spec");
        for before in items(&old["spec"]["drivers"]) {
            for now in items(&object["spec"]["drivers"]).iter().filter(|now| now["name"] == before["name"]) {
                if object::differs_but(now, before, &["allocatable"]) {
                    let (none, empty) = (Value::Null, Value::from(""));
                    let or_empty = |field: &str| if now[field].is_null() { empty.clone() } else { now[field].clone() };
                    let shown = structure(&[
                        ("Name", &or_empty("name")),
                        ("NodeID", &or_empty("nodeID")),
                        ("TopologyKeys", &now["topologyKeys"]),
                        ("Allocatable", &none),
                    ]);
                    errors.invalid_structure(&at.child("drivers"), shown, "field is immutable");
                }
            }
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn driver_of_node(driver: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const MAX_ID: usize = 256;
    pod_spec::csi_driver_name(&driver["name"], &at.child("name"), errors);
    let (id, path) = (text(&driver["nodeID"]), at.child("nodeID"));
    if id.is_empty() {
        errors.required(&path, "");
    }
    if id.len() > MAX_ID {
        errors.invalid_str(&path, id, format!("must be {MAX_ID} characters or less"));
    }
    errors.non_negative(&at.child("allocatable").child("count"), &driver["allocatable"]["count"]);
}

pub struct CsiStorageCapacity;

impl Hooks for CsiStorageCapacity {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        label_selector::validate(&object["nodeTopology"], &Path::new("nodeTopology"), errors);
        let class = text(&object["storageClassName"]);
        errors.invalid_strs(&Path::new("storageClassName"), class, names::dns1123_subdomain(class));
        let capacity = &object["capacity"];
        if Quantity::parse(text(capacity)).is_ok_and(|capacity| capacity.sign() < 0) {
            errors.invalid(&Path::new("capacity"), capacity, "must be greater than or equal to 0");
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        for field in ["nodeTopology", "storageClassName"] {
            errors.immutable(&Path::new(field), &object[field], &old[field]);
        }
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        warnings::node_selector(&object["nodeTopology"], &Path::new("nodeTopology"), out);
    }
}

pub struct VolumeAttributesClass;

impl Hooks for VolumeAttributesClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        provisioner(text(&object["driverName"]), &Path::new("driverName"), errors);
        parameters(&object["parameters"], false, &Path::new("parameters"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        if object["driverName"] != old["driverName"] {
            errors.forbidden(&Path::new("driverName"), "updates to driverName are forbidden.");
        }
        if !object::same(&object["parameters"], &old["parameters"]) {
            errors.forbidden(&Path::new("parameters"), "updates to parameters are forbidden.");
        }
        self.validate(object, request, errors);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
