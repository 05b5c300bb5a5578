//! The part of the table that does not depend on services: chains on netfilter's hooks, sets, maps, dispatch.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    model::Family,
    plan::{Config, NodePortAddresses},
    ruleset::Existing,
};

/// Chains on hooks: name, type, hook, priority.
const BASE_CHAINS: [(&str, &str, &str, &str); 8] = [
    // Before addresses are translated, for the sources that load balancers allow.
    ("filter-prerouting-pre-dnat", "filter", "prerouting", "-110"),
    ("filter-output-pre-dnat", "filter", "output", "-110"),
    ("filter-input", "filter", "input", "0"),
    ("filter-forward", "filter", "forward", "0"),
    ("filter-output", "filter", "output", "0"),
    ("nat-prerouting", "nat", "prerouting", "-100"),
    ("nat-output", "nat", "output", "-100"),
    ("nat-postrouting", "nat", "postrouting", "100"),
];

/// Where chains on hooks jump to: from, condition, to.
const JUMPS: [(&str, &str, &str); 11] = [
    ("filter-input", "ct state new ", "nodeport-endpoints-check"),
    ("filter-input", "ct state new ", "service-endpoints-check"),
    ("filter-forward", "ct state new ", "service-endpoints-check"),
    ("filter-output", "ct state new ", "service-endpoints-check"),
    ("filter-prerouting-pre-dnat", "ct state new ", "firewall-check"),
    ("filter-output-pre-dnat", "ct state new ", "firewall-check"),
    ("nat-output", "", "services"),
    ("nat-prerouting", "", "services"),
    ("nat-postrouting", "", "masquerading"),
    ("filter-forward", "ct state new ", "cluster-ips-check"),
    ("filter-output", "ct state new ", "cluster-ips-check"),
];

const CHAINS: [&str; 7] = [
    "cluster-ips-check",
    "firewall-check",
    "masquerading",
    "nodeport-endpoints-check",
    "reject-chain",
    "service-endpoints-check",
    "services",
];

/// How many chains are not a service's.
#[cfg(test)]
pub const CHAIN_COUNT: usize = BASE_CHAINS.len() + CHAINS.len();

/// Writes all of it, over what exists.
pub fn write(
    config: &Config,
    node_ips: &[IpAddr],
    family: Family,
    existing: &Existing,
    line: &mut dyn FnMut(&str, &str),
) {
    let (ip, address) = (family.ip(), family.address_type());
    for (name, kind, hook, priority) in BASE_CHAINS {
        // Made anew, for another version of us may have used another priority.
        if existing.chains.contains(name) {
            line("delete chain", name);
        }
        line("add chain", &format!("{name} {{ type {kind} hook {hook} priority {priority} ; }}"));
    }
    for name in CHAINS {
        line("add chain", name);
    }
    for (from, condition, to) in JUMPS {
        line("add rule", &format!("{from} {condition}jump {to}"));
    }
    for (name, comment) in [("cluster-ips", "Active ClusterIPs"), ("nodeport-ips", "IPs that accept NodePort traffic")]
    {
        line("add set", &format!("{name} {{ type {address} ; comment \"{comment}\" ; }}"));
    }
    let connection = format!("{address} . {address} . inet_proto . inet_service");
    line(
        "add set",
        &format!("hairpin-connections {{ type {connection} ; comment \"service hairpin connections\" ; }}"),
    );
    let by_address = format!("{address} . inet_proto . inet_service : verdict");
    let by_port = "inet_proto . inet_service : verdict".to_string();
    for (name, kind, comment) in [
        ("firewall-ips", &by_address, "destinations that are subject to LoadBalancerSourceRanges"),
        ("no-endpoint-nodeports", &by_port, "vmap to drop or reject packets to service nodeports with no endpoints"),
        ("no-endpoint-services", &by_address, "vmap to drop or reject packets to services with no endpoints"),
        ("service-ips", &by_address, "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
        ("service-nodeports", &by_port, "NodePort traffic"),
    ] {
        line("add map", &format!("{name} {{ type {kind} ; comment \"{comment}\" ; }}"));
    }
    let mut rule = |chain: &str, rule: &str| line("add rule", &format!("{chain} {rule}"));

    let mark = format!("{:#010x}", config.masquerade_mark);
    rule("masquerading", &format!("mark and {mark} != 0 mark set mark xor {mark} masquerade fully-random"));
    rule(
        "masquerading",
        &format!(
            "ct status dnat {ip} saddr . {ip} daddr . meta l4proto . th dport @hairpin-connections \
             masquerade fully-random"
        ),
    );
    rule(
        "cluster-ips-check",
        &format!("{ip} daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\""),
    );
    rule("reject-chain", "reject");
    let destination = format!("{ip} daddr . meta l4proto . th dport vmap");
    rule("service-endpoints-check", &format!("{destination} @no-endpoint-services"));
    rule("firewall-check", &format!("{destination} @firewall-ips"));

    if config.masquerade_all {
        let comment = "masquerade all clusterIP traffic";
        rule("services", &format!("{ip} daddr @cluster-ips {} comment \"{comment}\"", config.masquerade()));
    } else if let Some(outside) = config.not_from_pods(family) {
        let comment = "masquerade clusterIP traffic from outside cluster";
        rule("services", &format!("{ip} daddr @cluster-ips {outside} {} comment \"{comment}\"", config.masquerade()));
    }
    rule("services", &format!("{destination} @service-ips"));
    for (chain, map) in [("services", "service-nodeports"), ("nodeport-endpoints-check", "no-endpoint-nodeports")] {
        if let Some(condition) = node_port_conditions(&config.node_port_addresses, family) {
            rule(chain, &format!("{condition} meta l4proto . th dport vmap @{map}"));
        }
    }
    if config.node_port_addresses == NodePortAddresses::Primary {
        for address in node_ips.iter().filter(|address| Family::of(**address) == family && !address.is_loopback()) {
            line("add element", &format!("nodeport-ips {{ {address} }}"));
        }
    }
}

/// What matches traffic to the addresses where node ports answer. Never to localhost: the kernel does not route the
/// answers back.
fn node_port_conditions(addresses: &NodePortAddresses, family: Family) -> Option<String> {
    let ip = family.ip();
    let not_localhost = match family {
        Family::V4 => "ip daddr != 127.0.0.0/8",
        Family::V6 => "ip6 daddr != ::1",
    };
    match addresses {
        NodePortAddresses::Primary => Some(format!("{ip} daddr @nodeport-ips")),
        NodePortAddresses::Cidrs(cidrs) => {
            let cidrs: Vec<&IpNet> = cidrs.iter().filter(|cidr| Family::of(cidr.addr()) == family).collect();
            if cidrs.is_empty() {
                return None;
            }
            if cidrs.iter().any(|cidr| cidr.prefix_len() == 0) {
                return Some(format!("fib daddr type local {not_localhost}"));
            }
            let cidrs: Vec<String> = cidrs.iter().map(|cidr| cidr.to_string()).collect();
            Some(format!("fib daddr type local {not_localhost} {ip} daddr {{ {} }}", cidrs.join(", ")))
        }
    }
}
