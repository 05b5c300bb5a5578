//! Which requests a webhook or a policy is about: rules, equivalent versions, selectors.
//!
//! Source: apiserver `pkg/admission/plugin/webhook/predicates`, `generic/webhook.go`.

use serde_json::Value;

use super::{Attributes, Operation};
use crate::object::{self, items, text};
use crate::selector::LabelSelector;
use crate::status::{GroupResource, Result, Status};

/// A `RuleWithOperations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

/// A request as the one who is asked about it sees it: in a version that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub group: String,
    pub version: String,
    pub resource: String,
    /// Group, version and kind of the object.
    pub kind: (String, String, String),
}

impl Seen {
    /// The `apiVersion` of the object.
    pub fn api_version(&self) -> String {
        crate::resources::api_version(&self.kind.0, &self.kind.1)
    }
}

fn strings(list: &Value) -> Vec<String> {
    items(list).iter().map(|value| text(value).to_owned()).collect()
}

impl Rule {
    pub fn read(rule: &Value) -> Rule {
        Rule {
            operations: strings(&rule["operations"]),
            groups: strings(&rule["apiGroups"]),
            versions: strings(&rule["apiVersions"]),
            resources: strings(&rule["resources"]),
            scope: text(&rule["scope"]).to_owned(),
        }
    }

    fn matches(&self, attributes: &Attributes<'_>, group: &str, version: &str, resource: &str) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|item| item == "*" || item == value);
        let in_namespace = !attributes.namespace.is_empty() && !attributes.is_of("", "namespaces");
        let scope = match self.scope.as_str() {
            "Namespaced" => in_namespace,
            "Cluster" => !in_namespace,
            _ => true,
        };
        let named = self.resources.iter().any(|item| {
            let (wanted, subresource) = item.split_once('/').unwrap_or((item, ""));
            (wanted == "*" || wanted == resource) && (subresource == "*" || subresource == attributes.subresource)
        });
        scope
            && named
            && has(&self.operations, attributes.operation.name())
            && has(&self.groups, group)
            && has(&self.versions, version)
    }
}

/// The request as the first rule that matches names it: as it is, or in another version (or group) in which the
/// same objects are served.
pub fn seen(rules: &[Rule], equivalent: bool, attributes: &Attributes<'_>) -> Option<Seen> {
    let resource = attributes.target.resource();
    let version = &attributes.target.version.name;
    let kind = attributes.kind;
    if rules.iter().any(|rule| rule.matches(attributes, &resource.group, version, &resource.plural)) {
        return Some(Seen {
            group: resource.group.to_string(),
            version: version.to_string(),
            resource: resource.plural.to_string(),
            kind: (kind.group.to_owned(), kind.version.to_owned(), kind.kind.to_owned()),
        });
    }
    if !equivalent {
        return None;
    }
    let own_kind = kind.kind == resource.kind;
    let storage = resource.storage.as_ref()?;
    let server = attributes.server();
    let installed = server.custom.installed(&resource.group, &resource.plural);
    let custom = installed.iter().flat_map(|custom| &custom.rows);
    let same = server
        .all()
        .iter()
        .chain(custom)
        .filter(|served| served.resource.storage.as_ref().is_some_and(|other| other.prefix == storage.prefix));
    let others: Vec<_> = same
        .flat_map(|served| served.resource.versions.iter().map(move |version| (&served.resource, version)))
        .filter(|(other, of)| !(other.group == resource.group && of.name == *version))
        .collect();
    for rule in rules {
        let found = others.iter().find(|(other, of)| rule.matches(attributes, &other.group, &of.name, &other.plural));
        if let Some((other, of)) = found {
            let kind = if own_kind {
                (other.group.to_string(), of.name.to_string(), other.kind.to_string())
            } else {
                (kind.group.to_owned(), kind.version.to_owned(), kind.kind.to_owned())
            };
            return Some(Seen {
                group: other.group.to_string(),
                version: of.name.to_string(),
                resource: other.plural.to_string(),
                kind,
            });
        }
    }
    None
}

/// Whether the request is about webhooks or policies: neither may stand in the way of mending them.
pub fn is_exempt(attributes: &Attributes<'_>) -> bool {
    attributes.kind.group == "admissionregistration.k8s.io"
        && matches!(
            attributes.kind.kind,
            "ValidatingWebhookConfiguration"
                | "MutatingWebhookConfiguration"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
        )
}

/// Whether the namespace of a request is selected. What is in no namespace is.
///
/// # Errors
/// The namespace is gone.
pub async fn namespace_is_selected(
    selector: &LabelSelector,
    attributes: &Attributes<'_>,
    object: &Value,
) -> Result<bool> {
    let about_namespaces = attributes.target.resource().plural == "namespaces";
    if selector.is_empty() || attributes.namespace.is_empty() && !about_namespaces {
        return Ok(true);
    }
    let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
    if about_namespaces && attributes.subresource.is_empty() && writes {
        return Ok(selects(selector, object));
    }
    let found = attributes.server().find("", "namespaces", "", attributes.namespace).await?;
    let of = GroupResource { group: "", resource: "namespaces" };
    let namespace = found.ok_or_else(|| Status::not_found(of, attributes.namespace))?;
    Ok(selects(selector, &namespace))
}

/// Whether the object of a request is selected, as it is or as it was.
pub fn object_is_selected(selector: &LabelSelector, attributes: &Attributes<'_>, object: &Value) -> bool {
    selector.is_empty()
        || object.is_object() && selects(selector, object)
        || attributes.old.is_some_and(|old| selects(selector, old))
}

fn selects(selector: &LabelSelector, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    selector.matches(|key| labels[key].as_str())
}

/// An object of a request in another version of its kind.
///
/// # Errors
/// A webhook that converts custom resources fails.
pub async fn convert(attributes: &Attributes<'_>, object: &Value, seen: &Seen) -> std::result::Result<Value, String> {
    if !object.is_object() {
        return Ok(object.clone());
    }
    let to = seen.api_version();
    let mut object = in_version(attributes, object.clone(), &attributes.trees_api_version(), &to).await?;
    object::set(&mut object, &["apiVersion"], to);
    object::set(&mut object, &["kind"], seen.kind.2.as_str());
    Ok(object)
}

/// An object that was changed in the version in which it was shown, in the request's again.
///
/// # Errors
/// As [`convert`].
pub async fn convert_back(
    attributes: &Attributes<'_>,
    object: Value,
    seen: &Seen,
) -> std::result::Result<Value, String> {
    in_version(attributes, object, &seen.api_version(), &attributes.trees_api_version()).await
}

async fn in_version(
    attributes: &Attributes<'_>,
    mut object: Value,
    from: &str,
    to: &str,
) -> std::result::Result<Value, String> {
    if from == to {
        return Ok(object);
    }
    if let Some(custom) = attributes.target.custom() {
        return custom.to_version(attributes.server(), object, to).await;
    }
    attributes.target.resource().hooks.convert(&mut object, from, to);
    object::set(&mut object, &["apiVersion"], to);
    Ok(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_read_what_they_name() {
        let rule = Rule::read(&json!({
            "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/*"], "scope": "*",
        }));
        assert_eq!(
            (rule.operations, rule.resources, rule.scope.as_str()),
            (vec!["CREATE".to_owned()], vec!["pods/*".to_owned()], "*")
        );
    }
}
