//! Lists the pods behind each Service with a selector in an Endpoints object, the older form of EndpointSlices.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ObjectMeta, PostParams},
};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    pod::Pod,
    pod_control::{message, namespace_terminating},
    queue::{self, Queue},
    service_pods::{self, TRIGGER_TIME, TriggerTimes},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "endpoints-controller",
    alias: "endpoint",
    service_account: "endpoint-controller",
    event_source: "endpoint-controller",
    run: |context| Box::pin(run(context)),
};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// More addresses than this are cut off, the not ready ones first.
const MAX_ADDRESSES: usize = 1000;

struct Worker {
    client: Client,
    recorder: Recorder,
    services: Informer<Service>,
    pods: Informer<Pod>,
    endpoints: Informer<Endpoints>,
    trigger_times: TriggerTimes,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        services: context.informers.services(),
        pods: context.informers.pods(),
        endpoints: context.informers.endpoints(),
        trigger_times: TriggerTimes::default(),
    });
    let queue: Queue<Key> = Queue::default();
    service_pods::enqueue_on_changes(&worker.services, &worker.pods, &queue);
    worker.services.synced().await;
    worker.pods.synced().await;
    worker.endpoints.synced().await;
    // Endpoints whose Service went away while nobody watched, and those that are deleted under a living one.
    let own = queue.clone();
    worker.endpoints.subscribe(move |change| match change {
        Change::Added(endpoints) | Change::Deleted(endpoints) => own.add(Key::of(endpoints.as_ref())),
        Change::Updated(..) => {}
    });
    let workers = context.options.concurrent_endpoint_syncs;
    queue::work(CONTROLLER.name, queue, workers, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let api: Api<Endpoints> = Api::namespaced(self.client.clone(), &key.namespace);
        let current = self.endpoints.get(key);
        let Some(service) = self.services.get(key) else {
            self.trigger_times.forget(key);
            // Leader election of old kept records in Endpoints of no Service: those are not ours to delete.
            let foreign = |current: &Endpoints| {
                let annotations = current.metadata.annotations.as_ref();
                annotations.is_some_and(|all| all.contains_key("control-plane.alpha.kubernetes.io/leader"))
            };
            if current.is_some_and(|current| !foreign(&current)) {
                match api.delete(&key.name, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    result => drop(result?),
                }
            }
            return Ok(());
        };
        if service_pods::selector(&service).is_none() {
            return Ok(());
        }
        let pods = service_pods::pods_of(&service, &self.pods);
        let trigger = self.trigger_times.earliest(key, &service, &pods);
        let Some(wanted) = plan(&service, &pods, current.as_deref(), trigger) else { return Ok(()) };
        let (result, reason, verb) = if current.is_none() {
            (api.create(&PostParams::default(), &wanted).await, "FailedToCreateEndpoint", "create endpoint for service")
        } else {
            (api.replace(&key.name, &PostParams::default(), &wanted).await, "FailedToUpdateEndpoint", "update endpoint")
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) if namespace_terminating(&error) => Ok(()),
            // The store is behind: its event wakes the Service again.
            Err(kube::Error::Api(status)) if status.code == 409 && current.is_some() => {
                Err(kube::Error::Api(status).into())
            }
            Err(error) => {
                let text = format!("Failed to {verb} {key}: {}", message(&error));
                self.recorder.event(&wanted.object_ref(&()), EventType::Warning, reason, &text);
                Err(error.into())
            }
        }
    }
}

/// The Endpoints to write; `None` where `current` is right.
fn plan(
    service: &Service,
    pods: &[Arc<Pod>],
    current: Option<&Endpoints>,
    trigger: Option<String>,
) -> Option<Endpoints> {
    let (subsets, truncated) = truncate(subsets(service, pods));
    let mut labels = service_pods::labels(service);
    labels.insert(MANAGED_BY.to_string(), MANAGER.to_string());
    let mut metadata = match current {
        Some(current) => {
            let marked = current.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(OVER_CAPACITY));
            let old = current.subsets.clone().unwrap_or_default();
            if old == subsets && current.metadata.labels.as_ref() == Some(&labels) && marked == truncated {
                return None;
            }
            current.metadata.clone()
        }
        None => ObjectMeta {
            name: service.metadata.name.clone(),
            namespace: service.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
    };
    metadata.labels = Some(labels);
    let annotations = metadata.annotations.get_or_insert_default();
    for (key, value) in [(TRIGGER_TIME, trigger), (OVER_CAPACITY, truncated.then(|| "truncated".to_string()))] {
        match value {
            Some(value) => annotations.insert(key.to_string(), value),
            None => annotations.remove(key),
        };
    }
    Some(Endpoints { metadata, subsets: Some(subsets) })
}

/// A port in an order that makes equal sets of ports equal.
type Port = (Option<String>, i32, Option<String>, Option<String>);
/// An address, ready or not, and the ports it serves so.
type Addresses = BTreeMap<(String, String, bool), (EndpointAddress, Vec<Port>)>;

/// The pods by the ports they serve, each port set once, addresses in order.
fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointSubset> {
    let spec = service_pods::spec(service);
    let publish = spec.publish_not_ready_addresses == Some(true);
    let mut addresses: Addresses = BTreeMap::new();
    for pod in pods.iter().filter(|pod| publish || !pod.terminating()) {
        let v6 = match (spec.ip_families.iter().flatten().next(), spec.cluster_ip.as_deref()) {
            (Some(family), _) => family == "IPv6",
            (None, Some(ip)) if !matches!(ip, "" | "None") => ip.contains(':'),
            _ => pod.status.pod_ip.as_ref().is_some_and(|ip| ip.contains(':')),
        };
        let Some(ip) = service_pods::addresses(pod, v6).into_iter().next() else { continue };
        let address = EndpointAddress {
            ip: ip.clone(),
            hostname: service_pods::hostname(pod, service),
            node_name: pod.spec.node_name.clone(),
            target_ref: Some(service_pods::target(pod)),
        };
        let ready = publish || pod.ready();
        let ports = spec.ports.iter().flatten().filter_map(|port| {
            let number = service_pods::find_port(pod, port)?;
            let protocol = Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_string()));
            Some((port.name.clone().filter(|name| !name.is_empty()), number, protocol, port.app_protocol.clone()))
        });
        let mut ports: Vec<Port> = ports.collect();
        ports.sort();
        let without_ports = spec.ports.as_ref().is_none_or(Vec::is_empty) && spec.cluster_ip.as_deref() == Some("None");
        if ports.is_empty() && !without_ports {
            continue;
        }
        addresses.insert((ip, pod.uid().to_string(), ready), (address, ports));
    }
    let mut by_ports: BTreeMap<Vec<Port>, EndpointSubset> = BTreeMap::new();
    for ((_, _, ready), (address, ports)) in addresses {
        let subset = by_ports.entry(ports).or_default();
        let list = if ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        list.get_or_insert_default().push(address);
    }
    by_ports
        .into_iter()
        .map(|(ports, mut subset)| {
            let ports = ports.into_iter().map(|(name, port, protocol, app_protocol)| EndpointPort {
                name,
                port,
                protocol,
                app_protocol,
            });
            subset.ports = Some(ports.collect::<Vec<_>>()).filter(|ports| !ports.is_empty());
            subset
        })
        .collect()
}

/// Cuts the addresses to the maximum: ready ones have precedence, subsets lose in proportion.
fn truncate(mut subsets: Vec<EndpointSubset>) -> (Vec<EndpointSubset>, bool) {
    let length = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|subset| length(&subset.addresses)).sum();
    let not_ready: usize = subsets.iter().map(|subset| length(&subset.not_ready_addresses)).sum();
    if ready + not_ready <= MAX_ADDRESSES {
        return (subsets, false);
    }
    let cut_ready = ready > MAX_ADDRESSES;
    let (most, total) = if cut_ready { (MAX_ADDRESSES, ready) } else { (MAX_ADDRESSES - ready, not_ready) };
    let mut left = most;
    for subset in &mut subsets {
        if cut_ready {
            subset.not_ready_addresses = None;
        }
        let list = if cut_ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        let keep = (length(list) * most).div_ceil(total).min(left);
        if let Some(addresses) = list {
            addresses.truncate(keep);
            left -= addresses.len();
        }
        if keep == 0 {
            *list = None;
        }
    }
    (subsets, true)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{PodCondition, PodIP, ServicePort, ServiceSpec};

    use super::*;

    fn service() -> Service {
        let mut service = Service {
            spec: Some(ServiceSpec {
                cluster_ip: Some("10.0.0.1".into()),
                selector: Some([("app".to_string(), "x".to_string())].into()),
                ports: Some(vec![ServicePort { port: 80, ..ServicePort::default() }]),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        };
        service.metadata.name = Some("web".into());
        service
    }

    fn pod(number: usize, ready: bool) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.uid = Some(format!("u{number}"));
        pod.status.pod_ips =
            vec![PodIP { ip: format!("10.{}.{}.{}", number / 65536, number / 256 % 256, number % 256) }];
        let status = if ready { "True" } else { "False" };
        pod.status.conditions =
            vec![PodCondition { type_: "Ready".into(), status: status.into(), ..PodCondition::default() }];
        Arc::new(pod)
    }

    #[test]
    fn ready_and_not_ready_addresses_share_a_subset() {
        let planned = plan(&service(), &[pod(1, true), pod(2, false)], None, Some("t".into())).unwrap();
        let subsets = planned.subsets.clone().unwrap();
        assert_eq!(subsets.len(), 1);
        assert_eq!(subsets[0].addresses.as_ref().unwrap()[0].ip, "10.0.0.1");
        assert_eq!(subsets[0].not_ready_addresses.as_ref().unwrap()[0].ip, "10.0.0.2");
        assert_eq!(subsets[0].ports.as_ref().unwrap()[0].port, 80);
        assert_eq!(planned.metadata.annotations.as_ref().unwrap()[TRIGGER_TIME], "t");
        assert!(plan(&service(), &[pod(1, true), pod(2, false)], Some(&planned), None).is_none());
        assert!(plan(&service(), &[pod(1, true)], Some(&planned), None).is_some());
    }

    #[test]
    fn no_more_than_a_thousand_addresses() {
        let pods: Vec<_> = (0..1200).map(|number| pod(number, number % 2 == 0)).collect();
        let planned = plan(&service(), &pods, None, None).unwrap();
        let subset = planned.subsets.unwrap().remove(0);
        assert_eq!((subset.addresses.unwrap().len(), subset.not_ready_addresses.unwrap().len()), (600, 400));
        assert_eq!(planned.metadata.annotations.unwrap()[OVER_CAPACITY], "truncated");
    }
}
