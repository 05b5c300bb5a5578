//! The shape of the roles and bindings that every cluster begins with.

use serde_json::{Value, json};

/// A Role or, without a namespace, a ClusterRole.
pub struct Role {
    pub namespace: &'static str,
    pub name: &'static str,
    /// Labels whose value is `true`: how roles are aggregated into others.
    pub labels: &'static [&'static str],
    /// Labels of the roles that this one is made of.
    pub aggregates: &'static [&'static str],
    pub rules: &'static [Rule],
}

/// One rule of a role.
pub struct Rule {
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    names: &'static [&'static str],
    urls: &'static [&'static str],
}

/// A rule about resources.
pub const fn rule(
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
) -> Rule {
    Rule { verbs, groups, resources, names: &[], urls: &[] }
}

/// A rule about paths that are no resources.
pub const fn urls(verbs: &'static [&'static str], urls: &'static [&'static str]) -> Rule {
    Rule { verbs, groups: &[], resources: &[], names: &[], urls }
}

impl Rule {
    /// Only for objects of these names.
    pub const fn named(mut self, names: &'static [&'static str]) -> Rule {
        self.names = names;
        self
    }

    fn tree(&self) -> Value {
        if !self.urls.is_empty() {
            return json!({"verbs": self.verbs, "nonResourceURLs": self.urls});
        }
        let mut tree = json!({"verbs": self.verbs, "apiGroups": self.groups, "resources": self.resources});
        if !self.names.is_empty() {
            tree["resourceNames"] = json!(self.names);
        }
        tree
    }
}

/// A RoleBinding or, without a namespace, a ClusterRoleBinding.
pub struct Binding {
    pub namespace: &'static str,
    pub name: &'static str,
    pub role_kind: &'static str,
    pub role: &'static str,
    pub subjects: &'static [Subject],
}

/// Who a binding is for.
pub enum Subject {
    User(&'static str),
    Group(&'static str),
    /// Namespace and name.
    ServiceAccount(&'static str, &'static str),
}

const GROUP: &str = "rbac.authorization.k8s.io";

fn metadata(namespace: &str, name: &str, labels: &[&str]) -> Value {
    let mut metadata = json!({
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    });
    for label in labels {
        metadata["labels"][*label] = "true".into();
    }
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

impl Role {
    pub fn tree(&self) -> Value {
        let mut tree = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": if self.namespace.is_empty() { "ClusterRole" } else { "Role" },
            "metadata": metadata(self.namespace, self.name, self.labels),
            "rules": self.rules.iter().map(Rule::tree).collect::<Vec<_>>(),
        });
        if !self.aggregates.is_empty() {
            let selectors: Vec<_> =
                self.aggregates.iter().map(|label| json!({"matchLabels": {*label: "true"}})).collect();
            tree["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
            tree["rules"] = Value::Null;
        }
        tree
    }
}

impl Binding {
    pub fn tree(&self) -> Value {
        let subjects: Vec<_> = self
            .subjects
            .iter()
            .map(|subject| match subject {
                Subject::User(name) => json!({"kind": "User", "apiGroup": GROUP, "name": name}),
                Subject::Group(name) => json!({"kind": "Group", "apiGroup": GROUP, "name": name}),
                Subject::ServiceAccount(namespace, name) => {
                    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
                }
            })
            .collect();
        let mut tree = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": if self.namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" },
            "metadata": metadata(self.namespace, self.name, &[]),
            "roleRef": {"apiGroup": GROUP, "kind": self.role_kind, "name": self.role},
        });
        if !subjects.is_empty() {
            tree["subjects"] = Value::Array(subjects);
        }
        tree
    }
}
