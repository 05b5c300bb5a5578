//! The annotations by which a Deployment keeps its books on its ReplicaSets.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

pub const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Not copied from the Deployment to its ReplicaSets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];
/// The longest revision history.
const HISTORY_CHARS: usize = 2000;

/// The revision of a ReplicaSet; 0 where there is none or it is no number.
pub fn revision(set: &ReplicaSet) -> i64 {
    set.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REVISION)?.parse().ok()).unwrap_or(0)
}

/// A number of replicas noted on a ReplicaSet.
pub fn noted(set: &ReplicaSet, key: &str) -> Option<i32> {
    let number: i32 = set.metadata.annotations.as_ref()?.get(key)?.parse().ok()?;
    (number >= 0).then_some(number)
}

/// The annotations the newest ReplicaSet should have: the Deployment's, its revision, and the revisions it had.
pub fn of_newest(deployment: &Deployment, set: &ReplicaSet, newest: i64) -> BTreeMap<String, String> {
    let mut annotations = set.metadata.annotations.clone().unwrap_or_default();
    for (key, value) in deployment.metadata.annotations.iter().flatten() {
        if !OWN.contains(&key.as_str()) {
            annotations.insert(key.clone(), value.clone());
        }
    }
    let old = annotations.get(REVISION).cloned();
    let number = match &old {
        None => 0,
        Some(text) if text.is_empty() => 0,
        Some(text) => match text.parse::<i64>() {
            Ok(number) => number,
            // Not ours to overwrite.
            Err(_) => return annotations,
        },
    };
    if number >= newest {
        return annotations;
    }
    annotations.insert(REVISION.to_string(), newest.to_string());
    if let Some(old) = old {
        let mut history: Vec<&str> = Vec::new();
        let before = annotations.get(REVISION_HISTORY).cloned().unwrap_or_default();
        history.extend(before.split(',').filter(|revision| !revision.is_empty()));
        history.push(&old);
        while history.len() > 1 && history.iter().map(|revision| revision.len() + 1).sum::<usize>() > HISTORY_CHARS {
            history.remove(0);
        }
        let history = history.join(",");
        annotations.insert(REVISION_HISTORY.to_string(), history);
    }
    annotations
}

/// Notes the wanted and the largest number of replicas; whether that changed anything.
pub fn note_replicas(annotations: &mut BTreeMap<String, String>, desired: i32, max: i32) -> bool {
    let mut changed = false;
    for (key, number) in [(DESIRED_REPLICAS, desired), (MAX_REPLICAS, max)] {
        let text = number.to_string();
        if annotations.get(key) != Some(&text) {
            annotations.insert(key.to_string(), text);
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_becomes_newest_again_remembers_its_revisions() {
        let mut set = ReplicaSet::default();
        set.metadata.annotations = Some([(REVISION.to_string(), "1".to_string())].into());
        let mut deployment = Deployment::default();
        deployment.metadata.annotations =
            Some([("a".to_string(), "b".to_string()), (OWN[0].to_string(), "{}".to_string())].into());
        let annotations = of_newest(&deployment, &set, 3);
        assert_eq!(annotations.get(REVISION).map(String::as_str), Some("3"));
        assert_eq!(annotations.get(REVISION_HISTORY).map(String::as_str), Some("1"));
        assert_eq!(annotations.get("a").map(String::as_str), Some("b"));
        assert!(!annotations.contains_key(OWN[0]));
        set.metadata.annotations = Some(annotations);
        let annotations = of_newest(&deployment, &set, 5);
        assert_eq!(annotations.get(REVISION_HISTORY).map(String::as_str), Some("1,3"));
        set.metadata.annotations = Some(annotations.clone());
        assert_eq!(of_newest(&deployment, &set, 5), annotations);
    }
}
