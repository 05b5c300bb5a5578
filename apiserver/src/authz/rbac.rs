//! RBAC: roles are lists of rules, bindings give them to users, groups and service accounts.
//!
//! Source: `pkg/registry/rbac/validation/rule.go`, `plugin/pkg/auth/authorizer/rbac`.
//! Rules are parsed once for each version of a role and kept with its revision.

use std::collections::HashMap;
use std::sync::Arc;

use apiserver_watch_cache::{Object, Scope};
use parking_lot::Mutex;
use serde::Deserialize;

use super::{Attributes, Decision};
use crate::authn::User;
use crate::server::Server;

const GROUP: &str = "rbac.authorization.k8s.io";

/// One rule of a role, in the API's own shape.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl Rule {
    /// The rules that allow everything.
    pub fn everything() -> [Rule; 2] {
        let all = || vec!["*".to_owned()];
        [
            Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
            Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
        ]
    }

    /// Whether the rule allows what is asked.
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|item| item == "*" || item == value);
        if !has(&self.verbs, attributes.verb) {
            return false;
        }
        if !attributes.is_resource {
            return self.non_resource_urls.iter().any(|url| {
                url == attributes.path || url.ends_with('*') && attributes.path.starts_with(url.trim_end_matches('*'))
            });
        }
        let resource = if attributes.subresource.is_empty() {
            has(&self.resources, attributes.resource)
        } else {
            let whole = |item: &str, resource: &str| {
                let rest = item.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/'));
                rest == Some(attributes.subresource)
            };
            self.resources.iter().any(|item| item == "*" || whole(item, "*") || whole(item, attributes.resource))
        };
        has(&self.api_groups, attributes.group)
            && resource
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|name| name == attributes.name))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Role {
    #[serde(deserialize_with = "nullable")]
    rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Binding {
    #[serde(deserialize_with = "nullable")]
    subjects: Vec<Subject>,
    role_ref: RoleRef,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    kind: String,
    name: String,
}

impl Subject {
    fn is(&self, user: &User, namespace: &str) -> bool {
        match self.kind.as_str() {
            "User" => self.name == user.name,
            "Group" => user.is_in(&self.name),
            "ServiceAccount" => {
                let namespace = if self.namespace.is_empty() { namespace } else { &self.namespace };
                user.name
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.split_once(':'))
                    .is_some_and(|(of, name)| !namespace.is_empty() && of == namespace && name == self.name)
            }
            _ => false,
        }
    }
}

/// The parsed forms of roles and bindings, by key and revision.
#[derive(Default)]
pub struct Rbac {
    roles: Mutex<HashMap<String, (i64, Arc<Role>)>>,
    bindings: Mutex<HashMap<String, (i64, Arc<Binding>)>>,
}

impl Rbac {
    pub fn decide(&self, server: &Server, attributes: &Attributes<'_>) -> Decision {
        let mut missing = Vec::new();
        let mut allowed = None;
        self.visit(server, attributes.user, attributes.namespace, &mut missing, &mut |rule, because| {
            if rule.allows(attributes) {
                allowed = Some(because());
            }
            allowed.is_none()
        });
        match allowed {
            Some(because) => Decision::Allow(format!("RBAC: allowed by {because}")),
            None if missing.is_empty() => Decision::NoOpinion(String::new()),
            None => Decision::NoOpinion(format!("RBAC: {}", super::aggregate(&missing))),
        }
    }

    /// Every rule that a user has in a namespace (and in the whole cluster), and what could not be found out.
    pub fn rules_and_problems(&self, server: &Server, user: &User, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut missing) = (Vec::new(), Vec::new());
        self.visit(server, user, namespace, &mut missing, &mut |rule, _| {
            rules.push(rule.clone());
            true
        });
        (rules, missing)
    }

    /// Shows each rule of the user until the visitor has seen enough; names roles that do not exist.
    fn visit(
        &self,
        server: &Server,
        user: &User,
        namespace: &str,
        missing: &mut Vec<String>,
        visitor: &mut dyn FnMut(&Rule, &dyn Fn() -> String) -> bool,
    ) {
        let kinds = [
            ("clusterrolebindings", "ClusterRoleBinding", Scope::all()),
            ("rolebindings", "RoleBinding", Scope::all().namespace(namespace)),
        ];
        for (resource, kind, scope) in kinds {
            if resource == "rolebindings" && namespace.is_empty() {
                continue;
            }
            let Ok(objects) = server.objects(GROUP, resource) else { continue };
            for stored in objects.cache.snapshot().list(&scope, None) {
                let Some(binding) = parsed(&self.bindings, &stored) else { continue };
                let Some(subject) = binding.subjects.iter().find(|subject| subject.is(user, stored.namespace())) else {
                    continue;
                };
                let role_resource = if binding.role_ref.kind == "Role" { "roles" } else { "clusterroles" };
                let role_namespace = if binding.role_ref.kind == "Role" { stored.namespace().as_str() } else { "" };
                let found = server
                    .objects(GROUP, role_resource)
                    .ok()
                    .and_then(|roles| roles.cache.get(&roles.key(role_namespace, &binding.role_ref.name)));
                let Some(role) = found.and_then(|role| parsed(&self.roles, &role)) else {
                    missing.push(format!(
                        "{}.{GROUP} {:?} not found",
                        binding.role_ref.kind.to_lowercase(),
                        binding.role_ref.name
                    ));
                    continue;
                };
                let because = || {
                    let own = if stored.namespace().is_empty() {
                        stored.name().to_string()
                    } else {
                        format!("{}/{}", stored.name(), stored.namespace())
                    };
                    let who = match subject.kind.as_str() {
                        "ServiceAccount" if subject.namespace.is_empty() => {
                            format!("{}/{}", subject.name, stored.namespace())
                        }
                        "ServiceAccount" => format!("{}/{}", subject.name, subject.namespace),
                        _ => subject.name.clone(),
                    };
                    format!(
                        "{kind} {own:?} of {} {:?} to {} {who:?}",
                        binding.role_ref.kind, binding.role_ref.name, subject.kind
                    )
                };
                for rule in &role.rules {
                    if !visitor(rule, &because) {
                        return;
                    }
                }
            }
        }
    }
}

/// The parsed form of an object, from the last time or made now.
fn parsed<T: for<'de> Deserialize<'de>>(
    known: &Mutex<HashMap<String, (i64, Arc<T>)>>,
    object: &Object,
) -> Option<Arc<T>> {
    let mut known = known.lock();
    if let Some((revision, value)) = known.get(object.key().as_str())
        && *revision == object.revision()
    {
        return Some(Arc::clone(value));
    }
    let value: Arc<T> = Arc::new(serde_json::from_slice(&object.json().ok()?).ok()?);
    known.insert(object.key().to_string(), (object.revision(), Arc::clone(&value)));
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: serde_json::Value, verb: &str, resource: &str, subresource: &str, name: &str) -> bool {
        let rule: Rule = serde_json::from_value(rule).unwrap();
        let user = User::default();
        rule.allows(&Attributes {
            user: &user,
            verb,
            is_resource: true,
            group: "",
            version: "v1",
            resource,
            subresource,
            namespace: "default",
            name,
            path: "",
            selectors: &crate::authz::NO_SELECTORS,
        })
    }

    #[test]
    fn rules_allow_what_they_name() {
        let rule = serde_json::json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "*/log"], "resourceNames": ["a"]});
        assert!(allows(rule.clone(), "get", "pods", "", "a"));
        assert!(allows(rule.clone(), "get", "pods", "log", "a"));
        assert!(!allows(rule.clone(), "get", "pods", "exec", "a"));
        assert!(!allows(rule.clone(), "get", "pods", "", "b"));
        assert!(!allows(rule, "list", "pods", "", ""));
    }
}
