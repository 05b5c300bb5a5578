//! The types of `autoscaling_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static CrossVersionObjectReference: Type = atomic_object("io.k8s.api.autoscaling.v1.CrossVersionObjectReference", &CrossVersionObjectReference_F);
static CrossVersionObjectReference_F: [Field; 3] = [
    f("kind", Shape::String, 1, R),
    f("name", Shape::String, 2, R),
    f("apiVersion", Shape::String, 3, E),
];

pub static HorizontalPodAutoscaler: Type = object("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", &HorizontalPodAutoscaler_F);
static HorizontalPodAutoscaler_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&HorizontalPodAutoscalerSpec), 2, R),
    f("status", o(&HorizontalPodAutoscalerStatus), 3, 0),
];

pub static HorizontalPodAutoscalerList: Type = object("io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerList", &HorizontalPodAutoscalerList_F);
static HorizontalPodAutoscalerList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&HorizontalPodAutoscaler_S), 2, R),
];

pub static HorizontalPodAutoscalerSpec: Type = object("io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec", &HorizontalPodAutoscalerSpec_F);
static HorizontalPodAutoscalerSpec_F: [Field; 4] = [
    f("scaleTargetRef", o(&CrossVersionObjectReference), 1, R),
    f("minReplicas", Shape::Int32, 2, P | E),
    f("maxReplicas", Shape::Int32, 3, R),
    f("targetCPUUtilizationPercentage", Shape::Int32, 4, P | E),
];

pub static HorizontalPodAutoscalerStatus: Type = object("io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerStatus", &HorizontalPodAutoscalerStatus_F);
static HorizontalPodAutoscalerStatus_F: [Field; 5] = [
    f("observedGeneration", Shape::Int64, 1, P | E),
    f("lastScaleTime", Shape::Time, 2, P | E),
    f("currentReplicas", Shape::Int32, 3, R),
    f("desiredReplicas", Shape::Int32, 4, R),
    f("currentCPUUtilizationPercentage", Shape::Int32, 5, P | E),
];

pub static Scale: Type = object("io.k8s.api.autoscaling.v1.Scale", &Scale_F);
static Scale_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ScaleSpec), 2, 0),
    f("status", o(&ScaleStatus), 3, 0),
];

pub static ScaleSpec: Type = object("io.k8s.api.autoscaling.v1.ScaleSpec", &ScaleSpec_F);
static ScaleSpec_F: [Field; 1] = [
    g("replicas", Shape::Int32, 1, E, "", "0"),
];

pub static ScaleStatus: Type = object("io.k8s.api.autoscaling.v1.ScaleStatus", &ScaleStatus_F);
static ScaleStatus_F: [Field; 2] = [
    f("replicas", Shape::Int32, 1, R),
    f("selector", Shape::String, 2, E),
];

// Elements of lists and maps.
pub static HorizontalPodAutoscaler_S: Shape = o(&HorizontalPodAutoscaler);
