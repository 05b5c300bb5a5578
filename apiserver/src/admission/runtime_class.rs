//! RuntimeClass: a pod pays for its runtime and runs where that is.
//!
//! Source: `plugin/pkg/admission/runtimeclass`.

use apiserver_quota::Resources;
use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin, tolerations};
use crate::object::{self, items, text};
use crate::status::Result;

pub struct RuntimeClass;

const DIFFERS: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

#[async_trait]
impl Plugin for RuntimeClass {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is("", "pods")
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        let Some(class) = class(attributes, pod).await? else { return Ok(()) };
        let overhead = &class["overhead"];
        if !overhead.is_null() {
            let given = Resources::read(&pod["spec"]["overhead"]);
            let fixed = Resources::read(&overhead["podFixed"]);
            if !given.is_empty() && given != fixed {
                return Err(attributes.forbidden(pod, DIFFERS));
            }
            object::set(pod, &["spec", "overhead"], fixed.to_json());
        }
        let scheduling = &class["scheduling"];
        if scheduling.is_null() {
            return Ok(());
        }
        for (key, value) in object::entries(&scheduling["nodeSelector"]) {
            let given = &pod["spec"]["nodeSelector"][key];
            if given.is_string() && given != value {
                let (wanted, given) = (text(value), text(given));
                return Err(attributes.forbidden(
                    pod,
                    format_args!(
                        "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = {given}"
                    ),
                ));
            }
            object::set(pod, &["spec", "nodeSelector", key], value.clone());
        }
        let merged = tolerations::merge(items(&pod["spec"]["tolerations"]), items(&scheduling["tolerations"]));
        if !merged.is_empty() {
            object::set(pod, &["spec", "tolerations"], merged);
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        let given = &pod["spec"]["overhead"];
        let fixed = class(attributes, pod).await?.map(|class| class["overhead"].clone()).unwrap_or_default();
        if fixed.is_null() {
            if given.is_null() {
                return Ok(());
            }
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            return Err(attributes.forbidden(pod, why));
        }
        if Resources::read(&fixed["podFixed"]) == Resources::read(given) {
            return Ok(());
        }
        Err(attributes.forbidden(pod, DIFFERS))
    }
}

/// The pod's runtime class, if it names one.
async fn class(attributes: &Attributes<'_>, pod: &Value) -> Result<Option<Value>> {
    let Some(name) = pod["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
    match attributes.server().find("node.k8s.io", "runtimeclasses", "", name).await? {
        Some(class) => Ok(Some(class)),
        None => Err(attributes.forbidden(pod, format_args!("pod rejected: RuntimeClass {name:?} not found"))),
    }
}
