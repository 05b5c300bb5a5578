//! Cluster addresses: one is taken by creating the `IPAddress` object of its name, which only one writer can do. Those
//! to give come from the ranges that `ServiceCIDR` objects name (KEP-1880).
//!
//! Source: `pkg/registry/core/service/ipallocator` (cidrallocator.go, ipallocator.go).

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::range::{Range, family_of};
use crate::object::{self, items, text};
use crate::own_objects;
use crate::server::Server;
use crate::status::Result;

pub const GROUP: &str = "networking.k8s.io";
/// The object that stands for the ranges of the flags.
pub const DEFAULT_CIDR: &str = "kubernetes";
pub const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
pub const IP_FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
pub const MANAGER: &str = "ipallocator.k8s.io";

/// Why a service does not get an address.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("range is full")]
    Full,
    #[error("provided IP is already allocated")]
    Allocated,
    #[error("the provided network does not match the current range")]
    Mismatched,
    #[error("the provided IP ({0}) is not in the valid range. The range of valid IPs is {1}")]
    NotInRange(IpAddr, IpNet),
}

/// Takes a free address of a family. A dry run answers one that nobody gets, as upstream's.
pub async fn take_any(
    server: &Server,
    service: &Value,
    family: &str,
    dry_run: bool,
) -> Result<std::result::Result<String, Refusal>> {
    let ranges = usable(server, family)?;
    if let (true, Some(range)) = (dry_run, ranges.first()) {
        return Ok(Ok(range.0.network().to_string()));
    }
    for address in ranges.into_iter().flat_map(Range::candidates) {
        let address = address.to_string();
        if !server.is_cached(GROUP, "ipaddresses", "", &address)? && take(server, service, &address).await? {
            return Ok(Ok(address));
        }
    }
    Ok(Err(Refusal::Full))
}

/// Takes this address; a dry run looks only whether there is such an address.
pub async fn take_this(
    server: &Server,
    service: &Value,
    address: IpAddr,
    dry_run: bool,
) -> Result<std::result::Result<(), Refusal>> {
    let ranges = usable(server, family_of(address))?;
    if !ranges.iter().any(|range| range.contains(address)) {
        return Ok(Err(match ranges.first() {
            Some(range) if dry_run => Refusal::NotInRange(address, range.0),
            _ => Refusal::Mismatched,
        }));
    }
    if dry_run || take(server, service, &address.to_string()).await? { Ok(Ok(())) } else { Ok(Err(Refusal::Allocated)) }
}

/// Gives an address back.
pub async fn free(server: &Server, address: &str) -> Result<()> {
    own_objects::remove(server, GROUP, "ipaddresses", address).await
}

/// Creates the `IPAddress` of a service's address; false when it exists.
pub async fn take(server: &Server, service: &Value, address: &str) -> Result<bool> {
    let family = if address.contains(':') { "IPv6" } else { "IPv4" };
    let object = json!({
        "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": address, "labels": {IP_FAMILY: family, MANAGED_BY: MANAGER}},
        "spec": {"parentRef": {
            "resource": "services",
            "namespace": object::meta(service, "namespace"),
            "name": object::meta(service, "name"),
        }},
    });
    own_objects::create(server, GROUP, "ipaddresses", &object, own_objects::MANAGER, Value::Null).await
}

/// The ranges of a family of which addresses are given now.
fn usable(server: &Server, family: &str) -> Result<Vec<Range>> {
    let objects = server.list_cached(GROUP, "servicecidrs")?;
    let mut ranges: Vec<Range> = objects.iter().filter(|object| is_ready(object)).flat_map(ranges_of).collect();
    if !objects.iter().any(|object| object::meta(object, "name") == DEFAULT_CIDR) {
        // Not made yet, or just being made again.
        ranges.extend(server.options.service_ranges.addresses.iter().copied().map(Range));
    }
    ranges.retain(|range| range.family() == family);
    ranges.dedup();
    Ok(ranges)
}

/// The ranges of a `ServiceCIDR`.
pub fn ranges_of(object: &Value) -> Vec<Range> {
    items(&object["spec"]["cidrs"]).iter().filter_map(|cidr| text(cidr).parse().ok()).map(Range).collect()
}

/// Whether addresses are given out of a `ServiceCIDR`: it is not being deleted, and no controller says that it is not ready.
fn is_ready(object: &Value) -> bool {
    let ready = items(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == "Ready");
    !object::is_terminating(object) && ready.is_none_or(|ready| ready["status"] == "True")
}
