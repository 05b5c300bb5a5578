//! Pod disruption budgets.

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, integer, name};
use super::column::{AGE, Column, NAME};

pub static POD_DISRUPTION_BUDGET: Printer = Printer::new(
    &[
        NAME,
        Column::string("Min Available", "The minimum number of pods that must be available."),
        Column::string("Max Unavailable", "The maximum number of pods that may be unavailable."),
        Column::integer("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
        AGE,
    ],
    budget,
);

fn budget(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    cells![
        name(object),
        number_or_percentage(&spec["minAvailable"]),
        number_or_percentage(&spec["maxUnavailable"]),
        integer(&object["status"]["disruptionsAllowed"]),
        age(object, now),
    ]
}

fn number_or_percentage(value: &Value) -> String {
    match value {
        Value::Null => "N/A".to_owned(),
        Value::String(text) => text.clone(),
        value => integer(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn budgets() {
        let object = json!({"spec": {"minAvailable": 2}, "status": {"disruptionsAllowed": 1}});
        shows(&POD_DISRUPTION_BUDGET, object, json!(["x", "2", "N/A", 1, "60s"]));
        shows(&POD_DISRUPTION_BUDGET, json!({"spec": {"maxUnavailable": "20%"}}), json!(["x", "N/A", "20%", 0, "60s"]));
    }
}
