//! `MatchResources`: which requests a policy or a binding is about.
//!
//! Source: apiserver `pkg/admission/plugin/policy/matching`.

use std::slice;

use serde_json::{Value, json};

use super::super::Attributes;
use super::super::matching::{self, Rule, Seen};
use crate::object::{items, text};
use crate::selector::LabelSelector;
use crate::status::Result;

#[derive(Debug)]
pub struct Constraints {
    namespaces: LabelSelector,
    objects: LabelSelector,
    rules: Vec<Named>,
    excluded: Vec<Named>,
    equivalent: bool,
}

/// A rule, and the names that it is about; about all if there are none.
#[derive(Debug)]
struct Named {
    rule: Rule,
    names: Vec<String>,
}

fn read_rules(list: &Value) -> Vec<Named> {
    let read = |rule: &Value| Named {
        rule: Rule::read(rule),
        names: items(&rule["resourceNames"]).iter().map(|name| text(name).to_owned()).collect(),
    };
    items(list).iter().map(read).collect()
}

impl Constraints {
    /// Reads a `MatchResources`.
    pub fn read(resources: &Value) -> Constraints {
        Constraints {
            namespaces: LabelSelector::of(&resources["namespaceSelector"]),
            objects: LabelSelector::of(&resources["objectSelector"]),
            rules: read_rules(&resources["resourceRules"]),
            excluded: read_rules(&resources["excludeResourceRules"]),
            equivalent: resources["matchPolicy"] != "Exact",
        }
    }

    /// How the policy sees the request, if it is about it.
    ///
    /// # Errors
    /// The namespace is gone.
    pub async fn wants(&self, attributes: &Attributes<'_>, object: &Value) -> Result<Option<Seen>> {
        let in_namespace = matching::namespace_is_selected(&self.namespaces, attributes, object).await;
        if matches!(in_namespace, Ok(false)) || !matching::object_is_selected(&self.objects, attributes, object) {
            return Ok(None);
        }
        if self.seen(&self.excluded, attributes).is_some() {
            return Ok(None);
        }
        let seen = if self.rules.is_empty() {
            let everything =
                json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]});
            matching::seen(&[Rule::read(&everything)], false, attributes)
        } else {
            self.seen(&self.rules, attributes)
        };
        if seen.is_some() {
            in_namespace?;
        }
        Ok(seen)
    }

    fn seen(&self, rules: &[Named], attributes: &Attributes<'_>) -> Option<Seen> {
        let named = |rule: &&Named| rule.names.is_empty() || rule.names.iter().any(|name| name == attributes.name);
        let find = |equivalent| {
            rules
                .iter()
                .filter(named)
                .find_map(|rule| matching::seen(slice::from_ref(&rule.rule), equivalent, attributes))
        };
        // All rules are tried as they are before any is tried in another version.
        find(false).or_else(|| self.equivalent.then(|| find(true)).flatten())
    }
}
