//! Admission webhooks and policies.

use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, count, list, name, text};
use super::column::{AGE, Column, NAME};

pub static MUTATING_POLICY: Printer = Printer::new(
    &[
        NAME,
        Column::integer("Mutations", "Mutation indicates the number of mutations rules defined in this configuration"),
        Column::string("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
        AGE,
    ],
    |object, now| cells![name(object), count(&object["spec"]["mutations"]), param_kind(object), age(object, now)],
);

/// Both kinds of bindings.
pub static BINDING: Printer = Printer::new(
    &[
        NAME,
        Column::string("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
        Column::string("ParamRef", "ParamRef indicates the param resource which sets the configuration param"),
        AGE,
    ],
    |object, now| cells![name(object), text(&object["spec"]["policyName"]), param_ref(object), age(object, now)],
);

pub static VALIDATING_POLICY: Printer = Printer::new(
    &[
        NAME,
        Column::integer(
            "Validations",
            "Validations indicates the number of validation rules defined in this configuration",
        ),
        Column::string("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
        AGE,
    ],
    |object, now| cells![name(object), count(&object["spec"]["validations"]), param_kind(object), age(object, now)],
);

/// Both kinds of webhook configurations.
pub static WEBHOOKS: Printer = Printer::new(
    &[
        NAME,
        Column::integer("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration"),
        AGE,
    ],
    |object, now| cells![name(object), count(&object["webhooks"]), age(object, now)],
);

fn param_kind(policy: &Value) -> String {
    let kind = &policy["spec"]["paramKind"];
    if !kind.is_object() {
        return "<unset>".to_owned();
    }
    format!("{}/{}", text(&kind["apiVersion"]), text(&kind["kind"]))
}

/// Whether the parameter is in a namespace is not known here.
fn param_ref(binding: &Value) -> String {
    let reference = &binding["spec"]["paramRef"];
    match (text(&reference["namespace"]), text(&reference["name"])) {
        (_, "") if reference["selector"].is_object() => go_syntax(&reference["selector"]),
        (_, "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// A label selector as Go's generated `String` writes it.
fn go_syntax(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels: String = labels.map(|(key, value)| format!("{key}: {},", text(value))).collect();
    let expressions: String = list(&selector["matchExpressions"])
        .iter()
        .map(|expression| {
            let values: Vec<_> = list(&expression["values"]).iter().map(text).collect();
            format!(
                "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
                text(&expression["key"]),
                text(&expression["operator"]),
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn policies() {
        let kind = json!({"apiVersion": "rules.example.com/v1", "kind": "Limit"});
        let object = json!({"spec": {"validations": [{}, {}], "paramKind": kind}});
        shows(&VALIDATING_POLICY, object, json!(["x", 2, "rules.example.com/v1/Limit", "60s"]));
        shows(&MUTATING_POLICY, json!({"spec": {"mutations": [{}]}}), json!(["x", 1, "<unset>", "60s"]));
    }

    #[test]
    fn bindings() {
        for (reference, expected) in [
            (json!(null), "<unset>"),
            (json!({"name": "p"}), "*/p"),
            (json!({"name": "p", "namespace": "ns"}), "ns/p"),
            (
                json!({"selector": {
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [{"key": "k", "operator": "In", "values": ["v", "w"]}],
                }}),
                "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{\
                 LabelSelectorRequirement{Key:k,Operator:In,Values:[v w],},},}",
            ),
        ] {
            let object = json!({"spec": {"policyName": "policy", "paramRef": reference}});
            shows(&BINDING, object, json!(["x", "policy", expected, "60s"]));
        }
    }

    #[test]
    fn webhooks() {
        shows(&WEBHOOKS, json!({"webhooks": [{}, {}]}), json!(["x", 2, "60s"]));
    }
}
