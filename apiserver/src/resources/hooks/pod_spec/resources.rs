//! The rules of requests and limits.

use std::collections::BTreeSet;

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{entries, items, text};
use crate::resources::names;

const CONTAINER: &[&str] = &["cpu", "memory", "ephemeral-storage"];

/// The rules of the name of a resource as containers may ask for it.
pub fn container_resource_name(name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    errors.invalid_strs(at, name, container_resource_problems(name));
}

/// What is wrong with the name of a resource as containers may ask for it.
fn container_resource_problems(name: &str) -> Vec<String> {
    if let Some(problem) = resource_name_problem(name) {
        return if !name.contains('/') {
            vec![problem, "must be a standard resource for containers".to_owned()]
        } else {
            vec![problem]
        };
    }
    if !name.contains('/') {
        let valid = CONTAINER.contains(&name) || name.starts_with("hugepages-");
        return if valid { Vec::new() } else { vec!["must be a standard resource for containers".to_owned()] };
    }
    let native = name.contains("kubernetes.io/");
    if !native && name.starts_with("requests.") {
        return vec!["doesn't follow extended resource name standard".to_owned()];
    }
    Vec::new()
}

/// What is wrong with the name of a resource.
pub fn resource_name_problem(name: &str) -> Option<String> {
    const STANDARD: &[&str] = &[
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "persistentvolumeclaims",
        "configmaps",
        "services.nodeports",
        "services.loadbalancers",
        "storage",
        "requests.storage",
        "count/",
    ];
    if let Some(problem) = names::qualified_name(name) {
        return Some(problem);
    }
    let huge = name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
    (!name.contains('/') && !STANDARD.contains(&name) && !huge)
        .then(|| "must be a standard resource type or fully qualified".to_owned())
}

/// What is wrong with an amount of a resource.
pub fn quantity_problem(name: &str, amount: &Value) -> Option<String> {
    let quantity = Quantity::parse(&shown(amount)).ok()?;
    if quantity.sign() < 0 {
        return Some("must be greater than or equal to 0".to_owned());
    }
    let integer = !matches!(name, "cpu" | "memory" | "ephemeral-storage")
        && name.contains('/')
        && !name.contains("kubernetes.io/");
    let integer = integer
        || matches!(
            name,
            "pods"
                | "services"
                | "replicationcontrollers"
                | "secrets"
                | "persistentvolumeclaims"
                | "configmaps"
                | "resourcequotas"
                | "services.nodeports"
                | "services.loadbalancers"
        );
    (integer && quantity.milli_value() % 1000 != 0).then(|| "must be an integer".to_owned())
}

fn shown(amount: &Value) -> String {
    amount.as_str().map_or_else(|| amount.to_string(), str::to_owned)
}

fn amount_of(amount: &Value) -> Option<Quantity> {
    Quantity::parse(&shown(amount)).ok()
}

/// `spec` is the pod's.
pub fn of_container(resources: &Value, spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    requirements(resources, container_resource_problems, at, errors);
    claims(resources, spec, &at.child("claims"), errors);
}

pub fn of_pod(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let resources = &spec["resources"];
    if !resources["claims"].is_null() {
        errors.forbidden(&at.child("claims"), "claims may not be set for Resources at pod-level");
    }
    let problems = |name: &str| match resource_name_problem(name) {
        Some(problem) => vec![problem],
        None => Vec::new(),
    };
    requirements(resources, problems, at, errors);
    let requests = at.child("requests");
    for name in ["cpu", "memory"] {
        let (Some(bound), Some(sum)) = (amount_of(&resources["requests"][name]), asked_by_containers(spec, name))
        else {
            continue;
        };
        let mut rest = sum.clone();
        rest.sub(&bound);
        if rest.sign() > 0 {
            errors.invalid_str(
                &requests.key(name),
                &shown(&resources["requests"][name]),
                format!("must be greater than or equal to aggregate container requests of {sum}"),
            );
        }
    }
}

/// What the containers that run for as long as the pod ask for together.
fn asked_by_containers(spec: &Value, name: &str) -> Option<Quantity> {
    let sidecars = items(&spec["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always");
    let amounts = items(&spec["containers"])
        .iter()
        .chain(sidecars)
        .filter_map(|container| amount_of(&container["resources"]["requests"][name]));
    amounts.reduce(|mut sum, amount| {
        sum.add(&amount);
        sum
    })
}

fn requirements(resources: &Value, name_problems: impl Fn(&str) -> Vec<String>, at: &Path<'_>, errors: &mut ErrorList) {
    let (limits, requests) = (at.child("limits"), at.child("requests"));
    let mut compute = false;
    let mut huge = false;
    for (list, path) in [("limits", &limits), ("requests", &requests)] {
        for (name, amount) in entries(&resources[list]) {
            let at = path.key(name);
            errors.invalid_strs(&at, name, name_problems(name));
            if let Some(problem) = quantity_problem(name, amount) {
                errors.invalid_str(&at, &shown(amount), problem);
            }
            compute |= matches!(name, "cpu" | "memory");
            huge |= name.starts_with("hugepages-");
            if list == "requests" {
                against_limit(name, amount, &resources["limits"][name], path, &limits, errors);
            }
        }
    }
    if huge && !compute {
        errors.forbidden(at, "HugePages require cpu or memory");
    }
}

fn against_limit(
    name: &str,
    amount: &Value,
    limit: &Value,
    requests: &Path<'_>,
    limits: &Path<'_>,
    errors: &mut ErrorList,
) {
    let overcommit = !name.starts_with("hugepages-") && (!name.contains('/') || name.contains("kubernetes.io/"));
    if limit.is_null() {
        if !overcommit {
            errors.required(limits, "Limit must be set for non overcommitable resources");
        }
        return;
    }
    let (Some(wanted), Some(bound)) = (amount_of(amount), amount_of(limit)) else { return };
    let mut rest = wanted.clone();
    rest.sub(&bound);
    if rest.sign() != 0 && !overcommit {
        errors.invalid_str(requests, &shown(amount), format!("must be equal to {name} limit of {}", shown(limit)));
    } else if rest.sign() > 0 {
        errors.invalid_str(
            requests,
            &shown(amount),
            format!("must be less than or equal to {name} limit of {}", shown(limit)),
        );
    }
}

fn claims(resources: &Value, spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let known: BTreeSet<&str> = items(&spec["resourceClaims"])
        .iter()
        .map(|claim| text(&claim["name"]))
        .filter(|name| !name.is_empty())
        .collect();
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (index, claim) in items(&resources["claims"]).iter().enumerate() {
        let at = at.index(index);
        let (name, request) = (text(&claim["name"]), text(&claim["request"]));
        if name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        // The whole claim overlaps with each of its requests.
        if seen.contains(&(name, "")) {
            errors.duplicate(&at, &name.into());
        } else {
            if request.is_empty() {
                for _ in seen.iter().filter(|(other, _)| *other == name) {
                    errors.duplicate(&at, &name.into());
                }
            } else {
                errors.invalid_strs(&at.child("request"), request, names::dns1123_label(request));
                if seen.contains(&(name, request)) {
                    errors.duplicate(&at, &format!("{name}/{request}").into());
                }
            }
            seen.insert((name, request));
        }
        if !known.contains(name) {
            errors.not_found(&at, &name.into());
            if let Some(last) = errors.0.last_mut() {
                let names = known.iter().copied().collect::<Vec<_>>().join(", ");
                let names = if known.is_empty() { " which is empty".to_owned() } else { format!(": {names}") };
                last.detail = format!("must be one of the names in pod.spec.resourceClaims{names}");
            }
        }
    }
}
