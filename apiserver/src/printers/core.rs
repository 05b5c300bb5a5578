//! Kinds of the core group that stand alone; the others are beside their kin in newer groups.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, amount, cells, count, list, name, text};
use super::column::{AGE, Column, NAME};

pub static COMPONENT_STATUS: Printer = Printer::new(
    &[
        NAME,
        Column::string("Status", "Status of the component conditions"),
        Column::string("Message", "Message of the component conditions"),
        Column::string("Error", "Error of the component conditions"),
    ],
    |object, _| {
        let Some(condition) = list(&object["conditions"]).iter().find(|condition| condition["type"] == "Healthy")
        else {
            return cells![name(object), "Unknown", "", ""];
        };
        let status = if condition["status"] == "True" { "Healthy" } else { "Unhealthy" };
        cells![name(object), status, text(&condition["message"]), text(&condition["error"])]
    },
);

pub static CONFIG_MAP: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Data",
            "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the keys in the BinaryData field, this is enforced during validation process.",
        ),
        AGE,
    ],
    |object, now| cells![name(object), count(&object["data"]) + count(&object["binaryData"]), age(object, now)],
);

pub static NAMESPACE: Printer =
    Printer::new(&[NAME, Column::string("Status", "The status of the namespace"), AGE], |object, now| {
        cells![name(object), text(&object["status"]["phase"]), age(object, now)]
    });

pub static RESOURCE_QUOTA: Printer = Printer::new(
    &[
        NAME,
        Column::string("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
        Column::string(
            "Limit",
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
        ),
        AGE,
    ],
    resource_quota,
);

pub static SECRET: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Type",
            "Used to facilitate programmatic handling of secret data. More info: https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
        ),
        Column::string(
            "Data",
            "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4",
        ),
        AGE,
    ],
    |object, now| cells![name(object), text(&object["type"]), count(&object["data"]), age(object, now)],
);

pub static SERVICE_ACCOUNT: Printer = Printer::new(&[NAME, AGE], |object, now| cells![name(object), age(object, now)]);

/// Limits stand in a column of their own.
fn resource_quota(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = &object["status"];
    let (mut requests, mut limits) = (String::new(), String::new());
    for (resource, hard) in status["hard"].as_object().into_iter().flatten() {
        let cell = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
        let separator = if cell.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(cell, "{separator}{resource}: {}/{}", amount(&status["used"][resource]), amount(hard));
    }
    cells![name(object), requests, limits, age(object, now)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::{now, shows};

    #[test]
    fn component_statuses() {
        let healthy = json!({"conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]});
        shows(&COMPONENT_STATUS, healthy, json!(["x", "Healthy", "ok", ""]));
        let broken = json!({"conditions": [{"type": "Healthy", "status": "False", "message": "m", "error": "e"}]});
        shows(&COMPONENT_STATUS, broken, json!(["x", "Unhealthy", "m", "e"]));
        shows(&COMPONENT_STATUS, json!({}), json!(["x", "Unknown", "", ""]));
    }

    #[test]
    fn data_is_counted() {
        shows(&CONFIG_MAP, json!({"data": {"a": "", "b": ""}, "binaryData": {"c": ""}}), json!(["x", 3, "60s"]));
        shows(&SECRET, json!({"type": "Opaque", "data": {"a": ""}}), json!(["x", "Opaque", 1, "60s"]));
    }

    #[test]
    fn namespaces_and_service_accounts() {
        shows(&NAMESPACE, json!({"status": {"phase": "Active"}}), json!(["x", "Active", "60s"]));
        shows(&SERVICE_ACCOUNT, json!({"secrets": [{"name": "a"}]}), json!(["x", "60s"]));
        let unknown = (SERVICE_ACCOUNT.cells)(&json!({"metadata": {"name": "x"}}), now());
        assert_eq!(unknown, [json!("x"), json!("<unknown>")]);
    }

    #[test]
    fn quotas() {
        let status = json!({
            "hard": {"pods": "10", "limits.cpu": "2000m", "requests.memory": "1024Mi", "limits.memory": "2Gi"},
            "used": {"pods": "3", "limits.cpu": "1500m"},
        });
        let expected =
            json!(["x", "pods: 3/10, requests.memory: 0/1Gi", "limits.cpu: 1500m/2, limits.memory: 0/2Gi", "60s"]);
        shows(&RESOURCE_QUOTA, json!({"status": status}), expected);
        shows(&RESOURCE_QUOTA, json!({}), json!(["x", "", "", "60s"]));
    }
}
