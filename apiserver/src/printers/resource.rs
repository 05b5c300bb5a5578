//! Dynamic resource allocation.

use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, is_deleted, list, name, text};
use super::column::{AGE, Column, NAME};

/// Device classes and templates of claims.
pub static NAME_AND_AGE: Printer = Printer::new(&[NAME, AGE], |object, now| cells![name(object), age(object, now)]);

pub static CLAIM: Printer = Printer::new(
    &[NAME, Column::string("State", "A summary of the current state (allocated, pending, reserved, etc.)."), AGE],
    |object, now| cells![name(object), state(object), age(object, now)],
);

pub static SLICE: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Node",
            "NodeName identifies the node which provides the resources in this pool. A field selector can be used to list only ResourceSlice objects belonging to a certain node.\n\nThis field can be used to limit access from nodes to ResourceSlices with the same node name. It also indicates to autoscalers that adding new nodes of the same type as some old node might also make new resources available.\n\nExactly one of NodeName, NodeSelector, AllNodes, and PerDeviceNodeSelection must be set. This field is immutable.",
        ),
        Column::string(
            "Driver",
            "Driver identifies the DRA driver providing the capacity information. A field selector can be used to list only ResourceSlice objects with a certain driver name.\n\nMust be a DNS subdomain and should end with a DNS domain owned by the vendor of the driver. It should use only lower case characters. This field is immutable.",
        ),
        Column::string(
            "Pool",
            "Name is used to identify the pool. For node-local devices, this is often the node name, but this is not required.\n\nIt must not be longer than 253 characters and must consist of one or more DNS sub-domains separated by slashes. This field is immutable.",
        ),
        AGE,
    ],
    |object, now| {
        let spec = &object["spec"];
        cells![
            name(object),
            text(&spec["nodeName"]),
            text(&spec["driver"]),
            text(&spec["pool"]["name"]),
            age(object, now),
        ]
    },
);

fn state(claim: &Value) -> &'static str {
    let status = &claim["status"];
    match (is_deleted(claim), status["allocation"].is_object(), list(&status["reservedFor"]).is_empty()) {
        (true, false, _) => "deleted",
        (false, false, _) => "pending",
        (true, true, true) => "deleted,allocated",
        (true, true, false) => "deleted,allocated,reserved",
        (false, true, true) => "allocated",
        (false, true, false) => "allocated,reserved",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn claims() {
        for (deleted, status, expected) in [
            (None, json!({}), "pending"),
            (None, json!({"allocation": {}}), "allocated"),
            (None, json!({"allocation": {}, "reservedFor": [{}]}), "allocated,reserved"),
            (Some("2026-01-01T00:00:00Z"), json!({}), "deleted"),
            (
                Some("2026-01-01T00:00:00Z"),
                json!({"allocation": {}, "reservedFor": [{}]}),
                "deleted,allocated,reserved",
            ),
        ] {
            let object = json!({"metadata": {"deletionTimestamp": deleted}, "status": status});
            shows(&CLAIM, object, json!(["x", expected, "60s"]));
        }
    }

    #[test]
    fn classes_and_slices() {
        shows(&NAME_AND_AGE, json!({}), json!(["x", "60s"]));
        let object = json!({"spec": {"nodeName": "n", "driver": "d", "pool": {"name": "p"}}});
        shows(&SLICE, object, json!(["x", "n", "d", "p", "60s"]));
    }
}
