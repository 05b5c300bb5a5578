//! Webhook configurations, admission policies and their bindings.
//!
//! Expressions must be there and must compile, see [`expression`].
//!
//! Source: `pkg/apis/admissionregistration/validation`.

use serde_json::Value;

use super::{Hooks, Request, label_selector, webhook_client};
use crate::admission::policy::expressions::Unusable;
use crate::admission::policy::written::{Purpose, Written};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};
use crate::resources::names;

/// ValidatingWebhookConfiguration and MutatingWebhookConfiguration.
pub struct WebhookConfiguration;
/// ValidatingAdmissionPolicy.
pub struct ValidatingPolicy;
/// MutatingAdmissionPolicy.
pub struct MutatingPolicy;
/// ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding.
pub struct PolicyBinding {
    pub validating: bool,
}

const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const MUTATING_OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "UPDATE"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];
const NO_SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const REINVOCATION_POLICIES: &[&str] = &["IfNeeded", "Never"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];
const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge"];
const MAX_AUDIT_ANNOTATIONS: usize = 20;
const MAX_VALUE_EXPRESSION: usize = 5 * 1024;

/// What an update need not mend, because the object had it before.
struct Leniency {
    side_effects: bool,
    versions: bool,
    names: bool,
    match_conditions: bool,
}

impl Hooks for WebhookConfiguration {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let none = Leniency { side_effects: false, versions: false, names: false, match_conditions: false };
        webhooks(&object["webhooks"], &none, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (new, before) = (items(&object["webhooks"]), items(&old["webhooks"]));
        let names: Vec<_> = before.iter().map(|hook| text(&hook["name"])).collect();
        let leniency = Leniency {
            side_effects: before.iter().any(|hook| !NO_SIDE_EFFECTS.contains(&text(&hook["sideEffects"]))),
            versions: before.iter().any(|hook| {
                let versions = items(&hook["admissionReviewVersions"]);
                !versions.is_empty() && !versions.iter().any(|version| REVIEW_VERSIONS.contains(&text(version)))
            }),
            names: names.iter().enumerate().any(|(index, name)| names[..index].contains(name)),
            match_conditions: new.len() == before.len()
                && new.iter().zip(before).all(|(new, old)| new["matchConditions"] == old["matchConditions"]),
        };
        webhooks(&object["webhooks"], &leniency, errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        static_name(object, out);
    }
}

/// Names that only a server's own files may give.
fn static_name(object: &Value, out: &mut Vec<String>) {
    if object::meta(object, "name").ends_with(".static.k8s.io") {
        out.push("metadata.name: names ending with \".static.k8s.io\" are reserved for static manifest-based configurations and cannot be managed via the API".to_owned());
    }
}

fn webhooks(list: &Value, leniency: &Leniency, errors: &mut ErrorList) {
    let (hooks, list) = (items(list), Path::new("webhooks"));
    for (index, hook) in hooks.iter().enumerate() {
        let at = list.index(index);
        webhook(hook, leniency, &at, errors);
        review_versions(&hook["admissionReviewVersions"], leniency, &at.child("admissionReviewVersions"), errors);
        let name = text(&hook["name"]);
        let again = hooks[..index].iter().any(|other| text(&other["name"]) == name);
        if !leniency.names && !name.is_empty() && again {
            errors.duplicate(&at.child("name"), &hook["name"]);
        }
    }
}

fn webhook(hook: &Value, leniency: &Leniency, at: &Path<'_>, errors: &mut ErrorList) {
    let name = text(&hook["name"]);
    if name.is_empty() {
        errors.required(&at.child("name"), "");
    } else if let Some(problem) = names::dns1123_subdomain(name) {
        errors.invalid_str(&at.child("name"), name, problem);
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        errors.invalid_str(&at.child("name"), name, detail);
    }
    let rules = at.child("rules");
    for (index, rule) in items(&hook["rules"]).iter().enumerate() {
        rule_with_operations(rule, &rules.index(index), errors);
    }
    one_of(&hook["failurePolicy"], FAILURE_POLICIES, &at.child("failurePolicy"), errors);
    one_of(&hook["matchPolicy"], MATCH_POLICIES, &at.child("matchPolicy"), errors);
    let allowed = if leniency.side_effects { SIDE_EFFECTS } else { NO_SIDE_EFFECTS };
    if hook["sideEffects"].is_null() {
        errors.required(&at.child("sideEffects"), format!("must specify one of {}", allowed.join(", ")));
    }
    one_of(&hook["sideEffects"], allowed, &at.child("sideEffects"), errors);
    let seconds = &hook["timeoutSeconds"];
    if !seconds.is_null() && !(1..=30).contains(&int(seconds)) {
        errors.invalid(&at.child("timeoutSeconds"), seconds, "the timeout value must be between 1 and 30 seconds");
    }
    for selector in ["namespaceSelector", "objectSelector"] {
        label_selector::validate(&hook[selector], &at.child(selector), errors);
    }
    one_of(&hook["reinvocationPolicy"], REINVOCATION_POLICIES, &at.child("reinvocationPolicy"), errors);
    let (config, at_config) = (&hook["clientConfig"], at.child("clientConfig"));
    if config["url"].is_null() == config["service"].is_null() {
        errors.required(&at_config, "exactly one of url or service is required");
    } else if let Some(url) = config["url"].as_str() {
        webhook_client::url(url, &at_config.child("url"), errors);
    } else {
        webhook_client::service(&config["service"], &at_config.child("service"), errors);
    }
    if !leniency.match_conditions {
        let written = Written::webhook();
        match_conditions(&hook["matchConditions"], &written, &at.child("matchConditions"), errors);
    }
}

/// A word of a closed list; absent is for the caller to judge.
fn one_of(value: &Value, supported: &[&str], at: &Path<'_>, errors: &mut ErrorList) {
    if !value.is_null() && !supported.contains(&text(value)) {
        errors.not_supported(at, value, supported);
    }
}

fn review_versions(list: &Value, leniency: &Leniency, at: &Path<'_>, errors: &mut ErrorList) {
    let versions = items(list);
    if versions.is_empty() {
        errors.required(at, format!("must specify one of {}", REVIEW_VERSIONS.join(", ")));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        if versions[..index].contains(version) {
            errors.invalid(&at.index(index), version, "duplicate version");
        } else {
            errors.invalid_strs(&at.index(index), text(version), names::dns1035_label(text(version)));
        }
    }
    if !leniency.versions && !versions.iter().any(|version| REVIEW_VERSIONS.contains(&text(version))) {
        errors.invalid(at, list, format!("must include at least one of {}", REVIEW_VERSIONS.join(", ")));
    }
}

fn rule_with_operations(rule: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (operations, list) = (items(&rule["operations"]), at.child("operations"));
    if operations.is_empty() {
        errors.required(&list, "");
    }
    only_wildcard(&rule["operations"], "operations", &list, errors);
    for (index, operation) in operations.iter().enumerate() {
        one_of(operation, OPERATIONS, &list.index(index), errors);
    }
    if items(&rule["apiGroups"]).is_empty() {
        errors.required(&at.child("apiGroups"), "");
    }
    only_wildcard(&rule["apiGroups"], "API groups", &at.child("apiGroups"), errors);
    let (versions, list) = (items(&rule["apiVersions"]), at.child("apiVersions"));
    if versions.is_empty() {
        errors.required(&list, "");
    }
    only_wildcard(&rule["apiVersions"], "API versions", &list, errors);
    for (index, _) in versions.iter().enumerate().filter(|(_, version)| text(version).is_empty()) {
        errors.required(&list.index(index), "");
    }
    resources(&rule["resources"], &at.child("resources"), errors);
    one_of(&rule["scope"], SCOPES, &at.child("scope"), errors);
}

fn only_wildcard(list: &Value, what: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if items(list).len() > 1 && items(list).iter().any(|item| item == "*") {
        errors.invalid(at, list, format!("if '*' is present, must not specify other {what}"));
    }
}

fn resources(list: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let all = items(list);
    if all.is_empty() {
        errors.required(at, "");
    }
    // Resources given with all their subresources, and subresources given for all resources.
    let (mut all_of, mut all_with): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut plain = false;
    for (index, resource) in all.iter().enumerate() {
        let resource = text(resource);
        if resource.is_empty() {
            errors.required(&at.index(index), "");
            continue;
        }
        let Some((main, sub)) = resource.split_once('/') else {
            plain = resource != "*";
            continue;
        };
        if all_of.contains(&main) {
            let detail = format!("if '{main}/*' is present, must not specify {resource}");
            errors.invalid_str(&at.index(index), resource, detail);
        }
        if all_with.contains(&sub) {
            let detail = format!("if '*/{sub}' is present, must not specify {resource}");
            errors.invalid_str(&at.index(index), resource, detail);
        }
        if sub == "*" {
            all_of.push(main);
        }
        if main == "*" {
            all_with.push(sub);
        }
    }
    if all.len() > 1 && all.iter().any(|resource| resource == "*/*") {
        errors.invalid(at, list, "if '*/*' is present, must not specify other resources");
    }
    if plain && all.iter().any(|resource| resource == "*") {
        errors.invalid(at, list, "if '*' is present, must not specify other resources without subresources");
    }
}

fn match_conditions(list: &Value, written: &Written, at: &Path<'_>, errors: &mut ErrorList) {
    let conditions = items(list);
    if conditions.len() > 64 {
        errors.too_many(at, conditions.len(), 64);
    }
    for (index, condition) in conditions.iter().enumerate() {
        let at = at.index(index);
        let compile = |source: &str| written.problem(source, Purpose::MatchCondition);
        expression(text(&condition["expression"]).trim(), "", compile, &at.child("expression"), errors);
        let name = text(&condition["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
            continue;
        }
        errors.invalid_strs(&at.child("name"), name, names::qualified_name_problems(name));
        if conditions[..index].iter().any(|other| text(&other["name"]) == name) {
            errors.duplicate(&at.child("name"), &condition["name"]);
        }
    }
}

/// An expression, which may not be blank and must compile. The one place through which all expressions of these
/// kinds go.
fn expression(
    source: &str,
    missing: &str,
    compile: impl FnOnce(&str) -> Option<Unusable>,
    at: &Path<'_>,
    errors: &mut ErrorList,
) {
    if source.trim().is_empty() {
        errors.required(at, missing);
        return;
    }
    match compile(source) {
        None => {}
        Some(Unusable::Invalid(detail)) => errors.invalid_str(at, source, detail),
        Some(Unusable::Internal(detail)) => errors.internal(at, detail),
    }
}

impl Hooks for ValidatingPolicy {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        object::keep_meta(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        validating_policy(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        validating_policy(object, Some(old), errors);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let status = Path::new("status");
        let checking = status.child("typeChecking");
        let list = checking.child("expressionWarnings");
        for (index, warning) in items(&object["status"]["typeChecking"]["expressionWarnings"]).iter().enumerate() {
            let at = list.index(index);
            if text(&warning["warning"]).is_empty() {
                errors.required(&at.child("warning"), "");
            }
            if text(&warning["fieldRef"]).trim().is_empty() {
                errors.required(&at.child("fieldRef"), "");
            }
        }
        super::conditions::validate(&object["status"]["conditions"], &status.child("conditions"), errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        static_name(object, out);
    }
}

/// What both kinds of policies have: on what they look, and when.
fn policy(
    spec: &Value,
    old: Option<&Value>,
    operations: Option<&[&str]>,
    at: &Path<'_>,
    errors: &mut ErrorList,
) -> Written {
    let mut written = Written::policy(spec, operations.is_some());
    if spec["failurePolicy"].is_null() {
        errors.required(&at.child("failurePolicy"), "");
    }
    one_of(&spec["failurePolicy"], FAILURE_POLICIES, &at.child("failurePolicy"), errors);
    if !spec["paramKind"].is_null() {
        param_kind(&spec["paramKind"], &at.child("paramKind"), errors);
    }
    let constraints = at.child("matchConstraints");
    if spec["matchConstraints"].is_null() {
        errors.required(&constraints, "");
    } else {
        match_resources(&spec["matchConstraints"], &constraints, errors);
        let (rules, list) = (items(&spec["matchConstraints"]["resourceRules"]), constraints.child("resourceRules"));
        if rules.is_empty() {
            errors.required(&list, "");
        }
        if let Some(supported) = operations {
            for operation in rules.iter().flat_map(|rule| items(&rule["operations"])) {
                one_of(operation, supported, &list.child("operations"), errors);
            }
        }
    }
    let same = |field: &str| old.is_some_and(|old| object::same(&spec[field], &old["spec"][field]));
    if !(same("paramKind") && same("matchConditions")) {
        match_conditions(&spec["matchConditions"], &written, &at.child("matchConditions"), errors);
    }
    let list = at.child("variables");
    for (index, variable) in items(&spec["variables"]).iter().enumerate() {
        let (at, name) = (list.index(index), text(&variable["name"]));
        if name.trim().is_empty() {
            errors.required(&at.child("name"), "name is not specified");
        } else if !apiserver_cel::is_identifier(name) {
            errors.invalid_str(&at.child("name"), name, "must be a valid CEL identifier");
        }
        let (source, at) = (text(&variable["expression"]), at.child("expression"));
        expression(source, "expression is not specified", |source| written.declare(name, source), &at, errors);
    }
    written
}

fn validating_policy(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    const NOTHING: &str = "validations or auditAnnotations must contain at least one item";
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    let written = policy(spec, old, None, &at, errors);
    let (validations, annotations) = (items(&spec["validations"]), items(&spec["auditAnnotations"]));
    if validations.is_empty() && annotations.is_empty() {
        errors.required(&at.child("validations"), NOTHING);
        errors.required(&at.child("auditAnnotations"), NOTHING);
        return;
    }
    let list = at.child("validations");
    for (index, validation) in validations.iter().enumerate() {
        let at = list.index(index);
        let source = text(&validation["expression"]);
        let compile = |source: &str| written.problem(source, Purpose::Validation);
        expression(source, "expression is not specified", compile, &at.child("expression"), errors);
        let message = text(&validation["messageExpression"]);
        if !message.is_empty() && message.trim().is_empty() {
            errors.invalid_str(&at.child("messageExpression"), message, "must be non-empty if specified");
        } else if !message.is_empty() {
            let compile = |source: &str| written.problem(source, Purpose::Message);
            expression(message, "", compile, &at.child("messageExpression"), errors);
        }
        let message = text(&validation["message"]);
        if !message.is_empty() && message.trim().is_empty() {
            errors.invalid_str(&at.child("message"), message, "must be non-empty if specified");
        } else if message.trim().contains(['\n', '\r']) {
            errors.invalid_str(&at.child("message"), message, "must not contain line breaks");
        }
        one_of(&validation["reason"], REASONS, &at.child("reason"), errors);
    }
    let list = at.child("auditAnnotations");
    if annotations.len() > MAX_AUDIT_ANNOTATIONS {
        let detail = format!("must not have more than {MAX_AUDIT_ANNOTATIONS} auditAnnotations");
        errors.invalid(&list, &spec["auditAnnotations"], detail);
    }
    let name = object::meta(object, "name");
    for (index, annotation) in annotations.iter().enumerate() {
        let (at, key) = (list.index(index), text(&annotation["key"]));
        if name.is_empty() {
            errors.invalid_str(&at.child("key"), key, "requires metadata.name be non-empty");
        } else {
            let whole = format!("{name}/{key}");
            errors.invalid_strs(&at.child("key"), &whole, names::qualified_name_problems(&whole));
        }
        let value = &annotation["valueExpression"];
        if text(value).trim().len() > MAX_VALUE_EXPRESSION {
            let detail = format!("must not exceed {MAX_VALUE_EXPRESSION} bytes in length");
            errors.required(&at.child("valueExpression"), detail);
        } else {
            // Without the blanks around it, unlike what the message shows.
            let compile = |source: &str| written.problem(source.trim(), Purpose::AuditAnnotation);
            let at = at.child("valueExpression");
            expression(text(value), "valueExpression is not specified", compile, &at, errors);
        }
        if annotations[..index].iter().any(|other| text(&other["key"]) == key) {
            errors.duplicate(&at.child("key"), &key.into());
        }
    }
}

fn param_kind(kind: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (api_version, at_version) = (text(&kind["apiVersion"]), at.child("apiVersion"));
    match api_version.split('/').collect::<Vec<_>>()[..] {
        [""] => errors.required(&at_version, ""),
        ["", ""] => errors.invalid_str(&at_version, api_version, "version must be specified"),
        [version] => errors.invalid_strs(&at_version, version, names::dns1035_label(version)),
        [group, version] => {
            if !group.is_empty() {
                errors.invalid_strs(&at_version, group, names::dns1123_subdomain(group));
            }
            if version.is_empty() {
                errors.invalid_str(&at_version, api_version, "version must be specified");
            } else {
                errors.invalid_strs(&at_version, version, names::dns1035_label(version));
            }
        }
        _ => {
            errors.invalid_str(&at_version, api_version, format!("unexpected GroupVersion string: {api_version}"));
        }
    }
    let (name, at) = (text(&kind["kind"]), at.child("kind"));
    if name.is_empty() {
        errors.required(&at, "");
    } else if let Some(problem) = names::dns1035_label(&name.to_lowercase()) {
        errors.invalid_str(&at, name, format!("may have mixed case, but should otherwise match: {problem}"));
    }
}

fn match_resources(resources: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if resources["matchPolicy"].is_null() {
        errors.required(&at.child("matchPolicy"), "");
    }
    one_of(&resources["matchPolicy"], MATCH_POLICIES, &at.child("matchPolicy"), errors);
    for selector in ["namespaceSelector", "objectSelector"] {
        if resources[selector].is_null() {
            errors.required(&at.child(selector), "");
        } else {
            label_selector::validate(&resources[selector], &at.child(selector), errors);
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        let list = at.child(field);
        for (index, rule) in items(&resources[field]).iter().enumerate() {
            let at = list.index(index);
            let (wanted, list) = (items(&rule["resourceNames"]), at.child("resourceNames"));
            for (index, name) in wanted.iter().enumerate() {
                errors.invalid_strs(&list.index(index), text(name), names::path_segment(text(name)));
                if wanted[..index].contains(name) {
                    errors.duplicate(&list.index(index), name);
                }
            }
            rule_with_operations(rule, &at, errors);
        }
    }
}

impl Hooks for MutatingPolicy {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        mutating_policy(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        mutating_policy(object, Some(old), errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        static_name(object, out);
    }
}

fn mutating_policy(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    let written = policy(spec, old, Some(MUTATING_OPERATIONS), &at, errors);
    let (mutations, list) = (items(&spec["mutations"]), at.child("mutations"));
    if mutations.is_empty() {
        errors.required(&list, "mutations must contain at least one item");
    }
    for (index, mutation) in mutations.iter().enumerate() {
        let at = list.index(index);
        let (wanted, other, purpose) = match text(&mutation["patchType"]) {
            "JSONPatch" => ("jsonPatch", "applyConfiguration", Purpose::JsonPatch),
            "ApplyConfiguration" => ("applyConfiguration", "jsonPatch", Purpose::ApplyConfiguration),
            "" => {
                errors.required(&at.child("patchType"), "");
                continue;
            }
            _ => {
                let supported = &["ApplyConfiguration", "JSONPatch"];
                errors.not_supported(&at.child("patchType"), &mutation["patchType"], supported);
                continue;
            }
        };
        let kind = text(&mutation["patchType"]);
        if mutation[wanted].is_null() {
            errors.required(&at.child(wanted), format!("must be specified when patchType is {kind}"));
        } else {
            let source = text(&mutation[wanted]["expression"]).trim();
            let compile = |source: &str| written.problem(source, purpose);
            expression(source, "", compile, &at.child(wanted).child("expression"), errors);
        }
        if !mutation[other].is_null() {
            let detail = format!("must not be specified when patchType is {kind}");
            errors.invalid_str(&at.child(other), &format!("{{{other}}}"), detail);
        }
    }
    let (policy, at) = (text(&spec["reinvocationPolicy"]), at.child("reinvocationPolicy"));
    if policy.is_empty() {
        errors.required(&at, "");
    } else {
        one_of(&spec["reinvocationPolicy"], REINVOCATION_POLICIES, &at, errors);
    }
}

impl Hooks for PolicyBinding {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        let name = text(&spec["policyName"]);
        if name.is_empty() {
            errors.required(&at.child("policyName"), "");
        } else {
            errors.invalid_strs(&at.child("policyName"), name, names::dns1123_subdomain(name));
        }
        if !spec["paramRef"].is_null() {
            param_ref(&spec["paramRef"], &at.child("paramRef"), errors);
        }
        if !spec["matchResources"].is_null() {
            match_resources(&spec["matchResources"], &at.child("matchResources"), errors);
        }
        if self.validating {
            validation_actions(&spec["validationActions"], &at.child("validationActions"), errors);
        }
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        static_name(object, out);
    }
}

fn param_ref(reference: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const BOTH: &str = "name and selector are mutually exclusive";
    let (name, has_selector) = (text(&reference["name"]), !reference["selector"].is_null());
    if !name.is_empty() {
        errors.invalid_strs(&at.child("name"), name, names::path_segment(name));
        if has_selector {
            errors.forbidden(&at.child("name"), BOTH);
        }
    }
    if has_selector {
        label_selector::validate(&reference["selector"], &at.child("selector"), errors);
        if !name.is_empty() {
            errors.forbidden(&at.child("selector"), BOTH);
        }
    }
    if name.is_empty() && !has_selector {
        errors.required(at, "one of name or selector must be specified");
    }
    let (action, at) = (&reference["parameterNotFoundAction"], at.child("parameterNotFoundAction"));
    if text(action).is_empty() {
        errors.required(&at, "");
    } else {
        one_of(action, &["Deny", "Allow"], &at, errors);
    }
}

fn validation_actions(list: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let actions = items(list);
    for (index, action) in actions.iter().enumerate() {
        one_of(action, &["Audit", "Deny", "Warn"], &at.index(index), errors);
        if actions[..index].contains(action) {
            errors.duplicate(&at.index(index), action);
        }
    }
    let has = |wanted: &str| actions.iter().any(|action| action == wanted);
    if has("Deny") && has("Warn") {
        errors.invalid(at, list, "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)");
    }
    if actions.is_empty() {
        errors.required(at, "at least one validation action is required");
    }
}
