//! The planner: from services, endpoints and the node to the rules of one address family. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use crate::{
    model::{Family, NodeView, PortEndpoint, Service, ServiceKey, ServicePort, State},
    ruleset::{
        CLUSTER_IPS, Element, FIREWALL_IPS, HAIRPIN_CONNECTIONS, NO_ENDPOINT_NODEPORTS, NO_ENDPOINT_SERVICES, Names,
        RuleSet, SERVICE_IPS, SERVICE_NODEPORTS,
    },
};

/// What the command line decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The bit of the packet mark that says "masquerade".
    pub masquerade_mark: u32,
    pub masquerade_all: bool,
    /// Where pods are: traffic to services from elsewhere is masqueraded. Empty: unknown.
    pub cluster_cidrs: Vec<IpNet>,
    pub node_port_addresses: NodePortAddresses,
}

/// Where node ports answer.
#[derive(Clone, Debug, PartialEq)]
pub enum NodePortAddresses {
    /// The primary address of the node.
    Primary,
    /// Every local address in these; `0.0.0.0/0` is every one.
    Cidrs(Vec<IpNet>),
}

impl Config {
    pub fn masquerade(&self) -> String {
        format!("mark set mark or {:#010x}", self.masquerade_mark)
    }

    fn cidrs(&self, family: Family) -> Option<String> {
        let cidrs: Vec<String> =
            self.cluster_cidrs.iter().filter(|cidr| Family::of(cidr.addr()) == family).map(IpNet::to_string).collect();
        match &cidrs[..] {
            [] => None,
            [one] => Some(one.clone()),
            more => Some(format!("{{ {} }}", more.join(", "))),
        }
    }

    /// Matches traffic from pods; none where it is unknown where they are.
    pub fn from_pods(&self, family: Family) -> Option<String> {
        Some(format!("{} saddr {}", family.ip(), self.cidrs(family)?))
    }

    /// Matches traffic that is not from pods.
    pub fn not_from_pods(&self, family: Family) -> Option<String> {
        Some(format!("{} saddr != {}", family.ip(), self.cidrs(family)?))
    }
}

/// What is to be programmed, and what else follows from the same endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub rules: RuleSet,
    /// Of each service with a health check port: the port and how many endpoints are here.
    pub health_checks: BTreeMap<ServiceKey, (u16, usize)>,
    /// Of each UDP service address, where its packets may go: connections that go elsewhere are stale.
    pub udp: Udp,
    /// Ports of services that have endpoints, but with a policy of Local none here: internal, external.
    pub without_local_endpoints: (usize, usize),
}

/// Endpoints that serve, by address and port of UDP services, and by node port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Udp {
    pub services: BTreeMap<(IpAddr, u16), BTreeSet<(IpAddr, u16)>>,
    pub node_ports: BTreeMap<u16, BTreeSet<(IpAddr, u16)>>,
}

/// Plans the rules of one family.
pub fn plan(state: &State, node: &NodeView, config: &Config, family: Family) -> Plan {
    let mut plan = Plan::default();
    for (key, service) in &state.services {
        let Some(cluster_ip) = service.cluster_ips.iter().copied().find(|ip| Family::of(*ip) == family) else {
            continue;
        };
        let mut here: BTreeSet<IpAddr> = BTreeSet::new();
        for port in &service.ports {
            let endpoints = state.endpoints(key, port, family);
            let ready = endpoints.iter().filter(|e| e.endpoint.ready && e.endpoint.node == node.name);
            here.extend(ready.map(|e| e.endpoint.ip));
            let chosen = choose(&endpoints, service, port, node);
            let names = Names::new(key, port);
            let mut port_plan = PortPlan { plan: &mut plan, service, port, names, chosen, config, node, family };
            port_plan.add(cluster_ip);
            if port.protocol == "udp" {
                add_udp(&mut plan.udp, service, port, cluster_ip, &endpoints);
            }
        }
        if service.health_check_node_port != 0 {
            plan.health_checks.insert(key.clone(), (service.health_check_node_port, here.len()));
        }
    }
    plan
}

fn add_udp(udp: &mut Udp, service: &Service, port: &ServicePort, cluster_ip: IpAddr, endpoints: &[PortEndpoint]) {
    let serving: BTreeSet<_> =
        endpoints.iter().filter(|e| e.endpoint.serving).map(|e| (e.endpoint.ip, e.port)).collect();
    if serving.is_empty() {
        return;
    }
    for ip in std::iter::once(&cluster_ip).chain(&service.external_ips).chain(&service.load_balancer_ips) {
        udp.services.insert((*ip, port.port), serving.clone());
    }
    if port.node_port != 0 {
        udp.node_ports.insert(port.node_port, serving);
    }
}

/// The endpoints of a port, by who may use them.
#[derive(Debug, Default, PartialEq)]
struct Chosen<'a> {
    /// For traffic under the policy Cluster.
    cluster: Vec<PortEndpoint<'a>>,
    /// For traffic under the policy Local.
    local: Vec<PortEndpoint<'a>>,
    any: bool,
}

/// Ready endpoints, near ones if the hints say so; where none is ready, those that still serve while they terminate
/// (KEP-1669, KEP-2433, KEP-4444).
fn choose<'a>(endpoints: &[PortEndpoint<'a>], service: &Service, port: &ServicePort, node: &NodeView) -> Chosen<'a> {
    let select = |keep: &dyn Fn(&PortEndpoint) -> bool| -> Vec<PortEndpoint<'a>> {
        endpoints.iter().filter(|endpoint| keep(endpoint)).cloned().collect()
    };
    let is_here = |each: &PortEndpoint| each.endpoint.node == node.name;
    let is_leaving = |each: &PortEndpoint| each.endpoint.serving && each.endpoint.terminating;
    let external = service.is_externally_reachable(port);
    // Under the external policy Local, traffic from pods and the node itself still goes to all endpoints.
    let uses_cluster = !service.internal_local || external;
    let uses_local = service.internal_local || service.external_local && external;
    let mut chosen = Chosen::default();
    if uses_cluster {
        let near = nearness(endpoints, node);
        chosen.cluster = select(&|each| each.endpoint.ready && near(each));
        if chosen.cluster.is_empty() {
            chosen.cluster = select(&is_leaving);
        }
        chosen.any = !chosen.cluster.is_empty();
    }
    if uses_local {
        chosen.any = endpoints.iter().any(|each| each.endpoint.ready || is_leaving(each));
        chosen.local = select(&|each| each.endpoint.ready && is_here(each));
        if chosen.local.is_empty() {
            chosen.local = select(&|each| is_leaving(each) && is_here(each));
        }
    }
    chosen
}

/// Which endpoints the hints allow: all, where not every ready endpoint has hints or none is for here.
fn nearness<'a>(endpoints: &[PortEndpoint], node: &'a NodeView) -> Box<dyn Fn(&PortEndpoint) -> bool + 'a> {
    let ready = || endpoints.iter().map(|each| each.endpoint).filter(|endpoint| endpoint.ready);
    let some = ready().next().is_some();
    let by_node = some && ready().all(|endpoint| !endpoint.node_hints.is_empty());
    if by_node && ready().any(|endpoint| endpoint.node_hints.contains(&node.name)) {
        return Box::new(|each| each.endpoint.node_hints.contains(&node.name));
    }
    let by_zone = some && ready().all(|endpoint| !endpoint.zone_hints.is_empty());
    if by_zone && ready().any(|endpoint| endpoint.zone_hints.contains(&node.zone)) {
        return Box::new(|each| each.endpoint.zone_hints.contains(&node.zone));
    }
    Box::new(|_| true)
}

/// The planning of one port of one service.
struct PortPlan<'a, 'b> {
    plan: &'a mut Plan,
    service: &'b Service,
    port: &'b ServicePort,
    names: Names,
    chosen: Chosen<'b>,
    config: &'b Config,
    node: &'b NodeView,
    family: Family,
}

impl PortPlan<'_, '_> {
    fn add(&mut self, cluster_ip: IpAddr) {
        let (service, port) = (self.service, self.port);
        let has_any = self.chosen.any;
        let has_internal = has_any && (!service.internal_local || !self.chosen.local.is_empty());
        let has_external = has_any && (!service.external_local || !self.chosen.local.is_empty());
        // No endpoint at all: say so at once. None here, under the policy Local: as if the node were not there.
        let verdict = if has_any { "drop" } else { "goto reject-chain" };
        self.plan.without_local_endpoints.0 += usize::from(has_any && !has_internal);
        self.plan.without_local_endpoints.1 += usize::from(has_any && !has_external);

        self.add_endpoint_chains();
        self.element(CLUSTER_IPS, cluster_ip.to_string(), None, None);
        let internal = if service.internal_local { self.names.local.clone() } else { self.names.service.clone() };
        let comment = self.names.comment.clone();
        if has_internal {
            self.element(SERVICE_IPS, self.address(cluster_ip), Some(format!("goto {internal}")), None);
        } else {
            self.element(NO_ENDPOINT_SERVICES, self.address(cluster_ip), Some(verdict.into()), Some(comment.clone()));
        }
        let in_family = |ips: &[IpAddr]| -> Vec<IpAddr> {
            ips.iter().copied().filter(|ip| Family::of(*ip) == self.family).collect()
        };
        let load_balancer_ips = in_family(&service.load_balancer_ips);
        let external_ips = in_family(&service.external_ips);
        let to_external = format!("goto {}", self.names.external);
        for ip in external_ips.iter().chain(&load_balancer_ips) {
            let address = self.address(*ip);
            if has_any {
                self.element(SERVICE_IPS, address.clone(), Some(to_external.clone()), None);
            }
            if !has_external {
                self.element(NO_ENDPOINT_SERVICES, address, Some(verdict.into()), Some(comment.clone()));
            }
        }
        if port.node_port != 0 {
            let key = format!("{} . {}", port.protocol, port.node_port);
            if has_any {
                self.element(SERVICE_NODEPORTS, key.clone(), Some(to_external), None);
            }
            if !has_external {
                self.element(NO_ENDPOINT_NODEPORTS, key, Some(verdict.into()), Some(comment));
            }
        }
        if has_any && service.is_externally_reachable(port) {
            self.add_external_chain(has_external);
        }
        self.add_firewall(&load_balancer_ips);
    }

    fn element(&mut self, container: &'static str, key: String, value: Option<String>, comment: Option<String>) {
        let elements = self.plan.rules.elements.entry(container).or_default();
        elements.insert(key, Element { value, comment });
    }

    fn address(&self, ip: IpAddr) -> String {
        format!("{ip} . {} . {}", self.port.protocol, self.port.port)
    }

    /// Traffic from outside: masqueraded, or under the policy Local kept to this node with its source.
    fn add_external_chain(&mut self, has_external: bool) {
        let mut rules = Vec::new();
        let masquerade = self.config.masquerade();
        let target = if self.service.external_local {
            let all = &self.names.service;
            if !self.chosen.cluster.is_empty() {
                if let Some(from_pods) = self.config.from_pods(self.family) {
                    rules.push(format!("{from_pods} goto {all} comment \"short-circuit pod traffic\""));
                }
                rules.push(format!("fib saddr type local {masquerade} comment \"masquerade local traffic\""));
                rules.push(format!("fib saddr type local goto {all} comment \"short-circuit local traffic\""));
            }
            &self.names.local
        } else {
            rules.push(format!("{masquerade} comment \"masquerade\""));
            &self.names.service
        };
        if has_external {
            rules.push(format!("goto {target}"));
        }
        self.plan.rules.chains.insert(self.names.external.clone(), rules);
    }

    /// `loadBalancerSourceRanges`: others are dropped.
    fn add_firewall(&mut self, load_balancer_ips: &[IpAddr]) {
        let ranges = self.service.source_ranges.iter().filter(|range| Family::of(range.addr()) == self.family);
        let ranges: Vec<&IpNet> = ranges.collect();
        if load_balancer_ips.is_empty() || ranges.is_empty() {
            return;
        }
        let mut sources: Vec<String> = ranges.iter().map(|range| range.to_string()).collect();
        // Packets from the node to the load balancer's address may have that address as their source.
        if ranges.iter().any(|range| self.node.ips.iter().any(|ip| range.contains(ip))) {
            sources.extend(load_balancer_ips.iter().map(IpAddr::to_string));
        }
        let rule = format!("{} saddr != {{ {} }} drop", self.family.ip(), sources.join(", "));
        self.plan.rules.chains.insert(self.names.firewall.clone(), vec![rule]);
        for ip in load_balancer_ips {
            let verdict = Some(format!("goto {}", self.names.firewall));
            self.element(FIREWALL_IPS, self.address(*ip), verdict, None);
        }
    }

    /// The chains that pick an endpoint.
    fn add_endpoint_chains(&mut self) {
        let (ip, protocol) = (self.family.ip(), &self.port.protocol);
        let mut reachable: BTreeMap<(IpAddr, u16), &PortEndpoint> = BTreeMap::new();
        for endpoint in self.chosen.cluster.iter().chain(&self.chosen.local) {
            reachable.insert((endpoint.endpoint.ip, endpoint.port), endpoint);
        }
        let mut hairpins = Vec::new();
        for ((address, port), endpoint) in &reachable {
            if endpoint.endpoint.node == self.node.name {
                hairpins.push(format!("{address} . {address} . {protocol} . {port}"));
            }
            if let Some(seconds) = self.service.affinity {
                let (chain, set) = self.names.endpoint(*address, *port);
                let to = match address {
                    IpAddr::V4(address) => format!("{address}:{port}"),
                    IpAddr::V6(address) => format!("[{address}]:{port}"),
                };
                let rules =
                    vec![format!("update @{set} {{ {ip} saddr }}"), format!("meta l4proto {protocol} dnat to {to}")];
                self.plan.rules.chains.insert(chain, rules);
                self.plan.rules.affinity_sets.insert(set, seconds);
            }
        }
        for key in hairpins {
            self.element(HAIRPIN_CONNECTIONS, key, None, None);
        }
        for (chain, endpoints) in
            [(self.names.service.clone(), &self.chosen.cluster), (self.names.local.clone(), &self.chosen.local)]
        {
            if !endpoints.is_empty() {
                let rules = self.pick(endpoints);
                self.plan.rules.chains.insert(chain, rules);
            }
        }
    }

    fn pick(&self, endpoints: &[PortEndpoint]) -> Vec<String> {
        let (ip, protocol, count) = (self.family.ip(), &self.port.protocol, endpoints.len());
        if self.service.affinity.is_none() {
            let each = endpoints.iter().enumerate();
            let each: Vec<String> =
                each.map(|(n, each)| format!("{n} : {} . {}", each.endpoint.ip, each.port)).collect();
            return vec![format!(
                "meta l4proto {protocol} dnat {ip} addr . port to numgen random mod {count} map {{ {} }}",
                each.join(", ")
            )];
        }
        let named = endpoints.iter().map(|each| self.names.endpoint(each.endpoint.ip, each.port));
        let mut rules: Vec<String> =
            named.clone().map(|(chain, set)| format!("{ip} saddr @{set} goto {chain}")).collect();
        let each: Vec<String> = named.enumerate().map(|(n, (chain, _))| format!("{n} : goto {chain}")).collect();
        rules.push(format!("numgen random mod {count} vmap {{ {} }}", each.join(", ")));
        rules
    }
}

#[cfg(test)]
mod tests;
