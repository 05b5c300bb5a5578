//! What the two endpoint controllers share: which pods stand behind a Service, on which ports, since when.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ObjectReference, Service, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::Time, util::intstr::IntOrString},
};
use kube::ResourceExt;
use parking_lot::Mutex;

use crate::{
    informer::{Change, Informer},
    key::Key,
    owner::Matcher,
    pod::Pod,
    queue::Queue,
};

/// The annotation that tells when the change happened that led to a write.
pub const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The label of what belongs to a Service without a cluster IP.
pub const HEADLESS: &str = "service.kubernetes.io/headless";

/// Enqueues a Service when it, or a pod behind it, changes in what endpoints show.
pub fn enqueue_on_changes(services: &Informer<Service>, pods: &Informer<Pod>, queue: &Queue<Key>) {
    let own = queue.clone();
    services.subscribe(move |change| own.add(Key::of(change.object().as_ref())));
    let (services, queue) = (services.clone(), queue.clone());
    pods.subscribe(move |change| match change {
        Change::Added(pod) | Change::Deleted(pod) => enqueue_services_of(&services, pod, &queue),
        Change::Updated(old, new) => {
            if shown(old) != shown(new) {
                enqueue_services_of(&services, old, &queue);
                enqueue_services_of(&services, new, &queue);
            }
        }
    });
}

fn enqueue_services_of(services: &Informer<Service>, pod: &Pod, queue: &Queue<Key>) {
    for service in services.in_namespace(pod.namespace()) {
        if selector(&service).is_some_and(|selector| selector.matches(&pod.metadata)) {
            queue.add(Key::of(service.as_ref()));
        }
    }
}

/// The part of a pod that endpoints show.
fn shown(pod: &Pod) -> impl PartialEq {
    let ips: Vec<String> = pod.status.pod_ips.iter().map(|ip| ip.ip.clone()).collect();
    let place = (pod.spec.node_name.clone(), pod.spec.hostname.clone(), pod.spec.subdomain.clone());
    let state = (pod.ready(), pod.terminating(), pod.finished());
    (pod.metadata.uid.clone(), pod.metadata.labels.clone(), ips, place, state)
}

/// The Service's selector; `None` where others make its endpoints.
pub fn selector(service: &Service) -> Option<Matcher> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    spec.selector.as_ref().map(|labels| Matcher::labels(Some(labels)))
}

/// The pods that can be endpoints: selected, not finished, with an address.
pub fn pods_of(service: &Service, pods: &Informer<Pod>) -> Vec<Arc<Pod>> {
    let Some(selector) = selector(service) else { return Vec::new() };
    let mut found = pods.in_namespace(&service.namespace().unwrap_or_default());
    found.retain(|pod| {
        let addressed = pod.status.pod_ip.is_some() || !pod.status.pod_ips.is_empty();
        addressed && !pod.finished() && selector.matches(&pod.metadata)
    });
    found
}

pub fn spec(service: &Service) -> ServiceSpec {
    service.spec.clone().unwrap_or_default()
}

/// Whether the Service has a cluster IP.
pub fn has_cluster_ip(service: &Service) -> bool {
    let ip = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref());
    !matches!(ip, None | Some("" | "None"))
}

/// The Service's labels with the headless mark set or removed.
pub fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    if !has_cluster_ip(service) {
        labels.insert(HEADLESS.to_string(), String::new());
    }
    labels
}

/// The number behind a Service port on this pod; `None` where the pod has no port of that name.
pub fn find_port(pod: &Pod, port: &ServicePort) -> Option<i32> {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let sidecars = pod.spec.init_containers.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
            let mut ports = pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
            let found = ports.find(|candidate| {
                candidate.name.as_ref() == Some(name) && candidate.protocol.as_deref().unwrap_or("TCP") == protocol
            });
            found.map(|found| found.container_port)
        }
    }
}

/// The pod's addresses of one family.
pub fn addresses(pod: &Pod, v6: bool) -> Vec<String> {
    let parsed = pod.status.pod_ips.iter().filter_map(|ip| ip.ip.parse::<IpAddr>().ok());
    parsed.filter(|ip| ip.is_ipv6() == v6).map(|ip| ip.to_string()).collect()
}

/// The host name under which DNS knows the pod in this Service.
pub fn hostname(pod: &Pod, service: &Service) -> Option<String> {
    let own = pod.spec.subdomain.is_some() && pod.spec.subdomain == service.metadata.name;
    pod.spec.hostname.clone().filter(|hostname| own && !hostname.is_empty())
}

pub fn target(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".to_string()),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// When the changes happened that a write of endpoints shows: for measuring how long the network takes to follow.
#[derive(Default)]
pub struct TriggerTimes {
    services: Mutex<HashMap<Key, Seen>>,
}

#[derive(Default)]
struct Seen {
    service: Option<Timestamp>,
    pods: HashMap<String, Timestamp>,
}

impl TriggerTimes {
    /// The earliest change since the last call, as an annotation's value; `None` where nothing new happened.
    pub fn earliest(&self, key: &Key, service: &Service, pods: &[Arc<Pod>]) -> Option<String> {
        let created = service.metadata.creation_timestamp.as_ref().map(|Time(time)| *time);
        let mut seen = Seen { service: created, pods: HashMap::new() };
        for pod in pods {
            let ready = pod.condition("Ready").and_then(|condition| condition.last_transition_time.as_ref());
            if let Some(Time(time)) = ready {
                seen.pods.insert(pod.name().to_string(), *time);
            }
        }
        let mut services = self.services.lock();
        let earliest = match services.get(key) {
            None => seen.pods.values().copied().chain(created).min(),
            Some(before) => {
                let newer = |name: &String, time: &Timestamp| before.pods.get(name).is_none_or(|old| old < time);
                let pods = seen.pods.iter().filter(|(name, time)| newer(name, time)).map(|(_, time)| *time);
                pods.chain(created.filter(|created| before.service.is_some_and(|old| old < *created))).min()
            }
        };
        services.insert(key.clone(), seen);
        earliest.map(|time| time.to_string())
    }

    pub fn forget(&self, key: &Key) {
        self.services.lock().remove(key);
    }
}
