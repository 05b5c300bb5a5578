//! The types of `imagepolicy_v1alpha1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static ImageReview: Type = object("io.k8s.api.imagepolicy.v1alpha1.ImageReview", &ImageReview_F);
static ImageReview_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ImageReviewSpec), 2, 0),
    f("status", o(&ImageReviewStatus), 3, 0),
];

pub static ImageReviewContainerSpec: Type = object("io.k8s.api.imagepolicy.v1alpha1.ImageReviewContainerSpec", &ImageReviewContainerSpec_F);
static ImageReviewContainerSpec_F: [Field; 1] = [
    f("image", Shape::String, 1, E),
];

pub static ImageReviewSpec: Type = object("io.k8s.api.imagepolicy.v1alpha1.ImageReviewSpec", &ImageReviewSpec_F);
static ImageReviewSpec_F: [Field; 3] = [
    f("containers", list(&ImageReviewContainerSpec_S), 1, E),
    f("annotations", map(&STRING_S), 2, E),
    f("namespace", Shape::String, 3, E),
];

pub static ImageReviewStatus: Type = object("io.k8s.api.imagepolicy.v1alpha1.ImageReviewStatus", &ImageReviewStatus_F);
static ImageReviewStatus_F: [Field; 3] = [
    f("allowed", Shape::Bool, 1, 0),
    f("reason", Shape::String, 2, E),
    f("auditAnnotations", map(&STRING_S), 3, E),
];

// Elements of lists and maps.
pub static ImageReviewContainerSpec_S: Shape = o(&ImageReviewContainerSpec);
