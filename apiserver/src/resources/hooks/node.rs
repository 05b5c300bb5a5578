//! Node: its status may be given when it is created.

use serde_json::Value;

use super::{Hooks, Request, pod_spec, warnings};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path, structure};
use crate::object::{entries, int, items, text};
use crate::resources::names;

pub struct Node;

impl Hooks for Node {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::new("spec.unschedulable", "false")];
        FIELDS
    }

    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        taints(&object["spec"]["taints"], errors);
        resources(object, errors);
        let swap = &object["status"]["nodeInfo"]["swap"]["capacity"];
        if !swap.is_null() && int(swap) <= 0 {
            // Upstream names the metadata here, too.
            let metadata = Path::new("metadata");
            let at = metadata.child("nodeSwapStatus");
            errors.invalid(&at.child("capacity"), swap, "must be greater than zero");
        }
        pod_ranges(&object["spec"]["podCIDRs"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        changes(object, old, errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        changes(object, old, errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        if !object["spec"]["configSource"].is_null() {
            out.push("spec.configSource: the feature is removed".to_owned());
        }
        if !text(&object["spec"]["externalID"]).is_empty() {
            out.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
        }
        let spec = Path::new("spec");
        let list = spec.child("podCIDRs");
        for (index, range) in items(&object["spec"]["podCIDRs"]).iter().enumerate() {
            warnings::cidr(text(range), &list.index(index), out);
        }
    }
}

/// Amounts of resources that are not negative, and whole where they are counted.
fn resources(object: &Value, errors: &mut ErrorList) {
    let status = Path::new("status");
    for field in ["capacity", "allocatable"] {
        let at = status.child(field);
        for (name, amount) in entries(&object["status"][field]) {
            if let Some(problem) = pod_spec::quantity_problem(name, amount) {
                errors.invalid(&at.child(name), amount, problem);
            }
        }
    }
}

/// The networks of the node's pods: one of each family.
fn pod_ranges(list: &Value, errors: &mut ErrorList) {
    let spec = Path::new("spec");
    let (ranges, at) = (items(list), spec.child("podCIDRs"));
    for (index, range) in ranges.iter().enumerate() {
        super::networking::cidr(text(range), &at.index(index), errors);
    }
    let is_v6 = |range: &Value| names::cidr_sloppy(text(range)).map(|network| network.addr().is_ipv6());
    let dual =
        ranges.iter().any(|range| is_v6(range) == Some(true)) && ranges.iter().any(|range| is_v6(range) == Some(false));
    if ranges.len() > 1 && ranges.iter().all(|range| is_v6(range).is_some()) && (!dual || ranges.len() > 2) {
        errors.invalid(&at, list, "may specify no more than one CIDR for each IP family");
    }
}

/// What an update keeps to, of the object or of its status.
fn changes(object: &Value, old: &Value, errors: &mut ErrorList) {
    let (at, spec, before) = (Path::new("spec"), &object["spec"], &old["spec"]);
    resources(object, errors);
    addresses(&object["status"]["addresses"], errors);
    const RANGES: &str = "node updates may not change podCIDR except from \"\" to valid";
    let (now, was) = (items(&spec["podCIDRs"]), items(&before["podCIDRs"]));
    if !was.is_empty() && now.len() != was.len() {
        errors.forbidden(&at.child("podCIDRs"), RANGES);
    } else {
        for _ in now.iter().zip(was).filter(|(now, was)| now != was) {
            errors.forbidden(&at.child("podCIDRs"), RANGES);
        }
    }
    let provider = text(&before["providerID"]);
    if !provider.is_empty() && provider != text(&spec["providerID"]) {
        errors.forbidden(&at.child("providerID"), "node updates may not change providerID except from \"\" to valid");
    }
    taints(&spec["taints"], errors);
    if text(&spec["externalID"]) != text(&before["externalID"]) {
        errors.forbidden(&at.child("externalID"), "may not be updated");
    }
}

fn addresses(addresses: &Value, errors: &mut ErrorList) {
    let status = Path::new("status");
    let at = status.child("addresses");
    let list = items(addresses);
    for (index, address) in list.iter().enumerate() {
        let is_same = |other: &&Value| other["type"] == address["type"] && other["address"] == address["address"];
        if list[..index].iter().any(|other| is_same(&other)) {
            let shown = structure(&[("Type", &address["type"]), ("Address", &address["address"])]);
            errors.duplicate_structure(&at.index(index), shown, "");
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
        errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
        let value = text(&taint["value"]);
        errors.invalid_strs(&at.child("value"), value, names::label_value(value));
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
