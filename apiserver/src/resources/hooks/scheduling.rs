//! PriorityClass, Lease and RuntimeClass.

use serde_json::Value;

use super::{Hooks, Request, pod_spec, warnings};
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, int, text};
use crate::object_meta;
use crate::resources::names;

pub struct PriorityClass;

/// The highest value that a user may give.
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;
const SYSTEM_CLASSES: &[(&str, i64)] =
    &[("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

impl Hooks for PriorityClass {
    fn asks_for_something_else(&self, _object: &Value, _old: &Value) -> bool {
        false
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (name, value) = (object::meta(object, "name"), int(&object["value"]));
        let metadata = Path::new("metadata");
        if name.starts_with("system-") {
            match SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known == value => {}
                found => {
                    let why = match found {
                        Some((known, value)) => format!("value of {known} PriorityClass must be {value}"),
                        None => format!("{name} is not a known system priority class"),
                    };
                    errors.forbidden(
                        &metadata.child("name"),
                        format!(
                            "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
                        ),
                    );
                }
            }
        } else if value > HIGHEST_USER_PRIORITY {
            errors.forbidden(
                &Path::new("value"),
                format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"),
            );
        }
        let policy = text(&object["preemptionPolicy"]);
        if object["preemptionPolicy"].as_str() == Some("") {
            errors.required(&Path::new("preemptionPolicy"), "");
        } else if !matches!(policy, "" | "PreemptLowerPriority" | "Never") {
            errors.not_supported(&Path::new("preemptionPolicy"), &policy.into(), &["PreemptLowerPriority", "Never"]);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        if int(&object["value"]) != int(&old["value"]) {
            errors.forbidden(&Path::new("value"), "may not be changed in an update.");
        }
        errors.immutable(&Path::new("preemptionPolicy"), &object["preemptionPolicy"], &old["preemptionPolicy"]);
    }
}

pub struct Lease;

impl Hooks for Lease {
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        drop_coordination(object, &Value::Null);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        drop_coordination(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        if !spec["leaseDurationSeconds"].is_null() && int(&spec["leaseDurationSeconds"]) <= 0 {
            errors.invalid(&at.child("leaseDurationSeconds"), &spec["leaseDurationSeconds"], "must be greater than 0");
        }
        errors.non_negative(&at.child("leaseTransitions"), &spec["leaseTransitions"]);
        let strategy = &spec["strategy"];
        if !strategy.is_null() && strategy != "OldestEmulationVersion" {
            lease_strategy(text(strategy), &at.child("strategy"), errors);
        }
        if !text(&spec["preferredHolder"]).is_empty() && text(strategy).is_empty() {
            errors.forbidden(&at.child("preferredHolder"), "may only be specified if `strategy` is defined");
        }
    }
}

/// What waits for coordinated leader election stays only where it was before.
fn drop_coordination(object: &mut Value, old: &Value) {
    for field in ["strategy", "preferredHolder"] {
        if old["spec"][field].is_null() && object["spec"].is_object() {
            object::remove(&mut object["spec"], field);
        }
    }
}

/// A strategy other than the one known: somebody's own has a domain.
fn lease_strategy(strategy: &str, at: &Path<'_>, errors: &mut ErrorList) {
    const SUPPORTED: &[&str] = &["OldestEmulationVersion"];
    let own = strategy.split('/').collect::<Vec<_>>();
    match own[..] {
        [domain, _] if domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io") => {
            errors.invalid_strs(at, strategy, names::qualified_name_problems(strategy));
        }
        [_] | [_, _] => errors.not_supported(at, &strategy.into(), SUPPORTED),
        _ => errors.invalid_strs(at, strategy, names::qualified_name_problems(strategy)),
    }
}

pub struct RuntimeClass;

impl Hooks for RuntimeClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let handler = text(&object["handler"]);
        if handler.is_empty() {
            errors.required(&Path::new("handler"), "");
        } else {
            errors.invalid_strs(&Path::new("handler"), handler, names::dns1123_label(handler));
        }
        pod_spec::overhead(&object["overhead"]["podFixed"], &Path::new("overhead"), errors);
        let scheduling = Path::new("scheduling");
        object_meta::labels(&object["scheduling"]["nodeSelector"], &scheduling.child("nodeSelector"), errors);
        let (tolerations, list) = (&object["scheduling"]["tolerations"], scheduling.child("tolerations"));
        pod_spec::tolerations(tolerations, &list, errors);
        let key = |toleration: &Value| {
            ["key", "operator", "value", "effect"].map(|field| text(&toleration[field]).to_owned())
        };
        let tolerations = object::items(tolerations);
        for (index, toleration) in tolerations.iter().enumerate() {
            if tolerations[..index].iter().any(|other| key(other) == key(toleration)) {
                let [name, operator, value, effect] = key(toleration).map(Value::from);
                let shown = structure(&[
                    ("Key", &name),
                    ("Operator", &operator),
                    ("Value", &value),
                    ("Effect", &effect),
                    ("TolerationSeconds", &toleration["tolerationSeconds"]),
                ]);
                errors.duplicate_structure(&list.index(index), shown, "");
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        errors.immutable(&Path::new("handler"), &object["handler"], &old["handler"]);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        for (key, _) in object::entries(&object["scheduling"]["nodeSelector"]) {
            if let Some(instead) = warnings::node_label(key) {
                out.push(format!("scheduling.nodeSelector: {instead}"));
            }
        }
    }
}
