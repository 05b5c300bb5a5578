//! Event: expires, and is served by two groups from one place.

use serde_json::Value;

use super::{Hooks, Request};
use crate::facts::{Facts, SelectableField};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, text};
use crate::object_meta;
use crate::resources::names;

pub struct Event {
    /// Served by the core group, which takes any name.
    pub legacy: bool,
}

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
    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        if self.legacy { names::path_segment(name) } else { names::dns1123_subdomain(&names::masked(name, prefix)) }
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[
            SelectableField::new("involvedObject.kind", ""),
            SelectableField::new("involvedObject.namespace", ""),
            SelectableField::new("involvedObject.name", ""),
            SelectableField::new("involvedObject.uid", ""),
            SelectableField::new("involvedObject.apiVersion", ""),
            SelectableField::new("involvedObject.resourceVersion", ""),
            SelectableField::new("involvedObject.fieldPath", ""),
            SelectableField::new("reason", ""),
            SelectableField::new("reportingComponent", ""),
            SelectableField::at("source", "source.component", ""),
            SelectableField::new("type", ""),
        ];
        FIELDS
    }

    fn complete_facts(&self, facts: &mut Facts) {
        let at = |name: &str| self.selectable_fields().iter().position(|field| field.name == name);
        // New events have no source: their controller is one.
        if let (Some(source), Some(controller)) = (at("source"), at("reportingComponent"))
            && facts.fields[source].is_empty()
        {
            facts.fields[source] = facts.fields[controller].clone();
        }
    }

    fn judges_metadata(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _object: &mut Value, _request: &Request<'_>) {}

    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _request: &Request<'_>) {}

    fn validate(&self, object: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        of_both_groups(object, request, errors);
        if request.group.is_empty() {
            return;
        }
        object_meta::validate_named(object, true, &|name, prefix| self.invalid_name(name, prefix), errors);
        series(object, errors);
        if object["eventTime"].is_null() {
            errors.required(&Path::new("eventTime"), "");
        }
        let kind = text(&object["type"]);
        if !matches!(kind, "Normal" | "Warning") {
            errors.invalid_str(&Path::new("type"), "", format!("has invalid value: {kind}"));
        }
        for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
            if !object::is_unset(&object[field]) {
                errors.invalid_str(&Path::new(field), "", "needs to be unset");
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        of_both_groups(object, request, errors);
        if request.group.is_empty() {
            return;
        }
        object_meta::validate_change(object, old, errors);
        if !object::same(&object["series"], &old["series"]) {
            series(object, errors);
        }
        let fields = [
            "involvedObject",
            "reason",
            "message",
            "source",
            "firstTimestamp",
            "lastTimestamp",
            "count",
            // Twice, as upstream.
            "reason",
            "type",
            "eventTime",
            "action",
            "related",
            "reportingComponent",
            "reportingInstance",
        ];
        for field in fields {
            let shown = if field == "reportingComponent" { "reportingController" } else { field };
            errors.immutable(&Path::new(shown), &object[field], &old[field]);
        }
    }

    fn expires(&self) -> bool {
        true
    }

    fn convert(&self, object: &mut Value, from: &str, to: &str) {
        let renames =
            RENAMED.iter().map(|(core, events)| if from == "v1" { (*core, *events) } else { (*events, *core) });
        if from == to {
            return;
        }
        for (old, new) in renames {
            object::rename(object, old, new);
        }
    }
}

fn of_both_groups(object: &Value, request: &Request<'_>, errors: &mut ErrorList) {
    let (own, involved) = (object::meta(object, "namespace"), text(&object["involvedObject"]["namespace"]));
    let root = Path::new("involvedObject");
    let mismatch = |errors: &mut ErrorList| {
        errors.invalid_str(&root.child("namespace"), involved, "does not match event.namespace")
    };
    if object["eventTime"].is_null() {
        let matches = if involved.is_empty() { matches!(own, "" | "default") } else { own == involved };
        if !matches {
            mismatch(errors);
        }
        errors.invalid_strs(&Path::new("namespace"), own, names::dns1123_subdomain(own));
        return;
    }
    if involved.is_empty() && !matches!(own, "default" | "kube-system") {
        mismatch(errors);
    }
    let controller = text(&object["reportingComponent"]);
    let at = Path::new(if request.group.is_empty() { "reportingComponent" } else { "reportingController" });
    if controller.is_empty() {
        errors.required(&at, "");
    }
    errors.invalid_strs(&at, controller, names::qualified_name_problems(controller));
    for (field, most) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)] {
        let value = text(&object[field]);
        if value.is_empty() && field != "message" {
            errors.required(&Path::new(field), "");
        }
        if value.len() > most {
            errors.invalid_str(&Path::new(field), "", format!("can have at most {most} characters"));
        }
    }
    errors.invalid_strs(&Path::new("namespace"), own, names::dns1123_subdomain(own));
}

fn series(object: &Value, errors: &mut ErrorList) {
    let series = &object["series"];
    if series.is_null() {
        return;
    }
    if int(&series["count"]) < 2 {
        errors.invalid_str(&Path::new("series.count"), "", "should be at least 2");
    }
    if series["lastObservedTime"].is_null() {
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}
