//! Cluster addresses and node ports of services.
//!
//! An address is taken by creating the `IPAddress` object of its name, which only one writer can do; upstream
//! does the same (KEP-1880). A node port is free when no service has it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use rand::Rng;
use serde_json::{Value, json};

use super::Transaction;
use super::ip_families;
use super::node_ports::NodePorts;
use super::service_ports;
use crate::bootstrap;
use crate::field::{ErrorList, Path};
use crate::object;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::{Created, Replaced};

/// The families of which the cluster has addresses for services.
const FAMILIES: &[&str] = &["IPv4"];

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
    node_ports: NodePorts,
}

/// Something taken for a service.
pub enum Taken {
    Address(String),
    Ports(Vec<u16>),
}

impl Services {
    pub fn new(ranges: ServiceRanges) -> anyhow::Result<Self> {
        let node_ports = NodePorts::new(ranges.node_ports)?;
        Ok(Services { ranges, node_ports })
    }

    /// Gives back what a write took and did not use, or what it let go.
    pub async fn give_back(&self, server: &Server, taken: Vec<Taken>) {
        for taken in taken {
            match taken {
                Taken::Address(address) => free_address(server, &address).await,
                Taken::Ports(ports) => {
                    if let Err(status) = self.node_ports.release(&*server.store, &ports).await {
                        tracing::warn!(?ports, error = status.message, "node ports were not freed; the repair will");
                    }
                }
            }
        }
    }

    /// An address is taken in the name of its service: without a name none can be.
    pub fn refuse_nameless(&self, service: &Value) -> Result<()> {
        let spec = &service["spec"];
        let given = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let asks = spec["type"] != "ExternalName" && !given(&spec["clusterIP"]) && !given(&spec["clusterIPs"][0]);
        if !asks || !object::meta(service, "name").is_empty() {
            return Ok(());
        }
        let mut errors = ErrorList::default();
        let address = Ipv4Addr::from_bits(self.ranges.first_address().to_bits() + 1);
        errors.invalid(
            &Path::new("spec").child("clusterIPs"),
            &json!([""]),
            format!(
                "failed to allocate IP: IPAddress.networking.k8s.io \"{address}\" is invalid: spec.parentRef.name: Required value"
            ),
        );
        Err(Status::invalid("", "Service", "", &errors))
    }

    /// Completes a service's addresses and ports; `old` is the service before an update.
    pub async fn allocate(
        &self,
        server: &Server,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        match self.complete(server, service, old, dry_run, &mut transaction).await {
            Ok(()) => Ok(transaction),
            Err(refused) => {
                self.give_back(server, transaction.taken).await;
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
        transaction: &mut Transaction,
    ) -> Result<()> {
        let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
        if let Some(old) = old {
            keep_allocated(service, old, &kind);
        }
        if kind == "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                remove(&mut service["spec"], field);
            }
            if !dry_run {
                transaction.freed.extend(old.and_then(address_of).map(Taken::Address));
            }
        } else {
            let errors = ip_families::fill(service, old, FAMILIES);
            if !errors.is_empty() {
                return Err(Status::invalid("", "Service", object::meta(service, "name"), &errors));
            }
            self.address(server, service, old, dry_run, transaction).await?;
        }
        let ports = self.node_ports.assign(&*server.store, service, old, dry_run).await?;
        transaction.taken.push(Taken::Ports(ports.taken));
        transaction.freed.push(Taken::Ports(ports.freed));
        Ok(())
    }

    async fn address(
        &self,
        server: &Server,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
        transaction: &mut Transaction,
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
            self.any_address(server, service, dry_run, transaction).await?
        } else {
            self.this_address(server, service, &given, dry_run, transaction).await?;
            given
        };
        let spec = &mut service["spec"];
        spec["clusterIP"] = address.as_str().into();
        spec["clusterIPs"] = json!([address]);
        Ok(())
    }

    /// Takes a free address, from the upper part of the range first: the lower is for those who choose.
    async fn any_address(
        &self,
        server: &Server,
        service: &Value,
        dry_run: bool,
        transaction: &mut Transaction,
    ) -> Result<String> {
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
                transaction.taken.push(Taken::Address(address.clone()));
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
        transaction: &mut Transaction,
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
        transaction.taken.push(Taken::Address(address.to_owned()));
        Ok(())
    }

    /// Gives back what a deleted service had.
    pub async fn release(&self, server: &Server, service: &Value) {
        let mut had: Vec<Taken> = address_of(service).into_iter().map(Taken::Address).collect();
        had.push(Taken::Ports(service_ports::ports_of(service)));
        self.give_back(server, had).await;
    }

    /// Makes what is recorded as taken agree with the services there are.
    pub async fn repair(&self, server: &Server) -> Result<()> {
        self.node_ports
            .repair(&*server.store, async || {
                server.objects("", "services")?.consistent().await?;
                server.list_cached("", "services")
            })
            .await
    }
}

fn address_of(service: &Value) -> Option<String> {
    let address = service["spec"]["clusterIP"].as_str();
    address.filter(|address| !matches!(*address, "" | "None")).map(str::to_owned)
}

/// What a client that leaves it out means to keep.
fn keep_allocated(service: &mut Value, old: &Value, kind: &str) {
    let old_kind = old["spec"]["type"].as_str().unwrap_or("ClusterIP");
    if kind != "ExternalName"
        && old_kind != "ExternalName"
        && service["spec"]["clusterIP"].as_str().unwrap_or_default().is_empty()
    {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = old["spec"].get(field).filter(|_| object::is_unset(&service["spec"][field])) {
                service["spec"][field] = value.clone();
            }
        }
    }
    service_ports::keep(service, old);
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// Creates the `IPAddress` of an address; false when it exists.
async fn take_address(server: &Server, service: &Value, address: &str) -> Result<bool> {
    let mut ip_address = json!({
        "kind": "IPAddress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": address,
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
    if let Some(served) = server.served("networking.k8s.io", "ipaddresses") {
        bootstrap::own(server, &served.resource, None, &mut ip_address, bootstrap::MANAGER);
    }
    object::set_meta(&mut ip_address, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
    object::set_meta(&mut ip_address, "creationTimestamp", Some(object::now()));
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
