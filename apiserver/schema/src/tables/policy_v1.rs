//! The types of `policy_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static Eviction: Type = object("io.k8s.api.policy.v1.Eviction", &Eviction_F);
static Eviction_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("deleteOptions", o(&meta_v1::DeleteOptions), 2, P | E),
];

pub static PodDisruptionBudget: Type = object("io.k8s.api.policy.v1.PodDisruptionBudget", &PodDisruptionBudget_F);
static PodDisruptionBudget_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PodDisruptionBudgetSpec), 2, 0),
    f("status", o(&PodDisruptionBudgetStatus), 3, 0),
];

pub static PodDisruptionBudgetList: Type = object("io.k8s.api.policy.v1.PodDisruptionBudgetList", &PodDisruptionBudgetList_F);
static PodDisruptionBudgetList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PodDisruptionBudget_S), 2, R),
];

pub static PodDisruptionBudgetSpec: Type = object("io.k8s.api.policy.v1.PodDisruptionBudgetSpec", &PodDisruptionBudgetSpec_F);
static PodDisruptionBudgetSpec_F: [Field; 4] = [
    f("minAvailable", Shape::IntOrString, 1, P | E),
    f("selector", o(&meta_v1::LabelSelector), 2, P | E | REPLACE),
    f("maxUnavailable", Shape::IntOrString, 3, P | E),
    g("unhealthyPodEvictionPolicy", Shape::String, 4, P | E, "v1.UnhealthyPodEvictionPolicyType", ""),
];

pub static PodDisruptionBudgetStatus: Type = object("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", &PodDisruptionBudgetStatus_F);
static PodDisruptionBudgetStatus_F: [Field; 7] = [
    f("observedGeneration", Shape::Int64, 1, E),
    f("disruptedPods", map(&TIME_S), 2, E),
    f("disruptionsAllowed", Shape::Int32, 3, 0),
    f("currentHealthy", Shape::Int32, 4, 0),
    f("desiredHealthy", Shape::Int32, 5, 0),
    f("expectedPods", Shape::Int32, 6, 0),
    k("conditions", list(&meta_v1::Condition_S), 7, E | MERGE, &BY_type, "type"),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static PodDisruptionBudget_S: Shape = o(&PodDisruptionBudget);
