//! The types of `meta_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use crate::row::*;

pub static APIGroup: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup", &APIGroup_F);
static APIGroup_F: [Field; 6] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("name", Shape::String, 1, R),
    f("versions", list(&GroupVersionForDiscovery_S), 2, R),
    f("preferredVersion", o(&GroupVersionForDiscovery), 3, 0),
    f("serverAddressByClientCIDRs", list(&ServerAddressByClientCIDR_S), 4, E),
];

pub static APIGroupList: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList", &APIGroupList_F);
static APIGroupList_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("groups", list(&APIGroup_S), 1, R),
];

pub static APIResource: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.APIResource", &APIResource_F);
static APIResource_F: [Field; 10] = [
    f("name", Shape::String, 1, R),
    f("singularName", Shape::String, 6, R),
    f("namespaced", Shape::Bool, 2, R),
    f("group", Shape::String, 8, E),
    f("version", Shape::String, 9, E),
    f("kind", Shape::String, 3, R),
    g("verbs", list(&STRING_S), 4, R | W, "v1.Verbs", ""),
    f("shortNames", list(&STRING_S), 5, E),
    f("categories", list(&STRING_S), 7, E),
    f("storageVersionHash", Shape::String, 10, E),
];

pub static APIResourceList: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList", &APIResourceList_F);
static APIResourceList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("groupVersion", Shape::String, 1, R),
    f("resources", list(&APIResource_S), 2, R),
];

pub static APIVersions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions", &APIVersions_F);
static APIVersions_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("versions", list(&STRING_S), 1, R),
    f("serverAddressByClientCIDRs", list(&ServerAddressByClientCIDR_S), 2, R),
];

pub static Condition: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.Condition", &Condition_F);
static Condition_F: [Field; 6] = [
    f("type", Shape::String, 1, R),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("observedGeneration", Shape::Int64, 3, E),
    f("lastTransitionTime", Shape::Time, 4, R),
    f("reason", Shape::String, 5, R),
    f("message", Shape::String, 6, R),
];

pub static CreateOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.CreateOptions", &CreateOptions_F);
static CreateOptions_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("dryRun", list(&STRING_S), 1, E),
    f("fieldManager", Shape::String, 3, E),
    f("fieldValidation", Shape::String, 4, E),
];

pub static DeleteOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", &DeleteOptions_F);
static DeleteOptions_F: [Field; 8] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("gracePeriodSeconds", Shape::Int64, 1, P | E),
    f("preconditions", o(&Preconditions), 2, P | E),
    f("orphanDependents", Shape::Bool, 3, P | E),
    g("propagationPolicy", Shape::String, 4, P | E, "v1.DeletionPropagation", ""),
    f("dryRun", list(&STRING_S), 5, E),
    f("ignoreStoreReadErrorWithClusterBreakingPotential", Shape::Bool, 6, P | E),
];

pub static FieldSelectorRequirement: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement", &FieldSelectorRequirement_F);
static FieldSelectorRequirement_F: [Field; 3] = [
    f("key", Shape::String, 1, R),
    g("operator", Shape::String, 2, R, "v1.FieldSelectorOperator", ""),
    f("values", list(&STRING_S), 3, E),
];

pub static GetOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.GetOptions", &GetOptions_F);
static GetOptions_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("resourceVersion", Shape::String, 1, E),
];

pub static GroupResource: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource", &GroupResource_F);
static GroupResource_F: [Field; 2] = [
    f("group", Shape::String, 1, R),
    f("resource", Shape::String, 2, R),
];

pub static GroupVersionForDiscovery: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery", &GroupVersionForDiscovery_F);
static GroupVersionForDiscovery_F: [Field; 2] = [
    f("groupVersion", Shape::String, 1, R),
    f("version", Shape::String, 2, R),
];

pub static GroupVersionKind: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionKind", &GroupVersionKind_F);
static GroupVersionKind_F: [Field; 3] = [
    f("group", Shape::String, 1, R),
    f("version", Shape::String, 2, R),
    f("kind", Shape::String, 3, R),
];

pub static GroupVersionResource: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionResource", &GroupVersionResource_F);
static GroupVersionResource_F: [Field; 3] = [
    f("group", Shape::String, 1, R),
    f("version", Shape::String, 2, R),
    f("resource", Shape::String, 3, R),
];

pub static LabelSelector: Type = atomic_object("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector", &LabelSelector_F);
static LabelSelector_F: [Field; 2] = [
    f("matchLabels", map(&STRING_S), 1, E),
    f("matchExpressions", list(&LabelSelectorRequirement_S), 2, E),
];

pub static LabelSelectorRequirement: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement", &LabelSelectorRequirement_F);
static LabelSelectorRequirement_F: [Field; 3] = [
    f("key", Shape::String, 1, R),
    g("operator", Shape::String, 2, R, "v1.LabelSelectorOperator", ""),
    f("values", list(&STRING_S), 3, E),
];

pub static ListMeta: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", &ListMeta_F);
static ListMeta_F: [Field; 5] = [
    f("selfLink", Shape::String, 1, E),
    f("resourceVersion", Shape::String, 2, E),
    f("continue", Shape::String, 3, E),
    f("remainingItemCount", Shape::Int64, 4, P | E),
    f("shardInfo", o(&ShardInfo), 5, P | E),
];

pub static ListOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.ListOptions", &ListOptions_F);
static ListOptions_F: [Field; 13] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("labelSelector", Shape::String, 1, E),
    f("fieldSelector", Shape::String, 2, E),
    f("watch", Shape::Bool, 3, E),
    f("allowWatchBookmarks", Shape::Bool, 9, E),
    f("resourceVersion", Shape::String, 4, E),
    g("resourceVersionMatch", Shape::String, 10, E, "v1.ResourceVersionMatch", ""),
    f("timeoutSeconds", Shape::Int64, 5, P | E),
    f("limit", Shape::Int64, 7, E),
    f("continue", Shape::String, 8, E),
    f("sendInitialEvents", Shape::Bool, 11, P | E),
    f("shardSelector", Shape::String, 15, E),
];

pub static ManagedFieldsEntry: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry", &ManagedFieldsEntry_F);
static ManagedFieldsEntry_F: [Field; 7] = [
    f("manager", Shape::String, 1, E),
    g("operation", Shape::String, 2, E, "v1.ManagedFieldsOperationType", ""),
    f("apiVersion", Shape::String, 3, E),
    f("time", Shape::Time, 4, P | E),
    f("fieldsType", Shape::String, 6, E),
    f("fieldsV1", Shape::FieldsV1, 7, P | E),
    f("subresource", Shape::String, 8, E),
];

pub static ObjectMeta: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", &ObjectMeta_F);
static ObjectMeta_F: [Field; 15] = [
    f("name", Shape::String, 1, E),
    f("generateName", Shape::String, 2, E),
    f("namespace", Shape::String, 3, E),
    f("selfLink", Shape::String, 4, E),
    g("uid", Shape::String, 5, E, "types.UID", ""),
    f("resourceVersion", Shape::String, 6, E),
    f("generation", Shape::Int64, 7, E),
    f("creationTimestamp", Shape::Time, 8, Z),
    f("deletionTimestamp", Shape::Time, 9, P | E),
    f("deletionGracePeriodSeconds", Shape::Int64, 10, P | E),
    f("labels", map(&STRING_S), 11, E),
    f("annotations", map(&STRING_S), 12, E),
    k("ownerReferences", list(&OwnerReference_S), 13, E | MERGE, &BY_uid, "uid"),
    f("finalizers", list(&STRING_S), 14, E | SET | MERGE),
    f("managedFields", list(&ManagedFieldsEntry_S), 17, E),
];

pub static OwnerReference: Type = atomic_object("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference", &OwnerReference_F);
static OwnerReference_F: [Field; 6] = [
    f("apiVersion", Shape::String, 5, R),
    f("kind", Shape::String, 1, R),
    f("name", Shape::String, 3, R),
    g("uid", Shape::String, 4, R, "types.UID", ""),
    f("controller", Shape::Bool, 6, P | E),
    f("blockOwnerDeletion", Shape::Bool, 7, P | E),
];

pub static PartialObjectMetadata: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata", &PartialObjectMetadata_F);
static PartialObjectMetadata_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&ObjectMeta), 1, 0),
];

pub static PartialObjectMetadataList: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList", &PartialObjectMetadataList_F);
static PartialObjectMetadataList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&ListMeta), 1, 0),
    f("items", list(&PartialObjectMetadata_S), 2, R),
];

pub static PatchOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.PatchOptions", &PatchOptions_F);
static PatchOptions_F: [Field; 6] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("dryRun", list(&STRING_S), 1, E),
    f("force", Shape::Bool, 2, P | E),
    f("fieldManager", Shape::String, 3, E),
    f("fieldValidation", Shape::String, 4, E),
];

pub static Preconditions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions", &Preconditions_F);
static Preconditions_F: [Field; 2] = [
    g("uid", Shape::String, 1, P | E, "types.UID", ""),
    f("resourceVersion", Shape::String, 2, P | E),
];

pub static ServerAddressByClientCIDR: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR", &ServerAddressByClientCIDR_F);
static ServerAddressByClientCIDR_F: [Field; 2] = [
    f("clientCIDR", Shape::String, 1, R),
    f("serverAddress", Shape::String, 2, R),
];

pub static ShardInfo: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.ShardInfo", &ShardInfo_F);
static ShardInfo_F: [Field; 1] = [
    f("selector", Shape::String, 1, R),
];

pub static Status: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.Status", &Status_F);
static Status_F: [Field; 8] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&ListMeta), 1, 0),
    f("status", Shape::String, 2, E),
    f("message", Shape::String, 3, E),
    g("reason", Shape::String, 4, E, "v1.StatusReason", ""),
    f("details", o(&StatusDetails), 5, P | E),
    f("code", Shape::Int32, 6, E),
];

pub static StatusCause: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause", &StatusCause_F);
static StatusCause_F: [Field; 3] = [
    g("reason", Shape::String, 1, E, "v1.CauseType", ""),
    f("message", Shape::String, 2, E),
    f("field", Shape::String, 3, E),
];

pub static StatusDetails: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails", &StatusDetails_F);
static StatusDetails_F: [Field; 6] = [
    f("name", Shape::String, 1, E),
    f("group", Shape::String, 2, E),
    f("kind", Shape::String, 3, E),
    g("uid", Shape::String, 6, E, "types.UID", ""),
    f("causes", list(&StatusCause_S), 4, E),
    f("retryAfterSeconds", Shape::Int32, 5, E),
];

pub static Table: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.Table", &Table_F);
static Table_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&ListMeta), 0, 0),
    f("columnDefinitions", list(&TableColumnDefinition_S), 0, R),
    f("rows", list(&TableRow_S), 0, R),
];

pub static TableColumnDefinition: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.TableColumnDefinition", &TableColumnDefinition_F);
static TableColumnDefinition_F: [Field; 5] = [
    f("name", Shape::String, 0, R),
    f("type", Shape::String, 0, R),
    f("format", Shape::String, 0, R),
    f("description", Shape::String, 0, R),
    f("priority", Shape::Int32, 0, R),
];

pub static TableOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.TableOptions", &TableOptions_F);
static TableOptions_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    g("includeObject", Shape::String, 1, E, "v1.IncludeObjectPolicy", ""),
];

pub static TableRow: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.TableRow", &TableRow_F);
static TableRow_F: [Field; 3] = [
    g("cells", list(&RAW_S), 0, R, "[]interface {}", ""),
    f("conditions", list(&TableRowCondition_S), 0, E),
    f("object", Shape::Raw, 0, 0),
];

pub static TableRowCondition: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.TableRowCondition", &TableRowCondition_F);
static TableRowCondition_F: [Field; 4] = [
    g("type", Shape::String, 0, R, "v1.RowConditionType", ""),
    g("status", Shape::String, 0, R, "v1.ConditionStatus", ""),
    f("reason", Shape::String, 0, E),
    f("message", Shape::String, 0, E),
];

pub static UpdateOptions: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.UpdateOptions", &UpdateOptions_F);
static UpdateOptions_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("dryRun", list(&STRING_S), 1, E),
    f("fieldManager", Shape::String, 2, E),
    f("fieldValidation", Shape::String, 3, E),
];

pub static WatchEvent: Type = object("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent", &WatchEvent_F);
static WatchEvent_F: [Field; 2] = [
    f("type", Shape::String, 1, R),
    f("object", Shape::Raw, 2, R),
];

// Keys of lists.
static BY_uid: [Key; 1] = [key("uid")];

// Elements of lists and maps.
pub static APIGroup_S: Shape = o(&APIGroup);
pub static APIResource_S: Shape = o(&APIResource);
pub static Condition_S: Shape = o(&Condition);
pub static FieldSelectorRequirement_S: Shape = o(&FieldSelectorRequirement);
pub static GroupVersionForDiscovery_S: Shape = o(&GroupVersionForDiscovery);
pub static GroupVersionKind_S: Shape = o(&GroupVersionKind);
pub static LabelSelectorRequirement_S: Shape = o(&LabelSelectorRequirement);
pub static LabelSelector_S: Shape = o(&LabelSelector);
pub static ManagedFieldsEntry_S: Shape = o(&ManagedFieldsEntry);
pub static OwnerReference_S: Shape = o(&OwnerReference);
pub static PartialObjectMetadata_S: Shape = o(&PartialObjectMetadata);
pub static ServerAddressByClientCIDR_S: Shape = o(&ServerAddressByClientCIDR);
pub static StatusCause_S: Shape = o(&StatusCause);
pub static TableColumnDefinition_S: Shape = o(&TableColumnDefinition);
pub static TableRowCondition_S: Shape = o(&TableRowCondition);
pub static TableRow_S: Shape = o(&TableRow);
