//! The expressions of a policy against the types of the objects that it is about.
//!
//! Source: apiserver `pkg/admission/plugin/policy/validating/typechecking.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use apiserver_cel::{
    DeclType, Program, Unusable,
    admission::{VariablesType, typed_environment},
};
use k8s_openapi::api::admissionregistration::v1::{NamedRuleWithOperations, ValidatingAdmissionPolicy, Variable};
use kube::Client;

use super::schemas::{GroupVersionKind, declared};
use crate::discovery::{self, Served};

/// How many kinds of one rule are looked at.
const MAX_TYPES: usize = 10;

/// The types that the variables of a policy's expressions have.
struct Types {
    objects: Vec<(GroupVersionKind, Arc<DeclType>)>,
    /// None where the policy takes no parameters, and of no type where that is not known.
    params: Option<Option<Arc<DeclType>>>,
}

/// The warnings about a policy: the field, and what is wrong with the expression in it.
///
/// # Errors
/// The API server does not say which types there are.
pub async fn check(client: &Client, policy: &ValidatingAdmissionPolicy) -> Result<Vec<(String, String)>> {
    let Some(spec) = &policy.spec else { return Ok(Vec::new()) };
    let rules = spec.match_constraints.iter().flat_map(|constraints| constraints.resource_rules.iter().flatten());
    let rules: Vec<&NamedRuleWithOperations> = rules.collect();
    let served = if rules.is_empty() { Vec::new() } else { discovery::served(client).await? };
    let mut objects = Vec::new();
    for kind in kinds(&rules, &served) {
        if let Some(declared) = declared(client, &kind).await? {
            objects.push((kind, declared));
        }
    }
    let params = match &spec.param_kind {
        None => None,
        Some(kind) => {
            let api_version = kind.api_version.as_deref().unwrap_or_default();
            let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
            let kind = kind.kind.clone().unwrap_or_default();
            let kind = GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind };
            Some(declared(client, &kind).await?)
        }
    };
    let types = Types { objects, params };
    let variables = spec.variables.as_deref().unwrap_or_default();
    let mut warnings = Vec::new();
    for (index, validation) in spec.validations.iter().flatten().enumerate() {
        let message = validation.message_expression.as_deref().unwrap_or_default();
        for (field, expression) in [("expression", validation.expression.as_str()), ("messageExpression", message)] {
            let problems = if expression.is_empty() { Vec::new() } else { types.problems(variables, expression) };
            if !problems.is_empty() {
                warnings.push((format!("spec.validations[{index}].{field}"), problems.join("\n")));
            }
        }
    }
    Ok(warnings)
}

impl Types {
    fn problems(&self, variables: &[Variable], expression: &str) -> Vec<String> {
        let params = self.params.as_ref().map(Option::as_ref);
        let mut problems = Vec::new();
        for (kind, object) in &self.objects {
            let mut known = Arc::new(VariablesType::default());
            for variable in variables {
                let env = typed_environment(object, params, &known);
                let program = Program::compile(&env, &variable.expression).ok();
                known = Arc::new(known.with(&variable.name, program.as_ref().map(Program::output_type)));
            }
            // Only types count here, not whether constants have values.
            if let Err(Unusable::Compile(error)) =
                Program::compile(&typed_environment(object, params, &known), expression)
            {
                problems.push(format!("{}/{}, Kind={}: {error}\n", kind.group, kind.version, kind.kind));
            }
        }
        problems
    }
}

/// The kinds that rules name, where they name them plainly.
fn kinds(rules: &[&NamedRuleWithOperations], served: &[Served]) -> BTreeSet<GroupVersionKind> {
    let mut kinds = BTreeSet::new();
    for rule in rules {
        let plain = |list: &Option<Vec<String>>| {
            let mut list = list.clone().unwrap_or_default();
            list.sort();
            list
        };
        let (groups, versions) = (plain(&rule.api_groups), plain(&rule.api_versions));
        if groups.iter().chain(&versions).any(|name| name.contains('*')) {
            continue;
        }
        let mut resources = plain(&rule.resources);
        resources.retain(|name| !name.contains(['*', '/']));
        let mut count = 0;
        for group in &groups {
            for version in &versions {
                for resource in &resources {
                    // The core group's empty name is taken for any group.
                    let found = served.iter().filter(|served| {
                        (group.is_empty() || served.group == *group)
                            && served.version == *version
                            && (served.plural == *resource || served.singular == *resource)
                    });
                    for served in found {
                        kinds.insert(GroupVersionKind {
                            group: served.group.clone(),
                            version: served.version.clone(),
                            kind: served.kind.clone(),
                        });
                        count += 1;
                        if count == MAX_TYPES {
                            // Upstream looks at no further rule either.
                            return kinds;
                        }
                    }
                }
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_are_checked_against_every_kind() {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        }});
        let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() };
        let types = Types { objects: vec![(kind, DeclType::from_schema(&schema, true).unwrap())], params: Some(None) };
        let variables = [Variable { name: "n".into(), expression: "object.spec.replicas".into() }];
        assert_eq!(types.problems(&variables, "variables.n > 1 && params.whatever"), Vec::<String>::new());
        let problems = types.problems(&variables, "object.spec.replicsa > 1");
        assert_eq!(
            problems,
            ["apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replicsa'\n \
              | object.spec.replicsa > 1\n | ...........^\n"]
        );
        assert_eq!(types.problems(&variables, "variables.n == 'x'").len(), 1);
    }

    #[test]
    fn plain_names_are_looked_up_and_wildcards_are_not() {
        let served = |group: &str, kind: &str| Served {
            group: group.into(),
            version: "v1".into(),
            plural: format!("{}s", kind.to_lowercase()),
            singular: kind.to_lowercase(),
            kind: kind.into(),
        };
        let served =
            [served("", "Pod"), served("apps", "Deployment"), served("events.k8s.io", "Event"), served("", "Event")];
        let rule = |group: &str, resource: &str| NamedRuleWithOperations {
            api_groups: Some(vec![group.into()]),
            api_versions: Some(vec!["v1".into()]),
            resources: Some(vec![resource.into()]),
            ..NamedRuleWithOperations::default()
        };
        let found = |rule: NamedRuleWithOperations| {
            kinds(&[&rule], &served).into_iter().map(|kind| format!("{}/{}", kind.group, kind.kind)).collect::<Vec<_>>()
        };
        assert_eq!(found(rule("apps", "deployments")), ["apps/Deployment"]);
        assert_eq!(found(rule("", "events")), ["/Event", "events.k8s.io/Event"]);
        assert_eq!(found(rule("*", "pods")), Vec::<String>::new());
        assert_eq!(found(rule("", "pods/status")), Vec::<String>::new());
    }
}
