//! What a pod asks for and is limited to: its containers, init containers, sidecars and its own resources.
//!
//! Source: `staging/src/k8s.io/component-helpers/resource/helpers.go`.

use serde_json::Value;

use crate::Resources;

/// Which of a container's amounts are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amounts {
    Requests,
    Limits,
}

/// Whose word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// What the pod's spec says, its overhead left out.
    Spec,
    /// The larger of what the spec says and what the node has given it, overhead included.
    SpecAndStatus,
}

impl Amounts {
    fn field(self) -> &'static str {
        match self {
            Amounts::Requests => "requests",
            Amounts::Limits => "limits",
        }
    }
}

/// The pod's amounts.
pub fn of_pod(pod: &Value, amounts: Amounts, by: By) -> Resources {
    let spec = &pod["spec"];
    let mut sum = Resources::default();
    for container in items(&spec["containers"]) {
        sum.add(&of_container(pod, container, "containerStatuses", amounts, by));
    }
    // Init containers run one after the other, each beside the sidecars that were started before it.
    let mut sidecars = Resources::default();
    let mut largest = Resources::default();
    for container in items(&spec["initContainers"]) {
        let sidecar = container["restartPolicy"] == "Always";
        let by_own = if sidecar { by } else { By::Spec };
        let own = of_container(pod, container, "initContainerStatuses", amounts, by_own);
        let running = if sidecar {
            sum.add(&own);
            sidecars.add(&own);
            sidecars.clone()
        } else {
            let mut running = own;
            running.add(&sidecars);
            running
        };
        largest.max(&running);
    }
    sum.max(&largest);
    let own = Resources::read(&spec["resources"][amounts.field()]);
    for (name, amount) in &own.0 {
        let supported = matches!(name.as_str(), "cpu" | "memory") || by == By::SpecAndStatus && is_huge_pages(name);
        if supported {
            sum.insert(name.clone(), amount.clone());
        }
    }
    if by == By::SpecAndStatus {
        let overhead = Resources::read(&spec["overhead"]);
        match amounts {
            Amounts::Requests => sum.add(&overhead),
            Amounts::Limits => {
                let limited = overhead.mask(|name| sum.get(name).is_some_and(|limit| !limit.is_zero()));
                sum.add(&limited);
            }
        }
    }
    sum
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a pod says itself, not by its containers, what it asks for.
pub fn has_own(pod: &Value) -> bool {
    ["requests", "limits"].iter().any(|list| {
        let mut names = pod["spec"]["resources"][*list].as_object().into_iter().flatten();
        names.any(|(name, _)| matches!(name.as_str(), "cpu" | "memory") || is_huge_pages(name))
    })
}

fn of_container(pod: &Value, container: &Value, statuses: &str, amounts: Amounts, by: By) -> Resources {
    let asked = Resources::read(&container["resources"][amounts.field()]);
    if by == By::Spec {
        return asked;
    }
    let status = items(&pod["status"][statuses]).iter().find(|status| status["name"] == container["name"]);
    let Some(status) = status.filter(|status| !status["resources"].is_null()) else { return asked };
    let mut given = Resources::read(&status["resources"][amounts.field()]);
    if amounts == Amounts::Requests {
        given.max(&Resources::read(&status["allocatedResources"]));
    }
    // A resize that no node can ever do does not count.
    let pending = items(&pod["status"]["conditions"]).iter().find(|condition| condition["type"] == "PodResizePending");
    if pending.is_none_or(|condition| condition["reason"] != "Infeasible") {
        given.max(&asked);
    }
    given
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}
