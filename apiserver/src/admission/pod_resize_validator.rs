//! PodResizeValidator: a pod is not resized beyond what its node has.

use apiserver_quota::Resources;
use apiserver_quota::pod_resources::{self, Amounts, By};
use apiserver_schema::quantity::{Format, Quantity};
use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object::text;
use crate::status::{Cause, Result, Status};

pub struct PodResizeValidator;

#[async_trait]
impl Plugin for PodResizeValidator {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update && attributes.subresource == "resize" && attributes.is_of("", "pods")
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        let name = text(&pod["spec"]["nodeName"]);
        let generation = |pod: &Value| pod["metadata"]["generation"].as_i64();
        if name.is_empty() || attributes.old.is_some_and(|old| generation(old) == generation(pod)) {
            return Ok(());
        }
        let Some(node) = attributes.server().cached("", "nodes", "", name)? else {
            return Err(attributes.forbidden(pod, format_args!("node {name:?} not found")));
        };
        let refused = |why: String, reason: &str| -> Status {
            let mut status = attributes.forbidden(pod, why);
            if let Some(details) = &mut status.details {
                details.causes.push(Cause { reason: reason.to_owned(), ..Cause::default() });
            }
            status
        };
        let system = text(&node["metadata"]["labels"]["kubernetes.io/os"]);
        if !matches!(system, "" | "linux") {
            let why = format!("pod resize is only supported on linux nodes, node {name:?} is {system:?}");
            return Err(refused(why, "UnsupportedPlatform"));
        }
        match missing(pod, &Resources::read(&node["status"]["allocatable"])) {
            None => Ok(()),
            Some(why) => Err(refused(why, "NodeCapacity")),
        }
    }
}

/// What the pod asks for and the node could not even give if it were empty.
fn missing(pod: &Value, allocatable: &Resources) -> Option<String> {
    let mut requests = pod_resources::of_pod(pod, Amounts::Requests, By::Spec);
    requests.add(&Resources::read(&pod["spec"]["overhead"]));
    let amount =
        |list: &Resources, name: &str| list.get(name).cloned().unwrap_or(Quantity::new(0, 0, Format::DecimalSi));
    let mut short = Vec::new();
    let (asked, has) = (amount(&requests, "cpu"), amount(allocatable, "cpu"));
    if asked > has {
        short.push(format!("cpu, requested: {}, allocatable: {}", asked.milli_value(), has.milli_value()));
    }
    let (asked, has) = (amount(&requests, "memory"), amount(allocatable, "memory"));
    if asked > has {
        short.push(format!("memory, requested: {}, allocatable: {}", asked.value(), has.value()));
    }
    (!short.is_empty()).then(|| format!("node didn't have enough allocatable resources: {}", short.join("; ")))
}
