//! The rules of affinity and of spreading.

use serde_json::Value;

use super::super::label_selector;
use crate::field::{ErrorList, Path};
use crate::object::{int, items, text};
use crate::resources::names;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub fn validate(affinity: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (node, path) = (&affinity["nodeAffinity"], at.child("nodeAffinity"));
    if !node[REQUIRED].is_null() {
        node_selector(&node[REQUIRED], &path.child(REQUIRED), errors);
    }
    let list = path.child(PREFERRED);
    for (index, term) in items(&node[PREFERRED]).iter().enumerate() {
        let at = list.index(index);
        weight(term, &at, errors);
        node_selector_term(&term["preference"], false, &at.child("preference"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (terms, path) = (&affinity[kind], at.child(kind));
        let list = path.child(REQUIRED);
        for (index, term) in items(&terms[REQUIRED]).iter().enumerate() {
            pod_term(term, &list.index(index), errors);
        }
        let list = path.child(PREFERRED);
        for (index, term) in items(&terms[PREFERRED]).iter().enumerate() {
            let at = list.index(index);
            weight(term, &at, errors);
            pod_term(&term["podAffinityTerm"], &at.child("podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let weight = int(&term["weight"]);
    if !(1..=100).contains(&weight) {
        errors.invalid_number(&at.child("weight"), weight, "must be in the range 1-100");
    }
}

pub fn node_selector(selector: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (terms, list) = (items(&selector["nodeSelectorTerms"]), at.child("nodeSelectorTerms"));
    if terms.is_empty() {
        errors.required(&list, "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        node_selector_term(term, true, &list.index(index), errors);
    }
}

fn node_selector_term(term: &Value, check_values: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let list = at.child("matchExpressions");
    for (index, requirement) in items(&term["matchExpressions"]).iter().enumerate() {
        let at = list.index(index);
        let (values, key) = (items(&requirement["values"]), text(&requirement["key"]));
        match text(&requirement["operator"]) {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.forbidden(
                    &at.child("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "Gt" | "Lt" if values.len() != 1 => {
                errors.required(&at.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            operator => errors.invalid_str(&at.child("operator"), operator, "not a valid selector operator"),
        }
        errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
        let values_path = at.child("values");
        for (index, value) in values.iter().enumerate().filter(|_| check_values) {
            errors.invalid_strs(&values_path.index(index), text(value), names::label_value(text(value)));
        }
    }
    let list = at.child("matchFields");
    for (index, requirement) in items(&term["matchFields"]).iter().enumerate() {
        let at = list.index(index);
        match text(&requirement["operator"]) {
            "In" | "NotIn" => {
                if items(&requirement["values"]).len() != 1 {
                    errors.required(
                        &at.child("values"),
                        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                    );
                }
            }
            operator => errors.invalid_str(&at.child("operator"), operator, "not a valid selector operator"),
        }
        if text(&requirement["key"]) != "metadata.name" {
            errors.invalid_str(&at.child("key"), text(&requirement["key"]), "not a valid field selector key");
            continue;
        }
        let values = at.child("values");
        for (index, value) in items(&requirement["values"]).iter().enumerate() {
            errors.invalid_strs(&values.index(index), text(value), names::dns1123_subdomain(text(value)));
        }
    }
}

fn pod_term(term: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    label_selector::validate(&term["labelSelector"], &at.child("labelSelector"), errors);
    label_selector::validate(&term["namespaceSelector"], &at.child("namespaceSelector"), errors);
    for name in items(&term["namespaces"]) {
        errors.invalid_strs(&at.child("namespace"), text(name), names::dns1123_label(text(name)));
    }
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        label_keys(term, field, &at.child(field), errors);
    }
    let matching = items(&term["matchLabelKeys"]);
    let list = at.child("matchLabelKeys");
    for (index, key) in matching.iter().enumerate() {
        if items(&term["mismatchLabelKeys"]).contains(key) {
            errors.invalid_str(&list.index(index), text(key), "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
    let key = text(&term["topologyKey"]);
    if key.is_empty() {
        errors.required(&at.child("topologyKey"), "can not be empty");
    }
    errors.invalid_strs(&at.child("topologyKey"), key, names::qualified_name_problems(key));
}

fn label_keys(term: &Value, field: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let keys = items(&term[field]);
    if keys.is_empty() {
        return;
    }
    if term["labelSelector"].is_null() {
        errors.forbidden(at, "must not be specified when labelSelector is not set");
        return;
    }
    for (index, key) in keys.iter().enumerate() {
        errors.invalid_strs(&at.index(index), text(key), names::qualified_name_problems(text(key)));
    }
}

pub fn spread(constraints: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let constraints = items(constraints);
    for (index, constraint) in constraints.iter().enumerate() {
        let at = at.index(index);
        if int(&constraint["maxSkew"]) <= 0 {
            errors.invalid_number(&at.child("maxSkew"), int(&constraint["maxSkew"]), "must be greater than zero");
        }
        let (key, action) = (text(&constraint["topologyKey"]), text(&constraint["whenUnsatisfiable"]));
        if key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            errors.not_supported(&at.child("whenUnsatisfiable"), &action.into(), &["DoNotSchedule", "ScheduleAnyway"]);
        }
        let is_same = |other: &Value| text(&other["topologyKey"]) == key && text(&other["whenUnsatisfiable"]) == action;
        if constraints[index + 1..].iter().any(is_same) {
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), &format!("{{{key}, {action}}}").into());
        }
        let domains = &constraint["minDomains"];
        if !domains.is_null() {
            if int(domains) <= 0 {
                errors.invalid(&at.child("minDomains"), domains, "must be greater than zero");
            }
            if action != "DoNotSchedule" {
                errors.invalid(
                    &at.child("minDomains"),
                    domains,
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"),
                );
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            let policy = &constraint[field];
            if !policy.is_null() && !matches!(text(policy), "Honor" | "Ignore") {
                errors.not_supported(&at.child(field), policy, &["Honor", "Ignore"]);
            }
        }
        label_keys(constraint, "matchLabelKeys", &at.child("matchLabelKeys"), errors);
        label_selector::validate(&constraint["labelSelector"], &at.child("labelSelector"), errors);
    }
}
