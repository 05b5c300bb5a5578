//! StatefulSet.

use serde_json::{Value, json};

use super::deployment::{
    at_most_hundred_percent, int_or_percent, non_negative_int_or_percent, not_more, shown_strategy,
};
use super::{Hooks, Request, label_selector, pod_template, volume, warnings};
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct StatefulSet;

/// What an update may change of the spec.
const MUTABLE: &[&str] = &[
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
];

impl Hooks for StatefulSet {
    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        names::dns1123_label(&names::masked(name, prefix))
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object::clear(object, "status");
        prepare(object, None);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        prepare(object, Some(old));
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, Some(old), errors);
        if object::differs_but(&object["spec"], &old["spec"], MUTABLE) {
            errors.forbidden(&Path::new("spec"), "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
        }
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        let (at, status) = (Path::new("status"), &object["status"]);
        let counts = [
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ];
        pod_template::counts(status, &at, &counts, errors);
        let pairs =
            ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"].map(|less| (less, "replicas"));
        not_more(status, &at, &pairs, errors);
        if int(&status["availableReplicas"]) > int(&status["readyReplicas"]) {
            errors.invalid(
                &at.child("availableReplicas"),
                &status["availableReplicas"],
                "cannot be greater than status.readyReplicas",
            );
        }
        if int(&status["collisionCount"]) < int(&old["status"]["collisionCount"]) {
            errors.invalid(&at.child("collisionCount"), &status["collisionCount"], "cannot be decremented");
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if request.subresource == "status" {
            return;
        }
        pod_template::warn(object, old, request, out);
        let spec = Path::new("spec");
        let claims = spec.child("volumeClaimTemplates");
        for (index, claim) in items(&object["spec"]["volumeClaimTemplates"]).iter().enumerate() {
            // Upstream's path of an update has the name of the internal field.
            let part = if old.is_some() { Some("Spec") } else { None };
            let at = claims.index(index);
            match part {
                Some(part) => warnings::claim_spec(&claim["spec"], &at.child(part), out),
                None => warnings::claim_spec(&claim["spec"], &at, out),
            }
        }
        if int(&object["spec"]["revisionHistoryLimit"]) < 0 {
            out.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
        }
    }
}

/// Claims in the spec say what they are; the number of pods that may be missing waits for its feature gate.
fn prepare(object: &mut Value, old: Option<&Value>) {
    for claim in object["spec"]["volumeClaimTemplates"].as_array_mut().into_iter().flatten() {
        claim["apiVersion"] = "v1".into();
        claim["kind"] = "PersistentVolumeClaim".into();
    }
    let in_use = old.is_some_and(|old| !old["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"].is_null());
    if !in_use && object["spec"]["updateStrategy"]["rollingUpdate"].is_object() {
        object::remove(&mut object["spec"]["updateStrategy"]["rollingUpdate"], "maxUnavailable");
    }
}

fn spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    let policy = text(&spec["podManagementPolicy"]);
    match policy {
        "" => errors.required(&at.child("podManagementPolicy"), ""),
        "OrderedReady" | "Parallel" => {}
        _ => errors.invalid_str(&at.child("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'"),
    }
    update_strategy(&spec["updateStrategy"], &at.child("updateStrategy"), errors);
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    if !retention.is_null() {
        let at = at.child("persistentVolumeClaimRetentionPolicy");
        for field in ["whenDeleted", "whenScaled"] {
            if !matches!(text(&retention[field]), "Retain" | "Delete") {
                errors.not_supported(&at.child(field), &text(&retention[field]).into(), &["Retain", "Delete"]);
            }
        }
    }
    if old.is_none() {
        let claims = at.child("volumeClaimTemplates");
        for (index, claim) in items(&spec["volumeClaimTemplates"]).iter().enumerate() {
            volume::claim_spec(&claim["spec"], &claims.index(index).child("spec"), errors);
        }
    }
    errors.non_negative(&at.child("replicas"), &spec["replicas"]);
    errors.non_negative(&at.child("minReadySeconds"), &spec["minReadySeconds"]);
    errors.non_negative(&at.child("ordinals.start"), &spec["ordinals"]["start"]);
    let service = text(&spec["serviceName"]);
    if old.is_none() && !service.is_empty() {
        errors.invalid_strs(&at.child("serviceName"), service, names::dns1123_label(service));
    }
    label_selector::required(&spec["selector"], &at.child("selector"), "statefulset", errors);
    let template = with_claims(spec);
    let path = at.child("template");
    pod_template::selected(&spec["selector"], &template, &path, errors);
    pod_template::validate(&template, &path, old.map(|old| &old["spec"]["template"]), errors);
    let path = path.child("spec");
    let pod = &spec["template"]["spec"];
    if text(&pod["restartPolicy"]) != "Always" {
        errors.not_supported(&path.child("restartPolicy"), &text(&pod["restartPolicy"]).into(), &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        errors.forbidden(&path.child("activeDeadlineSeconds"), "activeDeadlineSeconds in StatefulSet is not Supported");
    }
}

fn update_strategy(strategy: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "" => errors.required(at, ""),
        "OnDelete" => {
            if !rolling.is_null() {
                let partition = int(&rolling["partition"]).into();
                let shown = structure(&[("Partition", &partition), ("MaxUnavailable", &rolling["maxUnavailable"])]);
                errors.invalid_structure(
                    &at.child("rollingUpdate"),
                    shown,
                    "only allowed for updateStrategy 'RollingUpdate'",
                );
            }
        }
        "RollingUpdate" => {
            let (at, unavailable) = (at.child("rollingUpdate"), &rolling["maxUnavailable"]);
            errors.non_negative(&at.child("partition"), &rolling["partition"]);
            if !unavailable.is_null() {
                let at = at.child("maxUnavailable");
                non_negative_int_or_percent(unavailable, &at, errors);
                if int_or_percent(unavailable) == 0 {
                    errors.invalid(&at, unavailable, "cannot be 0");
                }
                at_most_hundred_percent(unavailable, &at, errors);
            }
        }
        _ => {
            let shown = shown_strategy(strategy, &[("Partition", "partition"), ("MaxUnavailable", "maxUnavailable")]);
            errors.invalid_structure(at, shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

/// The template with the volumes that the set's claims will be, and without what the set decides itself.
fn with_claims(spec: &Value) -> Value {
    let mut template = spec["template"].clone();
    if !template["spec"].is_object() {
        return template;
    }
    for field in ["subdomain", "hostname"] {
        object::remove(&mut template["spec"], field);
    }
    let mut claims: Vec<&str> =
        items(&spec["volumeClaimTemplates"]).iter().map(|claim| object::meta(claim, "name")).collect();
    claims.sort_unstable();
    claims.dedup();
    if !claims.is_empty() {
        let own = items(&spec["template"]["spec"]["volumes"]).iter();
        let volumes = claims
            .iter()
            .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}))
            .chain(own.filter(|volume| !claims.contains(&text(&volume["name"]))).cloned());
        template["spec"]["volumes"] = Value::Array(volumes.collect());
    }
    template
}
