//! Which flow schema a request belongs to.
//!
//! Source: apiserver `pkg/util/flowcontrol/rule.go`.

use std::sync::Arc;

use crate::config::{DistinguisherMethod, FlowSchema, NonResourceRule, ResourceRule, Rule, Subject};
use crate::level::Level;
use crate::metrics::FlowMetrics;

/// What a flow schema sees of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub user: &'a str,
    pub groups: &'a [String],
    pub verb: &'a str,
    pub is_resource: bool,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub path: &'a str,
}

/// A flow schema with the level that it names.
pub struct Schema {
    pub name: String,
    pub uid: String,
    pub level_uid: String,
    pub level: Arc<Level>,
    pub(crate) metrics: FlowMetrics,
    precedence: i32,
    distinguisher: Option<DistinguisherMethod>,
    rules: Vec<Rule>,
}

impl Schema {
    pub(crate) fn new(object: &FlowSchema, level_uid: &str, level: Arc<Level>, metrics: FlowMetrics) -> Schema {
        Schema {
            name: object.metadata.name.clone(),
            uid: object.metadata.uid.clone(),
            level_uid: level_uid.to_owned(),
            level,
            metrics,
            precedence: object.spec.matching_precedence,
            distinguisher: object.spec.distinguisher_method,
            rules: object.spec.rules.clone(),
        }
    }

    /// What tells a request's flow from the others of the schema.
    pub fn distinguisher<'a>(&self, asked: &Asked<'a>) -> &'a str {
        match self.distinguisher {
            None => "",
            Some(DistinguisherMethod::ByUser) => asked.user,
            Some(DistinguisherMethod::ByNamespace) => asked.namespace,
        }
    }
}

/// All flow schemas, those asked first in front.
pub struct Classifier {
    schemas: Vec<Arc<Schema>>,
}

impl Classifier {
    pub(crate) fn new(mut schemas: Vec<Arc<Schema>>) -> Classifier {
        schemas.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        Classifier { schemas }
    }

    pub fn schemas(&self) -> &[Arc<Schema>] {
        &self.schemas
    }

    /// The schema of a request; none only where there is no `catch-all`, which [`crate::Fairness`] sees to.
    pub fn classify(&self, asked: &Asked<'_>) -> Option<&Arc<Schema>> {
        let fitting = self.schemas.iter().find(|schema| schema.rules.iter().any(|rule| matches(rule, asked)));
        fitting.or_else(|| self.schemas.iter().rfind(|schema| schema.name == "catch-all"))
    }
}

fn matches(rule: &Rule, asked: &Asked<'_>) -> bool {
    rule.subjects.iter().any(|subject| is_subject(subject, asked))
        && if asked.is_resource {
            rule.resource_rules.iter().any(|rule| matches_resource(rule, asked))
        } else {
            rule.non_resource_rules.iter().any(|rule| matches_path(rule, asked))
        }
}

fn is_subject(subject: &Subject, asked: &Asked<'_>) -> bool {
    match subject {
        Subject::User { user } => user.name == "*" || user.name == asked.user,
        Subject::Group { group } => group.name == "*" || asked.groups.contains(&group.name),
        Subject::ServiceAccount { service_account } => {
            let account = asked.user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            account.is_some_and(|(namespace, name)| {
                namespace == service_account.namespace && (service_account.name == "*" || name == service_account.name)
            })
        }
    }
}

/// A lone star stands for everything; anywhere else it is itself.
fn has(list: &[String], value: &str) -> bool {
    matches!(list, [one] if one == "*") || list.iter().any(|item| item == value)
}

fn matches_resource(rule: &ResourceRule, asked: &Asked<'_>) -> bool {
    let is_named = |item: &String| match item.split_once('/') {
        None => asked.subresource.is_empty() && item == asked.resource,
        Some(pair) => pair == (asked.resource, asked.subresource) && !asked.subresource.is_empty(),
    };
    has(&rule.verbs, asked.verb)
        && (matches!(rule.resources.as_slice(), [one] if one == "*") || rule.resources.iter().any(is_named))
        && has(&rule.api_groups, asked.group)
        && if asked.namespace.is_empty() { rule.cluster_scope } else { has(&rule.namespaces, asked.namespace) }
}

fn matches_path(rule: &NonResourceRule, asked: &Asked<'_>) -> bool {
    has(&rule.verbs, asked.verb)
        && rule.non_resource_urls.iter().any(|url| {
            // What ends in a star, or is another's beginning, matches what is below it.
            let root = url.strip_suffix('*').unwrap_or(url).trim_end_matches('/');
            url == "*" || url == asked.path || asked.path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(rule: serde_json::Value) -> Rule {
        serde_json::from_value(rule).unwrap()
    }

    #[test]
    fn rules_match_as_upstreams_do() {
        let pods = rule(json!({
            "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}],
            "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "nodes/status"],
                "namespaces": ["*"]}],
        }));
        let asked = Asked {
            user: "system:serviceaccount:kube-system:x",
            verb: "get",
            is_resource: true,
            resource: "pods",
            namespace: "a",
            ..Asked::default()
        };
        assert!(matches(&pods, &asked));
        assert!(!matches(&pods, &Asked { user: "system:serviceaccount:kube-systemic:x", ..asked }));
        assert!(!matches(&pods, &Asked { namespace: "", ..asked }));
        assert!(!matches(&pods, &Asked { subresource: "status", ..asked }));
        assert!(matches(&pods, &Asked { resource: "nodes", subresource: "status", ..asked }));
        assert!(!matches(&pods, &Asked { verb: "list", ..asked }));
        let paths = rule(json!({
            "subjects": [{"kind": "Group", "group": {"name": "g"}}, {"kind": "User", "user": {"name": "u"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/healthz", "/debug/*"]}],
        }));
        let groups = ["g".to_owned()];
        let asked = Asked { groups: &groups, verb: "get", path: "/healthz/etcd", ..Asked::default() };
        assert!(matches(&paths, &asked));
        assert!(matches(&paths, &Asked { path: "/debug/x", ..asked }));
        assert!(!matches(&paths, &Asked { path: "/healthzz", ..asked }));
        assert!(matches(&paths, &Asked { groups: &[], user: "u", ..asked }));
        assert!(!matches(&paths, &Asked { groups: &[], user: "v", ..asked }));
    }
}
