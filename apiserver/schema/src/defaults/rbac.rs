//! Defaults of rbac.authorization.k8s.io.

use super::{Default, Object, child_or_new, set_empty, text};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.rbac.v1.ClusterRoleBinding", binding),
    ("io.k8s.api.rbac.v1.RoleBinding", binding),
    ("io.k8s.api.rbac.v1.Subject", subject),
];

const GROUP: &str = "rbac.authorization.k8s.io";

fn binding(binding: &mut Object) {
    set_empty(child_or_new(binding, "roleRef"), "apiGroup", GROUP);
}

fn subject(subject: &mut Object) {
    if let "User" | "Group" = text(subject, "kind") {
        set_empty(subject, "apiGroup", GROUP);
    }
}
