//! Where a service is reached: at its cluster address, or at one of its endpoints.
//!
//! Source: apiserver `pkg/util/proxy`.

use rand::seq::SliceRandom;
use serde_json::Value;

use super::remote::Service;
use crate::object::{items, text};
use crate::server::Server;

const DISCOVERY: &str = "discovery.k8s.io";

/// Host and port.
///
/// # Errors
/// There is no such service, or no way to it.
pub fn resolve(server: &Server, service: &Service) -> Result<(String, u16), String> {
    if (service.namespace.as_str(), service.name.as_str(), service.port) == ("default", "kubernetes", 443) {
        // This server itself.
        let options = &server.options;
        return Ok((options.advertise_address.to_string(), options.secure_port));
    }
    let found = server.cached("", "services", &service.namespace, &service.name).map_err(|status| status.message)?;
    let found = found.ok_or_else(|| format!("service {:?} not found", service.name))?;
    if server.aggregation.to_endpoints { endpoint(server, service, &found) } else { cluster(service, &found) }
}

fn cluster(service: &Service, found: &Value) -> Result<(String, u16), String> {
    let spec = &found["spec"];
    match text(&spec["type"]) {
        "ClusterIP" if spec["clusterIP"] == "None" => Err("cannot route to service with ClusterIP \"None\"".to_owned()),
        "ClusterIP" | "LoadBalancer" | "NodePort" => {
            port_name(service, found)?;
            Ok((text(&spec["clusterIP"]).to_owned(), service.port))
        }
        "ExternalName" => Ok((text(&spec["externalName"]).to_owned(), service.port)),
        other => Err(format!("unsupported service type {other:?}")),
    }
}

/// The name of the service's port.
fn port_name<'a>(service: &Service, found: &'a Value) -> Result<&'a str, String> {
    let port = items(&found["spec"]["ports"]).iter().find(|own| own["port"] == u64::from(service.port));
    port.map(|port| text(&port["name"]))
        .ok_or_else(|| format!("no service port {} found for service {:?}", service.port, service.name))
}

fn endpoint(server: &Server, service: &Service, found: &Value) -> Result<(String, u16), String> {
    let spec = &found["spec"];
    if !matches!(text(&spec["type"]), "ClusterIP" | "LoadBalancer" | "NodePort") {
        return Err(format!("unsupported service type {:?}", text(&spec["type"])));
    }
    let name = port_name(service, found)?;
    let mut slices = slices(server, service)?;
    let family = text(&spec["ipFamilies"][0]);
    slices.shuffle(&mut rand::rng());
    slices.sort_by_key(|slice| !family.is_empty() && text(&slice["addressType"]) != family);
    for slice in &slices {
        let ports = items(&slice["ports"]).iter().filter(|port| text(&port["name"]) == name);
        for port in ports.filter_map(|port| port["port"].as_u64().and_then(|port| u16::try_from(port).ok())) {
            let mut ready: Vec<&Value> = items(&slice["endpoints"]).iter().filter(|one| is_ready(one)).collect();
            ready.shuffle(&mut rand::rng());
            if let Some(address) = ready.first().and_then(|one| one["addresses"][0].as_str()) {
                return Ok((address.to_owned(), port));
            }
        }
    }
    Err(format!("no endpoints available for service {:?}", service.name))
}

/// The endpoint slices of a service.
///
/// # Errors
/// They are not known.
pub fn slices(server: &Server, service: &Service) -> Result<Vec<Value>, String> {
    let mut slices =
        server.list_cached_in(DISCOVERY, "endpointslices", &service.namespace).map_err(|status| status.message)?;
    slices.retain(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service.name);
    Ok(slices)
}

/// Whether an endpoint takes connections, as far as is known.
pub fn is_ready(endpoint: &Value) -> bool {
    endpoint["conditions"]["ready"] != Value::Bool(false)
}
