//! API services.

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, condition, name, text};
use super::column::{AGE, Column, NAME};

pub static API_SERVICE: Printer = Printer::new(
    &[
        NAME,
        Column::string("Service", "The reference to the service that hosts this API endpoint."),
        Column::string("Available", "Whether this service is available."),
        AGE,
    ],
    api_service,
);

fn api_service(object: &Value, now: Timestamp) -> Vec<Value> {
    let service = &object["spec"]["service"];
    let service = match service.is_object() {
        true => format!("{}/{}", text(&service["namespace"]), text(&service["name"])),
        false => "Local".to_owned(),
    };
    cells![name(object), service, available(object), age(object, now)]
}

/// The status of the condition, with its reason where it is not true.
fn available(object: &Value) -> String {
    let Some(condition) = condition(object, "Available") else { return "Unknown".to_owned() };
    match (text(&condition["status"]), text(&condition["reason"])) {
        ("True", _) => "True".to_owned(),
        (status, "") => status.to_owned(),
        (status, reason) => format!("{status} ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn api_services() {
        let local = json!({"status": {"conditions": [{"type": "Available", "status": "True", "reason": "Local"}]}});
        shows(&API_SERVICE, local, json!(["x", "Local", "True", "60s"]));
        let remote = json!({
            "spec": {"service": {"namespace": "ns", "name": "s"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
        });
        shows(&API_SERVICE, remote, json!(["x", "ns/s", "False (MissingEndpoints)", "60s"]));
        shows(&API_SERVICE, json!({}), json!(["x", "Local", "Unknown", "60s"]));
    }
}
