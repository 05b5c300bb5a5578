//! The types of `scheduling_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static PriorityClass: Type = object("io.k8s.api.scheduling.v1beta1.PriorityClass", &PriorityClass_F);
static PriorityClass_F: [Field; 7] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("value", Shape::Int32, 2, 0),
    f("globalDefault", Shape::Bool, 3, E),
    f("description", Shape::String, 4, E),
    g("preemptionPolicy", Shape::String, 5, P | E, "v1.PreemptionPolicy", ""),
];

pub static PriorityClassList: Type = object("io.k8s.api.scheduling.v1beta1.PriorityClassList", &PriorityClassList_F);
static PriorityClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PriorityClass_S), 2, R),
];

// Elements of lists and maps.
pub static PriorityClass_S: Shape = o(&PriorityClass);
