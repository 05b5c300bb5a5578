//! pods/proxy, services/proxy and nodes/proxy: HTTP to what runs in the cluster.
//!
//! Source: `pkg/registry/core/{pod,service,node}`, their ResourceLocation.

use std::net::IpAddr;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use rand::seq::IndexedRandom;
use serde_json::Value;

use crate::backend::{self, Location, clean};
use crate::body::Body;
use crate::context::{Context, Target};
use crate::kubelet;
use crate::status::{GroupResource, Result, Status};

/// Whether requests of this method are passed on.
pub fn takes(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::HEAD | Method::OPTIONS
    )
}

pub async fn proxy(context: &Context, target: &Target, request: Request<Incoming>) -> Result<Response<Body>> {
    if !context.query.get("dryRun").unwrap_or_default().is_empty() {
        return Err(Status::bad_request("dryRun is not supported"));
    }
    let singular = &target.resource().singular;
    let asked = Asked::read(&context.info.name)
        .ok_or_else(|| Status::bad_request(format!("invalid {singular} request {:?}", context.info.name)))?;
    let mut location = match target.resource().plural.as_str() {
        "nodes" => node(context, &asked).await?,
        "pods" => pod(context, &asked).await?,
        _ => service(context, &asked).await?,
    };
    location.path = path(context);
    backend::pass(request, location).await
}

/// What of the path is the backend's: cleaned, with its last slash.
fn path(context: &Context) -> String {
    let rest = &context.info.rest;
    let ends_in_slash = context.info.path.ends_with('/');
    if rest.is_empty() {
        return if ends_in_slash { "/".to_owned() } else { String::new() };
    }
    let mut path = clean(rest);
    if ends_in_slash && !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// `name`, `name:port` or `scheme:name:port`.
struct Asked<'a> {
    https: bool,
    name: &'a str,
    port: &'a str,
}

impl<'a> Asked<'a> {
    fn read(id: &'a str) -> Option<Asked<'a>> {
        let parts: Vec<&str> = id.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme @ ("" | "http" | "https"), name, port] => (scheme, name, port),
            _ => return None,
        };
        (!name.is_empty()).then_some(Asked { https: scheme == "https", name, port })
    }

    fn location(&self, context: &Context, host: String, port: u16) -> Location {
        let tls = self.https.then(|| context.server.kubelets.proxied_tls());
        Location { tls, host, port, server_name: None, path: String::new(), query: String::new() }
    }

    /// The port as a number; the scheme's own without one.
    fn number(&self, port: &str) -> Result<u16> {
        match port {
            "" if self.https => Ok(443),
            "" => Ok(80),
            port => port.parse().map_err(|_| Status::unclassified(format!("invalid port {port:?} after host"))),
        }
    }
}

async fn node(context: &Context, asked: &Asked<'_>) -> Result<Location> {
    let kubelet = context.server.kubelets.find(&context.server, asked.name, true).await?;
    let addresses = backend::lookup(&kubelet.host).await.map_err(|error| Status::bad_request(error.to_string()))?;
    if !addresses.into_iter().all(is_global_unicast) {
        return Err(Status::bad_request("address not allowed"));
    }
    if asked.port.is_empty() || asked.port == kubelet.port.to_string() {
        return Ok(kubelet.location(String::new(), String::new()));
    }
    Ok(asked.location(context, kubelet.host, asked.number(asked.port)?))
}

async fn pod(context: &Context, asked: &Asked<'_>) -> Result<Location> {
    let pod = kubelet::pod(&context.server, &context.info.namespace, asked.name).await?;
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let first = containers
        .filter_map(|container| container["ports"][0]["containerPort"].as_u64())
        .map(|port| port.to_string())
        .next();
    let port = if asked.port.is_empty() { first.as_deref().unwrap_or_default() } else { asked.port };
    let status = &pod["status"];
    let host = status["podIPs"][0]["ip"].as_str().or_else(|| status["podIP"].as_str()).unwrap_or_default();
    if !host.parse().is_ok_and(is_global_unicast) {
        return Err(Status::bad_request("address not allowed"));
    }
    Ok(asked.location(context, host.to_owned(), asked.number(port)?))
}

/// A ready endpoint of a service that is really a pod.
async fn service(context: &Context, asked: &Asked<'_>) -> Result<Location> {
    let server = &context.server;
    let namespace = &context.info.namespace;
    let name = asked.name;
    let not_found = || Status::not_found(GroupResource { group: "", resource: "services" }, name);
    let none = |id: &str| Status::unavailable(format!("no endpoints available for service {id:?}"));
    let mut port = asked.port.to_owned();
    if let Ok(number) = asked.port.parse::<i64>() {
        let service = server.find("", "services", namespace, name).await?.ok_or_else(not_found)?;
        let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let found = ports
            .find(|candidate| candidate["port"].as_i64() == Some(number))
            .ok_or_else(|| Status::unavailable(format!("no service port {number} found for service {name:?}")))?;
        port = found["name"].as_str().unwrap_or_default().to_owned();
    }
    let endpoints = server.find("", "endpoints", namespace, name).await?.ok_or_else(not_found)?;
    let subsets: &[Value] = endpoints["subsets"].as_array().map_or(&[], Vec::as_slice);
    if subsets.is_empty() {
        return Err(none(name));
    }
    let mut candidates = Vec::new();
    for subset in subsets {
        let ports = subset["ports"].as_array().into_iter().flatten();
        let named = ports.filter(|candidate| candidate["name"].as_str().unwrap_or_default() == port);
        let numbers: Vec<u16> =
            named.filter_map(|port| port["port"].as_u64().and_then(|number| u16::try_from(number).ok())).collect();
        for address in subset["addresses"].as_array().into_iter().flatten() {
            if let Some(ip) = address["ip"].as_str().filter(|_| is_pod(context, address)) {
                candidates.extend(numbers.iter().map(|number| (ip.to_owned(), *number)));
            }
        }
    }
    let (host, number) = candidates.choose(&mut rand::rng()).cloned().ok_or_else(|| none(&context.info.name))?;
    Ok(asked.location(context, host, number))
}

/// Whether an endpoint is the address of a pod of this namespace: nothing else is passed on to.
fn is_pod(context: &Context, address: &Value) -> bool {
    let target = &address["targetRef"];
    let namespace = context.info.namespace.as_str();
    if target["namespace"].as_str() != Some(namespace) {
        return false;
    }
    let name = target["name"].as_str().unwrap_or_default();
    let Ok(Some(pod)) = context.server.cached("", "pods", namespace, name) else { return false };
    pod["status"]["podIPs"].as_array().into_iter().flatten().any(|ip| ip["ip"] == address["ip"])
}

/// Go's `IP.IsGlobalUnicast`.
fn is_global_unicast(address: IpAddr) -> bool {
    let is_local = match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(is_local || address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_upstream_reads_them() {
        let read = |id| Asked::read(id).map(|asked| (asked.https, asked.name, asked.port));
        assert_eq!(read("p"), Some((false, "p", "")));
        assert_eq!(read("p:http"), Some((false, "p", "http")));
        assert_eq!(read("https:p:"), Some((true, "p", "")));
        assert_eq!(read(":p:"), Some((false, "p", "")));
        for wrong in ["", ":", "x:p:1", "a:b:c:d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_addresses_elsewhere_are_passed_on_to() {
        for allowed in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(is_global_unicast(allowed.parse().unwrap()), "{allowed}");
        }
        for refused in ["127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::1", "fe80::1"] {
            assert!(!is_global_unicast(refused.parse().unwrap()), "{refused}");
        }
    }
}
