//! The rules of one family as data, their names, and the nft transactions from one set of rules to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

use sha2::{Digest, Sha256};

use crate::{
    base,
    model::{Family, ServiceKey, ServicePort},
    plan::Config,
};

/// Our table, in both families. Nothing else is ever touched.
pub const TABLE: &str = "kube-proxy";

pub const CLUSTER_IPS: &str = "cluster-ips";
pub const FIREWALL_IPS: &str = "firewall-ips";
pub const HAIRPIN_CONNECTIONS: &str = "hairpin-connections";
pub const NO_ENDPOINT_NODEPORTS: &str = "no-endpoint-nodeports";
pub const NO_ENDPOINT_SERVICES: &str = "no-endpoint-services";
pub const SERVICE_IPS: &str = "service-ips";
pub const SERVICE_NODEPORTS: &str = "service-nodeports";

/// The longest name in nft is 256; this leaves room for a prefix.
const NAME_LIMIT: usize = 240;

/// What depends on services: the chains, the elements of the sets and maps, the sets of clients with affinity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// By name, the rules.
    pub chains: BTreeMap<String, Vec<String>>,
    /// By set or map, then by key.
    pub elements: BTreeMap<&'static str, BTreeMap<String, Element>>,
    /// By name, for how many seconds they remember a client.
    pub affinity_sets: BTreeMap<String, u32>,
}

/// An element of a set, or with a value, of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub value: Option<String>,
    pub comment: Option<String>,
}

/// The names of the chains of one port, as upstream makes them.
#[derive(Clone, Debug)]
pub struct Names {
    pub service: String,
    pub local: String,
    pub external: String,
    pub firewall: String,
    /// `namespace/name:port`.
    pub comment: String,
    base: String,
}

impl Names {
    pub fn new(key: &ServiceKey, port: &ServicePort) -> Self {
        let base = format!("{}/{}/{}/{}", key.namespace, key.name, port.protocol, port.name);
        let hashed = hash_and_truncate(&base);
        let comment = if port.name.is_empty() { key.to_string() } else { format!("{key}:{}", port.name) };
        Names {
            service: format!("service-{hashed}"),
            local: format!("local-{hashed}"),
            external: format!("external-{hashed}"),
            firewall: format!("firewall-{hashed}"),
            comment,
            base,
        }
    }

    /// The chain of an endpoint and its set of clients.
    pub fn endpoint(&self, ip: IpAddr, port: u16) -> (String, String) {
        let hashed = hash_and_truncate(&format!("{}__{}/{port}", self.base, ip.to_string().replace(':', ".")));
        (format!("endpoint-{hashed}"), format!("affinity-{hashed}"))
    }
}

/// The name with a hash of it in front, to be unique also when it is cut.
fn hash_and_truncate(name: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(name.as_bytes());
    let bits = digest.iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let hash: String = (0..8).map(|n| char::from(ALPHABET[(bits >> (35 - 5 * n) & 31) as usize])).collect();
    let mut name = format!("{hash}-{name}");
    if name.len() > NAME_LIMIT {
        name.truncate(NAME_LIMIT - 3);
        name.push_str("...");
    }
    name
}

/// A chain that depends on a service: only these have a slash in their name.
pub fn is_service_chain(name: &str) -> bool {
    name.contains('/')
}

/// What is in our table now, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existing {
    pub chains: BTreeSet<String>,
    pub sets: BTreeSet<String>,
    pub maps: BTreeSet<String>,
}

impl Existing {
    /// Reads `nft -t list table`.
    pub fn parse(listing: &str) -> Self {
        let mut existing = Existing::default();
        for line in listing.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["chain", name, "{"] => existing.chains.insert(name.to_string()),
                ["set", name, "{"] => existing.sets.insert(name.to_string()),
                ["map", name, "{"] => existing.maps.insert(name.to_string()),
                _ => false,
            };
        }
        existing
    }
}

/// A transaction in nft's language, and the chains it left empty: they can be deleted a second later, when no packet
/// is in them.
#[derive(Debug, Default, PartialEq)]
pub struct Transaction {
    pub text: String,
    pub stale: BTreeSet<String>,
}

/// Writes commands about our table.
struct Writer {
    text: String,
    family: &'static str,
}

impl Writer {
    fn new(family: Family) -> Self {
        Writer { text: String::new(), family: family.ip() }
    }

    /// `command object ip kube-proxy rest`.
    fn line(&mut self, command: &str, rest: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{command} {} {TABLE} {rest}", self.family);
    }

    fn rules(&mut self, chain: &str, rules: &[String]) {
        for rule in rules {
            self.line("add rule", &format!("{chain} {rule}"));
        }
    }

    fn affinity_set(&mut self, family: Family, name: &str, seconds: u32) {
        let kind = family.address_type();
        self.line("add set", &format!("{name} {{ type {kind} ; flags dynamic,timeout ; timeout {seconds}s ; }}"));
    }

    fn add_element(&mut self, container: &str, key: &str, element: &Element) {
        let comment = element.comment.as_ref().map(|comment| format!(" comment \"{comment}\"")).unwrap_or_default();
        let value = element.value.as_ref().map(|value| format!(" : {value}")).unwrap_or_default();
        self.line("add element", &format!("{container} {{ {key}{comment}{value} }}"));
    }
}

/// Everything anew, over whatever is in the table, in one transaction. Clients keep their affinity.
pub fn full(rules: &RuleSet, config: &Config, node_ips: &[IpAddr], family: Family, existing: &Existing) -> Transaction {
    let mut out = Writer::new(family);
    out.text = format!("add table {} {TABLE} {{ comment \"rules for kube-proxy\" ; }}\n", family.ip());
    for chain in &existing.chains {
        out.line("flush chain", chain);
    }
    let stale: BTreeSet<String> = existing
        .chains
        .iter()
        .filter(|name| is_service_chain(name) && !rules.chains.contains_key(*name))
        .cloned()
        .collect();
    for set in &existing.sets {
        if !set.starts_with("affinity-") {
            out.line("flush set", set);
        } else if !rules.affinity_sets.contains_key(set) {
            out.line("delete set", set);
        }
    }
    for map in &existing.maps {
        out.line("flush map", map);
    }
    base::write(config, node_ips, family, existing, &mut |command, rest| out.line(command, rest));
    for (name, seconds) in &rules.affinity_sets {
        out.affinity_set(family, name, *seconds);
    }
    for chain in rules.chains.keys() {
        out.line("add chain", chain);
    }
    for (chain, of_chain) in &rules.chains {
        out.rules(chain, of_chain);
    }
    for (container, elements) in &rules.elements {
        for (key, element) in elements {
            out.add_element(container, key, element);
        }
    }
    Transaction { text: out.text, stale }
}

/// From one set of rules to another: only what differs. Empty where nothing does.
pub fn change(old: &RuleSet, new: &RuleSet, family: Family) -> Transaction {
    let mut out = Writer::new(family);
    let resized: BTreeSet<&String> = old
        .affinity_sets
        .iter()
        .filter(|(name, seconds)| new.affinity_sets.get(*name).is_some_and(|now| now != *seconds))
        .map(|(name, _)| name)
        .collect();
    let uses_resized = |rules: &[String]| {
        !resized.is_empty()
            && rules.iter().any(|rule| {
                rule.split_whitespace()
                    .any(|word| word.strip_prefix('@').is_some_and(|set| resized.contains(&set.to_string())))
            })
    };
    let changed: Vec<(&String, &Vec<String>)> =
        new.chains.iter().filter(|(name, rules)| old.chains.get(*name) != Some(rules) || uses_resized(rules)).collect();
    let stale: BTreeSet<String> = old.chains.keys().filter(|name| !new.chains.contains_key(*name)).cloned().collect();
    for (chain, _) in &changed {
        out.line("add chain", chain);
        out.line("flush chain", chain);
    }
    for chain in &stale {
        out.line("flush chain", chain);
    }
    for name in old.affinity_sets.keys().filter(|name| !new.affinity_sets.contains_key(*name) || resized.contains(name))
    {
        out.line("delete set", name);
    }
    for (name, seconds) in &new.affinity_sets {
        if old.affinity_sets.get(name) != Some(seconds) {
            out.affinity_set(family, name, *seconds);
        }
    }
    for (chain, rules) in changed {
        out.rules(chain, rules);
    }
    let containers: BTreeSet<&&'static str> = old.elements.keys().chain(new.elements.keys()).collect();
    let none = BTreeMap::new();
    for container in containers {
        let before = old.elements.get(container).unwrap_or(&none);
        let after = new.elements.get(container).unwrap_or(&none);
        for (key, _) in before.iter().filter(|(key, element)| after.get(*key) != Some(element)) {
            out.line("delete element", &format!("{container} {{ {key} }}"));
        }
        for (key, element) in after.iter().filter(|(key, element)| before.get(*key) != Some(element)) {
            out.add_element(container, key, element);
        }
    }
    Transaction { text: out.text, stale }
}

/// Deletes chains that are empty and unused.
pub fn delete_chains<'a>(chains: impl IntoIterator<Item = &'a String>, family: Family) -> String {
    let mut out = Writer::new(family);
    for chain in chains {
        out.line("delete chain", chain);
    }
    out.text
}

/// Deletes our table, whether it exists or not.
pub fn delete_table(family: Family) -> String {
    format!("add table {0} {TABLE}\ndelete table {0} {TABLE}\n", family.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_upstreams() {
        let key = ServiceKey { namespace: "ns1".into(), name: "svc1".into() };
        let port = ServicePort { name: "p80".into(), protocol: "tcp".into(), port: 80, node_port: 0 };
        let names = Names::new(&key, &port);
        // Values from the comments of upstream's proxier.
        assert_eq!(names.service, "service-ULMVA6XW-ns1/svc1/tcp/p80");
        let (chain, _) = names.endpoint("10.180.0.1".parse().unwrap(), 80);
        assert_eq!(chain, "endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80");
        assert_eq!(hash_and_truncate(&"x".repeat(300)).len(), NAME_LIMIT);
    }

    #[test]
    fn listings() {
        let listing = "table ip kube-proxy {\n\tcomment \"rules\"\n\tset cluster-ips {\n\t\ttype ipv4_addr\n\t}\n\
                       \tmap service-ips {\n\t}\n\tchain services {\n\t\tip daddr . x vmap @service-ips\n\t}\n}\n";
        let existing = Existing::parse(listing);
        assert_eq!(existing.chains.iter().collect::<Vec<_>>(), ["services"]);
        assert_eq!(existing.sets.iter().collect::<Vec<_>>(), ["cluster-ips"]);
        assert_eq!(existing.maps.iter().collect::<Vec<_>>(), ["service-ips"]);
    }

    fn rules(chains: &[(&str, &str)], elements: &[(&str, &str)], affinity: &[(&str, u32)]) -> RuleSet {
        let element = |value: &str| Element { value: Some(value.to_string()), comment: None };
        RuleSet {
            chains: chains.iter().map(|(name, rule)| (name.to_string(), vec![rule.to_string()])).collect(),
            elements: BTreeMap::from([(
                SERVICE_IPS,
                elements.iter().map(|(key, value)| (key.to_string(), element(value))).collect(),
            )]),
            affinity_sets: affinity.iter().map(|(name, seconds)| (name.to_string(), *seconds)).collect(),
        }
    }

    #[test]
    fn only_what_changed_is_written() {
        let old = rules(
            &[("a/", "one"), ("b/", "two"), ("c/", "@s goto")],
            &[("1", "goto a/"), ("2", "goto b/")],
            &[("s", 5)],
        );
        assert_eq!(change(&old, &old, Family::V4), Transaction::default());
        let new = rules(&[("a/", "one"), ("b/", "three"), ("d/", "four")], &[("1", "goto d/"), ("3", "goto b/")], &[]);
        let transaction = change(&old, &new, Family::V4);
        let expected = "add chain ip kube-proxy b/
flush chain ip kube-proxy b/
add chain ip kube-proxy d/
flush chain ip kube-proxy d/
flush chain ip kube-proxy c/
delete set ip kube-proxy s
add rule ip kube-proxy b/ three
add rule ip kube-proxy d/ four
delete element ip kube-proxy service-ips { 1 }
delete element ip kube-proxy service-ips { 2 }
add element ip kube-proxy service-ips { 1 : goto d/ }
add element ip kube-proxy service-ips { 3 : goto b/ }
";
        assert_eq!(transaction.text, expected);
        assert_eq!(transaction.stale, BTreeSet::from(["c/".to_string()]));
    }

    #[test]
    fn another_timeout_makes_the_set_anew() {
        let old = rules(&[("c/", "ip saddr @s goto x")], &[], &[("s", 5)]);
        let new = rules(&[("c/", "ip saddr @s goto x")], &[], &[("s", 6)]);
        let text = change(&old, &new, Family::V6).text;
        let order = ["flush chain ip6 kube-proxy c/", "delete set", "add set", "add rule"];
        let places: Vec<_> = order.iter().map(|part| text.find(part).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
    }
}
