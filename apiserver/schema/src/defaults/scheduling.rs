//! Defaults of scheduling.k8s.io.

use super::{Default, Object, set_absent};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.scheduling.v1.PriorityClass", priority_class),
    ("io.k8s.api.scheduling.v1beta1.PriorityClass", priority_class),
];

fn priority_class(class: &mut Object) {
    set_absent(class, "preemptionPolicy", "PreemptLowerPriority");
}
