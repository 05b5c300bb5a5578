//! The types of `scheduling_v1alpha2`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static BasicSchedulingPolicy: Type = object("io.k8s.api.scheduling.v1alpha2.BasicSchedulingPolicy", &BasicSchedulingPolicy_F);
static BasicSchedulingPolicy_F: [Field; 0] = [
];

pub static GangSchedulingPolicy: Type = object("io.k8s.api.scheduling.v1alpha2.GangSchedulingPolicy", &GangSchedulingPolicy_F);
static GangSchedulingPolicy_F: [Field; 1] = [
    f("minCount", Shape::Int32, 1, R),
];

pub static PodGroup: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroup", &PodGroup_F);
static PodGroup_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PodGroupSpec), 2, R),
    f("status", o(&PodGroupStatus), 3, 0),
];

pub static PodGroupList: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupList", &PodGroupList_F);
static PodGroupList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PodGroup_S), 2, R),
];

pub static PodGroupResourceClaim: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupResourceClaim", &PodGroupResourceClaim_F);
static PodGroupResourceClaim_F: [Field; 3] = [
    f("name", Shape::String, 1, R),
    f("resourceClaimName", Shape::String, 2, P | E),
    f("resourceClaimTemplateName", Shape::String, 3, P | E),
];

pub static PodGroupResourceClaimStatus: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupResourceClaimStatus", &PodGroupResourceClaimStatus_F);
static PodGroupResourceClaimStatus_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("resourceClaimName", Shape::String, 2, P | E),
];

pub static PodGroupSchedulingConstraints: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupSchedulingConstraints", &PodGroupSchedulingConstraints_F);
static PodGroupSchedulingConstraints_F: [Field; 1] = [
    f("topology", list(&TopologyConstraint_S), 1, E),
];

pub static PodGroupSchedulingPolicy: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupSchedulingPolicy", &PodGroupSchedulingPolicy_F);
static PodGroupSchedulingPolicy_F: [Field; 2] = [
    f("basic", o(&BasicSchedulingPolicy), 1, P | E),
    f("gang", o(&GangSchedulingPolicy), 2, P | E),
];

pub static PodGroupSpec: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupSpec", &PodGroupSpec_F);
static PodGroupSpec_F: [Field; 7] = [
    f("podGroupTemplateRef", o(&PodGroupTemplateReference), 1, P),
    f("schedulingPolicy", o(&PodGroupSchedulingPolicy), 2, R),
    f("schedulingConstraints", o(&PodGroupSchedulingConstraints), 3, P | E),
    k("resourceClaims", list(&PodGroupResourceClaim_S), 4, E | MERGE | RETAIN, &BY_name, "name"),
    g("disruptionMode", Shape::String, 5, P | E, "v1alpha2.DisruptionMode", "\"Pod\""),
    f("priorityClassName", Shape::String, 6, E),
    f("priority", Shape::Int32, 7, P | E),
];

pub static PodGroupStatus: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupStatus", &PodGroupStatus_F);
static PodGroupStatus_F: [Field; 2] = [
    k("conditions", list(&meta_v1::Condition_S), 1, E | MERGE, &BY_type, "type"),
    k("resourceClaimStatuses", list(&PodGroupResourceClaimStatus_S), 2, E | MERGE | RETAIN, &BY_name, "name"),
];

pub static PodGroupTemplate: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupTemplate", &PodGroupTemplate_F);
static PodGroupTemplate_F: [Field; 7] = [
    f("name", Shape::String, 1, R),
    f("schedulingPolicy", o(&PodGroupSchedulingPolicy), 2, R),
    f("schedulingConstraints", o(&PodGroupSchedulingConstraints), 3, P),
    k("resourceClaims", list(&PodGroupResourceClaim_S), 4, E | MERGE | RETAIN, &BY_name, "name"),
    g("disruptionMode", Shape::String, 5, P | E, "v1alpha2.DisruptionMode", ""),
    f("priorityClassName", Shape::String, 6, E),
    f("priority", Shape::Int32, 7, P | E),
];

pub static PodGroupTemplateReference: Type = object("io.k8s.api.scheduling.v1alpha2.PodGroupTemplateReference", &PodGroupTemplateReference_F);
static PodGroupTemplateReference_F: [Field; 1] = [
    f("workload", o(&WorkloadPodGroupTemplateReference), 1, P),
];

pub static TopologyConstraint: Type = object("io.k8s.api.scheduling.v1alpha2.TopologyConstraint", &TopologyConstraint_F);
static TopologyConstraint_F: [Field; 1] = [
    f("key", Shape::String, 1, R),
];

pub static TypedLocalObjectReference: Type = object("io.k8s.api.scheduling.v1alpha2.TypedLocalObjectReference", &TypedLocalObjectReference_F);
static TypedLocalObjectReference_F: [Field; 3] = [
    f("apiGroup", Shape::String, 1, E),
    f("kind", Shape::String, 2, R),
    f("name", Shape::String, 3, R),
];

pub static Workload: Type = object("io.k8s.api.scheduling.v1alpha2.Workload", &Workload_F);
static Workload_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&WorkloadSpec), 2, R),
];

pub static WorkloadList: Type = object("io.k8s.api.scheduling.v1alpha2.WorkloadList", &WorkloadList_F);
static WorkloadList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Workload_S), 2, R),
];

pub static WorkloadPodGroupTemplateReference: Type = object("io.k8s.api.scheduling.v1alpha2.WorkloadPodGroupTemplateReference", &WorkloadPodGroupTemplateReference_F);
static WorkloadPodGroupTemplateReference_F: [Field; 2] = [
    f("workloadName", Shape::String, 1, R),
    f("podGroupTemplateName", Shape::String, 2, R),
];

pub static WorkloadSpec: Type = object("io.k8s.api.scheduling.v1alpha2.WorkloadSpec", &WorkloadSpec_F);
static WorkloadSpec_F: [Field; 2] = [
    f("controllerRef", o(&TypedLocalObjectReference), 1, P | E),
    k("podGroupTemplates", list(&PodGroupTemplate_S), 2, R, &BY_name, ""),
];

// Keys of lists.
static BY_name: [Key; 1] = [key("name")];
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static PodGroupResourceClaimStatus_S: Shape = o(&PodGroupResourceClaimStatus);
pub static PodGroupResourceClaim_S: Shape = o(&PodGroupResourceClaim);
pub static PodGroupTemplate_S: Shape = o(&PodGroupTemplate);
pub static PodGroup_S: Shape = o(&PodGroup);
pub static TopologyConstraint_S: Shape = o(&TopologyConstraint);
pub static Workload_S: Shape = o(&Workload);
