//! The types of `certificates_v1alpha1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static ClusterTrustBundle: Type = object("io.k8s.api.certificates.v1alpha1.ClusterTrustBundle", &ClusterTrustBundle_F);
static ClusterTrustBundle_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ClusterTrustBundleSpec), 2, R),
];

pub static ClusterTrustBundleList: Type = object("io.k8s.api.certificates.v1alpha1.ClusterTrustBundleList", &ClusterTrustBundleList_F);
static ClusterTrustBundleList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ClusterTrustBundle_S), 2, R),
];

pub static ClusterTrustBundleSpec: Type = object("io.k8s.api.certificates.v1alpha1.ClusterTrustBundleSpec", &ClusterTrustBundleSpec_F);
static ClusterTrustBundleSpec_F: [Field; 2] = [
    f("signerName", Shape::String, 1, E),
    f("trustBundle", Shape::String, 2, R),
];

// Elements of lists and maps.
pub static ClusterTrustBundle_S: Shape = o(&ClusterTrustBundle);
