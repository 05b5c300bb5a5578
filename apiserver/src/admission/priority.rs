//! Priority: a pod's priority comes from its class; one class is the default.
//!
//! Source: `plugin/pkg/admission/priority`.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object::{self, text};
use crate::server::Server;
use crate::status::Result;

pub struct Priority;

const GROUP: &str = "scheduling.k8s.io";

#[async_trait]
impl Plugin for Priority {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        writes && (attributes.is("", "pods") || attributes.is(GROUP, "priorityclasses"))
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
        let server = attributes.server();
        let class_name = text(&pod["spec"]["priorityClassName"]).to_owned();
        let (value, policy) = if class_name.is_empty() {
            match default_class(server)? {
                Some(class) => {
                    object::set(pod, &["spec", "priorityClassName"], class["metadata"]["name"].clone());
                    (priority(&class), class["preemptionPolicy"].clone())
                }
                None => (0, "PreemptLowerPriority".into()),
            }
        } else {
            let Some(class) = server.find(GROUP, "priorityclasses", "", &class_name).await? else {
                let why = format_args!("no PriorityClass with name {class_name} was found");
                return Err(attributes.forbidden(pod, why));
            };
            (priority(&class), class["preemptionPolicy"].clone())
        };
        if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != value) {
            return Err(attributes.forbidden(
                pod,
                format_args!(
                    "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
                ),
            ));
        }
        object::set(pod, &["spec", "priority"], value);
        if let Some(computed) = policy.as_str() {
            let given = text(&pod["spec"]["preemptionPolicy"]);
            if !given.is_empty() && given != computed {
                return Err(attributes.forbidden(
                    pod,
                    format_args!(
                        "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {computed} from the given PriorityClass name"
                    ),
                ));
            }
            object::set(pod, &["spec", "preemptionPolicy"], computed);
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes<'_>, class: &Value) -> Result<()> {
        if !attributes.is(GROUP, "priorityclasses") || class["globalDefault"] != Value::Bool(true) {
            return Ok(());
        }
        let Some(default) = default_class(attributes.server())? else { return Ok(()) };
        let name = object::meta(&default, "name");
        if attributes.operation == Operation::Update && name == object::meta(class, "name") {
            return Ok(());
        }
        let why = format_args!("PriorityClass {name} is already marked as default. Only one default can exist");
        Err(attributes.forbidden(class, why))
    }
}

/// The default class; of several the one with the least priority.
fn default_class(server: &Server) -> Result<Option<Value>> {
    let classes = server.list_cached(GROUP, "priorityclasses")?.into_iter();
    Ok(classes.filter(|class| class["globalDefault"] == Value::Bool(true)).min_by_key(priority))
}

fn priority(class: &Value) -> i64 {
    class["value"].as_i64().unwrap_or_default()
}
