//! What a service takes when it is written and gives back when it goes: cluster addresses and node ports.
//!
//! Source: `pkg/registry/core/service/storage/alloc.go`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::node_ports::NodePorts;
use super::range::Range;
use super::{Transaction, addresses, ip_families, repair, service_ports};
use crate::field::{ErrorList, Path};
use crate::object::{self, items, text};
use crate::server::Server;
use crate::status::{Result, Status};

/// Where the addresses and ports of services come from.
#[derive(Clone, Debug)]
pub struct ServiceRanges {
    /// `--service-cluster-ip-range`: one or two, of two families; the first is the default family's.
    pub addresses: Box<[IpNet]>,
    /// `--service-node-port-range`, both ends included.
    pub node_ports: (u16, u16),
}

impl ServiceRanges {
    /// The first address, which is the API server's own service's.
    pub fn first_address(&self) -> Option<IpAddr> {
        self.addresses.first().map(|range| Range(*range).first())
    }

    /// The families that the cluster has, `IPv4` or `IPv6`, the default one first.
    fn families(&self) -> Vec<&'static str> {
        self.addresses.iter().map(|range| Range(*range).family()).collect()
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
                Taken::Address(address) => {
                    if let Err(status) = addresses::free(server, &address).await {
                        tracing::warn!(address, error = status.message, "an address was not freed; the repair will");
                    }
                }
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
        let Some(range) = self.ranges.addresses.first() else { return Ok(()) };
        let address = Range(*range).address(2);
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
                transaction.freed.extend(old.into_iter().flat_map(addresses_of).map(Taken::Address));
            }
        } else {
            let errors = ip_families::fill(service, old, &self.ranges.families());
            if !errors.is_empty() {
                return Err(Status::invalid("", "Service", object::meta(service, "name"), &errors));
            }
            self.addresses(server, service, old, dry_run, transaction).await?;
        }
        let ports = self.node_ports.assign(&*server.store, service, old, dry_run).await?;
        transaction.taken.push(Taken::Ports(ports.taken));
        transaction.freed.push(Taken::Ports(ports.freed));
        Ok(())
    }

    /// An address of each family of the service: those that it had, those that the client chose, or any.
    async fn addresses(
        &self,
        server: &Server,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
        transaction: &mut Transaction,
    ) -> Result<()> {
        let mut given: Vec<String> =
            items(&service["spec"]["clusterIPs"]).iter().map(|one| text(one).to_owned()).collect();
        let first = text(&service["spec"]["clusterIP"]);
        if !first.is_empty() {
            given.splice(..given.len().min(1), [first.to_owned()]);
        }
        if given.first().is_some_and(|first| first == "None") {
            return set_addresses(service, vec!["None".to_owned()]);
        }
        let had: Vec<String> = old.into_iter().flat_map(addresses_of).collect();
        let families: Vec<String> =
            items(&service["spec"]["ipFamilies"]).iter().map(|family| text(family).to_owned()).collect();
        given.resize(families.len().max(given.len()), String::new());
        let refuse = |service: &Value, detail: String| {
            let mut errors = ErrorList::default();
            errors.invalid(&Path::new("spec").child("clusterIPs"), &json!(given), detail);
            Status::invalid("", "Service", object::meta(service, "name"), &errors)
        };
        let mut addresses = Vec::with_capacity(families.len());
        for (index, family) in families.iter().enumerate() {
            let wanted = given[index].as_str();
            if let Some(kept) = had.get(index).filter(|kept| wanted.is_empty() || wanted == *kept) {
                addresses.push(kept.clone());
                continue;
            }
            let address = if wanted.is_empty() {
                let name = object::meta(service, "name");
                let taken = addresses::take_any(server, service, family, dry_run).await?;
                taken.map_err(|why| {
                    Status::internal(format!("failed to allocate a serviceIP for Service {name:?}: {why}"))
                })?
            } else {
                let Ok(parsed) = wanted.parse::<IpAddr>() else {
                    return Err(Status::internal(format!("failed to parse service IP {wanted:?}")));
                };
                let taken = addresses::take_this(server, service, parsed, dry_run).await?;
                taken.map_err(|why| refuse(service, format!("failed to allocate IP {wanted}: {why}")))?;
                wanted.to_owned()
            };
            if !dry_run {
                transaction.taken.push(Taken::Address(address.clone()));
            }
            addresses.push(address);
        }
        if !dry_run {
            transaction.freed.extend(had.into_iter().skip(families.len()).map(Taken::Address));
        }
        set_addresses(service, addresses)
    }

    /// Gives back what a deleted service had.
    pub async fn release(&self, server: &Server, service: &Value) {
        let mut had: Vec<Taken> = addresses_of(service).map(Taken::Address).collect();
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
            .await?;
        repair::run(server).await
    }
}

/// The addresses of a service that are objects.
fn addresses_of(service: &Value) -> impl Iterator<Item = String> {
    let spec = &service["spec"];
    // Services of old have the one alone.
    let one = std::slice::from_ref(&spec["clusterIP"]);
    let all = if items(&spec["clusterIPs"]).is_empty() { one } else { items(&spec["clusterIPs"]) };
    all.iter().map(text).filter(|address| !matches!(*address, "" | "None")).map(str::to_owned)
}

fn set_addresses(service: &mut Value, addresses: Vec<String>) -> Result<()> {
    object::set(service, &["spec", "clusterIP"], addresses.first().cloned().unwrap_or_default());
    object::set(service, &["spec", "clusterIPs"], addresses);
    Ok(())
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
