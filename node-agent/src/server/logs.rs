//! `/containerLogs`: which container's log is meant, and its lines as the response's body.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use controllers_component_base::serving::{Body, text};
use futures::StreamExt;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, PodStatus};
use tokio::sync::mpsc;

use super::{Server, query};
use crate::{
    container_log::{Stream, read},
    pod,
};

/// Answers a request for a container's log.
pub async fn container_logs(
    server: Arc<Server>,
    namespace: &str,
    name: &str,
    container: &str,
    query: Option<&str>,
) -> Response<Body> {
    let Some(target) = server.pods.find(namespace, name) else {
        return text(StatusCode::NOT_FOUND, format!("pod {name:?} does not exist\n"));
    };
    let ephemeral =
        || pod::spec(&target).ephemeral_containers.iter().flatten().any(|ephemeral| ephemeral.name == container);
    if pod::container(&target, container).is_none() && !ephemeral() {
        return text(StatusCode::NOT_FOUND, format!("container {container:?} not found in pod {name:?}\n"));
    }
    let options = match options(query) {
        Ok(options) => options,
        Err(error) => return text(StatusCode::UNPROCESSABLE_ENTITY, error),
    };
    let uid = pod::uid(&target).to_string();
    let status = server.host.statuses.get(&uid).or_else(|| target.status.clone()).unwrap_or_default();
    let id = match container_id(name, &status, container, query::on(query, "previous")) {
        Ok(id) => id,
        Err(message) => return text(StatusCode::BAD_REQUEST, message),
    };
    let observed = match server.host.runtime.observe(&uid).await {
        Ok(observed) => observed,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let Some(record) = observed.containers.into_iter().find(|record| record.id == id) else {
        return text(
            StatusCode::BAD_REQUEST,
            format!("unable to retrieve container logs for {}://{id}", server.host.runtime_name),
        );
    };
    let path = PathBuf::from(&record.log_path);
    if !path.exists() {
        return text(
            StatusCode::BAD_REQUEST,
            format!(
                "failed to try resolving symlinks in path {0:?}: lstat {0}: no such file or directory",
                record.log_path
            ),
        );
    }
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        let alive = || async {
            match server.host.runtime.observe(&uid).await {
                Ok(observed) => observed.containers.iter().any(|record| record.id == id && record.running()),
                // A runtime that is being restarted says nothing of the container.
                Err(_) => true,
            }
        };
        if let Err(error) = read::send(path, options, sender, alive).await {
            tracing::debug!("log of container {id}: {error}");
        }
    });
    streamed(receiver)
}

fn streamed(mut receiver: mpsc::Receiver<Bytes>) -> Response<Body> {
    let frames = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let body = StreamBody::new(frames.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.remove(TRANSFER_ENCODING);
    response
}

fn options(query: Option<&str>) -> Result<read::Options, String> {
    let number = |name: &str| -> Result<Option<u64>, String> {
        match query::first(query, name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.parse().map(Some).map_err(|_| format!("Invalid value {value:?} for {name}\n")),
        }
    };
    let since = match (number("sinceSeconds")?, query::first(query, "sinceTime").filter(|value| !value.is_empty())) {
        (Some(seconds), _) => Timestamp::now().checked_sub(Duration::from_secs(seconds)).ok(),
        (None, Some(time)) => Some(time.parse().map_err(|_| format!("Invalid value {time:?} for sinceTime\n"))?),
        (None, None) => None,
    };
    Ok(read::Options {
        follow: query::on(query, "follow"),
        tail_lines: number("tailLines")?,
        since,
        timestamps: query::on(query, "timestamps"),
        limit_bytes: number("limitBytes")?,
        stream: match query::first(query, "stream").as_deref() {
            Some("Stdout") => Some(Stream::Stdout),
            Some("Stderr") => Some(Stream::Stderr),
            _ => None,
        },
    })
}

/// The container whose log is meant, in upstream's order and words.
fn container_id(pod_name: &str, status: &PodStatus, container: &str, previous: bool) -> Result<String, String> {
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let found: Option<&ContainerStatus> = lists.into_iter().flatten().flatten().find(|status| status.name == container);
    let place = format!("container {container:?} in pod {pod_name:?}");
    let Some(found) = found else { return Err(format!("{place} is not available")) };
    let terminated_id = |state: &Option<ContainerState>| {
        let terminated = state.as_ref()?.terminated.as_ref()?;
        Some(terminated.container_id.clone().unwrap_or_default())
    };
    let plain = |id: String| id.split_once("://").map(|(_, id)| id.to_string()).unwrap_or(id);
    let last = terminated_id(&found.last_state);
    let named_last = last.clone().filter(|id| !id.is_empty());
    if previous {
        return named_last.map(plain).ok_or_else(|| format!("previous terminated {place} not found"));
    }
    let state = found.state.clone().unwrap_or_default();
    if state.running.is_some() {
        return Ok(plain(found.container_id.clone().unwrap_or_default()));
    }
    if let Some(id) = terminated_id(&found.state) {
        let id = Some(id).filter(|id| !id.is_empty()).or(named_last);
        return id.map(plain).ok_or_else(|| format!("{place} is terminated"));
    }
    if last.is_some() {
        return named_last.map(plain).ok_or_else(|| format!("{place} is terminated"));
    }
    let Some(waiting) = state.waiting else { return Err(format!("{place} is waiting to start - no logs yet")) };
    let why = match waiting.reason.unwrap_or_default().as_str() {
        "ErrImagePull" => "image can't be pulled".to_string(),
        "ImagePullBackOff" => "trying and failing to pull image".to_string(),
        other => other.to_string(),
    };
    Err(format!("{place} is waiting to start: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str, previous: bool) -> Result<String, String> {
        container_id("p", &serde_saphyr::from_str(text).unwrap(), "c", previous)
    }

    #[test]
    fn which_container() {
        let running = "{containerStatuses: [{name: c, containerID: 'x://2', state: {running: {}}, lastState: {terminated: {containerID: 'x://1', exitCode: 1}}, image: '', imageID: '', ready: true, restartCount: 1}]}";
        assert_eq!(id(running, false).unwrap(), "2");
        assert_eq!(id(running, true).unwrap(), "1");
        let waiting = "{containerStatuses: [{name: c, state: {waiting: {reason: ImagePullBackOff}}, image: '', imageID: '', ready: true, restartCount: 1}]}";
        assert_eq!(
            id(waiting, false).unwrap_err(),
            "container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image"
        );
        assert_eq!(id(waiting, true).unwrap_err(), "previous terminated container \"c\" in pod \"p\" not found");
        assert_eq!(id("{}", false).unwrap_err(), "container \"c\" in pod \"p\" is not available");
    }

    #[test]
    fn wrong_numbers_are_named() {
        assert!(options(Some("tailLines=x")).unwrap_err().contains("tailLines"));
        assert!(options(Some("tailLines=-1")).is_err());
        assert_eq!(options(Some("follow=true&tailLines=3")).unwrap().tail_lines, Some(3));
    }
}
