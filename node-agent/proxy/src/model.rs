//! What the proxy keeps of Services, EndpointSlices and its own Node.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use k8s_openapi::api::{
    core::v1::{self, Node},
    discovery::v1 as discovery,
};

/// An address family. Each has its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The word of nft's language: family, and expression of its headers.
    pub fn ip(self) -> &'static str {
        match self {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    /// nft's type of an address.
    pub fn address_type(self) -> &'static str {
        match self {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        }
    }

    /// As it stands in an API object and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }
}

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Service that has cluster IPs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    pub cluster_ips: Vec<IpAddr>,
    pub external_ips: Vec<IpAddr>,
    pub load_balancer_ips: Vec<IpAddr>,
    pub source_ranges: Vec<IpNet>,
    pub ports: Vec<ServicePort>,
    /// Seconds for which a client stays with its endpoint.
    pub affinity: Option<u32>,
    pub internal_local: bool,
    pub external_local: bool,
    /// 0: none.
    pub health_check_node_port: u16,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePort {
    pub name: String,
    /// In lower case.
    pub protocol: String,
    pub port: u16,
    /// 0: none.
    pub node_port: u16,
}

impl Service {
    /// None for services that are not proxied: headless and external ones.
    pub fn parse(service: &v1::Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        if text(&spec.type_) == "ExternalName" {
            return None;
        }
        let ips = |list: &Option<Vec<String>>| parse_ips(list.iter().flatten().map(String::as_str));
        let mut cluster_ips = ips(&spec.cluster_ips);
        if cluster_ips.is_empty() {
            cluster_ips = parse_ips(spec.cluster_ip.as_deref());
        }
        if cluster_ips.is_empty() {
            return None;
        }
        let ingress = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
        let ingress = ingress.into_iter().flatten();
        let ingress = ingress.filter(|ingress| ingress.ip_mode.as_deref().unwrap_or("VIP") == "VIP");
        let affinity = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
        let affinity = affinity.and_then(|client| client.timeout_seconds).unwrap_or(10_800);
        let is_local = |policy: &Option<String>| policy.as_deref() == Some("Local");
        let port = |number: i32| u16::try_from(number).unwrap_or(0);
        Some(Service {
            cluster_ips,
            external_ips: ips(&spec.external_ips),
            load_balancer_ips: parse_ips(ingress.filter_map(|ingress| ingress.ip.as_deref())),
            source_ranges: spec
                .load_balancer_source_ranges
                .iter()
                .flatten()
                .filter_map(|r| r.trim().parse().ok())
                .collect(),
            ports: (spec.ports.iter().flatten())
                .map(|each| ServicePort {
                    name: text(&each.name),
                    protocol: each.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase(),
                    port: port(each.port),
                    node_port: port(each.node_port.unwrap_or(0)),
                })
                .collect(),
            affinity: (text(&spec.session_affinity) == "ClientIP").then(|| u32::try_from(affinity).unwrap_or(10_800)),
            internal_local: is_local(&spec.internal_traffic_policy),
            external_local: is_local(&spec.external_traffic_policy),
            health_check_node_port: port(spec.health_check_node_port.unwrap_or(0)),
        })
    }

    /// Can it be reached by more than its cluster IPs?
    pub fn is_externally_reachable(&self, port: &ServicePort) -> bool {
        port.node_port != 0 || !self.external_ips.is_empty() || !self.load_balancer_ips.is_empty()
    }
}

fn parse_ips<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<IpAddr> {
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}

/// The endpoints of one EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    pub ports: Vec<SlicePort>,
    pub endpoints: Vec<Endpoint>,
}

/// A port of a slice: its name says which port of the Service it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct SlicePort {
    pub name: String,
    pub protocol: String,
    pub port: u16,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub ip: IpAddr,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
    pub node: String,
    pub zone_hints: BTreeSet<String>,
    pub node_hints: BTreeSet<String>,
}

impl Slice {
    /// The service the slice belongs to, and what it says; none where it belongs to none.
    pub fn parse(slice: &discovery::EndpointSlice) -> Option<(ServiceKey, Self)> {
        let labels = slice.metadata.labels.as_ref()?;
        let name = labels.get("kubernetes.io/service-name")?.clone();
        let key = ServiceKey { namespace: slice.metadata.namespace.clone()?, name };
        let ports = slice.ports.iter().flatten().filter_map(|port| {
            Some(SlicePort {
                name: port.name.clone().unwrap_or_default(),
                protocol: port.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase(),
                // Without a number it is any port: no endpoint of ours.
                port: u16::try_from(port.port?).ok()?,
            })
        });
        let endpoints = slice.endpoints.iter().flatten().filter_map(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            let condition = |get: fn(&discovery::EndpointConditions) -> Option<bool>| conditions.and_then(get);
            let ready = condition(|conditions| conditions.ready).unwrap_or(true);
            let hints = endpoint.hints.as_ref();
            let zones = hints.and_then(|hints| hints.for_zones.as_ref()).into_iter().flatten();
            let nodes = hints.and_then(|hints| hints.for_nodes.as_ref()).into_iter().flatten();
            Some(Endpoint {
                // All addresses of an endpoint are the same endpoint; consumers take the first.
                ip: endpoint.addresses.first()?.parse().ok()?,
                ready,
                serving: condition(|conditions| conditions.serving).unwrap_or(ready),
                terminating: condition(|conditions| conditions.terminating).unwrap_or(false),
                node: endpoint.node_name.clone().unwrap_or_default(),
                zone_hints: zones.map(|zone| zone.name.clone()).collect(),
                node_hints: nodes.map(|node| node.name.clone()).collect(),
            })
        });
        Some((key, Slice { ports: ports.collect(), endpoints: endpoints.collect() }))
    }
}

/// What counts of the node the proxy runs on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeView {
    pub name: String,
    pub zone: String,
    /// The primary address of each family.
    pub ips: Vec<IpAddr>,
    /// It is deleted, or about to be taken away by the autoscaler.
    pub leaving: bool,
}

impl NodeView {
    pub fn parse(node: &Node) -> Self {
        let label = node.metadata.labels.as_ref().and_then(|labels| labels.get("topology.kubernetes.io/zone"));
        let addresses = node.status.as_ref().and_then(|status| status.addresses.as_ref()).into_iter().flatten();
        let of_type = |kind: &'static str| {
            let addresses = addresses.clone().filter(move |address| address.type_ == kind);
            addresses.filter_map(|address| address.address.parse::<IpAddr>().ok())
        };
        let mut ips: Vec<IpAddr> = Vec::new();
        for ip in of_type("InternalIP").chain(of_type("ExternalIP")) {
            if !ips.iter().any(|known| known.is_ipv4() == ip.is_ipv4()) {
                ips.push(ip);
            }
        }
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref()).into_iter().flatten();
        let mut doomed = taints.filter(|taint| taint.key == "ToBeDeletedByClusterAutoscaler");
        NodeView {
            name: node.metadata.name.clone().unwrap_or_default(),
            zone: label.cloned().unwrap_or_default(),
            ips,
            leaving: node.metadata.deletion_timestamp.is_some() || doomed.next().is_some(),
        }
    }
}

/// All services and their slices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub services: BTreeMap<ServiceKey, Service>,
    /// By service, then by the slice's name.
    pub slices: BTreeMap<ServiceKey, BTreeMap<String, Slice>>,
}

/// An endpoint of one port of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct PortEndpoint<'a> {
    pub endpoint: &'a Endpoint,
    pub port: u16,
}

impl State {
    pub fn set_slice(&mut self, service: ServiceKey, name: String, slice: Slice) {
        self.slices.entry(service).or_default().insert(name, slice);
    }

    pub fn remove_slice(&mut self, service: &ServiceKey, name: &str) {
        if let Some(slices) = self.slices.get_mut(service) {
            slices.remove(name);
            if slices.is_empty() {
                self.slices.remove(service);
            }
        }
    }

    /// The endpoints of a port, each address once, sorted by address.
    pub fn endpoints(&self, service: &ServiceKey, port: &ServicePort, family: Family) -> Vec<PortEndpoint<'_>> {
        let mut found: BTreeMap<(IpAddr, u16), &Endpoint> = BTreeMap::new();
        for slice in self.slices.get(service).into_iter().flat_map(BTreeMap::values) {
            for slice_port in slice.ports.iter().filter(|p| p.name == port.name && p.protocol == port.protocol) {
                for endpoint in slice.endpoints.iter().filter(|endpoint| Family::of(endpoint.ip) == family) {
                    // An endpoint may move between slices and be in two for a while: one that is ready wins.
                    let known = found.entry((endpoint.ip, slice_port.port)).or_insert(endpoint);
                    if !known.ready && endpoint.ready {
                        *known = endpoint;
                    }
                }
            }
        }
        found.into_iter().map(|((_, port), endpoint)| PortEndpoint { endpoint, port }).collect()
    }
}
