//! The endpoint's paths, as upstream's kubelet has them.

use std::sync::Arc;

use controllers_component_base::serving::{Body, full, text};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Pod;

use super::{Door, Server, logs, metrics, query, stats, streams};

/// Answers a request that may be answered.
pub async fn route(server: Arc<Server>, door: Door, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_string();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let get = request.method() == Method::GET;
    let post = request.method() == Method::POST;
    match (parts.as_slice(), door) {
        (["healthz"] | ["healthz", "ping" | "log" | "syncloop"], _) => text(StatusCode::OK, "ok"),
        (_, Door::Health) => not_found(),
        (["pods"], _) if get => pods(&server),
        (["metrics"], _) if get => metrics::own(&server).await,
        (["metrics", "cadvisor"], _) if get => metrics::cadvisor(&server).await,
        (["metrics", "resource"], _) if get => metrics::resource(&server).await,
        (["metrics", "probes"], _) if get => metrics::plain(String::new()),
        (["stats", "summary"], _) if get || post => stats::summary(&server).await,
        (_, Door::ReadOnly) => not_found(),
        (["containerLogs", namespace, pod, container], _) if get => {
            logs::container_logs(server, namespace, pod, container, request.uri().query()).await
        }
        (["exec" | "attach" | "run", namespace, pod, container], _)
        | (["exec" | "attach" | "run", namespace, pod, _, container], _)
            if get || post =>
        {
            let (namespace, pod, container) = (query::decode(namespace), query::decode(pod), query::decode(container));
            match parts[0] {
                "exec" => streams::exec(&server, &namespace, &pod, &container, request).await,
                "attach" => streams::attach(&server, &namespace, &pod, &container, request).await,
                _ => streams::run(&server, &namespace, &pod, &container, request).await,
            }
        }
        (["portForward", namespace, pod], _) | (["portForward", namespace, pod, _], _) if get || post => {
            streams::port_forward(&server, namespace, pod, request).await
        }
        _ => not_found(),
    }
}

fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A JSON document.
pub fn json(value: &impl serde::Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(full(bytes));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn pods(server: &Server) -> Response<Body> {
    let items: Vec<Pod> = server
        .pods
        .list()
        .iter()
        .map(|pod| {
            let status = server.host.statuses.get(crate::pod::uid(pod)).or_else(|| pod.status.clone());
            Pod { status, ..(**pod).clone() }
        })
        .collect();
    json(&serde_json::json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
}
