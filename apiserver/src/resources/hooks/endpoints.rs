//! Endpoints and EndpointSlice.

use std::net::IpAddr;

use serde_json::Value;

use super::{Hooks, Request, pod_spec, warnings};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct Endpoints;

impl Hooks for Endpoints {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        subsets(&object["subsets"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        if !object::same(&object["subsets"], &old["subsets"]) {
            subsets(&object["subsets"], errors);
        }
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        if object["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"] == "endpoint-controller" {
            return;
        }
        let list = Path::new("subsets");
        for (index, subset) in items(&object["subsets"]).iter().enumerate() {
            let at = list.index(index);
            for field in ["addresses", "notReadyAddresses"] {
                let list = at.child(field);
                for (index, address) in items(&subset[field]).iter().enumerate() {
                    warnings::ip(text(&address["ip"]), &list.index(index).child("ip"), out);
                }
            }
        }
    }
}

fn subsets(subsets: &Value, errors: &mut ErrorList) {
    let list = Path::new("subsets");
    for (index, subset) in items(subsets).iter().enumerate() {
        let at = list.index(index);
        if items(&subset["addresses"]).is_empty() && items(&subset["notReadyAddresses"]).is_empty() {
            errors.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for field in ["addresses", "notReadyAddresses"] {
            let list = at.child(field);
            for (index, entry) in items(&subset[field]).iter().enumerate() {
                let at = list.index(index);
                pod_spec::ip_address(&entry["ip"], &at.child("ip"), errors);
                let host = text(&entry["hostname"]);
                if !host.is_empty() {
                    errors.invalid_strs(&at.child("hostname"), host, names::dns1123_label(host));
                }
                if !entry["nodeName"].is_null() {
                    errors.invalid_strs(
                        &at.child("nodeName"),
                        text(&entry["nodeName"]),
                        names::dns1123_subdomain(text(&entry["nodeName"])),
                    );
                }
                endpoint_address(text(&entry["ip"]), &at.child("ip"), errors);
            }
        }
        let (ports, list) = (items(&subset["ports"]), at.child("ports"));
        for (index, port) in ports.iter().enumerate() {
            let at = list.index(index);
            let name = text(&port["name"]);
            if !name.is_empty() {
                errors.invalid_strs(&at.child("name"), name, names::dns1123_label(name));
            } else if ports.len() > 1 {
                errors.required(&at.child("name"), "");
            }
            if let Some(problem) = names::port_number(int(&port["port"])) {
                errors.invalid_number(&at.child("port"), int(&port["port"]), problem);
            }
            pod_spec::one_of(&port["protocol"], &["SCTP", "TCP", "UDP"], &at.child("protocol"), errors);
            if let Some(protocol) = port["appProtocol"].as_str() {
                let problems = names::qualified_name_problems(protocol);
                errors.invalid_strs(&at.child("appProtocol"), protocol, problems);
            }
        }
    }
}

/// An address behind which something may serve.
fn endpoint_address(address: &str, at: &Path<'_>, errors: &mut ErrorList) {
    match names::ip_sloppy(address) {
        Some(parsed) => special_address(parsed, address, at, errors),
        None => errors.invalid_str(at, address, "must be a valid IP address"),
    }
}

/// Addresses that mean a place of their own.
pub fn special_address(parsed: IpAddr, address: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let (link_local, multicast) = match parsed {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0 == 0xfe80, v6.segments()[0] & 0xff0f == 0xff02),
    };
    if parsed.is_unspecified() {
        errors.invalid_str(at, address, format!("may not be unspecified ({address})"));
    }
    if parsed.is_loopback() {
        errors.invalid_str(at, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        errors.invalid_str(at, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        errors.invalid_str(at, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

pub struct EndpointSlice;

/// The old form of topology is not written any more.
fn drop_topology(object: &mut Value) {
    for endpoint in object["endpoints"].as_array_mut().into_iter().flatten() {
        object::remove(endpoint, "deprecatedTopology");
    }
}

impl Hooks for EndpointSlice {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        drop_topology(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        if !object::same(&object["endpoints"], &old["endpoints"]) {
            drop_topology(object);
        }
    }

    fn asks_for_something_else(&self, object: &Value, old: &Value) -> bool {
        object::differs_but(object, old, &["metadata"])
            || !object::same(&object["metadata"]["labels"], &old["metadata"]["labels"])
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        slice(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        slice(object, Some(old), errors);
        errors.immutable(&Path::new("addressType"), &object["addressType"], &old["addressType"]);
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        const CONTROLLERS: [&str; 2] = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
        if old.is_none() && object["addressType"] == "FQDN" {
            out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
        }
        if CONTROLLERS.contains(&text(&object["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"])) {
            return;
        }
        let list = Path::new("endpoints");
        for (index, endpoint) in items(&object["endpoints"]).iter().enumerate() {
            let at = list.index(index);
            let list = at.child("addresses");
            for (index, address) in items(&endpoint["addresses"]).iter().enumerate() {
                warnings::ip(text(address), &list.index(index), out);
            }
        }
    }
}

fn slice(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let kind = text(&object["addressType"]);
    pod_spec::one_of(&object["addressType"], &["FQDN", "IPv4", "IPv6"], &Path::new("addressType"), errors);
    let (ports, list) = (items(&object["ports"]), Path::new("ports"));
    if ports.len() > 20000 {
        errors.too_many(&list, ports.len(), 20000);
    }
    for (index, port) in ports.iter().enumerate() {
        let at = list.index(index);
        let name = text(&port["name"]);
        if !name.is_empty() {
            errors.invalid_strs(&at.child("name"), name, names::dns1123_label(name));
        }
        if ports[..index].iter().any(|other| text(&other["name"]) == name) {
            errors.duplicate(&at.child("name"), &name.into());
        }
        const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
        match port["protocol"].as_str() {
            None => errors.required(&at.child("protocol"), ""),
            Some(protocol) if PROTOCOLS.contains(&protocol) => {}
            Some(_) => errors.not_supported(&at.child("protocol"), &port["protocol"], PROTOCOLS),
        }
        let protocol = &port["appProtocol"];
        if !protocol.is_null() {
            errors.invalid_strs(
                &at.child("appProtocol"),
                text(protocol),
                names::qualified_name_problems(text(protocol)),
            );
        }
    }
    if old.is_some_and(|old| object::same(&old["endpoints"], &object["endpoints"])) {
        return;
    }
    let (endpoints, list) = (items(&object["endpoints"]), Path::new("endpoints"));
    if endpoints.len() > 1000 {
        errors.too_many(&list, endpoints.len(), 1000);
        return;
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let at = list.index(index);
        let (addresses, list) = (items(&endpoint["addresses"]), at.child("addresses"));
        if addresses.is_empty() {
            errors.required(&list, "must contain at least 1 address");
        } else if addresses.len() > 100 {
            errors.too_many(&list, addresses.len(), 100);
        }
        for (index, address) in addresses.iter().enumerate() {
            let address_text = text(address);
            let at = list.index(index);
            match kind {
                "IPv4" | "IPv6" => {
                    pod_spec::ip_address(address, &at, errors);
                    let parsed = address_text.parse::<IpAddr>().ok();
                    let Some(parsed) = parsed.filter(|_| names::ip_problem(address_text).is_none()) else { continue };
                    if parsed.is_ipv4() != (kind == "IPv4") {
                        let article = "an";
                        errors.invalid_str(&list, address_text, format!("must be {article} {kind} address"));
                    }
                    special_address(parsed, address_text, &at, errors);
                }
                "FQDN" if address_text.is_empty() => errors.required(&at, ""),
                "FQDN" => {
                    let name = address_text.strip_suffix('.').unwrap_or(address_text);
                    errors.invalid_strs(&at, address_text, names::dns1123_subdomain(name));
                    if names::dns1123_subdomain(name).is_none() && !name.contains('.') {
                        errors.invalid_str(
                            &at,
                            address_text,
                            "should be a domain with at least two segments separated by dots",
                        );
                    }
                }
                _ => {}
            }
        }
        let (node, host) = (&endpoint["nodeName"], &endpoint["hostname"]);
        if !node.is_null() {
            errors.invalid_strs(&at.child("nodeName"), text(node), names::dns1123_subdomain(text(node)));
        }
        if !host.is_null() {
            errors.invalid_strs(&at.child("hostname"), text(host), names::dns1123_label(text(host)));
        }
        let hints = at.child("hints");
        for field in ["forZones", "forNodes"] {
            let (list, values) = (hints.child(field), items(&endpoint["hints"][field]));
            if values.len() > 8 {
                errors.too_many(&list, values.len(), 8);
                continue;
            }
            for (index, hint) in values.iter().enumerate() {
                let (at, name) = (list.index(index), text(&hint["name"]));
                if values[..index].contains(hint) {
                    errors.duplicate(&at.child("name"), &hint["name"]);
                }
                let problem = match field {
                    "forZones" => names::label_value(name),
                    _ => names::dns1123_subdomain(name),
                };
                errors.invalid_strs(&at.child("name"), name, problem);
            }
        }
    }
}
