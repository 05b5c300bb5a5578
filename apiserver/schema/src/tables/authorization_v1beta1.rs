//! The types of `authorization_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{authorization_v1, meta_v1};
use crate::row::*;

pub static LocalSubjectAccessReview: Type = object("io.k8s.api.authorization.v1beta1.LocalSubjectAccessReview", &LocalSubjectAccessReview_F);
static LocalSubjectAccessReview_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&SubjectAccessReviewSpec), 2, R),
    f("status", o(&SubjectAccessReviewStatus), 3, 0),
];

pub static NonResourceAttributes: Type = object("io.k8s.api.authorization.v1beta1.NonResourceAttributes", &NonResourceAttributes_F);
static NonResourceAttributes_F: [Field; 2] = [
    f("path", Shape::String, 1, E),
    f("verb", Shape::String, 2, E),
];

pub static NonResourceRule: Type = object("io.k8s.api.authorization.v1beta1.NonResourceRule", &NonResourceRule_F);
static NonResourceRule_F: [Field; 2] = [
    f("verbs", list(&STRING_S), 1, R),
    f("nonResourceURLs", list(&STRING_S), 2, E),
];

pub static ResourceAttributes: Type = object("io.k8s.api.authorization.v1beta1.ResourceAttributes", &ResourceAttributes_F);
static ResourceAttributes_F: [Field; 9] = [
    f("namespace", Shape::String, 1, E),
    f("verb", Shape::String, 2, E),
    f("group", Shape::String, 3, E),
    f("version", Shape::String, 4, E),
    f("resource", Shape::String, 5, E),
    f("subresource", Shape::String, 6, E),
    f("name", Shape::String, 7, E),
    f("fieldSelector", o(&authorization_v1::FieldSelectorAttributes), 8, P | E),
    f("labelSelector", o(&authorization_v1::LabelSelectorAttributes), 9, P | E),
];

pub static ResourceRule: Type = object("io.k8s.api.authorization.v1beta1.ResourceRule", &ResourceRule_F);
static ResourceRule_F: [Field; 4] = [
    f("verbs", list(&STRING_S), 1, R),
    f("apiGroups", list(&STRING_S), 2, E),
    f("resources", list(&STRING_S), 3, E),
    f("resourceNames", list(&STRING_S), 4, E),
];

pub static SelfSubjectAccessReview: Type = object("io.k8s.api.authorization.v1beta1.SelfSubjectAccessReview", &SelfSubjectAccessReview_F);
static SelfSubjectAccessReview_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&SelfSubjectAccessReviewSpec), 2, R),
    f("status", o(&SubjectAccessReviewStatus), 3, 0),
];

pub static SelfSubjectAccessReviewSpec: Type = object("io.k8s.api.authorization.v1beta1.SelfSubjectAccessReviewSpec", &SelfSubjectAccessReviewSpec_F);
static SelfSubjectAccessReviewSpec_F: [Field; 2] = [
    f("resourceAttributes", o(&ResourceAttributes), 1, P | E),
    f("nonResourceAttributes", o(&NonResourceAttributes), 2, P | E),
];

pub static SelfSubjectRulesReview: Type = object("io.k8s.api.authorization.v1beta1.SelfSubjectRulesReview", &SelfSubjectRulesReview_F);
static SelfSubjectRulesReview_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&SelfSubjectRulesReviewSpec), 2, R),
    f("status", o(&SubjectRulesReviewStatus), 3, 0),
];

pub static SelfSubjectRulesReviewSpec: Type = object("io.k8s.api.authorization.v1beta1.SelfSubjectRulesReviewSpec", &SelfSubjectRulesReviewSpec_F);
static SelfSubjectRulesReviewSpec_F: [Field; 1] = [
    f("namespace", Shape::String, 1, E),
];

pub static SubjectAccessReview: Type = object("io.k8s.api.authorization.v1beta1.SubjectAccessReview", &SubjectAccessReview_F);
static SubjectAccessReview_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&SubjectAccessReviewSpec), 2, R),
    f("status", o(&SubjectAccessReviewStatus), 3, 0),
];

pub static SubjectAccessReviewSpec: Type = object("io.k8s.api.authorization.v1beta1.SubjectAccessReviewSpec", &SubjectAccessReviewSpec_F);
static SubjectAccessReviewSpec_F: [Field; 6] = [
    f("resourceAttributes", o(&ResourceAttributes), 1, P | E),
    f("nonResourceAttributes", o(&NonResourceAttributes), 2, P | E),
    f("user", Shape::String, 3, E),
    f("group", list(&STRING_S), 4, E),
    g("extra", map(&LIST_OF_STRING_S), 5, E, "map[string]v1beta1.ExtraValue", ""),
    f("uid", Shape::String, 6, E),
];

pub static SubjectAccessReviewStatus: Type = object("io.k8s.api.authorization.v1beta1.SubjectAccessReviewStatus", &SubjectAccessReviewStatus_F);
static SubjectAccessReviewStatus_F: [Field; 4] = [
    f("allowed", Shape::Bool, 1, R),
    f("denied", Shape::Bool, 4, E),
    f("reason", Shape::String, 2, E),
    f("evaluationError", Shape::String, 3, E),
];

pub static SubjectRulesReviewStatus: Type = object("io.k8s.api.authorization.v1beta1.SubjectRulesReviewStatus", &SubjectRulesReviewStatus_F);
static SubjectRulesReviewStatus_F: [Field; 4] = [
    f("resourceRules", list(&ResourceRule_S), 1, R),
    f("nonResourceRules", list(&NonResourceRule_S), 2, R),
    f("incomplete", Shape::Bool, 3, R),
    f("evaluationError", Shape::String, 4, E),
];

// Elements of lists and maps.
pub static NonResourceRule_S: Shape = o(&NonResourceRule);
pub static ResourceRule_S: Shape = o(&ResourceRule);
