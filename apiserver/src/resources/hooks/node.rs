//! Node: its status may be given when it is created.

use serde_json::Value;

use super::Hooks;
use crate::facts::SelectableField;

pub struct Node;

impl Hooks for Node {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField { name: "spec.unschedulable", default: "false" }];
        FIELDS
    }

    fn prepare_for_create(&self, _object: &mut Value) {}
}
