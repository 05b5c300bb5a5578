//! The types of `certificates_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static CertificateSigningRequest: Type = object("io.k8s.api.certificates.v1beta1.CertificateSigningRequest", &CertificateSigningRequest_F);
static CertificateSigningRequest_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CertificateSigningRequestSpec), 2, R),
    f("status", o(&CertificateSigningRequestStatus), 3, 0),
];

pub static CertificateSigningRequestCondition: Type = object("io.k8s.api.certificates.v1beta1.CertificateSigningRequestCondition", &CertificateSigningRequestCondition_F);
static CertificateSigningRequestCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1beta1.RequestConditionType", ""),
    g("status", Shape::String, 6, 0, "v1.ConditionStatus", ""),
    f("reason", Shape::String, 2, E),
    f("message", Shape::String, 3, E),
    f("lastUpdateTime", Shape::Time, 4, 0),
    f("lastTransitionTime", Shape::Time, 5, 0),
];

pub static CertificateSigningRequestList: Type = object("io.k8s.api.certificates.v1beta1.CertificateSigningRequestList", &CertificateSigningRequestList_F);
static CertificateSigningRequestList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CertificateSigningRequest_S), 2, R),
];

pub static CertificateSigningRequestSpec: Type = object("io.k8s.api.certificates.v1beta1.CertificateSigningRequestSpec", &CertificateSigningRequestSpec_F);
static CertificateSigningRequestSpec_F: [Field; 8] = [
    f("request", Shape::Bytes, 1, R),
    f("signerName", Shape::String, 7, P | E),
    f("expirationSeconds", Shape::Int32, 8, P | E),
    g("usages", list(&STRING_S), 5, E, "[]v1beta1.KeyUsage", ""),
    f("username", Shape::String, 2, E),
    f("uid", Shape::String, 3, E),
    f("groups", list(&STRING_S), 4, E),
    g("extra", map(&LIST_OF_STRING_S), 6, E, "map[string]v1beta1.ExtraValue", ""),
];

pub static CertificateSigningRequestStatus: Type = object("io.k8s.api.certificates.v1beta1.CertificateSigningRequestStatus", &CertificateSigningRequestStatus_F);
static CertificateSigningRequestStatus_F: [Field; 2] = [
    k("conditions", list(&CertificateSigningRequestCondition_S), 1, E, &BY_type, ""),
    f("certificate", Shape::Bytes, 2, E),
];

pub static ClusterTrustBundle: Type = object("io.k8s.api.certificates.v1beta1.ClusterTrustBundle", &ClusterTrustBundle_F);
static ClusterTrustBundle_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ClusterTrustBundleSpec), 2, R),
];

pub static ClusterTrustBundleList: Type = object("io.k8s.api.certificates.v1beta1.ClusterTrustBundleList", &ClusterTrustBundleList_F);
static ClusterTrustBundleList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ClusterTrustBundle_S), 2, R),
];

pub static ClusterTrustBundleSpec: Type = object("io.k8s.api.certificates.v1beta1.ClusterTrustBundleSpec", &ClusterTrustBundleSpec_F);
static ClusterTrustBundleSpec_F: [Field; 2] = [
    f("signerName", Shape::String, 1, E),
    f("trustBundle", Shape::String, 2, R),
];

pub static PodCertificateRequest: Type = object("io.k8s.api.certificates.v1beta1.PodCertificateRequest", &PodCertificateRequest_F);
static PodCertificateRequest_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PodCertificateRequestSpec), 2, R),
    f("status", o(&PodCertificateRequestStatus), 3, 0),
];

pub static PodCertificateRequestList: Type = object("io.k8s.api.certificates.v1beta1.PodCertificateRequestList", &PodCertificateRequestList_F);
static PodCertificateRequestList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PodCertificateRequest_S), 2, R),
];

pub static PodCertificateRequestSpec: Type = object("io.k8s.api.certificates.v1beta1.PodCertificateRequestSpec", &PodCertificateRequestSpec_F);
static PodCertificateRequestSpec_F: [Field; 12] = [
    f("signerName", Shape::String, 1, R),
    f("podName", Shape::String, 2, R),
    g("podUID", Shape::String, 3, R, "types.UID", ""),
    f("serviceAccountName", Shape::String, 4, R),
    g("serviceAccountUID", Shape::String, 5, R, "types.UID", ""),
    g("nodeName", Shape::String, 6, R, "types.NodeName", ""),
    g("nodeUID", Shape::String, 7, R, "types.UID", ""),
    g("maxExpirationSeconds", Shape::Int32, 8, P | E, "", "86400"),
    f("pkixPublicKey", Shape::Bytes, 9, 0),
    f("proofOfPossession", Shape::Bytes, 10, 0),
    f("stubPKCS10Request", Shape::Bytes, 12, R),
    f("unverifiedUserAnnotations", map(&STRING_S), 11, E),
];

pub static PodCertificateRequestStatus: Type = object("io.k8s.api.certificates.v1beta1.PodCertificateRequestStatus", &PodCertificateRequestStatus_F);
static PodCertificateRequestStatus_F: [Field; 5] = [
    k("conditions", list(&meta_v1::Condition_S), 1, E | MERGE, &BY_type, "type"),
    f("certificateChain", Shape::String, 2, E),
    f("notBefore", Shape::Time, 4, P | E),
    f("beginRefreshAt", Shape::Time, 5, P | E),
    f("notAfter", Shape::Time, 6, P | E),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static CertificateSigningRequestCondition_S: Shape = o(&CertificateSigningRequestCondition);
pub static CertificateSigningRequest_S: Shape = o(&CertificateSigningRequest);
pub static ClusterTrustBundle_S: Shape = o(&ClusterTrustBundle);
pub static PodCertificateRequest_S: Shape = o(&PodCertificateRequest);
