//! A container's resources as the kernel takes them: shares, quota, memory limit, oom score.

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::{cri::api, pod, quantity};

const PERIOD: i64 = 100_000;

/// The CRI resources. `node_memory` is the node's capacity in bytes.
pub fn linux_resources(
    target: &Pod,
    container: &Container,
    node_memory: i64,
    cgroup_v2: bool,
) -> api::LinuxContainerResources {
    let resources = container.resources.as_ref();
    let limit = quantity::limit_milli(resources, "cpu");
    let request = quantity::request_milli(resources, "cpu").filter(|request| *request > 0).or(limit);
    let memory_limit = bytes(quantity::limit_milli(resources, "memory"));
    let mut result = api::LinuxContainerResources {
        cpu_shares: shares(request),
        memory_limit_in_bytes: memory_limit,
        oom_score_adj: oom_score_adj(target, container, node_memory),
        ..Default::default()
    };
    if let Some(quota) = quota(limit) {
        result.cpu_period = PERIOD;
        result.cpu_quota = quota;
    }
    if cgroup_v2 {
        // One process out of memory takes its container with it, instead of leaving it half dead.
        result.unified.insert("memory.oom.group".into(), "1".into());
    }
    result
}

/// The CRI resources that a running container is changed to.
pub fn updated_resources(
    target: &Pod,
    container: &Container,
    node_memory: i64,
    cgroup_v2: bool,
) -> api::LinuxContainerResources {
    let mut result = linux_resources(target, container, node_memory, cgroup_v2);
    if !cgroup_v2 {
        // v1 limits memory with swap by another figure, which was set to the limit that the container began with.
        result.memory_swap_limit_in_bytes = result.memory_limit_in_bytes;
    }
    result
}

/// 1024 per CPU, at least 2.
pub fn shares(milli: Option<i128>) -> i64 {
    let milli = milli.and_then(|milli| i64::try_from(milli).ok()).unwrap_or(0);
    (milli.saturating_mul(1024) / 1000).clamp(2, 262_144)
}

/// Microseconds per 100 ms, at least 1000; none without a limit.
pub fn quota(limit_milli: Option<i128>) -> Option<i64> {
    let milli = i64::try_from(limit_milli.filter(|milli| *milli > 0)?).ok()?;
    Some((milli.saturating_mul(PERIOD) / 1000).max(1000))
}

/// Thousandths to whole bytes; 0 where there is no limit.
pub fn bytes(milli: Option<i128>) -> i64 {
    milli.and_then(|milli| i64::try_from(milli / 1000).ok()).unwrap_or(0)
}

/// Who goes first when memory runs out: best-effort before burstable (by its request) before guaranteed.
fn oom_score_adj(target: &Pod, container: &Container, node_memory: i64) -> i64 {
    let critical = pod::spec(target).priority.is_some_and(|priority| priority >= 2_000_000_000);
    if critical || pod::is_static(target) {
        return -997;
    }
    match pod::qos_class(target) {
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let request = bytes(quantity::request_milli(container.resources.as_ref(), "memory"));
            let adjusted = 1000 - 1000i128 * i128::from(request) / i128::from(node_memory.max(1));
            i64::try_from(adjusted).unwrap_or(3).clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn values() {
        let pod = pod_of(
            "containers: [{name: a, resources: {requests: {cpu: 250m, memory: 1Gi}, limits: {cpu: 500m, memory: 2Gi}}}, {name: b}]",
        );
        let containers = &pod::spec(&pod).containers;
        let resources = linux_resources(&pod, &containers[0], 4 << 30, false);
        assert_eq!((resources.cpu_shares, resources.cpu_quota, resources.cpu_period), (256, 50_000, 100_000));
        assert_eq!((resources.memory_limit_in_bytes, resources.oom_score_adj), (2 << 30, 750));
        let resources = linux_resources(&pod, &containers[1], 4 << 30, true);
        assert_eq!((resources.cpu_shares, resources.cpu_quota, resources.oom_score_adj), (2, 0, 999));
        assert_eq!(resources.unified["memory.oom.group"], "1");
        assert_eq!(linux_resources(&pod_of("containers: [{name: a}]"), &containers[1], 1, false).oom_score_adj, 1000);
    }
}
