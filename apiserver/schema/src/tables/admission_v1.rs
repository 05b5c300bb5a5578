//! The types of `admission_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{authentication_v1, meta_v1};
use crate::row::*;

pub static AdmissionRequest: Type = object("io.k8s.api.admission.v1.AdmissionRequest", &AdmissionRequest_F);
static AdmissionRequest_F: [Field; 15] = [
    g("uid", Shape::String, 1, 0, "types.UID", ""),
    f("kind", o(&meta_v1::GroupVersionKind), 2, 0),
    f("resource", o(&meta_v1::GroupVersionResource), 3, 0),
    f("subResource", Shape::String, 4, E),
    f("requestKind", o(&meta_v1::GroupVersionKind), 13, P | E),
    f("requestResource", o(&meta_v1::GroupVersionResource), 14, P | E),
    f("requestSubResource", Shape::String, 15, E),
    f("name", Shape::String, 5, E),
    f("namespace", Shape::String, 6, E),
    g("operation", Shape::String, 7, 0, "v1.Operation", ""),
    f("userInfo", o(&authentication_v1::UserInfo), 8, 0),
    f("object", Shape::Raw, 9, 0),
    f("oldObject", Shape::Raw, 10, 0),
    f("dryRun", Shape::Bool, 11, P | E),
    f("options", Shape::Raw, 12, 0),
];

pub static AdmissionResponse: Type = object("io.k8s.api.admission.v1.AdmissionResponse", &AdmissionResponse_F);
static AdmissionResponse_F: [Field; 7] = [
    g("uid", Shape::String, 1, 0, "types.UID", ""),
    f("allowed", Shape::Bool, 2, 0),
    f("status", o(&meta_v1::Status), 3, P | E),
    f("patch", Shape::Bytes, 4, E),
    g("patchType", Shape::String, 5, P | E, "v1.PatchType", ""),
    f("auditAnnotations", map(&STRING_S), 6, E),
    f("warnings", list(&STRING_S), 7, E),
];

pub static AdmissionReview: Type = object("io.k8s.api.admission.v1.AdmissionReview", &AdmissionReview_F);
static AdmissionReview_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("request", o(&AdmissionRequest), 1, P | E),
    f("response", o(&AdmissionResponse), 2, P | E),
];
