//! The types of `certificates_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static CertificateSigningRequest: Type = object("io.k8s.api.certificates.v1.CertificateSigningRequest", &CertificateSigningRequest_F);
static CertificateSigningRequest_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CertificateSigningRequestSpec), 2, R),
    f("status", o(&CertificateSigningRequestStatus), 3, 0),
];

pub static CertificateSigningRequestCondition: Type = object("io.k8s.api.certificates.v1.CertificateSigningRequestCondition", &CertificateSigningRequestCondition_F);
static CertificateSigningRequestCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1.RequestConditionType", ""),
    g("status", Shape::String, 6, R, "v1.ConditionStatus", ""),
    f("reason", Shape::String, 2, E),
    f("message", Shape::String, 3, E),
    f("lastUpdateTime", Shape::Time, 4, 0),
    f("lastTransitionTime", Shape::Time, 5, 0),
];

pub static CertificateSigningRequestList: Type = object("io.k8s.api.certificates.v1.CertificateSigningRequestList", &CertificateSigningRequestList_F);
static CertificateSigningRequestList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CertificateSigningRequest_S), 2, R),
];

pub static CertificateSigningRequestSpec: Type = object("io.k8s.api.certificates.v1.CertificateSigningRequestSpec", &CertificateSigningRequestSpec_F);
static CertificateSigningRequestSpec_F: [Field; 8] = [
    f("request", Shape::Bytes, 1, R),
    f("signerName", Shape::String, 7, R),
    f("expirationSeconds", Shape::Int32, 8, P | E),
    g("usages", list(&STRING_S), 5, E, "[]v1.KeyUsage", ""),
    f("username", Shape::String, 2, E),
    f("uid", Shape::String, 3, E),
    f("groups", list(&STRING_S), 4, E),
    g("extra", map(&LIST_OF_STRING_S), 6, E, "map[string]v1.ExtraValue", ""),
];

pub static CertificateSigningRequestStatus: Type = object("io.k8s.api.certificates.v1.CertificateSigningRequestStatus", &CertificateSigningRequestStatus_F);
static CertificateSigningRequestStatus_F: [Field; 2] = [
    k("conditions", list(&CertificateSigningRequestCondition_S), 1, E, &BY_type, ""),
    f("certificate", Shape::Bytes, 2, E),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static CertificateSigningRequestCondition_S: Shape = o(&CertificateSigningRequestCondition);
pub static CertificateSigningRequest_S: Shape = o(&CertificateSigningRequest);
