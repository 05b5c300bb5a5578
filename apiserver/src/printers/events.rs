//! Events, whose fields have other names in `events.k8s.io` than in the core group.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{cells, integer, name, text, text_or};
use super::column::{Column, NAME};
use super::{Printer, age};

pub static EVENT: Printer = Printer::new(
    &[
Column::string("Last Seen", "The time at which the most recent occurrence of this event was recorded."),
Column::string("Type", "Type of this event (Normal, Warning), new types could be added in the future"),
Column::string("Reason", "This should be a short, machine understandable string that gives the reason for the transition into the object's current status."),
Column::string("Object", "The object that this event is about."),
Column::string("Subobject", "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" refers to the name of the container that triggered the event) or if no container name is specified \"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an object.").wide(),
Column::string("Source", "The component reporting this event. Should be a short machine understandable string.").wide(),
Column::string("Message", "A human-readable description of the status of this operation."),
Column::string("First Seen", "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)").wide(),
Column::string("Count", "The number of times this event has occurred.").wide(),
NAME.wide(),
],
    event,
);

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let first = match either(object, "firstTimestamp", "deprecatedFirstTimestamp") {
        Value::Null => age::since(&object["eventTime"], now),
        time => age::since(time, now),
    };
    let series = &object["series"];
    let (last, count) = if series.is_object() {
        (age::since(&series["lastObservedTime"], now), integer(&series["count"]))
    } else {
        let last = match either(object, "lastTimestamp", "deprecatedLastTimestamp") {
            Value::Null => first.clone(),
            time => age::since(time, now),
        };
        // An event that happened once has no count in the newer group.
        (last, integer(either(object, "count", "deprecatedCount")).max(1))
    };
    let target = either(object, "involvedObject", "regarding");
    let kind = text(&target["kind"]).to_lowercase();
    cells![
        last,
        text(&object["type"]),
        text(&object["reason"]),
        if text(&target["name"]).is_empty() { kind } else { format!("{kind}/{}", text(&target["name"])) },
        text(&target["fieldPath"]),
        source(object),
        text(either(object, "message", "note")).trim(),
        first,
        count,
        name(object),
    ]
}

/// Component and host.
fn source(object: &Value) -> String {
    let source = either(object, "source", "deprecatedSource");
    let controller = either(object, "reportingComponent", "reportingController");
    let component = text_or(&source["component"], text(controller));
    match text_or(&source["host"], text(&object["reportingInstance"])) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}

/// A field by its name in the core group or in `events.k8s.io`.
fn either<'a>(object: &'a Value, core: &str, events: &str) -> &'a Value {
    match &object[core] {
        Value::Null => &object[events],
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn core_events() {
        let event = json!({
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
            "firstTimestamp": "2026-01-01T00:00:10Z", "lastTimestamp": "2026-01-01T00:00:40Z", "count": 4,
            "type": "Warning", "reason": "BackOff", "message": " again\n",
            "source": {"component": "kubelet", "host": "n1"},
        });
        let cells =
            json!(["20s", "Warning", "BackOff", "pod/p", "spec.containers{c}", "kubelet, n1", "again", "50s", 4, "x"]);
        shows(&EVENT, event, cells);
    }

    #[test]
    fn events_of_the_newer_group() {
        let event = json!({
            "regarding": {"kind": "Node"}, "eventTime": "2026-01-01T00:00:10.500000Z", "type": "Normal", "reason": "R",
            "note": "n", "reportingController": "c", "reportingInstance": "i",
        });
        shows(&EVENT, event.clone(), json!(["49s", "Normal", "R", "node", "", "c, i", "n", "49s", 1, "x"]));
        let mut series = event;
        series["series"] = json!({"count": 7, "lastObservedTime": "2026-01-01T00:00:50.000000Z"});
        shows(&EVENT, series, json!(["10s", "Normal", "R", "node", "", "c, i", "n", "49s", 7, "x"]));
    }

    #[test]
    fn an_event_without_times() {
        shows(&EVENT, json!({}), json!(["<unknown>", "", "", "", "", "", "", "<unknown>", 1, "x"]));
    }
}
