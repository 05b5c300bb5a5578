//! The types of `rbac_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static AggregationRule: Type = object("io.k8s.api.rbac.v1.AggregationRule", &AggregationRule_F);
static AggregationRule_F: [Field; 1] = [
    f("clusterRoleSelectors", list(&meta_v1::LabelSelector_S), 1, E),
];

pub static ClusterRole: Type = object("io.k8s.api.rbac.v1.ClusterRole", &ClusterRole_F);
static ClusterRole_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("rules", list(&PolicyRule_S), 2, 0),
    f("aggregationRule", o(&AggregationRule), 3, P | E),
];

pub static ClusterRoleBinding: Type = object("io.k8s.api.rbac.v1.ClusterRoleBinding", &ClusterRoleBinding_F);
static ClusterRoleBinding_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("subjects", list(&Subject_S), 2, E),
    f("roleRef", o(&RoleRef), 3, R),
];

pub static ClusterRoleBindingList: Type = object("io.k8s.api.rbac.v1.ClusterRoleBindingList", &ClusterRoleBindingList_F);
static ClusterRoleBindingList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ClusterRoleBinding_S), 2, R),
];

pub static ClusterRoleList: Type = object("io.k8s.api.rbac.v1.ClusterRoleList", &ClusterRoleList_F);
static ClusterRoleList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ClusterRole_S), 2, R),
];

pub static PolicyRule: Type = object("io.k8s.api.rbac.v1.PolicyRule", &PolicyRule_F);
static PolicyRule_F: [Field; 5] = [
    f("verbs", list(&STRING_S), 1, R),
    f("apiGroups", list(&STRING_S), 2, E),
    f("resources", list(&STRING_S), 3, E),
    f("resourceNames", list(&STRING_S), 4, E),
    f("nonResourceURLs", list(&STRING_S), 5, E),
];

pub static Role: Type = object("io.k8s.api.rbac.v1.Role", &Role_F);
static Role_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("rules", list(&PolicyRule_S), 2, 0),
];

pub static RoleBinding: Type = object("io.k8s.api.rbac.v1.RoleBinding", &RoleBinding_F);
static RoleBinding_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("subjects", list(&Subject_S), 2, E),
    f("roleRef", o(&RoleRef), 3, R),
];

pub static RoleBindingList: Type = object("io.k8s.api.rbac.v1.RoleBindingList", &RoleBindingList_F);
static RoleBindingList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&RoleBinding_S), 2, R),
];

pub static RoleList: Type = object("io.k8s.api.rbac.v1.RoleList", &RoleList_F);
static RoleList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Role_S), 2, R),
];

pub static RoleRef: Type = atomic_object("io.k8s.api.rbac.v1.RoleRef", &RoleRef_F);
static RoleRef_F: [Field; 3] = [
    f("apiGroup", Shape::String, 1, 0),
    f("kind", Shape::String, 2, R),
    f("name", Shape::String, 3, R),
];

pub static Subject: Type = atomic_object("io.k8s.api.rbac.v1.Subject", &Subject_F);
static Subject_F: [Field; 4] = [
    f("kind", Shape::String, 1, R),
    f("apiGroup", Shape::String, 2, E),
    f("name", Shape::String, 3, R),
    f("namespace", Shape::String, 4, E),
];

// Elements of lists and maps.
pub static ClusterRoleBinding_S: Shape = o(&ClusterRoleBinding);
pub static ClusterRole_S: Shape = o(&ClusterRole);
pub static PolicyRule_S: Shape = o(&PolicyRule);
pub static RoleBinding_S: Shape = o(&RoleBinding);
pub static Role_S: Shape = o(&Role);
pub static Subject_S: Shape = o(&Subject);
