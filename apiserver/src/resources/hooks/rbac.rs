//! Roles and bindings.
//!
//! Source: `pkg/apis/rbac/validation`.

use serde_json::Value;

use super::{Hooks, Request, label_selector};
use crate::field::{ErrorList, Path, structure};
use crate::object::{items, text};
use crate::resources::names;

pub struct Role {
    pub cluster: bool,
}

pub struct Binding {
    pub cluster: bool,
}

impl Hooks for Role {
    fn invalid_name(&self, name: &str, _prefix: bool) -> Option<String> {
        names::path_segment(name)
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let list = Path::new("rules");
        for (index, rule) in items(&object["rules"]).iter().enumerate() {
            policy_rule(rule, self.cluster, &list.index(index), errors);
        }
        let aggregation = &object["aggregationRule"];
        if aggregation.is_null() {
            return;
        }
        let at = Path::new("aggregationRule");
        let (selectors, list) = (items(&aggregation["clusterRoleSelectors"]), at.child("clusterRoleSelectors"));
        if selectors.is_empty() {
            errors.required(&list, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (index, selector) in selectors.iter().enumerate() {
            let before = errors.0.len();
            label_selector::validate(selector, &list.index(index), errors);
            if errors.0.len() > before {
                errors.invalid(&list.index(index), &Value::Null, "invalid label selector.");
            }
        }
    }
}

fn policy_rule(rule: &Value, cluster: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let has = |field: &str| !items(&rule[field]).is_empty();
    if !has("verbs") {
        errors.required(&at.child("verbs"), "verbs must contain at least one value");
    }
    if has("nonResourceURLs") {
        if !cluster {
            errors.invalid(
                &at.child("nonResourceURLs"),
                &rule["nonResourceURLs"],
                "namespaced rules cannot apply to non-resource URLs",
            );
        }
        if has("apiGroups") || has("resources") || has("resourceNames") {
            errors.invalid(
                &at.child("nonResourceURLs"),
                &rule["nonResourceURLs"],
                "rules cannot apply to both regular resources and non-resource URLs",
            );
        }
        return;
    }
    if !has("apiGroups") {
        errors.required(&at.child("apiGroups"), "resource rules must supply at least one api group");
    }
    if !has("resources") {
        errors.required(&at.child("resources"), "resource rules must supply at least one resource");
    }
}

impl Hooks for Binding {
    fn invalid_name(&self, name: &str, _prefix: bool) -> Option<String> {
        names::path_segment(name)
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, role) = (Path::new("roleRef"), &object["roleRef"]);
        if text(&role["apiGroup"]) != "rbac.authorization.k8s.io" {
            errors.not_supported(
                &at.child("apiGroup"),
                &text(&role["apiGroup"]).into(),
                &["rbac.authorization.k8s.io"],
            );
        }
        let kinds: &[&str] = if self.cluster { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
        if !kinds.contains(&text(&role["kind"])) {
            errors.not_supported(&at.child("kind"), &text(&role["kind"]).into(), kinds);
        }
        let name = text(&role["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else if let Some(problem) = names::path_segment(name) {
            errors.invalid_str(&at.child("name"), name, problem);
        }
        let list = Path::new("subjects");
        for (index, who) in items(&object["subjects"]).iter().enumerate() {
            subject(who, !self.cluster, &list.index(index), errors);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
        if object["roleRef"] != old["roleRef"] {
            let role = &object["roleRef"];
            let shown = structure(&[("APIGroup", &role["apiGroup"]), ("Kind", &role["kind"]), ("Name", &role["name"])]);
            errors.invalid_structure(&Path::new("roleRef"), shown, "cannot change roleRef");
        }
    }
}

fn subject(who: &Value, namespaced: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let (name, group) = (text(&who["name"]), text(&who["apiGroup"]));
    if name.is_empty() {
        errors.required(&at.child("name"), "");
    }
    match text(&who["kind"]) {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.invalid_strs(&at.child("name"), name, names::dns1123_subdomain(name));
            }
            if !group.is_empty() {
                errors.not_supported(&at.child("apiGroup"), &group.into(), &[""]);
            }
            if !namespaced && text(&who["namespace"]).is_empty() {
                errors.required(&at.child("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group != "rbac.authorization.k8s.io" {
                errors.not_supported(&at.child("apiGroup"), &group.into(), &["rbac.authorization.k8s.io"]);
            }
        }
        kind => errors.not_supported(&at.child("kind"), &kind.into(), &["ServiceAccount", "User", "Group"]),
    }
}
