//! The types of `storage_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static CSIDriver: Type = object("io.k8s.api.storage.v1.CSIDriver", &CSIDriver_F);
static CSIDriver_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CSIDriverSpec), 2, R),
];

pub static CSIDriverList: Type = object("io.k8s.api.storage.v1.CSIDriverList", &CSIDriverList_F);
static CSIDriverList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CSIDriver_S), 2, R),
];

pub static CSIDriverSpec: Type = object("io.k8s.api.storage.v1.CSIDriverSpec", &CSIDriverSpec_F);
static CSIDriverSpec_F: [Field; 11] = [
    f("attachRequired", Shape::Bool, 1, P | E),
    f("podInfoOnMount", Shape::Bool, 2, P | E),
    g("volumeLifecycleModes", list(&STRING_S), 3, E | SET, "[]v1.VolumeLifecycleMode", ""),
    f("storageCapacity", Shape::Bool, 4, P | E),
    g("fsGroupPolicy", Shape::String, 5, P | E, "v1.FSGroupPolicy", ""),
    f("tokenRequests", list(&TokenRequest_S), 6, E),
    f("requiresRepublish", Shape::Bool, 7, P | E),
    f("seLinuxMount", Shape::Bool, 8, P | E),
    f("nodeAllocatableUpdatePeriodSeconds", Shape::Int64, 9, P | E),
    f("serviceAccountTokenInSecrets", Shape::Bool, 10, P | E),
    f("preventPodSchedulingIfMissing", Shape::Bool, 11, P | E),
];

pub static CSINode: Type = object("io.k8s.api.storage.v1.CSINode", &CSINode_F);
static CSINode_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CSINodeSpec), 2, R),
];

pub static CSINodeDriver: Type = object("io.k8s.api.storage.v1.CSINodeDriver", &CSINodeDriver_F);
static CSINodeDriver_F: [Field; 4] = [
    f("name", Shape::String, 1, R),
    f("nodeID", Shape::String, 2, R),
    f("topologyKeys", list(&STRING_S), 3, 0),
    f("allocatable", o(&VolumeNodeResources), 4, P | E),
];

pub static CSINodeList: Type = object("io.k8s.api.storage.v1.CSINodeList", &CSINodeList_F);
static CSINodeList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CSINode_S), 2, R),
];

pub static CSINodeSpec: Type = object("io.k8s.api.storage.v1.CSINodeSpec", &CSINodeSpec_F);
static CSINodeSpec_F: [Field; 1] = [
    k("drivers", list(&CSINodeDriver_S), 1, R | MERGE, &BY_name, "name"),
];

pub static CSIStorageCapacity: Type = object("io.k8s.api.storage.v1.CSIStorageCapacity", &CSIStorageCapacity_F);
static CSIStorageCapacity_F: [Field; 7] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("nodeTopology", o(&meta_v1::LabelSelector), 2, P | E),
    f("storageClassName", Shape::String, 3, R),
    f("capacity", Shape::Quantity, 4, P | E),
    f("maximumVolumeSize", Shape::Quantity, 5, P | E),
];

pub static CSIStorageCapacityList: Type = object("io.k8s.api.storage.v1.CSIStorageCapacityList", &CSIStorageCapacityList_F);
static CSIStorageCapacityList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CSIStorageCapacity_S), 2, R),
];

pub static StorageClass: Type = object("io.k8s.api.storage.v1.StorageClass", &StorageClass_F);
static StorageClass_F: [Field; 10] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("provisioner", Shape::String, 2, R),
    f("parameters", map(&STRING_S), 3, E),
    g("reclaimPolicy", Shape::String, 4, P | E, "v1.PersistentVolumeReclaimPolicy", ""),
    f("mountOptions", list(&STRING_S), 5, E),
    f("allowVolumeExpansion", Shape::Bool, 6, P | E),
    g("volumeBindingMode", Shape::String, 7, P | E, "v1.VolumeBindingMode", ""),
    f("allowedTopologies", list(&core_v1::TopologySelectorTerm_S), 8, E),
];

pub static StorageClassList: Type = object("io.k8s.api.storage.v1.StorageClassList", &StorageClassList_F);
static StorageClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&StorageClass_S), 2, R),
];

pub static TokenRequest: Type = object("io.k8s.api.storage.v1.TokenRequest", &TokenRequest_F);
static TokenRequest_F: [Field; 2] = [
    f("audience", Shape::String, 1, R),
    f("expirationSeconds", Shape::Int64, 2, P | E),
];

pub static VolumeAttachment: Type = object("io.k8s.api.storage.v1.VolumeAttachment", &VolumeAttachment_F);
static VolumeAttachment_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&VolumeAttachmentSpec), 2, R),
    f("status", o(&VolumeAttachmentStatus), 3, 0),
];

pub static VolumeAttachmentList: Type = object("io.k8s.api.storage.v1.VolumeAttachmentList", &VolumeAttachmentList_F);
static VolumeAttachmentList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&VolumeAttachment_S), 2, R),
];

pub static VolumeAttachmentSource: Type = object("io.k8s.api.storage.v1.VolumeAttachmentSource", &VolumeAttachmentSource_F);
static VolumeAttachmentSource_F: [Field; 2] = [
    f("persistentVolumeName", Shape::String, 1, P | E),
    f("inlineVolumeSpec", o(&core_v1::PersistentVolumeSpec), 2, P | E),
];

pub static VolumeAttachmentSpec: Type = object("io.k8s.api.storage.v1.VolumeAttachmentSpec", &VolumeAttachmentSpec_F);
static VolumeAttachmentSpec_F: [Field; 3] = [
    f("attacher", Shape::String, 1, R),
    f("source", o(&VolumeAttachmentSource), 2, R),
    f("nodeName", Shape::String, 3, R),
];

pub static VolumeAttachmentStatus: Type = object("io.k8s.api.storage.v1.VolumeAttachmentStatus", &VolumeAttachmentStatus_F);
static VolumeAttachmentStatus_F: [Field; 4] = [
    f("attached", Shape::Bool, 1, R),
    f("attachmentMetadata", map(&STRING_S), 2, E),
    f("attachError", o(&VolumeError), 3, P | E),
    f("detachError", o(&VolumeError), 4, P | E),
];

pub static VolumeAttributesClass: Type = object("io.k8s.api.storage.v1.VolumeAttributesClass", &VolumeAttributesClass_F);
static VolumeAttributesClass_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("driverName", Shape::String, 2, R),
    f("parameters", map(&STRING_S), 3, E),
];

pub static VolumeAttributesClassList: Type = object("io.k8s.api.storage.v1.VolumeAttributesClassList", &VolumeAttributesClassList_F);
static VolumeAttributesClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&VolumeAttributesClass_S), 2, R),
];

pub static VolumeError: Type = object("io.k8s.api.storage.v1.VolumeError", &VolumeError_F);
static VolumeError_F: [Field; 3] = [
    f("time", Shape::Time, 1, 0),
    f("message", Shape::String, 2, E),
    f("errorCode", Shape::Int32, 3, P | E),
];

pub static VolumeNodeResources: Type = object("io.k8s.api.storage.v1.VolumeNodeResources", &VolumeNodeResources_F);
static VolumeNodeResources_F: [Field; 1] = [
    f("count", Shape::Int32, 1, P | E),
];

// Keys of lists.
static BY_name: [Key; 1] = [key("name")];

// Elements of lists and maps.
pub static CSIDriver_S: Shape = o(&CSIDriver);
pub static CSINodeDriver_S: Shape = o(&CSINodeDriver);
pub static CSINode_S: Shape = o(&CSINode);
pub static CSIStorageCapacity_S: Shape = o(&CSIStorageCapacity);
pub static StorageClass_S: Shape = o(&StorageClass);
pub static TokenRequest_S: Shape = o(&TokenRequest);
pub static VolumeAttachment_S: Shape = o(&VolumeAttachment);
pub static VolumeAttributesClass_S: Shape = o(&VolumeAttributesClass);
