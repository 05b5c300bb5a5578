//! Which node ports a service takes and lets go when it is created or changed: pure, on a bitmap of those taken.
//!
//! Source: kubernetes `pkg/registry/core/service/storage/alloc.go`.

use std::collections::{HashMap, HashSet};

use rand::Rng;
use serde_json::Value;

use super::bitmap::Bitmap;
use crate::field::{ErrorList, Path};
use crate::object;
use crate::status::{Result, Status};

/// What a change of a service took, and what it lets go once it is written.
#[derive(Debug, Default, PartialEq)]
pub struct PortChange {
    pub taken: Vec<u16>,
    pub freed: Vec<u16>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("provided port is not in the valid range. The range of valid ports is {0}-{1}")]
    NotInRange(u16, u16),
    #[error("provided port is already allocated")]
    Allocated,
    #[error("range is full")]
    Full,
}

/// One service's change of the bitmap.
pub struct Operation<'a> {
    /// Both ends included.
    pub range: (u16, u16),
    pub taken: &'a mut Bitmap,
    pub dry_run: bool,
    pub change: PortChange,
}

impl Operation<'_> {
    /// Gives the service the ports that it wants or needs; `old` is the service before an update.
    pub fn assign(&mut self, service: &mut Value, old: Option<&Value>) -> Result<()> {
        let none = Value::Null;
        let before = old.unwrap_or(&none);
        match (has_node_ports(service), old) {
            (true, None) => self.new_ports(service)?,
            (true, Some(old)) => self.changed_ports(service, old)?,
            (false, _) if has_node_ports(before) => self.change.freed.extend(ports_of(before)),
            (false, _) => {}
        }
        match (needs_health_check(before), needs_health_check(service)) {
            (false, true) => self.health_check(service)?,
            (true, false) => self.change.freed.extend(number(&before["spec"]["healthCheckNodePort"])),
            _ => {}
        }
        Ok(())
    }

    /// Ports of one number share a node port, unless the client chose otherwise.
    fn new_ports(&mut self, service: &mut Value) -> Result<()> {
        let name = object::meta(service, "name").to_owned();
        let allocates = allocates(service);
        let mut shared: HashMap<u64, u16> = HashMap::new();
        let Some(ports) = service["spec"]["ports"].as_array_mut() else { return Ok(()) };
        for index in 0..ports.len() {
            let wanted = number(&ports[index]["nodePort"]);
            if wanted.is_none() && !allocates {
                continue;
            }
            let port = ports[index]["port"].as_u64().unwrap_or_default();
            let given = match (shared.get(&port), wanted) {
                (Some(shared), None) => *shared,
                (Some(shared), Some(wanted)) if *shared == wanted => wanted,
                (Some(_), Some(wanted)) => {
                    self.this(wanted).map_err(|why| invalid(&name, index, wanted, &why))?;
                    wanted
                }
                (None, _) => {
                    let chosen = ports[index..]
                        .iter()
                        .filter(|other| other["port"].as_u64() == Some(port))
                        .find_map(|other| number(&other["nodePort"]));
                    let given = match chosen {
                        Some(chosen) => {
                            self.this(chosen).map_err(|why| invalid(&name, index, chosen, &why))?;
                            chosen
                        }
                        None => self.any()?,
                    };
                    shared.insert(port, given);
                    given
                }
            };
            ports[index]["nodePort"] = given.into();
        }
        Ok(())
    }

    fn changed_ports(&mut self, service: &mut Value, old: &Value) -> Result<()> {
        let name = object::meta(service, "name").to_owned();
        let allocates = allocates(service);
        let before = ports_of(old);
        let mut seen: HashSet<(String, u16)> = HashSet::new();
        for (index, port) in service["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
            let given = match number(&port["nodePort"]) {
                None if !allocates => continue,
                None => self.any()?,
                Some(wanted) => {
                    if !before.contains(&wanted) && !self.change.taken.contains(&wanted) {
                        self.this(wanted).map_err(|why| invalid(&name, index, wanted, &why))?;
                    }
                    wanted
                }
            };
            port["nodePort"] = given.into();
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            if !seen.insert((protocol.clone(), given)) {
                return Err(Status::internal(format!("duplicate nodePort: {{{protocol} {given}}}")));
            }
        }
        let after = ports_of(service);
        self.change.freed.extend(before.into_iter().filter(|port| !after.contains(port)));
        Ok(())
    }

    fn health_check(&mut self, service: &mut Value) -> Result<()> {
        match number(&service["spec"]["healthCheckNodePort"]) {
            Some(wanted) => self.this(wanted).map_err(|why| {
                Status::internal(format!("failed to allocate requested HealthCheck NodePort {wanted}: {why}"))
            }),
            None => {
                let given = self
                    .next()
                    .map_err(|why| Status::internal(format!("failed to allocate a HealthCheck NodePort 0: {why}")))?;
                service["spec"]["healthCheckNodePort"] = given.into();
                Ok(())
            }
        }
    }

    fn any(&mut self) -> Result<u16> {
        self.next().map_err(|why| Status::internal(format!("failed to allocate a nodePort: {why}")))
    }

    /// Takes a port that the client chose.
    fn this(&mut self, port: u16) -> std::result::Result<(), Refusal> {
        let Some(offset) = offset(self.range, port) else {
            return Err(Refusal::NotInRange(self.range.0, self.range.1));
        };
        if !self.taken.insert(offset) {
            return Err(Refusal::Allocated);
        }
        self.change.taken.push(port);
        Ok(())
    }

    /// Takes any free port: from the upper part of the range first, since the lower is for those who choose (KEP-3668).
    fn next(&mut self) -> std::result::Result<u16, Refusal> {
        // A dry run answers numbers that nobody gets, as upstream's.
        if self.dry_run {
            let port = self.change.taken.iter().max().copied().unwrap_or(32768).saturating_add(1);
            self.change.taken.push(port);
            return Ok(port);
        }
        let size = usize::from(self.range.1 - self.range.0) + 1;
        let reserved = if size <= 16 { 0 } else { (size / 32).clamp(16, 128) };
        let start = rand::rng().random_range(0..size - reserved);
        let upper = (0..size - reserved).map(|step| reserved + (start + step) % (size - reserved));
        let free = upper.chain(0..reserved).find(|offset| !self.taken.contains(*offset)).ok_or(Refusal::Full)?;
        self.taken.insert(free);
        let port = self.range.0 + free as u16;
        self.change.taken.push(port);
        Ok(port)
    }
}

/// What a client that leaves a port out of an update means to keep: the one of the same name.
pub fn keep(service: &mut Value, old: &Value) {
    let named = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
    let used = |service: &Value| -> Vec<u16> {
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        ports.filter_map(|port| number(&port["nodePort"])).collect()
    };
    if has_node_ports(old) && allocates(old) && has_node_ports(service) && allocates(service) {
        let after = used(service);
        let in_both: Vec<u16> = used(old).into_iter().filter(|port| after.contains(port)).collect();
        let before: HashMap<String, u16> = old["spec"]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|port| Some((named(port), number(&port["nodePort"])?)))
            .collect();
        for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
            if number(&port["nodePort"]).is_none()
                && let Some(kept) = before.get(&named(port)).filter(|kept| !in_both.contains(kept))
            {
                port["nodePort"] = (*kept).into();
            }
        }
    }
    if needs_health_check(old)
        && needs_health_check(service)
        && number(&service["spec"]["healthCheckNodePort"]).is_none()
        && let Some(kept) = number(&old["spec"]["healthCheckNodePort"])
    {
        service["spec"]["healthCheckNodePort"] = kept.into();
    }
}

/// The node ports of a service, each once for all protocols that share it.
pub fn ports_of(service: &Value) -> Vec<u16> {
    let mut found = Vec::new();
    let mut seen: HashMap<u16, Vec<&str>> = HashMap::new();
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        let Some(node_port) = number(&port["nodePort"]) else { continue };
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let protocols = seen.entry(node_port).or_default();
        if protocols.is_empty() || protocols.contains(&protocol) {
            found.push(node_port);
        }
        protocols.push(protocol);
    }
    if let Some(health) = number(&service["spec"]["healthCheckNodePort"])
        && seen.get(&health).is_none_or(|protocols| protocols.contains(&"TCP"))
    {
        found.push(health);
    }
    found
}

fn invalid(name: &str, index: usize, wanted: u16, why: &Refusal) -> Status {
    let mut errors = ErrorList::default();
    let spec = Path::new("spec");
    let ports = spec.child("ports");
    errors.invalid(&ports.index(index).child("nodePort"), &wanted.into(), why.to_string());
    Status::invalid("", "Service", name, &errors)
}

fn kind(service: &Value) -> &str {
    service["spec"]["type"].as_str().unwrap_or("ClusterIP")
}

fn has_node_ports(service: &Value) -> bool {
    matches!(kind(service), "NodePort" | "LoadBalancer")
}

/// Whether the service has anything to do with node ports.
pub fn wants_ports(service: &Value) -> bool {
    has_node_ports(service) || number(&service["spec"]["healthCheckNodePort"]).is_some()
}

/// Whether ports that the client left open are filled in.
fn allocates(service: &Value) -> bool {
    kind(service) != "LoadBalancer" || service["spec"]["allocateLoadBalancerNodePorts"].as_bool() != Some(false)
}

fn needs_health_check(service: &Value) -> bool {
    kind(service) == "LoadBalancer" && service["spec"]["externalTrafficPolicy"].as_str() == Some("Local")
}

/// A port number that is set and can be one.
fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

/// A port's bit.
pub fn offset(range: (u16, u16), port: u16) -> Option<usize> {
    (range.0..=range.1).contains(&port).then(|| usize::from(port - range.0))
}

#[cfg(test)]
#[path = "service_ports_tests.rs"]
mod tests;
