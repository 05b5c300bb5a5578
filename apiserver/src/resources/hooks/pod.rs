//! Pod: phase and quality of service, what may change when, and a deletion that waits for its node.

use serde_json::{Value, json};

use super::{Hooks, Request, pod_spec, warnings};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::internal_form;
use crate::object::{self, entries, int, items, text};

pub struct Pod;

const MIRROR: &str = "kubernetes.io/config.mirror";

impl Hooks for Pod {
    /// A node is not asked for: being bound does not count.
    fn asks_for_something_else(&self, object: &Value, old: &Value) -> bool {
        object::differs_but(&object["spec"], &old["spec"], &["nodeName"])
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[
            SelectableField::new("spec.nodeName", ""),
            SelectableField::new("spec.restartPolicy", ""),
            SelectableField::new("spec.schedulerName", ""),
            SelectableField::new("spec.serviceAccountName", ""),
            SelectableField::new("spec.hostNetwork", "false"),
            SelectableField::new("status.phase", ""),
            SelectableField::new("status.podIP", ""),
            SelectableField::new("status.nominatedNodeName", ""),
        ];
        FIELDS
    }

    fn indexed_fields(&self) -> &'static [&'static str] {
        &["spec.nodeName"]
    }

    fn prepare_for_create(&self, object: &mut Value, request: &Request<'_>) {
        let class = qos_class(object);
        object["status"] = json!({"phase": "Pending", "qosClass": class});
        if !items(&object["spec"]["schedulingGates"]).is_empty() {
            object["status"]["conditions"] = json!([{
                "type": "PodScheduled", "status": "False", "lastProbeTime": null,
                "lastTransitionTime": object::now(), "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]);
        }
        merge_label_keys(object);
        pod_spec::app_armor_annotations(object, &mut request.warnings.lock());
        if int(&object["spec"]["terminationGracePeriodSeconds"]) < 0 {
            object["spec"]["terminationGracePeriodSeconds"] = 1.into();
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, request: &Request<'_>) {
        match request.subresource {
            "binding" | "eviction" => {}
            "ephemeralcontainers" => {
                let containers = object["spec"]["ephemeralContainers"].take();
                object::keep(object, old, "spec");
                object::keep(object, old, "status");
                object::keep_meta(object, old);
                if !containers.is_null() {
                    object["spec"]["ephemeralContainers"] = containers;
                }
            }
            "resize" => only_resize(object, old),
            _ => object::keep(object, old, "status"),
        }
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        object::set_meta(object, "deletionTimestamp", None);
        object::set_meta(object, "ownerReferences", old["metadata"].get("ownerReferences").cloned());
        if !object["status"].is_object() {
            return;
        }
        if text(&object["status"]["qosClass"]).is_empty() {
            object["status"]["qosClass"] = old["status"]["qosClass"].clone();
        }
        keep_observed_generations(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        metadata_and_spec(object, None, errors);
        if !items(&spec["ephemeralContainers"]).is_empty() {
            errors.forbidden(&at.child("ephemeralContainers"), "cannot be set on create");
        }
        if !text(&spec["nodeName"]).is_empty() && !items(&spec["schedulingGates"]).is_empty() {
            errors.forbidden(&at.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
        }
        pod_spec::profiles::agree(&object["metadata"], spec, &at, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        match request.subresource {
            "binding" | "eviction" => {}
            "ephemeralcontainers" => ephemeral_containers_update(object, old, errors),
            "resize" => resize_update(object, old, errors),
            _ => update(object, old, errors),
        }
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        let metadata = Path::new("metadata");
        annotation_changes(object, old, &metadata.child("annotations"), errors);
        let (at, status) = (Path::new("status"), &object["status"]);
        let (now, before) = (text(&status["nominatedNodeName"]), text(&old["status"]["nominatedNodeName"]));
        if now != before && !now.is_empty() {
            errors.invalid_strs(&at.child("nominatedNodeName"), now, crate::resources::names::dns1123_subdomain(now));
        }
        let conditions = at.child("conditions");
        for (index, condition) in items(&status["conditions"]).iter().enumerate() {
            if int(&condition["observedGeneration"]) < 0 {
                errors.invalid(
                    &conditions.index(index).child("observedGeneration"),
                    &condition["observedGeneration"],
                    "must be greater than or equal to 0",
                );
            }
        }
        let policy = text(&old["spec"]["restartPolicy"]);
        for (field, spec_field) in [("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")] {
            let list = at.child(field);
            for (index, container) in items(&status[field]).iter().enumerate() {
                let same = |other: &&Value| other["name"] == container["name"];
                let before = items(&old["status"][field]).iter().find(same);
                let spec = items(&old["spec"][spec_field]).iter().find(same);
                let own = spec.map(|spec| text(&spec["restartPolicy"])).unwrap_or_default();
                let rules = spec.is_some_and(|spec| !items(&spec["restartPolicyRules"]).is_empty());
                let (Some(before), false) = (before, rules) else { continue };
                let terminated = &before["state"]["terminated"];
                if terminated.is_null() || !container["state"]["terminated"].is_null() {
                    continue;
                }
                let restarts = match (field, own) {
                    (_, "Always") => true,
                    (_, "OnFailure") => int(&terminated["exitCode"]) != 0,
                    (_, "Never") => false,
                    _ if policy == "Always" => true,
                    _ if policy == "OnFailure" => int(&terminated["exitCode"]) != 0,
                    _ => false,
                };
                if !restarts {
                    let path = list.index(index);
                    errors.forbidden(&path.child("state"), "may not be transitioned to non-terminated state");
                }
            }
        }
    }

    fn grace_period(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        let period = asked.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(0);
        let bound = !text(&object["spec"]["nodeName"]).is_empty();
        let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        // A negative period asks for the shortest one that still lets the node act.
        let period = if period < 0 { 1 } else { period };
        Some(if bound && !finished { period } else { 0 })
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if request.subresource == "status" {
            let status = Path::new("status");
            for field in ["podIPs", "hostIPs"] {
                let list = status.child(field);
                for (index, address) in items(&object["status"][field]).iter().enumerate() {
                    warnings::ip(text(&address["ip"]), &list.index(index).child("ip"), out);
                }
            }
        }
        // Controllers and nodes change pods; who created one reads warnings.
        if old.is_some() {
            return;
        }
        if let Some(problem) = crate::resources::names::dns1123_label(object::meta(object, "name")) {
            out.push(format!("metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{problem}]"));
        }
        let places = pod_spec::Places { metadata: Path::new("metadata"), spec: Path::new("spec"), in_template: false };
        out.extend(pod_spec::warnings(&object["spec"], &object["metadata"], &places));
    }
}

fn metadata_and_spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let metadata = Path::new("metadata");
    let annotations = &object["metadata"]["annotations"];
    pod_spec::annotations(annotations, &object["spec"], &metadata.child("annotations"), errors);
    // What was taken once may stay.
    if old.is_some_and(|old| object::same(&object["spec"], &old["spec"])) {
        return;
    }
    let rules = pod_spec::Rules { in_template: false };
    pod_spec::validate(&object["spec"], &object["metadata"], &Path::new("spec"), rules, errors);
}

fn annotation_changes(object: &Value, old: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
    let (now, before) = (&object["metadata"]["annotations"], &old["metadata"]["annotations"]);
    for (key, value) in entries(before) {
        if now[key] == *value {
            continue;
        }
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&at.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&at.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for (key, _) in entries(now).filter(|(key, _)| before[*key].is_null()) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&at.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&at.key(key), "may not add mirror pod annotation");
        }
    }
}

fn update(object: &Value, old: &Value, errors: &mut ErrorList) {
    let (at, spec, before) = (Path::new("spec"), &object["spec"], &old["spec"]);
    metadata_and_spec(object, Some(old), errors);
    let metadata = Path::new("metadata");
    annotation_changes(object, old, &metadata.child("annotations"), errors);
    for field in ["containers", "initContainers"] {
        if items(&spec[field]).len() != items(&before[field]).len() {
            errors.forbidden(&at.child(field), "pod updates may not add or remove containers");
            return;
        }
    }
    let (deadline, deadline_before) = (&spec["activeDeadlineSeconds"], &before["activeDeadlineSeconds"]);
    let path = at.child("activeDeadlineSeconds");
    if deadline.is_null() && !deadline_before.is_null() {
        errors.invalid(&path, &Value::Null, "must not update from a positive integer to nil value");
    } else if !deadline_before.is_null() && int(deadline_before) < int(deadline) {
        errors.invalid(&path, deadline, "must be less than or equal to previous value");
        return;
    }
    added_tolerations(&spec["tolerations"], &before["tolerations"], &at.child("tolerations"), errors);
    let gates = at.child("schedulingGates");
    for (index, gate) in items(&spec["schedulingGates"]).iter().enumerate() {
        if !items(&before["schedulingGates"]).iter().any(|other| other["name"] == gate["name"]) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", text(&gate["name"]));
            errors.forbidden(&gates.index(index).child("name"), detail);
        }
    }
    if object::same(spec, before) {
        return;
    }
    let mut munged = spec.clone();
    for field in ["containers", "initContainers"] {
        let images: Vec<_> = items(&before[field]).iter().map(|container| container["image"].clone()).collect();
        for (container, image) in munged[field].as_array_mut().into_iter().flatten().zip(images) {
            container["image"] = image;
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        keep(&mut munged, before, field);
    }
    if int(&before["terminationGracePeriodSeconds"]) < 0 && int(&munged["terminationGracePeriodSeconds"]) == 1 {
        keep(&mut munged, before, "terminationGracePeriodSeconds");
    }
    if !items(&before["schedulingGates"]).is_empty() {
        narrowed(&mut munged, before, &at, errors);
    }
    if !object::same(&munged, before) {
        let shown = |spec: &Value| internal_form::of("", "v1", "Pod", &["spec"], spec);
        errors.forbidden(&at, format!("pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n{}", super::difference::of(&shown(before), &shown(&munged))));
    }
}

fn keep(object: &mut Value, old: &Value, field: &str) {
    object::remove(object, field);
    if let Some(value) = old.get(field) {
        object[field] = value.clone();
    }
}

/// A gated pod may be confined to fewer nodes.
fn narrowed(munged: &mut Value, before: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let path = at.child("nodeSelector");
    if entries(&before["nodeSelector"]).any(|(key, value)| munged["nodeSelector"][key] != *value) {
        errors.invalid(&path, &munged["nodeSelector"], "only additions are allowed (no mutations or deletions)");
    }
    keep(munged, before, "nodeSelector");
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let (now, was) = (&munged["affinity"]["nodeAffinity"], &before["affinity"]["nodeAffinity"]);
    if !object::same(now, was) {
        let (affinity, node) = (at.child("affinity"), &now[REQUIRED]);
        let path = affinity.child("nodeAffinity");
        let path = path.child(REQUIRED);
        let list = path.child("nodeSelectorTerms");
        let (new_terms, old_terms) = (items(&node["nodeSelectorTerms"]), items(&was[REQUIRED]["nodeSelectorTerms"]));
        if !was[REQUIRED].is_null() {
            if old_terms.len() != new_terms.len() {
                errors.invalid(
                    &list,
                    &node["nodeSelectorTerms"],
                    "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
                );
            } else {
                for (index, (new, old)) in new_terms.iter().zip(old_terms).enumerate() {
                    for field in ["matchExpressions", "matchFields"] {
                        if !items(&new[field]).starts_with(items(&old[field])) {
                            errors.invalid(
                                &list.index(index),
                                new,
                                "only additions are allowed (no mutations or deletions)",
                            );
                        }
                    }
                }
            }
        }
        let was = was.clone();
        if was.is_null() {
            object::remove(&mut munged["affinity"], "nodeAffinity");
        } else {
            munged["affinity"]["nodeAffinity"] = was;
        }
    }
}

fn added_tolerations(new: &Value, old: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        object::remove(&mut toleration, "tolerationSeconds");
        toleration
    };
    let kept = |old: &Value| items(new).iter().any(|new| object::same(&without_seconds(new), &without_seconds(old)));
    if !items(old).iter().all(kept) {
        errors.forbidden(at, "existing toleration can not be modified except its tolerationSeconds");
    }
}

fn ephemeral_containers_update(object: &Value, old: &Value, errors: &mut ErrorList) {
    metadata_and_spec(object, Some(old), errors);
    let spec = Path::new("spec");
    let at = spec.child("ephemeralContainers");
    let (new, before) = (items(&object["spec"]["ephemeralContainers"]), items(&old["spec"]["ephemeralContainers"]));
    for container in before {
        let name = text(&container["name"]);
        match new.iter().find(|other| other["name"] == container["name"]) {
            None => errors.forbidden(&at, format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(other) if !object::same(other, container) => {
                errors.forbidden(&at, format!("existing ephemeral containers {name:?} may not be changed\n"));
            }
            Some(_) => {}
        }
    }
}

/// Keeps everything but the resources of containers.
fn only_resize(object: &mut Value, old: &Value) {
    for field in ["containers", "initContainers"] {
        if !pod_spec::same_names(&object["spec"][field], &old["spec"][field]) {
            return;
        }
    }
    let mut spec = old["spec"].clone();
    for field in ["containers", "initContainers"] {
        for (container, new) in spec[field].as_array_mut().into_iter().flatten().zip(items(&object["spec"][field])) {
            for field in ["resources", "resizePolicy"] {
                keep(container, new, field);
            }
        }
    }
    if !object["spec"]["resources"].is_null() {
        spec["resources"] = object["spec"]["resources"].clone();
    }
    object["spec"] = spec;
    object::keep(object, old, "status");
    object::keep_meta(object, old);
}

fn resize_update(object: &Value, old: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    for field in ["containers", "initContainers"] {
        if items(&object["spec"][field]).len() != items(&old["spec"][field]).len() {
            errors.forbidden(&at.child(field), "containers may not be added or removed during resize");
            return;
        }
        if !pod_spec::same_names(&object["spec"][field], &old["spec"][field]) {
            errors.forbidden(&at, "containers may not be renamed or reordered on resize");
            return;
        }
    }
    metadata_and_spec(object, Some(old), errors);
    if object["metadata"]["annotations"][MIRROR].is_string() {
        errors.forbidden(&Path::new(""), "static pods cannot be resized");
    }
    if qos_class(object) != text(&old["status"]["qosClass"]) && !text(&old["status"]["qosClass"]).is_empty() {
        errors.invalid_str(
            &at,
            text(&old["status"]["qosClass"]),
            "Pod QOS Class may not change as a result of resizing",
        );
    }
    for field in ["containers", "initContainers"] {
        let list = at.child(field);
        for (index, (new, before)) in items(&object["spec"][field]).iter().zip(items(&old["spec"][field])).enumerate() {
            let path = list.index(index);
            let path = path.child("resources");
            for list in ["limits", "requests"] {
                let gone = entries(&before["resources"][list]).any(|(name, _)| new["resources"][list][name].is_null());
                if gone {
                    errors.forbidden(&path.child(list), format!("resource {list} cannot be removed"));
                }
            }
        }
    }
}

/// What was observed of a pod stays known when a client that knows nothing of it writes.
fn keep_observed_generations(object: &mut Value, old: &Value) {
    if int(&object["status"]["observedGeneration"]) == 0 && !old["status"]["observedGeneration"].is_null() {
        object["status"]["observedGeneration"] = old["status"]["observedGeneration"].clone();
    }
    let mut before: Vec<&Value> = items(&old["status"]["conditions"]).iter().collect();
    for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
        let Some(at) = before.iter().position(|other| other["type"] == condition["type"]) else { continue };
        let other = before.remove(at);
        if int(&condition["observedGeneration"]) == 0 && !other["observedGeneration"].is_null() {
            condition["observedGeneration"] = other["observedGeneration"].clone();
        }
    }
}

/// Label keys of affinities and of spreading become requirements of their selectors.
fn merge_label_keys(pod: &mut Value) {
    let labels = pod["metadata"]["labels"].clone();
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    if pod["spec"]["affinity"].is_object() {
        for kind in ["podAffinity", "podAntiAffinity"] {
            let Some(affinity) = pod["spec"]["affinity"].get_mut(kind) else { continue };
            for term in affinity.get_mut(required).and_then(Value::as_array_mut).into_iter().flatten() {
                merge_into(term, &labels);
            }
            for term in affinity.get_mut(preferred).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(term) = term.get_mut("podAffinityTerm") {
                    merge_into(term, &labels);
                }
            }
        }
    }
    let constraints = pod["spec"].get_mut("topologySpreadConstraints").and_then(Value::as_array_mut);
    for constraint in constraints.into_iter().flatten() {
        merge_into(constraint, &labels);
    }
}

fn merge_into(term: &mut Value, labels: &Value) {
    if !term["labelSelector"].is_object() {
        return;
    }
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        let keys: Vec<_> = items(&term[field]).to_vec();
        for key in keys {
            let value = &labels[text(&key)];
            if value.is_null() {
                continue;
            }
            let requirement = json!({"key": key, "operator": operator, "values": [value]});
            match term["labelSelector"]["matchExpressions"].as_array_mut() {
                Some(list) => list.push(requirement),
                None => term["labelSelector"]["matchExpressions"] = json!([requirement]),
            }
        }
    }
}

/// The quality of service class that a pod's requests and limits give it.
///
/// Source: `pkg/apis/core/v1/helper/qos`.
pub fn qos_class(pod: &Value) -> &'static str {
    const COMPUTE: [&str; 2] = ["cpu", "memory"];
    let set = |value: &Value| value.as_str().is_some_and(|text| !is_zero(text));
    let spec = &pod["spec"];
    let of_containers = ["initContainers", "containers"];
    let containers: Vec<&Value> =
        if entries(&spec["resources"]["requests"]).chain(entries(&spec["resources"]["limits"])).next().is_some() {
            vec![spec]
        } else {
            of_containers.into_iter().flat_map(|list| items(&spec[list])).collect()
        };
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        let resources = &container["resources"];
        for name in COMPUTE {
            let (request, limit) = (&resources["requests"][name], &resources["limits"][name]);
            any |= set(request) || set(limit);
            guaranteed &= set(limit) && (request.is_null() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn is_zero(quantity: &str) -> bool {
    apiserver_schema::quantity::Quantity::parse(quantity).is_ok_and(|quantity| quantity.is_zero())
}
