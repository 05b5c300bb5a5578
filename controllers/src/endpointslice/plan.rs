//! Which EndpointSlices a Service needs: few writes first, full slices second. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use k8s_openapi::api::{
    core::v1::{Node, Service},
    discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
};
use kube::{ResourceExt, api::ObjectMeta};

use super::{MANAGED_BY, MANAGER, SERVICE_NAME};
use crate::{
    owner::controller_reference,
    pod::Pod,
    service_pods::{self, TRIGGER_TIME},
};

pub const ZONE: &str = "topology.kubernetes.io/zone";

/// The writes.
#[derive(Debug, Default)]
pub struct Plan {
    pub create: Vec<EndpointSlice>,
    pub update: Vec<EndpointSlice>,
    pub delete: Vec<String>,
}

/// `slices` are this controller's slices of the Service; `node` looks a node up; `trigger` is the annotation's value.
pub fn plan(
    service: &Service,
    pods: &[Arc<Pod>],
    node: &dyn Fn(&str) -> Option<Arc<Node>>,
    slices: &[Arc<EndpointSlice>],
    max: usize,
    trigger: Option<String>,
) -> Plan {
    let mut plan = Plan::default();
    let families = families(service);
    for slice in slices.iter().filter(|slice| !families.contains(&slice.address_type.as_str())) {
        plan.delete.push(slice.name_any());
    }
    for family in families {
        let existing: Vec<_> = slices.iter().filter(|slice| slice.address_type == family).cloned().collect();
        plan_family(service, pods, node, &existing, max, family, &mut plan);
    }
    for slice in plan.create.iter_mut().chain(&mut plan.update) {
        let annotations = slice.metadata.annotations.get_or_insert_default();
        match &trigger {
            Some(time) => annotations.insert(TRIGGER_TIME.to_string(), time.clone()),
            None => annotations.remove(TRIGGER_TIME),
        };
    }
    if service.metadata.deletion_timestamp.is_some() {
        plan.create.clear();
    }
    plan
}

fn families(service: &Service) -> Vec<&'static str> {
    let spec = service_pods::spec(service);
    let named: Vec<&'static str> =
        spec.ip_families.iter().flatten().map(|family| if family == "IPv6" { "IPv6" } else { "IPv4" }).collect();
    match spec.cluster_ip.as_deref() {
        _ if !named.is_empty() => named,
        Some(ip) if ip.contains(':') => vec!["IPv6"],
        Some("None" | "") | None => vec!["IPv4", "IPv6"],
        Some(_) => vec!["IPv4"],
    }
}

type Ports = Vec<EndpointPort>;
/// What an endpoint is recognized by; the rest of it is updated in place.
type Identity = (Vec<String>, Option<String>, Option<String>);

fn plan_family(
    service: &Service,
    pods: &[Arc<Pod>],
    node: &dyn Fn(&str) -> Option<Arc<Node>>,
    existing: &[Arc<EndpointSlice>],
    max: usize,
    family: &str,
    plan: &mut Plan,
) {
    let mut wanted: BTreeMap<String, (Ports, BTreeMap<Identity, Endpoint>)> = BTreeMap::new();
    let publish = service_pods::spec(service).publish_not_ready_addresses == Some(true);
    for pod in pods {
        let on = pod.spec.node_name.as_deref().and_then(node);
        if on.is_none() && !publish {
            continue;
        }
        let ports = ports(service, pod);
        let group = wanted.entry(ports_key(&ports)).or_insert_with(|| (ports, BTreeMap::new()));
        let endpoint = endpoint(service, pod, on.as_deref(), family, publish);
        if !endpoint.addresses.is_empty() {
            group.1.insert(identity(&endpoint), endpoint);
        }
    }
    let mut create = Vec::new();
    let mut update = Vec::new();
    let mut delete: Vec<Arc<EndpointSlice>> = Vec::new();
    let mut by_ports: HashMap<String, Vec<&Arc<EndpointSlice>>> = HashMap::new();
    for slice in existing {
        if owned_by(slice, service) {
            by_ports.entry(ports_key(slice.ports.as_deref().unwrap_or_default())).or_default().push(slice);
        } else {
            delete.push(slice.clone());
        }
    }
    for (key, (ports, endpoints)) in wanted {
        let slices = by_ports.remove(&key).unwrap_or_default();
        plan_group(service, &ports, endpoints, &slices, max, family, (&mut create, &mut update, &mut delete));
    }
    delete.extend(by_ports.into_values().flatten().cloned());
    if existing.len() == delete.len() && create.is_empty() {
        // One empty slice stands for "no endpoints", as against "not looked at yet".
        let placeholder = new_slice(service, Vec::new(), family);
        match delete.as_slice() {
            [only] if is_placeholder(only, &placeholder) => delete.clear(),
            _ => create.push(placeholder),
        }
    }
    // A slice to be deleted is written over with one to be created: one write instead of two.
    let mut reuse: Vec<Arc<EndpointSlice>> = Vec::new();
    delete.retain(|slice| {
        let reusable = reuse.len() < create.len() && owned_by(slice, service);
        if reusable {
            reuse.push(slice.clone());
        }
        !reusable
    });
    for old in reuse {
        if let Some(mut slice) = create.pop() {
            slice.metadata.generate_name = None;
            slice.metadata.name = old.metadata.name.clone();
            slice.metadata.resource_version = old.metadata.resource_version.clone();
            update.push(slice);
        }
    }
    plan.create.extend(create);
    plan.update.extend(update);
    plan.delete.extend(delete.iter().map(|slice| slice.name_any()));
}

type Writes<'a> = (&'a mut Vec<EndpointSlice>, &'a mut Vec<EndpointSlice>, &'a mut Vec<Arc<EndpointSlice>>);

/// Spreads the endpoints of one set of ports over its slices.
fn plan_group(
    service: &Service,
    ports: &[EndpointPort],
    mut wanted: BTreeMap<Identity, Endpoint>,
    slices: &[&Arc<EndpointSlice>],
    max: usize,
    family: &str,
    (create, update, delete): Writes,
) {
    let labels = slice_labels(service);
    let mut changed: Vec<EndpointSlice> = Vec::new();
    let mut unchanged: Vec<&Arc<EndpointSlice>> = Vec::new();
    // First keep what is wanted where it is.
    for slice in slices {
        let old = endpoints(slice);
        let kept: Vec<Endpoint> = old.iter().filter_map(|endpoint| wanted.remove(&identity(endpoint))).collect();
        let same = kept.len() == old.len() && kept.iter().zip(old).all(|(new, old)| equal(new, old));
        if same && slice.metadata.labels.as_ref() == Some(&labels) {
            unchanged.push(slice);
        } else if kept.is_empty() && !same {
            delete.push((*slice).clone());
        } else {
            let mut slice = slice.as_ref().clone();
            slice.endpoints = Some(kept);
            slice.metadata.labels = Some(labels.clone());
            changed.push(slice);
        }
    }
    let mut rest = wanted.into_values();
    // Then fill the slices that are written anyway, the fullest first.
    changed.sort_by_key(|slice| std::cmp::Reverse(endpoints(slice).len()));
    for slice in &mut changed {
        let room = max.saturating_sub(endpoints(slice).len());
        slice.endpoints.get_or_insert_default().extend(rest.by_ref().take(room));
    }
    // Then one slice that has just enough room, and new ones for what is left.
    while rest.len() > 0 {
        let left = rest.len();
        let fits = |slice: &&&Arc<EndpointSlice>| left < max && left + endpoints(slice).len() <= max;
        let fullest = unchanged.iter().filter(fits).max_by_key(|slice| endpoints(slice).len()).copied();
        let mut slice = match fullest {
            Some(slice) => slice.as_ref().clone(),
            None => new_slice(service, ports.to_vec(), family),
        };
        let room = max.saturating_sub(endpoints(&slice).len()).max(1);
        slice.endpoints.get_or_insert_default().extend(rest.by_ref().take(room));
        if slice.metadata.name.is_some() {
            changed.push(slice);
        } else {
            create.push(slice);
        }
    }
    update.append(&mut changed);
}

fn new_slice(service: &Service, ports: Ports, family: &str) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", service.name_any())),
            namespace: service.metadata.namespace.clone(),
            labels: Some(slice_labels(service)),
            owner_references: Some(vec![controller_reference(service)]),
            ..ObjectMeta::default()
        },
        address_type: family.to_string(),
        endpoints: Some(Vec::new()),
        ports: Some(ports),
    }
}

/// The Service's labels and the slice's own three.
fn slice_labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service_pods::labels(service);
    labels.insert(SERVICE_NAME.to_string(), service.name_any());
    labels.insert(MANAGED_BY.to_string(), MANAGER.to_string());
    labels
}

fn endpoints(slice: &EndpointSlice) -> &[Endpoint] {
    slice.endpoints.as_deref().unwrap_or_default()
}

fn is_placeholder(slice: &EndpointSlice, placeholder: &EndpointSlice) -> bool {
    let empty = endpoints(slice).is_empty() && slice.ports.as_ref().is_none_or(Vec::is_empty);
    empty
        && slice.metadata.labels == placeholder.metadata.labels
        && slice.metadata.owner_references == placeholder.metadata.owner_references
}

fn owned_by(slice: &EndpointSlice, service: &Service) -> bool {
    let mut references = slice.metadata.owner_references.iter().flatten();
    references.any(|reference| Some(&reference.uid) == service.metadata.uid.as_ref() && reference.kind == "Service")
}

fn ports(service: &Service, pod: &Pod) -> Ports {
    let spec = service_pods::spec(service);
    let ports = spec.ports.iter().flatten().filter_map(|port| {
        Some(EndpointPort {
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(service_pods::find_port(pod, port)?),
            protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_string())),
            app_protocol: port.app_protocol.clone(),
        })
    });
    ports.collect()
}

/// Equal for equal sets of ports.
fn ports_key(ports: &[EndpointPort]) -> String {
    let mut keys: Vec<String> = ports
        .iter()
        .map(|port| format!("{:?} {:?} {:?} {:?}", port.name, port.protocol, port.port, port.app_protocol))
        .collect();
    keys.sort();
    keys.join(",")
}

fn endpoint(service: &Service, pod: &Pod, node: Option<&Node>, family: &str, publish: bool) -> Endpoint {
    let (serving, terminating) = (pod.ready(), pod.terminating());
    Endpoint {
        addresses: service_pods::addresses(pod, family == "IPv6"),
        conditions: Some(EndpointConditions {
            ready: Some(publish || serving && !terminating),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: service_pods::hostname(pod, service),
        node_name: pod.spec.node_name.clone(),
        target_ref: Some(service_pods::target(pod)),
        zone: node.and_then(|node| node.labels().get(ZONE).cloned()).filter(|zone| !zone.is_empty()),
        ..Endpoint::default()
    }
}

fn identity(endpoint: &Endpoint) -> Identity {
    let mut addresses = endpoint.addresses.clone();
    addresses.sort();
    (addresses, endpoint.hostname.clone(), endpoint.target_ref.as_ref().and_then(|target| target.name.clone()))
}

/// Equal in what is not identity.
fn equal(new: &Endpoint, old: &Endpoint) -> bool {
    let uid = |endpoint: &Endpoint| endpoint.target_ref.as_ref().and_then(|target| target.uid.clone());
    new.node_name == old.node_name && new.zone == old.zone && new.conditions == old.conditions && uid(new) == uid(old)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::core::v1::{ContainerPort, PodCondition, PodIP, ServicePort, ServiceSpec},
        apimachinery::pkg::util::intstr::IntOrString,
    };

    use super::*;
    use crate::pod::Container;

    fn service(target: IntOrString) -> Service {
        let port = ServicePort {
            name: Some("http".into()),
            port: 80,
            protocol: Some("TCP".into()),
            target_port: Some(target),
            ..ServicePort::default()
        };
        let mut service = Service {
            spec: Some(ServiceSpec {
                cluster_ip: Some("10.0.0.1".into()),
                ip_families: Some(vec!["IPv4".into()]),
                selector: Some([("app".to_string(), "x".to_string())].into()),
                ports: Some(vec![port]),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        };
        service.metadata.name = Some("web".into());
        service.metadata.namespace = Some("ns".into());
        service.metadata.uid = Some("s".into());
        service
    }

    fn pod(number: usize, ready: bool) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(format!("p{number}"));
        pod.metadata.uid = Some(format!("u{number}"));
        pod.spec.node_name = Some("n".into());
        let port = ContainerPort { name: Some("web".into()), container_port: 8080, ..ContainerPort::default() };
        pod.spec.containers = vec![Container { ports: vec![port], ..Container::default() }];
        pod.status.pod_ips = vec![PodIP { ip: format!("10.1.{}.{}", number / 250, number % 250) }];
        pod.status.conditions = vec![PodCondition {
            type_: "Ready".into(),
            status: if ready { "True" } else { "False" }.into(),
            ..PodCondition::default()
        }];
        Arc::new(pod)
    }

    fn run(service: &Service, pods: &[Arc<Pod>], slices: &[Arc<EndpointSlice>]) -> Plan {
        plan(service, pods, &|_| Some(Arc::new(Node::default())), slices, 100, None)
    }

    /// The slices as stored after the plan.
    fn store(plan: Plan, mut slices: Vec<Arc<EndpointSlice>>) -> Vec<Arc<EndpointSlice>> {
        slices.retain(|slice| !plan.delete.contains(&slice.name_any()));
        for updated in plan.update {
            slices.retain(|slice| slice.metadata.name != updated.metadata.name);
            slices.push(Arc::new(updated));
        }
        for mut created in plan.create {
            created.metadata.name = Some(format!("web-{}", slices.len()));
            slices.push(Arc::new(created));
        }
        slices
    }

    #[test]
    fn no_pods_give_one_empty_slice_that_is_filled_later() {
        let service = service(IntOrString::Int(8080));
        let first = run(&service, &[], &[]);
        assert_eq!(first.create.len(), 1);
        let slices = store(first, Vec::new());
        let again = run(&service, &[], &slices);
        assert!(again.create.is_empty() && again.update.is_empty() && again.delete.is_empty(), "{again:?}");
        let filled = run(&service, &[pod(1, true)], &slices);
        assert_eq!((filled.create.len(), filled.update.len(), filled.delete.len()), (0, 1, 0));
        assert_eq!(filled.update[0].metadata.name.as_deref(), Some("web-0"));
    }

    #[test]
    fn conditions_ports_and_targets() {
        let mut service = service(IntOrString::String("web".into()));
        let plan = run(&service, &[pod(1, false)], &[]);
        let slice = &plan.create[0];
        let endpoint = &endpoints(slice)[0];
        let conditions = endpoint.conditions.clone().unwrap();
        assert_eq!(
            (conditions.ready, conditions.serving, conditions.terminating),
            (Some(false), Some(false), Some(false))
        );
        assert_eq!(slice.ports.as_ref().unwrap()[0].port, Some(8080));
        assert_eq!(endpoint.target_ref.as_ref().unwrap().name.as_deref(), Some("p1"));
        assert_eq!(slice.metadata.labels.as_ref().unwrap()[MANAGED_BY], MANAGER);
        service.spec.as_mut().unwrap().publish_not_ready_addresses = Some(true);
        let plan = run(&service, &[pod(1, false)], &[]);
        assert_eq!(endpoints(&plan.create[0])[0].conditions.as_ref().unwrap().ready, Some(true));
    }

    #[test]
    fn slices_are_filled_up_to_the_maximum_with_few_writes() {
        let service = service(IntOrString::Int(8080));
        let pods: Vec<_> = (0..250).map(|number| pod(number, true)).collect();
        let plan = run(&service, &pods, &[]);
        let sizes: Vec<usize> = plan.create.iter().map(|slice| endpoints(slice).len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
        let slices = store(plan, Vec::new());
        let more: Vec<_> = (0..260).map(|number| pod(number, true)).collect();
        let plan = run(&service, &more, &slices);
        assert_eq!((plan.create.len(), plan.update.len()), (0, 1));
        assert_eq!(endpoints(&plan.update[0]).len(), 60);
        let one_less = run(&service, &pods[1..], &slices);
        assert_eq!((one_less.create.len(), one_less.update.len(), one_less.delete.len()), (0, 1, 0));
    }

    #[test]
    fn slices_of_an_earlier_service_of_the_name_go() {
        let mut service = service(IntOrString::Int(8080));
        let slices = store(run(&service, &[pod(1, true)], &[]), Vec::new());
        service.metadata.uid = Some("another".into());
        let plan = run(&service, &[pod(1, true)], &slices);
        assert_eq!((plan.create.len(), plan.delete.len()), (1, 1));
    }
}
