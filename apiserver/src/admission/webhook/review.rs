//! AdmissionReview: what a webhook is asked, and what its answer means.
//!
//! Source: apiserver `pkg/admission/plugin/webhook/request/admissionreview.go`, `errors/statuserror.go`.

use base64::Engine;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::Attributes;
use super::super::matching::Seen;
use super::hooks::Hook;
use crate::object::{items, text};
use crate::status::{Cause, Details, Status};

/// What a webhook said.
#[derive(Debug, Default)]
pub struct Verdict {
    pub denied: Option<Status>,
    pub patch: Option<Vec<u8>>,
    pub patch_type: String,
    pub audit_annotations: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

/// The version of reviews that the webhook and this server both know.
fn version(hook: &Hook) -> Option<&str> {
    hook.review_versions.iter().map(String::as_str).find(|version| matches!(*version, "v1" | "v1beta1"))
}

/// The question, and its id.
pub fn request(
    hook: &Hook,
    seen: &Seen,
    attributes: &Attributes<'_>,
    object: &Value,
    old: &Value,
) -> Result<(String, Value), &'static str> {
    let version = version(hook).ok_or("webhook does not accept known AdmissionReview versions (v1, v1beta1)")?;
    let uid = uuid::Uuid::new_v4().to_string();
    let mut request = super::super::request::of(attributes, seen);
    request["uid"] = uid.as_str().into();
    request["object"] = object.clone();
    request["oldObject"] = old.clone();
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{version}"), "request": request,
    });
    Ok((uid, review))
}

/// What an answer means.
///
/// # Errors
/// Why it means nothing.
pub fn verdict(review: &Value, uid: &str, hook: &Hook, mutating: bool) -> Result<Verdict, String> {
    let response = &review["response"];
    if !response.is_object() {
        return Err("webhook response was absent".to_owned());
    }
    let patch = text(&response["patch"]);
    let patch_type = response["patchType"].as_str();
    let strict = version(hook) == Some("v1");
    if strict {
        let given = text(&response["uid"]);
        if given != uid {
            return Err(format!("expected response.uid={uid:?}, got {given:?}"));
        }
        let (api_version, kind) = (text(&review["apiVersion"]), text(&review["kind"]));
        if api_version != "admission.k8s.io/v1" || kind != "AdmissionReview" {
            return Err(format!(
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {}, Kind={kind}",
                if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") }
            ));
        }
        match (mutating, patch.is_empty(), patch_type) {
            (true, false, None) => return Err("webhook returned response.patch but not response.patchType".to_owned()),
            (true, true, Some(_)) => {
                return Err("webhook returned response.patchType but not response.patch".to_owned());
            }
            (true, _, Some("")) => return Err("webhook returned invalid response.patchType of \"\"".to_owned()),
            (false, false, _) => return Err("validating webhook may not return response.patch".to_owned()),
            (false, _, Some(_)) => return Err("validating webhook may not return response.patchType".to_owned()),
            _ => {}
        }
    }
    let patch = if mutating && !patch.is_empty() {
        Some(base64::engine::general_purpose::STANDARD.decode(patch).map_err(|error| error.to_string())?)
    } else {
        None
    };
    let annotations = response["auditAnnotations"].as_object().into_iter().flatten();
    Ok(Verdict {
        denied: (response["allowed"] != Value::Bool(true)).then(|| denied(&hook.name, &response["status"])),
        patch,
        patch_type: patch_type.unwrap_or("JSONPatch").to_owned(),
        audit_annotations: annotations.map(|(key, value)| (key.clone(), text(value).to_owned())).collect(),
        warnings: items(&response["warnings"]).iter().map(|warning| text(warning).to_owned()).collect(),
    })
}

/// The answer that a client gets when a webhook says no.
fn denied(hook: &str, status: &Value) -> Status {
    let by = format!("admission webhook {hook:?} denied the request");
    let (message, reason) = (text(&status["message"]), text(&status["reason"]));
    let message = match (message, reason) {
        ("", "") => format!("{by} without explanation"),
        ("", reason) => format!("{by}: {reason}"),
        (message, _) => format!("{by}: {message}"),
    };
    let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400);
    let code = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::BAD_REQUEST);
    let details = status["details"].as_object().map(|_| {
        let details = &status["details"];
        Details {
            name: text(&details["name"]).to_owned(),
            group: text(&details["group"]).to_owned(),
            kind: text(&details["kind"]).to_owned(),
            uid: text(&details["uid"]).to_owned(),
            causes: items(&details["causes"])
                .iter()
                .map(|cause| Cause {
                    reason: text(&cause["reason"]).to_owned(),
                    message: text(&cause["message"]).to_owned(),
                    field: text(&cause["field"]).to_owned(),
                })
                .collect(),
            retry_after_seconds: details["retryAfterSeconds"]
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok())
                .unwrap_or_default(),
        }
    });
    Status { code, reason: reason.to_owned().into(), message, details, list_continue: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_read_as_upstream_words_them() {
        let message = |status: Value| denied("x", &status).message;
        assert_eq!(message(json!({"message": "no"})), "admission webhook \"x\" denied the request: no");
        assert_eq!(message(json!({"reason": "Why"})), "admission webhook \"x\" denied the request: Why");
        assert_eq!(message(Value::Null), "admission webhook \"x\" denied the request without explanation");
        let status = denied("x", &json!({"code": 418, "reason": "Own"}));
        assert_eq!((status.code.as_u16(), &*status.reason), (418, "Own"));
        assert_eq!(denied("x", &json!({"code": 200})).code.as_u16(), 400);
    }
}
