//! What cluster DNS keeps of Services, EndpointSlices and Namespaces.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use k8s_openapi::api::{core::v1::Service as ApiService, discovery::v1::EndpointSlice};

/// Namespace and name, joined by a slash.
pub type Key = String;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Empty: headless.
    pub cluster_ips: Vec<IpAddr>,
    /// Not empty: another name for this one.
    pub external_name: String,
    pub ports: Vec<Port>,
}

/// A port of a Service or EndpointSlice.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    pub name: String,
    /// In lower case.
    pub protocol: String,
    pub port: u16,
}

/// The ready endpoints of one EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    pub ports: Vec<Port>,
    pub endpoints: Vec<Endpoint>,
}

/// One address of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub ip: IpAddr,
    /// Empty where the pod has none of its own.
    pub hostname: String,
}

impl Endpoint {
    /// The endpoint's name below its service: its hostname, or its address with dashes.
    pub fn label(&self) -> String {
        if self.hostname.is_empty() {
            self.ip.to_string().replace(['.', ':'], "-")
        } else {
            self.hostname.to_ascii_lowercase()
        }
    }
}

impl Service {
    pub fn parse(service: &ApiService) -> Self {
        let Some(spec) = &service.spec else { return Service::default() };
        let mut cluster_ips: Vec<IpAddr> = spec.cluster_ips.iter().flatten().filter_map(|ip| ip.parse().ok()).collect();
        if cluster_ips.is_empty() {
            cluster_ips.extend(spec.cluster_ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()));
        }
        let is_external = spec.type_.as_deref() == Some("ExternalName");
        let ports = spec.ports.iter().flatten().map(|port| Port {
            name: port.name.clone().unwrap_or_default(),
            protocol: port.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase(),
            port: u16::try_from(port.port).unwrap_or(0),
        });
        Service {
            cluster_ips,
            external_name: spec.external_name.clone().filter(|_| is_external).unwrap_or_default(),
            ports: ports.collect(),
        }
    }
}

impl Slice {
    /// The key of the service the slice belongs to, and its ready endpoints; none where it belongs to none.
    pub fn parse(slice: &EndpointSlice) -> Option<(Key, Self)> {
        let name = slice.metadata.labels.as_ref()?.get("kubernetes.io/service-name")?;
        let ports = slice.ports.iter().flatten().filter_map(|port| {
            Some(Port {
                name: port.name.clone().unwrap_or_default(),
                protocol: port.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase(),
                port: u16::try_from(port.port?).ok()?,
            })
        });
        let endpoints =
            slice.endpoints.iter().flatten().filter(|endpoint| {
                endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
            });
        let endpoints = endpoints.flat_map(|endpoint| {
            let hostname = endpoint.hostname.clone().unwrap_or_default();
            let ips = endpoint.addresses.iter().filter_map(|address| address.parse().ok());
            ips.map(move |ip| Endpoint { ip, hostname: hostname.clone() }).collect::<Vec<_>>()
        });
        let key = format!("{}/{name}", slice.metadata.namespace.as_deref().unwrap_or_default());
        Some((key, Slice { ports: ports.collect(), endpoints: endpoints.collect() }))
    }
}

/// All there is to know, with the indexes that answering needs.
#[derive(Debug)]
pub struct Zone {
    /// `cluster.local`, in lower case, without a dot at the end.
    pub domain: String,
    pub namespaces: HashSet<String>,
    pub services: HashMap<Key, Service>,
    /// By service, then by the slice's key.
    slices: HashMap<Key, BTreeMap<Key, Slice>>,
    /// Which service each slice belongs to.
    slice_services: HashMap<Key, Key>,
    service_of_ip: HashMap<IpAddr, Key>,
    /// Services that have an endpoint with a hostname at an address, once per slice.
    endpoint_services: HashMap<IpAddr, Vec<Key>>,
    /// Grows with every change: the zone's serial number.
    pub serial: u32,
}

impl Zone {
    pub fn new(domain: &str) -> Self {
        Zone {
            domain: domain.trim_end_matches('.').to_ascii_lowercase(),
            namespaces: HashSet::new(),
            services: HashMap::new(),
            slices: HashMap::new(),
            slice_services: HashMap::new(),
            service_of_ip: HashMap::new(),
            endpoint_services: HashMap::new(),
            serial: 1,
        }
    }

    pub fn set_namespace(&mut self, name: &str, exists: bool) {
        self.serial = self.serial.wrapping_add(1);
        if exists {
            self.namespaces.insert(name.to_string());
        } else {
            self.namespaces.remove(name);
        }
    }

    pub fn set_service(&mut self, key: &str, service: Option<Service>) {
        if self.services.get(key) == service.as_ref() {
            return;
        }
        self.serial = self.serial.wrapping_add(1);
        if let Some(old) = self.services.remove(key) {
            for ip in &old.cluster_ips {
                if self.service_of_ip.get(ip).is_some_and(|owner| owner == key) {
                    self.service_of_ip.remove(ip);
                }
            }
        }
        if let Some(service) = service {
            for ip in &service.cluster_ips {
                self.service_of_ip.insert(*ip, key.to_string());
            }
            self.services.insert(key.to_string(), service);
        }
    }

    /// Sets what a slice says; `content` is the service's key and the endpoints.
    pub fn set_slice(&mut self, slice: &str, content: Option<(Key, Slice)>) {
        self.serial = self.serial.wrapping_add(1);
        if let Some(service) = self.slice_services.remove(slice)
            && let Some(slices) = self.slices.get_mut(&service)
        {
            let old = slices.remove(slice);
            if slices.is_empty() {
                self.slices.remove(&service);
            }
            for endpoint in old.iter().flat_map(|old| &old.endpoints).filter(|endpoint| !endpoint.hostname.is_empty()) {
                if let Some(services) = self.endpoint_services.get_mut(&endpoint.ip) {
                    if let Some(at) = services.iter().position(|known| *known == service) {
                        services.swap_remove(at);
                    }
                    if services.is_empty() {
                        self.endpoint_services.remove(&endpoint.ip);
                    }
                }
            }
        }
        if let Some((service, now)) = content {
            for endpoint in now.endpoints.iter().filter(|endpoint| !endpoint.hostname.is_empty()) {
                self.endpoint_services.entry(endpoint.ip).or_default().push(service.clone());
            }
            self.slice_services.insert(slice.to_string(), service.clone());
            self.slices.entry(service).or_default().insert(slice.to_string(), now);
        }
    }

    /// Forgets what a new list does not contain.
    pub fn retain_services(&mut self, listed: &HashSet<Key>) {
        let gone: Vec<Key> = self.services.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| self.set_service(key, None));
    }

    pub fn retain_slices(&mut self, listed: &HashSet<Key>) {
        let gone: Vec<Key> = self.slice_services.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| self.set_slice(key, None));
    }

    pub fn retain_namespaces(&mut self, listed: &HashSet<Key>) {
        self.namespaces.retain(|name| listed.contains(name));
    }

    /// The slices of a service.
    pub fn slices_of(&self, service: &str) -> impl Iterator<Item = &Slice> {
        self.slices.get(service).into_iter().flat_map(BTreeMap::values)
    }

    /// The service with this cluster IP.
    pub fn service_at(&self, ip: IpAddr) -> Option<&Key> {
        self.service_of_ip.get(&ip)
    }

    /// The services with an endpoint at this address that has a hostname, and that hostname; each pair once.
    pub fn endpoints_at(&self, ip: IpAddr) -> Vec<(&Key, &str)> {
        let mut found: Vec<(&Key, &str)> = Vec::new();
        for service in self.endpoint_services.get(&ip).into_iter().flatten() {
            for endpoint in self.slices_of(service).flat_map(|slice| &slice.endpoints) {
                if endpoint.ip == ip && !endpoint.hostname.is_empty() {
                    found.push((service, &endpoint.hostname));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
