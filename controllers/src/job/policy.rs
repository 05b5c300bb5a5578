//! What a Job's podFailurePolicy and successPolicy say. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{Job, PodFailurePolicyRule, SuccessPolicy};

use super::indexes;
use crate::pod::Pod;

/// What a failed pod means for its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts towards the back-off limit.
    Count,
    Ignore,
    /// It counts, and its index has failed.
    FailIndex,
    /// The Job fails, for this reason.
    FailJob(String),
}

/// Applies the first rule that matches.
pub fn failure(job: &Job, pod: &Pod) -> Verdict {
    let rules = job.spec.iter().flat_map(|spec| &spec.pod_failure_policy).flat_map(|policy| &policy.rules);
    for (number, rule) in rules.enumerate() {
        let Some(matched) = matches(rule, pod) else { continue };
        return match rule.action.as_str() {
            "Ignore" => Verdict::Ignore,
            "FailIndex" => Verdict::FailIndex,
            "FailJob" => Verdict::FailJob(match matched {
                Matched::ExitCode { container, code } => format!(
                    "Container {container} for pod {}/{} failed with exit code {code} matching FailJob rule at index {number}",
                    pod.namespace(),
                    pod.name()
                ),
                Matched::Condition(type_) => format!(
                    "Pod {}/{} has condition {type_} matching FailJob rule at index {number}",
                    pod.namespace(),
                    pod.name()
                ),
            }),
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

enum Matched {
    ExitCode { container: String, code: i32 },
    Condition(String),
}

fn matches(rule: &PodFailurePolicyRule, pod: &Pod) -> Option<Matched> {
    if let Some(codes) = &rule.on_exit_codes {
        let statuses = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
        let of_name = statuses.filter(|status| codes.container_name.as_ref().is_none_or(|name| *name == status.name));
        let mut failed = of_name.filter_map(|status| {
            let code = status.state.as_ref()?.terminated.as_ref()?.exit_code;
            (code != 0).then(|| (status.name.clone(), code))
        });
        return failed
            .find(|(_, code)| match codes.operator.as_str() {
                "In" => codes.values.contains(code),
                _ => !codes.values.contains(code),
            })
            .map(|(container, code)| Matched::ExitCode { container, code });
    }
    let patterns = rule.on_pod_conditions.iter().flatten();
    let matching = patterns.filter(|pattern| {
        let wanted = pattern.status.as_deref().unwrap_or("True");
        pod.condition(&pattern.type_).is_some_and(|condition| condition.status == wanted)
    });
    matching.map(|pattern| Matched::Condition(pattern.type_.clone())).next()
}

/// Whether the succeeded indexes are enough by the policy; the message of the condition.
pub fn success(policy: &SuccessPolicy, completions: usize, succeeded: &BTreeSet<usize>) -> Option<String> {
    for (number, rule) in policy.rules.iter().enumerate() {
        let of_rule = match &rule.succeeded_indexes {
            None => succeeded.len(),
            Some(text) => {
                let wanted = indexes::parse(text, completions);
                if rule.succeeded_count.is_none() && !wanted.is_subset(succeeded) {
                    continue;
                }
                wanted.intersection(succeeded).count()
            }
        };
        let enough = rule.succeeded_count.is_none_or(|count| of_rule >= usize::try_from(count).unwrap_or(0));
        if enough && !succeeded.is_empty() {
            return Some(format!("Matched rules at index {number}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        batch::v1::{JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, SuccessPolicyRule},
        core::v1::{ContainerState, ContainerStateTerminated},
    };

    use super::*;
    use crate::pod::ContainerStatus;

    fn job(action: &str) -> Job {
        let codes =
            PodFailurePolicyOnExitCodesRequirement { operator: "In".into(), values: vec![42], container_name: None };
        let rule = PodFailurePolicyRule {
            action: action.into(),
            on_exit_codes: Some(codes),
            ..PodFailurePolicyRule::default()
        };
        let policy = PodFailurePolicy { rules: vec![rule] };
        Job { spec: Some(JobSpec { pod_failure_policy: Some(policy), ..JobSpec::default() }), ..Job::default() }
    }

    fn pod(exit_code: i32) -> Pod {
        let mut pod = Pod::default();
        let terminated = Some(ContainerStateTerminated { exit_code, ..ContainerStateTerminated::default() });
        pod.status.container_statuses = vec![ContainerStatus {
            name: "c".into(),
            state: Some(ContainerState { terminated, ..ContainerState::default() }),
            ..ContainerStatus::default()
        }];
        pod
    }

    #[test]
    fn failure_rules() {
        assert_eq!(failure(&job("Ignore"), &pod(42)), Verdict::Ignore);
        assert_eq!(failure(&job("Ignore"), &pod(1)), Verdict::Count);
        assert_eq!(failure(&job("FailIndex"), &pod(42)), Verdict::FailIndex);
        let Verdict::FailJob(message) = failure(&job("FailJob"), &pod(42)) else { panic!() };
        assert_eq!(message, "Container c for pod / failed with exit code 42 matching FailJob rule at index 0");
    }

    #[test]
    fn success_rules() {
        let rule = |indexes: Option<&str>, count| SuccessPolicy {
            rules: vec![SuccessPolicyRule { succeeded_indexes: indexes.map(Into::into), succeeded_count: count }],
        };
        let succeeded = BTreeSet::from([0, 2]);
        assert!(success(&rule(Some("0,2"), None), 5, &succeeded).is_some());
        assert!(success(&rule(Some("0-2"), None), 5, &succeeded).is_none());
        assert!(success(&rule(Some("0-2"), Some(2)), 5, &succeeded).is_some());
        assert!(success(&rule(None, Some(3)), 5, &succeeded).is_none());
    }
}
