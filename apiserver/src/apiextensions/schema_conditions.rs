//! The conditions `NonStructuralSchema` and `KubernetesAPIApprovalPolicyConformant` of a definition.
//!
//! Source: apiextensions-apiserver `pkg/controller/nonstructuralschema`, `pkg/controller/apiapproval`.

use serde_json::Value;

use crate::conditions;
use crate::object::text;

const APPROVED: &str = "api-approved.kubernetes.io";
const REFERENCE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// Sets or removes both conditions.
pub fn judge(crd: &mut Value) {
    if crd["spec"]["preserveUnknownFields"] == true {
        let message = "spec.preserveUnknownFields: Invalid value: true: must be false";
        if !conditions::says(crd, "NonStructuralSchema", "True", "Violations", message) {
            conditions::set(crd, "NonStructuralSchema", "True", "Violations", message);
        }
    } else if conditions::find(crd, "NonStructuralSchema").is_some() {
        conditions::remove(crd, "NonStructuralSchema");
    }
    if !is_protected(text(&crd["spec"]["group"])) {
        return;
    }
    let (status, reason, message) = match approval(&crd["metadata"]["annotations"]) {
        Approval::Approved(message) => ("True", "ApprovedAnnotation", message),
        Approval::Bypassed(message) => ("False", "UnapprovedAnnotation", message),
        Approval::Missing(message) => ("False", "MissingAnnotation", message),
        Approval::Invalid(message) => ("False", "InvalidAnnotation", message),
    };
    const KIND: &str = "KubernetesAPIApprovalPolicyConformant";
    if !conditions::says(crd, KIND, status, reason, &message) {
        conditions::set(crd, KIND, status, reason, &message);
    }
}

/// Whether a group is one of Kubernetes itself, for which definitions need an approval.
pub fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|owner| group.strip_suffix(owner).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What the annotation about the approval says.
pub enum Approval {
    Approved(String),
    Bypassed(String),
    Missing(String),
    Invalid(String),
}

/// Reads the annotation of the approval.
pub fn approval(annotations: &Value) -> Approval {
    let annotation = text(&annotations[APPROVED]);
    if annotation.is_empty() {
        return Approval::Missing(format!("protected groups must have approval annotation {APPROVED:?}, {REFERENCE}"));
    }
    if annotation.starts_with("unapproved") {
        return Approval::Bypassed(format!("not approved: {annotation:?}"));
    }
    let is_url = annotation.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.split('/').next().unwrap_or_default().is_empty()
    });
    if is_url && apiserver_schema::structural::is_valid_format("uri", annotation) {
        return Approval::Approved(format!("approved in {annotation}"));
    }
    Approval::Invalid(format!(
        "protected groups must have approval annotation {APPROVED:?} with either a URL or a reason starting with \"unapproved\", {REFERENCE}"
    ))
}
