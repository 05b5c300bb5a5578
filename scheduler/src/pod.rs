//! What the scheduler keeps of a pod: parsed once, a fraction of the object's size.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{self, Pod, PodAffinityTerm};

use crate::{
    labels::{Labels, Selector},
    node_selector::{RequiredNodes, Term},
    resources::{Resources, pod_requests},
};

/// Namespace and name, joined by a slash. Cheap to clone.
pub type PodKey = Arc<str>;

/// A pod, as the scheduler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodInfo {
    pub key: PodKey,
    pub uid: Arc<str>,
    pub priority: i32,
    /// Seconds since the epoch; none before the kubelet took the pod on.
    pub start_time: Option<i64>,
    /// Empty while the pod waits for a node.
    pub node_name: Arc<str>,
    pub requests: Resources,
    /// What counts in scoring, with defaults where a container asks for nothing: thousandths of cores and bytes.
    pub scored_requests: (i64, i64),
    pub host_ports: Box<[HostPort]>,
    /// Names of the claims its volumes use, without the namespace.
    pub claims: Box<[Box<str>]>,
    pub terminating: bool,
    /// It has the condition that it is being preempted.
    pub preempted: bool,
    /// What other pods' affinity and spreading see of it.
    pub class: Arc<PodClass>,
    /// What only matters until it has a node; none for pods that have one.
    pub pending: Option<Box<Pending>>,
}

/// Pods that inter-pod affinity and topology spreading cannot tell apart. They are counted together per node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodClass {
    pub namespace: Arc<str>,
    pub labels: Labels,
    pub terminating: bool,
    pub affinity: Option<Box<PodAffinity>>,
}

/// Parsed pod affinity and anti-affinity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodAffinity {
    pub required: Vec<AffinityTerm>,
    pub anti_required: Vec<AffinityTerm>,
    pub preferred: Vec<(i32, AffinityTerm)>,
    pub anti_preferred: Vec<(i32, AffinityTerm)>,
}

/// Which pods a term speaks of, and within which topology.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AffinityTerm {
    pub namespaces: Vec<Box<str>>,
    pub namespace_selector: Selector,
    pub selector: Selector,
    pub topology_key: Box<str>,
}

/// A port of the node that a container takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub ip: Box<str>,
    pub protocol: Box<str>,
    pub port: i32,
}

/// The part of a pod that is dropped once it has a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pending {
    pub scheduler_name: Box<str>,
    pub resource_version: Box<str>,
    pub generation: i64,
    pub gates: Vec<Box<str>>,
    pub never_preempts: bool,
    pub nominated_node: Box<str>,
    pub required_nodes: Option<RequiredNodes>,
    pub preferred_nodes: Vec<(i32, Term)>,
    pub tolerations: Vec<Toleration>,
    pub spread: Vec<SpreadConstraint>,
    /// Kind and key of the controller it belongs to.
    pub owner: Option<(Box<str>, Box<str>)>,
    /// Normalized names of the images of all containers and image volumes.
    pub images: Vec<Box<str>>,
    /// How many containers those images are for.
    pub containers: i64,
    /// Names of the resource claims it wants.
    pub resource_claims: Vec<Box<str>>,
    /// Status, reason and message of its condition PodScheduled.
    pub scheduled_condition: Option<(Box<str>, Box<str>, Box<str>)>,
}

/// One toleration.
#[derive(Clone, Debug, PartialEq)]
pub struct Toleration {
    pub key: Box<str>,
    pub exists: bool,
    pub value: Box<str>,
    pub effect: Box<str>,
}

/// One topology spread constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadConstraint {
    pub max_skew: i64,
    pub topology_key: Box<str>,
    /// `DoNotSchedule` rather than `ScheduleAnyway`.
    pub hard: bool,
    pub selector: Selector,
    pub min_domains: usize,
    pub honor_affinity: bool,
    pub honor_taints: bool,
}

impl PodInfo {
    /// Parses a pod.
    pub fn parse(pod: &Pod) -> Self {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let default_spec = v1::PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&default_spec);
        let (requests, scored) = pod_requests(pod);
        let conditions = || pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let terminating = pod.metadata.deletion_timestamp.is_some();
        let node_name: Arc<str> = spec.node_name.as_deref().unwrap_or_default().into();
        let claim_of = |volume: &v1::Volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.as_str().into()),
            (None, Some(_)) => Some(format!("{name}-{}", volume.name).into()),
            (None, None) => None,
        };
        let class = PodClass {
            namespace: namespace.into(),
            labels: Labels::from(pod.metadata.labels.as_ref()),
            terminating,
            affinity: PodAffinity::parse(spec, namespace),
        };
        PodInfo {
            key: format!("{namespace}/{name}").into(),
            uid: pod.metadata.uid.as_deref().unwrap_or_default().into(),
            priority: spec.priority.unwrap_or(0),
            start_time: pod.status.as_ref().and_then(|status| Some(status.start_time.as_ref()?.0.as_second())),
            requests,
            scored_requests: (scored.milli_cpu, scored.memory),
            host_ports: host_ports(spec),
            claims: spec.volumes.iter().flatten().filter_map(claim_of).collect(),
            terminating,
            preempted: conditions().any(|condition| {
                condition.type_ == "DisruptionTarget"
                    && condition.status == "True"
                    && condition.reason.as_deref() == Some("PreemptionByScheduler")
            }),
            class: Arc::new(class),
            pending: node_name.is_empty().then(|| Box::new(Pending::parse(pod, spec))),
            node_name,
        }
    }

    pub fn namespace(&self) -> &str {
        &self.class.namespace
    }

    pub fn name(&self) -> &str {
        self.key.split_once('/').map_or("", |(_, name)| name)
    }
}

impl PodAffinity {
    fn parse(spec: &v1::PodSpec, namespace: &str) -> Option<Box<Self>> {
        let affinity = spec.affinity.as_ref()?;
        let term = |term: &PodAffinityTerm| AffinityTerm::parse(term, namespace);
        let mut parsed = PodAffinity::default();
        if let Some(affinity) = &affinity.pod_affinity {
            parsed.required =
                affinity.required_during_scheduling_ignored_during_execution.iter().flatten().map(term).collect();
            let preferred = affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten();
            parsed.preferred = preferred.map(|one| (one.weight, term(&one.pod_affinity_term))).collect();
        }
        if let Some(anti) = &affinity.pod_anti_affinity {
            parsed.anti_required =
                anti.required_during_scheduling_ignored_during_execution.iter().flatten().map(term).collect();
            let preferred = anti.preferred_during_scheduling_ignored_during_execution.iter().flatten();
            parsed.anti_preferred = preferred.map(|one| (one.weight, term(&one.pod_affinity_term))).collect();
        }
        (parsed != PodAffinity::default()).then(|| Box::new(parsed))
    }
}

impl AffinityTerm {
    /// `namespace` is the pod's own: what a term means that names none.
    fn parse(term: &PodAffinityTerm, namespace: &str) -> Self {
        let mut namespaces: Vec<Box<str>> = term.namespaces.iter().flatten().map(|name| name.as_str().into()).collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.push(namespace.into());
        }
        AffinityTerm {
            namespaces,
            namespace_selector: Selector::parse(term.namespace_selector.as_ref()),
            selector: Selector::parse(term.label_selector.as_ref()),
            topology_key: term.topology_key.as_str().into(),
        }
    }

    /// Does the term speak of the pods of `class`? `namespace_labels` are those of the class's namespace.
    pub fn matches(&self, class: &PodClass, namespace_labels: &Labels) -> bool {
        let namespace = self.namespaces.iter().any(|name| **name == *class.namespace)
            || self.namespace_selector.matches(namespace_labels);
        namespace && self.selector.matches(&class.labels)
    }
}

impl Pending {
    fn parse(pod: &Pod, spec: &v1::PodSpec) -> Self {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        let node_affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = node_affinity.and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref());
        let preferred =
            node_affinity.and_then(|node| node.preferred_during_scheduling_ignored_during_execution.as_ref());
        let labels: Vec<_> =
            spec.node_selector.iter().flatten().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
        let containers: Vec<_> = spec.init_containers.iter().flatten().chain(&spec.containers).collect();
        let volumes = spec.volumes.iter().flatten().filter_map(|volume| volume.image.as_ref()?.reference.as_deref());
        let images = containers.iter().filter_map(|container| container.image.as_deref()).chain(volumes);
        let mut condition = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let condition = condition.rfind(|condition| condition.type_ == "PodScheduled");
        let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let nominated = pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
        let toleration = |toleration: &v1::Toleration| Toleration {
            key: text(&toleration.key),
            exists: toleration.operator.as_deref() == Some("Exists"),
            value: text(&toleration.value),
            effect: text(&toleration.effect),
        };
        Pending {
            scheduler_name: spec.scheduler_name.as_deref().unwrap_or("default-scheduler").into(),
            resource_version: text(&pod.metadata.resource_version),
            generation: pod.metadata.generation.unwrap_or(0),
            gates: spec.scheduling_gates.iter().flatten().map(|gate| gate.name.as_str().into()).collect(),
            never_preempts: spec.preemption_policy.as_deref() == Some("Never"),
            nominated_node: nominated.unwrap_or_default().into(),
            required_nodes: (required.is_some() || !labels.is_empty()).then(|| RequiredNodes {
                labels,
                terms: required.map(|required| required.node_selector_terms.iter().map(Term::parse).collect()),
            }),
            preferred_nodes: preferred.into_iter().flatten().map(|p| (p.weight, Term::parse(&p.preference))).collect(),
            tolerations: spec.tolerations.iter().flatten().map(toleration).collect(),
            spread: spec
                .topology_spread_constraints
                .iter()
                .flatten()
                .map(|c| SpreadConstraint::parse(c, pod))
                .collect(),
            owner: owner.map(|owner| {
                let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
                (owner.kind.as_str().into(), format!("{namespace}/{}", owner.name).into())
            }),
            images: images.map(normalized_image_name).collect(),
            containers: containers.len() as i64,
            resource_claims: spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str().into()).collect(),
            scheduled_condition: condition
                .map(|condition| (condition.status.as_str().into(), text(&condition.reason), text(&condition.message))),
        }
    }
}

impl SpreadConstraint {
    fn parse(constraint: &v1::TopologySpreadConstraint, pod: &Pod) -> Self {
        let mut selector = Selector::parse(constraint.label_selector.as_ref());
        for key in constraint.match_label_keys.iter().flatten() {
            if let Some(value) = pod.metadata.labels.as_ref().and_then(|labels| labels.get(key)) {
                selector = selector.and(key, value);
            }
        }
        SpreadConstraint {
            max_skew: i64::from(constraint.max_skew),
            topology_key: constraint.topology_key.as_str().into(),
            hard: constraint.when_unsatisfiable == "DoNotSchedule",
            selector,
            min_domains: constraint.min_domains.and_then(|domains| usize::try_from(domains).ok()).unwrap_or(1),
            honor_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
            honor_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        }
    }
}

/// The ports of sidecars and containers, without those that name no port of the node.
fn host_ports(spec: &v1::PodSpec) -> Box<[HostPort]> {
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = sidecars.chain(&spec.containers).flat_map(|container| container.ports.iter().flatten());
    let taken = ports.filter_map(|port| {
        let number = port.host_port.filter(|port| *port > 0)?;
        let ip = port.host_ip.as_deref().filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0");
        Some(HostPort { ip: ip.into(), protocol: port.protocol.as_deref().unwrap_or("TCP").into(), port: number })
    });
    taken.collect()
}

/// An image name with `:latest` where it names neither tag nor digest, as kubelets report it.
fn normalized_image_name(name: &str) -> Box<str> {
    let last_colon = name.rfind(':');
    let last_slash = name.rfind('/');
    if last_colon.is_none() || last_colon < last_slash { format!("{name}:latest").into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parses_what_counts() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "web-1", "uid": "u", "labels": {"app": "web"}},
            "spec": {
                "priority": 7,
                "containers": [{"name": "c", "image": "reg:5000/web", "ports": [
                    {"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]}],
                "volumes": [
                    {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}},
                    {"name": "scratch", "ephemeral": {}},
                ],
                "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}]}},
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
                    "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["app"], "labelSelector": {}}],
            },
        }))
        .unwrap();
        let info = PodInfo::parse(&pod);
        assert_eq!((&*info.key, info.name(), info.namespace(), info.priority), ("ns/web-1", "web-1", "ns", 7));
        assert_eq!(info.host_ports.len(), 1);
        assert_eq!(info.claims.iter().map(|claim| &**claim).collect::<Vec<_>>(), ["claim", "web-1-scratch"]);
        let pending = info.pending.unwrap();
        assert_eq!(*pending.images, [Box::from("reg:5000/web:latest")]);
        assert!(pending.spread[0].selector.matches(&info.class.labels));
        let term = &info.class.affinity.as_ref().unwrap().anti_required[0];
        assert!(term.matches(&info.class, &Labels::default()));
    }

    #[test]
    fn pods_with_a_node_are_slim() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n", "containers": []}});
        assert!(PodInfo::parse(&serde_json::from_value(pod).unwrap()).pending.is_none());
    }
}
