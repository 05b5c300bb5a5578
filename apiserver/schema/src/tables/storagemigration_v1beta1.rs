//! The types of `storagemigration_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static StorageVersionMigration: Type = object("io.k8s.api.storagemigration.v1beta1.StorageVersionMigration", &StorageVersionMigration_F);
static StorageVersionMigration_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&StorageVersionMigrationSpec), 2, 0),
    f("status", o(&StorageVersionMigrationStatus), 3, 0),
];

pub static StorageVersionMigrationList: Type = object("io.k8s.api.storagemigration.v1beta1.StorageVersionMigrationList", &StorageVersionMigrationList_F);
static StorageVersionMigrationList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&StorageVersionMigration_S), 2, R),
];

pub static StorageVersionMigrationSpec: Type = object("io.k8s.api.storagemigration.v1beta1.StorageVersionMigrationSpec", &StorageVersionMigrationSpec_F);
static StorageVersionMigrationSpec_F: [Field; 1] = [
    f("resource", o(&meta_v1::GroupResource), 1, R),
];

pub static StorageVersionMigrationStatus: Type = object("io.k8s.api.storagemigration.v1beta1.StorageVersionMigrationStatus", &StorageVersionMigrationStatus_F);
static StorageVersionMigrationStatus_F: [Field; 2] = [
    k("conditions", list(&meta_v1::Condition_S), 1, E | MERGE, &BY_type, "type"),
    f("resourceVersion", Shape::String, 2, E),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static StorageVersionMigration_S: Shape = o(&StorageVersionMigration);
