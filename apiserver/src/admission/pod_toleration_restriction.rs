//! PodTolerationRestriction: the tolerations that the pods of a namespace get, and those that they may have.
//!
//! Source: `plugin/pkg/admission/podtolerationrestriction`.

use apiserver_quota::{Evaluator, Requirement};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Attributes, Operation, Plugin, tolerations};
use crate::object::{self, items};
use crate::status::{GroupResource, Result, Status};

pub struct PodTolerationRestriction {
    default: Vec<Value>,
    allowed: Vec<Value>,
}

const DEFAULT: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";
const ALLOWED: &str = "scheduler.alpha.kubernetes.io/tolerationsWhitelist";

impl PodTolerationRestriction {
    pub fn new(configuration: &Value) -> PodTolerationRestriction {
        PodTolerationRestriction {
            default: items(&configuration["default"]).to_vec(),
            allowed: items(&configuration["whitelist"]).to_vec(),
        }
    }
}

/// What an annotation of the pod's namespace lists, if it is there.
async fn of_namespace(attributes: &Attributes<'_>, annotation: &str) -> Result<Option<Vec<Value>>> {
    let name = attributes.namespace;
    let found = attributes.server().find("", "namespaces", "", name).await?;
    let of = GroupResource { group: "", resource: "namespaces" };
    let namespace = found.ok_or_else(|| Status::not_found(of, name))?;
    match namespace["metadata"]["annotations"][annotation].as_str() {
        None => Ok(None),
        Some("") => Ok(Some(Vec::new())),
        Some(list) => serde_json::from_str(list).map(Some).map_err(|error| Status::unclassified(error.to_string())),
    }
}

#[async_trait]
impl Plugin for PodTolerationRestriction {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.writes_pod()
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        let mut extra = Vec::new();
        if attributes.operation == Operation::Create {
            extra = of_namespace(attributes, DEFAULT).await?.unwrap_or_else(|| self.default.clone());
        }
        let best_effort =
            Requirement { scope: "BestEffort".to_owned(), operator: "Exists".to_owned(), values: Vec::new() };
        if !Evaluator::Pods.facts(pod).meets(&best_effort) {
            extra.push(json!({
                "key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule",
            }));
        }
        if !extra.is_empty() {
            let merged = tolerations::merge(items(&pod["spec"]["tolerations"]), &extra);
            object::set(pod, &["spec", "tolerations"], merged);
        }
        self.validate(attributes, pod).await
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        let given = items(&pod["spec"]["tolerations"]);
        if given.is_empty() {
            return Ok(());
        }
        let (allowed, scope) = match of_namespace(attributes, ALLOWED).await? {
            Some(allowed) => (allowed, "namespace"),
            None => (self.allowed.clone(), "cluster"),
        };
        if tolerations::are_allowed(given, &allowed) {
            return Ok(());
        }
        Err(Status::unclassified(format!(
            "pod tolerations (possibly merged with namespace default tolerations) conflict with its {scope} whitelist"
        )))
    }
}
