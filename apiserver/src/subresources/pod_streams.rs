//! pods/log, exec, attach and portforward: through the kubelet of the pod's node.

use http::{HeaderMap, Method, Request, Response};
use hyper::body::{Bytes, Incoming};
use serde_json::Value;

use crate::body::Body;
use crate::context::Context;
use crate::kubelet;
use crate::status::{Result, Status};

/// The parameters of `PodLogOptions` that go to the kubelet.
const LOG: &[&str] =
    &["follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "stream", "tailLines", "timestamps"];

pub async fn log(context: &Context) -> Result<Response<Body>> {
    let (pod, node) = scheduled(context).await?;
    let container = container(context, &pod, "a container name must be specified")?;
    let Some(node) = node else {
        // A pod that is not bound yet has written nothing.
        return Ok(crate::body::text(http::StatusCode::OK, ""));
    };
    let mut query = String::new();
    for name in LOG {
        if let Some(value) = context.query.get(name) {
            append(&mut query, name, value);
        }
    }
    let info = &context.info;
    let path = format!("/containerLogs/{}/{}/{container}{}", info.namespace, info.name, with_mark(&query));
    let kubelets = &context.server.kubelets;
    let address = kubelets.address(&context.server, &node).await?;
    let mut response = kubelets.request(&address, Method::GET, &path, HeaderMap::new(), Bytes::new()).await?;
    if !response.status().is_success() {
        use http_body_util::BodyExt;
        let code = response.status().as_u16();
        let text = response.body_mut().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        return Err(if code == 400 { Status::bad_request(text) } else { Status::internal(text) });
    }
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    Ok(response)
}

pub async fn stream(context: &Context, request: Request<Incoming>, kind: &str) -> Result<Response<Body>> {
    let (pod, node) = scheduled(context).await?;
    let info = &context.info;
    let node = node.ok_or_else(|| Status::bad_request(format!("pod {} does not have a host assigned", info.name)))?;
    let mut query = String::new();
    let path = if kind == "portForward" {
        for port in context.query.all("ports").flat_map(|ports| ports.split(',')) {
            append(&mut query, "port", port);
        }
        format!("/portForward/{}/{}{}", info.namespace, info.name, with_mark(&query))
    } else {
        let container = container(context, &pod, "a container name must be specified")?;
        for (name, kubelet_name) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
            if context.query.flag(name) {
                append(&mut query, kubelet_name, "1");
            }
        }
        for command in context.query.all("command") {
            append(&mut query, "command", command);
        }
        format!("/{kind}/{}/{}/{container}{}", info.namespace, info.name, with_mark(&query))
    };
    let kubelets = &context.server.kubelets;
    let address = kubelets.address(&context.server, &node).await?;
    kubelets.upgrade(&address, request, &path).await
}

/// The pod, and its node once it has one.
async fn scheduled(context: &Context) -> Result<(Value, Option<String>)> {
    let pod = kubelet::pod(&context.server, &context.info.namespace, &context.info.name).await?;
    let node = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()).map(str::to_owned);
    Ok((pod, node))
}

/// The container asked for, or the only one there is.
fn container(context: &Context, pod: &Value, must: &str) -> Result<String> {
    let names = |list: &str| -> Vec<String> {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        containers.filter_map(|container| container["name"].as_str().map(str::to_owned)).collect()
    };
    let (init, main, ephemeral) = (names("initContainers"), names("containers"), names("ephemeralContainers"));
    let name = &context.info.name;
    if let Some(wanted) = context.query.get("container").filter(|wanted| !wanted.is_empty()) {
        if init.iter().chain(&main).chain(&ephemeral).any(|own| own == wanted) {
            return Ok(wanted.to_owned());
        }
        return Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}")));
    }
    if let [only] = main.as_slice() {
        return Ok(only.clone());
    }
    let default = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(default) = default.filter(|default| main.iter().any(|own| own == default)) {
        return Ok(default.to_owned());
    }
    let mut why = format!("{must} for pod {name}, choose one of: [{}]", main.join(" "));
    if !init.is_empty() {
        why.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
    }
    if !ephemeral.is_empty() {
        why.push_str(&format!(" or one of the ephemeral containers: [{}]", ephemeral.join(" ")));
    }
    Err(Status::bad_request(why))
}

fn with_mark(query: &str) -> String {
    if query.is_empty() { String::new() } else { format!("?{query}") }
}

/// Adds one percent-encoded parameter.
fn append(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
}
