//! The types of `coordination_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static Lease: Type = object("io.k8s.api.coordination.v1beta1.Lease", &Lease_F);
static Lease_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&LeaseSpec), 2, 0),
];

pub static LeaseCandidate: Type = object("io.k8s.api.coordination.v1beta1.LeaseCandidate", &LeaseCandidate_F);
static LeaseCandidate_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&LeaseCandidateSpec), 2, R),
];

pub static LeaseCandidateList: Type = object("io.k8s.api.coordination.v1beta1.LeaseCandidateList", &LeaseCandidateList_F);
static LeaseCandidateList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&LeaseCandidate_S), 2, R),
];

pub static LeaseCandidateSpec: Type = object("io.k8s.api.coordination.v1beta1.LeaseCandidateSpec", &LeaseCandidateSpec_F);
static LeaseCandidateSpec_F: [Field; 6] = [
    f("leaseName", Shape::String, 1, R),
    f("pingTime", Shape::MicroTime, 2, P | E),
    f("renewTime", Shape::MicroTime, 3, P | E),
    f("binaryVersion", Shape::String, 4, R),
    f("emulationVersion", Shape::String, 5, E),
    g("strategy", Shape::String, 6, E | R, "v1.CoordinatedLeaseStrategy", ""),
];

pub static LeaseList: Type = object("io.k8s.api.coordination.v1beta1.LeaseList", &LeaseList_F);
static LeaseList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Lease_S), 2, R),
];

pub static LeaseSpec: Type = object("io.k8s.api.coordination.v1beta1.LeaseSpec", &LeaseSpec_F);
static LeaseSpec_F: [Field; 7] = [
    f("holderIdentity", Shape::String, 1, P | E),
    f("leaseDurationSeconds", Shape::Int32, 2, P | E),
    f("acquireTime", Shape::MicroTime, 3, P | E),
    f("renewTime", Shape::MicroTime, 4, P | E),
    f("leaseTransitions", Shape::Int32, 5, P | E),
    g("strategy", Shape::String, 6, P | E, "v1.CoordinatedLeaseStrategy", ""),
    f("preferredHolder", Shape::String, 7, P | E),
];

// Elements of lists and maps.
pub static LeaseCandidate_S: Shape = o(&LeaseCandidate);
pub static Lease_S: Shape = o(&Lease);
