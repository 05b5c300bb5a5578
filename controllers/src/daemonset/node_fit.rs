//! Whether a node fits a pod template: node selector, required node affinity, taints. Pure.

use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Toleration};
use kube::ResourceExt;

use crate::tainteviction::tolerates;

/// Key, effect, and whether only pods on the host's network get it.
const TOLERATIONS: [(&str, &str, bool); 7] = [
    ("node.kubernetes.io/not-ready", "NoExecute", false),
    ("node.kubernetes.io/unreachable", "NoExecute", false),
    ("node.kubernetes.io/disk-pressure", "NoSchedule", false),
    ("node.kubernetes.io/memory-pressure", "NoSchedule", false),
    ("node.kubernetes.io/pid-pressure", "NoSchedule", false),
    ("node.kubernetes.io/unschedulable", "NoSchedule", false),
    ("node.kubernetes.io/network-unavailable", "NoSchedule", true),
];

/// Whether a pod should be started there, and whether one that runs there should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub start: bool,
    pub keep: bool,
}

/// `spec` is the template's, as the user wrote it.
pub fn fit(spec: &PodSpec, node: &Node) -> Fit {
    let name = node.name_any();
    let named = spec.node_name.as_ref().is_none_or(|wanted| wanted.is_empty() || *wanted == name);
    let labels = node.labels();
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    if !named || !selected || required.is_some_and(|selector| !matches(selector, node)) {
        return Fit { start: false, keep: false };
    }
    let mut tolerant = spec.clone();
    add_tolerations(&mut tolerant);
    let tolerations = tolerant.tolerations.unwrap_or_default();
    let untolerated = |effects: &[&str]| {
        let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        let mut relevant = taints.filter(|taint| effects.contains(&taint.effect.as_str()));
        relevant.any(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
    };
    Fit { start: !untolerated(&["NoSchedule", "NoExecute"]), keep: !untolerated(&["NoExecute"]) }
}

/// The tolerations every pod of a DaemonSet has.
pub fn add_tolerations(spec: &mut PodSpec) {
    let host_network = spec.host_network == Some(true);
    let tolerations = spec.tolerations.get_or_insert_default();
    for (key, effect, only_host) in TOLERATIONS {
        if only_host && !host_network {
            continue;
        }
        tolerations.retain(|old| old.key.as_deref() != Some(key) || old.effect.as_deref() != Some(effect));
        tolerations.push(Toleration {
            key: Some(key.to_string()),
            operator: Some("Exists".to_string()),
            effect: Some(effect.to_string()),
            ..Toleration::default()
        });
    }
}

/// Lets the scheduler place the pod on this node only; other required affinity was met by choosing the node.
pub fn bind_by_affinity(spec: &mut PodSpec, node: &str) {
    let field = NodeSelectorRequirement {
        key: "metadata.name".to_string(),
        operator: "In".to_string(),
        values: Some(vec![node.to_string()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![field]), match_expressions: None };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution =
        Some(NodeSelector { node_selector_terms: vec![term] });
}

/// Any of the terms; a term without requirements matches nothing.
fn matches(selector: &NodeSelector, node: &Node) -> bool {
    selector.node_selector_terms.iter().any(|term| {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        let name = node.name_any();
        (!expressions.is_empty() || !fields.is_empty())
            && expressions.iter().all(|expression| holds(expression, node.labels().get(&expression.key)))
            && fields.iter().all(|field| holds(field, (field.key == "metadata.name").then_some(&name)))
    })
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&String>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, than)| value > than),
        "Lt" => numbers().is_some_and(|(value, than)| value < than),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{NodeSpec, Taint};

    use super::*;

    fn node(labels: &[(&str, &str)], taints: &[(&str, &str)]) -> Node {
        let mut node = Node::default();
        node.metadata.name = Some("n".into());
        node.metadata.labels = Some(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
        let taints = taints.iter().map(|(key, effect)| Taint {
            key: (*key).into(),
            effect: (*effect).into(),
            ..Taint::default()
        });
        node.spec = Some(NodeSpec { taints: Some(taints.collect()), ..NodeSpec::default() });
        node
    }

    #[test]
    fn selectors_and_taints() {
        let mut spec = PodSpec::default();
        let both = |start, keep| Fit { start, keep };
        assert_eq!(fit(&spec, &node(&[], &[])), both(true, true));
        assert_eq!(fit(&spec, &node(&[], &[("x", "NoSchedule")])), both(false, true));
        assert_eq!(fit(&spec, &node(&[], &[("x", "NoExecute")])), both(false, false));
        assert_eq!(fit(&spec, &node(&[], &[("node.kubernetes.io/unreachable", "NoExecute")])), both(true, true));
        spec.node_selector = Some([("a".to_string(), "b".to_string())].into());
        assert_eq!(fit(&spec, &node(&[], &[])), both(false, false));
        assert_eq!(fit(&spec, &node(&[("a", "b")], &[])), both(true, true));
    }

    #[test]
    fn operators() {
        let requirement = |operator: &str, values: &[&str]| NodeSelectorRequirement {
            key: "k".into(),
            operator: operator.into(),
            values: Some(values.iter().map(|value| (*value).into()).collect()),
        };
        let five = "5".to_string();
        assert!(holds(&requirement("In", &["5"]), Some(&five)));
        assert!(holds(&requirement("NotIn", &["5"]), None));
        assert!(holds(&requirement("Gt", &["4"]), Some(&five)));
        assert!(!holds(&requirement("Lt", &["4"]), Some(&five)));
        assert!(holds(&requirement("DoesNotExist", &[]), None));
        let mut spec = PodSpec::default();
        bind_by_affinity(&mut spec, "n");
        assert!(fit(&spec, &node(&[], &[])).start);
        bind_by_affinity(&mut spec, "other");
        assert!(!fit(&spec, &node(&[], &[])).start);
    }
}
