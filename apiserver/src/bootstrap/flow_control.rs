//! The flow schemas and priority levels that every cluster begins with, kept as they must be, and what flow schemas'
//! statuses say of their levels.
//!
//! Source: apiserver `pkg/apis/flowcontrol/bootstrap`, `pkg/registry/flowcontrol/ensurer` and
//! `pkg/util/flowcontrol/apf_controller.go`.

use std::sync::LazyLock;

use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::conditions;
use crate::object::{self, text};
use crate::own_objects::{apply_status, change, ensure_as};
use crate::server::Server;
use crate::status::Result;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// Says whether a spec is the server's to keep up to date.
const AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
const PRODUCER: &str = "api-priority-and-fairness-config-producer-v1";
const CONSUMER: &str = "api-priority-and-fairness-config-consumer-v1";
/// Objects that may not be otherwise than they are.
const MANDATORY: [&str; 2] = ["catch-all", "exempt"];

/// Kind, name and spec of every object.
static OBJECTS: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("flow_control.json")).expect("a test reads the file"));

/// The object of a kind that must be as it is, if a name is that of one: its `kind`, `name` and `spec`.
pub fn mandatory(kind: &str, name: &str) -> Option<&'static Value> {
    OBJECTS.iter().filter(|_| MANDATORY.contains(&name)).find(|object| object["kind"] == kind && object["name"] == name)
}

fn plural(kind: &str) -> &'static str {
    if kind == "FlowSchema" { "flowschemas" } else { "prioritylevelconfigurations" }
}

/// Makes what is missing, puts right what is the server's to keep, and notes which schemas name no level.
pub async fn keep(server: &Server) -> Result<()> {
    let made = OBJECTS.iter().map(async |wanted| {
        let (kind, name) = (text(&wanted["kind"]), text(&wanted["name"]));
        let mut object = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": kind,
            "metadata": {"name": name, "generation": 1, "annotations": {AUTOUPDATE: "true"}},
            "spec": wanted["spec"],
        });
        if kind == "PriorityLevelConfiguration" {
            object["status"] = json!({});
        }
        ensure_as(server, GROUP, plural(kind), &object, PRODUCER, Value::Null).await?;
        put_right(server, kind, name, &wanted["spec"]).await
    });
    try_join_all(made).await?;
    dangling(server).await
}

async fn put_right(server: &Server, kind: &str, name: &str, spec: &Value) -> Result<()> {
    change(server, GROUP, plural(kind), ("", name), |object| {
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        // An object that nobody has changed and that does not say is the server's.
        let ours = match object["metadata"]["annotations"][AUTOUPDATE].as_str() {
            Some(flag) => flag == "true" || MANDATORY.contains(&name),
            None => generation == 1 || MANDATORY.contains(&name),
        };
        let free: &[&str] = if kind == "PriorityLevelConfiguration" && name == "exempt" { &["exempt"] } else { &[] };
        if !ours || !object::differs_but(&object["spec"], spec, free) {
            return false;
        }
        let kept = free.iter().map(|field| (*field, object["spec"][*field].clone())).collect::<Vec<_>>();
        object::set(object, &["spec"], spec.clone());
        for (field, value) in kept.into_iter().filter(|(_, value)| !value.is_null()) {
            object::set(object, &["spec", field], value);
        }
        object::set_meta(object, "generation", Some((generation + 1).into()));
        true
    })
    .await
}

/// Says in the status of every flow schema whether the level that it names exists.
pub async fn dangling(server: &Server) -> Result<()> {
    let levels: Vec<String> = server
        .list_cached(GROUP, "prioritylevelconfigurations")?
        .iter()
        .map(|level| object::meta(level, "name").to_owned())
        .collect();
    let schemas = server.list_cached(GROUP, "flowschemas")?;
    let told = schemas.iter().map(async |schema| {
        let level = text(&schema["spec"]["priorityLevelConfiguration"]["name"]).to_owned();
        let (status, reason, message) = if levels.contains(&level) {
            let message = format!(
                "This FlowSchema references the PriorityLevelConfiguration object named {level:?} and it exists"
            );
            ("False", "Found", message)
        } else {
            let message = format!(
                "This FlowSchema references the PriorityLevelConfiguration object named {level:?} but there is no such object"
            );
            ("True", "NotFound", message)
        };
        apply_status(server, GROUP, "flowschemas", object::meta(schema, "name"), CONSUMER, |object| {
            if conditions::says(object, "Dangling", status, reason, &message) {
                return None;
            }
            Some(json!({"conditions": [{
                "type": "Dangling", "status": status, "lastTransitionTime": object::now(),
                "reason": reason, "message": message,
            }]}))
        })
        .await
    });
    try_join_all(told).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mandatory_ones_are_there() {
        assert_eq!(OBJECTS.len(), 19);
        assert_eq!(mandatory("FlowSchema", "catch-all").unwrap()["spec"]["matchingPrecedence"], 10000);
        assert_eq!(mandatory("PriorityLevelConfiguration", "exempt").unwrap()["spec"]["type"], "Exempt");
        assert!(mandatory("FlowSchema", "probes").is_none());
    }
}
