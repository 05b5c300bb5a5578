//! Roles and bindings give nobody more than who writes them has.
//!
//! Source: `pkg/registry/rbac/escalation_check.go`, `pkg/registry/rbac/*/policybased`,
//! `pkg/registry/rbac/validation`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::rbac::Rule;
use super::{Attributes, Decision, NO_SELECTORS};
use crate::authn::MASTERS;
use crate::context::{Context, Target};
use crate::object::{self, items, text};
use crate::server::Server;
use crate::status::{GroupResource, Result, Status};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses a role or a binding by which its writer would give away more than its own.
pub async fn check(context: &Context, target: &Target, object: &Value, old: Option<&Value>) -> Result<()> {
    let resource = target.resource();
    let kind = resource.plural.as_str();
    let concerned = matches!(kind, "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings");
    if resource.group != GROUP || !concerned || context.user.is_in(MASTERS) {
        return Ok(());
    }
    if old.is_some_and(|old| only_collects_garbage(object, old)) {
        return Ok(());
    }
    let namespace = if resource.namespaced { context.info.namespace.as_str() } else { "" };
    let refused = |why: String| {
        Status::forbidden(GroupResource { group: GROUP, resource: kind }, object::meta(object, "name"), why)
    };
    if matches!(kind, "roles" | "clusterroles") {
        if is_allowed(context, "escalate", kind, &context.info.name, namespace) {
            return Ok(());
        }
        confirm(context, namespace, &rules(&object["rules"])?).map_err(&refused)?;
        let aggregates = |role: &Value| !items(&role["aggregationRule"]["clusterRoleSelectors"]).is_empty();
        if kind == "clusterroles" && (aggregates(object) || old.is_some_and(aggregates)) {
            confirm(context, namespace, &full_authority())
                .map_err(|_| refused("must have cluster-admin privileges to use the aggregationRule".to_owned()))?;
        }
        return Ok(());
    }
    let reference = &object["roleRef"];
    let (role_kind, role) = (text(&reference["kind"]), text(&reference["name"]));
    let roles = match role_kind {
        "ClusterRole" => "clusterroles",
        "Role" => "roles",
        other => return Err(Status::unclassified(format!("unsupported role reference kind: {other:?}"))),
    };
    if is_allowed(context, "bind", roles, role, namespace) {
        return Ok(());
    }
    let of_role = if roles == "roles" { namespace } else { "" };
    let server = &context.server;
    let found = server.find(GROUP, roles, of_role, role).await?;
    // Upstream names the resource of the request, not that of the role.
    let found = found.ok_or_else(|| Status::not_found(target.group_resource(), role))?;
    confirm(context, namespace, &rules(&found["rules"])?).map_err(refused)
}

/// Whether an update changes nothing but what the garbage collector changes: owners and finalizers.
pub fn only_collects_garbage(object: &Value, old: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields"] {
            object::set_meta(&mut object, field, None);
        }
        object
    };
    object::same(&rest(object), &rest(old))
}

fn is_allowed(context: &Context, verb: &str, resource: &str, name: &str, namespace: &str) -> bool {
    let question = Attributes {
        user: &context.user,
        verb,
        is_resource: true,
        group: GROUP,
        version: "*",
        resource,
        subresource: "",
        namespace,
        name,
        path: "",
        selectors: &NO_SELECTORS,
    };
    matches!(decide(&context.server, &question), Decision::Allow(_))
}

fn decide(server: &Server, question: &Attributes<'_>) -> Decision {
    server.authorization.decide(server, question)
}

fn rules(list: &Value) -> Result<Vec<Rule>> {
    items(list).iter().map(|rule| serde_json::from_value(rule.clone()).map_err(Status::internal)).collect()
}

fn full_authority() -> Vec<Rule> {
    let all = || vec!["*".to_owned()];
    vec![
        Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
        Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
    ]
}

/// Says what of the rules the user does not have.
fn confirm(context: &Context, namespace: &str, wanted: &[Rule]) -> std::result::Result<(), String> {
    let server = &context.server;
    let (own, problems) = server.authorization.rbac.rules_and_problems(server, &context.user, namespace);
    let missing: Vec<Rule> =
        wanted.iter().flat_map(parts).filter(|part| !own.iter().any(|rule| covers(rule, part))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let shown: BTreeSet<String> = compact(missing).iter().map(compact_text).collect();
    let shown: Vec<String> = shown.into_iter().collect();
    let mut why = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        context.user.name,
        list(&context.user.groups),
        shown.join("\n")
    );
    if !problems.is_empty() {
        why.push_str(&format!("; resolution errors: [{}]", super::aggregate(&problems)));
    }
    Err(why)
}

/// A rule as the smallest rules that are together the same.
fn parts(rule: &Rule) -> Vec<Rule> {
    let mut parts = Vec::new();
    let one = |value: &String| vec![value.clone()];
    for verb in &rule.verbs {
        for url in &rule.non_resource_urls {
            parts.push(Rule { non_resource_urls: one(url), verbs: one(verb), ..Rule::default() });
        }
    }
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let part =
                    Rule { api_groups: one(group), resources: one(resource), verbs: one(verb), ..Rule::default() };
                if rule.resource_names.is_empty() {
                    parts.push(part);
                } else {
                    let named = rule.resource_names.iter();
                    parts.extend(named.map(|name| Rule { resource_names: one(name), ..part.clone() }));
                }
            }
        }
    }
    parts
}

/// Whether a rule allows all that a part does.
fn covers(rule: &Rule, part: &Rule) -> bool {
    let has = |own: &[String], wanted: &[String]| {
        own.iter().any(|value| value == "*") || wanted.iter().all(|value| own.contains(value))
    };
    let resources = has(&rule.resources, &part.resources)
        || part.resources.iter().all(|wanted| {
            rule.resources.contains(wanted)
                || wanted.split_once('/').is_some_and(|(_, sub)| rule.resources.contains(&format!("*/{sub}")))
        });
    let named = rule.resource_names.is_empty()
        || !part.resource_names.is_empty() && part.resource_names.iter().all(|name| rule.resource_names.contains(name));
    let urls = part.non_resource_urls.iter().all(|wanted| {
        rule.non_resource_urls
            .iter()
            .any(|own| own == wanted || own.ends_with('*') && wanted.starts_with(own.trim_end_matches('*')))
    });
    has(&rule.verbs, &part.verbs) && has(&rule.api_groups, &part.api_groups) && resources && named && urls
}

/// Rules about the same resource as one.
fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut compacted = Vec::new();
    let mut by_resource: BTreeMap<(String, String, Option<String>), Rule> = BTreeMap::new();
    for rule in rules {
        let (Some(group), Some(resource)) = (rule.api_groups.first(), rule.resources.first()) else {
            compacted.push(rule);
            continue;
        };
        let key = (group.clone(), resource.clone(), rule.resource_names.first().cloned());
        match by_resource.get_mut(&key) {
            Some(known) => known.verbs.extend(rule.verbs),
            None => {
                by_resource.insert(key, rule);
            }
        }
    }
    compacted.extend(by_resource.into_values());
    compacted
}

fn compact_text(rule: &Rule) -> String {
    let fields = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ];
    let shown: Vec<String> = fields
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| format!("{name}:{}", list(values)))
        .collect();
    format!("{{{}}}", shown.join(", "))
}

/// A list as Go prints one of quoted strings.
fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(tree: Value) -> Rule {
        serde_json::from_value(tree).unwrap()
    }

    #[test]
    fn rules_cover_their_parts_only() {
        let own = rule(json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "*/status"]}));
        let wanted = rule(
            json!({"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods", "nodes/status", "nodes"]}),
        );
        let missing: Vec<Rule> = parts(&wanted).into_iter().filter(|part| !covers(&own, part)).collect();
        let shown: Vec<String> = compact(missing).iter().map(compact_text).collect();
        assert_eq!(
            shown,
            [
                r#"{APIGroups:[""], Resources:["nodes"], Verbs:["get" "delete"]}"#,
                r#"{APIGroups:[""], Resources:["nodes/status"], Verbs:["delete"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}"#,
            ]
        );
        let named = rule(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}));
        assert!(covers(&own, &parts(&named)[0]) && !covers(&named, &parts(&own)[0]));
        let url = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/healthz/etcd"]}));
        assert!(covers(&rule(json!({"verbs": ["*"], "nonResourceURLs": ["/healthz/*"]})), &parts(&url)[0]));
    }
}
