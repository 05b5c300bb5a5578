//! The types of `storage_v1alpha1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static CSIStorageCapacity: Type = object("io.k8s.api.storage.v1alpha1.CSIStorageCapacity", &CSIStorageCapacity_F);
static CSIStorageCapacity_F: [Field; 7] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("nodeTopology", o(&meta_v1::LabelSelector), 2, P | E),
    f("storageClassName", Shape::String, 3, R),
    f("capacity", Shape::Quantity, 4, P | E),
    f("maximumVolumeSize", Shape::Quantity, 5, P | E),
];

pub static CSIStorageCapacityList: Type = object("io.k8s.api.storage.v1alpha1.CSIStorageCapacityList", &CSIStorageCapacityList_F);
static CSIStorageCapacityList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CSIStorageCapacity_S), 2, R),
];

pub static VolumeAttachment: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttachment", &VolumeAttachment_F);
static VolumeAttachment_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&VolumeAttachmentSpec), 2, R),
    f("status", o(&VolumeAttachmentStatus), 3, 0),
];

pub static VolumeAttachmentList: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttachmentList", &VolumeAttachmentList_F);
static VolumeAttachmentList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&VolumeAttachment_S), 2, R),
];

pub static VolumeAttachmentSource: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttachmentSource", &VolumeAttachmentSource_F);
static VolumeAttachmentSource_F: [Field; 2] = [
    f("persistentVolumeName", Shape::String, 1, P | E),
    f("inlineVolumeSpec", o(&core_v1::PersistentVolumeSpec), 2, P | E),
];

pub static VolumeAttachmentSpec: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttachmentSpec", &VolumeAttachmentSpec_F);
static VolumeAttachmentSpec_F: [Field; 3] = [
    f("attacher", Shape::String, 1, R),
    f("source", o(&VolumeAttachmentSource), 2, R),
    f("nodeName", Shape::String, 3, R),
];

pub static VolumeAttachmentStatus: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttachmentStatus", &VolumeAttachmentStatus_F);
static VolumeAttachmentStatus_F: [Field; 4] = [
    f("attached", Shape::Bool, 1, R),
    f("attachmentMetadata", map(&STRING_S), 2, E),
    f("attachError", o(&VolumeError), 3, P | E),
    f("detachError", o(&VolumeError), 4, P | E),
];

pub static VolumeAttributesClass: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttributesClass", &VolumeAttributesClass_F);
static VolumeAttributesClass_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("driverName", Shape::String, 2, R),
    f("parameters", map(&STRING_S), 3, E),
];

pub static VolumeAttributesClassList: Type = object("io.k8s.api.storage.v1alpha1.VolumeAttributesClassList", &VolumeAttributesClassList_F);
static VolumeAttributesClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&VolumeAttributesClass_S), 2, R),
];

pub static VolumeError: Type = object("io.k8s.api.storage.v1alpha1.VolumeError", &VolumeError_F);
static VolumeError_F: [Field; 3] = [
    f("time", Shape::Time, 1, 0),
    f("message", Shape::String, 2, E),
    f("errorCode", Shape::Int32, 3, P | E),
];

// Elements of lists and maps.
pub static CSIStorageCapacity_S: Shape = o(&CSIStorageCapacity);
pub static VolumeAttachment_S: Shape = o(&VolumeAttachment);
pub static VolumeAttributesClass_S: Shape = o(&VolumeAttributesClass);
