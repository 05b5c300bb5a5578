//! The types of `resource_v1alpha3`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static DeviceTaint: Type = object("io.k8s.api.resource.v1alpha3.DeviceTaint", &DeviceTaint_F);
static DeviceTaint_F: [Field; 4] = [
    f("key", Shape::String, 1, R),
    f("value", Shape::String, 2, E),
    g("effect", Shape::String, 3, R, "v1alpha3.DeviceTaintEffect", ""),
    f("timeAdded", Shape::Time, 4, P | E),
];

pub static DeviceTaintRule: Type = object("io.k8s.api.resource.v1alpha3.DeviceTaintRule", &DeviceTaintRule_F);
static DeviceTaintRule_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DeviceTaintRuleSpec), 2, R),
    f("status", o(&DeviceTaintRuleStatus), 3, 0),
];

pub static DeviceTaintRuleList: Type = object("io.k8s.api.resource.v1alpha3.DeviceTaintRuleList", &DeviceTaintRuleList_F);
static DeviceTaintRuleList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&DeviceTaintRule_S), 2, R),
];

pub static DeviceTaintRuleSpec: Type = object("io.k8s.api.resource.v1alpha3.DeviceTaintRuleSpec", &DeviceTaintRuleSpec_F);
static DeviceTaintRuleSpec_F: [Field; 2] = [
    f("deviceSelector", o(&DeviceTaintSelector), 1, P | E),
    f("taint", o(&DeviceTaint), 2, R),
];

pub static DeviceTaintRuleStatus: Type = object("io.k8s.api.resource.v1alpha3.DeviceTaintRuleStatus", &DeviceTaintRuleStatus_F);
static DeviceTaintRuleStatus_F: [Field; 1] = [
    k("conditions", list(&meta_v1::Condition_S), 1, E | MERGE, &BY_type, "type"),
];

pub static DeviceTaintSelector: Type = object("io.k8s.api.resource.v1alpha3.DeviceTaintSelector", &DeviceTaintSelector_F);
static DeviceTaintSelector_F: [Field; 3] = [
    f("driver", Shape::String, 2, P | E),
    f("pool", Shape::String, 3, P | E),
    f("device", Shape::String, 4, P | E),
];

pub static PoolStatus: Type = object("io.k8s.api.resource.v1alpha3.PoolStatus", &PoolStatus_F);
static PoolStatus_F: [Field; 10] = [
    f("driver", Shape::String, 1, E | R),
    f("poolName", Shape::String, 2, E | R),
    f("generation", Shape::Int64, 9, R),
    f("resourceSliceCount", Shape::Int32, 8, P | E),
    f("totalDevices", Shape::Int32, 4, P | E),
    f("allocatedDevices", Shape::Int32, 5, P | E),
    f("availableDevices", Shape::Int32, 6, P | E),
    f("unavailableDevices", Shape::Int32, 7, P | E),
    f("nodeName", Shape::String, 3, P | E),
    f("validationError", Shape::String, 10, P | E),
];

pub static ResourcePoolStatusRequest: Type = object("io.k8s.api.resource.v1alpha3.ResourcePoolStatusRequest", &ResourcePoolStatusRequest_F);
static ResourcePoolStatusRequest_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, R),
    f("spec", o(&ResourcePoolStatusRequestSpec), 2, R),
    f("status", o(&ResourcePoolStatusRequestStatus), 3, P | E),
];

pub static ResourcePoolStatusRequestList: Type = object("io.k8s.api.resource.v1alpha3.ResourcePoolStatusRequestList", &ResourcePoolStatusRequestList_F);
static ResourcePoolStatusRequestList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ResourcePoolStatusRequest_S), 2, R),
];

pub static ResourcePoolStatusRequestSpec: Type = object("io.k8s.api.resource.v1alpha3.ResourcePoolStatusRequestSpec", &ResourcePoolStatusRequestSpec_F);
static ResourcePoolStatusRequestSpec_F: [Field; 3] = [
    f("driver", Shape::String, 1, R),
    f("poolName", Shape::String, 2, P | E),
    g("limit", Shape::Int32, 3, P | E, "", "100"),
];

pub static ResourcePoolStatusRequestStatus: Type = object("io.k8s.api.resource.v1alpha3.ResourcePoolStatusRequestStatus", &ResourcePoolStatusRequestStatus_F);
static ResourcePoolStatusRequestStatus_F: [Field; 3] = [
    f("poolCount", Shape::Int32, 6, P | E | R),
    f("pools", list(&PoolStatus_S), 2, E),
    k("conditions", list(&meta_v1::Condition_S), 3, E | MERGE, &BY_type, "type"),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static DeviceTaintRule_S: Shape = o(&DeviceTaintRule);
pub static PoolStatus_S: Shape = o(&PoolStatus);
pub static ResourcePoolStatusRequest_S: Shape = o(&ResourcePoolStatusRequest);
