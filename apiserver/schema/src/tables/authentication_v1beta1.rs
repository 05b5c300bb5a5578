//! The types of `authentication_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{authentication_v1, meta_v1};
use crate::row::*;

pub static SelfSubjectReview: Type = object("io.k8s.api.authentication.v1beta1.SelfSubjectReview", &SelfSubjectReview_F);
static SelfSubjectReview_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("status", o(&SelfSubjectReviewStatus), 2, 0),
];

pub static SelfSubjectReviewStatus: Type = object("io.k8s.api.authentication.v1beta1.SelfSubjectReviewStatus", &SelfSubjectReviewStatus_F);
static SelfSubjectReviewStatus_F: [Field; 1] = [
    f("userInfo", o(&authentication_v1::UserInfo), 1, 0),
];

pub static TokenReview: Type = object("io.k8s.api.authentication.v1beta1.TokenReview", &TokenReview_F);
static TokenReview_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&TokenReviewSpec), 2, R),
    f("status", o(&TokenReviewStatus), 3, 0),
];

pub static TokenReviewSpec: Type = object("io.k8s.api.authentication.v1beta1.TokenReviewSpec", &TokenReviewSpec_F);
static TokenReviewSpec_F: [Field; 2] = [
    f("token", Shape::String, 1, E | R),
    f("audiences", list(&STRING_S), 2, E),
];

pub static TokenReviewStatus: Type = object("io.k8s.api.authentication.v1beta1.TokenReviewStatus", &TokenReviewStatus_F);
static TokenReviewStatus_F: [Field; 4] = [
    f("authenticated", Shape::Bool, 1, E),
    f("user", o(&UserInfo), 2, 0),
    f("audiences", list(&STRING_S), 4, E),
    f("error", Shape::String, 3, E),
];

pub static UserInfo: Type = object("io.k8s.api.authentication.v1beta1.UserInfo", &UserInfo_F);
static UserInfo_F: [Field; 4] = [
    f("username", Shape::String, 1, E),
    f("uid", Shape::String, 2, E),
    f("groups", list(&STRING_S), 3, E),
    g("extra", map(&LIST_OF_STRING_S), 4, E, "map[string]v1beta1.ExtraValue", ""),
];
