//! PodNodeSelector: the pods of a namespace run on its nodes.
//!
//! Source: `plugin/pkg/admission/podnodeselector`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::{GroupResource, Result, Status};

type Labels = BTreeMap<String, String>;

pub struct PodNodeSelector {
    /// Selectors by namespace, and the default one.
    selectors: BTreeMap<String, String>,
}

const ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
const DEFAULT: &str = "clusterDefaultNodeSelector";

impl PodNodeSelector {
    pub fn new(configuration: &Value) -> PodNodeSelector {
        let selectors = object::entries(&configuration["podNodeSelectorPluginConfig"]);
        let text = |(key, value): (&str, &Value)| Some((key.to_owned(), value.as_str()?.to_owned()));
        PodNodeSelector { selectors: selectors.filter_map(text).collect() }
    }

    async fn of_namespace(&self, attributes: &Attributes<'_>) -> Result<Labels> {
        let name = attributes.namespace;
        let found = attributes.server().find("", "namespaces", "", name).await?;
        let of = GroupResource { group: "", resource: "namespaces" };
        let namespace = found.ok_or_else(|| Status::not_found(of, name))?;
        match namespace["metadata"]["annotations"][ANNOTATION].as_str() {
            Some(selector) => labels(selector),
            None => labels(self.selectors.get(DEFAULT).map_or("", String::as_str)),
        }
    }
}

#[async_trait]
impl Plugin for PodNodeSelector {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is("", "pods")
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        let own = self.of_namespace(attributes).await?;
        refuse_conflict(attributes, &own, pod)?;
        for (key, value) in &own {
            object::set(pod, &["spec", "nodeSelector", key], value.as_str());
        }
        self.validate(attributes, pod).await
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        refuse_conflict(attributes, &self.of_namespace(attributes).await?, pod)?;
        let allowed = labels(self.selectors.get(attributes.namespace).map_or("", String::as_str))?;
        let mut selector = object::entries(&pod["spec"]["nodeSelector"]);
        let within = selector.all(|(key, value)| allowed.get(key).is_some_and(|allowed| *value == allowed.as_str()));
        if allowed.is_empty() || within {
            return Ok(());
        }
        let why = "pod node label selector labels conflict with its namespace whitelist";
        Err(Status::forbidden(attributes.target.group_resource(), object::meta(pod, "name"), why))
    }
}

fn refuse_conflict(attributes: &Attributes<'_>, own: &Labels, pod: &Value) -> Result<()> {
    let selector = &pod["spec"]["nodeSelector"];
    if !own.iter().any(|(key, value)| selector.get(key).is_some_and(|given| *given != value.as_str())) {
        return Ok(());
    }
    let why = "pod node label selector conflicts with its namespace node label selector";
    Err(Status::forbidden(attributes.target.group_resource(), object::meta(pod, "name"), why))
}

/// Reads `a=b,c=d`.
fn labels(selector: &str) -> Result<Labels> {
    let invalid = || Status::unclassified(format!("invalid selector: {selector}"));
    let terms = selector.split(',').map(str::trim).filter(|term| !term.is_empty());
    terms
        .map(|term| {
            let (key, value) = term.split_once('=').ok_or_else(invalid)?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}
