//! The types of `discovery_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static Endpoint: Type = object("io.k8s.api.discovery.v1beta1.Endpoint", &Endpoint_F);
static Endpoint_F: [Field; 7] = [
    f("addresses", list(&STRING_S), 1, R | SET),
    f("conditions", o(&EndpointConditions), 2, 0),
    f("hostname", Shape::String, 3, P | E),
    f("targetRef", o(&core_v1::ObjectReference), 4, P | E),
    f("topology", map(&STRING_S), 5, E),
    f("nodeName", Shape::String, 6, P | E),
    f("hints", o(&EndpointHints), 7, P | E),
];

pub static EndpointConditions: Type = object("io.k8s.api.discovery.v1beta1.EndpointConditions", &EndpointConditions_F);
static EndpointConditions_F: [Field; 3] = [
    f("ready", Shape::Bool, 1, P | E),
    f("serving", Shape::Bool, 2, P | E),
    f("terminating", Shape::Bool, 3, P | E),
];

pub static EndpointHints: Type = object("io.k8s.api.discovery.v1beta1.EndpointHints", &EndpointHints_F);
static EndpointHints_F: [Field; 2] = [
    f("forZones", list(&ForZone_S), 1, E),
    f("forNodes", list(&ForNode_S), 2, E),
];

pub static EndpointPort: Type = object("io.k8s.api.discovery.v1beta1.EndpointPort", &EndpointPort_F);
static EndpointPort_F: [Field; 4] = [
    f("name", Shape::String, 1, P | E),
    g("protocol", Shape::String, 2, P | E, "v1.Protocol", ""),
    f("port", Shape::Int32, 3, P | E),
    f("appProtocol", Shape::String, 4, P | E),
];

pub static EndpointSlice: Type = object("io.k8s.api.discovery.v1beta1.EndpointSlice", &EndpointSlice_F);
static EndpointSlice_F: [Field; 6] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    g("addressType", Shape::String, 4, R, "v1beta1.AddressType", ""),
    f("endpoints", list(&Endpoint_S), 2, R),
    f("ports", list(&EndpointPort_S), 3, 0),
];

pub static EndpointSliceList: Type = object("io.k8s.api.discovery.v1beta1.EndpointSliceList", &EndpointSliceList_F);
static EndpointSliceList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&EndpointSlice_S), 2, R),
];

pub static ForNode: Type = object("io.k8s.api.discovery.v1beta1.ForNode", &ForNode_F);
static ForNode_F: [Field; 1] = [
    f("name", Shape::String, 1, R),
];

pub static ForZone: Type = object("io.k8s.api.discovery.v1beta1.ForZone", &ForZone_F);
static ForZone_F: [Field; 1] = [
    f("name", Shape::String, 1, R),
];

// Elements of lists and maps.
pub static EndpointPort_S: Shape = o(&EndpointPort);
pub static EndpointSlice_S: Shape = o(&EndpointSlice);
pub static Endpoint_S: Shape = o(&Endpoint);
pub static ForNode_S: Shape = o(&ForNode);
pub static ForZone_S: Shape = o(&ForZone);
