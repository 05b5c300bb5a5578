//! FlowSchema and PriorityLevelConfiguration.
//!
//! Source: `pkg/apis/flowcontrol/validation`.

use serde_json::Value;

use super::{Hooks, Request};
use crate::bootstrap::flow_control;
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct FlowSchema;
pub struct PriorityLevelConfiguration;

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const MAX_PRECEDENCE: i64 = 10_000;
const MAX_QUEUES: i64 = 10_000_000;
/// The bits of the hash from which a flow's hand of queues is dealt.
const MAX_HASH_BITS: i64 = 60;

/// A status is written with nothing else, the metadata included.
fn only_status(object: &mut Value, old: &Value) {
    let managed = object["metadata"].get("managedFields").cloned();
    let version = object["metadata"].get("resourceVersion").cloned();
    object::keep_all_but(object, old, &["status"]);
    object::set_meta(object, "managedFields", managed);
    object::set_meta(object, "resourceVersion", version);
}

fn conditions(object: &Value, errors: &mut ErrorList) {
    let status = Path::new("status");
    let (conditions, list) = (items(&object["status"]["conditions"]), status.child("conditions"));
    for (index, condition) in conditions.iter().enumerate() {
        let (at, kind) = (list.index(index), text(&condition["type"]));
        if conditions[..index].iter().any(|other| text(&other["type"]) == kind) {
            errors.duplicate(&at.child("type"), &kind.into());
        }
        if kind.is_empty() {
            errors.required(&at.child("type"), "");
        }
    }
}

impl Hooks for FlowSchema {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        only_status(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let name = object::meta(object, "name");
        flow_schema_spec(name, &object["spec"], errors);
        if let Some(fixed) = flow_control::mandatory("FlowSchema", name)
            && !object::same(&object["spec"], &fixed["spec"])
        {
            let detail = format!("spec of '{name}' must equal the fixed value");
            errors.invalid(&Path::new("spec"), &object["spec"], detail);
        }
        conditions(object, errors);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        conditions(object, errors);
    }
}

fn flow_schema_spec(name: &str, spec: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    let (precedence, path) = (int(&spec["matchingPrecedence"]), at.child("matchingPrecedence"));
    if precedence <= 0 {
        errors.invalid_number(&path, precedence, "must be a positive value");
    }
    if precedence > MAX_PRECEDENCE {
        errors.invalid_number(&path, precedence, format!("must not be greater than {MAX_PRECEDENCE}"));
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid_number(&path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    let method = &spec["distinguisherMethod"];
    if !method.is_null() && !matches!(text(&method["type"]), "ByNamespace" | "ByUser") {
        let shown = structure(&[("Type", &text(&method["type"]).into())]);
        let path = at.child("distinguisherMethod");
        errors.not_supported_structure(&path.child("type"), shown, &["ByNamespace", "ByUser"]);
    }
    let (level, path) = (text(&spec["priorityLevelConfiguration"]["name"]), at.child("priorityLevelConfiguration"));
    if level.is_empty() {
        errors.required(&path.child("name"), "must reference a priority level");
    } else {
        errors.invalid_strs(&path.child("name"), level, names::dns1123_subdomain(level));
    }
    let list = at.child("rules");
    for (index, rule) in items(&spec["rules"]).iter().enumerate() {
        policy_rules(rule, &list.index(index), errors);
    }
}

fn policy_rules(rule: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (subjects, list) = (items(&rule["subjects"]), at.child("subjects"));
    if subjects.is_empty() {
        errors.required(&list, "subjects must contain at least one value");
    }
    for (index, who) in subjects.iter().enumerate() {
        subject(who, &list.index(index), errors);
    }
    let (resources, others) = (items(&rule["resourceRules"]), items(&rule["nonResourceRules"]));
    if resources.is_empty() && others.is_empty() {
        errors.required(at, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    let list = at.child("resourceRules");
    for (index, rule) in resources.iter().enumerate() {
        resource_rule(rule, &list.index(index), errors);
    }
    let list = at.child("nonResourceRules");
    for (index, rule) in others.iter().enumerate() {
        non_resource_rule(rule, &list.index(index), errors);
    }
}

fn subject(who: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const KINDS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let Some((kind, field)) = KINDS.into_iter().find(|(kind, _)| who["kind"] == *kind) else {
        errors.not_supported(&at.child("kind"), &text(&who["kind"]).into(), &["Group", "ServiceAccount", "User"]);
        return;
    };
    let (own, path) = (&who[field], at.child(field));
    if own.is_null() {
        errors.required(&path, format!("{field} is required when subject kind is '{kind}'"));
    } else {
        let name = text(&own["name"]);
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if kind == "ServiceAccount" && name != "*" {
            errors.invalid_strs(&path.child("name"), name, names::dns1123_subdomain(name));
        }
        let namespace = text(&own["namespace"]);
        if kind == "ServiceAccount" && namespace.is_empty() {
            errors.required(&path.child("namespace"), "must specify namespace for service account");
        } else if kind == "ServiceAccount" {
            errors.invalid_strs(&path.child("namespace"), namespace, names::dns1123_label(namespace));
        }
    }
    for (other, field) in KINDS {
        if other != kind && !who[field].is_null() {
            let detail = format!("{field} is forbidden when subject kind is not '{other}'");
            errors.forbidden(&at.child(field), detail);
        }
    }
}

fn has_wildcard(list: &Value) -> bool {
    items(list).iter().any(|item| item == "*")
}

/// A list that is `*` alone or has other members; says whether the others are to be looked at.
fn members(list: &Value, (missing, what): (&str, &str), at: &Path<'_>, errors: &mut ErrorList) -> bool {
    if items(list).is_empty() {
        errors.required(at, missing);
        return false;
    }
    if has_wildcard(list) {
        if items(list).len() > 1 {
            errors.invalid(at, list, format!("if '*' is present, must not specify other {what}"));
        }
        return false;
    }
    true
}

fn verbs(rule: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (list, at) = (&rule["verbs"], at.child("verbs"));
    if members(list, ("verbs must contain at least one value", "verbs"), &at, errors)
        && !items(list).iter().all(|verb| VERBS.contains(&text(verb)))
    {
        errors.not_supported(&at, list, VERBS);
    }
}

fn resource_rule(rule: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    verbs(rule, at, errors);
    let groups = ("resource rules must supply at least one api group", "api groups");
    members(&rule["apiGroups"], groups, &at.child("apiGroups"), errors);
    let resources = ("resource rules must supply at least one resource", "resources");
    members(&rule["resources"], resources, &at.child("resources"), errors);
    let (list, at) = (&rule["namespaces"], at.child("namespaces"));
    if items(list).is_empty() && rule["clusterScope"] == Value::Bool(true) {
        return;
    }
    let missing = "resource rules that are not cluster scoped must supply at least one namespace";
    if members(list, (missing, "namespaces"), &at, errors) {
        for (index, namespace) in items(list).iter().enumerate() {
            if let Some(problem) = names::dns1123_label(text(namespace)) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {problem}");
                errors.invalid(&at.index(index), namespace, detail);
            }
        }
    }
}

fn non_resource_rule(rule: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    verbs(rule, at, errors);
    let (list, at) = (&rule["nonResourceURLs"], at.child("nonResourceURLs"));
    let words = ("nonResourceURLs must contain at least one value", "non-resource URLs");
    if members(list, words, &at, errors) {
        for (index, url) in items(list).iter().enumerate() {
            if let Some(problem) = url_problem(text(url)) {
                errors.invalid(&at.index(index), url, problem);
            }
        }
    }
}

fn url_problem(path: &str) -> Option<&'static str> {
    let stars = path.matches('*').count();
    if path.is_empty() {
        Some("must not be empty")
    } else if path == "/" {
        None
    } else if !path.starts_with('/') {
        Some("must start with slash")
    } else if path.contains(' ') {
        Some("must not contain white-space")
    } else if path.contains("//") {
        Some("must not contain double slash")
    } else if stars > 1 || (stars == 1 && !path.ends_with("/*")) {
        Some("wildcard can only do suffix matching")
    } else {
        None
    }
}

impl Hooks for PriorityLevelConfiguration {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        only_status(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        const ROUND_TRIP: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
        let (name, spec) = (object::meta(object, "name"), &object["spec"]);
        if !object["metadata"]["annotations"][ROUND_TRIP].is_null() {
            let metadata = Path::new("metadata");
            errors.forbidden(&metadata.child("annotations"), format!("annotation '{ROUND_TRIP}' is forbidden"));
        }
        priority_level_spec(name, spec, errors);
        if let Some(fixed) = flow_control::mandatory("PriorityLevelConfiguration", name) {
            let free: &[&str] = if name == "exempt" { &["exempt"] } else { &[] };
            if object::differs_but(spec, &fixed["spec"], free) {
                let but = if name == "exempt" { " except the 'spec.exempt' field" } else { "" };
                let detail = format!("spec of '{name}'{but} must equal the fixed value");
                errors.invalid(&Path::new("spec"), spec, detail);
            }
        }
        conditions(object, errors);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        conditions(object, errors);
    }
}

fn priority_level_spec(name: &str, spec: &Value, errors: &mut ErrorList) {
    let (at, kind) = (Path::new("spec"), text(&spec["type"]));
    let (limited, exempt) = (at.child("limited"), at.child("exempt"));
    if (name == "exempt") != (kind == "Exempt") {
        errors.invalid_str(&at.child("type"), kind, "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    match kind {
        "Exempt" => {
            if !spec["limited"].is_null() {
                errors.forbidden(&limited, "must be nil if the type is not Limited");
            }
            shares(&spec["exempt"], &exempt, errors);
            lendable(&spec["exempt"], &exempt, errors);
        }
        "Limited" => {
            if !spec["exempt"].is_null() {
                errors.forbidden(&exempt, "must be nil if the type is Limited");
            }
            if spec["limited"].is_null() {
                errors.required(&limited, "must not be empty when type is Limited");
            } else {
                limits(&spec["limited"], &limited, errors);
            }
        }
        _ => errors.not_supported(&at.child("type"), &kind.into(), &["Exempt", "Limited"]),
    }
}

fn shares(level: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let shares = int(&level["nominalConcurrencyShares"]);
    if shares < 0 {
        errors.invalid_number(&at.child("nominalConcurrencyShares"), shares, "must be a non-negative integer");
    }
}

fn lendable(level: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let percent = int(&level["lendablePercent"]);
    if !(0..=100).contains(&percent) {
        errors.invalid_number(&at.child("lendablePercent"), percent, "must be between 0 and 100, inclusive");
    }
}

fn limits(limited: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    shares(limited, at, errors);
    let (response, path) = (&limited["limitResponse"], at.child("limitResponse"));
    let queuing = path.child("queuing");
    match text(&response["type"]) {
        "Reject" => {
            if !response["queuing"].is_null() {
                errors.forbidden(&queuing, "must be nil if limited.limitResponse.type is not Limited");
            }
        }
        "Queue" => {
            if response["queuing"].is_null() {
                errors.required(&queuing, "must not be empty if limited.limitResponse.type is Limited");
            } else {
                queues(&response["queuing"], &queuing, errors);
            }
        }
        kind => errors.not_supported(&path.child("type"), &kind.into(), &["Queue", "Reject"]),
    }
    lendable(limited, at, errors);
    let borrowed = int(&limited["borrowingLimitPercent"]);
    if borrowed < 0 {
        let detail = "if specified, must be a non-negative integer";
        errors.invalid_number(&at.child("borrowingLimitPercent"), borrowed, detail);
    }
}

fn queues(queuing: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let [length, queues, hand] = ["queueLengthLimit", "queues", "handSize"].map(|field| int(&queuing[field]));
    if length <= 0 {
        errors.invalid_number(&at.child("queueLengthLimit"), length, "must be positive");
    }
    if queues <= 0 {
        errors.invalid_number(&at.child("queues"), queues, "must be positive");
    } else if queues > MAX_QUEUES {
        errors.invalid_number(&at.child("queues"), queues, format!("must not be greater than {MAX_QUEUES}"));
    }
    let path = at.child("handSize");
    if hand <= 0 {
        errors.invalid_number(&path, hand, "must be positive");
    } else if hand > queues {
        errors.invalid_number(&path, hand, format!("should not be greater than queues ({queues})"));
    } else if ((queues as f64).log2() * hand as f64).ceil() as i64 > MAX_HASH_BITS {
        errors.invalid_number(&path, hand, format!("required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MAX_HASH_BITS}"));
    }
}
