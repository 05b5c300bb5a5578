//! The types of `coordination_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static Lease: Type = object("io.k8s.api.coordination.v1.Lease", &Lease_F);
static Lease_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&LeaseSpec), 2, 0),
];

pub static LeaseList: Type = object("io.k8s.api.coordination.v1.LeaseList", &LeaseList_F);
static LeaseList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Lease_S), 2, R),
];

pub static LeaseSpec: Type = object("io.k8s.api.coordination.v1.LeaseSpec", &LeaseSpec_F);
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
pub static Lease_S: Shape = o(&Lease);
