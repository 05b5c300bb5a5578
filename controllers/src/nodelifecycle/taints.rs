//! The taints that follow from a node's conditions. Pure.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, Taint},
    apimachinery::pkg::apis::meta::v1::Time,
};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Condition, its status, the taint.
const CONDITIONS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// The node's taints with the right NoSchedule ones; `None` where they are right already.
pub fn no_schedule(node: &Node, now: Timestamp) -> Option<Vec<Taint>> {
    let conditions: Vec<_> = node.status.iter().flat_map(|status| status.conditions.iter().flatten()).collect();
    let mut wanted: Vec<&str> = CONDITIONS
        .iter()
        .filter(|(type_, status, _)| conditions.iter().any(|c| c.type_ == *type_ && c.status == *status))
        .map(|(_, _, taint)| *taint)
        .collect();
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        wanted.push(UNSCHEDULABLE);
    }
    let ours = |key: &str| key == UNSCHEDULABLE || CONDITIONS.iter().any(|(_, _, taint)| *taint == key);
    replace(node, "NoSchedule", ours, &wanted, now)
}

/// The node's taints with the right NoExecute one for its Ready condition; `None` where they are right already.
pub fn no_execute(node: &Node, ready: &str, now: Timestamp) -> Option<Vec<Taint>> {
    let wanted: &[&str] = match ready {
        "True" => &[],
        "False" => &[NOT_READY],
        _ => &[UNREACHABLE],
    };
    replace(node, "NoExecute", |key| matches!(key, NOT_READY | UNREACHABLE), wanted, now)
}

/// Whether the node is tainted NoExecute for its state already.
pub fn has_no_execute(node: &Node) -> bool {
    taints(node)
        .iter()
        .any(|taint| taint.effect == "NoExecute" && matches!(taint.key.as_str(), NOT_READY | UNREACHABLE))
}

fn taints(node: &Node) -> Vec<Taint> {
    node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default()
}

fn replace(
    node: &Node,
    effect: &str,
    ours: impl Fn(&str) -> bool,
    wanted: &[&str],
    now: Timestamp,
) -> Option<Vec<Taint>> {
    let old = taints(node);
    let mut new: Vec<Taint> = old
        .iter()
        .filter(|taint| taint.effect != effect || !ours(&taint.key) || wanted.contains(&taint.key.as_str()))
        .cloned()
        .collect();
    for key in wanted {
        if !new.iter().any(|taint| taint.effect == effect && taint.key == *key) {
            new.push(Taint {
                key: (*key).to_string(),
                effect: effect.to_string(),
                value: None,
                time_added: Some(Time(now)),
            });
        }
    }
    (new != old).then_some(new)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{NodeCondition, NodeSpec, NodeStatus};

    use super::*;

    fn node(ready: &str, taints: Vec<Taint>) -> Node {
        let condition = NodeCondition { type_: "Ready".into(), status: ready.into(), ..NodeCondition::default() };
        Node {
            spec: Some(NodeSpec { taints: Some(taints), ..NodeSpec::default() }),
            status: Some(NodeStatus { conditions: Some(vec![condition]), ..NodeStatus::default() }),
            ..Node::default()
        }
    }

    fn names(taints: Option<Vec<Taint>>) -> Option<Vec<String>> {
        taints.map(|taints| taints.iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect())
    }

    #[test]
    fn taints_follow_conditions_and_leave_others_alone() {
        let now = Timestamp::UNIX_EPOCH;
        let other = Taint { key: "mine".into(), effect: "NoSchedule".into(), ..Taint::default() };
        let tainted = no_schedule(&node("Unknown", vec![other.clone()]), now).unwrap();
        let expected = ["mine:NoSchedule".to_string(), format!("{UNREACHABLE}:NoSchedule")];
        assert_eq!(names(Some(tainted.clone())).unwrap(), expected);
        assert_eq!(no_schedule(&node("Unknown", tainted.clone()), now), None);
        assert_eq!(no_schedule(&node("True", tainted), now), Some(vec![other]));
    }

    #[test]
    fn no_execute_taints_swap() {
        let now = Timestamp::UNIX_EPOCH;
        let unreachable = no_execute(&node("Unknown", vec![]), "Unknown", now).unwrap();
        assert!(has_no_execute(&node("Unknown", unreachable.clone())));
        let swapped = no_execute(&node("False", unreachable), "False", now);
        assert_eq!(names(swapped.clone()), Some(vec![format!("{NOT_READY}:NoExecute")]));
        assert_eq!(no_execute(&node("True", swapped.unwrap()), "True", now), Some(vec![]));
    }
}
