//! The types of `coordination_v1alpha2`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static LeaseCandidate: Type = object("io.k8s.api.coordination.v1alpha2.LeaseCandidate", &LeaseCandidate_F);
static LeaseCandidate_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&LeaseCandidateSpec), 2, R),
];

pub static LeaseCandidateList: Type = object("io.k8s.api.coordination.v1alpha2.LeaseCandidateList", &LeaseCandidateList_F);
static LeaseCandidateList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&LeaseCandidate_S), 2, R),
];

pub static LeaseCandidateSpec: Type = object("io.k8s.api.coordination.v1alpha2.LeaseCandidateSpec", &LeaseCandidateSpec_F);
static LeaseCandidateSpec_F: [Field; 6] = [
    f("leaseName", Shape::String, 1, R),
    f("pingTime", Shape::MicroTime, 2, P | E),
    f("renewTime", Shape::MicroTime, 3, P | E),
    f("binaryVersion", Shape::String, 4, R),
    f("emulationVersion", Shape::String, 5, E),
    g("strategy", Shape::String, 6, E | R, "v1.CoordinatedLeaseStrategy", ""),
];

// Elements of lists and maps.
pub static LeaseCandidate_S: Shape = o(&LeaseCandidate);
