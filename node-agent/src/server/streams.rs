//! exec, attach, run and port-forward: the runtime's streaming URL is asked for and the client proxied to it.

use std::io;

use apiserver_streaming::{port_forward as forwarding, proxy, remote_command};
use controllers_component_base::serving::{Body, full, text};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::net::TcpStream;

use super::{Server, query};
use crate::{
    cri::{ContainerRecord, PodRuntime, api},
    pod,
};

/// Runs a command in a container over streams.
pub async fn exec(
    server: &Server,
    namespace: &str,
    name: &str,
    container: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let query = request.uri().query();
    let options = match remote_command::Options::from_kubelet_query(query.unwrap_or_default()) {
        Ok(options) => options,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let command = query::all(query, "command");
    let record = match running(server, namespace, name, container).await {
        Ok(record) => record,
        Err(refused) => return refused,
    };
    let url = server
        .host
        .runtime
        .exec(api::ExecRequest {
            container_id: record.id,
            cmd: command,
            tty: options.tty,
            stdin: options.stdin,
            stdout: options.stdout,
            stderr: options.stderr,
        })
        .await;
    command_to(url, options, request).await
}

/// Joins a container's own streams.
pub async fn attach(
    server: &Server,
    namespace: &str,
    name: &str,
    container: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let options = match remote_command::Options::from_kubelet_query(request.uri().query().unwrap_or_default()) {
        Ok(options) => options,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let record = match running(server, namespace, name, container).await {
        Ok(record) => record,
        Err(refused) => return refused,
    };
    // Whether it is a terminal is the container's own matter.
    let spec_tty = server.pods.find(namespace, name).and_then(|target| {
        let ephemeral = pod::ephemeral_containers(&target);
        let found = pod::container(&target, container)
            .or_else(|| ephemeral.iter().find(|ephemeral| ephemeral.name == container));
        found.map(|container| container.tty == Some(true))
    });
    let url = server
        .host
        .runtime
        .attach(api::AttachRequest {
            container_id: record.id,
            tty: spec_tty.unwrap_or(options.tty),
            stdin: options.stdin,
            stdout: options.stdout,
            stderr: options.stderr,
        })
        .await;
    command_to(url, options, request).await
}

/// Runs a command to its end and answers with its output.
pub async fn run(
    server: &Server,
    namespace: &str,
    name: &str,
    container: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let command = query::first(request.uri().query(), "cmd").unwrap_or_default();
    let command: Vec<String> = command.split(' ').map(str::to_string).collect();
    let record = match running(server, namespace, name, container).await {
        Ok(record) => record,
        Err(refused) => return refused,
    };
    match server.host.runtime.exec_sync(&record.id, command, 0).await {
        Ok(mut answer) => {
            answer.stdout.extend_from_slice(&answer.stderr);
            let status = if answer.exit_code == 0 { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            let mut response = Response::new(full(answer.stdout));
            *response.status_mut() = status;
            response
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Connects to ports in a pod's network.
pub async fn port_forward(server: &Server, namespace: &str, name: &str, request: Request<Incoming>) -> Response<Body> {
    let observed = match observe(server, namespace, name).await {
        Ok(observed) => observed,
        Err(refused) => return refused,
    };
    let Some(sandbox) = observed.ready_sandbox() else {
        return text(StatusCode::NOT_FOUND, format!("pod not found ({name:?})"));
    };
    // WebSocket clients of old name their ports in the query.
    let ports = query::all(request.uri().query(), "port")
        .iter()
        .flat_map(|list| list.split(','))
        .filter_map(|port| port.parse().ok())
        .collect();
    let url = server
        .host
        .runtime
        .port_forward(api::PortForwardRequest { pod_sandbox_id: sandbox.id.clone(), port: ports })
        .await;
    let (backend, authority) = match backend(url) {
        Ok(backend) => backend,
        Err(error) => return text(StatusCode::INTERNAL_SERVER_ERROR, error),
    };
    answer(forwarding::proxy(request, backend, TcpStream::connect(authority)).await)
}

async fn command_to(
    url: Result<String, crate::cri::Error>,
    options: remote_command::Options,
    request: Request<Incoming>,
) -> Response<Body> {
    match backend(url) {
        Ok((backend, authority)) => {
            answer(remote_command::proxy(request, backend, options, TcpStream::connect(authority)).await)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

/// The runtime's URL and where to connect for it.
fn backend(url: Result<String, crate::cri::Error>) -> Result<(Uri, String), String> {
    let url = url.map_err(|error| error.to_string())?;
    let uri: Uri = url.parse().map_err(|error| format!("streaming URL {url:?} of the container runtime: {error}"))?;
    let authority = uri.authority().map(ToString::to_string);
    let authority =
        authority.ok_or_else(|| format!("streaming URL {url:?} of the container runtime has no address"))?;
    Ok((uri, authority))
}

fn answer(result: Result<Response<apiserver_streaming::Body>, proxy::Error>) -> Response<Body> {
    let never = |body: apiserver_streaming::Body| body.map_err(|never| -> io::Error { match never {} }).boxed_unsync();
    match result {
        Ok(response) => response.map(never),
        Err(proxy::Error::UpgradeRequired) => text(StatusCode::BAD_REQUEST, "Upgrade request required"),
        Err(proxy::Error::Rejected(rejection)) => rejection.into_response().map(never),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn observe(server: &Server, namespace: &str, name: &str) -> Result<PodRuntime, Response<Body>> {
    let target =
        server.pods.find(namespace, name).ok_or_else(|| text(StatusCode::NOT_FOUND, "pod does not exist\n"))?;
    server
        .host
        .runtime
        .observe(pod::uid(&target))
        .await
        .map_err(|error| text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn running(
    server: &Server,
    namespace: &str,
    name: &str,
    container: &str,
) -> Result<ContainerRecord, Response<Body>> {
    let observed = observe(server, namespace, name).await?;
    let record = observed.containers.into_iter().find(|record| record.name == container && record.running());
    record.ok_or_else(|| text(StatusCode::INTERNAL_SERVER_ERROR, format!("container not found ({container:?})")))
}
