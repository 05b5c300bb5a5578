//! Defaults of admissionregistration.k8s.io.

use serde_json::json;

use super::{Default, Object, set_absent, set_empty};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.admissionregistration.v1.MatchResources", match_resources),
    ("io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicySpec", policy_spec),
    ("io.k8s.api.admissionregistration.v1.MutatingWebhook", mutating_webhook),
    ("io.k8s.api.admissionregistration.v1.Rule", rule),
    ("io.k8s.api.admissionregistration.v1.ServiceReference", service_reference),
    ("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec", policy_spec),
    ("io.k8s.api.admissionregistration.v1.ValidatingWebhook", webhook),
    ("io.k8s.api.admissionregistration.v1alpha1.MatchResources", match_resources),
    ("io.k8s.api.admissionregistration.v1alpha1.MutatingAdmissionPolicySpec", policy_spec),
    ("io.k8s.api.admissionregistration.v1alpha1.ParamRef", param_ref),
    ("io.k8s.api.admissionregistration.v1alpha1.ValidatingAdmissionPolicySpec", policy_spec),
    ("io.k8s.api.admissionregistration.v1beta1.MatchResources", match_resources),
    ("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicySpec", policy_spec),
    ("io.k8s.api.admissionregistration.v1beta1.MutatingWebhook", mutating_webhook_v1beta1),
    ("io.k8s.api.admissionregistration.v1beta1.ServiceReference", service_reference),
    ("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicySpec", policy_spec),
    ("io.k8s.api.admissionregistration.v1beta1.ValidatingWebhook", webhook_v1beta1),
];

fn webhook(webhook: &mut Object) {
    set_absent(webhook, "failurePolicy", "Fail");
    match_resources(webhook);
    set_absent(webhook, "timeoutSeconds", 10);
}

fn mutating_webhook(object: &mut Object) {
    webhook(object);
    set_absent(object, "reinvocationPolicy", "Never");
}

fn webhook_v1beta1(webhook: &mut Object) {
    set_absent(webhook, "failurePolicy", "Ignore");
    set_absent(webhook, "matchPolicy", "Exact");
    match_resources(webhook);
    set_absent(webhook, "sideEffects", "Unknown");
    set_absent(webhook, "timeoutSeconds", 30);
    set_empty(webhook, "admissionReviewVersions", json!(["v1beta1"]));
}

fn mutating_webhook_v1beta1(webhook: &mut Object) {
    webhook_v1beta1(webhook);
    set_absent(webhook, "reinvocationPolicy", "Never");
}

fn rule(rule: &mut Object) {
    set_absent(rule, "scope", "*");
}

fn service_reference(reference: &mut Object) {
    set_absent(reference, "port", 443);
}

fn policy_spec(spec: &mut Object) {
    set_absent(spec, "failurePolicy", "Fail");
}

fn match_resources(resources: &mut Object) {
    set_absent(resources, "matchPolicy", "Equivalent");
    set_absent(resources, "namespaceSelector", json!({}));
    set_absent(resources, "objectSelector", json!({}));
}

fn param_ref(reference: &mut Object) {
    set_absent(reference, "parameterNotFoundAction", "Deny");
}
