//! The types of `apiserverinternal_v1alpha1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static ServerStorageVersion: Type = object("io.k8s.api.apiserverinternal.v1alpha1.ServerStorageVersion", &ServerStorageVersion_F);
static ServerStorageVersion_F: [Field; 4] = [
    f("apiServerID", Shape::String, 1, E | R),
    f("encodingVersion", Shape::String, 2, E | R),
    f("decodableVersions", list(&STRING_S), 3, E | R | SET),
    f("servedVersions", list(&STRING_S), 4, E | SET),
];

pub static StorageVersion: Type = object("io.k8s.api.apiserverinternal.v1alpha1.StorageVersion", &StorageVersion_F);
static StorageVersion_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, R),
    f("spec", o(&StorageVersionSpec), 2, 0),
    f("status", o(&StorageVersionStatus), 3, 0),
];

pub static StorageVersionCondition: Type = object("io.k8s.api.apiserverinternal.v1alpha1.StorageVersionCondition", &StorageVersionCondition_F);
static StorageVersionCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1alpha1.StorageVersionConditionType", ""),
    g("status", Shape::String, 2, R, "v1alpha1.ConditionStatus", ""),
    f("observedGeneration", Shape::Int64, 3, E),
    f("lastTransitionTime", Shape::Time, 4, 0),
    f("reason", Shape::String, 5, R),
    f("message", Shape::String, 6, E | R),
];

pub static StorageVersionList: Type = object("io.k8s.api.apiserverinternal.v1alpha1.StorageVersionList", &StorageVersionList_F);
static StorageVersionList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&StorageVersion_S), 2, R),
];

pub static StorageVersionSpec: Type = object("io.k8s.api.apiserverinternal.v1alpha1.StorageVersionSpec", &StorageVersionSpec_F);
static StorageVersionSpec_F: [Field; 0] = [
];

pub static StorageVersionStatus: Type = object("io.k8s.api.apiserverinternal.v1alpha1.StorageVersionStatus", &StorageVersionStatus_F);
static StorageVersionStatus_F: [Field; 3] = [
    k("storageVersions", list(&ServerStorageVersion_S), 1, E, &BY_apiServerID, ""),
    f("commonEncodingVersion", Shape::String, 2, P | E),
    k("conditions", list(&StorageVersionCondition_S), 3, E, &BY_type, ""),
];

// Keys of lists.
static BY_apiServerID: [Key; 1] = [key("apiServerID")];
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static ServerStorageVersion_S: Shape = o(&ServerStorageVersion);
pub static StorageVersionCondition_S: Shape = o(&StorageVersionCondition);
pub static StorageVersion_S: Shape = o(&StorageVersion);
