//! Answers from the zone, by the Kubernetes DNS-based service discovery specification 1.1.0. Pure: names are text in
//! lower case without a dot at the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::zone::{Endpoint, Port, Service, Zone};

/// The version of the specification, as `dns-version` says it.
pub const SPECIFICATION: &str = "1.1.0";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    A,
    Aaaa,
    Cname,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
    Any,
    Other,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub data: Data,
}

/// A record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Address(IpAddr),
    Cname(String),
    Ns(String),
    Ptr(String),
    /// The zone's own.
    Soa,
    Srv {
        port: u16,
        weight: u16,
        target: String,
    },
    Txt(String),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name is not in a zone of ours.
    NotOurs,
    NoSuchName,
    /// Without answers: the name exists, but not with this kind of record.
    Found {
        answers: Vec<Record>,
        additionals: Vec<Record>,
    },
}

/// Looks up a name.
pub fn lookup(zone: &Zone, name: &str, kind: Kind) -> Answer {
    if let Some(ip) = reverse_address(name) {
        return reverse(zone, name, ip, kind);
    }
    let below = match name.strip_suffix(zone.domain.as_str()) {
        Some("") => return apex(zone, kind),
        Some(below) => match below.strip_suffix('.') {
            Some(below) => below,
            None => return Answer::NotOurs,
        },
        None => return Answer::NotOurs,
    };
    let mut labels: Vec<&str> = below.split('.').collect();
    labels.reverse();
    match labels[..] {
        ["dns-version"] => of_kind(name, kind, vec![Data::Txt(SPECIFICATION.to_string())]),
        ["svc"] | ["pod"] | ["dns"] => nothing(),
        ["dns", "ns"] => of_kind(name, kind, own_addresses(zone)),
        ["svc" | "pod", namespace] => match zone.namespaces.contains(namespace) {
            true => nothing(),
            false => Answer::NoSuchName,
        },
        ["pod", namespace, pod] if zone.namespaces.contains(namespace) => match pod_address(pod) {
            Some(ip) => of_kind(name, kind, vec![Data::Address(ip)]),
            None => Answer::NoSuchName,
        },
        ["svc", namespace, service] => {
            in_service(zone, namespace, service, |found| service_records(zone, found, name, kind))
        }
        ["svc", namespace, service, endpoint] => {
            in_service(zone, namespace, service, |found| endpoint_records(zone, found, name, endpoint, kind))
        }
        ["svc", namespace, service, protocol, port] => {
            in_service(zone, namespace, service, |found| match (protocol.strip_prefix('_'), port.strip_prefix('_')) {
                (Some(protocol), Some(port)) => {
                    let wanted = |each: &Port| each.name == port && each.protocol == protocol;
                    let (answers, additionals) = services(zone, found, name, &wanted);
                    match (answers.is_empty(), kind) {
                        (true, _) => Answer::NoSuchName,
                        (false, Kind::Srv | Kind::Any) => Answer::Found { answers, additionals },
                        (false, _) => nothing(),
                    }
                }
                _ => Answer::NoSuchName,
            })
        }
        _ => Answer::NoSuchName,
    }
}

/// A service with its place.
#[derive(Clone, Copy)]
struct Found<'a> {
    key: &'a str,
    service: &'a Service,
}

fn in_service(zone: &Zone, namespace: &str, name: &str, answer: impl FnOnce(Found) -> Answer) -> Answer {
    match zone.services.get_key_value(format!("{namespace}/{name}").as_str()) {
        Some((key, service)) => answer(Found { key, service }),
        None => Answer::NoSuchName,
    }
}

/// The name exists, but has no such record.
fn nothing() -> Answer {
    Answer::Found { answers: Vec::new(), additionals: Vec::new() }
}

/// Those of the data that were asked for.
fn of_kind(name: &str, kind: Kind, data: Vec<Data>) -> Answer {
    let wanted = data.into_iter().filter(|data| is_of_kind(data, kind));
    let answers = wanted.map(|data| Record { name: name.to_string(), data }).collect();
    Answer::Found { answers, additionals: Vec::new() }
}

fn is_of_kind(data: &Data, kind: Kind) -> bool {
    match data {
        Data::Address(IpAddr::V4(_)) => matches!(kind, Kind::A | Kind::Any),
        Data::Address(IpAddr::V6(_)) => matches!(kind, Kind::Aaaa | Kind::Any),
        // An alias stands for every kind of record.
        Data::Cname(_) => true,
        Data::Ns(_) => matches!(kind, Kind::Ns | Kind::Any),
        Data::Ptr(_) => matches!(kind, Kind::Ptr | Kind::Any),
        Data::Soa => matches!(kind, Kind::Soa | Kind::Any),
        Data::Srv { .. } => matches!(kind, Kind::Srv | Kind::Any),
        Data::Txt(_) => matches!(kind, Kind::Txt | Kind::Any),
    }
}

fn apex(zone: &Zone, kind: Kind) -> Answer {
    let server = format!("ns.dns.{}", zone.domain);
    let mut answer = of_kind(&zone.domain, kind, vec![Data::Soa, Data::Ns(server.clone())]);
    if let (Answer::Found { additionals, .. }, Kind::Ns) = (&mut answer, kind) {
        additionals.extend(own_addresses(zone).into_iter().map(|data| Record { name: server.clone(), data }));
    }
    answer
}

/// Where this server is: the cluster IPs of kube-dns.
fn own_addresses(zone: &Zone) -> Vec<Data> {
    let service = zone.services.get("kube-system/kube-dns");
    service.into_iter().flat_map(|service| &service.cluster_ips).map(|ip| Data::Address(*ip)).collect()
}

/// All endpoints of a service, each address once.
fn endpoints<'a>(zone: &'a Zone, service: &str) -> Vec<&'a Endpoint> {
    let mut all: Vec<&Endpoint> = zone.slices_of(service).flat_map(|slice| &slice.endpoints).collect();
    all.sort_by_key(|endpoint| (endpoint.ip, &endpoint.hostname));
    all.dedup_by_key(|endpoint| (endpoint.ip, &endpoint.hostname));
    all
}

fn service_records(zone: &Zone, found: Found, name: &str, kind: Kind) -> Answer {
    let service = found.service;
    if !service.external_name.is_empty() {
        let target = service.external_name.trim_end_matches('.').to_ascii_lowercase();
        // Some write an address there: it is the answer itself.
        return match target.parse() {
            Ok(ip) => of_kind(name, kind, vec![Data::Address(ip)]),
            Err(_) => of_kind(name, kind, vec![Data::Cname(target)]),
        };
    }
    if kind == Kind::Srv {
        let (answers, additionals) = services(zone, found, name, &|_| true);
        return Answer::Found { answers, additionals };
    }
    if !service.cluster_ips.is_empty() {
        return of_kind(name, kind, service.cluster_ips.iter().map(|ip| Data::Address(*ip)).collect());
    }
    let endpoints = endpoints(zone, found.key);
    if endpoints.is_empty() {
        // As CoreDNS: a headless service without endpoints has no name.
        return Answer::NoSuchName;
    }
    let mut addresses: Vec<Data> = endpoints.into_iter().map(|endpoint| Data::Address(endpoint.ip)).collect();
    addresses.dedup();
    of_kind(name, kind, addresses)
}

fn endpoint_records(zone: &Zone, found: Found, name: &str, label: &str, kind: Kind) -> Answer {
    let named = endpoints(zone, found.key).into_iter().filter(|endpoint| endpoint.label() == label);
    let addresses: Vec<Data> = named.map(|endpoint| Data::Address(endpoint.ip)).collect();
    if addresses.is_empty() {
        return Answer::NoSuchName;
    }
    of_kind(name, kind, addresses)
}

/// SRV records of the wanted ports, and the addresses of their targets.
fn services(zone: &Zone, found: Found, name: &str, wanted: &dyn Fn(&Port) -> bool) -> (Vec<Record>, Vec<Record>) {
    let (mut answers, mut additionals) = (Vec::new(), Vec::new());
    let (namespace, service) = found.key.split_once('/').unwrap_or_default();
    let own_name = format!("{service}.{namespace}.svc.{}", zone.domain);
    let mut add = |port: u16, target: String, ips: &[IpAddr]| {
        let record = Record { name: name.to_string(), data: Data::Srv { port, weight: 0, target: target.clone() } };
        if !answers.contains(&record) {
            answers.push(record);
        }
        for ip in ips {
            let record = Record { name: target.clone(), data: Data::Address(*ip) };
            if !additionals.contains(&record) {
                additionals.push(record);
            }
        }
    };
    if !found.service.external_name.is_empty() {
        return (answers, additionals);
    }
    if !found.service.cluster_ips.is_empty() {
        for port in found.service.ports.iter().filter(|port| wanted(port)) {
            add(port.port, own_name.clone(), &found.service.cluster_ips);
        }
    } else {
        for slice in zone.slices_of(found.key) {
            for port in slice.ports.iter().filter(|port| wanted(port)) {
                for endpoint in &slice.endpoints {
                    add(port.port, format!("{}.{own_name}", endpoint.label()), &[endpoint.ip]);
                }
            }
        }
    }
    // Equal shares of a hundred.
    let share = u16::try_from(100 / answers.len().max(1)).unwrap_or(1).max(1);
    for record in &mut answers {
        if let Data::Srv { weight, .. } = &mut record.data {
            *weight = share;
        }
    }
    (answers, additionals)
}

/// `1-2-3-4`, or an IPv6 address with dashes.
fn pod_address(label: &str) -> Option<IpAddr> {
    if label.split('-').count() == 4
        && let Ok(ip) = label.replace('-', ".").parse::<Ipv4Addr>()
    {
        return Some(ip.into());
    }
    label.replace('-', ":").parse::<Ipv6Addr>().ok().map(IpAddr::from)
}

/// The address that a whole name below `in-addr.arpa` or `ip6.arpa` stands for.
fn reverse_address(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let octets: Vec<&str> = labels.rsplit('.').collect();
        return octets.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::from);
    }
    let labels = name.strip_suffix(".ip6.arpa")?;
    let nibbles: Vec<&str> = labels.rsplit('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|nibble| nibble.len() != 1) {
        return None;
    }
    u128::from_str_radix(&nibbles.concat(), 16).ok().map(|bits| Ipv6Addr::from(bits).into())
}

fn reverse(zone: &Zone, name: &str, ip: IpAddr, kind: Kind) -> Answer {
    let full = |key: &str, endpoint: Option<&str>| {
        let (namespace, service) = key.split_once('/').unwrap_or_default();
        let own = format!("{service}.{namespace}.svc.{}", zone.domain);
        Data::Ptr(endpoint.map_or(own.clone(), |endpoint| format!("{}.{own}", endpoint.to_ascii_lowercase())))
    };
    let mut targets: Vec<Data> = zone.service_at(ip).map(|key| full(key, None)).into_iter().collect();
    if targets.is_empty() {
        targets = zone.endpoints_at(ip).into_iter().map(|(key, hostname)| full(key, Some(hostname))).collect();
    }
    // Other addresses are others' to know.
    if targets.is_empty() { Answer::NotOurs } else { of_kind(name, kind, targets) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::zone::Slice;

    fn zone() -> Zone {
        let mut zone = Zone::new("cluster.local.");
        for namespace in ["default", "kube-system"] {
            zone.set_namespace(namespace, true);
        }
        let mut service = |key: &str, spec: Value| {
            let service = serde_json::from_value(json!({"spec": spec})).unwrap();
            zone.set_service(key, Some(Service::parse(&service)));
        };
        let ports = json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
        service("default/web", json!({"clusterIPs": ["10.96.0.7", "fd00::7"], "ports": ports}));
        service("default/db", json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": []}));
        service("default/idle", json!({"clusterIP": "None", "clusterIPs": ["None"]}));
        service("default/out", json!({"type": "ExternalName", "externalName": "Example.COM."}));
        service("kube-system/kube-dns", json!({"clusterIPs": ["10.96.0.10"]}));
        let slice = json!({
            "metadata": {"namespace": "default", "name": "db-1", "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4",
            "ports": [{"name": "pg", "port": 5432}],
            "endpoints": [
                {"addresses": ["10.1.0.1"], "hostname": "db-0"},
                {"addresses": ["10.1.0.2"]},
                {"addresses": ["10.1.0.3"], "conditions": {"ready": false}},
            ],
        });
        zone.set_slice("default/db-1", Slice::parse(&serde_json::from_value(slice).unwrap()));
        zone
    }

    /// An answer as text: records apart by commas, additionals after a plus.
    fn ask(name: &str, kind: Kind) -> String {
        let text = |records: Vec<Record>| {
            let each = records.into_iter().map(|record| match record.data {
                Data::Address(ip) => ip.to_string(),
                Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) | Data::Txt(name) => name,
                Data::Soa => "soa".to_string(),
                Data::Srv { port, weight, target } => format!("{weight} {port} {target}"),
            });
            each.collect::<Vec<_>>().join(", ")
        };
        match lookup(&zone(), name, kind) {
            Answer::NotOurs => "not ours".to_string(),
            Answer::NoSuchName => "nxdomain".to_string(),
            Answer::Found { answers, additionals } if additionals.is_empty() => text(answers),
            Answer::Found { answers, additionals } => format!("{} + {}", text(answers), text(additionals)),
        }
    }

    #[test]
    fn the_specification() {
        let web = "web.default.svc.cluster.local";
        let db = "db.default.svc.cluster.local";
        for (name, kind, answer) in [
            ("dns-version.cluster.local", Kind::Txt, "1.1.0"),
            ("dns-version.cluster.local", Kind::A, ""),
            (web, Kind::A, "10.96.0.7"),
            (web, Kind::Aaaa, "fd00::7"),
            (web, Kind::Txt, ""),
            (web, Kind::Any, "10.96.0.7, fd00::7"),
            (
                "_http._tcp.web.default.svc.cluster.local",
                Kind::Srv,
                "100 80 web.default.svc.cluster.local + 10.96.0.7, fd00::7",
            ),
            ("_http._tcp.web.default.svc.cluster.local", Kind::A, ""),
            ("_http._udp.web.default.svc.cluster.local", Kind::Srv, "nxdomain"),
            (
                "_dns._udp.web.default.svc.cluster.local",
                Kind::Srv,
                "100 53 web.default.svc.cluster.local + 10.96.0.7, fd00::7",
            ),
            (db, Kind::A, "10.1.0.1, 10.1.0.2"),
            (db, Kind::Aaaa, ""),
            ("db-0.db.default.svc.cluster.local", Kind::A, "10.1.0.1"),
            ("10-1-0-2.db.default.svc.cluster.local", Kind::A, "10.1.0.2"),
            ("10-1-0-1.db.default.svc.cluster.local", Kind::A, "nxdomain"),
            (
                "_pg._tcp.db.default.svc.cluster.local",
                Kind::Srv,
                "50 5432 db-0.db.default.svc.cluster.local, 50 5432 10-1-0-2.db.default.svc.cluster.local \
                 + 10.1.0.1, 10.1.0.2",
            ),
            ("idle.default.svc.cluster.local", Kind::A, "nxdomain"),
            ("out.default.svc.cluster.local", Kind::A, "example.com"),
            ("out.default.svc.cluster.local", Kind::Cname, "example.com"),
            ("nope.default.svc.cluster.local", Kind::A, "nxdomain"),
            ("web.nope.svc.cluster.local", Kind::A, "nxdomain"),
            ("default.svc.cluster.local", Kind::A, ""),
            ("nope.svc.cluster.local", Kind::A, "nxdomain"),
            ("svc.cluster.local", Kind::A, ""),
            ("cluster.local", Kind::Soa, "soa"),
            ("cluster.local", Kind::A, ""),
            ("cluster.local", Kind::Ns, "ns.dns.cluster.local + 10.96.0.10"),
            ("ns.dns.cluster.local", Kind::A, "10.96.0.10"),
            ("nope.cluster.local", Kind::A, "nxdomain"),
            ("web.default.cluster.local", Kind::A, "nxdomain"),
            ("10-1-0-9.default.pod.cluster.local", Kind::A, "10.1.0.9"),
            ("10-1-0-9.default.pod.cluster.local", Kind::Aaaa, ""),
            ("fd00--1.default.pod.cluster.local", Kind::Aaaa, "fd00::1"),
            ("10-1-0-9.nope.pod.cluster.local", Kind::A, "nxdomain"),
            ("x.default.pod.cluster.local", Kind::A, "nxdomain"),
            ("7.0.96.10.in-addr.arpa", Kind::Ptr, web),
            ("1.0.1.10.in-addr.arpa", Kind::Ptr, "db-0.db.default.svc.cluster.local"),
            ("2.0.1.10.in-addr.arpa", Kind::Ptr, "not ours"),
            ("8.8.8.8.in-addr.arpa", Kind::Ptr, "not ours"),
            ("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", Kind::Ptr, web),
            ("example.com", Kind::A, "not ours"),
            ("mycluster.local", Kind::A, "not ours"),
            ("", Kind::Ns, "not ours"),
        ] {
            assert_eq!(ask(name, kind), answer, "{name} {kind:?}");
        }
    }

    #[test]
    fn nothing_stays_behind() {
        let mut zone = zone();
        zone.set_service("default/web", None);
        zone.set_slice("default/db-1", None);
        assert_eq!(lookup(&zone, "7.0.96.10.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
        assert_eq!(lookup(&zone, "1.0.1.10.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
        assert_eq!(lookup(&zone, "db.default.svc.cluster.local", Kind::A), Answer::NoSuchName);
        zone.retain_services(&Default::default());
        zone.retain_namespaces(&Default::default());
        assert!(zone.services.is_empty() && zone.namespaces.is_empty());
    }
}
