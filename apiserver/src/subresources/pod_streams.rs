//! pods/log, exec, attach and portforward: through the kubelet of the pod's node.
//!
//! Source: `pkg/registry/core/pod/rest`, `pkg/registry/core/pod/strategy.go`.

use apiserver_streaming::{port_forward, remote_command, upgrade, websocket};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, BodyStream, Limited};
use hyper::body::Incoming;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::authz::Attributes;
use crate::backend::{self, Location, escape_query, upgraded};
use crate::body::{self, Body};
use crate::context::Context;
use crate::field::{ErrorList, Path};
use crate::status::{GroupResource, Result, Status};
use crate::{kubelet, negotiate};

/// The most that is read of a kubelet's refusal, in bytes.
const MAX_REFUSAL: usize = 50_000;

/// Answers what a container wrote.
pub async fn log(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    negotiate::produced_with(&context.headers, "text/plain")?;
    negotiate::accept(
        &context.headers,
        negotiate::Offer { protobuf: true, forms: false, tables: false, watch: false },
    )?;
    let query = log_query(context)?;
    let verified = !context.query.flag("insecureSkipTLSVerifyBackend");
    let metrics = &context.server.metrics;
    if verified {
        metrics.logs.verified.inc()
    } else {
        metrics.logs.unverified.inc()
    }
    let (pod, node) = scheduled(context).await?;
    let container = container(context, &pod)?;
    let Some(node) = node else {
        // A pod that is not bound yet has written nothing.
        let mut response = Response::new(body::full(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    };
    let info = &context.info;
    let kubelet = context.server.kubelets.find(&context.server, &node, verified).await?;
    let location = kubelet.location(format!("/containerLogs/{}/{}/{container}", info.namespace, info.name), query);
    let answer = backend::get(&location).await.map_err(|error| {
        if error.contains("x509:") {
            metrics.logs.refused.inc();
        }
        Status::unclassified(format!("Get \"{}\": {error}", location.url()))
    })?;
    follow(request, answer, &info.name).await
}

/// Passes a kubelet's answer on, or its refusal as a status.
async fn follow(mut request: Request<Incoming>, answer: Response<Incoming>, name: &str) -> Result<Response<Body>> {
    let code = answer.status();
    if code.is_redirection()
        && let Some(target) = answer.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok())
    {
        return Err(Status::unclassified(format!("Get \"{target}\": redirects forbidden")));
    }
    if !code.is_success() || code.as_u16() > 206 {
        // What is longer or breaks off is left out; the code says enough.
        let text = Limited::new(answer.into_body(), MAX_REFUSAL).collect().await;
        let text = text.map(|body| body.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        return Err(match code.as_u16() {
            500 => Status::internal(text),
            400 => Status::bad_request(text),
            _ => Status::of_backend(code, GroupResource { group: "", resource: "pods/log" }, name, text),
        });
    }
    if upgrade::is_websocket(request.headers()) {
        let chunks = BodyStream::new(answer.into_body())
            .map(|frame| frame.map(|frame| frame.into_data().unwrap_or_else(|_| Bytes::new())));
        let served = websocket::serve_reader(&mut request, Box::pin(chunks));
        return upgraded(served.map_err(Into::into));
    }
    let mut response = Response::new(answer.into_body().map_err(Into::into).boxed_unsync());
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// `PodLogOptions` as the kubelet is asked them, in alphabetical order.
fn log_query(context: &Context) -> Result<String> {
    let asked = &context.query;
    let mut parameters: Vec<(&str, String)> = Vec::new();
    let mut errors = ErrorList::default();
    let numbers = [("tailLines", 0, "must be greater than or equal to 0"), ("limitBytes", 1, "must be greater than 0")];
    for (name, minimum, why) in numbers {
        if let Some(number) = asked.number(name)? {
            if number < minimum {
                errors.invalid_number(&Path::new(name), number, why);
            }
            parameters.push((name, number.to_string()));
        }
    }
    let seconds = asked.number("sinceSeconds")?;
    let time = since_time(asked.get("sinceTime").unwrap_or_default())?;
    match (seconds, &time) {
        (Some(_), Some(_)) => {
            errors.forbidden(&Path::new("[]"), "at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        (Some(seconds), None) if seconds < 1 => {
            errors.invalid_number(&Path::new("sinceSeconds"), seconds, "must be greater than 0");
        }
        _ => {}
    }
    // Streams are told apart behind a feature gate that is off.
    if asked.get("stream").is_some() {
        errors.forbidden(&Path::new("stream"), "may not be specified");
    }
    if !errors.is_empty() {
        return Err(Status::invalid("", "PodLogOptions", &context.info.name, &errors));
    }
    parameters.extend(seconds.map(|seconds| ("sinceSeconds", seconds.to_string())));
    parameters.extend(time.map(|time| ("sinceTime", time)));
    for name in ["follow", "previous", "timestamps"] {
        if asked.flag(name) {
            parameters.push((name, "true".to_owned()));
        }
    }
    Ok(encoded(parameters))
}

/// A time as upstream sends it on: whole seconds, UTC.
fn since_time(text: &str) -> Result<Option<String>> {
    if text.is_empty() || text == "null" {
        return Ok(None);
    }
    // What RFC 3339 wants between date and time, which the parser is lenient about.
    let time = text.as_bytes().get(10).filter(|byte| **byte == b'T').and_then(|_| text.parse::<jiff::Timestamp>().ok());
    match time {
        Some(time) => Ok(Some(time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        None => {
            let layout = "2006-01-02T15:04:05Z07:00";
            let why = format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\"");
            Err(Status::bad_request(why))
        }
    }
}

/// Serves exec, attach and portforward.
pub async fn stream(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    if !context.query.get("dryRun").unwrap_or_default().is_empty() {
        return Err(Status::bad_request("dryRun is not supported"));
    }
    match context.info.subresource.as_str() {
        "exec" | "attach" => command(context, request).await,
        _ => forward(context, request).await,
    }
}

async fn command(context: &Context, request: Request<Incoming>) -> Result<Response<Body>> {
    may_create(context)?;
    let (pod, node) = scheduled(context).await?;
    let container = container(context, &pod)?;
    let kubelet = kubelet_of(context, node).await?;
    let info = &context.info;
    let mut parameters = Vec::new();
    for (name, kubelet_name) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
        if context.query.flag(name) {
            parameters.push((kubelet_name, "1".to_owned()));
        }
    }
    if info.subresource == "exec" {
        parameters.extend(context.query.all("command").map(|word| ("command", word.to_owned())));
    }
    let path = format!("/{}/{}/{}/{container}", info.subresource, info.namespace, info.name);
    let location = kubelet.location(path, encoded(parameters));
    count_websocket(context, &kubelet);
    let offers_v5 = upgrade::websocket_protocols(request.headers()).iter().any(|name| name == remote_command::V5);
    if kubelet.translates || !(offers_v5 && upgrade::is_websocket(request.headers())) {
        return passed(request, location).await;
    }
    let options = remote_command::Options {
        stdin: context.query.flag("stdin"),
        stdout: context.query.flag("stdout"),
        stderr: context.query.flag("stderr"),
        tty: context.query.flag("tty"),
    };
    let uri = location.url().parse().map_err(Status::internal)?;
    let dial = async move { location.connect().await };
    upgraded(remote_command::proxy(request, uri, options, dial).await)
}

async fn forward(context: &Context, mut request: Request<Incoming>) -> Result<Response<Body>> {
    let ports = ports(context)?;
    may_create(context)?;
    let (_, node) = scheduled(context).await?;
    let kubelet = kubelet_of(context, node).await?;
    let info = &context.info;
    let parameters = if ports.is_empty() { Vec::new() } else { vec![("port", ports.join(","))] };
    let path = format!("/portForward/{}/{}", info.namespace, info.name);
    let location = kubelet.location(path, encoded(parameters));
    count_websocket(context, &kubelet);
    if kubelet.translates {
        return passed(request, location).await;
    }
    backend::add_forwarded_for(&mut request);
    let uri = location.url().parse().map_err(Status::internal)?;
    let dial = async move { location.connect().await };
    upgraded(port_forward::proxy(request, uri, dial).await)
}

/// Counts by who would translate a WebSocket, as upstream does whether or not it is one.
fn count_websocket(context: &Context, kubelet: &kubelet::Kubelet) {
    let by = if kubelet.translates { "proxied_to_kubelet" } else { "translated_at_apiserver" };
    context.server.metrics.websocket_streams.with_label_values(&[by, &context.info.subresource]).inc();
}

/// The ports asked for; each value may hold several.
fn ports(context: &Context) -> Result<Vec<String>> {
    let values = context.query.all("ports").flat_map(|ports| ports.split(',')).filter(|port| !port.is_empty());
    values
        .map(|port| match port.parse::<u16>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                let why = if is_number { "value out of range" } else { "invalid syntax" };
                let why = format!("cannot convert to []int32: strconv.ParseUint: parsing {port:?}: {why}");
                Err(Status::bad_request(why))
            }
        })
        .collect()
}

/// Passes an upgrade on as it is.
async fn passed(request: Request<Incoming>, location: Location) -> Result<Response<Body>> {
    if !upgrade::is_upgrade(request.headers()) {
        return Err(Status::bad_request("Upgrade request required"));
    }
    backend::pass(request, location).await
}

/// Opening a stream by GET, as WebSocket must, takes the permission to create it all the same.
fn may_create(context: &Context) -> Result<()> {
    if context.info.verb == "create" {
        return Ok(());
    }
    let attributes = Attributes { verb: "create", ..Attributes::of(&context.user, &context.info) };
    let decision = context.server.authorization.decide(&context.server, &attributes);
    if decision.is_allowed() {
        return Ok(());
    }
    let of = GroupResource { group: &context.info.group, resource: &context.info.resource };
    Err(Status::forbidden(of, &context.info.name, decision.reason()))
}

/// The pod, and its node once it has one.
async fn scheduled(context: &Context) -> Result<(Value, Option<String>)> {
    let pod = kubelet::pod(&context.server, &context.info.namespace, &context.info.name).await?;
    let node = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()).map(str::to_owned);
    Ok((pod, node))
}

async fn kubelet_of(context: &Context, node: Option<String>) -> Result<kubelet::Kubelet> {
    let name = &context.info.name;
    let node = node.ok_or_else(|| Status::bad_request(format!("pod {name} does not have a host assigned")))?;
    context.server.kubelets.find(&context.server, &node, true).await
}

/// The container asked for, or the only one there is.
fn container(context: &Context, pod: &Value) -> Result<String> {
    let names = |list: &str| -> Vec<&str> {
        pod["spec"][list].as_array().into_iter().flatten().filter_map(|container| container["name"].as_str()).collect()
    };
    let (init, main, ephemeral) = (names("initContainers"), names("containers"), names("ephemeralContainers"));
    let all = [init.as_slice(), main.as_slice(), ephemeral.as_slice()].concat();
    let name = &context.info.name;
    match context.query.get("container").unwrap_or_default() {
        "" => match main.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
            _ => Err(Status::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                all.join(" ")
            ))),
        },
        wanted if all.contains(&wanted) => Ok(wanted.to_owned()),
        wanted => Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}"))),
    }
}

/// A query as `url.Values` encodes it: sorted by name, values in their order.
fn encoded(mut parameters: Vec<(&str, String)>) -> String {
    parameters.sort_by_key(|(name, _)| *name);
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", escape_query(value))).collect();
    pairs.join("&")
}
