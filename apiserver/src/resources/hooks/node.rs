//! Node: its status may be given when it is created.

use serde_json::Value;

use super::{Hooks, Request, pod_spec};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, items, text};

pub struct Node;

impl Hooks for Node {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::new("spec.unschedulable", "false")];
        FIELDS
    }

    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        taints(&object["spec"]["taints"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        addresses(&object["status"]["addresses"], errors);
        changes(object, old, errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        addresses(&object["status"]["addresses"], errors);
        changes(object, old, errors);
    }
}

/// What is set once.
fn changes(object: &Value, old: &Value, errors: &mut ErrorList) {
    let (at, spec, before) = (Path::new("spec"), &object["spec"], &old["spec"]);
    let cidrs = |spec: &Value| items(&spec["podCIDRs"]).to_vec();
    if !cidrs(before).is_empty() && !object::same(&spec["podCIDRs"], &before["podCIDRs"]) {
        errors.forbidden(&at.child("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid");
    }
    let provider = text(&before["providerID"]);
    if !provider.is_empty() && provider != text(&spec["providerID"]) {
        errors.forbidden(&at.child("providerID"), "node updates may not change providerID except from \"\" to valid");
    }
    let mut rest = [spec.clone(), before.clone()];
    for spec in &mut rest {
        for field in ["podCIDR", "podCIDRs", "providerID", "taints", "configSource", "unschedulable", "externalID"] {
            object::remove(spec, field);
        }
    }
    if !object::same(&rest[0], &rest[1]) {
        errors.forbidden(&Path::new(""), "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)");
    }
}

fn addresses(addresses: &Value, errors: &mut ErrorList) {
    let status = Path::new("status");
    let at = status.child("addresses");
    let list = items(addresses);
    for (index, address) in list.iter().enumerate() {
        let is_same = |other: &&Value| other["type"] == address["type"] && other["address"] == address["address"];
        if list[..index].iter().any(|other| is_same(&other)) {
            errors.duplicate(&at.index(index), address);
        }
    }
}

fn taints(taints: &Value, errors: &mut ErrorList) {
    // Upstream names the metadata here.
    let metadata = Path::new("metadata");
    let at = metadata.child("taints");
    let list = items(taints);
    for (index, taint) in list.iter().enumerate() {
        let at = at.index(index);
        let key = text(&taint["key"]);
        errors.invalid_strs(&at.child("key"), key, crate::resources::names::qualified_name_problems(key));
        let value = text(&taint["value"]);
        errors.invalid_strs(&at.child("value"), value, crate::resources::names::label_value(value));
        pod_spec::taint_effect(&taint["effect"], false, &at.child("effect"), errors);
        if list[..index].iter().any(|other| other["key"] == taint["key"] && other["effect"] == taint["effect"]) {
            let shown = structure(&[
                ("Key", &taint["key"]),
                ("Value", &value.into()),
                ("Effect", &taint["effect"]),
                ("TimeAdded", &taint["timeAdded"]),
            ]);
            errors.duplicate_structure(&at, shown, "taints must be unique by key and effect pair");
        }
    }
}
