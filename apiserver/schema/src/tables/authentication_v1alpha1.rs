//! The types of `authentication_v1alpha1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{authentication_v1, meta_v1};
use crate::row::*;

pub static SelfSubjectReview: Type = object("io.k8s.api.authentication.v1alpha1.SelfSubjectReview", &SelfSubjectReview_F);
static SelfSubjectReview_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("status", o(&SelfSubjectReviewStatus), 2, 0),
];

pub static SelfSubjectReviewStatus: Type = object("io.k8s.api.authentication.v1alpha1.SelfSubjectReviewStatus", &SelfSubjectReviewStatus_F);
static SelfSubjectReviewStatus_F: [Field; 1] = [
    f("userInfo", o(&authentication_v1::UserInfo), 1, 0),
];
