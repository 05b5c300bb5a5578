//! Runs a probe's action and says it in an event when it fails.

use std::{sync::Arc, time::Duration};

use controllers_component_base::events::EventType;
use k8s_openapi::api::core::v1::{Container, Pod, Probe};

use super::Kind;
use crate::{
    grpc_health,
    handlers::{self, Verdict},
    host::Host,
    pod_worker::{expansion::expand, plan::Outcome},
};

/// Runs the probe once; `None` where it could not be run, which counts for nothing.
pub async fn probe(
    host: &Arc<Host>,
    target: &Pod,
    container: &Container,
    probe: &Probe,
    kind: Kind,
    id: &str,
    ip: &str,
) -> Option<Outcome> {
    let seconds = probe
        .timeout_seconds
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| u64::try_from(seconds).ok())
        .unwrap_or(1);
    let timeout = Duration::from_secs(seconds);
    let result = if let Some(exec) = &probe.exec {
        let environment = handlers::static_environment(container);
        let command = exec.command.iter().flatten();
        let command =
            command.map(|word| expand(word, |name| environment.get(name).map(|value| value.to_string()))).collect();
        handlers::exec(host.runtime.as_ref(), id, command, timeout).await
    } else if let Some(http) = &probe.http_get {
        handlers::http_get(http, container, ip, timeout, "kube-probe/1.36").await
    } else if let Some(tcp) = &probe.tcp_socket {
        handlers::tcp(tcp, container, ip, timeout).await
    } else if let Some(grpc) = &probe.grpc {
        Ok(grpc_health::check(ip, grpc, timeout).await)
    } else {
        Err("missing probe handler".to_string())
    };
    let event =
        |message: String| host.container_event(target, &container.name, EventType::Warning, "Unhealthy", &message);
    match result {
        Ok(Verdict::Success(_)) => Some(Outcome::Success),
        Ok(Verdict::Failure(output)) => {
            event(format!("{} probe failed: {output}", kind.as_str()));
            Some(Outcome::Failure)
        }
        Err(error) => {
            event(format!("{} probe errored and resulted in Failure state: {error}", kind.as_str()));
            None
        }
    }
}
