//! Defaults of networking.k8s.io.

use serde_json::{Value, json};

use super::{Default, Object, child, child_or_new, set_absent, set_empty};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.networking.v1.IngressClass", ingress_class),
    ("io.k8s.api.networking.v1.NetworkPolicy", network_policy),
    ("io.k8s.api.networking.v1.NetworkPolicyPort", network_policy_port),
    ("io.k8s.api.networking.v1beta1.HTTPIngressPath", ingress_path_v1beta1),
];

fn network_policy_port(port: &mut Object) {
    set_absent(port, "protocol", "TCP");
}

fn network_policy(policy: &mut Object) {
    let spec = child_or_new(policy, "spec");
    let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    set_empty(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
}

fn ingress_class(class: &mut Object) {
    if let Some(parameters) = child(class, "spec").and_then(|spec| child(spec, "parameters")) {
        set_absent(parameters, "scope", "Cluster");
    }
}

fn ingress_path_v1beta1(path: &mut Object) {
    set_absent(path, "pathType", "ImplementationSpecific");
}
