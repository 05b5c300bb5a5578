//! The types of `node_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static Overhead: Type = object("io.k8s.api.node.v1beta1.Overhead", &Overhead_F);
static Overhead_F: [Field; 1] = [
    g("podFixed", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
];

pub static RuntimeClass: Type = object("io.k8s.api.node.v1beta1.RuntimeClass", &RuntimeClass_F);
static RuntimeClass_F: [Field; 6] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("handler", Shape::String, 2, R),
    f("overhead", o(&Overhead), 3, P | E),
    f("scheduling", o(&Scheduling), 4, P | E),
];

pub static RuntimeClassList: Type = object("io.k8s.api.node.v1beta1.RuntimeClassList", &RuntimeClassList_F);
static RuntimeClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&RuntimeClass_S), 2, R),
];

pub static Scheduling: Type = object("io.k8s.api.node.v1beta1.Scheduling", &Scheduling_F);
static Scheduling_F: [Field; 2] = [
    f("nodeSelector", map(&STRING_S), 1, E | ATOMIC),
    f("tolerations", list(&core_v1::Toleration_S), 2, E),
];

// Elements of lists and maps.
pub static RuntimeClass_S: Shape = o(&RuntimeClass);
