//! pods/proxy, services/proxy and nodes/proxy: plain HTTP to what runs in the cluster.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::body::{self, Body};
use crate::context::{Context, Target};
use crate::kubelet::{self, http1, upgraded};
use crate::status::{Result, Status};

pub async fn proxy(context: &Context, target: &Target, request: Request<Incoming>) -> Result<Response<Body>> {
    let info = &context.info;
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("/{}{query}", info.rest);
    // `scheme:name:port`, each end optional.
    let parts: Vec<&str> = info.name.split(':').collect();
    let (scheme, name, port) = match parts[..] {
        [name] => ("", name, ""),
        [name, port] => ("", name, port),
        [scheme, name, port] => (scheme, name, port),
        _ => {
            return Err(Status::bad_request(format!("invalid {} request {:?}", target.resource().singular, info.name)));
        }
    };
    if scheme == "https" {
        return Err(Status::bad_gateway("proxying to https backends is not supported yet"));
    }
    let server = &context.server;
    if target.resource().plural == "nodes" {
        let address = server.kubelets.address(server, name).await?;
        if apiserver_streaming::upgrade::is_upgrade(request.headers()) {
            return server.kubelets.upgrade(&address, request, &path).await;
        }
        let (parts, incoming) = request.into_parts();
        let bytes = body::read(incoming).await?;
        return server.kubelets.request(&address, parts.method, &path, parts.headers, bytes).await;
    }
    let (host, port) = if target.resource().plural == "pods" {
        let pod = kubelet::pod(server, &info.namespace, name).await?;
        pod_address(&pod, port)?
    } else {
        service_address(context, name, port)?
    };
    let failed = |error: &dyn std::fmt::Display| {
        Status::unavailable(format!("error trying to reach service: dial tcp {host}:{port}: {error}"))
    };
    if apiserver_streaming::upgrade::is_upgrade(request.headers()) {
        let uri = format!("http://{host}:{port}{path}").parse().map_err(Status::internal)?;
        let connect = TcpStream::connect((host.as_str(), port));
        return upgraded(apiserver_streaming::proxy::upgrade(request, uri, connect).await);
    }
    let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(|error| failed(&error))?;
    let (parts, incoming) = request.into_parts();
    let bytes = body::read(incoming).await?;
    http1(TokioIo::new(tcp), &host, parts.method, &path, parts.headers, bytes).await.map_err(|error| failed(&error))
}

fn pod_address(pod: &Value, port: &str) -> Result<(String, u16)> {
    let host = pod["status"]["podIP"].as_str().unwrap_or_default();
    if host.is_empty() {
        return Err(Status::bad_request("address not allowed"));
    }
    let containers = || pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports = || containers().flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let number = match port {
        "" => ports().next().and_then(|port| port["containerPort"].as_u64()).unwrap_or(80),
        text => match text.parse() {
            Ok(number) => number,
            Err(_) => ports()
                .find(|candidate| candidate["name"] == text)
                .and_then(|port| port["containerPort"].as_u64())
                .ok_or_else(|| Status::bad_request(format!("no port named {text:?}")))?,
        },
    };
    let number = u16::try_from(number).map_err(|_| Status::bad_request(format!("invalid port {number}")))?;
    Ok((host.to_owned(), number))
}

/// A ready endpoint of a service, found through its endpoint slices.
fn service_address(context: &Context, name: &str, port: &str) -> Result<(String, u16)> {
    let server = &context.server;
    let namespace = &context.info.namespace;
    let of = crate::status::GroupResource { group: "", resource: "services" };
    let service = server.cached("", "services", namespace, name)?.ok_or_else(|| Status::not_found(of, name))?;
    let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
    let wanted = ports
        .iter()
        .find(|candidate| {
            port.is_empty() && ports.len() == 1
                || candidate["name"] == port && !port.is_empty()
                || candidate["port"].as_u64().map(|number| number.to_string()).as_deref() == Some(port)
        })
        .ok_or_else(|| Status::unavailable(format!("no service port {port:?} found for service {name:?}")))?;
    let objects = server.objects("discovery.k8s.io", "endpointslices")?;
    let scope =
        apiserver_watch_cache::Scope::all().namespace(namespace.as_str()).label("kubernetes.io/service-name", name);
    for slice in objects.cache.snapshot().list(&scope, None) {
        let Some(tree) = slice.json().ok().and_then(|json| serde_json::from_slice::<Value>(json).ok()) else {
            continue;
        };
        let number = tree["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|candidate| {
                candidate["name"].as_str().unwrap_or_default() == wanted["name"].as_str().unwrap_or_default()
            })
            .and_then(|port| port["port"].as_u64())
            .and_then(|number| u16::try_from(number).ok());
        let ready = tree["endpoints"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|endpoint| endpoint["conditions"]["ready"] != Value::Bool(false));
        if let (Some(number), Some(host)) = (number, ready.and_then(|endpoint| endpoint["addresses"][0].as_str())) {
            return Ok((host.to_owned(), number));
        }
    }
    Err(Status::unavailable(format!("no endpoints available for service {name:?}")))
}
