//! What a request about many objects selects of them, as far as authorizers may know it.
//!
//! Source: apiserver `pkg/endpoints/filters/authorization.go`, `pkg/registry/authorization/util`. All terms must hold,
//! so one that is left out makes the question broader: an answer may refuse too much for it, never allow too much.

use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::object::{items, text};
use crate::resources::names::{label_value, qualified_name};
use crate::selector::{FieldSelector, FieldTerm, LabelSelector, Operator, Requirement};

/// The terms of a field selector and of a label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors {
    pub fields: Vec<FieldTerm>,
    pub labels: Vec<Requirement>,
    /// Terms were left out because nobody could understand them.
    fields_failed: bool,
    labels_failed: bool,
}

/// For questions that are about no selection.
pub static NO_SELECTORS: Selectors =
    Selectors { fields: Vec::new(), labels: Vec::new(), fields_failed: false, labels_failed: false };

impl Selectors {
    /// Reads selectors as they stand in a URL. What is malformed selects nothing less than everything.
    pub fn of_texts(fields: &str, labels: &str) -> Selectors {
        let mut selectors = Selectors::default();
        match FieldSelector::parse(fields) {
            Ok(parsed) => selectors.fields = parsed.0,
            Err(_) => selectors.fields_failed = true,
        }
        match LabelSelector::parse(labels) {
            Ok(parsed) => selectors.labels = parsed.0,
            Err(_) => selectors.labels_failed = true,
        }
        selectors
    }

    /// Reads the selectors of a `ResourceAttributes` of authorization.k8s.io.
    pub fn of_attributes(attributes: &Value) -> Selectors {
        let (fields, labels) = (&attributes["fieldSelector"], &attributes["labelSelector"]);
        let mut selectors = Selectors::of_texts(text(&fields["rawSelector"]), text(&labels["rawSelector"]));
        let requirements = items(&fields["requirements"]);
        if !requirements.is_empty() {
            selectors.fields = requirements.iter().filter_map(field_term).collect();
            selectors.fields_failed = selectors.fields.len() < requirements.len();
        }
        let requirements = items(&labels["requirements"]);
        if !requirements.is_empty() {
            selectors.labels = requirements.iter().filter_map(label_requirement).collect();
            selectors.labels_failed = selectors.labels.len() < requirements.len();
        }
        selectors
    }

    /// Whether only objects are selected whose field has this value.
    pub fn asks_for(&self, field: &str, value: &str) -> bool {
        self.fields.iter().any(|term| term.equal && term.field == field && term.value == value)
    }

    /// What of a review's selectors was left out, in upstream's words.
    pub fn problems(&self) -> Option<String> {
        let of = [
            (self.fields_failed, self.fields.is_empty(), "fieldSelector"),
            (self.labels_failed, self.labels.is_empty(), "labelSelector"),
        ];
        let problems: Vec<String> = of
            .into_iter()
            .filter(|(failed, ..)| *failed)
            .map(|(_, all, name)| {
                let how = if all { "ignored" } else { "partially ignored" };
                format!("spec.resourceAttributes.{name} {how} due to parse error")
            })
            .collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// The terms about fields as `FieldSelectorRequirement`s.
    pub fn field_requirements(&self) -> Vec<Value> {
        self.fields
            .iter()
            .map(|term| {
                let operator = if term.equal { "In" } else { "NotIn" };
                json!({"key": term.field.as_str(), "operator": operator, "values": [term.value.as_str()]})
            })
            .collect()
    }

    /// The terms about labels as `LabelSelectorRequirement`s; those that compare numbers have no such form.
    pub fn label_requirements(&self) -> Vec<Value> {
        self.labels
            .iter()
            .filter_map(|requirement| {
                let operator = match requirement.operator {
                    Operator::In => "In",
                    Operator::NotIn => "NotIn",
                    Operator::Exists => "Exists",
                    Operator::DoesNotExist => "DoesNotExist",
                    Operator::GreaterThan | Operator::LessThan => return None,
                };
                let mut tree = json!({"key": requirement.key.as_str(), "operator": operator});
                if !requirement.values.is_empty() {
                    tree["values"] = requirement.values.iter().map(SmolStr::as_str).collect();
                }
                Some(tree)
            })
            .collect()
    }
}

/// One value for one field: nothing else is understood yet.
fn field_term(requirement: &Value) -> Option<FieldTerm> {
    let equal = match text(&requirement["operator"]) {
        "In" => true,
        "NotIn" => false,
        _ => return None,
    };
    let [value] = items(&requirement["values"]) else { return None };
    Some(FieldTerm { field: text(&requirement["key"]).into(), equal, value: text(value).into() })
}

fn label_requirement(requirement: &Value) -> Option<Requirement> {
    let (operator, takes_values) = match text(&requirement["operator"]) {
        "In" => (Operator::In, true),
        "NotIn" => (Operator::NotIn, true),
        "Exists" => (Operator::Exists, false),
        "DoesNotExist" => (Operator::DoesNotExist, false),
        _ => return None,
    };
    let key = text(&requirement["key"]);
    let mut values: Vec<SmolStr> = items(&requirement["values"]).iter().map(|value| text(value).into()).collect();
    let is_valid = qualified_name(key).is_none()
        && values.is_empty() != takes_values
        && values.iter().all(|value| label_value(value).is_none());
    values.sort_unstable();
    values.dedup();
    is_valid.then(|| Requirement { key: key.into(), operator, values })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terms_that_nobody_understands_are_left_out() {
        let selectors = Selectors::of_texts("spec.nodeName=a,x!=y", "b in (d,c),n>5");
        assert!(selectors.asks_for("spec.nodeName", "a") && !selectors.asks_for("x", "y"));
        assert_eq!(selectors.problems(), None);
        assert_eq!(selectors.label_requirements(), [json!({"key": "b", "operator": "In", "values": ["c", "d"]})]);
        let selectors = Selectors::of_attributes(&json!({
            "fieldSelector": {"requirements": [
                {"key": "a", "operator": "In", "values": ["b"]}, {"key": "a", "operator": "In", "values": ["b", "c"]},
            ]},
            "labelSelector": {"rawSelector": "a in"},
        }));
        assert_eq!(selectors.field_requirements(), [json!({"key": "a", "operator": "In", "values": ["b"]})]);
        assert_eq!(
            selectors.problems().as_deref(),
            Some(
                "spec.resourceAttributes.fieldSelector partially ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error"
            )
        );
    }

    prop_compose! {
        fn requirement()(
            key in "[a-z./-]{0,6}",
            operator in prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist", "Gt", ""]),
            values in prop::collection::vec("[a-z-]{0,3}", 0..3),
        ) -> Value {
            json!({"key": key, "operator": operator, "values": values})
        }
    }

    proptest! {
        /// What was understood of a question can be asked again, and means the same; nothing is made up.
        #[test]
        fn what_is_understood_is_understood_again(
            fields in prop::collection::vec(requirement(), 0..4),
            labels in prop::collection::vec(requirement(), 0..4),
        ) {
            let attributes = json!({
                "fieldSelector": {"requirements": fields}, "labelSelector": {"requirements": labels},
            });
            let first = Selectors::of_attributes(&attributes);
            let (of_fields, of_labels) = (first.field_requirements(), first.label_requirements());
            prop_assert!(of_fields.len() <= fields.len() && of_labels.len() <= labels.len());
            prop_assert_eq!(
                first.problems().is_none(),
                of_fields.len() == fields.len() && of_labels.len() == labels.len()
            );
            let again = Selectors::of_attributes(&json!({
                "fieldSelector": {"requirements": of_fields}, "labelSelector": {"requirements": of_labels},
            }));
            prop_assert_eq!(again.problems(), None);
            prop_assert_eq!((again.fields, again.labels), (first.fields, first.labels));
        }

        #[test]
        fn no_selector_of_a_review_makes_it_panic(fields in ".{0,24}", labels in "[a-c=!<>(),. /\\\\in-]{0,24}") {
            let attributes = json!({"fieldSelector": {"rawSelector": fields}, "labelSelector": {"rawSelector": labels}});
            let is_malformed = FieldSelector::parse(&fields).is_err() || LabelSelector::parse(&labels).is_err();
            prop_assert_eq!(Selectors::of_attributes(&attributes).problems().is_some(), is_malformed);
        }
    }
}
