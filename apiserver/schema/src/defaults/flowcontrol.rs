//! Defaults of flowcontrol.apiserver.k8s.io/v1, and of v1beta3, which differs in one field.

use super::{Default, Object, child, set_absent, set_empty};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.flowcontrol.v1.ExemptPriorityLevelConfiguration", exempt),
    ("io.k8s.api.flowcontrol.v1.FlowSchemaSpec", flow_schema_spec),
    ("io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration", limited),
    ("io.k8s.api.flowcontrol.v1.QueuingConfiguration", queuing),
    ("io.k8s.api.flowcontrol.v1beta3.ExemptPriorityLevelConfiguration", exempt),
    ("io.k8s.api.flowcontrol.v1beta3.FlowSchemaSpec", flow_schema_spec),
    ("io.k8s.api.flowcontrol.v1beta3.LimitedPriorityLevelConfiguration", limited_v1beta3),
    ("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfiguration", priority_level_v1beta3),
    ("io.k8s.api.flowcontrol.v1beta3.QueuingConfiguration", queuing),
];

const PRESERVE_ZERO: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

fn flow_schema_spec(spec: &mut Object) {
    set_empty(spec, "matchingPrecedence", 1000);
}

fn exempt(exempt: &mut Object) {
    set_absent(exempt, "nominalConcurrencyShares", 0);
    set_absent(exempt, "lendablePercent", 0);
}

fn limited(limited: &mut Object) {
    set_absent(limited, "nominalConcurrencyShares", 30);
    set_absent(limited, "lendablePercent", 0);
}

fn limited_v1beta3(limited: &mut Object) {
    set_absent(limited, "lendablePercent", 0);
}

fn priority_level_v1beta3(level: &mut Object) {
    let annotations = child(level, "metadata").and_then(|metadata| child(metadata, "annotations"));
    if annotations.is_some_and(|annotations| annotations.contains_key(PRESERVE_ZERO)) {
        return;
    }
    if let Some(limited) = child(level, "spec").and_then(|spec| child(spec, "limited")) {
        set_empty(limited, "nominalConcurrencyShares", 30);
    }
}

fn queuing(queuing: &mut Object) {
    set_empty(queuing, "handSize", 8);
    set_empty(queuing, "queues", 64);
    set_empty(queuing, "queueLengthLimit", 50);
}
