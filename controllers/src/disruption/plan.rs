//! The status of a PodDisruptionBudget. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
    apimachinery::pkg::{
        apis::meta::v1::{Condition, Time},
        util::intstr::IntOrString,
    },
};

use super::DELETION_TIMEOUT;
use crate::{
    deployment::fraction::scaled,
    pod::{Pod, seconds},
};

#[derive(Debug, Default)]
pub struct Plan {
    pub status: PodDisruptionBudgetStatus,
    /// Pods that were evicted and never deleted.
    pub not_deleted: Vec<String>,
    /// When the next evicted pod is given up.
    pub check_after: Option<Duration>,
}

/// Whether the budget counts from what the pods' controllers want.
pub fn needs_scale(budget: &PodDisruptionBudget) -> bool {
    let spec = budget.spec.clone().unwrap_or_default();
    spec.max_unavailable.is_some() || matches!(spec.min_available, Some(IntOrString::String(_)))
}

/// `pods` are those the budget selects, `scale` what their controllers want together, or why that is not known.
pub fn plan(budget: &PodDisruptionBudget, pods: &[Arc<Pod>], scale: Result<i32, String>, now: Timestamp) -> Plan {
    let mut plan = Plan { status: budget.status.clone().unwrap_or_default(), ..Plan::default() };
    let spec = budget.spec.clone().unwrap_or_default();
    let generation = budget.metadata.generation;
    let counted = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    let (expected, desired) = match (&spec.max_unavailable, &spec.min_available, scale) {
        (Some(_), _, Err(error)) | (None, Some(IntOrString::String(_)), Err(error)) => {
            // Not knowing must not let pods go.
            plan.status.disruptions_allowed = Some(0);
            plan.status.observed_generation = generation;
            set_condition(&mut plan.status, "False", "SyncFailed", &error, generation, now);
            return plan;
        }
        (Some(most), _, Ok(scale)) => (scale, (scale - scaled(Some(most), scale, true)).max(0)),
        (None, Some(least @ IntOrString::String(_)), Ok(scale)) => (scale, scaled(Some(least), scale, true)),
        (None, Some(IntOrString::Int(least)), _) => (counted, *least),
        (None, None, _) => (counted, 0),
    };
    let mut disrupted = BTreeMap::new();
    for (name, at) in plan.status.disrupted_pods.take().unwrap_or_default() {
        if !pods.iter().any(|pod| pod.name() == name && !pod.terminating()) {
            continue;
        }
        let left = DELETION_TIMEOUT.as_secs_f64() - seconds(at.0, now);
        if left < 0.0 {
            plan.not_deleted.push(name);
            continue;
        }
        let left = Duration::from_secs_f64(left);
        plan.check_after = Some(plan.check_after.map_or(left, |after| after.min(left)));
        disrupted.insert(name, at);
    }
    let is_healthy = |pod: &&Arc<Pod>| pod.ready() && !pod.terminating() && !disrupted.contains_key(pod.name());
    let healthy = i32::try_from(pods.iter().filter(is_healthy).count()).unwrap_or(i32::MAX);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    plan.status.current_healthy = Some(healthy);
    plan.status.desired_healthy = Some(desired);
    plan.status.expected_pods = Some(expected);
    plan.status.disruptions_allowed = Some(allowed);
    plan.status.disrupted_pods = Some(disrupted).filter(|disrupted| !disrupted.is_empty());
    plan.status.observed_generation = generation;
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut plan.status, status, reason, "", generation, now);
    plan
}

fn set_condition(
    status: &mut PodDisruptionBudgetStatus,
    value: &str,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let conditions = status.conditions.get_or_insert_default();
    let new = Condition {
        type_: "DisruptionAllowed".to_string(),
        status: value.to_string(),
        reason: reason.to_string(),
        message: message.to_string(),
        observed_generation: generation,
        last_transition_time: Time(now),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == new.type_) {
        Some(old) => {
            let since = if old.status == new.status { old.last_transition_time.clone() } else { Time(now) };
            *old = Condition { last_transition_time: since, ..new };
        }
        None => conditions.push(new),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{core::v1::PodCondition, policy::v1::PodDisruptionBudgetSpec};

    use super::*;

    fn budget(min: Option<IntOrString>, max: Option<IntOrString>) -> PodDisruptionBudget {
        let spec =
            PodDisruptionBudgetSpec { min_available: min, max_unavailable: max, ..PodDisruptionBudgetSpec::default() };
        PodDisruptionBudget { spec: Some(spec), ..PodDisruptionBudget::default() }
    }

    fn pods(count: usize, ready: usize) -> Vec<Arc<Pod>> {
        let pod = |number| {
            let mut pod = Pod::default();
            pod.metadata.name = Some(format!("p{number}"));
            let status = if number < ready { "True" } else { "False" };
            pod.status.conditions =
                vec![PodCondition { type_: "Ready".into(), status: status.into(), ..PodCondition::default() }];
            Arc::new(pod)
        };
        (0..count).map(pod).collect()
    }

    /// Expected, desired, healthy, allowed.
    fn counts(budget: &PodDisruptionBudget, pods: &[Arc<Pod>], scale: Result<i32, String>) -> [i32; 4] {
        let status = plan(budget, pods, scale, Timestamp::UNIX_EPOCH).status;
        let counts = [status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed];
        counts.map(|count| count.unwrap())
    }

    #[test]
    fn numbers_and_percentages() {
        let percent = |text: &str| Some(IntOrString::String(text.into()));
        assert_eq!(counts(&budget(Some(IntOrString::Int(2)), None), &pods(3, 3), Err("x".into())), [3, 2, 3, 1]);
        assert_eq!(counts(&budget(percent("50%"), None), &pods(3, 3), Ok(5)), [5, 3, 3, 0]);
        assert_eq!(counts(&budget(None, Some(IntOrString::Int(1))), &pods(3, 3), Ok(3)), [3, 2, 3, 1]);
        assert_eq!(counts(&budget(None, percent("34%")), &pods(3, 2), Ok(3)), [3, 1, 2, 1]);
    }

    #[test]
    fn evicted_pods_count_as_gone_for_a_while() {
        let mut budget = budget(None, Some(IntOrString::Int(2)));
        let evicted =
            [("p0".to_string(), Time(Timestamp::UNIX_EPOCH)), ("gone".to_string(), Time(Timestamp::UNIX_EPOCH))];
        budget.status.get_or_insert_default().disrupted_pods = Some(evicted.into());
        let soon = plan(&budget, &pods(3, 3), Ok(3), Timestamp::from_second(20).unwrap());
        assert_eq!((soon.status.current_healthy, soon.status.disruptions_allowed), (Some(2), Some(1)));
        assert_eq!(soon.check_after, Some(Duration::from_secs(100)));
        let late = plan(&budget, &pods(3, 3), Ok(3), Timestamp::from_second(130).unwrap());
        assert_eq!((late.status.disruptions_allowed, late.not_deleted), (Some(2), vec!["p0".to_string()]));
    }

    #[test]
    fn unknown_scale_allows_nothing() {
        let unknown = Err("why".to_string());
        let status = plan(&budget(None, Some(IntOrString::Int(1))), &pods(3, 3), unknown, Timestamp::UNIX_EPOCH).status;
        assert_eq!(status.disruptions_allowed, Some(0));
        let condition = &status.conditions.unwrap()[0];
        assert_eq!((condition.reason.as_str(), condition.message.as_str()), ("SyncFailed", "why"));
    }
}
