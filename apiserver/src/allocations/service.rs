//! Cluster addresses and node ports of services.
//!
//! An address is taken by creating the `IPAddress` object of its name, which only one writer can do; upstream
//! does the same (KEP-1880). A node port is free when no service has it.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use parking_lot::Mutex;
use rand::Rng;
use serde_json::{Value, json};

use super::Undo;
use crate::field::{ErrorList, Path};
use crate::object;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::{Created, Replaced};

/// Where the addresses and ports of services come from.
#[derive(Clone, Debug)]
pub struct ServiceRanges {
    /// `--service-cluster-ip-range`.
    pub addresses: Ipv4Net,
    /// `--service-node-port-range`, both ends included.
    pub node_ports: (u16, u16),
}

impl ServiceRanges {
    /// The first address, which is the API server's own service's.
    pub fn first_address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.addresses.network().to_bits() + 1)
    }
}

pub struct Services {
    ranges: ServiceRanges,
    /// Node ports given out whose services the cache may not show yet.
    ports_in_flight: Mutex<HashSet<u16>>,
}

/// Something taken for a service that is not stored yet.
pub enum Taken {
    Address(String),
    Port(u16),
}

impl Taken {
    pub async fn give_back(self, server: &Server) {
        match self {
            Taken::Address(address) => free_address(server, &address).await,
            Taken::Port(port) => {
                server.allocations.services.ports_in_flight.lock().remove(&port);
            }
        }
    }
}

impl Services {
    pub fn new(ranges: ServiceRanges) -> Self {
        Services { ranges, ports_in_flight: Mutex::default() }
    }

    /// Completes a service's addresses and ports; `old` is the service before an update.
    pub async fn allocate(
        &self,
        server: &Server,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Undo> {
        let mut undo = Undo::default();
        match self.complete(server, service, old, dry_run, &mut undo).await {
            Ok(()) => Ok(undo),
            Err(refused) => {
                for taken in undo.services {
                    taken.give_back(server).await;
                }
                Err(refused)
            }
        }
    }

    async fn complete(
        &self,
        server: &Server,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
        undo: &mut Undo,
    ) -> Result<()> {
        let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
        if let Some(old) = old {
            keep_allocated(service, old, &kind);
        }
        if kind == "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                remove(&mut service["spec"], field);
            }
        } else {
            self.address(server, service, old, dry_run, undo).await?;
        }
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            self.ports(server, service, old, undo)?;
        } else {
            for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
                remove(port, "nodePort");
            }
        }
        Ok(())
    }

    async fn address(
        &self,
        server: &Server,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
        undo: &mut Undo,
    ) -> Result<()> {
        let given = service["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned();
        let given = if given.is_empty() {
            service["spec"]["clusterIPs"][0].as_str().unwrap_or_default().to_owned()
        } else {
            given
        };
        let had = old.and_then(|old| old["spec"]["clusterIP"].as_str()).unwrap_or_default();
        let address = if given == "None" || (!given.is_empty() && given == had) {
            given
        } else if given.is_empty() {
            self.any_address(server, service, dry_run, undo).await?
        } else {
            self.this_address(server, service, &given, dry_run, undo).await?;
            given
        };
        let spec = &mut service["spec"];
        spec["clusterIP"] = address.as_str().into();
        spec["clusterIPs"] = json!([address]);
        if spec["ipFamilies"].as_array().is_none_or(Vec::is_empty) {
            spec["ipFamilies"] = json!(["IPv4"]);
        }
        if spec["ipFamilyPolicy"].is_null() {
            spec["ipFamilyPolicy"] = "SingleStack".into();
        }
        Ok(())
    }

    /// Takes a free address, from the upper part of the range first: the lower is for those who choose.
    async fn any_address(&self, server: &Server, service: &Value, dry_run: bool, undo: &mut Undo) -> Result<String> {
        let network = self.ranges.addresses.network().to_bits();
        let size = 1u32 << (32 - u32::from(self.ranges.addresses.prefix_len())).min(31);
        let usable = size.saturating_sub(2).max(1);
        let reserved = if size < 32 { 0 } else { (size / 16).clamp(16, 256) };
        let start = rand::rng().random_range(0..usable - reserved.min(usable - 1));
        let upper = (0..usable - reserved).map(|step| reserved + (start + step) % (usable - reserved));
        for offset in upper.chain(0..reserved) {
            let address = Ipv4Addr::from_bits(network + 1 + offset).to_string();
            if server.is_cached("networking.k8s.io", "ipaddresses", "", &address)? {
                continue;
            }
            if dry_run {
                return Ok(address);
            }
            if take_address(server, service, &address).await? {
                undo.services.push(Taken::Address(address.clone()));
                return Ok(address);
            }
        }
        Err(Status::internal("failed to allocate a serviceIP: range is full"))
    }

    async fn this_address(
        &self,
        server: &Server,
        service: &Value,
        address: &str,
        dry_run: bool,
        undo: &mut Undo,
    ) -> Result<()> {
        let refuse = |why: &str| {
            let mut errors = ErrorList::default();
            errors.invalid(
                &Path::new("spec").child("clusterIPs"),
                &json!([address]),
                format!("failed to allocate IP {address}: {why}"),
            );
            Err(Status::invalid("", "Service", object::meta(service, "name"), &errors))
        };
        let Ok(parsed) = address.parse::<Ipv4Addr>() else {
            return refuse("not a valid IP");
        };
        if !self.ranges.addresses.contains(&parsed) {
            return refuse(&format!(
                "the provided network does not match the current range: provided IP is not in the valid range. The range of valid IPs is {}",
                self.ranges.addresses
            ));
        }
        if dry_run {
            return match server.is_cached("networking.k8s.io", "ipaddresses", "", address)? {
                true => refuse("provided IP is already allocated"),
                false => Ok(()),
            };
        }
        if !take_address(server, service, address).await? {
            return refuse("provided IP is already allocated");
        }
        undo.services.push(Taken::Address(address.to_owned()));
        Ok(())
    }

    fn ports(&self, server: &Server, service: &mut Value, old: Option<&Value>, undo: &mut Undo) -> Result<()> {
        let (low, high) = self.ranges.node_ports;
        let own: Vec<u64> = old.map(node_ports).unwrap_or_default();
        let mut used: HashSet<u16> = HashSet::new();
        for other in server.list_cached("", "services")? {
            used.extend(node_ports(&other).into_iter().filter_map(|port| u16::try_from(port).ok()));
        }
        let mut in_flight = self.ports_in_flight.lock();
        // What the cache shows by now need not be remembered here.
        in_flight.retain(|port| !used.contains(port));
        let mut given: Vec<(u16, String)> = Vec::new();
        let name = object::meta(service, "name").to_owned();
        for (index, port) in service["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            let wanted = port["nodePort"].as_u64().unwrap_or_default();
            let refuse = |why: &str| {
                let mut errors = ErrorList::default();
                let spec = Path::new("spec");
                let ports = spec.child("ports");
                errors.invalid(&ports.index(index).child("nodePort"), &wanted.into(), why);
                Err(Status::invalid("", "Service", &name, &errors))
            };
            if wanted != 0 {
                let Some(number) = u16::try_from(wanted).ok().filter(|number| (low..=high).contains(number)) else {
                    return refuse(&format!(
                        "provided port is not in the valid range. The range of valid ports is {low}-{high}"
                    ));
                };
                // One number may serve two protocols of one service.
                let shared = given.iter().any(|(other, with)| *other == number && *with != protocol);
                if !own.contains(&wanted) && !shared && (used.contains(&number) || !in_flight.insert(number)) {
                    return refuse("provided port is already allocated");
                }
                if !own.contains(&wanted) && !shared {
                    undo.services.push(Taken::Port(number));
                }
                given.push((number, protocol));
                continue;
            }
            let count = u32::from(high - low) + 1;
            let start = rand::rng().random_range(0..count);
            let free = (0..count)
                .map(|step| low + ((start + step) % count) as u16)
                .find(|number| !used.contains(number) && !in_flight.contains(number));
            let Some(number) = free else {
                return Err(Status::internal("failed to allocate a nodePort: range is full"));
            };
            in_flight.insert(number);
            undo.services.push(Taken::Port(number));
            given.push((number, protocol));
            port["nodePort"] = number.into();
        }
        Ok(())
    }

    /// Gives back what a deleted service had.
    pub async fn release(&self, server: &Server, service: &Value) {
        if let Some(address) = service["spec"]["clusterIP"].as_str().filter(|address| !matches!(*address, "" | "None"))
        {
            free_address(server, address).await;
        }
        let mut in_flight = self.ports_in_flight.lock();
        for port in node_ports(service) {
            if let Ok(port) = u16::try_from(port) {
                in_flight.remove(&port);
            }
        }
    }
}

/// What a client that leaves it out means to keep.
fn keep_allocated(service: &mut Value, old: &Value, kind: &str) {
    let old_kind = old["spec"]["type"].as_str().unwrap_or("ClusterIP");
    if kind != "ExternalName"
        && old_kind != "ExternalName"
        && service["spec"]["clusterIP"].as_str().unwrap_or_default().is_empty()
    {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(value) = old["spec"].get(field) {
                service["spec"][field] = value.clone();
            }
        }
    }
    let has_ports = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if !has_ports(kind) || !has_ports(old_kind) {
        return;
    }
    let same = |a: &Value, b: &Value| a["port"] == b["port"] && a["protocol"] == b["protocol"];
    let old_ports = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
        if port["nodePort"].as_u64().unwrap_or_default() == 0
            && let Some(before) = old_ports.iter().find(|before| same(before, port))
            && !before["nodePort"].is_null()
        {
            port["nodePort"] = before["nodePort"].clone();
        }
    }
}

fn node_ports(service: &Value) -> Vec<u64> {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    ports
        .filter_map(|port| port["nodePort"].as_u64())
        .chain(service["spec"]["healthCheckNodePort"].as_u64())
        .filter(|port| *port != 0)
        .collect()
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// Creates the `IPAddress` of an address; false when it exists.
async fn take_address(server: &Server, service: &Value, address: &str) -> Result<bool> {
    let ip_address = json!({
        "kind": "IPAddress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": address,
            "uid": uuid::Uuid::new_v4().to_string(),
            "creationTimestamp": object::now(),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv4",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {
            "resource": "services",
            "namespace": object::meta(service, "namespace"),
            "name": object::meta(service, "name"),
        }},
    });
    let objects = server.objects("networking.k8s.io", "ipaddresses")?;
    Ok(matches!(objects.create(&objects.key("", address), &ip_address).await?, Created::Done(_)))
}

async fn free_address(server: &Server, address: &str) {
    let outcome: Result<()> = async {
        let objects = server.objects("networking.k8s.io", "ipaddresses")?;
        let key = objects.key("", address);
        let mut current = objects.read(&key).await?;
        while let Some((_, revision)) = current {
            current = match objects.remove(&key, revision).await? {
                Replaced::Changed(object, revision) => Some((object, revision)),
                Replaced::Done(_) | Replaced::Gone => None,
            };
        }
        Ok(())
    }
    .await;
    if let Err(status) = outcome {
        tracing::warn!(address, error = status.message, "the address of a deleted service was not freed");
    }
}
