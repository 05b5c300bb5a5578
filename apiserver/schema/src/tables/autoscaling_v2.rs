//! The types of `autoscaling_v2`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static ContainerResourceMetricSource: Type = object("io.k8s.api.autoscaling.v2.ContainerResourceMetricSource", &ContainerResourceMetricSource_F);
static ContainerResourceMetricSource_F: [Field; 3] = [
    g("name", Shape::String, 1, R, "v1.ResourceName", ""),
    f("target", o(&MetricTarget), 2, R),
    f("container", Shape::String, 3, R),
];

pub static ContainerResourceMetricStatus: Type = object("io.k8s.api.autoscaling.v2.ContainerResourceMetricStatus", &ContainerResourceMetricStatus_F);
static ContainerResourceMetricStatus_F: [Field; 3] = [
    g("name", Shape::String, 1, R, "v1.ResourceName", ""),
    f("current", o(&MetricValueStatus), 2, R),
    f("container", Shape::String, 3, R),
];

pub static CrossVersionObjectReference: Type = object("io.k8s.api.autoscaling.v2.CrossVersionObjectReference", &CrossVersionObjectReference_F);
static CrossVersionObjectReference_F: [Field; 3] = [
    f("kind", Shape::String, 1, R),
    f("name", Shape::String, 2, R),
    f("apiVersion", Shape::String, 3, E),
];

pub static ExternalMetricSource: Type = object("io.k8s.api.autoscaling.v2.ExternalMetricSource", &ExternalMetricSource_F);
static ExternalMetricSource_F: [Field; 2] = [
    f("metric", o(&MetricIdentifier), 1, R),
    f("target", o(&MetricTarget), 2, R),
];

pub static ExternalMetricStatus: Type = object("io.k8s.api.autoscaling.v2.ExternalMetricStatus", &ExternalMetricStatus_F);
static ExternalMetricStatus_F: [Field; 2] = [
    f("metric", o(&MetricIdentifier), 1, R),
    f("current", o(&MetricValueStatus), 2, R),
];

pub static HPAScalingPolicy: Type = object("io.k8s.api.autoscaling.v2.HPAScalingPolicy", &HPAScalingPolicy_F);
static HPAScalingPolicy_F: [Field; 3] = [
    g("type", Shape::String, 1, R, "v2.HPAScalingPolicyType", ""),
    f("value", Shape::Int32, 2, R),
    f("periodSeconds", Shape::Int32, 3, R),
];

pub static HPAScalingRules: Type = object("io.k8s.api.autoscaling.v2.HPAScalingRules", &HPAScalingRules_F);
static HPAScalingRules_F: [Field; 4] = [
    f("stabilizationWindowSeconds", Shape::Int32, 3, P | E),
    g("selectPolicy", Shape::String, 1, P | E, "v2.ScalingPolicySelect", ""),
    f("policies", list(&HPAScalingPolicy_S), 2, E),
    f("tolerance", Shape::Quantity, 4, P | E),
];

pub static HorizontalPodAutoscaler: Type = object("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", &HorizontalPodAutoscaler_F);
static HorizontalPodAutoscaler_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&HorizontalPodAutoscalerSpec), 2, R),
    f("status", o(&HorizontalPodAutoscalerStatus), 3, 0),
];

pub static HorizontalPodAutoscalerBehavior: Type = object("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior", &HorizontalPodAutoscalerBehavior_F);
static HorizontalPodAutoscalerBehavior_F: [Field; 2] = [
    f("scaleUp", o(&HPAScalingRules), 1, P | E),
    f("scaleDown", o(&HPAScalingRules), 2, P | E),
];

pub static HorizontalPodAutoscalerCondition: Type = object("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerCondition", &HorizontalPodAutoscalerCondition_F);
static HorizontalPodAutoscalerCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v2.HorizontalPodAutoscalerConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static HorizontalPodAutoscalerList: Type = object("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerList", &HorizontalPodAutoscalerList_F);
static HorizontalPodAutoscalerList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&HorizontalPodAutoscaler_S), 2, R),
];

pub static HorizontalPodAutoscalerSpec: Type = object("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec", &HorizontalPodAutoscalerSpec_F);
static HorizontalPodAutoscalerSpec_F: [Field; 5] = [
    f("scaleTargetRef", o(&CrossVersionObjectReference), 1, R),
    f("minReplicas", Shape::Int32, 2, P | E),
    f("maxReplicas", Shape::Int32, 3, R),
    f("metrics", list(&MetricSpec_S), 4, E),
    f("behavior", o(&HorizontalPodAutoscalerBehavior), 5, P | E),
];

pub static HorizontalPodAutoscalerStatus: Type = object("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus", &HorizontalPodAutoscalerStatus_F);
static HorizontalPodAutoscalerStatus_F: [Field; 6] = [
    f("observedGeneration", Shape::Int64, 1, P | E),
    f("lastScaleTime", Shape::Time, 2, P | E),
    f("currentReplicas", Shape::Int32, 3, E),
    f("desiredReplicas", Shape::Int32, 4, R),
    f("currentMetrics", list(&MetricStatus_S), 5, 0),
    k("conditions", list(&HorizontalPodAutoscalerCondition_S), 6, E | MERGE, &BY_type, "type"),
];

pub static MetricIdentifier: Type = object("io.k8s.api.autoscaling.v2.MetricIdentifier", &MetricIdentifier_F);
static MetricIdentifier_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("selector", o(&meta_v1::LabelSelector), 2, P | E),
];

pub static MetricSpec: Type = object("io.k8s.api.autoscaling.v2.MetricSpec", &MetricSpec_F);
static MetricSpec_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v2.MetricSourceType", ""),
    f("object", o(&ObjectMetricSource), 2, P | E),
    f("pods", o(&PodsMetricSource), 3, P | E),
    f("resource", o(&ResourceMetricSource), 4, P | E),
    f("containerResource", o(&ContainerResourceMetricSource), 7, P | E),
    f("external", o(&ExternalMetricSource), 5, P | E),
];

pub static MetricStatus: Type = object("io.k8s.api.autoscaling.v2.MetricStatus", &MetricStatus_F);
static MetricStatus_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v2.MetricSourceType", ""),
    f("object", o(&ObjectMetricStatus), 2, P | E),
    f("pods", o(&PodsMetricStatus), 3, P | E),
    f("resource", o(&ResourceMetricStatus), 4, P | E),
    f("containerResource", o(&ContainerResourceMetricStatus), 7, P | E),
    f("external", o(&ExternalMetricStatus), 5, P | E),
];

pub static MetricTarget: Type = object("io.k8s.api.autoscaling.v2.MetricTarget", &MetricTarget_F);
static MetricTarget_F: [Field; 4] = [
    g("type", Shape::String, 1, R, "v2.MetricTargetType", ""),
    f("value", Shape::Quantity, 2, P | E),
    f("averageValue", Shape::Quantity, 3, P | E),
    f("averageUtilization", Shape::Int32, 4, P | E),
];

pub static MetricValueStatus: Type = object("io.k8s.api.autoscaling.v2.MetricValueStatus", &MetricValueStatus_F);
static MetricValueStatus_F: [Field; 3] = [
    f("value", Shape::Quantity, 1, P | E),
    f("averageValue", Shape::Quantity, 2, P | E),
    f("averageUtilization", Shape::Int32, 3, P | E),
];

pub static ObjectMetricSource: Type = object("io.k8s.api.autoscaling.v2.ObjectMetricSource", &ObjectMetricSource_F);
static ObjectMetricSource_F: [Field; 3] = [
    f("describedObject", o(&CrossVersionObjectReference), 1, R),
    f("target", o(&MetricTarget), 2, R),
    f("metric", o(&MetricIdentifier), 3, R),
];

pub static ObjectMetricStatus: Type = object("io.k8s.api.autoscaling.v2.ObjectMetricStatus", &ObjectMetricStatus_F);
static ObjectMetricStatus_F: [Field; 3] = [
    f("metric", o(&MetricIdentifier), 1, R),
    f("current", o(&MetricValueStatus), 2, R),
    f("describedObject", o(&CrossVersionObjectReference), 3, R),
];

pub static PodsMetricSource: Type = object("io.k8s.api.autoscaling.v2.PodsMetricSource", &PodsMetricSource_F);
static PodsMetricSource_F: [Field; 2] = [
    f("metric", o(&MetricIdentifier), 1, R),
    f("target", o(&MetricTarget), 2, R),
];

pub static PodsMetricStatus: Type = object("io.k8s.api.autoscaling.v2.PodsMetricStatus", &PodsMetricStatus_F);
static PodsMetricStatus_F: [Field; 2] = [
    f("metric", o(&MetricIdentifier), 1, R),
    f("current", o(&MetricValueStatus), 2, R),
];

pub static ResourceMetricSource: Type = object("io.k8s.api.autoscaling.v2.ResourceMetricSource", &ResourceMetricSource_F);
static ResourceMetricSource_F: [Field; 2] = [
    g("name", Shape::String, 1, R, "v1.ResourceName", ""),
    f("target", o(&MetricTarget), 2, R),
];

pub static ResourceMetricStatus: Type = object("io.k8s.api.autoscaling.v2.ResourceMetricStatus", &ResourceMetricStatus_F);
static ResourceMetricStatus_F: [Field; 2] = [
    g("name", Shape::String, 1, R, "v1.ResourceName", ""),
    f("current", o(&MetricValueStatus), 2, R),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static HPAScalingPolicy_S: Shape = o(&HPAScalingPolicy);
pub static HorizontalPodAutoscalerCondition_S: Shape = o(&HorizontalPodAutoscalerCondition);
pub static HorizontalPodAutoscaler_S: Shape = o(&HorizontalPodAutoscaler);
pub static MetricSpec_S: Shape = o(&MetricSpec);
pub static MetricStatus_S: Shape = o(&MetricStatus);
