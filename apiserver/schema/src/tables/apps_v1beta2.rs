//! The types of `apps_v1beta2`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static ControllerRevision: Type = object("io.k8s.api.apps.v1beta2.ControllerRevision", &ControllerRevision_F);
static ControllerRevision_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("data", Shape::Raw, 2, 0),
    f("revision", Shape::Int64, 3, R),
];

pub static ControllerRevisionList: Type = object("io.k8s.api.apps.v1beta2.ControllerRevisionList", &ControllerRevisionList_F);
static ControllerRevisionList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ControllerRevision_S), 2, R),
];

pub static DaemonSet: Type = object("io.k8s.api.apps.v1beta2.DaemonSet", &DaemonSet_F);
static DaemonSet_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DaemonSetSpec), 2, 0),
    f("status", o(&DaemonSetStatus), 3, 0),
];

pub static DaemonSetCondition: Type = object("io.k8s.api.apps.v1beta2.DaemonSetCondition", &DaemonSetCondition_F);
static DaemonSetCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1beta2.DaemonSetConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static DaemonSetList: Type = object("io.k8s.api.apps.v1beta2.DaemonSetList", &DaemonSetList_F);
static DaemonSetList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&DaemonSet_S), 2, R),
];

pub static DaemonSetSpec: Type = object("io.k8s.api.apps.v1beta2.DaemonSetSpec", &DaemonSetSpec_F);
static DaemonSetSpec_F: [Field; 5] = [
    f("selector", o(&meta_v1::LabelSelector), 1, P | R),
    f("template", o(&core_v1::PodTemplateSpec), 2, R),
    f("updateStrategy", o(&DaemonSetUpdateStrategy), 3, 0),
    f("minReadySeconds", Shape::Int32, 4, E),
    f("revisionHistoryLimit", Shape::Int32, 6, P | E),
];

pub static DaemonSetStatus: Type = object("io.k8s.api.apps.v1beta2.DaemonSetStatus", &DaemonSetStatus_F);
static DaemonSetStatus_F: [Field; 10] = [
    f("currentNumberScheduled", Shape::Int32, 1, R),
    f("numberMisscheduled", Shape::Int32, 2, R),
    f("desiredNumberScheduled", Shape::Int32, 3, R),
    f("numberReady", Shape::Int32, 4, R),
    f("observedGeneration", Shape::Int64, 5, E),
    f("updatedNumberScheduled", Shape::Int32, 6, E),
    f("numberAvailable", Shape::Int32, 7, E),
    f("numberUnavailable", Shape::Int32, 8, E),
    f("collisionCount", Shape::Int32, 9, P | E),
    k("conditions", list(&DaemonSetCondition_S), 10, E | MERGE, &BY_type, "type"),
];

pub static DaemonSetUpdateStrategy: Type = object("io.k8s.api.apps.v1beta2.DaemonSetUpdateStrategy", &DaemonSetUpdateStrategy_F);
static DaemonSetUpdateStrategy_F: [Field; 2] = [
    g("type", Shape::String, 1, E, "v1beta2.DaemonSetUpdateStrategyType", ""),
    f("rollingUpdate", o(&RollingUpdateDaemonSet), 2, P | E),
];

pub static Deployment: Type = object("io.k8s.api.apps.v1beta2.Deployment", &Deployment_F);
static Deployment_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DeploymentSpec), 2, 0),
    f("status", o(&DeploymentStatus), 3, 0),
];

pub static DeploymentCondition: Type = object("io.k8s.api.apps.v1beta2.DeploymentCondition", &DeploymentCondition_F);
static DeploymentCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1beta2.DeploymentConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastUpdateTime", Shape::Time, 6, 0),
    f("lastTransitionTime", Shape::Time, 7, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static DeploymentList: Type = object("io.k8s.api.apps.v1beta2.DeploymentList", &DeploymentList_F);
static DeploymentList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Deployment_S), 2, R),
];

pub static DeploymentSpec: Type = object("io.k8s.api.apps.v1beta2.DeploymentSpec", &DeploymentSpec_F);
static DeploymentSpec_F: [Field; 8] = [
    f("replicas", Shape::Int32, 1, P | E),
    f("selector", o(&meta_v1::LabelSelector), 2, P | R),
    f("template", o(&core_v1::PodTemplateSpec), 3, R),
    f("strategy", o(&DeploymentStrategy), 4, RETAIN),
    f("minReadySeconds", Shape::Int32, 5, E),
    f("revisionHistoryLimit", Shape::Int32, 6, P | E),
    f("paused", Shape::Bool, 7, E),
    f("progressDeadlineSeconds", Shape::Int32, 9, P | E),
];

pub static DeploymentStatus: Type = object("io.k8s.api.apps.v1beta2.DeploymentStatus", &DeploymentStatus_F);
static DeploymentStatus_F: [Field; 9] = [
    f("observedGeneration", Shape::Int64, 1, E),
    f("replicas", Shape::Int32, 2, E),
    f("updatedReplicas", Shape::Int32, 3, E),
    f("readyReplicas", Shape::Int32, 7, E),
    f("availableReplicas", Shape::Int32, 4, E),
    f("unavailableReplicas", Shape::Int32, 5, E),
    f("terminatingReplicas", Shape::Int32, 9, P | E),
    k("conditions", list(&DeploymentCondition_S), 6, E | MERGE, &BY_type, "type"),
    f("collisionCount", Shape::Int32, 8, P | E),
];

pub static DeploymentStrategy: Type = object("io.k8s.api.apps.v1beta2.DeploymentStrategy", &DeploymentStrategy_F);
static DeploymentStrategy_F: [Field; 2] = [
    g("type", Shape::String, 1, E, "v1beta2.DeploymentStrategyType", ""),
    f("rollingUpdate", o(&RollingUpdateDeployment), 2, P | E),
];

pub static ReplicaSet: Type = object("io.k8s.api.apps.v1beta2.ReplicaSet", &ReplicaSet_F);
static ReplicaSet_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ReplicaSetSpec), 2, 0),
    f("status", o(&ReplicaSetStatus), 3, 0),
];

pub static ReplicaSetCondition: Type = object("io.k8s.api.apps.v1beta2.ReplicaSetCondition", &ReplicaSetCondition_F);
static ReplicaSetCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1beta2.ReplicaSetConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static ReplicaSetList: Type = object("io.k8s.api.apps.v1beta2.ReplicaSetList", &ReplicaSetList_F);
static ReplicaSetList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ReplicaSet_S), 2, R),
];

pub static ReplicaSetSpec: Type = object("io.k8s.api.apps.v1beta2.ReplicaSetSpec", &ReplicaSetSpec_F);
static ReplicaSetSpec_F: [Field; 4] = [
    f("replicas", Shape::Int32, 1, P | E),
    f("minReadySeconds", Shape::Int32, 4, E),
    f("selector", o(&meta_v1::LabelSelector), 2, P | R),
    f("template", o(&core_v1::PodTemplateSpec), 3, 0),
];

pub static ReplicaSetStatus: Type = object("io.k8s.api.apps.v1beta2.ReplicaSetStatus", &ReplicaSetStatus_F);
static ReplicaSetStatus_F: [Field; 7] = [
    f("replicas", Shape::Int32, 1, R),
    f("fullyLabeledReplicas", Shape::Int32, 2, E),
    f("readyReplicas", Shape::Int32, 4, E),
    f("availableReplicas", Shape::Int32, 5, E),
    f("terminatingReplicas", Shape::Int32, 7, P | E),
    f("observedGeneration", Shape::Int64, 3, E),
    k("conditions", list(&ReplicaSetCondition_S), 6, E | MERGE, &BY_type, "type"),
];

pub static RollingUpdateDaemonSet: Type = object("io.k8s.api.apps.v1beta2.RollingUpdateDaemonSet", &RollingUpdateDaemonSet_F);
static RollingUpdateDaemonSet_F: [Field; 2] = [
    f("maxUnavailable", Shape::IntOrString, 1, P | E),
    f("maxSurge", Shape::IntOrString, 2, P | E),
];

pub static RollingUpdateDeployment: Type = object("io.k8s.api.apps.v1beta2.RollingUpdateDeployment", &RollingUpdateDeployment_F);
static RollingUpdateDeployment_F: [Field; 2] = [
    f("maxUnavailable", Shape::IntOrString, 1, P | E),
    f("maxSurge", Shape::IntOrString, 2, P | E),
];

pub static RollingUpdateStatefulSetStrategy: Type = object("io.k8s.api.apps.v1beta2.RollingUpdateStatefulSetStrategy", &RollingUpdateStatefulSetStrategy_F);
static RollingUpdateStatefulSetStrategy_F: [Field; 2] = [
    f("partition", Shape::Int32, 1, P | E),
    f("maxUnavailable", Shape::IntOrString, 2, P | E),
];

pub static Scale: Type = object("io.k8s.api.apps.v1beta2.Scale", &Scale_F);
static Scale_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ScaleSpec), 2, 0),
    f("status", o(&ScaleStatus), 3, 0),
];

pub static ScaleSpec: Type = object("io.k8s.api.apps.v1beta2.ScaleSpec", &ScaleSpec_F);
static ScaleSpec_F: [Field; 1] = [
    g("replicas", Shape::Int32, 1, E, "", "0"),
];

pub static ScaleStatus: Type = object("io.k8s.api.apps.v1beta2.ScaleStatus", &ScaleStatus_F);
static ScaleStatus_F: [Field; 3] = [
    f("replicas", Shape::Int32, 1, R),
    f("selector", map(&STRING_S), 2, E | ATOMIC),
    f("targetSelector", Shape::String, 3, E),
];

pub static StatefulSet: Type = object("io.k8s.api.apps.v1beta2.StatefulSet", &StatefulSet_F);
static StatefulSet_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&StatefulSetSpec), 2, 0),
    f("status", o(&StatefulSetStatus), 3, 0),
];

pub static StatefulSetCondition: Type = object("io.k8s.api.apps.v1beta2.StatefulSetCondition", &StatefulSetCondition_F);
static StatefulSetCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1beta2.StatefulSetConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static StatefulSetList: Type = object("io.k8s.api.apps.v1beta2.StatefulSetList", &StatefulSetList_F);
static StatefulSetList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&StatefulSet_S), 2, R),
];

pub static StatefulSetOrdinals: Type = object("io.k8s.api.apps.v1beta2.StatefulSetOrdinals", &StatefulSetOrdinals_F);
static StatefulSetOrdinals_F: [Field; 1] = [
    f("start", Shape::Int32, 1, 0),
];

pub static StatefulSetPersistentVolumeClaimRetentionPolicy: Type = object("io.k8s.api.apps.v1beta2.StatefulSetPersistentVolumeClaimRetentionPolicy", &StatefulSetPersistentVolumeClaimRetentionPolicy_F);
static StatefulSetPersistentVolumeClaimRetentionPolicy_F: [Field; 2] = [
    g("whenDeleted", Shape::String, 1, E, "v1beta2.PersistentVolumeClaimRetentionPolicyType", ""),
    g("whenScaled", Shape::String, 2, E, "v1beta2.PersistentVolumeClaimRetentionPolicyType", ""),
];

pub static StatefulSetSpec: Type = object("io.k8s.api.apps.v1beta2.StatefulSetSpec", &StatefulSetSpec_F);
static StatefulSetSpec_F: [Field; 11] = [
    f("replicas", Shape::Int32, 1, P | E),
    f("selector", o(&meta_v1::LabelSelector), 2, P | R),
    f("template", o(&core_v1::PodTemplateSpec), 3, R),
    f("volumeClaimTemplates", list(&core_v1::PersistentVolumeClaim_S), 4, E),
    f("serviceName", Shape::String, 5, 0),
    g("podManagementPolicy", Shape::String, 6, E, "v1beta2.PodManagementPolicyType", ""),
    f("updateStrategy", o(&StatefulSetUpdateStrategy), 7, 0),
    f("revisionHistoryLimit", Shape::Int32, 8, P | E),
    f("minReadySeconds", Shape::Int32, 9, E),
    f("persistentVolumeClaimRetentionPolicy", o(&StatefulSetPersistentVolumeClaimRetentionPolicy), 10, P | E),
    f("ordinals", o(&StatefulSetOrdinals), 11, P | E),
];

pub static StatefulSetStatus: Type = object("io.k8s.api.apps.v1beta2.StatefulSetStatus", &StatefulSetStatus_F);
static StatefulSetStatus_F: [Field; 10] = [
    f("observedGeneration", Shape::Int64, 1, E),
    f("replicas", Shape::Int32, 2, R),
    f("readyReplicas", Shape::Int32, 3, E),
    f("currentReplicas", Shape::Int32, 4, E),
    f("updatedReplicas", Shape::Int32, 5, E),
    f("currentRevision", Shape::String, 6, E),
    f("updateRevision", Shape::String, 7, E),
    f("collisionCount", Shape::Int32, 9, P | E),
    k("conditions", list(&StatefulSetCondition_S), 10, E | MERGE, &BY_type, "type"),
    f("availableReplicas", Shape::Int32, 11, 0),
];

pub static StatefulSetUpdateStrategy: Type = object("io.k8s.api.apps.v1beta2.StatefulSetUpdateStrategy", &StatefulSetUpdateStrategy_F);
static StatefulSetUpdateStrategy_F: [Field; 2] = [
    g("type", Shape::String, 1, E, "v1beta2.StatefulSetUpdateStrategyType", ""),
    f("rollingUpdate", o(&RollingUpdateStatefulSetStrategy), 2, P | E),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static ControllerRevision_S: Shape = o(&ControllerRevision);
pub static DaemonSetCondition_S: Shape = o(&DaemonSetCondition);
pub static DaemonSet_S: Shape = o(&DaemonSet);
pub static DeploymentCondition_S: Shape = o(&DeploymentCondition);
pub static Deployment_S: Shape = o(&Deployment);
pub static ReplicaSetCondition_S: Shape = o(&ReplicaSetCondition);
pub static ReplicaSet_S: Shape = o(&ReplicaSet);
pub static StatefulSetCondition_S: Shape = o(&StatefulSetCondition);
pub static StatefulSet_S: Shape = o(&StatefulSet);
