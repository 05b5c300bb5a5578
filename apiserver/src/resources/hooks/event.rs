//! Event: expires, and is served by two groups from one place.

use serde_json::Value;

use super::Hooks;
use crate::facts::SelectableField;
use crate::object;

pub struct Event;

/// The names of one fact in `v1` and in `events.k8s.io/v1`.
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

impl Hooks for Event {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[
            field("involvedObject.kind"),
            field("involvedObject.namespace"),
            field("involvedObject.name"),
            field("involvedObject.uid"),
            field("involvedObject.apiVersion"),
            field("involvedObject.resourceVersion"),
            field("involvedObject.fieldPath"),
            field("reason"),
            field("reportingComponent"),
            field("source"),
            field("type"),
        ];
        FIELDS
    }

    fn prepare_for_create(&self, _object: &mut Value) {}

    fn prepare_for_update(&self, _object: &mut Value, _old: &Value) {}

    fn expires(&self) -> bool {
        true
    }

    fn convert(&self, object: &mut Value, from: &str, to: &str) {
        let renames = RENAMED.iter().map(|(core, events)| if from == "v1" { (*core, *events) } else { (*events, *core) });
        if from == to {
            return;
        }
        for (old, new) in renames {
            object::rename(object, old, new);
        }
    }
}

const fn field(name: &'static str) -> SelectableField {
    SelectableField { name, default: "" }
}
