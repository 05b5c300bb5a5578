//! The types of `apiregistration_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static APIService: Type = object("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService", &APIService_F);
static APIService_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&APIServiceSpec), 2, 0),
    f("status", o(&APIServiceStatus), 3, 0),
];

pub static APIServiceCondition: Type = object("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceCondition", &APIServiceCondition_F);
static APIServiceCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1.APIServiceConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static APIServiceList: Type = object("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceList", &APIServiceList_F);
static APIServiceList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&APIService_S), 2, R),
];

pub static APIServiceSpec: Type = object("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec", &APIServiceSpec_F);
static APIServiceSpec_F: [Field; 7] = [
    f("service", o(&ServiceReference), 1, P | E),
    f("group", Shape::String, 2, E),
    f("version", Shape::String, 3, E),
    f("insecureSkipTLSVerify", Shape::Bool, 4, E),
    f("caBundle", Shape::Bytes, 5, E),
    f("groupPriorityMinimum", Shape::Int32, 7, R),
    f("versionPriority", Shape::Int32, 8, R),
];

pub static APIServiceStatus: Type = object("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceStatus", &APIServiceStatus_F);
static APIServiceStatus_F: [Field; 1] = [
    k("conditions", list(&APIServiceCondition_S), 1, E | MERGE, &BY_type, "type"),
];

pub static ServiceReference: Type = object("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference", &ServiceReference_F);
static ServiceReference_F: [Field; 3] = [
    f("namespace", Shape::String, 1, E),
    f("name", Shape::String, 2, E),
    f("port", Shape::Int32, 3, P | E),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static APIServiceCondition_S: Shape = o(&APIServiceCondition);
pub static APIService_S: Shape = o(&APIService);
