//! The conditions that tell why a namespace is not gone yet. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::NamespaceCondition, apimachinery::pkg::apis::meta::v1::Time};

/// What one pass over a namespace found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What could not be discovered.
    pub discovery: Vec<String>,
    /// What could not be deleted.
    pub failures: Vec<String>,
    /// Objects left, by kind.
    objects: BTreeMap<String, usize>,
    /// Objects left, by finalizer.
    finalizers: BTreeMap<String, usize>,
}

impl Findings {
    pub fn of_discovery(failures: Vec<String>) -> Self {
        Findings { discovery: failures, ..Findings::default() }
    }

    pub fn add(&mut self, kind: String, objects: usize, finalizers: BTreeMap<String, usize>) {
        if objects > 0 {
            self.objects.insert(kind, objects);
        }
        for (finalizer, count) in finalizers {
            *self.finalizers.entry(finalizer).or_default() += count;
        }
    }

    pub fn remaining(&self) -> bool {
        !self.objects.is_empty()
    }

    /// Each condition's type, and reason and message where it is true, else those where it is false.
    fn conditions(&self) -> [(&'static str, bool, &'static str, String); 5] {
        let list = |map: &BTreeMap<String, usize>, what: fn(&str, usize) -> String| {
            map.iter().map(|(name, count)| what(name, *count)).collect::<Vec<_>>().join(", ")
        };
        let mut failures = self.failures.clone();
        failures.sort();
        let pick =
            |type_, (bad, bad_reason, bad_text): (bool, &'static str, String), (reason, text): (&'static str, &str)| {
                if bad { (type_, true, bad_reason, bad_text) } else { (type_, false, reason, text.to_string()) }
            };
        [
            pick(
                "NamespaceDeletionDiscoveryFailure",
                (
                    !self.discovery.is_empty(),
                    "DiscoveryFailed",
                    format!(
                        "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}",
                        self.discovery.len(),
                        self.discovery.join(", ")
                    ),
                ),
                ("ResourcesDiscovered", "All resources successfully discovered"),
            ),
            pick(
                "NamespaceDeletionGroupVersionParsingFailure",
                (false, "GroupVersionParsingFailed", String::new()),
                ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
            ),
            pick(
                "NamespaceDeletionContentFailure",
                (
                    !failures.is_empty(),
                    "ContentDeletionFailed",
                    format!(
                        "Failed to delete all resource types, {} remaining: {}",
                        failures.len(),
                        failures.join(", ")
                    ),
                ),
                ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            ),
            pick(
                "NamespaceContentRemaining",
                (
                    !self.objects.is_empty(),
                    "SomeResourcesRemain",
                    format!(
                        "Some resources are remaining: {}",
                        list(&self.objects, |kind, count| format!("{kind} has {count} resource instances"))
                    ),
                ),
                ("ContentRemoved", "All content successfully removed"),
            ),
            pick(
                "NamespaceFinalizersRemaining",
                (
                    !self.finalizers.is_empty(),
                    "SomeFinalizersRemain",
                    format!(
                        "Some content in the namespace has finalizers remaining: {}",
                        list(&self.finalizers, |finalizer, count| format!("{finalizer} in {count} resource instances"))
                    ),
                ),
                ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            ),
        ]
    }
}

/// Brings the conditions up to date; whether anything changed.
pub fn update(conditions: &mut Vec<NamespaceCondition>, findings: &Findings, now: Timestamp) -> bool {
    let mut changed = false;
    for (type_, bad, reason, message) in findings.conditions() {
        let status = if bad { "True" } else { "False" };
        match conditions.iter_mut().find(|condition| condition.type_ == type_) {
            Some(old) => {
                if old.status == status
                    && old.reason.as_deref() == Some(reason)
                    && old.message.as_ref() == Some(&message)
                {
                    continue;
                }
                if old.status != status {
                    old.last_transition_time = Some(Time(now));
                }
                old.status = status.to_string();
                old.reason = Some(reason.to_string());
                old.message = Some(message);
            }
            None => conditions.push(NamespaceCondition {
                type_: type_.to_string(),
                status: status.to_string(),
                reason: Some(reason.to_string()),
                message: Some(message),
                last_transition_time: Some(Time(now)),
            }),
        }
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_and_clear() {
        let mut conditions = Vec::new();
        let mut findings = Findings::default();
        findings.add("pods.".into(), 2, [("example.com/x".to_string(), 1)].into());
        assert!(update(&mut conditions, &findings, Timestamp::UNIX_EPOCH));
        assert_eq!(conditions.len(), 5);
        let message = |conditions: &[NamespaceCondition], type_: &str| {
            let found = conditions.iter().find(|condition| condition.type_ == type_).unwrap();
            (found.status.clone(), found.message.clone().unwrap())
        };
        let remaining = message(&conditions, "NamespaceContentRemaining");
        assert_eq!(remaining, ("True".into(), "Some resources are remaining: pods. has 2 resource instances".into()));
        let finalizers =
            "Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances";
        assert_eq!(message(&conditions, "NamespaceFinalizersRemaining"), ("True".into(), finalizers.into()));
        assert!(!update(&mut conditions, &findings, Timestamp::UNIX_EPOCH));
        assert!(update(&mut conditions, &Findings::default(), Timestamp::UNIX_EPOCH));
        let removed = message(&conditions, "NamespaceContentRemaining");
        assert_eq!(removed, ("False".into(), "All content successfully removed".into()));
    }
}
