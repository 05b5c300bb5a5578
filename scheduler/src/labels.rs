//! Labels of pods and namespaces, and label selectors parsed once.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Labels sorted by key, shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

impl Labels {
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        Some(&self.0[at].1)
    }
}

impl From<Option<&BTreeMap<String, String>>> for Labels {
    fn from(map: Option<&BTreeMap<String, String>>) -> Self {
        let pairs = map.into_iter().flatten();
        Labels(pairs.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect())
    }
}

/// What a requirement asks of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Operator {
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
    Exists,
    DoesNotExist,
}

/// A parsed label selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// What an absent selector means in most places.
    Nothing,
    /// All of these; none at all selects everything.
    All(Vec<Requirement>),
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: Box<str>,
    operator: Operator,
}

impl Selector {
    /// Parses a selector; none selects nothing, an unknown operator too (the API server admits none).
    pub fn parse(selector: Option<&LabelSelector>) -> Self {
        let Some(selector) = selector else { return Selector::Nothing };
        let labels = selector.match_labels.iter().flatten();
        let mut all: Vec<Requirement> = labels.map(|(key, value)| Requirement::equals(key, value)).collect();
        for expression in selector.match_expressions.iter().flatten() {
            let values = expression.values.iter().flatten().map(|value| value.as_str().into()).collect();
            let operator = match expression.operator.as_str() {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return Selector::Nothing,
            };
            all.push(Requirement { key: expression.key.as_str().into(), operator });
        }
        Selector::All(all)
    }

    /// The selector with one more label asked for.
    pub fn and(mut self, key: &str, value: &str) -> Self {
        if let Selector::All(all) = &mut self {
            all.push(Requirement::equals(key, value));
        }
        self
    }

    /// Everything that has all these labels.
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        Selector::All(labels.into_iter().map(|(key, value)| Requirement::equals(key, value)).collect())
    }

    /// What both select.
    pub fn both(self, other: &Selector) -> Self {
        match (self, other) {
            (Selector::All(mut all), Selector::All(others)) => {
                all.extend(others.iter().cloned());
                Selector::All(all)
            }
            _ => Selector::Nothing,
        }
    }

    /// True where nothing is asked for, so that everything is selected.
    pub fn is_everything(&self) -> bool {
        matches!(self, Selector::All(all) if all.is_empty())
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Selector::Nothing => false,
            Selector::All(all) => all.iter().all(|requirement| requirement.matches(labels)),
        }
    }
}

impl Requirement {
    fn equals(key: &str, value: &str) -> Self {
        Requirement { key: key.into(), operator: Operator::In(vec![value.into()]) }
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let among = |values: &[Box<str>]| value.is_some_and(|value| values.iter().any(|wanted| **wanted == *value));
        match &self.operator {
            Operator::In(values) => among(values),
            Operator::NotIn(values) => !among(values),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors() {
        let map = BTreeMap::from([("app".to_string(), "web".to_string()), ("tier".to_string(), "front".to_string())]);
        let labels = Labels::from(Some(&map));
        for (selector, matches) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "web", "tier": "back"}}), false),
            (json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}), false),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "Near"}]}), false),
        ] {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(Selector::parse(Some(&parsed)).matches(&labels), matches, "{selector}");
        }
        assert!(!Selector::parse(None).matches(&labels));
    }
}
