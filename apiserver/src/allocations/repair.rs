//! Which `IPAddress` objects are wrong: those that services lack, and those that no service has (a pure plan, carried
//! out now and then by [`run`]).
//!
//! Source: `pkg/registry/core/service/ipallocator/controller/repairip.go`.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

use super::addresses::{self, GROUP, IP_FAMILY, MANAGED_BY, MANAGER};
use super::range::{Range, family_of};
use crate::object::{self, items, text};
use crate::own_objects::{self, Warning};
use crate::server::Server;
use crate::status::Result;

const CONTROLLER: &str = "ipallocator-repair-controller";
/// How long, in seconds, the address of a service that is just being written may be without it.
const GRACE: i64 = 60;
/// The same, where an older service of that name exists: the write will fail and give the address back.
const SHORT_GRACE: i64 = 5;

/// One thing to put right.
#[derive(Debug, PartialEq)]
struct Finding<'a> {
    /// The service or the address that the warning is about.
    regarding: &'a Value,
    reason: &'static str,
    note: String,
    repair: Repair,
}

#[derive(Debug, PartialEq)]
enum Repair {
    Nothing,
    /// Makes the address object of the service.
    Create(String),
    /// Deletes it first.
    Recreate(String),
    Delete(String),
}

/// Compares the services with the addresses that are taken, and puts right what is wrong.
pub async fn run(server: &Server) -> Result<()> {
    server.objects("", "services")?.consistent().await?;
    let services = server.list_cached("", "services")?;
    // Read later: an address is taken before its service is written.
    server.objects(GROUP, "ipaddresses")?.consistent().await?;
    let taken = server.list_cached(GROUP, "ipaddresses")?;
    let ranges: Vec<Range> = server.list_cached(GROUP, "servicecidrs")?.iter().flat_map(addresses::ranges_of).collect();
    for finding in plan(&services, &taken, &ranges, jiff::Timestamp::now().as_second()) {
        tracing::warn!(reason = finding.reason, "{}", finding.note);
        let action =
            if finding.regarding["kind"] == "IPAddress" { "IPAddressAllocation" } else { "ClusterIPAllocation" };
        let warning = Warning {
            regarding: finding.regarding,
            controller: CONTROLLER,
            reason: finding.reason,
            action,
            note: finding.note,
        };
        own_objects::warn(server, warning).await?;
        match finding.repair {
            Repair::Nothing => {}
            Repair::Create(address) => {
                addresses::take(server, finding.regarding, &address).await?;
            }
            Repair::Recreate(address) => {
                addresses::free(server, &address).await?;
                addresses::take(server, finding.regarding, &address).await?;
            }
            Repair::Delete(address) => addresses::free(server, &address).await?,
        }
    }
    Ok(())
}

/// `now` is in seconds of the epoch.
fn plan<'a>(services: &'a [Value], taken: &'a [Value], ranges: &[Range], now: i64) -> Vec<Finding<'a>> {
    let by_name: HashMap<(&str, &str), &Value> = services
        .iter()
        .map(|service| ((object::meta(service, "namespace"), object::meta(service, "name")), service))
        .collect();
    let by_address: HashMap<&str, &Value> = taken.iter().map(|one| (object::meta(one, "name"), one)).collect();
    let of_services = services.iter().flat_map(|service| {
        let addresses = items(&service["spec"]["clusterIPs"]).iter().map(text);
        let addresses = addresses.filter(|address| !matches!(*address, "" | "None"));
        addresses.filter_map(|address| of_service(service, address, &by_name, &by_address, ranges)).collect::<Vec<_>>()
    });
    let of_addresses = taken.iter().filter_map(|one| of_address(one, &by_name, now));
    of_services.chain(of_addresses).collect()
}

/// What is wrong with an address of a service.
fn of_service<'a>(
    service: &'a Value,
    address: &str,
    services: &HashMap<(&str, &str), &'a Value>,
    taken: &HashMap<&str, &'a Value>,
    ranges: &[Range],
) -> Option<Finding<'a>> {
    let (namespace, name) = (object::meta(service, "namespace"), object::meta(service, "name"));
    let found = |reason, note, repair| Some(Finding { regarding: service, reason, note, repair });
    let Ok(parsed) = address.parse::<IpAddr>() else {
        let note = format!("Cluster IP {address} is not a valid IP; please recreate Service");
        return found("ClusterIPNotValid", note, Repair::Nothing);
    };
    let family = family_of(parsed);
    if !ranges.iter().any(|range| range.contains(parsed)) {
        let note = format!(
            "Cluster IP [{family}]: {address} is not within any configured Service CIDR; please recreate service"
        );
        return found("ClusterIPOutOfRange", note, Repair::Nothing);
    }
    let canonical = parsed.to_string();
    let Some(one) = taken.get(canonical.as_str()) else {
        let note = format!("Cluster IP [{family}]: {address} is not allocated; repairing");
        return found("ClusterIPNotAllocated", note, Repair::Create(canonical));
    };
    let parent = &one["spec"]["parentRef"];
    let named = (text(&parent["namespace"]), text(&parent["name"]));
    let wrong =
        format!("the ClusterIP [{family}]: {address} for Service {namespace}/{name} has a wrong reference; repairing");
    if !is_of_service(one) {
        return found("ClusterIPNotAllocated", wrong, Repair::Recreate(canonical));
    }
    if named != (namespace, name) {
        let Some(other) = services.get(&named) else {
            return found("ClusterIPNotAllocated", wrong, Repair::Recreate(canonical));
        };
        if has_address(other, &canonical) {
            let note =
                format!("Cluster IP [{family}]:{address} was assigned to multiple services; please recreate service");
            return found("ClusterIPAlreadyAllocated", note, Repair::Nothing);
        }
    }
    let labels = &one["metadata"]["labels"];
    (labels[IP_FAMILY] != family || labels[MANAGED_BY] != MANAGER).then_some(Finding {
        regarding: service,
        reason: "ClusterIPNotAllocated",
        note: wrong,
        repair: Repair::Recreate(canonical),
    })
}

/// What is wrong with an address that services have been given.
fn of_address<'a>(one: &'a Value, services: &HashMap<(&str, &str), &'a Value>, now: i64) -> Option<Finding<'a>> {
    if one["metadata"]["labels"][MANAGED_BY] != MANAGER {
        return None;
    }
    let address = object::meta(one, "name");
    let found =
        |reason, note| Some(Finding { regarding: one, reason, note, repair: Repair::Delete(address.to_owned()) });
    let parent = &one["spec"]["parentRef"];
    if !is_of_service(one) {
        let note = format!(
            "IPAddress {address} appears to have been modified, not referencing a Service {parent}: cleaning up"
        );
        return found("IPAddressNotAllocated", note);
    }
    let (namespace, name) = (text(&parent["namespace"]), text(&parent["name"]));
    let created = created(one);
    let Some(service) = services.get(&(namespace, name)) else {
        let note = format!("IPAddress: {address} for Service {namespace}/{name} appears to have leaked: cleaning up");
        return if now - created > GRACE { found("IPAddressNotAllocated", note) } else { None };
    };
    let becomes_its = service["spec"]["type"] == "ExternalName" && now - created < GRACE;
    let is_given_back = created > self::created(service) && now - created < SHORT_GRACE;
    if has_address(service, address) || becomes_its || is_given_back {
        return None;
    }
    let note = format!("IPAddress: {address} for Service {namespace}/{name} has a wrong reference; cleaning up");
    found("IPAddressWrongReference", note)
}

fn is_of_service(address: &Value) -> bool {
    let parent = &address["spec"]["parentRef"];
    text(&parent["group"]).is_empty() && parent["resource"] == "services"
}

fn has_address(service: &Value, address: &str) -> bool {
    items(&service["spec"]["clusterIPs"]).iter().any(|one| one == address)
}

fn created(object: &Value) -> i64 {
    object::meta(object, "creationTimestamp").parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, addresses: &[&str]) -> Value {
        json!({
            "kind": "Service", "metadata": {"name": name, "namespace": "ns", "creationTimestamp": "1970-01-01T00:00:10Z"},
            "spec": {"clusterIPs": addresses},
        })
    }

    fn address(name: &str, service: &str) -> Value {
        json!({
            "kind": "IPAddress",
            "metadata": {
                "name": name, "creationTimestamp": "1970-01-01T00:00:10Z",
                "labels": {IP_FAMILY: "IPv4", MANAGED_BY: MANAGER},
            },
            "spec": {"parentRef": {"resource": "services", "namespace": "ns", "name": service}},
        })
    }

    fn found(services: &[Value], taken: &[Value], now: i64) -> Vec<(&'static str, Repair)> {
        let ranges = [Range("10.0.0.0/24".parse().unwrap())];
        plan(services, taken, &ranges, now).into_iter().map(|one| (one.reason, one.repair)).collect()
    }

    #[test]
    fn what_agrees_is_left_alone() {
        let services = [service("a", &["10.0.0.1"]), service("b", &["None"]), service("c", &[])];
        assert_eq!(found(&services, &[address("10.0.0.1", "a")], 1000), []);
    }

    #[test]
    fn services_get_the_address_objects_that_they_lack() {
        let services = [service("a", &["10.0.0.1"]), service("b", &["10.9.0.1"])];
        let expected =
            [("ClusterIPNotAllocated", Repair::Create("10.0.0.1".into())), ("ClusterIPOutOfRange", Repair::Nothing)];
        assert_eq!(found(&services, &[], 0), expected);
        let mut foreign = address("10.0.0.1", "a");
        foreign["spec"]["parentRef"]["resource"] = "gateways".into();
        foreign["metadata"]["labels"][MANAGED_BY] = "someone".into();
        assert_eq!(
            found(&services[..1], &[foreign], 0),
            [("ClusterIPNotAllocated", Repair::Recreate("10.0.0.1".into()))]
        );
    }

    #[test]
    fn an_address_of_two_services_is_only_told() {
        let services = [service("a", &["10.0.0.1"]), service("b", &["10.0.0.1"])];
        assert_eq!(found(&services, &[address("10.0.0.1", "a")], 0), [("ClusterIPAlreadyAllocated", Repair::Nothing)]);
    }

    #[test]
    fn addresses_without_a_service_go_after_a_while() {
        let leaked = [address("10.0.0.7", "gone")];
        assert_eq!(found(&[], &leaked, 70), []);
        assert_eq!(found(&[], &leaked, 71), [("IPAddressNotAllocated", Repair::Delete("10.0.0.7".into()))]);
        let services = [service("a", &["10.0.0.1"])];
        let taken = [address("10.0.0.1", "a"), address("10.0.0.2", "a")];
        assert_eq!(found(&services, &taken, 20), [("IPAddressWrongReference", Repair::Delete("10.0.0.2".into()))]);
    }
}
