//! ResourceQuota and LimitRange.

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use super::{Hooks, Request, pod_spec};
use crate::field::{ErrorList, Path};
use crate::object::{self, entries, items, text};

pub struct ResourceQuota;

/// What a quota can bound, besides hugepages and counts of objects.
const QUOTA: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
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
];
const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

impl Hooks for ResourceQuota {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        quota_spec(&object["spec"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        quota_spec(&object["spec"], errors);
        let set = |object: &Value| -> std::collections::BTreeSet<String> {
            items(&object["spec"]["scopes"]).iter().map(|scope| text(scope).to_owned()).collect()
        };
        if set(object) != set(old) {
            let spec = Path::new("spec");
            errors.invalid(&spec.child("scopes"), &object["spec"]["scopes"], "field is immutable");
        }
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let at = Path::new("status");
        for field in ["hard", "used"] {
            amounts(&object["status"][field], &at.child(field), errors);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        let hard = &object["spec"]["hard"];
        for resource in ["cpu", "memory", "storage", "ephemeral-storage"] {
            let (mut requests, limits) = (format!("requests.{resource}"), format!("limits.{resource}"));
            if hard[&requests].is_null() && matches!(resource, "cpu" | "memory") {
                requests = resource.to_owned();
            }
            if let (None, Some(request), Some(limit)) = (old, amount(&hard[&requests]), amount(&hard[&limits]))
                && request > limit
            {
                let (request, limit) = (text(&hard[&requests]), text(&hard[&limits]));
                out.push(format!("ResourceQuota {requests} ({request}) should be less than {limits} ({limit})"));
            }
        }
    }
}

fn amounts(list: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (name, amount) in entries(list) {
        let at = at.key(name);
        let known = name.contains('/')
            || QUOTA.contains(&name)
            || name.starts_with("requests.hugepages-")
            || name.starts_with("hugepages-");
        errors.invalid_strs(&at, name, pod_spec::resource_name_problem(name));
        if !known {
            errors.invalid_str(&at, name, "must be a standard resource for quota");
        }
        if let Some(problem) = pod_spec::quantity_problem(name, amount) {
            errors.invalid(&at, amount, problem);
        }
    }
}

fn quota_spec(spec: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    amounts(&spec["hard"], &at.child("hard"), errors);
    let (scopes, path) = (items(&spec["scopes"]), at.child("scopes"));
    for scope in scopes {
        if !SCOPES.contains(&text(scope)) {
            errors.invalid(&path, &spec["scopes"], "unsupported scope");
        }
        let misapplied =
            entries(&spec["hard"]).filter(|(name, _)| QUOTA.contains(name) && !applies(text(scope), name)).count();
        for _ in 0..misapplied {
            errors.invalid(&path, &spec["scopes"], "unsupported scope applied to resource");
        }
    }
    let has = |name: &str| scopes.iter().any(|scope| scope == name);
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if has(one) && has(other) {
            errors.invalid(&path, &spec["scopes"], "conflicting scopes");
        }
    }
    let selector = at.child("scopeSelector");
    let path = selector.child("matchExpressions");
    for requirement in items(&spec["scopeSelector"]["matchExpressions"]) {
        let (scope, operator) = (text(&requirement["scopeName"]), text(&requirement["operator"]));
        if !SCOPES.contains(&scope) {
            errors.invalid_str(&path.child("scopeName"), scope, "unsupported scope");
        }
        if !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
            && SCOPES.contains(&scope)
            && operator != "Exists"
        {
            errors.invalid_str(&path.child("operator"), operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
        }
        let values = items(&requirement["values"]);
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(
                    &path.child("values"),
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
                );
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.invalid(
                &path.child("values"),
                &requirement["values"],
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid_str(&path.child("operator"), operator, "not a valid selector operator"),
        }
    }
}

/// Whether a scope says something about a resource.
fn applies(scope: &str, resource: &str) -> bool {
    let of_pods = resource == "pods"
        || ["cpu", "memory", "ephemeral-storage"].iter().any(|name| {
            resource == *name
                || resource.strip_prefix("requests.") == Some(name)
                || resource.strip_prefix("limits.") == Some(name)
        });
    match scope {
        "BestEffort" => resource == "pods",
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => of_pods,
        _ => true,
    }
}

pub struct LimitRange;

impl Hooks for LimitRange {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        if object::meta(object, "name").is_empty() {
            object::set_meta(object, "name", Some(uuid::Uuid::new_v4().to_string().into()));
        }
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let spec = Path::new("spec");
        let (limits, list) = (items(&object["spec"]["limits"]), spec.child("limits"));
        for (index, limit) in limits.iter().enumerate() {
            let at = list.index(index);
            let kind = text(&limit["type"]);
            let problems = crate::resources::names::qualified_name_problems(kind);
            if !problems.is_empty() {
                errors.invalid_strs(&at.child("type"), kind, problems);
            } else if !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
                errors.invalid_str(&at.child("type"), kind, "must be a standard limit type or fully qualified");
            }
            if limits[..index].iter().any(|other| other["type"] == limit["type"]) {
                errors.duplicate(&at.child("type"), &limit["type"]);
            }
            if kind == "Pod" {
                for field in ["default", "defaultRequest"] {
                    if !object::is_unset(&limit[field]) {
                        errors.forbidden(&at.child(field), "may not be specified when `type` is 'Pod'");
                    }
                }
            }
            if kind == "PersistentVolumeClaim" && limit["min"]["storage"].is_null() && limit["max"]["storage"].is_null()
            {
                errors.required(
                    &at.child("limits"),
                    "either minimum or maximum storage value is required, but neither was provided",
                );
            }
            bounds(limit, kind == "Pod", &at, errors);
        }
    }
}

fn bounds(limit: &Value, of_pod: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let mut names: Vec<&str> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        for (name, _) in entries(&limit[field]) {
            let at = at.child(field);
            if matches!(text(&limit["type"]), "Pod" | "Container") {
                pod_spec::container_resource_name(name, &at.key(name), errors);
            } else {
                errors.invalid_strs(&at.key(name), name, pod_spec::resource_name_problem(name));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    for name in names {
        // (lower, higher, the field at fault, the value shown, words)
        let mut rules = vec![("min", "max", "min", "min", "min value {a} is greater than max value {b}")];
        if !of_pod {
            rules.extend([
                (
                    "min",
                    "defaultRequest",
                    "defaultRequest",
                    "defaultRequest",
                    "min value {a} is greater than default request value {b}",
                ),
                (
                    "defaultRequest",
                    "max",
                    "defaultRequest",
                    "defaultRequest",
                    "default request value {a} is greater than max value {b}",
                ),
                (
                    "defaultRequest",
                    "default",
                    "defaultRequest",
                    "defaultRequest",
                    "default request value {a} is greater than default limit value {b}",
                ),
                ("min", "default", "default", "min", "min value {a} is greater than default value {b}"),
                ("default", "max", "default", "max", "default value {a} is greater than max value {b}"),
            ]);
        }
        for (lower, higher, field, bad, words) in rules {
            let (a, b) = (&limit[lower][name], &limit[higher][name]);
            let (Some(low), Some(high)) = (amount(a), amount(b)) else { continue };
            let mut rest = low;
            rest.sub(&high);
            if rest.sign() > 0 {
                errors.invalid(
                    &at.child(field).key(name),
                    &limit[bad][name],
                    words.replace("{a}", text(a)).replace("{b}", text(b)),
                );
            }
        }
        let ratio = &limit["maxLimitRequestRatio"][name];
        if amount(ratio).is_some_and(|ratio| ratio.as_f64() < 1.0) {
            errors.invalid(
                &at.child("maxLimitRequestRatio").key(name),
                ratio,
                format!("ratio {} is less than 1", text(ratio)),
            );
        }
        if let (Some(asked), Some(min), Some(max)) =
            (amount(ratio), amount(&limit["min"][name]), amount(&limit["max"][name]))
        {
            let most = max.as_f64() / min.as_f64();
            if asked.as_f64() > most {
                let detail = format!("ratio {} is greater than max/min = {most:.6}", text(ratio));
                errors.invalid(&at.child("maxLimitRequestRatio").key(name), ratio, detail);
            }
        }
    }
}

fn amount(value: &Value) -> Option<Quantity> {
    value.as_str().and_then(|text| Quantity::parse(text).ok())
}
