//! Priority: a pod's priority comes from its class; one class is the default.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::{GroupResource, Result, Status};

pub struct Priority;

#[async_trait]
impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        if !attributes.is("", "pods") {
            return Ok(());
        }
        if attributes.operation == Operation::Update {
            // Both are immutable; a client that leaves them out means to keep them.
            if let Some(old) = attributes.old {
                for field in ["priority", "preemptionPolicy"] {
                    if pod["spec"][field].is_null() && !old["spec"][field].is_null() {
                        object::set(pod, &["spec", field], old["spec"][field].clone());
                    }
                }
            }
            return Ok(());
        }
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        let server = &attributes.context.server;
        let class_name = pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned();
        let (value, policy) = if class_name.is_empty() {
            match server
                .list_cached("scheduling.k8s.io", "priorityclasses")?
                .into_iter()
                .filter(is_default)
                .max_by_key(priority)
            {
                Some(class) => {
                    object::set(pod, &["spec", "priorityClassName"], class["metadata"]["name"].clone());
                    (priority(&class), class["preemptionPolicy"].clone())
                }
                None => (0, "PreemptLowerPriority".into()),
            }
        } else {
            let Some(class) = server.find("scheduling.k8s.io", "priorityclasses", "", &class_name).await? else {
                return Err(Status::forbidden(
                    GroupResource { group: "", resource: "pods" },
                    attributes.name,
                    format_args!("no PriorityClass with name {class_name} was found"),
                ));
            };
            (priority(&class), class["preemptionPolicy"].clone())
        };
        let given = pod["spec"]["priority"].as_i64();
        if given.is_some_and(|given| given != value) {
            return Err(Status::forbidden(
                GroupResource { group: "", resource: "pods" },
                attributes.name,
                format_args!(
                    "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name",
                    given.unwrap_or_default()
                ),
            ));
        }
        object::set(pod, &["spec", "priority"], value);
        if pod["spec"]["preemptionPolicy"].is_null() {
            object::set(
                pod,
                &["spec", "preemptionPolicy"],
                if policy.is_null() { "PreemptLowerPriority".into() } else { policy },
            );
        }
        Ok(())
    }
}

fn is_default(class: &Value) -> bool {
    class["globalDefault"] == Value::Bool(true)
}

fn priority(class: &Value) -> i64 {
    class["value"].as_i64().unwrap_or_default()
}
